"""The record: the outcome of one job in one stage, as it is kept for ever.

One immutable JSON document a measurement. Raw samples are kept, medians are derived from them. A
figure that could not be read is `null`, and `absent` says why. `schema()` is published as
`docs/record.schema.json`.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Literal

from pydantic import AwareDatetime, Field, model_validator

from harness.documents.base import (
    Bytes,
    Count,
    Document,
    Environment,
    FileLine,
    LedgerLine,
    LockedWheel,
    Model,
    Seconds,
    has_reason,
)
from harness.errors import Status

METHODS = {"sizes": 1, "times": 1}
"""Method version of each metric family; raised when a definition changes."""
NOISY_SPREAD = 0.10
"""Above this relative spread a time carries a warning."""


class Sample(Model):
    """One fresh interpreter."""

    seconds: Seconds
    """From its start until the import was done (or, bare, until it was ready)."""
    cpu_seconds: Seconds
    modules: Count
    rss_bytes: Bytes
    """Peak resident set."""


class Samples(Model):
    """Every timed interpreter, in the order in which they ran."""

    first_bare: tuple[Sample, ...] = ()
    first: tuple[Sample, ...] = ()
    bare: tuple[Sample, ...] = ()
    warm: tuple[Sample, ...] = ()
    cold: tuple[Sample, ...] = ()


class Figures(Model):
    """The figures of one footprint, all derived from the rest of the record."""

    wheel_bytes: Bytes | None = None
    """Size of the framework's own wheel."""
    download_bytes: Bytes | None = None
    """Sum of the sizes of all wheels in the lock, the framework's own included."""
    unpacked_bytes: Bytes | None = None
    """Sum of the uncompressed sizes in the central directories of all wheels in the lock."""
    installed_bytes: Bytes | None = None
    """What the installation added, without bytecode: sum of `st_size` over unique (device, inode)."""
    bytecode_bytes: Bytes | None = None
    """The `.pyc` files that compiling everything adds, beyond those that wheels ship."""
    allocated_bytes: Bytes | None = None
    """The files of `installed_bytes` in blocks on disk: `st_blocks` * 512."""
    image_bytes: Bytes | None = None
    """Base image + `installed_bytes` + `bytecode_bytes`; a sum, no image is built (docker only)."""
    distributions: Count | None = None
    """How many distributions the lock has, the framework's own included."""
    install_seconds: Seconds | None = None
    """Installation, offline, from local wheels: `unpack_seconds` + `bytecode_seconds`."""
    unpack_seconds: Seconds | None = None
    """The installer's process, without compiling."""
    bytecode_seconds: Seconds | None = None
    """Compiling everything with `compileall`, one process a core, in wall time."""
    download_seconds: Seconds | None = None
    """Downloading as observed: the network's, not the framework's; null unless every wheel was downloaded."""
    resolve_seconds: Seconds | None = None
    """Resolving as observed: the network's, not the framework's; null where the lock was there already."""
    import_first_seconds: Seconds | None = None
    """First import after the installation, no bytecode on disk; less the bare interpreter's median."""
    import_cold_seconds: Seconds | None = None
    """Import with bytecode on disk and the touched files evicted from the file cache: median, less the bare
    interpreter's median."""
    import_warm_seconds: Seconds | None = None
    """Import with bytecode and files in the file cache: median of fresh interpreters, less the bare interpreter's
    median."""
    import_cpu_seconds: Seconds | None = None
    """User and system time of all threads in the warm imports: median, less the bare interpreter's median."""
    import_rss_bytes: Bytes | None = None
    """Peak resident set of the warm imports, shared pages included: median, less the bare interpreter's median."""
    import_modules: Count | None = None
    """Entries of `sys.modules` after the warm imports: median, less the bare interpreter's median."""
    import_touched_bytes: Bytes | None = None
    """Whole size of the installed files that the import opened or mapped."""
    import_resident_bytes: Bytes | None = None
    """Pages of the mapped installed files that were in memory after the import."""


class DistributionLine(LedgerLine):
    version: str = ""
    bytecode_bytes: Bytes = 0


class DuplicateLine(Model):
    bytes: Bytes
    """What a single copy would save."""
    copies: Count
    paths: tuple[str, ...]


class Duplicates(Model):
    groups: Count
    bytes: Bytes
    largest: tuple[DuplicateLine, ...]


