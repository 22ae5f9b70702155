"""A night: plan it once, measure what has no record yet, look twice at what seems slower, and say what came of it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from harness.archive import nights
from harness.archive.nights import Outcome
from harness.archive.store import Nights, Records
from harness.documents.footprint import Record
from harness.documents.night import Night, night_id
from harness.engines.slot import holders
from harness.errors import EnvironmentLacksError
from harness.fleet.events import Event
from harness.fleet.footprints import Footprints, Weigh
from harness.fleet.plan import Plan, Planned
from harness.fleet.planning import Planner, plan_night, plan_of
from harness.fleet.run import Budget, run
from harness.fleet.task import Executor
from harness.job import Python

POLL_SECONDS = 0.5


@contextmanager
def only_one(results: Path, *, wait: bool, say: Callable[[str], None]) -> Iterator[None]:
    """Be the only night of a results folder; the kernel ends it with the process.

    Args:
        wait: for one that is under way, instead of leaving.

    Raises:
        EnvironmentLacksError: one is under way.
    """
    folder = results / "nights"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as lock:
        told = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                whom = ", ".join(str(pid) for pid in holders(os.fstat(lock.fileno()).st_ino)) or "another one"
                if not wait:
                    raise EnvironmentLacksError(
                        f"a night is under way in {results}: process {whom}", tip="let it end, or add --wait"
                    ) from None
                if not told:
                    say(f"waiting for the night that is under way: process {whom}")
                    told = True
                time.sleep(POLL_SECONDS)
        yield


def planned(
    planner: Planner,
    frameworks: list[str],
    pythons: list[Python],
    installer: str,
    as_of: datetime,
    now: datetime,
) -> tuple[Night, bool]:
    """The night of an instant, and whether it was planned before: a plan that was made is never made anew.

    Args:
        frameworks, pythons: as for `plan_night`.

    Raises:
        IndexUnavailableError: the index cannot be asked.
        EnvironmentLacksError: the plan cannot be written.
    """
    shelf = Nights(planner.store.results)
    name = night_id(as_of, planner.engine, installer, frameworks, [f"{major}.{minor}" for major, minor in pythons])
    if shelf.has(name):
        return shelf.read(name), True
    night = plan_night(planner, frameworks, pythons, installer, as_of, now)
    shelf.add(night)
    return night, False


def work_through(
    night: Night,
    planner: Planner,
    executor: Callable[[Plan], AbstractContextManager[Executor]],
    work: Footprints,
    *,
    budget: Budget,
    retry_failed: bool = False,
    tell: Callable[[Event], None],
    begin: Callable[[Plan], None],
    invalid: Callable[[Path, str], None],
) -> Outcome:
    """Measure what has no record, then a second time what seems slower than before.

    Args:
        executor: opens who does a plan; called only where there is something to do.
        begin: is told of each plan before it is done.

    Raises:
        EnvironmentLacksError: nothing can be measured, or stored.
        KeyboardInterrupt: interrupted; what was recorded is whole.
    """
    store = planner.store
    left_out: dict[str, str] = {}
    failures: dict[str, str] = {}

    def do(plan: Plan, budget: Budget) -> float:
        if not plan.to_do:
            return 0.0
        begin(plan)
        with executor(plan) as doing:
            ran = run(plan, doing, work, store, budget=budget, tell=tell, invalid=invalid)
        left_out.update(ran.left_out)
        failures.update(ran.failures)
        return ran.seconds

    spent = do(plan_of(night, planner, retry_failed=retry_failed), budget)
    if budget.seconds is not None:
        budget = replace(budget, seconds=max(0.0, budget.seconds - spent))
    twice = [Weigh(one.job, host_id=had.environment.host_id) for one, had in nights.suspects(night, kept(store))]
    do(Plan(tuple(Planned(one) for one in twice)), budget)
    earlier = Nights(store.results).all()
    return nights.outcome(night, kept(store), left_out=left_out, failures=failures, earlier=earlier)


def kept(store: Records) -> list[Record]:
    """All valid records."""
    return list(store.all())
