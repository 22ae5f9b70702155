"""What a difference owes to its reader: its parts are the whole of it, and nothing is subtracted that cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.archive import compare
from harness.archive.store import Records
from harness.archive.weighed import Weighed
from harness.cli.pages import comparison
from harness.documents.base import Environment, LockedWheel
from harness.documents.footprint import Figures, ImportTree, ModuleLine, Record
from harness.documents.forecast import Forecast, ForecastFigures, ForecastWheel
from tests.support.forecasts import forecast, unsupported, wheel
from tests.support.records import line, measured, record

REPOSITORY = Path(__file__).resolve().parents[2]


SIZES = st.integers(min_value=0, max_value=2**50)
NAMES = st.sampled_from(["torch", "numpy", "triton", "nvidia-cudnn-cu12", "sympy", "(none)"])
LINES = st.lists(st.builds(line, NAMES, SIZES, st.sampled_from(["1", "2"]), SIZES), max_size=8)
WHEELS = st.lists(st.builds(LockedWheel, name=NAMES, version=st.sampled_from(["1", "2"]), bytes=SIZES), max_size=8)
RECORDS = st.builds(measured, LINES, WHEELS)


@given(RECORDS, RECORDS)
def test_the_parts_sum_to_the_difference(before: Record, after: Record) -> None:
    found = compare.diff(before, after)
    for figure in compare.ATTRIBUTED:
        assert sum(part.difference(figure) for part in found.parts) == found.delta(figure).difference
        assert found.unattributed(figure) == 0


@given(RECORDS, RECORDS)
def test_the_way_back_is_the_opposite(before: Record, after: Record) -> None:
    there, back = compare.diff(before, after), compare.diff(after, before)
    for figure in compare.ATTRIBUTED:
        one = {part.name: part.difference(figure) for part in there.parts}
        assert one == {part.name: -part.difference(figure) for part in back.parts}


@given(RECORDS)
def test_a_record_does_not_differ_from_itself(one: Record) -> None:
    found = compare.diff(one, one)
    assert (found.parts, found.circumstances, found.modules) == ((), (), ())
    assert found.delta("installed_bytes").difference == 0


def test_the_parts_of_real_records_sum_to_their_difference() -> None:
    records = [one for one in Records(REPOSITORY / "results" / "published").all(lambda path, why: None) if one.ledger]
    assert len(records) > 1
    for before, after in combinations(records, 2):
        found = compare.diff(before, after)
        assert [found.unattributed(figure) for figure in compare.ATTRIBUTED] == [0, 0, 0]


def test_a_replay_under_another_python_compares_no_bytecode_and_no_modules() -> None:
    """Both differ between patch releases; everything else must be equal to the byte."""
    figures = Figures(
        wheel_bytes=1, download_bytes=2, unpacked_bytes=3, installed_bytes=4, bytecode_bytes=5, distributions=6
    ).model_copy(update={"import_modules": 7})
    here = record(figures=figures, environment=Environment(harness_version="0.1.0", python="3.11.2"))
    there = record(
        figures=figures.model_copy(update={"bytecode_bytes": 50, "import_modules": 70}),
        environment=Environment(harness_version="0.1.0", python="3.11.7"),
    )
    sizes = {"wheel_bytes", "download_bytes", "unpacked_bytes", "installed_bytes", "distributions"}
    assert {line.figure for line in compare.replay(here, there).lines if line.exact} == sizes
    assert compare.replay(here, there).faithful
    same = there.model_copy(update={"environment": here.environment})
    assert {line.figure for line in compare.replay(here, same).lines if line.exact} == {
        *sizes,
        "bytecode_bytes",
        "import_modules",
    }
    assert not compare.replay(here, same).faithful


def test_records_side_by_side_show_every_cost_of_an_import() -> None:
    page = comparison.markdown([record(figures=Figures(import_rss_bytes=428_600_000))], ["yours"], ["not shown"])
    (row,) = [line for line in page.splitlines() if line.startswith("| import, memory ")]
    assert "428.6 MB" in row


def test_each_distribution_is_told_as_what_happened_to_it() -> None:
    before = measured([line("torch", 800, "2.3"), line("sympy", 30), line("numpy", 50, "1.26"), line("six", 5, "1.0")])
    after = measured([line("torch", 900, "2.4"), line("triton", 300), line("numpy", 40, "2.0"), line("six", 5, "1.1")])
    found = {part.name: (part.change, part.difference("installed_bytes")) for part in compare.diff(before, after).parts}
    assert found == {
        "triton": ("added", 300),
        "torch": ("grown", 100),
        "sympy": ("removed", -30),
        "numpy": ("shrunk", -10),
        "six": ("same size", 0),
    }
    assert list(found) == ["triton", "torch", "sympy", "numpy", "six"], "the largest change comes first"


def test_a_ledger_that_does_not_sum_to_its_total_is_noticed() -> None:
    before = measured([line("torch", 100)])
    after = measured([line("torch", 150)])
    lying = after.model_copy(update={"figures": after.figures.model_copy(update={"installed_bytes": 157})})
    assert compare.diff(before, lying).unattributed("installed_bytes") == 7


def test_sizes_of_other_methods_are_not_subtracted() -> None:
    before = measured([line("torch", 100)], methods={"sizes": 1, "times": 1})
    after = measured([line("torch", 150)], methods={"sizes": 2, "times": 1})
    found = compare.diff(before, after)
    delta = found.delta("installed_bytes")
    assert (delta.before, delta.after, delta.difference) == (100, 150, None)
    assert "method versions of sizes are 1 and 2" in delta.why_not
    assert found.parts == ()


def test_times_of_another_machine_are_not_subtracted_and_sizes_are() -> None:
    figures = Figures(installed_bytes=100, import_warm_seconds=1.5)
    before = record(figures=figures)
    after = record(figures=figures, environment=Environment(harness_version="0.1.0", cpu_model="another"))
    found = compare.diff(before, after)
    assert found.delta("import_warm_seconds").difference is None
    assert "another CPU model" in found.delta("import_warm_seconds").why_not
    assert found.delta("installed_bytes").difference == 0
    assert ("CPU model", "one", "another") in {(one.name, one.before, one.after) for one in found.circumstances}


def test_a_missing_figure_is_told_with_its_reason_and_the_others_are_subtracted() -> None:
    before = record(figures=Figures(installed_bytes=100, import_warm_seconds=1.5))
    after = record(
        status="failed",
        phase="import",
        reason="ImportError",
        figures=Figures(installed_bytes=130),
        absent={"import_warm_seconds": "not reached: failed in import"},
    )
    found = compare.diff(before, after)
    assert found.delta("installed_bytes").difference == 30
    missing = found.delta("import_warm_seconds")
    assert (missing.difference, missing.why_not) == (None, "not reached: failed in import (the second)")


def tree(**own: int) -> ImportTree:
    lines = tuple(ModuleLine(module=name, microseconds=taken) for name, taken in own.items())
    return ImportTree(modules=len(lines), by_own=lines, by_cumulative=lines)


def test_a_module_is_newly_expensive_only_where_it_must_have_been_lighter_before() -> None:
    before = record(import_tree=tree(torch=900, numpy=50))
    after = record(import_tree=tree(torch=950, sympy=400, json=20))
    assert compare.diff(before, after).modules == (compare.NewlyExpensive("sympy", 400, 50),)


def test_every_figure_has_a_family_of_methods() -> None:
    assert {compare.family(figure) for figure in Figures.model_fields} == set(record().methods)


def test_the_best_is_the_least_that_works() -> None:
    records = [
        record(figures=Figures(installed_bytes=300)),
        record(figures=Figures(installed_bytes=200)),
        record(figures=Figures(installed_bytes=200)),
        record(figures=Figures(installed_bytes=100), status="failed", phase="import", reason="ImportError"),
        record(absent={"installed_bytes": "not measured"}),
    ]
    assert compare.best(records, "installed_bytes") == (1, 2)


@pytest.mark.parametrize(
    "others",
    [
        {"methods": {"sizes": 1, "times": 2}},
        {"environment": Environment(harness_version="0.1.0", cpu_model="another")},
        {"engine": "venv"},
    ],
)
def test_none_is_best_where_times_cannot_be_compared(others: dict[str, Any]) -> None:
    one = record(figures=Figures(import_warm_seconds=1.0))
    other = record(figures=Figures(import_warm_seconds=2.0), **others)
    assert compare.best([one, one, other], "import_warm_seconds") == ()
    assert compare.best([one, record(figures=Figures(import_warm_seconds=2.0))], "import_warm_seconds") == (0,)


# forecasts

FORECAST_WHEELS = st.lists(st.builds(wheel, NAMES, SIZES, SIZES, st.sampled_from(["1", "2"])), max_size=8)


def closure(wheels: Sequence[ForecastWheel]) -> Forecast:
    """With the framework's own wheel, which every forecast that is ok has."""
    return forecast([wheel("torch", 5, 7), *wheels])


