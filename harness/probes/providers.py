"""Probe: what does a runtime's wheel offer, what can be created on this machine, and what really runs a node?

Each provider is tried in a process of its own, because some end the process where their device is missing. The model
is the tiny one that tells the precision (a convolution and a matrix product), unless another is given.
"""

import argparse
import json
import os
import sys
import time

sys.path.append(os.path.dirname(os.path.abspath(__file__)))  # -I leaves the probes' own folder out

from infer import empty, interpreter, measure

GPU = ("CUDA", "Tensorrt", "NvTensorRTRTX", "MIGraphX", "ROCM", "cuda", "GPU", "WebGpu")
"""How the names of providers and devices begin that need one."""


def ask(args, deadline, **told):
    """One worker; returns what it found and the end of its standard error."""
    job = {"adapter": args.adapter, "model": args.model, "threads": 1, "track": "vendor-default", "spinning": "no"}
    found = {**empty(), "offered": [], "devices": []}
    errors = measure(
        interpreter(args.root),
        ["%s=%s" % item for item in {**job, **told}.items()],
        deadline=deadline,
        memory=args.memory,
        threads=1,
        spinning=False,
        found=found,
    )
    return found, errors


def all_tried(args, deadline, providers):
    """Each has an equal share of the time that is left, so that one which hangs takes none from those after it."""
    lines = []
    for number, provider in enumerate(providers):
        now = time.monotonic()
        share = (deadline - now) / (len(providers) - number)
        lines.append(tried(args, now + share, provider))
    return lines


def tried(args, deadline, provider):
    device = "gpu" if provider.startswith(GPU) else "cpu"
    found, errors = ask(args, deadline, mode="places", provider=provider, device=device)
    failure = found["failure"]
    reason = ""
    if failure:
        reason = ": ".join(
            part for part in (failure["kind"], failure["detail"]) if part not in ("", "error", "provider")
        )
        if failure["kind"] == "provider" and errors.strip():
            reason += "; it said: %s" % errors.strip().splitlines()[-1][:300]
    elif found["nodes_on_provider"] is None:
        reason = "it ran on %s, and does not count nodes" % found["ep_actual"]
    return {
        "provider": provider,
        "created": found["load_seconds"] is not None,
        "ran_nodes": found["nodes_on_provider"],
        "reason": reason,
    }


def main():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--root", default="", help="the sandbox's root; without one this interpreter is asked")
    parser.add_argument("--adapter", required=True)
    parser.add_argument("--model", default="", help="folder of a model's files")
    parser.add_argument("--provider", action="append", default=[], help="try this one also if it is not offered")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds for everything; shared out")
    parser.add_argument("--memory", type=int, default=0, help="bytes, where nothing outside limits it")
    args = parser.parse_args()
    deadline = time.monotonic() + args.timeout
    found, _ = ask(args, deadline, mode="offers")
    document = {name: found[name] for name in ("failure", "distribution", "version", "offered", "devices", "gpu")}
    document["warnings"] = found["warnings"]
    names = dict.fromkeys((*args.provider, *found["offered"]))
    document["tried"] = [] if found["failure"] else all_tried(args, deadline, names)
    json.dump(document, sys.stdout, allow_nan=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
