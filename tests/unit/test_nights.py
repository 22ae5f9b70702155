"""A night's account: rows that were to come are counted, and what is missing is loud."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from harness.archive import nights
from harness.archive.nights import Outcome
from harness.archive.series import SizeChange
from harness.documents.base import Environment, LockedWheel
from harness.documents.footprint import Figures, Record
from harness.documents.kinds import NIGHT
from harness.documents.night import Night, NightJob, night_id
from harness.report import night as page
from tests.support.records import line, measured

AS_OF = datetime(2026, 11, 25, tzinfo=UTC)
NOW = datetime(2026, 11, 25, 4, tzinfo=UTC)
MB = 1_000_000


def wanted(framework: str, version: str = "1.0", **changed: Any) -> NightJob:
    fields: dict[str, Any] = {
        "series": ("night",),
        "framework": framework,
        "version": version,
        "variant": "pypi",
        "python": "3.11",
        "platform": "linux_x86_64",
        "as_of": AS_OF,
        "engine": "docker",
        "installer": "pip",
    }
    return NightJob(**fields | changed)


def night(*jobs: NightJob, **changed: Any) -> Night:
    fields: dict[str, Any] = {
        "record_id": night_id(AS_OF, "docker", "pip"),
        "planned_at": NOW,
        "as_of": AS_OF,
        "engine": "docker",
        "installer": "pip",
        "jobs": jobs,
        "harness_version": "0.1.0",
    }
    return Night(**fields | changed)


def came(job: NightJob, size: int = 10 * MB, status: str = "ok", **changed: Any) -> Record:
    """The record of a job."""
    why = {} if status == "ok" else {"phase": "import", "reason": "ImportError: no *such* module"}
    fields: dict[str, Any] = {
        "framework": job.framework,
        "version": job.version,
        "as_of": job.as_of,
        "status": status,
        "record_id": f"{job.framework}-{job.version}-{job.as_of:%Y%m%d}-{status}",
        "measured_at": NOW,
        **why,
    }
    wheels = [LockedWheel(name=job.framework, version=job.version, bytes=size)]
    return measured([line(job.framework, size, job.version)], wheels, **fields | changed)


def outcome(of: Night, *records: Record, **more: Any) -> Outcome:
    return nights.outcome(of, records, **more)


def test_a_whole_night_is_done() -> None:
    one, two = wanted("torch"), wanted("jax")
    found = outcome(night(one, two), came(one), came(two))
    assert (found.exit_status, page.headline(found)) == (0, "2 of 2 rows: 2 ok; no regression")


def test_a_row_that_is_missing_without_a_reason_is_loud() -> None:
    one, two = wanted("torch"), wanted("jax")
    found = outcome(night(one, two), came(one))
    assert (found.exit_status, page.headline(found)) == (1, "1 of 2 rows: 1 ok; 1 missing; no regression")
    assert "- jax 1.0, Python 3.11, as of 2026-11-25T00:00:00Z: no record" in page.summary(found, [], NOW)


def test_why_a_row_is_missing_is_told_where_it_is_known() -> None:
    one = wanted("torch")
    found = outcome(night(one), failures={one.job.slug: "no worker has docker"})
    assert found.exit_status == 1
    assert "- torch 1.0, Python 3.11, as of 2026-11-25T00:00:00Z: no worker has docker" in page.summary(found, [], NOW)


def test_a_night_without_any_row_is_loud() -> None:
    found = outcome(night(wanted("torch")))
    assert (found.exit_status, page.headline(found)) == (1, "0 of 1 rows; 1 missing; no regression")


def test_a_record_of_another_night_does_not_count() -> None:
    one = wanted("torch")
    yesterday = came(wanted("torch", as_of=datetime(2026, 11, 24, tzinfo=UTC)))
    assert len(outcome(night(one), yesterday).missing) == 1


def test_what_a_budget_left_out_is_named() -> None:
    one, two = wanted("torch"), wanted("jax")
    found = outcome(night(one, two), came(one), left_out={two.job.slug: "the 60 s were over"})
    assert found.exit_status == 3
    assert "- jax 1.0, Python 3.11, as of 2026-11-25T00:00:00Z: the 60 s were over" in page.summary(found, [], NOW)


@pytest.mark.parametrize(("status", "exit_status"), [("failed", 1), ("unsupported", 0), ("skipped", 0)])
def test_how_a_row_ended_is_told(status: str, exit_status: int) -> None:
    one = wanted("torch")
    record = came(one, status=status)
    found = outcome(night(one), record)
    assert found.exit_status == exit_status
    text = page.summary(found, [record], NOW)
    link = f"[torch 1.0](../../records/torch/{record.record_id}.json)"
    assert f"- {link} {status} in import: ImportError: no \\*such\\* module" in text


def test_what_could_not_be_planned_fails_the_night() -> None:
    found = outcome(night(unplanned={"torhc": "there is no distribution 'torhc' on the index"}))
    assert found.exit_status == 1
    assert "- torhc: there is no distribution 'torhc' on the index" in page.summary(found, [], NOW)


def test_a_regression_is_3_and_its_records_are_linked() -> None:
    one = wanted("torch")
    before = came(
        wanted("torch", as_of=datetime(2026, 11, 24, tzinfo=UTC)),
        10 * MB,
        measured_at=datetime(2026, 11, 24, tzinfo=UTC),
    )
    after = came(one, 30 * MB)
    found = outcome(night(one), before, after)
    assert found.exit_status == 3
    assert [type(change) for change in found.sizes] == [SizeChange, SizeChange]
    (told,) = [each for each in page.summary(found, [after], NOW).splitlines() if "installed +20.0 MB" in each]
    assert told == (
        f"- grew: [torch 1.0](../../records/torch/{before.record_id}.json) to "
        f"[torch 1.0](../../records/torch/{after.record_id}.json), installed +20.0 MB (+200.0%), "
        "same version, newer dependencies; of which torch +20.0 MB"
    )


def test_what_shrank_is_told_and_is_no_regression() -> None:
    one = wanted("torch")
    before = came(
        wanted("torch", as_of=datetime(2026, 11, 24, tzinfo=UTC)),
        30 * MB,
        measured_at=datetime(2026, 11, 24, tzinfo=UTC),
    )
    found = outcome(night(one), before, came(one, 10 * MB))
    assert (found.exit_status, found.regressions, len(found.sizes)) == (0, 0, 2)


def test_an_earlier_night_that_lacks_rows_is_named_with_what_finishes_it() -> None:
    day = datetime(2026, 11, 24, tzinfo=UTC)
    earlier = night(wanted("torch", as_of=day), as_of=day, record_id=night_id(day, "docker", "pip"))
    one = wanted("torch")
    text = page.summary(outcome(night(one), came(one), earlier=[earlier]), [], NOW)
    command = "harness nightly --as-of 2026-11-24T00:00:00Z --engine docker --installer pip"
    assert f"- 2026-11-24: 1 of 1; finish it with `{command}`" in text


def test_a_night_of_some_frameworks_is_another_night() -> None:
    whole, some = night_id(AS_OF, "docker", "pip"), night_id(AS_OF, "docker", "pip", ["torch"])
    assert whole == "night-20261125T000000Z-docker-pip"
    assert some.startswith(f"{whole}-") and some != night_id(AS_OF, "docker", "pip", ["jax"])
    day = datetime(2026, 11, 24, tzinfo=UTC)
    earlier = night(wanted("torch", as_of=day), as_of=day, frameworks=("torch",), pythons=("3.12",))
    text = page.summary(outcome(night(), earlier=[earlier]), [], NOW)
    assert "--installer pip --framework torch --python 3.12`" in text


def timed(day: int, seconds: float, again: int = 0) -> Record:
    """A night's record with a warm import, on one host."""
    at = datetime(2026, 11, day, tzinfo=UTC)
    return came(
        wanted("torch", as_of=at),
        measured_at=at.replace(hour=1 + again),
        record_id=f"torch-{day}-{again}",
        environment=Environment(harness_version="0.1.0", host_id="aaaaaaaaaaaa"),
    ).model_copy(update={"figures": Figures(installed_bytes=MB, import_warm_seconds=seconds)})


