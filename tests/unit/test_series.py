"""What a night is told of changes: sizes to the byte and by distribution, times only when seen twice, on one host."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from harness.archive import series
from harness.documents.base import Environment, LockedWheel
from harness.documents.footprint import Figures, Record
from tests.support.records import line, measured, record

FIRST = datetime(2026, 11, 1, tzinfo=UTC)
HOST = Environment(harness_version="0.1.0", host_id="aaaaaaaaaaaa", cpu_model="one", image_digest="sha256:1")
MB = 1_000_000


def sized(version: str, night: int, own: int, dependency: int = 10 * MB, **changed: Any) -> Record:
    """A version as of a night, with one dependency."""
    return measured(
        [line("torch", own, version), line("numpy", dependency, f"1.{night}")],
        [LockedWheel(name="torch", version=version, bytes=own // 2)],
        version=version,
        as_of=FIRST + timedelta(days=night),
        measured_at=FIRST + timedelta(days=night, hours=2),
        record_id=f"torch-{version}-{night}",
        **changed,
    )


def timed(night: int, seconds: float, *, again: bool = False, **changed: Any) -> Record:
    """The warm import of one night."""
    fields: dict[str, Any] = {
        "as_of": FIRST + timedelta(days=night),
        "measured_at": FIRST + timedelta(days=night, hours=3 if again else 2),
        "record_id": f"torch-{night}-{again}",
        "figures": Figures(import_warm_seconds=seconds),
        "environment": HOST,
    }
    return record(**fields | changed)


def noisy(count: int, level: float = 1.0, seed: int = 1) -> list[Record]:
    """Nights of one level, with the noise of a quiet machine."""
    rng = random.Random(seed)
    return [timed(night, level * rng.gauss(1, 0.01)) for night in range(count)]


def changes(one: Record, kind: series.Series, records: Sequence[Record]) -> list[tuple[str, int]]:
    return [(change.figure, change.bytes) for change in series.size_changes(one, kind, records)]


def test_a_release_is_held_against_the_release_before_it() -> None:
    old, new = sized("2.3.0", 0, 700 * MB), sized("2.4.0", 9, 900 * MB)
    assert changes(new, "release", [old, new]) == [("download_bytes", 100 * MB), ("installed_bytes", 200 * MB)]


def test_growth_is_attributed_to_distributions() -> None:
    old, new = sized("2.3.0", 0, 700 * MB), sized("2.3.0", 1, 700 * MB, dependency=30 * MB)
    (change,) = series.size_changes(new, "night", [old, new])
    assert {part.name: part.difference("installed_bytes") for part in change.difference.parts} == {"numpy": 20 * MB}


def test_the_two_series_are_never_mixed() -> None:
    """A night's dependencies have grown: a new release is still held against the old one on the day of its release."""
    released = sized("2.3.0", 0, 700 * MB, dependency=10 * MB)
    tonight = sized("2.3.0", 5, 700 * MB, dependency=90 * MB)
    new = sized("2.4.0", 6, 700 * MB, dependency=10 * MB)
    records = [released, tonight, new]
    assert series.before(new, "release", records) == released
    assert changes(new, "release", records) == []
    assert series.before(new, "night", records) is None, "another version is no earlier night of this one"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (50 * MB, 51 * MB, False),  # 1 MB is not more than 1 MB
        (50 * MB, 51 * MB + 1, True),
        (50 * MB, 49 * MB - 1, True),
        (500 * MB, 504 * MB, False),  # below 1 %
        (500 * MB, 505 * MB + 200_001, True),  # of 510 MB, the dependency included
    ],
)
def test_a_size_has_changed_beyond_the_greater_of_1_mb_and_1_percent(before: int, after: int, told: bool) -> None:
    old, new = sized("2.3.0", 0, before), sized("2.3.0", 1, after)
    assert ("installed_bytes" in dict(changes(new, "night", [old, new]))) == told


@pytest.mark.parametrize(
    "other",
    [{"engine": "venv"}, {"installer": "uv"}, {"python": "3.12"}, {"variant": "cpu"}, {"methods": {"sizes": 2}}],
)
def test_what_was_measured_otherwise_is_not_compared(other: dict[str, Any]) -> None:
    old, new = sized("2.3.0", 0, 700 * MB, **other), sized("2.3.0", 1, 900 * MB)
    assert changes(new, "night", [old, new]) == []


def test_a_failed_record_is_in_no_series() -> None:
    failed = sized("2.3.0", 1, 100 * MB, status="failed", phase="import", reason="no")
    old, new = sized("2.3.0", 0, 700 * MB), sized("2.3.0", 2, 700 * MB)
    assert series.before(new, "night", [old, failed, new]) == old
    assert changes(failed, "night", [old, failed]) == []


def test_a_step_is_suspected_first_and_told_when_it_was_seen_twice() -> None:
    nights, slow = noisy(12), timed(12, 1.3)
    assert series.suspects(slow, [*nights, slow]) == ("import_warm_seconds",)
    assert series.time_steps(slow, [*nights, slow]) == []
    again = timed(12, 1.31, again=True)
    (step,) = series.time_steps(again, [*nights, slow, again])
    assert (step.figure, len(step.before), step.after) == ("import_warm_seconds", 12, (slow, again))
    assert step.share == pytest.approx(0.3, abs=0.03)