def locked(*wheels: ForecastWheel, **changed: Any) -> Record:
    """The record of a lock that has these wheels, and of an installation that unpacked them."""
    record = measured(
        [line(one.name, one.unpacked_bytes, one.version) for one in wheels],
        [
            LockedWheel(name=one.name, version=one.version, bytes=one.bytes, unpacked_bytes=one.unpacked_bytes)
            for one in wheels
        ],
        **changed,
    )
    unpacked = sum(one.unpacked_bytes for one in wheels)
    return record.model_copy(update={"figures": record.figures.model_copy(update={"unpacked_bytes": unpacked})})


CLOSURES = st.builds(closure, FORECAST_WHEELS)
LOCKED = st.builds(lambda wheels: locked(*wheels), FORECAST_WHEELS)


@given(CLOSURES, CLOSURES | LOCKED)
def test_the_parts_of_forecasts_sum_to_the_difference(before: Forecast, after: Weighed) -> None:
    for found, sign in ((compare.diff(before, after), 1), (compare.diff(after, before), -1)):
        assert found.attributed == ("unpacked_bytes", "download_bytes") and found.leading == "unpacked_bytes"
        for figure in found.attributed:
            assert found.unattributed(figure) == 0
            assert sum(part.difference(figure) for part in found.parts) == found.delta(figure).difference
            assert found.delta(figure).difference == sign * (
                getattr(after.figures, figure) - getattr(before.figures, figure)
            )


