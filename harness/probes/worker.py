"""The process that is timed: load one model with one adapter, run it, hold its answer against the reference.

Started by `infer` and `providers`, never by hand; it reports to them through a pipe (supervise.py). Until the runtime
is imported it imports nothing that an interpreter does not have at its start, for that would make the import cheaper.
"""

import gc
import os
import sys
import time

sys.path.append(os.path.dirname(os.path.abspath(__file__)))  # -I leaves the probes' own folder out

from refused import Refused

NONCE_BYTES = 32
clock = time.perf_counter_ns


class Worker:
    """One job: which phase it is in, and what it has found since its last report."""

    def __init__(self, source, sink, job):
        self.source, self.sink, self.job = source, sink, job
        self.phase = "import"
        self.found = {"warnings": []}

    def report(self, **more):
        """Send what was found since the last report."""
        import json

        nonce = os.read(self.source, NONCE_BYTES)
        line = nonce + b" " + json.dumps({**self.found, **more, "phase": self.phase}).encode() + b"\n"
        while line:
            line = line[os.write(self.sink, line) :]
        self.found = {"warnings": []}

    def enter(self, phase):
        """The next phase begins."""
        self.phase = phase
        self.report()

    def work(self):
        begin = clock()
        self.adapter.prepare()
        self.found["import_seconds"] = seconds_since(begin)
        self.found["distribution"], self.found["version"] = self.distribution()
        if self.job["mode"] == "offers":
            self.offers()
            return
        self.enter("load")
        job = self.job
        if not job["model"]:
            self.make_model()
        inputs = read_arrays(os.path.join(job["model"], "inputs.npz"))
        self.device_bytes = self.device_memory()
        begin = clock()
        session = self.load(job["model"])
        self.found["load_seconds"] = seconds_since(begin)
        self.enter("first run")
        begin = clock()
        first = self.adapter.run(session, inputs)
        self.found["first_run_seconds"] = seconds_since(begin)
        self.place(session)
        if job["mode"] == "places":
            return
        self.time(session, inputs)
        self.compare(inputs, first, session)

    def make_model(self):
        """The tiny one, for trying a provider."""
        import tempfile

        from precision import write_model

        self.job["model"] = tempfile.mkdtemp(prefix="tiny-")
        write_model(self.job["model"])

    def load(self, folder):
        job = self.job
        threads, spinning = int(job["threads"]), job["spinning"] == "yes"
        return self.adapter.load(folder, threads, job["track"], job["provider"], job["device"], spinning)

    def distribution(self):
        """The first of the adapter's distributions that is installed, and its version."""
        from importlib import metadata

        names = self.adapter.DISTRIBUTION
        for name in (names,) if isinstance(names, str) else names:
            try:
                return name, metadata.version(name)
            except metadata.PackageNotFoundError:
                continue
        return "", ""

    def offers(self):
        self.found["offered"] = self.adapter.offered()
        self.found["devices"] = self.adapter.devices()
        if hasattr(self.adapter, "gpu_facts"):
            self.found["gpu"] = self.adapter.gpu_facts()

    def place(self, session):
        """Where it runs; what runs somewhere else than it was asked for is not timed under that name."""
        asked, strict = self.job["provider"], self.job["track"] == "strict-f32"
        found = self.adapter.where(session)
        self.found.update(found)
        nodes, mine = found["nodes"], found["nodes_on_provider"]
        others = ", ".join("%s %d" % item for item in sorted(found["assignment"].items()) if item[0] != asked)
        if mine == 0 or (strict and mine is not None and mine < nodes):
            raise Refused("provider", "%d of %d nodes ran on %s: %s" % (mine, nodes, asked, others))
        if found["ep_actual"] != asked:  # also where it had a few of the nodes: what is timed is the other's work
            where = "%s where %s was asked for" % (found["ep_actual"] or "nobody knows what", asked)
            raise Refused("provider", "it ran on %s%s" % (where, ": %s" % others if mine else ""))
        if mine is not None and mine < nodes:
            self.found["warnings"].append("%d of %d nodes ran on %s: %s" % (mine, nodes, asked, others))
        self.found["warnings"] += getattr(session, "warnings", [])

    def time(self, session, inputs):
        job, run = self.job, self.adapter.run
        self.enter("warm-up")
        gc.collect()
        gc.freeze()
        gc.disable()
        warm = self.loop(lambda: run(session, inputs), int(job["warmup_runs"]), float(job["warmup_seconds"]))
        self.found["warmup_runs"] = len(warm)
        self.enter("run")
        cpu = time.process_time()
        samples = self.loop(lambda: run(session, inputs), int(job["runs"]), float(job["seconds"]))
        self.found["cpu_seconds"] = time.process_time() - cpu
        self.found["run_seconds"] = samples
        if job["device"] != "cpu" and hasattr(self.adapter, "bind"):
            bound = self.adapter.bind(session, inputs)
            self.loop(lambda: self.adapter.run_bound(bound), int(job["warmup_runs"]), 0.0)
            self.found["device_run_seconds"] = self.loop(
                lambda: self.adapter.run_bound(bound), int(job["runs"]), float(job["seconds"])
            )
        gc.enable()
        if "rss_peak_bytes" not in getattr(session, "untold", ()):
            self.found["rss_peak_bytes"] = resident_peak()
        if self.device_bytes is not None:
            # runtimes give no device memory back while a session lives: what is taken now is the peak
            self.found["vram_peak_bytes"] = max(0, self.device_memory() - self.device_bytes)
        if hasattr(self.adapter, "gpu_facts") and job["device"] != "cpu":
            self.found["gpu"] = self.adapter.gpu_facts()

    @staticmethod
    def loop(run, least, seconds):
        """Run at least so often and so long; returns each run's seconds."""
        samples, begin, limit = [], clock(), seconds * 1e9
        while True:
            start = clock()
            run()
            end = clock()
            samples.append((end - start) / 1e9)
            if len(samples) >= least and end - begin >= limit:
                return samples

    def device_memory(self):
        """Bytes in use on the whole device; None without one."""
        if self.job["device"] == "cpu" or not hasattr(self.adapter, "device_memory"):
            return None
        return self.adapter.device_memory()

    def compare(self, inputs, first, session):
        """Two answers, the first and one after all timing, against the reference."""
        self.enter("compare")
        import json

        from precision import differences, precision_of

        reference = read_arrays(os.path.join(self.job["model"], "reference.npz"))
        with open(os.path.join(self.job["model"], "manifest.json"), encoding="utf-8") as file:
            manifest = json.load(file)
        tolerance = manifest["tolerance"][self.job["track"]]
        wrong = None
        for answer in (first, self.adapter.run(session, inputs)):
            figures, refusal = differences(answer, reference, tolerance)
            wrong = wrong or refusal
            for name, value in figures.items():
                if value is not None and name != "output_std":
                    value = max(value, self.found.get(name) or 0.0)
                self.found[name] = value
        error = self.found["max_rel_error"]
        refused = {"phase": self.phase, "kind": "numeric", "detail": wrong} if wrong else None
        # A crash from here on cannot take the figures with it: they are sent.
        self.phase = "precision"
        self.report(failure=refused)
        if others := manifest.get("other_types"):  # an answer like the reference's shows nothing of f32 then
            precision, why = "unknown", "precision unknown: the model itself has %s" % ", ".join(others)
        else:
            precision, why = precision_of(error, self.load, self.adapter.run)
        self.found["precision"] = precision
        self.found["warnings"] += [why] if why else []


