"""One task after the other, in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from harness.fleet.events import Event, Reporter
from harness.fleet.task import Results, Task, Work


class SerialExecutor:
    def run(
        self, tasks: Sequence[Task], may_begin: Callable[[Task], bool], work: Work, tell: Callable[[Event], None]
    ) -> Results:
        """See `Executor`."""
        never = threading.Event()
        with work.open(lambda text: tell(Event("", "note", 0.0, text=text))) as bench:
            for task in filter(may_begin, tasks):
                reporter = Reporter(task.task_id, "", tell, never)
                yield task, bench.time(task, bench.build(task, reporter), reporter)
