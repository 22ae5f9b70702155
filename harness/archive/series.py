"""Two series over time, never mixed, and what changed in them.

`release`: the versions of one build, each with the dependencies of the day on which it came out. `night`: one version,
with the dependencies of each night. Sizes are deterministic: each is held against the one before it. Times are noisy:
steps are looked for in the series of one host, method and image alone, and count only once they were seen twice.
"""

from __future__ import annotations

import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TypeVar

from harness.archive import compare, select
from harness.archive.compare import Difference
from harness.documents.footprint import Record
from harness.documents.night import Series

SIZES = ("wheel_bytes", "download_bytes", "installed_bytes")
"""Sizes that are watched."""
TIMES = ("import_first_seconds", "import_warm_seconds", "install_seconds")
"""Times that are watched."""
SIZE_FLOOR_BYTES = 1_000_000
SIZE_SHARE = 0.01
"""A size has changed where it differs by more than the greater of both."""
STEP_SHARE = 0.05
"""A time has changed where its level has risen by more than this."""
SHORTEST = 5
"""Points before a night that steps are looked for in; fewer show no level."""

Key = TypeVar("Key")


@dataclass(frozen=True)
class SizeChange:
    """A size that is not what it was."""

    series: Series
    figure: str
    difference: Difference
    """Between the two records, attributed to distributions."""

    @property
    def bytes(self) -> int:
        found = self.difference.delta(self.figure).difference
        assert isinstance(found, int)
        return found

    @property
    def before(self) -> Record:
        assert isinstance(self.difference.before, Record)
        return self.difference.before

    @property
    def after(self) -> Record:
        assert isinstance(self.difference.after, Record)
        return self.difference.after


@dataclass(frozen=True)
class TimeStep:
    """A time whose level has risen."""

    figure: str
    before: tuple[Record, ...]
    """The level before: every measurement of it, oldest first."""
    after: tuple[Record, ...]
    """The level since: at least two measurements."""

    @property
    def before_seconds(self) -> float:
        return _level(self.before, self.figure)

    @property
    def after_seconds(self) -> float:
        return _level(self.after, self.figure)

    @property
    def share(self) -> float:
        """By how much it has risen, of what it was."""
        return self.after_seconds / self.before_seconds - 1


def kind(one: Record) -> tuple[object, ...]:
    """What records have in common whose sizes may be compared."""
    return (*select.build(one), one.engine, one.installer, one.methods.get("sizes"))


def bench(one: Record) -> tuple[object, ...] | None:
    """What records have in common whose times may be compared; None where the host is not known."""
    told = one.environment
    if told.host_id is None:
        return None
    return (*kind(one), one.methods.get("times"), told.host_id, told.cpu_model, told.cpu_count, told.image_digest)


def before(one: Record, series: Series, records: Iterable[Record]) -> Record | None:
    """The record that comes before one in a series; None where it is the first.

    Only records that are ok are in a series: a failed one has no sizes to compare with.
    """
    mine = [other for other in records if other.status == "ok" and kind(other) == kind(one)]
    if series == "night":
        earlier = [other for other in mine if other.version == one.version and other.as_of < one.as_of]
        return max(earlier, key=lambda other: (other.as_of, other.measured_at, other.record_id), default=None)
    lower = [other for other in mine if select.version_of(other) < select.version_of(one)]
    highest = max((select.version_of(other) for other in lower), default=None)
    # of a version the record nearest to its release; of those the last, which repeats the others
    first = min((other.as_of for other in lower if select.version_of(other) == highest), default=None)
    same = [other for other in lower if (select.version_of(other), other.as_of) == (highest, first)]
    return max(same, key=lambda other: (other.measured_at, other.record_id), default=None)


def size_changes(one: Record, series: Series, records: Iterable[Record]) -> list[SizeChange]:
    """Sizes of a record that differ from the one before it by more than the greater of 1 MB and 1 %."""
    earlier = before(one, series, records) if one.status == "ok" else None
    if earlier is None:
        return []
    found = []
    difference = compare.diff(earlier, one)
    for figure in SIZES:
        was = getattr(earlier.figures, figure)
        change = difference.delta(figure).difference
        if change is not None and was is not None and abs(change) > max(SIZE_FLOOR_BYTES, SIZE_SHARE * was):
            found.append(SizeChange(series, figure, difference))
    return found