def test_what_seems_slower_and_was_not_measured_twice_is_named() -> None:
    of, earlier, slow = night(wanted("torch")), [timed(day, 1.0) for day in range(1, 25)], timed(25, 1.5)
    found = outcome(of, *earlier, slow)
    assert (found.exit_status, found.regressions) == (3, 0)
    assert "1 to be measured a second time" in page.headline(found)
    link = f"[torch 1.0](../../records/torch/{slow.record_id}.json)"
    assert f"- {link}: warm import; a second measurement" in page.summary(found, [], NOW)
    ((job, record),) = nights.suspects(of, [*earlier, slow])
    assert (job.framework, record) == ("torch", slow)
    twice = outcome(of, *earlier, slow, timed(25, 1.5, again=1))
    assert (twice.exit_status, twice.regressions, twice.unsure) == (3, 1, ())
    never = outcome(of, *earlier, slow, timed(25, 1.0, again=1))
    assert (never.exit_status, never.regressions, never.unsure) == (0, 0, ())


def test_a_second_measurement_that_fails_hides_nothing() -> None:
    one, day = wanted("torch"), datetime(2026, 11, 24, tzinfo=UTC)
    before = came(wanted("torch", as_of=day), 10 * MB, measured_at=day)
    after, failed = came(one, 60 * MB), came(one, status="failed", measured_at=NOW.replace(hour=5))
    found = outcome(night(one), before, after, failed)
    assert (found.regressions, found.exit_status) == (2, 3)


def test_how_old_the_data_is() -> None:
    old = came(wanted("jax"), measured_at=datetime(2026, 11, 1, tzinfo=UTC))
    text = page.summary(outcome(night(wanted("torch"))), [old], NOW)
    assert "| jax 1.0 | 2026-11-01T00:00:00Z | 24.2 days (old) |" in text


def test_a_night_is_kept_as_it_was_planned() -> None:
    one = night(wanted("torch", series=("release", "night")))
    assert NIGHT.parse(one.to_json()) == one
    assert NIGHT.parse(one.to_json()).to_json() == one.to_json()
