"""Executors, with work that only sleeps: what runs beside what, and who gets what. The scheduler is a real one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import distributed
import pytest

from harness.engines import host
from harness.errors import EnvironmentLacksError
from harness.fleet.events import Event
from harness.fleet.executors import dask
from harness.fleet.executors.dask import BUILDERS, DaskExecutor, resources
from harness.fleet.executors.local import LocalExecutor
from harness.fleet.executors.serial import SerialExecutor
from harness.fleet.task import DOCKER, GPU, Executor, Task, on_host
from tests.support.program import eventually
from tests.support.sleepers import Sleep, Slept

pytestmark = pytest.mark.integration

NAP = 0.05


def tasks(count: int, *needs: str, first: int = 0) -> list[Task]:
    return [Task(f"task-{first + number}", NAP, frozenset(needs)) for number in range(count)]


@contextmanager
def cluster(*workers: frozenset[str]) -> Iterator[distributed.Client]:
    """A scheduler with workers in this process, each a host that has something."""
    specification = {
        f"{'-'.join(sorted(has)) or 'bare'}-{number}": {
            "cls": distributed.Worker,
            "options": {
                "nthreads": BUILDERS,
                "resources": resources(has),
                "dashboard": False,
                "memory_limit": 0,
                "name": f"{'-'.join(sorted(has)) or 'bare'}-{number}",
            },
        }
        for number, has in enumerate(workers)
    }
    scheduler = {"cls": distributed.Scheduler, "options": {"dashboard": False, "port": 0, "host": "127.0.0.1"}}
    with (
        distributed.SpecCluster(workers=specification, scheduler=scheduler, silence_logs="CRITICAL") as made,
        distributed.Client(made, set_as_default=False) as client,
    ):
        yield client


def done(executor: Executor, *all_of: Task) -> dict[str, Slept]:
    return {task.task_id: result for task, result in executor.run(all_of, lambda _: True, Sleep(), lambda event: None)}


def beside_a_timing(found: dict[str, Slept]) -> int:
    """Pairs of a timing and anything else on its host that overlap."""
    spans = [(one.host, one.build, False) for one in found.values()] + [
        (one.host, one.time, True) for one in found.values()
    ]
    return sum(
        host == other_host and (timed or other_timed) and began < other_ended and other_began < ended
        for number, (host, (began, ended), timed) in enumerate(spans)
        for other_host, (other_began, other_ended), other_timed in spans[number + 1 :]
    )


def builds_at_once(found: dict[str, Slept]) -> int:
    moments = [one.build[0] for one in found.values()]
    return max(sum(one.build[0] <= moment < one.build[1] for one in found.values()) for moment in moments)


def test_one_after_the_other() -> None:
    found = done(SerialExecutor(), *tasks(4))
    assert (len(found), builds_at_once(found), beside_a_timing(found)) == (4, 1, 0)


def test_several_builds_share_this_host_and_timings_have_it_alone() -> None:
    found = done(LocalExecutor(3), *tasks(20))
    assert (len(found), builds_at_once(found), beside_a_timing(found)) == (20, 3, 0)


def test_hosts_share_the_work_and_no_timing_has_company() -> None:
    with cluster(frozenset(), frozenset()) as client:
        found = done(DaskExecutor(client), *tasks(24))
    assert len(found) == 24
    assert {one.host for one in found.values()} == {"bare-0", "bare-1"}
    assert beside_a_timing(found) == 0
    assert builds_at_once({name: one for name, one in found.items() if one.host == "bare-0"}) > 1


def test_a_gpu_s_tasks_go_to_gpus_and_an_engine_s_to_engines() -> None:
    wanted = [*tasks(6, GPU), *tasks(6, DOCKER, first=6), *tasks(6, first=12)]
    with cluster(frozenset(), frozenset({DOCKER}), frozenset({GPU})) as client:
        found = done(DaskExecutor(client), *wanted)
    assert {found[task.task_id].host for task in wanted[:6]} == {"gpu-2"}
    assert {found[task.task_id].host for task in wanted[6:12]} == {"docker-1"}
    assert len(found) == 18


def test_what_nobody_can_do_is_a_result_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "ALONE_SECONDS", 1.0)
    with cluster(frozenset()) as client:
        found = done(DaskExecutor(client), *tasks(2, GPU), *tasks(2, first=2))
    assert [found["task-0"], found["task-1"]] == ["not begun: no worker has gpu"] * 2
    assert isinstance(found["task-3"], Slept)


def test_a_scheduler_without_workers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "ALONE_SECONDS", 1.0)
    with cluster() as client, pytest.raises(EnvironmentLacksError, match="no worker that could do anything"):
        done(DaskExecutor(client), *tasks(1))


def test_a_result_that_is_lost_before_it_was_fetched_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "FETCH_SECONDS", 1.0)
    fetch, gone = dask._Run._fetched, []
    with cluster(frozenset(), frozenset()) as client:

        def lose_it_first(run: dask._Run, futures: dict[str, distributed.Future]) -> dict[str, Slept]:
            if not gone:
                victim = run.futures[next(iter(futures.values()))][1]
                gone.extend(name for name, one in client.cluster.workers.items() if one.address == victim)
                client.sync(client.cluster.workers[gone[0]].close)
            return fetch(run, futures)

        monkeypatch.setattr(dask._Run, "_fetched", lose_it_first)
        found = done(DaskExecutor(client), *tasks(12))
    assert len(found) == 12
    assert all(isinstance(one, Slept) for one in found.values()), found
    assert {one.host for one in found.values()} == {"bare-0", "bare-1"} - set(gone)


def test_work_stops_with_the_one_who_asks_for_it() -> None:
    events: list[Event] = []
    lock = threading.Lock()

    def tell(event: Event) -> None:
        with lock:
            events.append(event)

    with cluster(frozenset()) as client:
        run = DaskExecutor(client).run(tasks(200), lambda _: True, Sleep(), tell)
        next(run)
        run.close()  # type: ignore[attr-defined]
        time.sleep(0.5)
        count = len(events)
        time.sleep(0.5)
        assert len(events) == count, "something still runs"
    assert count < 200


def test_a_second_sweep_on_one_scheduler_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "LEASE_SECONDS", 1.0)
    with cluster(frozenset()) as client, distributed.Client(client.scheduler.address, set_as_default=False) as second:
        run = DaskExecutor(client).run(tasks(8), lambda _: True, Sleep(), lambda event: None)
        found = [next(run)]
        with pytest.raises(EnvironmentLacksError, match="another sweep or night is using this scheduler"):
            done(DaskExecutor(second), *tasks(2, first=8))
        found += run
        assert len(found) == 8 and all(isinstance(result, Slept) for _, result in found)
        assert len(done(DaskExecutor(second), *tasks(2, first=8))) == 2


def test_a_worker_that_is_told_to_end_leaves_its_tasks_to_others() -> None:
    with cluster(frozenset(), frozenset()) as client:
        run = DaskExecutor(client).run(tasks(24), lambda _: True, Sleep(), lambda event: None)
        found = dict([next(run)])
        client.sync(client.cluster.workers["bare-0"].close)
        found |= dict(run)
    assert len(found) == 24
    assert all(isinstance(one, Slept) for one in found.values()), found


def test_a_task_that_must_be_done_on_one_host_is() -> None:
    here, elsewhere = on_host(host.host_id()), on_host("elsewhere")
    with cluster(frozenset()) as client, pytest.MonkeyPatch.context() as patch:
        patch.setattr(dask, "ALONE_SECONDS", 1.0)
        found = done(DaskExecutor(client), *tasks(2, here), *tasks(1, elsewhere, first=2))
    assert isinstance(found["task-0"], Slept) and isinstance(found["task-1"], Slept)
    assert found["task-2"] == "not begun: no worker has host elsewhere"


@pytest.mark.parametrize("executor", ["serial", "local", "dask"])
def test_what_happens_is_told(executor: str) -> None:
    events: list[Event] = []
    with cluster(frozenset()) as client:
        by = {"serial": SerialExecutor(), "local": LocalExecutor(2), "dask": DaskExecutor(client)}[executor]
        for _ in by.run(tasks(3), lambda _: True, Sleep(), events.append):
            pass
        eventually(lambda: sum(one.text == "time" for one in events) == 3, 10)
    for name in ("task-0", "task-1", "task-2"):
        assert [one.text for one in events if one.task == name and one.text in ("build", "time")] == ["build", "time"]


@pytest.mark.parametrize("executor", ["serial", "local", "dask"])
def test_a_budget_is_asked_when_a_task_begins_and_not_before(executor: str) -> None:
    asked: list[int] = []
    ended: list[str] = []

    def may_begin(task: Task) -> bool:
        asked.append(len(ended))
        return len(ended) < 4

    with cluster(frozenset()) as client:
        by = {"serial": SerialExecutor(), "local": LocalExecutor(1), "dask": DaskExecutor(client)}[executor]
        for task, _ in by.run(tasks(24), may_begin, Sleep(), lambda event: None):
            ended.append(task.task_id)
    assert 4 <= len(ended) <= 4 + 2 * BUILDERS
    assert len(asked) == 24, "each is asked for once"
