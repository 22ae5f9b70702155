"""Do a plan: tasks to an executor, results to the store. One writer, whoever measures."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from harness.archive import tables
from harness.archive.store import LOCKS, Inferences, Records, silently
from harness.documents.footprint import Record
from harness.documents.inference import Inference
from harness.fleet.events import Event
from harness.fleet.plan import Estimate, Part, Plan
from harness.fleet.task import Done, Executor, Task, Work
from harness.packages.lock import LockStore


@dataclass(frozen=True)
class Budget:
    """What a run may use; None: as much as it takes."""

    seconds: float | None = None
    download_bytes: int | None = None


@dataclass
class Ran:
    """What came of a plan."""

    records: list[Record | Inference] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    """Job's slug -> why it has no record."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Job's slug -> why it was not begun."""
    seconds: float = 0.0


def run(
    plan: Plan,
    executor: Executor,
    work: Work,
    store: Records,
    *,
    budget: Budget = Budget(),
    heavy_first: bool = False,
    tell: Callable[[Event], None] = lambda _: None,
    invalid: Callable[[Path, str], None] = silently,
) -> Ran:
    """Measure what a plan has to do. Each record is stored, and the table brought up to date, as soon as it is there.

    Args:
        heavy_first: in order of what they download, so that no machine is left with a long job at the end.
        tell: is told what happens, from any thread.
        invalid: receives each file that is not a valid record.

    Raises:
        EnvironmentLacksError: nothing can be measured, or stored.
        KeyboardInterrupt: interrupted; what was recorded is whole.
    """
    ran = Ran()
    began = time.monotonic()
    shelves, locks = _Shelves(store, invalid), LockStore(store.results / LOCKS)
    ordered = sorted(plan.to_do, key=lambda one: -one.estimate.bytes) if heavy_first else plan.to_do
    admission = Admission({one.slug: one.estimate for one in ordered}, budget, ran, began)
    tasks = [one.task for one in ordered]
    # closed now, whatever ends this, and not when memory is tidied
    with closing(executor.run(tasks, admission, work, tell)) as results:
        for task, done in results:
            assert isinstance(done, Done)
            for asked, lock in done.locks:
                locks.add(asked, lock)
            for document in done.documents:
                shelves.add(document)
            ran.records += done.documents
            if done.failure:
                ran.failures[task.task_id] = done.failure
            tell(Event(task.task_id, "end", time.time(), text=done.status, detail=done.reason))
    ran.seconds = time.monotonic() - began
    return ran


@dataclass(frozen=True)
class _Shelves:
    """Where documents are kept, each kind with its table."""

    store: Records
    invalid: Callable[[Path, str], None]

    def add(self, document: Record | Inference) -> None:
        if isinstance(document, Record):
            self.store.add(document)
            tables.rebuild(self.store, self.invalid)
        else:
            shelf = Inferences(self.store.results)
            shelf.add(document)
            tables.rebuild(shelf, self.invalid)


@dataclass
class Admission:
    """Says which jobs may begin, for as long as the budget lasts; the others are named."""

    estimates: Mapping[str, Estimate]
    budget: Budget
    ran: Ran
    began: float
    had: frozenset[Part] = frozenset()
    """Wheels that were reckoned with already."""
    spent: int = 0

    def __call__(self, task: Task) -> bool:
        """Whether it may; called from one thread."""
        parts, most, limit = self.estimates[task.task_id].parts, self.budget.seconds, self.budget.download_bytes
        costs = sum(size for part in parts - self.had for size in part[2:])
        if most is not None and time.monotonic() - self.began >= most:
            self.ran.left_out[task.task_id] = f"the {most:,.0f} s were over"
        elif limit is not None and self.spent + costs > limit:
            self.ran.left_out[task.task_id] = (
                f"it may download {costs / 1e6:,.0f} MB, and "
                f"{max(0, limit - self.spent) / 1e6:,.0f} MB of {limit / 1e6:,.0f} are left"
            )
        else:
            self.spent += costs
            self.had |= parts
        return task.task_id not in self.ran.left_out
