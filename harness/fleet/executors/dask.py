"""Many machines, through Dask distributed.

Dask carries tasks to workers and their results back, keeps builds and timings of one worker apart by its resources,
and tells which workers are there. Which host gets which task is decided here: what was built on a host is timed there,
and a lost host's tasks are done anew. https://distributed.dask.org/en/stable/resources.html
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import distributed
from distributed.diagnostics.plugin import WorkerPlugin

from harness import __version__
from harness.engines import host
from harness.errors import EnvironmentLacksError
from harness.fleet.events import WAITING, Event, Reporter, StoppedError, from_dict
from harness.fleet.task import DOCKER, GPU, Results, Task, Work, on_host

PLUGIN = "footprint-harness"
TOPIC = "footprint-harness"
BUILD_SHARE, WHOLE = 0.25, 1.0
"""Of the resource `host`. Each task claims some: one that claims nothing would run beside a timing.
https://github.com/dask/distributed/issues/3552"""
BUILDERS = int(WHOLE / BUILD_SHARE)
ATTEMPTS = 3
"""How many hosts may be lost with a task before it is given up."""
CLOSE_SECONDS = 10.0
"""How long a worker that closes waits for what it was doing."""
LOOK_SECONDS = 1.0
"""Between two looks at which workers are there."""
ALONE_SECONDS = 60.0
"""How long tasks wait for a worker that could do them."""
FETCH_SECONDS = 20.0
"""How long results may take that are there."""
LEASE_SECONDS = 45.0
"""How long whoever was killed may still seem to use a scheduler."""
CAN_HAVE = (DOCKER, GPU)
PLENTY = 1_000_000.0
"""As a resource, what a host has or has not: no number of tasks uses it up."""


def resources(has: frozenset[str]) -> dict[str, float]:
    """What a worker offers: its host, whole, and what it has."""
    return {"host": WHOLE, **{name: PLENTY for name in CAN_HAVE if name in has}}


class BenchPlugin(WorkerPlugin):  # type: ignore[misc]
    """A worker's bench, open from when the work is announced until another is, or the worker closes."""

    name = PLUGIN

    def __init__(self, work: Work) -> None:
        self.work = work

    async def setup(self, worker: distributed.Worker) -> None:
        """Open the bench; why it could not be is kept, so that the others go on."""
        self.worker, self.stop = worker, threading.Event()
        self._at_work, self._changed = 0, threading.Condition()
        self.built: dict[str, Any] = {}
        self.failure = ""
        self._context = self.work.open(lambda text: self._tell(Event("", "note", time.time(), worker.address, text)))
        try:
            self.bench = await asyncio.to_thread(self._context.__enter__)
        except Exception as error:
            self.failure = str(error) or type(error).__name__

    async def teardown(self, worker: distributed.Worker) -> None:  # noqa: ARG002
        """Close it; what still runs ends at its next sign of life, and is waited for, so that it cleans up."""
        self.stop.set()
        if not self.failure:
            await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._at_work, CLOSE_SECONDS)
        self._context.__exit__(None, None, None)

    @contextmanager
    def at_work(self, task: Task) -> Iterator[Reporter]:
        """While a task uses the bench."""
        with self._changed:
            self._at_work += 1
        try:
            yield Reporter(task.task_id, self.worker.address, self._tell, self.stop)
        finally:
            with self._changed:
                self._at_work -= 1
                self._changed.notify_all()

    def _tell(self, event: Event) -> None:
        self.worker.log_event(TOPIC, event.to_dict())


class NotHereError(Exception):
    """What a task needs of its worker is not there any more: the worker was started anew meanwhile."""


def _plugin() -> BenchPlugin:
    found = distributed.get_worker().plugins.get(PLUGIN)
    if not isinstance(found, BenchPlugin):
        raise NotHereError(PLUGIN)
    return found


def _build(task: Task) -> None:
    """Build on this worker; what was built stays here."""
    plugin = _plugin()
    with plugin.at_work(task) as reporter:
        plugin.built[task.task_id] = plugin.bench.build(task, reporter)
        reporter.phase(WAITING)


def _time(task: Task) -> Any:
    plugin = _plugin()
    if task.task_id not in plugin.built:
        raise NotHereError(task.task_id)
    with plugin.at_work(task) as reporter:
        return plugin.bench.time(task, plugin.built.pop(task.task_id), reporter)


@dataclass(frozen=True)
class Introduction:
    """What a worker tells of itself."""

    has: frozenset[str]
    version: str
    commit: str | None
    failure: str


def _introduce(dask_worker: distributed.Worker) -> Introduction:
    failure = dask_worker.plugins[PLUGIN].failure
    has = {on_host(host.host_id()), *(set(CAN_HAVE) & dask_worker.state.total_resources.keys())}
    return Introduction(frozenset(has), __version__, host.commit(), failure)


def _differs(told: Introduction) -> str:
    """Why a worker's harness is not this one; a commit is known only where it runs from a repository."""
    if told.version != __version__:
        return f"it has harness {told.version}, not {__version__}"
    mine = host.commit()
    if mine is not None and told.commit is not None and told.commit != mine:
        return f"it has commit {told.commit} of the harness, not {mine}"
    return ""


