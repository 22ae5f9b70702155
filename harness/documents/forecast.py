"""The forecast: what a package index tells of one job, without a download. Never a measurement.

A value of its own, not a kind of record: whatever draws or tabulates records cannot be handed one by mistake.
Figures that a record has too are defined alike, and are called alike.
"""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from pydantic import AwareDatetime, Field, model_validator

from harness.documents.base import (
    Bytes,
    Count,
    Document,
    FileLine,
    LedgerLine,
    Model,
    has_reason,
)
from harness.errors import Status

METHOD = 1
"""Method version; raised when a figure's definition changes."""
Scope = Literal["wheel", "closure"]
SCOPES: tuple[Scope, ...] = ("wheel", "closure")
LISTED_FILES = 10
"""How many of the largest files are kept."""


class ForecastFigures(Model):
    wheel_bytes: Bytes | None = None
    """Size of the framework's own wheel."""
    wheel_unpacked_bytes: Bytes | None = None
    """Sum of the uncompressed sizes in its central directory."""
    wheel_files: Count | None = None
    """Files in the framework's own wheel."""
    download_bytes: Bytes | None = None
    """Sum of the sizes of all wheels in the lock, the framework's own included; null unless it was locked."""
    unpacked_bytes: Bytes | None = None
    """Sum of the uncompressed sizes in the central directories of all wheels in the lock: what an installer lays down,
    before what it writes itself. Null unless dependencies were locked."""
    files: Count | None = None
    """Files in all wheels of the lock; null unless dependencies were locked."""
    distributions: Count | None = None
    """How many distributions the lock has, the framework's own included; null unless dependencies were locked."""


class ForecastWheel(Model):
    """One wheel, by what its index and its central directory tell."""

    name: str
    """Canonical distribution name."""
    version: str
    filename: str
    sha256: str
    bytes: Bytes
    unpacked_bytes: Bytes
    files: Count
    uploaded_at: AwareDatetime
    yanked: bool = False


class Forecast(Document):
    schema_version: Literal[1] = 1
    record_id: str = ""
    """Names the forecast for ever: its job, its scope, and the start of its content's sha256."""
    stage: Literal["forecast"] = "forecast"
    forecast_at: AwareDatetime
    """When the index was asked, UTC."""
    framework: str
    """Canonical distribution name."""
    version: str
    """Version of the framework."""
    variant: str
    """Which build of the framework, from the catalog: `pypi`, `cpu`, ..."""
    extras: tuple[str, ...] = ()
    """Canonical names of the requested extras, sorted."""
    python: str
    """CPython version that wheels were chosen for, such as `3.11`."""
    platform: str
    """Platform that wheels were chosen for, such as `linux_x86_64`."""
    as_of: AwareDatetime
    """The first instant whose uploads no longer count."""
    scope: Scope
    """What was weighed: the framework's own `wheel`, or the `closure` of it and all that it needs."""
    uploaded_at: AwareDatetime | None = None
    """When the framework's own wheel was uploaded."""
    status: Status
    """How it ended; any but `ok` names its phase and its reason."""
    phase: str | None = None
    """Where it ended; null when it is ok."""
    reason: str | None = None
    """Why it ended there; null when it is ok."""
    warnings: tuple[str, ...] = ()
    figures: ForecastFigures = ForecastFigures()
    lock_sha256: str | None = None
    """sha256 of the lock that was weighed; null where only the framework's own wheel was."""
    resolver: str | None = None
    """What chose the lock, with its version."""
    wheels: tuple[ForecastWheel, ...] = ()
    """The framework's own wheel, or all of the lock by name."""
    types: tuple[LedgerLine, ...] = ()
    """Unpacked bytes by type of file, the heaviest first; they sum to the unpacked bytes of `wheels`."""
    largest: tuple[FileLine, ...] = ()
    """The largest files of `wheels`."""
    harness_version: str
    """Version of the harness that forecast."""
    harness_commit: str | None = None
    method_version: int = Field(default=METHOD, ge=1)
    """Method version of the figures; those of different versions must not be compared."""

    _has_reason = model_validator(mode="after")(has_reason)

    @property
    def content_sha256(self) -> str:
        """Of all that the index told: equal for two forecasts of the same, whenever and by whomever they were made."""
        told = self.model_dump(
            mode="json", exclude={"record_id", "forecast_at", "harness_version", "harness_commit", "resolver"}
        )
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
