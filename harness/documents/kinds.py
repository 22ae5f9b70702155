"""The registry of kinds of documents: each names once what every other part of the program asks of it.

Records, tables, data package, schemas, reference pages, site and nights iterate over `KINDS`; none of them lists kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from harness.documents import footprint, forecast, inference, night, providers
from harness.documents.base import Document, parse_document
from harness.documents.table import Table, of, under

Kept = TypeVar("Kept", bound=Document)
ENVIRONMENT = ("image_digest", "cpu_model", "kernel", "harness_version")
"""What a table shows of the environment."""


@dataclass(frozen=True, eq=False)
class Kind(Generic[Kept]):
    """One kind of document."""

    name: str
    """What one is called in messages."""
    model: type[Kept]
    """Its `stage` is what a document says that it is, its `record_id` what a document is called."""
    folder: str
    """Below a results folder."""
    subject: Callable[[Kept], str]
    """What a document is of; those of one subject lie in one folder."""
    schema_name: str
    """Of its JSON Schema, `docs/NAME.schema.json`, and of its page of reference."""
    title: str
    """Heading of its page of reference."""
    about: str
    """What one document is, and where it lies; MyST, for its page of reference."""
    not_this: str
    """What to do about a name that is one of this kind, where one of another was wanted."""
    table: Table | None = None
    """Null: documents of this kind have no rows."""

    @property
    def stage(self) -> str:
        """What a document of this kind has for its `stage`."""
        return str(self.model.model_fields["stage"].default)

    @property
    def newest(self) -> int:
        """The highest schema version that is known."""
        return int(self.model.model_fields["schema_version"].default)

    def schema(self) -> dict[str, Any]:
        """Its JSON Schema."""
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **self.model.model_json_schema()}

    def parse(self, text: str | bytes, *, name: str = "") -> Kept:
        """Read and check one.

        Args:
            name: what messages call it.

        Raises:
            InputError: it is none, or one of a schema that this harness does not know.
        """
        return parse_document(self.model, text, name=name or self.name, what=self.name, newest=self.newest)

    def __str__(self) -> str:
        return self.name


_KINDS: dict[str, Kind[Any]] = {}
KINDS: Mapping[str, Kind[Any]] = _KINDS
"""Every kind, by its name."""


def register(kind: Kind[Kept]) -> Kind[Kept]:
    """Have a kind known everywhere.

    Raises:
        ValueError: its name, stage, folder or schema is another's.
    """
    for other in KINDS.values():
        for name in ("name", "stage", "folder", "schema_name"):
            if getattr(kind, name) == getattr(other, name):
                raise ValueError(f"two kinds of documents have the {name} {getattr(kind, name)!r}")
    _KINDS[kind.name] = kind
    return kind


def of_stage(stage: object) -> Kind[Any] | None:
    """The kind whose documents say so of themselves."""
    return next((kind for kind in KINDS.values() if kind.stage == stage), None)


RECORD = register(
    Kind(
        name="record",
        model=footprint.Record,
        folder="records",
        subject=lambda one: one.framework,
        schema_name="record",
        title="Record",
        about="One immutable JSON document a measurement, `results/records/FRAMEWORK/ID.json`, or likewise in "
        "`results/published/`.",
        not_this="leave --forecast out: it takes forecasts only",
        table=Table(
            name="footprint",
            title="One row a measurement, oldest first; failed ones too",
            columns={
                **of("record_id", "measured_at", "framework", "version", "variant", "extras", "import_package"),
                **of("python", "platform", "as_of", "engine", "installer", "status", "phase", "reason"),
                **under("figures", footprint.Figures.model_fields),
                **of("lock_sha256"),
                **under("environment", ENVIRONMENT),
                "method_version": "methods",
            },
            order={"measured_at": "text", "record_id": "text"},
        ),
    )
)
FORECAST = register(
    Kind(
        name="forecast",
        model=forecast.Forecast,
        folder="forecasts",
        subject=lambda one: one.framework,
        schema_name="forecast",
        title="Forecast",
        about="One immutable JSON document a forecast, `results/forecasts/FRAMEWORK/ID.json`. Its name ends with the "
        "start of its content's sha256, so that asking again for the same adds nothing.",
        not_this="it was not measured: measure it, or ask harness diff or harness fits, which take forecasts",
        table=Table(
            name="forecast",
            title="One row a forecast, by build and version; told by the package index, not measured",
            columns={
                **of("record_id", "forecast_at", "framework", "version", "variant", "extras", "python", "platform"),
                **of("as_of", "scope", "uploaded_at", "status", "phase", "reason"),
                **under("figures", forecast.ForecastFigures.model_fields),
                **of("lock_sha256", "resolver", "harness_version", "method_version"),
            },
            order={
                **dict.fromkeys(("framework", "variant", "extras"), "text"),
                "python": "version",
                **dict.fromkeys(("platform", "scope"), "text"),
                "version": "version",
                **dict.fromkeys(("as_of", "record_id"), "text"),
            },
        ),
    )
)
INFERENCE = register(
    Kind(
        name="inference record",
        model=inference.Inference,
        folder="inference",
        subject=lambda one: one.model.name,
        schema_name="inference",
        title="Inference record",
        about="One immutable JSON document for each model, runtime, track and number of threads, "
        "`results/inference/MODEL/ID.json`. It keeps every run of every round; the figures are derived from them.",
        not_this="it tells how fast a model ran, not what a framework weighs",
        table=Table(
            name="inference",
            title="One row for each model, track, number of threads and runtime that was timed; failed ones too",
            columns={
                **of("record_id", "measured_at"),
                "model": "model.name",
                "model_sha256": "model.sha256",
                "opset": "model.opset",
                **of("runtime", "distribution", "version", "track", "precision", "threads", "spinning", "device"),
                **of("ep_requested", "ep_actual", "anchor", "python", "platform", "as_of", "engine"),
                **of("status", "phase", "reason"),
                **under("figures", inference.Figures.model_fields),
                **of("gpu", "lock_sha256"),
                **under("environment", ENVIRONMENT),
                **of("method_version"),
            },
            order={
                **dict.fromkeys(("model", "track"), "text"),
                "threads": "number",
                **dict.fromkeys(("runtime", "spinning"), "text"),
                "version": "version",
                **dict.fromkeys(("measured_at", "record_id"), "text"),
            },
        ),
    )
)
PROVIDERS = register(
    Kind(
        name="provider report",
        model=providers.ProviderReport,
        folder="providers",
        subject=lambda one: one.runtime,
        schema_name="providers",
        title="Provider report",
        about="One immutable JSON document for each runtime and version on a machine, "
        "`results/providers/RUNTIME/ID.json`: what its wheel offers, what could be created there, and what really ran "
        "a node. A provider that ran no node says why.",
        not_this="it tells where a runtime can run, not what a framework weighs",
        table=Table(
            name="providers",
            title="One row for each execution provider of a runtime: offered, created, and whether it ran a node",
            columns={
                **of("runtime", "distribution", "version"),
                **under("providers", providers.ProviderLine.model_fields),
                **of("engine", "python", "platform", "as_of", "measured_at", "record_id", "gpu", "lock_sha256"),
                **under("environment", ENVIRONMENT),
                **of("method_version"),
            },
            order={"runtime": "text", "version": "version", "measured_at": "text", "record_id": "text"},
            each="providers",
        ),
    )
)
NIGHT = register(
    Kind(
        name="night",
        model=night.Night,
        folder="nights",
        subject=lambda one: str(one.as_of.year),
        schema_name="night",
        title="Night",
        about="One immutable JSON document a night, "
        "`results/published/nights/YEAR/night-INSTANT-ENGINE-INSTALLER.json`: the rows that it is to have, written "
        "before any is measured. What came of it is read from the records; the summary beside it, in Markdown, is made "
        "from both.",
        not_this="it tells what a night was to measure; its rows are records",
    )
)