def test_one_slow_measurement_is_nothing() -> None:
    nights, slow, again = noisy(12), timed(12, 1.3), timed(12, 1.0, again=True)
    assert series.time_steps(again, [*nights, slow, again]) == []


def test_a_step_is_told_once() -> None:
    nights = [*noisy(12), timed(12, 1.3), timed(12, 1.31, again=True)]
    later = [timed(13, 1.3), timed(13, 1.305, again=True)]
    assert series.suspects(later[0], [*nights, later[0]]) == ()
    assert series.time_steps(later[1], [*nights, *later]) == []


def test_what_was_not_measured_twice_was_not_told() -> None:
    """The second measurement of night 12 is lacking: the next night asks for its own, and tells."""
    nights, later = [*noisy(12), timed(12, 1.3)], timed(13, 1.3)
    assert series.suspects(later, [*nights, later]) == ("import_warm_seconds",)
    again = timed(13, 1.31, again=True)
    (step,) = series.time_steps(again, [*nights, later, again])
    assert len(step.after) == 3


@pytest.mark.parametrize("night", [13, 14, 20])
def test_a_second_step_is_told_beside_the_first(night: int) -> None:
    told = [timed(12, 1.5), timed(12, 1.5, again=True), *(timed(one, 1.5) for one in range(13, night))]
    slow, again = timed(night, 3.0), timed(night, 3.0, again=True)
    records = [*noisy(12), *told, slow]
    assert series.suspects(slow, records) == ("import_warm_seconds",)
    (step,) = series.time_steps(again, [*records, again])
    assert step.after == (slow, again)


def test_another_version_of_the_same_night_is_no_second_measurement() -> None:
    """As a maintenance release of that day, or a sweep."""
    slow, older = timed(12, 1.3), timed(12, 1.3, again=True, version="2.2.9")
    records = [*noisy(12), slow, older]
    assert series.suspects(slow, records) == ("import_warm_seconds",)
    assert series.time_steps(slow, records) == []
    assert series.time_steps(older, records) == []


def test_a_sweep_of_old_versions_is_in_no_series_of_nights() -> None:
    noons = [FIRST + timedelta(days=night, hours=12) for night in range(12)]
    swept = [timed(night, 5.0, again=True, version="1.0", as_of=noon) for night, noon in enumerate(noons)]
    slow = timed(12, 1.3)
    assert series.suspects(slow, [*noisy(12), *swept, slow]) == ("import_warm_seconds",)
    usual = timed(12, 1.0)
    assert series.suspects(usual, [*noisy(12), *swept, usual]) == ()


def test_a_version_gives_way_to_the_next() -> None:
    slow, again = (timed(12, 1.3, again=again, version="2.4.0") for again in (False, True))
    (step,) = series.time_steps(again, [*noisy(12), slow, again])
    assert {one.version for one in step.before} == {"2.3.0"}


def test_a_faster_import_is_no_regression() -> None:
    nights, fast, again = noisy(12), timed(12, 0.7), timed(12, 0.7, again=True)
    assert series.time_steps(again, [*nights, fast, again]) == []


@pytest.mark.parametrize(
    "other",
    [
        {"environment": HOST.model_copy(update={"host_id": "bbbbbbbbbbbb"})},
        {"environment": HOST.model_copy(update={"host_id": None})},
        {"environment": HOST.model_copy(update={"image_digest": "sha256:2"})},
        {"environment": HOST.model_copy(update={"cpu_model": "two"})},
        {"methods": {"sizes": 1, "times": 2}},
        {"engine": "venv"},
    ],
)
def test_times_of_another_machine_image_or_method_are_never_compared(other: dict[str, Any]) -> None:
    slow, again = timed(12, 1.3, **other), timed(12, 1.3, again=True, **other)
    records = [*noisy(12), slow, again]
    assert series.suspects(slow, [*noisy(12), slow]) == ()
    assert series.time_steps(again, records) == []


def test_too_few_nights_show_no_level() -> None:
    slow, again = timed(5, 2.0), timed(5, 2.0, again=True)
    assert series.time_steps(again, [*noisy(4), slow, again]) == []
    assert [step.figure for step in series.time_steps(again, [*noisy(5), slow, again])] == ["import_warm_seconds"]


@pytest.mark.parametrize(("slower", "told"), [(1.065, True), (1.04, False)])
def test_a_step_is_told_from_five_percent_on(slower: float, told: bool) -> None:
    nights = [timed(night, 1.0 + 0.001 * (night % 3)) for night in range(20)]
    slow, again = timed(20, slower), timed(20, slower + 0.001, again=True)
    assert bool(series.time_steps(again, [*nights, slow, again])) is told


def test_the_noise_of_a_quiet_machine_is_hardly_ever_suspected() -> None:
    """Each suspicion costs one more measurement, and none may be told: over 50 series of 30 nights, each with 2 %."""
    rng = random.Random(7)
    suspected = 0
    for _ in range(50):
        nights = [timed(night, rng.gauss(1, 0.02)) for night in range(30)]
        suspected += bool(series.suspects(nights[-1], nights))
    assert suspected <= 2
