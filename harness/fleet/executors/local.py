"""Several builds at a time on this host; then, with nothing beside them, what they built is timed."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from harness.fleet.events import WAITING, Event, Reporter
from harness.fleet.task import Results, Task, Work

BATCHES_AHEAD = 4
"""How many times the number of builders is built before anything is timed: the last builder of a batch works alone, so
few large batches waste less; but what is built and not timed is lost when the run is killed."""


class LocalExecutor:
    def __init__(self, builders: int) -> None:
        """
        Args:
            builders: how many builds run at a time.
        """
        self.builders = builders

    def run(
        self, tasks: Sequence[Task], may_begin: Callable[[Task], bool], work: Work, tell: Callable[[Event], None]
    ) -> Results:
        """See `Executor`."""
        beginning = filter(may_begin, tasks)
        stop = threading.Event()
        building: dict[Future[Any], tuple[Task, Reporter]] = {}
        waiting: deque[tuple[Task, Reporter, Any]] = deque()
        with work.open(lambda text: tell(Event("", "note", 0.0, text=text))) as bench:
            pool = ThreadPoolExecutor(self.builders, thread_name_prefix="build")
            try:
                more = True
                while True:
                    while more and len(building) + len(waiting) < self.builders * BATCHES_AHEAD:
                        if (task := next(beginning, None)) is None:
                            more = False
                            break
                        reporter = Reporter(task.task_id, "", tell, stop)
                        building[pool.submit(bench.build, task, reporter)] = task, reporter
                    if building:
                        for future in wait(building, return_when=FIRST_COMPLETED).done:
                            task, reporter = building.pop(future)
                            reporter.phase(WAITING)
                            waiting.append((task, reporter, future.result()))
                        continue
                    if not waiting:
                        return
                    while waiting:
                        task, reporter, built = waiting.popleft()
                        yield task, bench.time(task, built, reporter)
            finally:
                stop.set()
                pool.shutdown(cancel_futures=True)