@dataclass
class _Host:
    """A worker, as the one who gives it tasks sees it."""

    has: frozenset[str]
    building: dict[str, Task] = field(default_factory=dict)
    timing: dict[str, Task] = field(default_factory=dict)


class DaskExecutor:
    """Gives tasks to the workers of a scheduler.

    Each host gets a few tasks at a time, builds all of them and then times them one by one; while it times the last it
    gets the next few. How few falls with what is left, so that no host ends long after the others: guided
    self-scheduling (Polychronopoulos and Kuck, 1987, https://doi.org/10.1109/TC.1987.5009495).
    """

    def __init__(self, client: distributed.Client) -> None:
        self.client = client

    def run(
        self, tasks: Sequence[Task], may_begin: Callable[[Task], bool], work: Work, tell: Callable[[Event], None]
    ) -> Results:
        """See `Executor`.

        Raises:
            EnvironmentLacksError: no worker is there, the scheduler went away, or somebody else is using it.
        """
        lock = distributed.Lock(PLUGIN, scheduler_rpc=self.client.scheduler, loop=self.client.loop)
        if not lock.acquire(timeout=LEASE_SECONDS):  # two would take each other's benches away
            raise EnvironmentLacksError(
                "another sweep or night is using this scheduler", tip="let it end, or start a scheduler of your own"
            )
        try:
            run = _Run(self.client, tasks, may_begin, work, tell)
            try:
                yield from run.results()
            finally:
                run.close()
        finally:
            with suppress(Exception):  # the scheduler itself may be what went away
                lock.release()


