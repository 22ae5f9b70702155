"""Budgets: limits that name their source, sizes as people write them, and verdicts to the byte."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from harness.archive import budgets
from harness.archive.budgets import Verdict
from harness.catalogs import limits
from harness.documents.footprint import Figures
from harness.documents.forecast import Forecast, ForecastFigures
from harness.errors import InputError
from harness.parsing import parse_size
from tests.support.forecasts import forecast, unsupported, wheel
from tests.support.refusal import refused
from tests.unit.test_compare import record

KNOWN = limits.load()


@pytest.mark.parametrize("name", KNOWN)
def test_every_named_limit_has_a_source_and_a_day_when_it_was_read(name: str) -> None:
    limit = KNOWN[name]
    assert limit.title and limit.source and limit.source.startswith("https://")
    assert limit.checked and limit.checked >= date(2026, 1, 1)
    assert limit.of in limits.MEASURES


def test_every_measure_has_a_meaning_and_figures_that_exist() -> None:
    assert set(limits.MEASURES) == set(limits.MEANINGS)
    assert {figure for figures in limits.MEASURES.values() for figure in figures} <= set(Figures.model_fields)


def test_lambda_counts_mebibytes_and_what_lies_on_the_disk() -> None:
    limit = limits.parse_limit("aws-lambda-zip", KNOWN)
    assert (limit.bytes, limit.of) == (250 * 2**20, "installed")


@pytest.mark.parametrize(
    ("text", "size"), [("250MB", 250 * 10**6), ("250MiB", 250 * 2**20), ("2 GB", 2 * 10**9), ("7", 7)]
)
def test_a_size_is_a_limit_on_what_is_installed(text: str, size: int) -> None:
    limit = limits.parse_limit(text, KNOWN)
    assert (limit.bytes, limit.of, parse_size(text, name="limit")) == (size, "installed", size)


def test_the_user_decides_what_is_counted() -> None:
    assert limits.parse_limit("250MB", KNOWN, "download").of == "download"
    limit = limits.parse_limit("aws-lambda-zip", KNOWN, "installed-without-bytecode")
    assert (limit.bytes, limit.of) == (262_144_000, "installed-without-bytecode")


@pytest.mark.parametrize(
    "text", ["", " ", "lots", "-5MB", "250XB", "nan", "1e9", "0", "0MB", "\u0662MB", "$(id)", "250MB;id"]
)
def test_what_is_no_limit_is_refused(text: str) -> None:
    assert refused(InputError, limits.parse_limit, text, KNOWN).tip


def test_a_misspelt_limit_is_suggested() -> None:
    assert refused(InputError, limits.parse_limit, "aws-lamda-zip", KNOWN).tip == "did you mean aws-lambda-zip?"


def test_something_else_to_count_is_refused() -> None:
    assert "installed, " in refused(InputError, limits.parse_limit, "250MB", KNOWN, "weight").message


def test_what_fits_exactly_fits_and_one_byte_more_does_not() -> None:
    exact = record(figures=Figures(installed_bytes=90, bytecode_bytes=10))
    more = record(figures=Figures(installed_bytes=91, bytecode_bytes=10))
    found = budgets.judge([more, exact], limits.parse_limit("100", KNOWN))
    assert [(one.bytes, one.fits, one.spare_bytes) for one in found] == [(100, True, 0), (101, False, -1)]


def test_it_is_told_where_only_bytecode_is_too_much() -> None:
    heavy = record(figures=Figures(installed_bytes=101, bytecode_bytes=1))
    close = record(figures=Figures(installed_bytes=90, bytecode_bytes=20))
    found = budgets.judge([heavy, close], limits.parse_limit("100", KNOWN))
    assert [one.without_bytecode_bytes for one in found] == [None, 90]
    assert budgets.judge([close], limits.parse_limit("100", KNOWN, "installed-without-bytecode"))[0].fits


def test_a_missing_figure_is_neither_a_fit_nor_zero() -> None:
    half = record(figures=Figures(installed_bytes=90), absent={"bytecode_bytes": "compileall timed out"})
    small = record(figures=Figures(installed_bytes=1, bytecode_bytes=0))
    found = budgets.judge([half, small], limits.parse_limit("100", KNOWN))
    assert [one.weighed for one in found] == [small, half], "those without a figure come last"
    assert (found[1].bytes, found[1].fits, found[1].spare_bytes) == (None, None, None)
    assert "compileall timed out" in found[1].why_not


def test_everything_fits_where_the_vendor_has_no_limit() -> None:
    limit = limits.parse_limit("google-cloud-run", KNOWN)
    (found,) = budgets.judge([record(figures=Figures(image_bytes=10**15))], limit)
    assert (limit.bytes, found.fits, found.spare_bytes) == (None, True, None)


# forecasts

TORCH = forecast([wheel("torch", 60, 100)])
"""Downloads 60, unpacks to 100."""
WHEEL_ONLY = forecast([wheel("torch", 60, 100)], scope="wheel")


def judged(one: Forecast, text: str, of: str) -> Verdict:
    (found,) = budgets.judge([one], limits.parse_limit(text, KNOWN, of))
    assert found.weighed is one
    return found


def test_every_measure_but_the_image_has_a_forecast_figure() -> None:
    assert set(budgets.FORECAST) == set(limits.MEASURES) - {"image"}
    assert set(budgets.FORECAST.values()) <= set(ForecastFigures.model_fields)


@pytest.mark.parametrize("one", [TORCH, WHEEL_ONLY], ids=["closure", "wheel"])
def test_a_forecast_answers_exactly_for_its_own_wheel(one: Forecast) -> None:
    for text, expected in (("60", (60, True, 0)), ("59", (60, False, -1))):
        found = judged(one, text, "wheel")
        assert (found.bytes, found.fits, found.spare_bytes) == expected
        assert found.counted == found.why_not == "" and found.at_least_bytes is None


def test_a_forecast_answers_exactly_for_the_download() -> None:
    assert (judged(TORCH, "60", "download").fits, judged(TORCH, "59", "download").fits) == (True, False)
    assert judged(TORCH, "60", "download").counted == ""


def test_what_wheels_unpack_to_stands_for_what_is_installed_without_bytecode_and_says_so() -> None:
    for text, expected in (("100", (100, True, 0)), ("99", (100, False, -1))):
        found = judged(TORCH, text, "installed-without-bytecode")
        assert (found.bytes, found.fits, found.spare_bytes) == expected
        assert found.counted == "unpacked, forecast: all but what the installer writes itself"


def test_too_much_without_bytecode_is_too_much_and_less_cannot_be_told() -> None:
    heavy, light = judged(TORCH, "99", "installed"), judged(TORCH, "100", "installed")
    assert (heavy.fits, light.fits) == (False, None)
    for found in (heavy, light):
        assert (found.bytes, found.spare_bytes, found.at_least_bytes) == (None, None, 100)
        assert found.why_not == "bytecode_bytes: a forecast does not tell it, only a measurement does"
        assert found.counted.startswith("unpacked, forecast")


def test_everything_forecast_fits_where_there_is_no_limit() -> None:
    limit = limits.parse_limit("google-cloud-run", KNOWN, "installed")
    (found,) = budgets.judge([TORCH], limit)
    assert (found.fits, found.bytes, found.spare_bytes) == (True, None, None)


@pytest.mark.parametrize(
    ("one", "of", "why"),
    [
        (TORCH, "image", "image_bytes: a forecast does not tell it, only a measurement does"),
        (WHEEL_ONLY, "image", "image_bytes: a forecast does not tell it, only a measurement does"),
        (WHEEL_ONLY, "download", "download_bytes: only its own wheel was forecast, not what it needs"),
        (WHEEL_ONLY, "installed", "unpacked_bytes: only its own wheel was forecast, not what it needs"),
        (
            WHEEL_ONLY,
            "installed-without-bytecode",
            "unpacked_bytes: only its own wheel was forecast, not what it needs",
        ),
        (unsupported(), "wheel", "wheel_bytes: not reached: unsupported in lock"),
        (unsupported(), "installed", "unpacked_bytes: not reached: unsupported in lock"),
    ],
)
def test_what_was_not_forecast_cannot_be_told(one: Forecast, of: str, why: str) -> None:
    found = judged(one, "1GB", of)
    assert (found.bytes, found.fits, found.spare_bytes, found.at_least_bytes) == (None, None, None, None)
    assert (found.why_not, found.counted) == (why, "")


def test_records_and_forecasts_stand_in_one_order_by_what_is_known_of_them() -> None:
    small = record(record_id="a", figures=Figures(installed_bytes=50, bytecode_bytes=10))
    large = record(record_id="b", figures=Figures(installed_bytes=190, bytecode_bytes=10))
    kept = [unsupported(), large, TORCH, small]
    found = budgets.judge(kept, limits.parse_limit("150", KNOWN))
    assert [one.weighed for one in found] == [small, TORCH, large, kept[0]]
    assert [one.fits for one in found] == [True, None, False, None]


@pytest.mark.parametrize(
    "text",
    [
        "[limit.a",
        "[limits.a]\n",
        '[limit.a]\ntitle = "a"\nbytes = 0\nof = "image"\nsource = "https://example.org"\nchecked = 2026-01-01\n',
        '[limit.a]\ntitle = "a"\nbytes = 1\nof = "weight"\nsource = "https://example.org"\nchecked = 2026-01-01\n',
        '[limit.a]\ntitle = "a"\nbytes = 1\nof = "image"\nchecked = 2026-01-01\n',
        '[limit.a]\ntitle = "a"\nbytes = 1\nof = "image"\nsource = "https://example.org"\n',
        '[limit.a]\ntitle = "a"\nbyte = 1\nof = "image"\nsource = "https://example.org"\nchecked = 2026-01-01\n',
    ],
    ids=["no TOML", "unknown table", "zero", "unknown measure", "no source", "no day", "unknown key"],
)
def test_a_faulty_file_of_limits_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"budgets\.toml"):
        limits.load(path)
