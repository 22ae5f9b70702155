"""A plan: the jobs of a run, which of them have a record, and what the others would download."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from harness.archive.store import Records
from harness.documents.footprint import Record
from harness.documents.forecast import Forecast
from harness.errors import InputError
from harness.fleet.footprints import Weigh
from harness.fleet.races import Race
from harness.fleet.task import Task
from harness.job import Job

Known = Literal["record", "forecast", "own wheel", "no wheel", "nothing"]
Part = tuple[str, str, int]
"""One wheel of an estimate: name, version, bytes."""


@dataclass(frozen=True)
class Estimate:
    """What a job would download on a machine that has nothing yet."""

    parts: frozenset[Part]
    known_by: Known

    @property
    def bytes(self) -> int:
        return sum(size for _, _, size in self.parts)


NOTHING = Estimate(frozenset(), "no wheel")
"""Of what the index has no wheel of: it will be an `unsupported` row."""
UNKNOWN = Estimate(frozenset(), "nothing")
"""Of what nothing tells."""


@dataclass(frozen=True)
class Planned:
    """One job of a plan."""

    what: Weigh | Race
    estimate: Estimate = NOTHING
    record_id: str | None = None
    """Of the record that it has; None: it is to be measured."""

    @property
    def slug(self) -> str:
        return self.what.slug

    @property
    def task(self) -> Task:
        return Task(self.slug, self.what, self.what.needs)


@dataclass(frozen=True)
class Plan:
    """All jobs of a run."""

    jobs: tuple[Planned, ...]

    def labels(self) -> dict[str, str]:
        """Job's slug -> what it is called where there is little room: what all jobs share is left out."""
        apart = [len(set(values)) > 1 for values in zip(*(one.what.traits for one in self.jobs), strict=True)]
        return {
            one.slug: " ".join([one.what.subject, *itertools.compress(one.what.traits, apart)]) for one in self.jobs
        }

    @property
    def to_do(self) -> tuple[Planned, ...]:
        return tuple(one for one in self.jobs if one.record_id is None)

    @property
    def done(self) -> tuple[Planned, ...]:
        return tuple(one for one in self.jobs if one.record_id is not None)

    @property
    def download_bytes(self) -> int:
        """Of what is to be measured, each wheel once; what is not known counts as its own wheel or as nothing."""
        return sum(size for _, _, size in frozenset().union(*(one.estimate.parts for one in self.to_do)))


def recorded(jobs: Iterable[Job], store: Records, *, retry_failed: bool = False) -> dict[str, str]:
    """Job's slug -> the id of its last record, of those that have a valid one.

    Args:
        retry_failed: a record that is `failed` does not count.
    """
    found = {}
    for job in jobs:
        name = re.compile(re.escape(job.slug) + r"-\d{8}T\d{6}Z-[0-9a-f]{6}")
        folder = store.folder / job.request.name
        for path in sorted(folder.glob("*.json"), reverse=True) if folder.is_dir() else ():
            if name.fullmatch(path.stem):
                try:
                    record = store.kind.parse(path.read_bytes(), name="it")
                except (InputError, OSError):
                    continue  # an invalid one is as good as none
                if not (retry_failed and record.status == "failed"):
                    found[job.slug] = record.record_id
                    break
    return found


def estimate(job: Job, records: Iterable[Record], forecasts: Iterable[Forecast], own_wheel: Part | None) -> Estimate:
    """From the newest record of the same build and version, else a forecast of all that it needs, else its wheel.

    Args:
        own_wheel: of the framework itself, as the index tells it; None where it has none.
    """
    same = (job.request.name, str(job.request.version), job.request.extras, job.variant)
    target = (job.target.python_version, job.target.platform)
    measured = [
        one
        for one in records
        if (one.framework, one.version, one.extras, one.variant) == same
        and (one.python, one.platform) == target
        and one.wheels
    ]
    if measured:
        newest = max(measured, key=lambda one: (one.as_of, one.measured_at))
        return Estimate(frozenset((one.name, one.version, one.bytes) for one in newest.wheels), "record")
    told = [
        one
        for one in forecasts
        if (one.framework, one.version, one.extras, one.variant) == same
        and (one.python, one.platform) == target
        and one.scope == "closure"
        and one.status == "ok"
    ]
    if told:
        last = max(told, key=lambda one: (one.as_of, one.forecast_at))
        return Estimate(frozenset((one.name, one.version, one.bytes) for one in last.wheels), "forecast")
    return Estimate(frozenset({own_wheel}), "own wheel") if own_wheel else NOTHING
