"""The night: what one was to measure, as it is kept for ever. What came of it is read from the records.

Written before anything is measured, so that a night that produces fewer rows than it was to is found out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from harness.documents.base import Bytes, Document, Model
from harness.job import Job, compact_instant, job_of

Series = Literal["release", "night"]
"""`release`: a version on the day on which it was released. `night`: the newest version, with the dependencies of the
night. They are never compared with each other."""


class NightJob(Model):
    """One row that the night is to have."""

    series: tuple[Series, ...]
    """Which series it belongs to; both on the night after a release."""
    framework: str
    version: str
    variant: str
    extras: tuple[str, ...] = ()
    python: Annotated[str, Field(pattern=r"^3\.\d+$")]
    platform: str
    as_of: AwareDatetime
    engine: str
    installer: str
    import_package: str | None = None
    estimated_bytes: Bytes = 0
    """What it may download, at most, as far as that was known; 0 where it was not."""
    estimated_by: str = "no wheel"
    """How that was known: by an earlier record, a forecast, or the framework's own wheel alone."""

    @property
    def job(self) -> Job:
        """As it is measured."""
        return job_of(self)


class Night(Document):
    schema_version: Literal[1] = 1
    record_id: str
    """Names the night for ever: its instant, engine and installer, and what else sets it apart."""
    stage: Literal["night"] = "night"
    planned_at: AwareDatetime
    as_of: AwareDatetime
    """The first instant whose uploads no longer count: the midnight, UTC, with which the night began."""
    since: AwareDatetime | None = None
    """The earliest instant from which on a framework's releases are new: the `as_of` of the last night that had the
    framework. Null: no night had any of them."""
    engine: str
    installer: str
    frameworks: tuple[str, ...] = ()
    """What it was restricted to; empty: the whole catalog."""
    pythons: tuple[str, ...] = ()
    """What was to be measured with, the first that a release has a wheel for; empty: the usual ones."""
    jobs: tuple[NightJob, ...]
    unplanned: dict[str, str] = Field(default_factory=dict)
    """Framework -> why the index could not tell what to measure of it."""
    harness_version: str
    """Version of the harness that planned it."""
    harness_commit: str | None = None

    def to_json(self) -> str:
        """Canonical: the same night always gives the same text."""
        return self.model_dump_json(indent=1) + "\n"


def night_id(
    as_of: datetime, engine: str, installer: str, frameworks: Sequence[str] = (), pythons: Sequence[str] = ()
) -> str:
    """Names the one night of an instant, engine and installer; a restricted one is another night."""
    name = f"night-{compact_instant(as_of)}-{engine}-{installer}"
    if not frameworks and not pythons:
        return name
    asked = " ".join([*sorted(set(frameworks)), *pythons])
    return f"{name}-{hashlib.sha256(asked.encode()).hexdigest()[:6]}"
