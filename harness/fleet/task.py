"""The ports of the fleet: a task, what is done of it, and who does it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from harness.documents.footprint import Record
from harness.documents.inference import Inference
from harness.errors import Status
from harness.fleet.events import Event
from harness.packages.lock import Asked, Lock
from harness.progress import Progress

DOCKER, GPU = "docker", "gpu"
"""What a machine can have that not every one has."""


def on_host(host_id: str | None) -> str:
    """What only one host has: being it."""
    return f"host {host_id}"


@dataclass(frozen=True)
class Task:
    """One thing to do on one host, in two parts: what shares the host with others, and what has it alone."""

    task_id: str
    what: Any
    """For whoever does it; travels to other machines, so a plain value."""
    needs: frozenset[str] = frozenset()
    """What its host must have: `DOCKER`, `GPU`, `on_host`. Whoever does tasks on one machine does them there."""


@dataclass(frozen=True)
class Done:
    """What came of a task: what is to be kept."""

    documents: tuple[Record | Inference, ...] = ()
    locks: tuple[tuple[Asked, Lock], ...] = ()
    """What the documents' `lock_sha256` name, with what was locked."""
    failure: str = ""
    """Why there is no document, where there is none."""

    @property
    def status(self) -> Status:
        """Of one document its own; of several the worst."""
        order: tuple[Status, ...] = ("failed", "unsupported", "skipped", "ok")
        return min((one.status for one in self.documents), key=order.index, default="failed")

    @property
    def reason(self) -> str:
        """Why it is not ok."""
        return self.failure or next((one.reason or "" for one in self.documents if one.status == self.status), "")


class Bench(Protocol):
    """What a host does tasks with: an engine, an index, a cache. Called by several threads."""

    def build(self, task: Task, progress: Progress) -> Any:
        """What may be done beside other builds; what it gives never leaves the host."""

    def time(self, task: Task, built: Any, progress: Progress) -> Any:
        """What needs the host alone; a failure is a result. What it gives may come from another machine."""


class Work(Protocol):
    """What is to be done of tasks; a plain value, which travels to other machines."""

    def open(self, say: Callable[[str], None]) -> AbstractContextManager[Bench]:
        """The host's bench, for as long as tasks come.

        Raises:
            EnvironmentLacksError: this host lacks what every task needs.
        """

    def lost(self, task: Task, reason: str) -> Any:
        """The result of a task that nobody could finish."""

    def refused(self, task: Task, reason: str) -> Any:
        """The result of a task that nobody there could begin: it may be begun another time."""


Results = Generator[tuple[Task, Any], None, None]


class Executor(Protocol):
    """Who does tasks: one after the other, several builds at a time, or many machines."""

    def run(
        self, tasks: Sequence[Task], may_begin: Callable[[Task], bool], work: Work, tell: Callable[[Event], None]
    ) -> Results:
        """Do tasks; gives each with its result, in whatever order they end. Closing it ends what is under way.

        Args:
            may_begin: is asked once of each task, when it is about to begin; one that may not is passed over.
            tell: is told what happens, from any thread.

        Raises:
            EnvironmentLacksError: nobody is there who could do them.
        """
