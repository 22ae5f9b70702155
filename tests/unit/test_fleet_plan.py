"""A plan: what has a record is not done again, and what would be downloaded is counted once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from harness.archive.store import Records
from harness.cli.pages.plans import headline
from harness.documents.base import LockedWheel
from harness.documents.footprint import Record
from harness.engines import host
from harness.fleet.footprints import Weigh
from harness.fleet.plan import NOTHING, Estimate, Plan, Planned, estimate, recorded
from harness.fleet.races import Race
from harness.fleet.run import Admission, Budget, Ran
from harness.job import Job, Request, Target, compact_instant
from tests.support.forecasts import forecast, wheel
from tests.support.records import line, measured

AS_OF = datetime(2026, 11, 25, tzinfo=UTC)
MEASURED_AT = datetime(2026, 11, 25, 3, tzinfo=UTC)
MB = 1_000_000
OWN = ("torch", "2.3.0", 700 * MB)


def job(version: str = "2.3.0", **changed: Any) -> Job:
    fields: dict[str, Any] = {
        "request": Request("torch", Version(version)),
        "target": Target((3, 11)),
        "variant": "pypi",
        "as_of": AS_OF,
        "installer": "pip",
        "engine": "docker",
    }
    return Job(**fields | changed)


def record_of(one: Job, suffix: str = "abcdef", **changed: Any) -> Record:
    fields: dict[str, Any] = {
        "record_id": f"{one.slug}-{compact_instant(MEASURED_AT)}-{suffix}",
        "version": str(one.request.version),
        "as_of": one.as_of,
        "installer": one.installer,
        "measured_at": MEASURED_AT,
    }
    wheels = [
        LockedWheel(name="torch", version="2.3.0", bytes=700 * MB),
        LockedWheel(name="numpy", version="2", bytes=MB),
    ]
    return measured([line("torch", 2000 * MB)], wheels, **fields | changed)


@pytest.fixture
def store(tmp_path: Path) -> Records:
    found = Records(tmp_path)
    found.prepare()
    return found


def test_a_job_has_the_record_that_was_measured_of_it(store: Records) -> None:
    one, other = job(), job(installer="uv")
    record = record_of(one)
    store.add(record)
    assert recorded([one, other], store) == {one.slug: record.record_id}


def test_a_job_whose_name_begins_like_another_s_has_no_record_of_it(store: Records) -> None:
    store.add(record_of(job("2.3.0")))
    assert recorded([job("2.3")], store) == {}


def test_a_torn_record_counts_as_none(store: Records) -> None:
    one = job()
    path = store.add(record_of(one))
    path.write_text(path.read_text()[:100])
    assert recorded([one], store) == {}


def test_a_failed_record_counts_unless_it_is_to_be_tried_again(store: Records) -> None:
    one = job()
    store.add(record_of(one, status="failed", phase="import", reason="no"))
    assert list(recorded([one], store)) == [one.slug]
    assert recorded([one], store, retry_failed=True) == {}
    store.add(record_of(one, "fedcba"))
    assert list(recorded([one], store, retry_failed=True)) == [one.slug]


def test_an_estimate_comes_from_a_record_else_a_forecast_else_the_wheel() -> None:
    one = job()
    told = forecast([wheel("torch", 700 * MB), wheel("triton", 200 * MB)], version="2.3.0")
    assert estimate(one, [record_of(one)], [told], OWN).known_by == "record"
    assert estimate(one, [record_of(one)], [told], OWN).bytes == 701 * MB
    assert estimate(one, [], [told], OWN) == Estimate(
        frozenset({("torch", "1", 700 * MB), ("triton", "1", 200 * MB)}), "forecast"
    )
    assert estimate(one, [], [], OWN) == Estimate(frozenset({OWN}), "own wheel")
    assert estimate(one, [], [], None) == NOTHING


def test_another_build_s_record_estimates_nothing() -> None:
    one = job()
    for other in ({"python": "3.12"}, {"variant": "cpu"}, {"version": "2.4.0"}, {"extras": ("opt",)}):
        assert estimate(one, [record_of(one, **other)], [], OWN).known_by == "own wheel"


def planned(name: str, *parts: tuple[str, int], record_id: str | None = None) -> Planned:
    weigh = Weigh(job(request=Request(name, Version("1"))))
    return Planned(weigh, Estimate(frozenset((part, "1", size) for part, size in parts), "record"), record_id)


def test_a_wheel_that_two_jobs_need_is_downloaded_once() -> None:
    plan = Plan((planned("a", ("a", 10 * MB), ("numpy", 20 * MB)), planned("b", ("b", MB), ("numpy", 20 * MB))))
    assert plan.download_bytes == 31 * MB
    assert headline(plan) == "2 jobs; 2 to be measured, about 31.0 MB to download"


def test_what_is_recorded_downloads_nothing() -> None:
    plan = Plan((planned("a", ("a", 10 * MB), record_id="a-1"),))
    assert headline(plan) == "1 job, 1 of them recorded already; nothing to be done"


def admitted(jobs: Sequence[Planned], budget: Budget, ran: Ran) -> list[Weigh | Race]:
    """What may begin, long after the run began."""
    may_begin = Admission({one.slug: one.estimate for one in jobs}, budget, ran, began=-1e9)
    return [one.what for one in jobs if may_begin(one.task)]


def test_a_budget_counts_shared_wheels_once_and_goes_on_with_what_still_fits() -> None:
    jobs = [planned("a", ("numpy", 20 * MB)), planned("b", ("b", 50 * MB)), planned("c", ("c", MB), ("numpy", 20 * MB))]
    ran = Ran()
    assert [one.subject for one in admitted(jobs, Budget(download_bytes=30 * MB), ran)] == ["a==1", "c==1"]
    assert ran.left_out == {
        jobs[1].slug: "it may download 50 MB, and 10 MB of 30 are left",
    }


def test_after_its_time_a_run_begins_nothing() -> None:
    jobs, ran = [planned("a", ("a", MB))], Ran()
    assert admitted(jobs, Budget(seconds=0.001), ran) == []
    assert list(ran.left_out.values()) == ["the 0 s were over"]


def test_a_host_is_named_without_telling_its_machine_id(tmp_path: Path) -> None:
    path = tmp_path / "machine-id"
    path.write_text("3d1219c7c4c5404aaa1f6d2a48adfda4\n")
    name = host.host_id(path)
    assert name is not None and len(name) == 12
    assert name not in path.read_text()
    assert host.host_id(path) == name
    path.write_text("uninitialized\n")
    assert host.host_id(path) is None
    assert host.host_id(tmp_path / "none") is None


def test_a_label_leaves_out_what_all_jobs_share() -> None:
    jobs = [job(), job(installer="uv"), job("2.4.0", target=Target((3, 13)))]
    plan = Plan(tuple(Planned(Weigh(one)) for one in jobs))
    assert list(plan.labels().values()) == [
        "torch==2.3.0 Python 3.11 pip",
        "torch==2.3.0 Python 3.11 uv",
        "torch==2.4.0 Python 3.13 pip",
    ]
    assert list(Plan(plan.jobs[:1]).labels().values()) == ["torch==2.3.0"]
