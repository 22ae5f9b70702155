"""What came of a night: its rows, counted against those that it was to have, and what changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from harness.archive import series
from harness.archive.series import Detect, SizeChange, TimeStep
from harness.documents.footprint import Record
from harness.documents.night import Night, NightJob


@dataclass(frozen=True)
class Row:
    """One row that a night was to have."""

    job: NightJob
    record: Record | None
    """The last measurement; None: there is none."""
    left_out: str = ""
    """Why it was not begun: a budget."""
    failure: str = ""
    """Why there is no record, as far as that is known."""

    @property
    def missing(self) -> bool:
        """Neither measured, nor left out for a budget."""
        return self.record is None and not self.left_out


@dataclass(frozen=True)
class Outcome:
    """A night, as the records tell it."""

    night: Night
    rows: tuple[Row, ...]
    sizes: tuple[SizeChange, ...]
    times: tuple[TimeStep, ...]
    unsure: tuple[tuple[Record, tuple[str, ...]], ...] = ()
    """Records with times that seem to have risen, and were not measured a second time."""
    unfinished: tuple[tuple[Night, int], ...] = ()
    """Earlier nights that lack rows, and how many."""

    def ended(self, status: str) -> tuple[Record, ...]:
        """Records of the night with this status."""
        return tuple(row.record for row in self.rows if row.record is not None and row.record.status == status)

    @property
    def recorded(self) -> int:
        return sum(row.record is not None for row in self.rows)

    @property
    def missing(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.missing)

    @property
    def left_out(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.left_out)

    @property
    def regressions(self) -> int:
        """Sizes that grew and times that rose."""
        return sum(change.bytes > 0 for change in self.sizes) + len(self.times)

    @property
    def exit_status(self) -> int:
        """3: a regression; else 1: a row is missing or failed; else 3: something was not measured; else 0."""
        if self.regressions:
            return 3
        if self.missing or self.ended("failed") or self.night.unplanned:
            return 1
        return 3 if self.left_out or self.unsure else 0


def outcome(
    night: Night,
    records: Sequence[Record],
    *,
    left_out: Mapping[str, str] = MappingProxyType({}),
    failures: Mapping[str, str] = MappingProxyType({}),
    earlier: Iterable[Night] = (),
    detect: Detect = series.detect_steps,
) -> Outcome:
    """Count and compare.

    Args:
        records: all that are kept.
        left_out: job's slug -> why it was not begun.
        failures: job's slug -> why it came to no record.
        earlier: other nights; those that lack rows are told.
    """
    last = _last(records)
    rows = []
    sizes: list[SizeChange] = []
    times: list[TimeStep] = []
    unsure = []
    for job in night.jobs:
        record = last.get(job_key(job))
        if record is None:
            rows.append(Row(job, None, left_out.get(job.job.slug, ""), failures.get(job.job.slug, "")))
            continue
        rows.append(Row(job, record))
        for kind in job.series:
            sizes += series.size_changes(record, kind, records)
        if "night" in job.series and record.status == "ok":
            times += series.time_steps(record, records, detect)
            if figures := series.suspects(record, records, detect):
                unsure.append((record, figures))
    lacking = [
        (one, sum(job_key(job) not in last for job in one.jobs))
        for one in sorted(earlier, key=lambda one: one.as_of)
        if one.as_of < night.as_of
    ]
    unfinished = tuple((one, count) for one, count in lacking if count)
    return Outcome(night, tuple(rows), tuple(sizes), tuple(times), tuple(unsure), unfinished)


def suspects(
    night: Night, records: Sequence[Record], detect: Detect = series.detect_steps
) -> list[tuple[NightJob, Record]]:
    """Jobs that are to be measured a second time before anything is said of their times, with their records."""
    last = _last(records)
    found = []
    for job in night.jobs:
        record = last.get(job_key(job))
        if record is not None and "night" in job.series and series.suspects(record, records, detect):
            found.append((job, record))
    return found


def _last(records: Iterable[Record]) -> dict[tuple[object, ...], Record]:
    """The last record of every job; one that is ok comes before one that is not, whose figures nobody has."""
    ordered = sorted(records, key=lambda one: (one.status == "ok", one.measured_at, one.record_id))
    return {job_key(one): one for one in ordered}


def job_key(one: Record | NightJob) -> tuple[object, ...]:
    """What a record is the measurement of, or a row of a night is to be."""
    build = (one.framework, one.variant, one.extras, one.python, one.platform)
    return (*build, one.version, one.as_of, one.engine, one.installer)


def ages(records: Iterable[Record]) -> list[tuple[str, str, datetime]]:
    """How old the data is: of each framework the version and instant of its last measurement that is ok."""
    found: dict[str, Record] = {}
    for one in records:
        if one.status == "ok" and (one.framework not in found or found[one.framework].measured_at < one.measured_at):
            found[one.framework] = one
    return [(name, one.version, one.measured_at) for name, one in sorted(found.items())]
