"""Probe: how long does one runtime take for one model, where does it run, and is its answer right?

One fresh process (`worker.py`) loads the model with one adapter, runs it, and reports; this process starts it, hears
it, ends it, and prints the document. See docs/how-we-measure-inference.md for what the figures mean.
"""

import argparse
import json
import os
import sys
import time

sys.path.append(os.path.dirname(os.path.abspath(__file__)))  # -I leaves the probes' own folder out

from supervise import Failure, Worker, told_of

READ_BYTES = 2**20


def empty():
    """The document before anything was reached."""
    found = dict.fromkeys(("failure", "import_seconds", "load_seconds", "first_run_seconds", "warmup_runs"))
    found.update(dict.fromkeys(("cpu_seconds", "rss_peak_bytes", "vram_peak_bytes", "max_abs_error", "max_rel_error")))
    found.update(dict.fromkeys(("output_std", "ep_actual", "nodes", "nodes_on_provider")))
    found.update(run_seconds=[], device_run_seconds=[], assignment={}, gpu={}, warnings=[])
    found.update(version="", distribution="", precision="unknown", ep_requested="")
    return found


def variables(threads, spinning):
    """What tells OpenMP how many threads there are, and that they wait without spinning."""
    told = {"OMP_NUM_THREADS": str(threads)}
    return told if spinning else {**told, "OMP_WAIT_POLICY": "PASSIVE"}


def measure(python, arguments, *, deadline, memory, threads, spinning, found):
    """Run one worker and take what it reports into `found`; returns the end of its standard error."""
    worker = Worker(python, arguments, deadline, memory, variables(threads, spinning))
    phase = "import"
    try:
        for report in worker.reports():
            phase = report.get("phase", phase)
            for name, value in report.items():
                if name == "warnings":
                    found["warnings"] += [one for one in value if one not in found["warnings"]]
                elif name in found:
                    found[name] = value
        if failure := found["failure"]:
            failure["kind"], failure["detail"] = told_of(Failure(failure["kind"], failure["detail"]))
    except Failure as failure:
        kind, detail = told_of(failure)
        if phase == "precision":  # everything else is known by then
            found["warnings"].append("precision unknown: %s" % (": ".join(filter(None, (kind, detail)))))
        else:
            found["failure"] = {"phase": phase, "kind": kind, "detail": detail}
    return worker.errors


def read_through(path):
    """So that loading reads from the page cache, whoever ran before."""
    try:
        with open(path, "rb", buffering=0) as file:
            while file.read(READ_BYTES):
                pass
    except OSError:
        pass  # the worker says it better


def interpreter(root):
    return os.path.join(root, "env", "bin", "python") if root else sys.executable


def main():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--root", default="", help="the sandbox's root; without one this interpreter runs the model")
    parser.add_argument("--adapter", required=True)
    parser.add_argument("--model", required=True, help="folder of the model's files")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--track", choices=("strict-f32", "vendor-default"), required=True)
    parser.add_argument("--provider", required=True)
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--spinning", action="store_true")
    parser.add_argument("--warmup-runs", type=int, default=10)
    parser.add_argument("--warmup-seconds", type=float, default=1.0)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds for everything")
    parser.add_argument("--memory", type=int, default=0, help="bytes, where nothing outside limits it")
    args = parser.parse_args()
    told = {name: getattr(args, name) for name in ("adapter", "model", "threads", "track", "provider", "device")}
    told.update(warmup_runs=args.warmup_runs, warmup_seconds=args.warmup_seconds, runs=args.runs, seconds=args.seconds)
    told.update(mode="time", spinning="yes" if args.spinning else "no")
    read_through(os.path.join(args.model, "model.onnx"))
    found = empty()
    errors = measure(
        interpreter(args.root),
        ["%s=%s" % item for item in told.items()],
        deadline=time.monotonic() + args.timeout,
        memory=args.memory,
        threads=args.threads,
        spinning=args.spinning,
        found=found,
    )
    found["ep_requested"] = args.provider
    if found["failure"] and found["failure"]["kind"] == "provider" and errors.strip():
        found["failure"]["detail"] += "; it said: %s" % errors.strip().splitlines()[-1][:300]
    json.dump(found, sys.stdout, allow_nan=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