@given(FORECAST_WHEELS)
def test_a_forecast_of_what_is_then_measured_does_not_differ_but_in_what_it_is(wheels: list[ForecastWheel]) -> None:
    both = [wheel("torch", 5, 7), *wheels]
    found = compare.diff(forecast(both), locked(*both))
    assert found.parts == () and found.modules == ()
    assert {one.figure: one.difference for one in found.deltas if one.difference is not None} == {
        "wheel_unpacked_bytes": 0,
        "download_bytes": 0,
        "unpacked_bytes": 0,
        "distributions": 0,
    }
    assert ("what it is", "forecast, not measured", "measured") in {
        (one.name, one.before, one.after) for one in found.circumstances
    }


def test_forecasts_of_the_locks_of_real_records_agree_with_their_figures() -> None:
    records = [one for one in Records(REPOSITORY / "results" / "published").all(lambda path, why: None) if one.ledger]
    assert records
    for one in records:
        wheels = [wheel(each.name, each.bytes, each.unpacked_bytes or 0, each.version) for each in one.wheels]
        found = compare.diff(forecast(wheels, framework=one.framework, version=one.version), one)
        assert found.delta("wheel_bytes").difference == found.delta("wheel_unpacked_bytes").difference == 0
        assert found.delta("unpacked_bytes").difference == found.delta("download_bytes").difference == 0
        assert found.parts == ()


def test_only_a_measurement_tells_what_was_installed_and_timed() -> None:
    figures = Figures(wheel_bytes=10, installed_bytes=100, import_warm_seconds=1.5)
    found = compare.diff(record(figures=figures), forecast([wheel("torch", 10)]))
    for figure in ("installed_bytes", "import_warm_seconds"):
        delta = found.delta(figure)
        assert (delta.after, delta.difference) == (None, None)
        assert delta.why_not == "a forecast does not tell it, only a measurement does (the second)"
    assert found.delta("wheel_bytes").difference == 0


