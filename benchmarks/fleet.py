"""How well are many machines used, and what does giving out a job cost? The real scheduler, with jobs that only sleep.

How long a job's build and timing take is drawn from the published records, and made shorter, so that a run takes
seconds. The scheduler has one process and all workers another, in which each is a host of its own; they share the
cores of one machine, which a fleet would not.

Lower bound: total work / workers, and the longest job, whichever is more. A build counts a quarter, as four of them
share a host. Overlap: timings that had anything beside them on their host; there must be none.

WORKERS="1 16 64" and JOBS="100 10000" choose, BOUND=60 says how many seconds the shortest possible run is made to
take; PLOT=fleet draws fleet-light.svg and fleet-dark.svg.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import distributed
from matplotlib import pyplot
from matplotlib.axes import Axes

from harness.archive.store import Records
from harness.fleet.events import Event
from harness.fleet.executors.dask import BUILDERS, DaskExecutor, resources
from harness.fleet.task import Task
from harness.progress import Progress
from harness.report.drawing.style import THEMES, Theme

RESULTS = Path(__file__).resolve().parents[1] / "results" / "published"
JOBS_A_WORKER = 40
SEED = 20_240_425
REACH = 1.15
"""Of the makespan over its lower bound, with 16 workers."""


@dataclass(frozen=True)
class Nap:
    """How long a simulated job takes, in seconds."""

    build: float
    time: float


@dataclass(frozen=True)
class Slept:
    """When it did what, in seconds of one clock, and where."""

    host: str
    build: tuple[float, float]
    time: tuple[float, float]


class SleepBench:
    def build(self, task: Task, progress: Progress) -> tuple[float, float]:
        progress.phase("build")
        return _sleep(task.what.build)

    def time(self, task: Task, built: tuple[float, float], progress: Progress) -> Slept:
        progress.phase("time")
        return Slept(distributed.get_worker().address, built, _sleep(task.what.time))


@dataclass(frozen=True)
class Sleeping:
    """The work."""

    @contextmanager
    def open(self, say: Callable[[str], None]) -> Iterator[SleepBench]:  # noqa: ARG002
        yield SleepBench()

    def lost(self, task: Task, reason: str) -> Slept:
        sys.exit(f"error: {task.task_id} was lost: {reason}")

    refused = lost


def _sleep(seconds: float) -> tuple[float, float]:
    began = time.monotonic()
    if seconds:
        time.sleep(seconds)
    return began, time.monotonic()


@dataclass(frozen=True)
class Outcome:
    workers: int
    jobs: int
    bound: float
    seconds: float
    overlaps: int
    shorter: float
    """How many times shorter its jobs were than those of the records."""
    imbalance: float
    """Of what hosts were busy with: the most over the mean."""


def drawn() -> list[Nap]:
    """Build and timing of every record that is ok, in seconds."""
    found = []
    for one in Records(RESULTS).all():
        figures, samples, told = one.figures, one.samples, one.environment
        if one.status != "ok" or figures.install_seconds is None:
            continue
        runs = (*samples.first_bare, *samples.first, *samples.bare, *samples.warm, *samples.cold)
        timing = figures.install_seconds + sum(run.seconds for run in runs)
        if told.alone_from is not None and told.alone_until is not None:
            timing = (told.alone_until - told.alone_from).total_seconds()
        build = (figures.resolve_seconds or 5.0) + (figures.download_seconds or (figures.download_bytes or 0) / 60e6)
        found.append(Nap(build, timing))
    return found


def bound(naps: Sequence[Nap], workers: int) -> float:
    """Seconds below which nobody could do these."""
    total = sum(nap.build / BUILDERS + nap.time for nap in naps)
    return max(total / workers, max(nap.build + nap.time for nap in naps))


def simulate(naps: Sequence[Nap], workers: int, shorter: float = 1.0) -> Outcome:
    """Have them slept, heavy ones first, as a sweep does."""
    naps = [Nap(nap.build / shorter, nap.time / shorter) for nap in naps]
    ordered = sorted(naps, key=lambda nap: -(nap.build + nap.time))
    tasks = [Task(f"job-{number}", nap) for number, nap in enumerate(ordered)]
    with (
        distributed.LocalCluster(
            n_workers=0, processes=False, protocol="tcp", dashboard_address=None, silence_logs="CRITICAL"
        ) as cluster,
        hosts(cluster.scheduler_address, workers),
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        client.wait_for_workers(workers)
        began = time.monotonic()
        slept = [result for _, result in DaskExecutor(client).run(tasks, lambda _: True, Sleeping(), ignore)]
        seconds = time.monotonic() - began
    assert len(slept) == len(tasks), f"{len(slept)} of {len(tasks)} came back"
    busy: dict[str, float] = {}
    for one in slept:
        busy[one.host] = busy.get(one.host, 0.0) + one.time[1] - one.time[0]
    imbalance = max(busy.values()) * workers / (sum(busy.values()) or 1)
    return Outcome(workers, len(tasks), bound(naps, workers), seconds, overlaps(slept), shorter, imbalance)


@contextmanager
def hosts(scheduler: str, workers: int) -> Iterator[None]:
    """A process with that many workers."""
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(scheduler, workers), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def serve(scheduler: str, workers: int) -> None:
    """Be all of them, until terminated."""

    async def run() -> None:
        kept = [
            distributed.Worker(
                scheduler, nthreads=BUILDERS, resources=resources(frozenset()), memory_limit=0, dashboard=False
            )
            for _ in range(workers)
        ]
        await asyncio.gather(*kept)
        await asyncio.gather(*(one.finished() for one in kept))

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    asyncio.run(run())


def ignore(event: Event) -> None:
    """Nobody watches."""


def overlaps(slept: Sequence[Slept]) -> int:
    """Timings that had another timing or a build beside them on their host."""
    found = 0
    by_host: dict[str, list[Slept]] = {}
    for one in slept:
        by_host.setdefault(one.host, []).append(one)
    for mine in by_host.values():
        spans = sorted([(*one.build, False) for one in mine] + [(*one.time, True) for one in mine])
        open_until = [(float("-inf"), False)]
        for began, ended, timed in spans:
            open_until = [(until, kind) for until, kind in open_until if until > began]
            found += sum(timed or kind for _, kind in open_until)
            open_until.append((ended, timed))
    return found


def main() -> None:
    records = drawn()
    rng = random.Random(SEED)
    print(f"{len(records)} records: build {_spread([one.build for one in records])}, ", end="")
    print(f"timing {_spread([one.time for one in records])}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    print("| workers |   jobs | shorter | bound, s | makespan, s | ratio | overlaps | busiest host |")
    print("|--------:|-------:|--------:|---------:|------------:|------:|---------:|-------------:|")
    found = []
    for workers in _numbers("WORKERS", "1 2 4 8 16 32 64"):
        naps = rng.choices(records, k=workers * JOBS_A_WORKER)
        one = simulate(naps, workers, bound(naps, workers) / float(os.environ.get("BOUND", "20")))
        found.append(one)
        print(
            f"| {one.workers:7} | {one.jobs:6,} | x 1/{one.shorter:3.0f} | {one.bound:8.1f} | {one.seconds:11.1f} "
            f"| {one.seconds / one.bound:5.2f} | {one.overlaps:8} | {one.imbalance:12.2f} |",
            flush=True,
        )
    print("\nwhat giving out a job costs: jobs that take no time at all, on 16 workers\n")
    print("|   jobs | seconds | ms a job |")
    print("|-------:|--------:|---------:|")
    costs = []
    for jobs in _numbers("JOBS", "100 1000 10000"):
        one = simulate([Nap(0.0, 0.0)] * (jobs - 1) + [Nap(0.0, 1e-9)], 16)
        costs.append(one)
        print(f"| {jobs:6,} | {one.seconds:7.1f} | {one.seconds / jobs * 1000:8.2f} |", flush=True)
    print(f"\nreach: ratio at most {REACH} with 16 workers, no overlapping timings")
    if picture := os.environ.get("PLOT"):
        for theme in THEMES:
            plot(found, costs, theme, Path(f"{picture}-{theme.name}.svg"))
    if any(one.overlaps for one in (*found, *costs)):
        sys.exit("error: timings overlapped")


def plot(found: Sequence[Outcome], costs: Sequence[Outcome], theme: Theme, path: Path) -> None:
    """Makespan over its lower bound by workers, and the cost of a job by jobs."""
    ratios = [(one.workers, one.seconds / one.bound) for one in found]
    cost = [(one.jobs, one.seconds / one.jobs * 1000) for one in costs]
    settings: Any = {
        "font.size": 9,
        "svg.hashsalt": "fleet",
        "svg.fonttype": "none",
        "figure.facecolor": theme.background,
        "axes.facecolor": theme.background,
        **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), theme.text),
        "axes.edgecolor": theme.rest,
    }
    with pyplot.rc_context(settings):
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(7.6, 3.1), layout="constrained")
        left.axhline(1.0, color=theme.rest, linewidth=1)
        left.axhline(REACH, color=theme.rest, linewidth=1, linestyle=(0, (4, 3)))
        _line(left, ratios, theme.series[0], "{:.2f}")
        left.set_xscale("log", base=2)
        left.set_xticks([workers for workers, _ in ratios], [str(workers) for workers, _ in ratios])
        left.set_ylim(0.95, max(1.3, *(ratio + 0.08 for _, ratio in ratios)))
        left.set_xlabel(f"workers, {JOBS_A_WORKER} jobs each")
        left.set_title(f"Makespan over its lower bound\ndashed: the reach, {REACH}", fontsize=9.5)
        _line(right, cost, theme.series[1], "{:.1f}")
        right.set_xscale("log")
        right.set_xticks([jobs for jobs, _ in cost], [f"{jobs:,}" for jobs, _ in cost])
        right.set_ylim(0, max(each for _, each in cost) * 1.25)
        right.set_xlabel("jobs that take no time, 16 workers")
        right.set_title("Cost of giving out a job, ms", fontsize=9.5)
        for axes in (left, right):
            axes.minorticks_off()
            axes.margins(x=0.1)
            axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, metadata={"Date": None})
        pyplot.close(figure)


def _line(axes: Axes, points: Sequence[tuple[int, float]], colour: str, figure: str) -> None:
    axes.plot([x for x, _ in points], [y for _, y in points], "o-", color=colour)
    for point in points:
        axes.annotate(figure.format(point[1]), point, (-7, 8), textcoords="offset points", ha="center")


def _numbers(name: str, usual: str) -> list[int]:
    return [int(word) for word in os.environ.get(name, usual).split()]


def _spread(seconds: Sequence[float]) -> str:
    return f"{min(seconds):.0f} to {max(seconds):.0f} s, median {statistics.median(seconds):.0f}"


if __name__ == "__main__":
    main()