def told_of(error):
    """Kind and detail of an exception: its class and the first line that says something."""
    if isinstance(error, Refused):
        return {"kind": error.kind, "detail": error.detail[:500]}
    if isinstance(error, MemoryError):
        return {"kind": "oom", "detail": str(error)[:500] or "MemoryError"}
    text = str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # OpenVINO puts the places in its own source first.
    said = [line for line in lines if not line.startswith(("Exception from ", "Check '"))] or lines
    name = type(error).__name__
    return {"kind": "error", "detail": ("%s: %s" % (name, said[0]) if said else name)[:500]}


def seconds_since(begin):
    return (clock() - begin) / 1e9


def read_arrays(path):
    import numpy

    with numpy.load(path, allow_pickle=False) as file:
        return {name: numpy.ascontiguousarray(file[name]) for name in file.files}


def resident_peak():
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return None


def main():
    source, sink = int(sys.argv[1]), int(sys.argv[2])
    job = dict(argument.split("=", 1) for argument in sys.argv[3:])
    worker = Worker(source, sink, job)
    try:
        worker.adapter = getattr(__import__("adapters." + job["adapter"]), job["adapter"])
        worker.work()
        worker.report(done=True)
    except Exception as error:
        worker.report(done=True, failure={"phase": worker.phase, **told_of(error)})


if __name__ == "__main__":
    main()