def test_two_forecasts_are_compared_by_what_forecasts_tell() -> None:
    found = compare.diff(forecast(), forecast([wheel("torch", 12, 33)]))
    assert [one.figure for one in found.deltas] == list(ForecastFigures.model_fields)
    assert {one.figure: one.difference for one in found.deltas} == {
        "wheel_bytes": 2,
        "wheel_unpacked_bytes": 3,
        "wheel_files": 0,
        "download_bytes": 2,
        "unpacked_bytes": 3,
        "files": 0,
        "distributions": 0,
    }
    assert "what it is" not in {one.name for one in found.circumstances}


@pytest.mark.parametrize("other", [forecast(), locked(wheel("torch"))], ids=["forecast", "record"])
def test_where_only_its_own_wheel_was_forecast_only_that_is_compared(other: Weighed) -> None:
    found = compare.diff(forecast([wheel("torch", 12, 33)], scope="wheel"), other)
    assert found.leading == "wheel_unpacked_bytes" and found.delta(found.leading).difference == -3
    assert (found.attributed, found.parts) == ((), ())
    why = "only its own wheel was forecast, not what it needs (the first)"
    assert {found.delta(figure).why_not for figure in ("download_bytes", "unpacked_bytes", "distributions")} == {why}
    assert ("what was weighed", "its own wheel", "all that it needs") in {
        (one.name, one.before, one.after) for one in found.circumstances
    }


@pytest.mark.parametrize("other", [forecast(), locked(wheel("torch"))], ids=["forecast", "record"])
def test_what_could_not_be_forecast_has_its_reason(other: Weighed) -> None:
    found = compare.diff(other, unsupported())
    delta = found.delta("unpacked_bytes")
    assert (found.leading, found.parts) == ("unpacked_bytes", ())
    assert (delta.before, delta.difference) == (30, None)
    assert delta.why_not == "not reached: unsupported in lock (the second)"


@pytest.mark.parametrize(
    ("of_forecast", "other", "comparable"),
    [
        (1, locked(wheel("torch")), True),
        (2, locked(wheel("torch")), False),
        (1, locked(wheel("torch"), methods={"sizes": 2, "times": 1}), False),
        (2, locked(wheel("torch"), methods={"sizes": 2, "times": 1}), False),
        (1, locked(wheel("torch"), methods={"sizes": 1, "times": 2}), True),
        (1, locked(wheel("torch"), methods={"times": 1}), False),
        (1, forecast(), True),
        (2, forecast(), False),
        (2, forecast(method_version=2), True),
    ],
)
def test_figures_of_other_definitions_are_not_subtracted(of_forecast: int, other: Weighed, comparable: bool) -> None:
    found = compare.diff(forecast([wheel("torch", 12, 33)], method_version=of_forecast), other)
    delta = found.delta("unpacked_bytes")
    assert (delta.before, delta.after) == (33, 30)
    assert (delta.difference, bool(found.parts)) == ((-3, True) if comparable else (None, False))
    assert comparable or "not comparable: method versions of sizes are" in delta.why_not


def test_a_record_that_does_not_tell_what_each_wheel_unpacks_to_has_no_parts() -> None:
    wheels = [LockedWheel(name="torch", version="1", bytes=10)]
    older = measured([line("torch", 30)], wheels)
    older = older.model_copy(update={"figures": older.figures.model_copy(update={"unpacked_bytes": 30})})
    found = compare.diff(older, forecast([wheel("torch", 12, 33)]))
    assert found.delta("unpacked_bytes").difference == 3
    assert found.parts == ()


def test_nothing_of_the_machine_is_told_where_nothing_ran() -> None:
    other = forecast(platform="macos_arm64", python="3.12", resolver="uv 0.8", harness_version="0.2.0")
    told = {one.name: (one.before, one.after) for one in compare.diff(record(), other).circumstances}
    assert told == {
        "what it is": ("measured", "forecast, not measured"),
        "platform": ("linux_x86_64", "macos_arm64"),
        "Python": ("3.11", "3.12"),
        "resolver": ("unknown", "uv 0.8"),
        "harness": ("0.1.0", "0.2.0"),
    }
