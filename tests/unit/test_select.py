"""Which record or forecast is meant: by its path, its id, or what was measured or forecast."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.archive import select
from harness.archive.store import Forecasts, Records
from harness.archive.weighed import Weighed
from harness.documents.footprint import Record
from harness.documents.forecast import Forecast
from harness.errors import InputError
from tests.support.forecasts import forecast, unsupported, wheel
from tests.support.refusal import refused
from tests.unit.test_compare import record


def made(version: str, *, hour: int = 0, **changed: Any) -> Record:
    name = f"torch-{version}-{hour}-{changed.get('variant', 'pypi')}-{changed.get('status', 'ok')}"
    at = datetime(2026, 11, 23, hour, tzinfo=UTC)
    return record(record_id=name, version=version, measured_at=at, **changed)


def failed(version: str, **changed: Any) -> Record:
    return made(version, status="failed", phase="import", reason="ImportError", **changed)


def found(tmp_path: Path, name: str, *records: Record) -> Record:
    return select.find(Records(tmp_path), name, lambda: records)


def test_a_record_is_found_by_its_path_and_by_its_id(tmp_path: Path) -> None:
    store, one = Records(tmp_path), made("2.3.0")
    path = store.add(one)

    def unread() -> list[Record]:
        raise AssertionError("no other record needs to be read")

    assert select.find(store, str(path), unread) == select.find(store, one.record_id, unread) == one


def test_versions_are_compared_as_versions(tmp_path: Path) -> None:
    assert found(tmp_path, "torch", made("2.10.0"), made("2.9.0")).version == "2.10.0"
    assert found(tmp_path, "Torch == 2.9", made("2.10.0"), made("2.9.0")).version == "2.9.0"


def test_a_bare_name_does_not_fall_back_to_an_older_version(tmp_path: Path) -> None:
    assert found(tmp_path, "torch", made("2.3.0"), failed("2.4.0")).version == "2.4.0"


def test_of_one_version_what_works_is_preferred_and_then_the_default_variant_and_the_newest(tmp_path: Path) -> None:
    newest = failed("2.4.0", hour=9)
    cpu, earlier, later = made("2.4.0", hour=8, variant="cpu"), made("2.4.0", hour=1), made("2.4.0", hour=2)
    assert found(tmp_path, "torch", newest, cpu, earlier, later) == later
    assert found(tmp_path, "torch", newest, cpu) == cpu


def test_extras_are_part_of_what_was_measured(tmp_path: Path) -> None:
    plain, extra = made("2.4.0"), made("2.4.0", extras=("opt",))
    assert found(tmp_path, "torch", extra, plain) == plain
    assert found(tmp_path, "torch[opt]", extra, plain) == extra


@pytest.mark.parametrize("name", ["jax", "torch==9", "torch[opt]"])
def test_what_was_not_measured_is_told_with_how_to_measure_it(tmp_path: Path, name: str) -> None:
    assert refused(InputError, found, tmp_path, name, made("2.3.0")).tip == f"measure it: harness measure {name}"


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", "nowhere.json", "torch=2.3.0", "*", "-r x", "a\0b", "x" * 300]
)
def test_what_names_no_record_is_refused(tmp_path: Path, name: str) -> None:
    refused(InputError, found, tmp_path, name, made("2.3.0"))


def test_current_has_the_highest_version_of_each_build_whatever_its_status() -> None:
    other = failed("2.5.0", python="3.13")
    records = [made("2.3.0"), made("2.4.0", hour=1), made("2.4.0", hour=2), made("2.4.0", variant="cpu"), other]
    assert select.current(records) == [records[3], records[2], other]


def test_history_has_each_version_of_a_build_once_and_in_order() -> None:
    records = [made("2.10.0"), made("2.9.0", hour=1), made("2.9.0", hour=2), made("2.9.0", variant="cpu")]
    assert select.history(records, select.build(records[0])) == [records[2], records[0]]


def test_history_prefers_what_worked_and_keeps_what_never_did() -> None:
    records = [made("1.0", hour=1), failed("1.0", hour=2), failed("2.0")]
    assert select.history(records, select.build(records[0])) == [records[0], records[2]]


# forecasts


def told(version: str, **changed: Any) -> Forecast:
    return forecast([wheel("torch", version=version)], version=version, **changed)


def either(tmp_path: Path, name: str, *kept: Weighed) -> Weighed:
    records = [one for one in kept if isinstance(one, Record)]
    forecasts = [one for one in kept if isinstance(one, Forecast)]
    return select.find_weighed(Records(tmp_path), Forecasts(tmp_path), name, lambda: records, lambda: forecasts)


def test_a_record_or_a_forecast_is_found_by_its_path_and_by_its_id(tmp_path: Path) -> None:
    def unread() -> list[Any]:
        raise AssertionError("no other one needs to be read")

    measured, forecasted = made("2.3.0"), told("2.3.0")
    for one, path in (
        (measured, Records(tmp_path).add(measured)),
        (forecasted, Forecasts(tmp_path).add(forecasted)),
    ):
        for name in (str(path), one.record_id):
            assert select.find_weighed(Records(tmp_path), Forecasts(tmp_path), name, unread, unread) == one
    assert select.find(Forecasts(tmp_path), forecasted.record_id, unread) == forecasted


def test_what_was_measured_is_preferred_to_what_was_forecast(tmp_path: Path) -> None:
    def unread() -> list[Forecast]:
        raise AssertionError("forecasts need not be read")

    measured = failed("2.3.0", variant="cpu")
    assert select.find_weighed(Records(tmp_path), Forecasts(tmp_path), "torch", lambda: [measured], unread) == measured
    assert either(tmp_path, "torch==2.3.0", measured, told("2.3.0")) == measured


def test_what_was_not_measured_may_have_been_forecast(tmp_path: Path) -> None:
    assert either(tmp_path, "torch==2.2.0", made("2.3.0"), told("2.2.0"), told("2.1.0")) == told("2.2.0")
    assert either(tmp_path, "torch", made("2.3.0", framework="jax"), told("2.9"), told("2.10")) == told("2.10")


def test_forecasts_alone_can_be_asked_for(tmp_path: Path) -> None:
    forecasts = [told("2.2.0"), told("2.1.0")]
    assert select.find(Forecasts(tmp_path), "torch", lambda: forecasts) == told("2.2.0")


# The later ones are preferred to those before them.
PREFERENCE: tuple[Forecast, ...] = (
    told("2.10.0rc1"),
    told("2.9.0"),
    unsupported(version="2.10.0"),
    told("2.10.0", scope="wheel"),
    told("2.10.0", variant="cpu"),
    told("2.10.0", platform="macos_arm64"),
    told("2.10.0", python="3.9"),
    told("2.10.0"),
    told("2.10.0", as_of=datetime(2026, 1, 1, tzinfo=UTC)),
    told("2.10.0", as_of=datetime(2026, 1, 1, tzinfo=UTC), forecast_at=datetime(2026, 12, 1, tzinfo=UTC)),
)


@pytest.mark.parametrize("last", range(len(PREFERENCE)))
def test_of_many_forecasts_the_likeliest_is_meant(tmp_path: Path, last: int) -> None:
    """A final release, its highest version, one that worked, with what it needs, the default build on the target that
    is measured by default, as of the last date, told last."""
    for kept in (PREFERENCE[: last + 1], PREFERENCE[last::-1]):
        assert select.find(Forecasts(tmp_path), "torch", lambda kept=kept: kept) == PREFERENCE[last]  # type: ignore[misc]


@pytest.mark.parametrize("name", ["jax", "torch==9", "torch[opt]"])
def test_what_is_not_known_at_all_is_told_with_both_ways_to_know_it(tmp_path: Path, name: str) -> None:
    kept = (made("2.3.0"), told("2.2.0"))
    measure, forecasting = f"measure it: harness measure {name}", f"forecast it: harness forecast {name}"
    assert refused(InputError, either, tmp_path, name, *kept).tip == f"{measure}, or {forecasting}"
    assert refused(InputError, select.find, Forecasts(tmp_path), name, lambda: kept[1:]).tip == forecasting


def test_a_misspelt_name_is_suggested_from_both(tmp_path: Path) -> None:
    kept = (made("2.3.0"), forecast([wheel("tensorflow")], framework="tensorflow"))
    assert "did you mean torch?" in refused(InputError, either, tmp_path, "torhc", *kept).tip
    assert "did you mean tensorflow?" in refused(InputError, either, tmp_path, "tensorflwo", *kept).tip


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "nowhere.json", "torch=2.3.0", "*", "-r x", "a\0b", "a/\0b"])
def test_what_names_neither_is_refused(tmp_path: Path, name: str) -> None:
    refused(InputError, either, tmp_path, name, made("2.3.0"), told("2.3.0"))


def test_a_forecast_is_no_record(tmp_path: Path) -> None:
    path = Forecasts(tmp_path).add(told("2.3.0"))
    for name in (str(path), path.stem):
        assert "is a forecast" in refused(InputError, found, tmp_path, name, made("2.3.0")).message


def test_the_current_forecasts_are_the_highest_final_closures_of_each_build() -> None:
    day = datetime(2026, 1, 1, tzinfo=UTC)
    mac = unsupported(version="2.5.0", platform="macos_arm64", scope="closure")
    newest = told("2.4.0", as_of=day)
    kept = [told("2.3.0"), told("2.4.0"), newest, told("2.5.0rc1"), told("2.6.0", scope="wheel"), mac]
    assert select.current_closures(reversed(kept)) == [newest, mac]


def test_a_history_of_forecasts_is_in_the_order_of_versions() -> None:
    kept = [told("2.10.0"), told("2.9.0"), told("2.9.0", variant="cpu")]
    assert select.history(kept, select.build(kept[0])) == [kept[1], kept[0]]
