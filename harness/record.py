"""The record: the outcome of one job in one stage, as it is kept for ever.

One immutable JSON document a measurement. Raw samples are kept, medians are derived from them. A
figure that could not be read is `null`, and `absent` says why. `schema()` is published as
`docs/record.schema.json`.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.errors import InputError, Status

SCHEMA_VERSION = 1
METHODS = {"sizes": 1, "times": 1}
"""Method version of each metric family; raised when a definition changes."""
NOISY_SPREAD = 0.10
"""Above this relative spread a time carries a warning."""

Bytes = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


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
    download_bytes: Bytes | None = None
    unpacked_bytes: Bytes | None = None
    installed_bytes: Bytes | None = None
    bytecode_bytes: Bytes | None = None
    allocated_bytes: Bytes | None = None
    image_bytes: Bytes | None = None
    distributions: Count | None = None
    install_seconds: Seconds | None = None
    unpack_seconds: Seconds | None = None
    bytecode_seconds: Seconds | None = None
    download_seconds: Seconds | None = None
    resolve_seconds: Seconds | None = None
    import_first_seconds: Seconds | None = None
    import_cold_seconds: Seconds | None = None
    import_warm_seconds: Seconds | None = None
    import_cpu_seconds: Seconds | None = None
    import_rss_bytes: Bytes | None = None
    import_modules: Count | None = None
    import_touched_bytes: Bytes | None = None
    import_resident_bytes: Bytes | None = None


class LedgerLine(Model):
    name: str
    files: Count
    bytes: Bytes


class DistributionLine(LedgerLine):
    version: str = ""
    bytecode_bytes: Bytes = 0


class FileLine(Model):
    path: str
    distribution: str
    bytes: Bytes


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


class ModuleLine(Model):
    module: str
    microseconds: Count


class ImportTree(Model):
    """The heaviest modules by `-X importtime`; its clock runs slower than an untraced import."""

    modules: Count
    by_own: tuple[ModuleLine, ...]
    by_cumulative: tuple[ModuleLine, ...]


class LockedWheel(Model):
    name: str
    version: str
    bytes: Bytes
    unpacked_bytes: Bytes | None = None
    yanked: bool = False


class Environment(Model):
    """Everything that could explain a difference between two records."""

    harness_version: str
    harness_commit: str | None = None
    engine_version: str | None = None
    image: str | None = None
    image_digest: str | None = None
    image_source: Literal["registry", "debian", "local"] | None = None
    image_layers: tuple[str, ...] = ()
    image_base_bytes: Bytes | None = None
    storage_driver: str | None = None
    cgroup_version: str | None = None
    network_isolated: bool | None = None
    """Whether the measured code was cut off from every network."""
    python: str | None = None
    installer: str | None = None
    resolver: str | None = None
    kernel: str | None = None
    cpu_model: str | None = None
    cpu_count: Count | None = None
    cpu_governor: str | None = None
    load_1m: Seconds | None = None
    memory_bytes: Bytes | None = None
    memory_limit_bytes: Bytes | None = None


class Record(Model):
    schema_version: Literal[1] = 1
    record_id: str
    stage: Literal["footprint"] = "footprint"
    measured_at: datetime
    framework: str
    """Canonical distribution name."""
    version: str
    variant: str
    extras: tuple[str, ...] = ()
    import_package: str | None
    python: str
    platform: str
    as_of: datetime
    """The first instant whose uploads no longer count."""
    engine: str
    installer: str
    status: Status
    phase: str | None = None
    """Where it ended; null when it is ok."""
    reason: str | None = None
    warnings: tuple[str, ...] = ()
    figures: Figures = Figures()
    absent: dict[str, str] = {}
    """Figure -> why it is null."""
    lock_sha256: str | None = None
    wheels: tuple[LockedWheel, ...] = ()
    ledger: Ledger | None = None
    samples: Samples = Samples()
    import_tree: ImportTree | None = None
    environment: Environment
    methods: dict[str, int] = METHODS

    @model_validator(mode="after")
    def _tells_why(self) -> Record:
        """Whatever is not ok names its phase and its reason."""
        told = (self.phase is not None, self.reason is not None)
        if told != ((False, False) if self.status == "ok" else (True, True)):
            raise ValueError("a record that is not ok has a phase and a reason, and only such a one")
        return self

    def to_json(self) -> str:
        """Canonical: the same record always gives the same text."""
        return self.model_dump_json() + "\n"


def parse_record(text: str | bytes, *, name: str = "record") -> Record:
    """Read and check one record.

    Raises:
        InputError: where it is not a record, or one of a schema that this harness does not know.
    """
    from pydantic_core import from_json

    try:
        raw = from_json(text, allow_inf_nan=False)
    except (ValueError, TypeError) as error:  # TypeError: text that is not Unicode
        raise InputError(f"{name} is not a JSON document: {error}") from None
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise InputError(
            f"{name} has schema {version}; this harness knows up to {SCHEMA_VERSION}", tip="upgrade footprint-harness"
        )
    try:
        return Record.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{name} is not a valid record: {place}: {first['msg']}") from None


def schema() -> dict[str, Any]:
    """The JSON Schema of a record."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Record.model_json_schema()}


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
