"""Work that only sleeps, on the real executors: to see who does what, when and where."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import distributed

from harness.fleet.task import Task
from harness.progress import Progress


@dataclass(frozen=True)
class Slept:
    """When and where a task was done."""

    host: str
    build: tuple[float, float]
    time: tuple[float, float]


class SleepBench:
    def build(self, task: Task, progress: Progress) -> tuple[str, float, float]:
        progress.phase("build")
        began = time.monotonic()
        time.sleep(task.what)
        return worker_name(), began, time.monotonic()

    def time(self, task: Task, built: tuple[str, float, float], progress: Progress) -> Slept:
        progress.phase("time")
        assert built[0] == worker_name(), "it was built elsewhere"
        began = time.monotonic()
        time.sleep(task.what)
        return Slept(worker_name(), built[1:], (began, time.monotonic()))


@dataclass(frozen=True)
class Sleep:
    @contextmanager
    def open(self, say: Callable[[str], None]) -> Iterator[SleepBench]:
        yield SleepBench()

    def lost(self, task: Task, reason: str) -> str:
        return reason

    def refused(self, task: Task, reason: str) -> str:
        return f"not begun: {reason}"


def worker_name() -> str:
    """Of the Dask worker that asks; `here` where it is none."""
    try:
        return str(distributed.get_worker().name)
    except ValueError:
        return "here"