class _Run:
    def __init__(
        self,
        client: distributed.Client,
        tasks: Sequence[Task],
        may_begin: Callable[[Task], bool],
        work: Work,
        tell: Callable[[Event], None],
    ) -> None:
        self.client, self.may_begin, self.work, self.tell = client, may_begin, work, tell
        self.hosts: dict[str, _Host] = {}
        self.left = list(tasks)
        """What no host has, in order; what was lost with one comes first."""
        self.attempts: dict[str, int] = {}
        self.futures: dict[distributed.Future, tuple[Task, str]] = {}
        self.ended: queue.SimpleQueue[distributed.Future] = queue.SimpleQueue()
        self.unsure: list[distributed.Future] = []
        """Futures that had ended, until their result was lost with a worker."""
        self.refused: dict[str, str] = {}
        """Worker's address -> why it gets no task."""
        self.looked = 0.0
        self.last_able = time.monotonic()
        client.subscribe_topic(TOPIC, lambda event: tell(from_dict(event[1])))
        client.register_plugin(BenchPlugin(work))

    def results(self) -> Iterator[tuple[Task, Any]]:
        while True:
            yield from self._look()
            self._give()
            yield from self._give_up()
            if not self.futures and not self.left:
                return
            yield from self._took(self._ended())

    def close(self) -> None:
        """Nothing of this goes on: what runs on workers ends at its next sign of life."""
        with suppress(Exception):  # the scheduler itself may be what went away
            self.client.cancel(list(self.futures), force=True)
            self.client.unregister_worker_plugin(PLUGIN)
            self.client.unsubscribe_topic(TOPIC)

    def _look(self) -> Iterator[tuple[Task, Any]]:
        """Which workers came, and which went."""
        now = time.monotonic()
        if now - self.looked < LOOK_SECONDS:
            return
        self.looked = now
        try:
            there = set(self.client.nthreads())
        except (OSError, TimeoutError) as error:
            raise EnvironmentLacksError(
                f"the scheduler went away: {type(error).__name__}", tip="start it, then run the same again"
            ) from error
        for address in self.hosts.keys() - there:
            gone = self.hosts.pop(address)
            self.tell(Event("", "note", time.time(), address, f"worker {address} was lost"))
            for task in (*gone.building.values(), *gone.timing.values()):
                yield from self._retry(task, f"the worker that did it was lost, {ATTEMPTS} times")
        self.refused = {address: why for address, why in self.refused.items() if address in there}
        while self.unsure:
            self.ended.put(self.unsure.pop())
        for address, told in self._introductions(there - self.hosts.keys() - self.refused.keys()).items():
            if why := told.failure or _differs(told):
                self.refused[address] = why
                self.tell(Event("", "note", time.time(), address, f"worker {address} takes no job: {why}"))
            else:
                self.hosts[address] = _Host(told.has)
                has = ", ".join(sorted(told.has & set(CAN_HAVE))) or "no container engine"
                self.tell(Event("", "note", time.time(), address, f"worker {address} joined: {has}"))

    def _introductions(self, addresses: set[str]) -> Mapping[str, Introduction]:
        if not addresses:
            return {}
        found = self.client.run(_introduce, workers=list(addresses), on_error="return")
        return {address: told for address, told in found.items() if isinstance(told, Introduction)}

    def _give(self) -> None:
        """The next few tasks, to every host that is through with its last."""
        idle = [one for one in self.hosts.items() if not one[1].building and len(one[1].timing) <= 1]
        idle.sort(key=lambda one: len(one[1].timing))
        for address, mine in idle:
            for task in self._batch(mine.has):
                mine.building[task.task_id] = task
                self._submit(_build, task, address, BUILD_SHARE)

    def _batch(self, has: frozenset[str]) -> list[Task]:
        """At most as many as a host builds at a time, and fewer towards the end; those that may begin."""
        fitting = [task for task in self.left if task.needs <= has]
        room = max(1, min(BUILDERS, len(fitting) // (2 * len(self.hosts))))
        batch: list[Task] = []
        for task in fitting:
            if len(batch) == room:
                break
            self.left.remove(task)
            if task.task_id in self.attempts or self.may_begin(task):
                batch.append(task)
        return batch

    def _give_up(self) -> Iterator[tuple[Task, Any]]:
        """Tasks that no worker could do, for so long that none will come."""
        able = any(task.needs <= mine.has for task in self.left for mine in self.hosts.values())
        if self.futures or able or not self.left:
            self.last_able = time.monotonic()
        if time.monotonic() - self.last_able < ALONE_SECONDS:
            return
        if not self.hosts:
            told = "; ".join(f"{address} takes none: {why}" for address, why in self.refused.items())
            raise EnvironmentLacksError(
                f"the scheduler has no worker that could do anything{f' ({told})' if told else ''}",
                tip="start some: harness worker ADDRESS",
            )
        while self.left:
            task = self.left.pop(0)
            yield task, self.work.refused(task, f"no worker has {', '.join(sorted(task.needs))}")

    def _submit(self, what: Callable[[Task], Any], task: Task, address: str, share: float) -> None:
        claims = {"host": share, **dict.fromkeys(task.needs & set(CAN_HAVE), 1.0)}
        future = self.client.submit(
            what,
            task,
            key=f"{what.__name__}-{task.task_id}-{self.attempts.get(task.task_id, 0)}",
            workers=[address],
            allow_other_workers=False,
            resources=claims,
            pure=False,
            retries=0,
            priority=10 if what is _time else 0,
        )
        self.futures[future] = task, address
        future.add_done_callback(self.ended.put)

    def _ended(self) -> list[distributed.Future]:
        """The futures that ended; none where none does for a while."""
        found = []
        with suppress(queue.Empty):
            found.append(self.ended.get(timeout=LOOK_SECONDS))
            while True:
                found.append(self.ended.get_nowait())
        return found

    def _took(self, ended: list[distributed.Future]) -> Iterator[tuple[Task, Any]]:
        """What futures came to. The results of timings are fetched together: each time is a round trip."""
        timed: dict[str, distributed.Future] = {}
        for future in ended:
            if future not in self.futures:
                continue  # of a host that was lost meanwhile
            task, address = self.futures[future]
            mine = self.hosts[address]
            if future.status != "finished":
                yield from self._failed(future)
            elif task.task_id in mine.building:
                self._forget(future)
                mine.timing[task.task_id] = task
                self._submit(_time, task, address, WHOLE)
            else:
                timed[future.key] = future
        if not timed:
            return
        for key, result in self._fetched(timed).items():
            future = timed[key]
            if future.status == "finished":
                yield self._forget(future), result
            else:
                yield from self._failed(future)

    def _fetched(self, futures: dict[str, distributed.Future]) -> dict[str, Any]:
        """Their results; none if a worker went away with one: which, the next look tells."""

        async def fetch() -> dict[str, Any]:
            fetching = self.client.gather(futures, errors="skip", asynchronous=True)
            return await asyncio.wait_for(fetching, FETCH_SECONDS)

        found: dict[str, Any] = {}
        try:
            found = self.client.sync(fetch)
        except TimeoutError:
            self.unsure += futures.values()
        return found

    def _failed(self, future: distributed.Future) -> Iterator[tuple[Task, Any]]:
        """A task that raised has found a defect, and is not done again; one that was lost is."""
        if future.status not in ("error", "cancelled"):
            self.unsure.append(future)
            return
        error = future.exception() if future.status == "error" else None
        task = self._forget(future)
        lost = error is None or isinstance(error, distributed.scheduler.KilledWorker | StoppedError | NotHereError)
        why = f"the worker that did it was lost, {ATTEMPTS} times" if lost else f"{type(error).__name__}: {error}"
        yield from self._retry(task, why, final=not lost)

    def _forget(self, future: distributed.Future) -> Task:
        task, address = self.futures.pop(future)
        for mine in (self.hosts[address].building, self.hosts[address].timing):
            mine.pop(task.task_id, None)
        future.release()
        return task

    def _retry(self, task: Task, reason: str, *, final: bool = False) -> Iterator[tuple[Task, Any]]:
        """Do a task anew, or give it up."""
        for future in [one for one, (mine, _) in self.futures.items() if mine == task]:
            del self.futures[future]
            future.cancel(force=True)
        self.attempts[task.task_id] = self.attempts.get(task.task_id, 0) + 1
        if final or self.attempts[task.task_id] >= ATTEMPTS:
            yield task, self.work.lost(task, reason)
        else:
            self.tell(Event(task.task_id, "retry", time.time()))
            self.left.insert(0, task)