class Ledger(Model):
    """Whose every installed byte is. Distributions, and types, each sum to `installed_bytes`."""

    distributions: tuple[DistributionLine, ...]
    types: tuple[LedgerLine, ...]
    largest: tuple[FileLine, ...]
    duplicates: Duplicates
    files: Count
    contested: Count
    """Files that two RECORDs claim; the first in alphabetical order has them."""
    written: tuple[FileLine, ...] | None = None
    """What the installer wrote itself, or may have altered: each RECORD, INSTALLER, REQUESTED and direct_url.json, and
    the scripts. Null in records of harnesses that did not list them."""


class ModuleLine(Model):
    module: str
    microseconds: Count


class ImportTree(Model):
    """The heaviest modules by `-X importtime`; its clock runs slower than an untraced import."""

    modules: Count
    by_own: tuple[ModuleLine, ...]
    by_cumulative: tuple[ModuleLine, ...]


class Record(Document):
    schema_version: Literal[1] = 1
    record_id: str
    """Names the record for ever: its job, when it was measured, and a random suffix."""
    stage: Literal["footprint"] = "footprint"
    measured_at: AwareDatetime
    """When measuring began, UTC."""
    framework: str
    """Canonical distribution name."""
    version: str
    """Version of the framework."""
    variant: str
    """Which build of the framework, from the catalog: `pypi`, `cpu`, ..."""
    extras: tuple[str, ...] = ()
    """Canonical names of the requested extras, sorted."""
    import_package: str | None
    """What is imported; null where it was not known."""
    python: str
    """CPython version that wheels were chosen for, such as `3.11`."""
    platform: str
    """Platform that wheels were chosen for, such as `linux_x86_64`."""
    as_of: AwareDatetime
    """The first instant whose uploads no longer count."""
    engine: str
    """Where the code ran: `docker` or `venv`."""
    installer: str
    """What installed it: `pip` or `uv`."""
    status: Status
    """How it ended; any but `ok` names its phase and its reason."""
    phase: str | None = None
    """Where it ended; null when it is ok."""
    reason: str | None = None
    """Why it ended there; null when it is ok."""
    warnings: tuple[str, ...] = ()
    figures: Figures = Figures()
    absent: dict[str, str] = Field(default={})
    """Figure -> why it is null."""
    lock_sha256: str | None = None
    """sha256 of the lock that was installed; null where resolving did not end."""
    wheels: tuple[LockedWheel, ...] = ()
    ledger: Ledger | None = None
    samples: Samples = Samples()
    import_tree: ImportTree | None = None
    environment: Environment
    methods: dict[str, int] = METHODS
    """Method version of each metric family; figures of different versions must not be compared."""

    _has_reason = model_validator(mode="after")(has_reason)


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def spread(values: Sequence[float]) -> float:
    """Relative spread: median absolute deviation over median; 0 for fewer than three values."""
    if len(values) < 3 or not (middle := median(values)):
        return 0.0
    return median([abs(value - middle) for value in values]) / middle


def import_figures(samples: Samples) -> dict[str, float | int]:
    """Medians over fresh interpreters, less the bare interpreter's median; never below zero."""
    found: dict[str, float | int] = {}

    def less(runs: Sequence[Sample], bare: Sequence[Sample], what: str) -> float:
        difference = median([getattr(run, what) for run in runs]) - median([getattr(run, what) for run in bare])
        return max(0.0, round(difference, 6))

    if samples.first and samples.first_bare:
        found["import_first_seconds"] = less(samples.first, samples.first_bare, "seconds")
    if samples.cold and samples.bare:
        found["import_cold_seconds"] = less(samples.cold, samples.bare, "seconds")
    if samples.warm and samples.bare:
        found["import_warm_seconds"] = less(samples.warm, samples.bare, "seconds")
        found["import_cpu_seconds"] = less(samples.warm, samples.bare, "cpu_seconds")
        found["import_rss_bytes"] = int(less(samples.warm, samples.bare, "rss_bytes"))
        found["import_modules"] = int(less(samples.warm, samples.bare, "modules"))
    return found


def noise_warnings(samples: Samples) -> tuple[str, ...]:
    """What to say where repeated imports differ by more than a quiet machine's would."""
    found = []
    for name, runs in (("warm", samples.warm), ("cold", samples.cold)):
        relative = spread([run.seconds for run in runs])
        if relative > NOISY_SPREAD:
            found.append(f"{name} imports spread by {relative:.0%} of their median: a busy machine; measure again")
    return tuple(found)
