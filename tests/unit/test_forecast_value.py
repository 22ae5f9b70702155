"""The forecast: parsed strictly, named by its content, and kept on a shelf of its own."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.archive.store import Forecasts, Records, identified
from harness.documents.forecast import Forecast
from harness.documents.kinds import FORECAST
from harness.errors import EnvironmentLacksError, InputError
from tests.support.forecasts import WHEN, forecast, wheel
from tests.support.refusal import refused
from tests.unit.test_compare import record


def test_a_forecast_is_read_as_it_was_written() -> None:
    one = forecast([wheel("torch"), wheel("numpy")], extras=("opt",), uploaded_at=WHEN)
    assert FORECAST.parse(one.to_json()) == one
    assert FORECAST.parse(one.to_json()).to_json() == one.to_json()


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "failed"},
        {"status": "ok", "phase": "lock", "reason": "no wheel"},
        {"scope": "everything"},
        {"stage": "footprint"},
        {"as_of": "2024-04-26"},
        {"figures": {"wheel_bytes": -1}},
        {"figures": {"installed_bytes": 1}},
        {"method_version": 0},
        {"weight": 1},
    ],
    ids=str,
)
def test_what_is_no_forecast_is_refused(changed: dict[str, Any]) -> None:
    whole = json.loads(forecast().to_json())
    refused(InputError, FORECAST.parse, json.dumps(whole | changed))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"schema_version": 1}', b"NaN"])
def test_what_is_no_document_is_refused(text: bytes) -> None:
    refused(InputError, FORECAST.parse, text)


def test_one_of_a_newer_schema_asks_for_an_upgrade() -> None:
    newer = json.dumps(json.loads(forecast().to_json()) | {"schema_version": 2})
    assert refused(InputError, FORECAST.parse, newer).tip == "upgrade footprint-harness"


def test_every_figure_and_field_has_its_meaning_in_the_schema() -> None:
    told = FORECAST.schema()
    properties = told["properties"] | told["$defs"]["ForecastFigures"]["properties"]
    silent = {"schema_version", "stage", "warnings", "figures", "harness_commit"}
    assert {name for name, one in properties.items() if not one.get("description")} <= silent


# its name


def test_an_id_tells_what_was_asked_and_begins_what_was_told() -> None:
    one = forecast(extras=("a", "b"), version="1!2.3.0+cpu", python="3.9", scope="closure")
    assert one.record_id == (
        f"torch+a+b-1!2.3.0+cpu-cp39-linux_x86_64-pypi-20240426T000000Z-closure-{one.content_sha256[:12]}"
    )
    assert identified(one) == one


def test_the_same_told_by_somebody_else_at_another_time_has_the_same_id() -> None:
    changed = {
        "forecast_at": WHEN + timedelta(days=9),
        "harness_version": "9",
        "harness_commit": "f00",
        "resolver": "x",
    }
    assert forecast(**changed).record_id == forecast().record_id


@pytest.mark.parametrize(
    "changed", [{"wheels": (wheel("torch", 11),)}, {"warnings": ("yanked",)}, {"method_version": 2}], ids=str
)
def test_whatever_else_the_index_tells_gives_another_id(changed: dict[str, Any]) -> None:
    assert forecast(**changed).record_id != forecast().record_id


@given(st.text(min_size=1, max_size=40))
def test_an_id_is_always_the_name_of_a_file(version: str) -> None:
    name = forecast(version=version).record_id
    assert name.isascii() and name.isprintable() and not set(name) & set("/\\*?[]: ") and not name.startswith(".")


# its shelf


def kept(shelf: Forecasts) -> list[Forecast]:
    invalid: list[Path] = []
    found = list(shelf.all(lambda path, why: invalid.append(path)))
    assert invalid == []
    return found


def test_a_forecast_lies_where_its_framework_and_its_id_say(tmp_path: Path) -> None:
    shelf, one = Forecasts(tmp_path), forecast()
    path = shelf.add(one)
    assert path == tmp_path / "forecasts" / "torch" / f"{one.record_id}.json"
    assert path.read_text() == one.to_json() and path.stat().st_mode & 0o777 == 0o644
    assert shelf.read(str(path)) == shelf.read(one.record_id) == one
    assert shelf.has(one.record_id) and not shelf.has("torch-1")
    assert list(path.parent.iterdir()) == [path]


def test_a_forecast_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    shelf = Forecasts(tmp_path)
    first = shelf.add(forecast())
    before = (first.read_bytes(), first.stat().st_mtime_ns, first.stat().st_ino)
    assert shelf.add(forecast(forecast_at=WHEN + timedelta(days=1))) == first
    assert (first.read_bytes(), first.stat().st_mtime_ns, first.stat().st_ino) == before
    assert kept(shelf) == [forecast()]


def test_a_torn_forecast_is_put_right_when_it_is_told_again(tmp_path: Path) -> None:
    shelf = Forecasts(tmp_path)
    path = shelf.add(forecast())
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        told: list[str] = []
        assert list(shelf.all(lambda path, why, told=told: told.append(path.name))) == []  # type: ignore[misc]
        assert told == [path.name]
        shelf.add(forecast())
        assert path.read_bytes() == whole


def test_what_cannot_be_written_is_told_and_leaves_nothing_behind(tmp_path: Path) -> None:
    shelf, store = Forecasts(tmp_path), Records(tmp_path)
    (shelf.folder / "torch" / f"{forecast().record_id}.json").mkdir(parents=True)
    (shelf.folder / "jax").write_text("in the way")
    for one in (forecast(), forecast([wheel("jax")], framework="jax")):
        assert "the forecast cannot be written" in refused(EnvironmentLacksError, shelf.add, one).message
    store.add(record())
    assert "the record cannot be written" in refused(EnvironmentLacksError, store.add, record()).message
    assert list(tmp_path.glob("*/*/.*")) == []


def test_records_and_forecasts_do_not_see_each_other(tmp_path: Path) -> None:
    store, shelf = Records(tmp_path), Forecasts(tmp_path)
    store.add(record())
    shelf.add(forecast())
    assert list(store.all(lambda path, why: pytest.fail(why))) == [record()]
    assert kept(shelf) == [forecast()]
    assert not store.has(forecast().record_id) and not shelf.has("torch-1")


def test_one_handed_in_for_the_other_is_told_apart(tmp_path: Path) -> None:
    store, shelf = Records(tmp_path), Forecasts(tmp_path)
    measured, told = store.add(record()), shelf.add(forecast())
    for name in (str(told), told.stem):
        error = refused(InputError, store.read, name)
        assert "is a forecast, not a record" in error.message and "harness diff" in error.tip
    for name in (str(measured), measured.stem):
        error = refused(InputError, shelf.read, name)
        assert "is a record, not a forecast" in error.message and "--forecast" in error.tip


def test_a_forecast_among_the_records_is_left_out(tmp_path: Path) -> None:
    """Never drawn as a measurement, not even where somebody puts it among them."""
    store = Records(tmp_path)
    store.add(record())
    (store.folder / "torch" / "torch-2.json").write_text(forecast().to_json())
    told: list[str] = []
    assert list(store.all(lambda path, why: told.append(path.name))) == [record()]
    assert told == ["torch-2.json"]
