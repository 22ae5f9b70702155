"""Do a plan: tasks to an executor, results to the store. One writer, whoever measures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from harness.archive import tables
from harness.archive.store import Inferences, Store, silently
from harness.fleet.events import Event
from harness.fleet.plan import Part, Plan, Planned
from harness.fleet.task import Done, Executor, Task, Work
from harness.inference import Inference
from harness.packages.lock import LockStore
from harness.record import Record


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
    store: Store,
    *,
    budget: Budget = Budget(),
    heavy_first: bool = False,
    tell: Callable[[Event], None] = lambda _: None,
    torn: Callable[[Path, str], None] = silently,
) -> Ran:
    """Measure what a plan has to do. Each record is stored, and the table brought up to date, as soon as it is there.

    Args:
        heavy_first: in order of what they download, so that no machine is left with a long job at the end.
        tell: is told what happens, from any thread.
        torn: is told of each file that is not a valid record.

    Raises:
        EnvironmentLacksError: nothing can be measured, or stored.
        KeyboardInterrupt: interrupted; what was recorded is whole.
    """
    ran = Ran()
    began = time.monotonic()
    shelves, locks = _Shelves(store, torn), LockStore(store.results / "locks")
    ordered = sorted(plan.to_do, key=lambda one: -one.estimate.bytes) if heavy_first else plan.to_do
    tasks = admitted(ordered, budget, ran, began)
    with closing(executor.run(tasks, work, tell)) as results:  # now, whatever ends this, and not when memory is tidied
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

    store: Store
    torn: Callable[[Path, str], None]

    def add(self, document: Record | Inference) -> None:
        if isinstance(document, Record):
            self.store.add(document)
            tables.rebuild(self.store, self.torn)
        else:
            shelf = Inferences(self.store.results)
            shelf.add(document)
            tables.rebuild_inferences(shelf, self.torn)


def admitted(jobs: Sequence[Planned], budget: Budget, ran: Ran, began: float) -> Iterator[Task]:
    """Tasks as long as the budget lasts; the others are named."""
    had: set[Part] = set()
    spent = 0
    for one in jobs:
        costs = sum(size for part in one.estimate.parts - had for size in part[2:])
        if budget.seconds is not None and time.monotonic() - began >= budget.seconds:
            ran.left_out[one.slug] = f"the {budget.seconds:,.0f} s were over"
        elif budget.download_bytes is not None and spent + costs > budget.download_bytes:
            ran.left_out[one.slug] = (
                f"it may download {costs / 1e6:,.0f} MB, and "
                f"{max(0, budget.download_bytes - spent) / 1e6:,.0f} MB of {budget.download_bytes / 1e6:,.0f} are left"
            )
        else:
            spent += costs
            had |= one.estimate.parts
            yield one.task
