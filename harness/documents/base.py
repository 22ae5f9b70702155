"""What documents of every kind are made of: units, parts that several kinds have, and how one is read.

One immutable JSON document for each outcome. A figure that could not be read is `null`, and the document says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Protocol, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from harness.errors import InputError, Status

Bytes = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]


class Model(BaseModel):
    # A field's docstring is its meaning in the JSON Schema and in the tables' data package.
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Document(Model):
    """What is kept. Each kind has its `schema_version`, its `record_id` and its `stage`, in its own order."""

    if TYPE_CHECKING:
        record_id: str

    def to_json(self) -> str:
        """Canonical: the same document always gives the same text."""
        return self.model_dump_json() + "\n"


Kept = TypeVar("Kept", bound=Document)


class LedgerLine(Model):
    name: str
    files: Count
    bytes: Bytes


class FileLine(Model):
    path: str
    distribution: str
    bytes: Bytes


class LockedWheel(Model):
    name: str
    version: str
    bytes: Bytes
    unpacked_bytes: Bytes | None = None
    yanked: bool = False


class Environment(Model):
    """Everything that could explain a difference between two records."""

    harness_version: str
    """Version of the harness that measured."""
    harness_commit: str | None = None
    """Its git commit, where it ran from a checkout."""
    engine_version: str | None = None
    image: str | None = None
    """Reference of the base image."""
    image_digest: str | None = None
    """Digest of the base image: the registry's, or of its layers where it was built here; null without an image."""
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
    """Name and release of the operating system's kernel."""
    cpu_model: str | None = None
    """Model of the processor, as the kernel names it."""
    cpu_count: Count | None = None
    cpu_governor: str | None = None
    load_1m: Seconds | None = None
    memory_bytes: Bytes | None = None
    memory_limit_bytes: Bytes | None = None
    host_id: str | None = None
    """Names the machine without telling which it is; null where it has no machine-id, or the harness did not ask."""
    alone_from: AwareDatetime | None = None
    """When installing and importing began, with nothing else that a harness does on this machine."""
    alone_until: AwareDatetime | None = None
    """When they had ended."""


class Outcome(Protocol):
    """What ends as ok, or otherwise for a reason."""

    status: Status
    phase: str | None
    reason: str | None


Ended = TypeVar("Ended", bound=Outcome)


def has_reason(value: Ended) -> Ended:
    """Whatever is not ok names its phase and its reason; a validator of every kind that has a status.

    Raises:
        ValueError: it does not.
    """
    given = (value.phase is not None, value.reason is not None)
    if given != ((False, False) if value.status == "ok" else (True, True)):
        raise ValueError("what is not ok has a phase and a reason, and only such a one")
    return value


def parse_document(model: type[Kept], text: str | bytes, *, name: str, what: str, newest: int) -> Kept:
    """Read and check one JSON document of any kind that is kept.

    Args:
        what: the kind, for messages.
        newest: the highest schema version of it that is known.

    Raises:
        InputError: where it is not such a document, or one of a schema that this harness does not know.
    """
    from pydantic_core import from_json

    try:
        raw = from_json(text, allow_inf_nan=False)
    except (ValueError, TypeError) as error:  # TypeError: text that is not Unicode
        raise InputError(f"{name} is not a JSON document: {error}") from None
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if isinstance(version, int) and version > newest:
        raise InputError(
            f"{name} has schema {version}; this harness knows up to {newest}", tip="upgrade footprint-harness"
        )
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{name} is not a valid {what}: {place}: {first['msg']}") from None