def nights(one: Record, records: Iterable[Record]) -> list[Record]:
    """Measurements of one build on one bench up to a night: of each night the newest version's.

    One version gives way to the next, and never to an older one: what a release or a sweep measured of others is no
    night's.
    """
    mine, version = bench(one), select.version_of(one)
    if mine is None:
        return []
    alike = [other for other in records if other.status == "ok" and other.as_of <= one.as_of and bench(other) == mine]
    alike = [other for other in alike if select.version_of(other) <= version]
    alike.sort(key=lambda other: (other.as_of, other.measured_at, other.record_id))
    found: list[Record] = []
    for _, night in groupby(alike, key=lambda other: other.as_of):
        of_night = list(night)
        newest = max(map(select.version_of, of_night))
        if not found or newest >= select.version_of(found[-1]):
            found += [other for other in of_night if select.version_of(other) == newest]
    return found


Detect = Callable[[Sequence[float]], list[tuple[int, int]]]
"""Finds the segments of constant level: from, to (not included)."""


def detect_steps(values: Sequence[float]) -> list[tuple[int, int]]:
    """Segments by asv's detector: an L1 fit with a penalty for each step that grows with the length of the series.

    https://asv.readthedocs.io/en/stable/dev.html#module-asv.step_detect

    Raises:
        ModuleNotFoundError: asv is not installed.
    """
    from asv.step_detect import detect_steps as detect

    return [(int(left), int(right)) for left, right, *_ in detect(list(values))]


def suspects(one: Record, records: Iterable[Record], detect: Detect = detect_steps) -> tuple[str, ...]:
    """Times that have a step with a night's record if a second measurement is like the first: to be measured again.

    A series of fewer than `SHORTEST` earlier points has none.
    """
    earlier, tonight = _split(one, records)
    return tuple(step.figure for step in _new_steps(earlier, tonight * 2, detect)) if len(tonight) == 1 else ()


def time_steps(one: Record, records: Iterable[Record], detect: Detect = detect_steps) -> list[TimeStep]:
    """Times whose level has risen, as shows with a night that was measured twice, and did not show before it.

    A small step shows only after some nights; then those of its nights are in `after`.
    """
    earlier, tonight = _split(one, records)
    return _new_steps(earlier, tonight, detect) if len(tonight) >= 2 else []


def _split(one: Record, records: Iterable[Record]) -> tuple[list[Record], list[Record]]:
    series = nights(one, records)
    tonight = [other for other in series if other.as_of == one.as_of and other.version == one.version]
    return [other for other in series if other.as_of < one.as_of], tonight


def _new_steps(earlier: list[Record], tonight: list[Record], detect: Detect) -> list[TimeStep]:
    """Steps that the night shows, and that no earlier night has told."""
    found = []
    for figure in TIMES:
        told = [one for one in earlier if getattr(one.figures, figure) is not None]
        if len(told) < SHORTEST:
            continue
        now = [one for one in tonight if getattr(one.figures, figure) is not None]
        step = _last_step(figure, told + now, detect)
        if step is None or len(step.after) < 2:
            continue
        if not _was_told(step, len(told) + len(now) - len(step.after), told, detect):
            found.append(step)
    return found


SAME_STEP = 2
"""By so many points the place of one step may move as more points come."""


def _was_told(step: TimeStep, began: int, earlier: Sequence[Record], detect: Detect) -> bool:
    """Whether a night before showed this step, and was measured twice: else nothing was said then.

    Args:
        began: the place in `earlier` at which the new level begins.
    """
    nights = [one.as_of for one in earlier]
    twice = {one for one, next_one in pairwise(nights[max(0, began - SAME_STEP) :]) if one == next_one}
    for night in sorted(twice, reverse=True):
        until = bisect_right(nights, night)
        known = _last_step(step.figure, earlier[:until], detect)
        if known is None or bisect_left(nights, night) < SHORTEST:
            continue
        moved = abs(until - len(known.after) - began)
        if moved <= SAME_STEP and step.after_seconds <= known.after_seconds * (1 + STEP_SHARE):
            return True
    return False


def _last_step(figure: str, records: Sequence[Record], detect: Detect) -> TimeStep | None:
    """The last change of level, where it goes up far enough."""
    segments = detect([getattr(one.figures, figure) for one in records])
    if len(segments) < 2:
        return None
    (left, middle), (_, right) = segments[-2:]
    step = TimeStep(figure, tuple(records[left:middle]), tuple(records[middle:right]))
    return step if step.before_seconds > 0 and step.share > STEP_SHARE else None


def _level(records: Sequence[Record], figure: str) -> float:
    return float(statistics.median(getattr(one.figures, figure) for one in records))
