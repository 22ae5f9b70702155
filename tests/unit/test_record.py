"""Records: the same text for ever, nothing accepted that is not one, and figures that follow from samples."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.documents import kinds
from harness.documents.base import Environment, LockedWheel
from harness.documents.footprint import (
    NOISY_SPREAD,
    Figures,
    Record,
    Sample,
    Samples,
    import_figures,
    noise_warnings,
    spread,
)
from harness.errors import InputError
from tests.support.refusal import refused

RECORD = Record(
    record_id="20240615T134530Z-torch",
    measured_at=datetime(2024, 6, 15, 13, 45, 30, tzinfo=UTC),
    framework="torch",
    version="2.3.0",
    variant="pypi",
    import_package="torch",
    python="3.11",
    platform="linux_x86_64",
    as_of=datetime(2024, 4, 26, tzinfo=UTC),
    engine="venv",
    installer="pip",
    status="ok",
    figures=Figures(wheel_bytes=779_146_082, install_seconds=36.5, distributions=22),
    absent={"image_bytes": "the venv engine has no image"},
    wheels=(LockedWheel(name="torch", version="2.3.0", bytes=779_146_082),),
    samples=Samples(warm=(Sample(seconds=1.25, cpu_seconds=1.0, modules=900, rss_bytes=2**28),)),
    environment=Environment(harness_version="0.1.0"),
)
TEXT = RECORD.to_json()


def runs(*seconds: float, cpu: float = 0.0, modules: int = 0, rss: int = 0) -> tuple[Sample, ...]:
    return tuple(Sample(seconds=value, cpu_seconds=cpu, modules=modules, rss_bytes=rss) for value in seconds)


def test_a_record_is_read_back_as_it_was_written() -> None:
    assert kinds.RECORD.parse(TEXT) == kinds.RECORD.parse(TEXT.encode()) == RECORD


def test_the_text_of_a_record_is_canonical() -> None:
    assert kinds.RECORD.parse(TEXT).to_json() == TEXT
    shuffled = dict(reversed(json.loads(TEXT).items()))
    assert kinds.RECORD.parse(json.dumps(shuffled, indent=4)).to_json() == TEXT
    assert TEXT.endswith("}\n")


def test_every_record_says_its_schema_and_its_methods() -> None:
    raw = json.loads(TEXT)
    assert raw["schema_version"] == kinds.RECORD.newest
    assert set(raw["methods"]) == {"sizes", "times"}


def test_a_figure_that_could_not_be_read_is_null_and_never_zero() -> None:
    figures = json.loads(TEXT)["figures"]
    assert figures["image_bytes"] is None and figures["installed_bytes"] is None


def test_times_are_written_in_utc() -> None:
    raw = json.loads(TEXT)
    assert (raw["measured_at"], raw["as_of"]) == ("2024-06-15T13:45:30Z", "2024-04-26T00:00:00Z")


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        RECORD.status = "failed"  # type: ignore[misc]


def test_a_record_fits_the_published_schema() -> None:
    jsonschema.validate(json.loads(TEXT), kinds.RECORD.schema(), cls=jsonschema.Draft202012Validator)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**json.loads(TEXT), "status": "perfect"}, kinds.RECORD.schema())


def _with(**changed: Any) -> Callable[[str], str]:
    """The record with other values; `a__b` stands for the key b of a."""

    def change(text: str) -> str:
        raw = json.loads(text)
        for key, value in changed.items():
            place, *inside = key.split("__")
            if inside:
                raw[place][inside[0]] = value
            else:
                raw[place] = value
        return json.dumps(raw)

    return change


NOT_RECORDS: dict[str, tuple[Callable[[str], str | bytes], str]] = {
    "empty": (lambda text: "", "not a JSON document"),
    "blank": (lambda text: " \n", "not a JSON document"),
    "null": (lambda text: "null", "not a valid record"),
    "list": (lambda text: f"[{text}]", "not a valid record"),
    "empty-object": (lambda text: "{}", "not a valid record"),
    "two-documents": (lambda text: text + text, "not a JSON document"),
    "merge-markers": (lambda text: f"<<<<<<< ours\n{text}=======\n{text}>>>>>>> theirs\n", "not a JSON document"),
    "utf-16": (lambda text: text.encode("utf-16"), "not a JSON document"),
    "byte-order-mark": (lambda text: text.encode("utf-8-sig"), "not a JSON document"),
    "latin-1": (lambda text: text.replace("torch", "t\xf6rch").encode("latin-1"), "not a JSON document"),
    "surrogate": (lambda text: text.replace("torch", "t\udc80rch"), "not a JSON document"),
    "nested-too-deep": (lambda text: "[" * 100_000, "not a JSON document"),
    "nan": (lambda text: text.replace("36.5", "NaN"), "not a JSON document"),
    "infinity": (lambda text: text.replace("36.5", "Infinity"), "not a JSON document"),
    "nan-as-text": (_with(figures__install_seconds="NaN"), "figures.install_seconds"),
    "overflow": (lambda text: text.replace("36.5", "1e999"), "figures.install_seconds"),
    "negative-size": (_with(figures__wheel_bytes=-1), "figures.wheel_bytes"),
    "negative-time": (_with(figures__install_seconds=-0.1), "figures.install_seconds"),
    "fraction-of-a-byte": (_with(figures__wheel_bytes=1.5), "figures.wheel_bytes"),
    "negative-sample": (
        _with(samples__warm=[{"seconds": -1, "cpu_seconds": 0, "modules": 1, "rss_bytes": 1}]),
        "seconds",
    ),
    "newer-schema": (_with(schema_version=kinds.RECORD.newest + 1), "this harness knows up to"),
    "older-schema": (_with(schema_version=0), "schema_version"),
    "schema-is-text": (_with(schema_version="1"), "schema_version"),
    "unknown-key": (_with(colour="green"), "colour"),
    "unknown-figure": (_with(figures__weight=3), "figures.weight"),
    "unknown-status": (_with(status="perfect"), "status"),
    "no-date": (_with(measured_at="yesterday"), "measured_at"),
    "another-stage": (_with(stage="inference"), "stage"),
}


@pytest.mark.parametrize(("spoil", "message"), NOT_RECORDS.values(), ids=NOT_RECORDS)
def test_what_is_not_a_record_is_refused_with_its_name(spoil: Callable[[str], str | bytes], message: str) -> None:
    error = refused(InputError, kinds.RECORD.parse, spoil(TEXT), name="some.json")
    assert error.message.startswith("some.json ") and message in error.message


def test_a_newer_schema_says_to_upgrade() -> None:
    text = json.dumps({"schema_version": kinds.RECORD.newest + 1, "shape": "unknown"})
    assert "upgrade" in refused(InputError, kinds.RECORD.parse, text).tip


def test_a_record_torn_at_any_byte_is_refused() -> None:
    data = TEXT.encode()
    for length in range(len(data) - 1):  # without its last line break it is still whole
        with pytest.raises(InputError):
            kinds.RECORD.parse(data[:length])


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_no_content_raises_anything_but_an_input_error(content: bytes | str) -> None:
    with pytest.raises(InputError):
        kinds.RECORD.parse(content)


def test_import_times_are_medians_less_the_bare_median() -> None:
    samples = Samples(
        first_bare=runs(0.02, 0.03, 0.01),
        first=runs(5.12),
        bare=runs(0.01, 0.03, 0.02, cpu=0.01, modules=30, rss=10_000_000),
        warm=runs(1.02, 1.42, 1.12, cpu=0.91, modules=930, rss=250_000_000),
        cold=runs(2.02, 9.02),
    )
    assert import_figures(samples) == {
        "import_first_seconds": 5.1,
        "import_cold_seconds": 5.5,
        "import_warm_seconds": 1.1,
        "import_cpu_seconds": 0.9,
        "import_rss_bytes": 240_000_000,
        "import_modules": 900,
    }


def test_figures_without_samples_are_left_out() -> None:
    assert import_figures(Samples()) == {}
    assert import_figures(Samples(warm=runs(1.0), cold=runs(2.0), first=runs(3.0))) == {}
    assert set(import_figures(Samples(bare=runs(0.1), cold=runs(0.5)))) == {"import_cold_seconds"}


def test_an_import_is_never_faster_than_nothing() -> None:
    figures = import_figures(Samples(bare=runs(0.5, rss=20), warm=runs(0.4, rss=10)))
    assert (figures["import_warm_seconds"], figures["import_rss_bytes"]) == (0.0, 0)


TIMES = st.lists(st.floats(0, 1000, allow_nan=False), min_size=1, max_size=9)


@given(TIMES, TIMES)
def test_figures_are_always_ones_that_a_record_takes(bare: list[float], warm: list[float]) -> None:
    found = import_figures(Samples(bare=runs(*bare), warm=runs(*warm), cold=runs(*warm)))
    assert Figures(**found).import_warm_seconds is not None  # type: ignore[arg-type]
    assert spread(warm) >= 0


def test_spread_is_the_median_deviation_in_proportion() -> None:
    assert spread([1.0, 1.2, 0.9, 1.0, 5.0]) == pytest.approx(0.1)
    assert spread([1.0, 9.0]) == 0.0  # too few to tell
    assert spread([0.0, 0.0, 0.0]) == 0.0


def test_a_noisy_machine_is_told_of_and_a_quiet_one_is_not() -> None:
    noisy, quiet = runs(1.0, 1.5, 2.0), runs(1.0, 1.01, 1.02)
    assert spread([1.0, 1.5, 2.0]) > NOISY_SPREAD
    (warning,) = noise_warnings(Samples(warm=noisy, cold=quiet))
    assert warning.startswith("warm") and "33%" in warning and "measure again" in warning
    assert noise_warnings(Samples(warm=quiet, cold=quiet)) == ()
    assert len(noise_warnings(Samples(warm=noisy, cold=noisy))) == 2
    a_little, hardly = runs(1.0, 1.15, 1.30), runs(1.0, 1.09, 1.18)
    assert len(noise_warnings(Samples(warm=a_little, cold=hardly))) == 1


@pytest.mark.parametrize("name", ["measured_at", "as_of"])
def test_a_date_without_its_zone_is_refused(name: str) -> None:
    raw = RECORD.model_dump(mode="json") | {name: "2024-04-26T00:00:00"}
    assert "timezone" in refused(InputError, kinds.RECORD.parse, json.dumps(raw)).message
