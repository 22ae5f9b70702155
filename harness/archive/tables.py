"""The tables: `results/footprint.csv`, `forecast.csv` and `inference.csv`, one row for each document of their shelves,
and `providers.csv`, one row for each provider of a report.

Each is derived from its shelf alone, offline, and together they are described by `results/datapackage.json`.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.archive import datapackage, incremental
from harness.archive.incremental import Key, Table
from harness.archive.store import FOLDERS, Forecasts, Inferences, Kind, ProviderReports, Shelf, Store, Value
from harness.archive.weighed import as_version
from harness.documents import footprint as record
from harness.documents import forecast, inference, providers
from harness.documents.base import Environment
from harness.documents.footprint import Figures, Record
from harness.documents.forecast import Forecast, ForecastFigures
from harness.documents.inference import Figures as InferenceFigures
from harness.documents.inference import Inference
from harness.documents.providers import ProviderLine, ProviderReport
from harness.errors import EnvironmentLacksError
from harness.job import iso_instant

KEYS = (
    "record_id",
    "measured_at",
    "framework",
    "version",
    "variant",
    "extras",
    "import_package",
    "python",
    "platform",
    "as_of",
    "engine",
    "installer",
    "status",
    "phase",
    "reason",
)
FIGURES = tuple(Figures.model_fields)
ENVIRONMENT = ("lock_sha256", "image_digest", "cpu_model", "kernel", "harness_version", "method_version")
COLUMNS = KEYS + FIGURES + ENVIRONMENT

FORECAST_KEYS = (
    "record_id",
    "forecast_at",
    "framework",
    "version",
    "variant",
    "extras",
    "python",
    "platform",
    "as_of",
    "scope",
    "uploaded_at",
    "status",
    "phase",
    "reason",
)
FORECAST_FIGURES = tuple(ForecastFigures.model_fields)
FORECAST_ORIGIN = ("lock_sha256", "resolver", "harness_version", "method_version")
FORECAST_COLUMNS = FORECAST_KEYS + FORECAST_FIGURES + FORECAST_ORIGIN

INFERENCE_KEYS = (
    "record_id",
    "measured_at",
    "model",
    "model_sha256",
    "opset",
    "runtime",
    "distribution",
    "version",
    "track",
    "precision",
    "threads",
    "spinning",
    "device",
    "ep_requested",
    "ep_actual",
    "anchor",
    "python",
    "platform",
    "as_of",
    "engine",
    "status",
    "phase",
    "reason",
)
INFERENCE_FIGURES = tuple(InferenceFigures.model_fields)
INFERENCE_COLUMNS = INFERENCE_KEYS + INFERENCE_FIGURES + ("gpu", *ENVIRONMENT)

OFFER_KEYS = ("runtime", "distribution", "version")
OFFER_LINE = tuple(ProviderLine.model_fields)
OFFER_ORIGIN = ("engine", "python", "platform", "as_of", "measured_at", "record_id", "gpu")
OFFER_COLUMNS = OFFER_KEYS + OFFER_LINE + OFFER_ORIGIN + ENVIRONMENT


def row(one: Record) -> dict[str, str]:
    """A record as text; a figure that is null is an empty cell."""
    cells: dict[str, object] = {name: getattr(one, name) for name in KEYS}
    cells |= {"measured_at": iso_instant(one.measured_at), "as_of": iso_instant(one.as_of)}
    cells["extras"] = " ".join(one.extras)
    cells |= {name: getattr(one.figures, name) for name in FIGURES}
    cells["lock_sha256"] = one.lock_sha256
    cells |= {name: getattr(one.environment, name) for name in ENVIRONMENT[1:-1]}
    cells["method_version"] = " ".join(f"{name}:{version}" for name, version in sorted(one.methods.items()))
    return {name: _cell(value) for name, value in cells.items()}


def forecast_row(one: Forecast) -> dict[str, str]:
    """A forecast as text; a figure that is null is an empty cell."""
    cells: dict[str, object] = {name: getattr(one, name) for name in FORECAST_KEYS}
    cells |= {"forecast_at": iso_instant(one.forecast_at), "as_of": iso_instant(one.as_of)}
    cells["uploaded_at"] = iso_instant(one.uploaded_at) if one.uploaded_at else None
    cells["extras"] = " ".join(one.extras)
    cells |= {name: getattr(one.figures, name) for name in FORECAST_FIGURES}
    cells |= {name: getattr(one, name) for name in FORECAST_ORIGIN}
    return {name: _cell(value) for name, value in cells.items()}


def inference_row(one: Inference) -> dict[str, str]:
    """An inference record as text, without its raw runs; a figure that is null is an empty cell."""
    cells: dict[str, object] = {name: getattr(one, name, None) for name in INFERENCE_KEYS}
    cells |= {"model": one.model.name, "model_sha256": one.model.sha256, "opset": one.model.opset}
    cells |= {"measured_at": iso_instant(one.measured_at), "as_of": iso_instant(one.as_of)}
    cells |= {name: getattr(one.figures, name) for name in INFERENCE_FIGURES}
    cells |= _origin(one)
    return {name: _cell(value) for name, value in cells.items()}


def offer_rows(one: ProviderReport) -> list[dict[str, str]]:
    """The providers of a report as text, one row each."""
    cells: dict[str, object] = {name: getattr(one, name, None) for name in (*OFFER_KEYS, *OFFER_ORIGIN)}
    cells |= {"measured_at": iso_instant(one.measured_at), "as_of": iso_instant(one.as_of)}
    cells |= _origin(one)
    return [{name: _cell((cells | line.model_dump())[name]) for name in OFFER_COLUMNS} for line in one.providers]


def _origin(one: Inference | ProviderReport) -> dict[str, object]:
    """On what it ran, and by which method."""
    cells: dict[str, object] = {"gpu": "; ".join(f"{name}: {value}" for name, value in sorted(one.gpu.items()))}
    cells |= {name: getattr(one.environment, name) for name in ENVIRONMENT if name in Environment.model_fields}
    return cells | {"lock_sha256": one.lock_sha256, "method_version": one.method_version}


def _cell(value: object) -> str:
    """Text that no spreadsheet takes for a formula. https://owasp.org/www-community/attacks/CSV_Injection"""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"  # as Table Schema has them
    text = str(value)
    escaped = "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text
    return escaped.replace("\r", " ").replace("\n", " ")


def _record_rows(one: Record) -> list[tuple[Key, dict[str, str]]]:
    return [((iso_instant(one.measured_at), one.record_id), row(one))]


def _forecast_rows(one: Forecast) -> list[tuple[Key, dict[str, str]]]:
    return [(_forecast_key(one), forecast_row(one))]


def _inference_rows(one: Inference) -> list[tuple[Key, dict[str, str]]]:
    what = (one.model.name, one.track, str(one.threads), one.runtime, str(one.spinning), one.version)
    return [((*what, iso_instant(one.measured_at), one.record_id), inference_row(one))]


def _inference_place(key: Sequence[str]) -> tuple[Any, ...]:
    model, track, threads, runtime, spinning, version, *rest = key
    return (model, track, int(threads), runtime, spinning, as_version(version), *rest)


def _offer_rows(one: ProviderReport) -> list[tuple[Key, dict[str, str]]]:
    what = (one.runtime, one.version, iso_instant(one.measured_at), one.record_id)
    return [((*what, f"{number:04}"), cells) for number, cells in enumerate(offer_rows(one))]


def _offer_place(key: Sequence[str]) -> tuple[Any, ...]:
    runtime, version, *rest = key
    return (runtime, as_version(version), *rest)


def _forecast_key(one: Forecast) -> tuple[str, ...]:
    what = (one.framework, one.variant, " ".join(one.extras), one.python, one.platform, one.scope, one.version)
    return (*what, iso_instant(one.as_of), one.record_id)


def _forecast_place(key: Sequence[str]) -> tuple[Any, ...]:
    framework, variant, extras, python, platform, scope, version, *rest = key
    return (framework, variant, extras, as_version(python), platform, scope, as_version(version), *rest)


FOOTPRINT: Table[Record] = Table(
    name="footprint",
    title="One row a measurement, oldest first; failed ones too",
    columns=COLUMNS,
    rows=_record_rows,
    place=tuple,
    schema=record.schema,
    models=("Environment", "Figures"),
    renamed={"method_version": "methods"},
)
FORECAST: Table[Forecast] = Table(
    name="forecast",
    title="One row a forecast, by build and version; told by the package index, not measured",
    columns=FORECAST_COLUMNS,
    rows=_forecast_rows,
    place=_forecast_place,
    schema=forecast.schema,
    models=("ForecastFigures",),
    renamed={},
)
INFERENCE: Table[Inference] = Table(
    name="inference",
    title="One row for each model, track, number of threads and runtime that was timed; failed ones too",
    columns=INFERENCE_COLUMNS,
    rows=_inference_rows,
    place=_inference_place,
    schema=inference.schema,
    models=("ModelFacts", "Environment", "Figures"),
    renamed={"model": "name", "model_sha256": "sha256"},
)
PROVIDERS: Table[ProviderReport] = Table(
    name="providers",
    title="One row for each execution provider of a runtime: offered, created, and whether it ran a node",
    columns=OFFER_COLUMNS,
    rows=_offer_rows,
    place=_offer_place,
    schema=providers.schema,
    models=("Environment", "ProviderLine"),
    renamed={},
)
TABLES: tuple[Table[Any], ...] = (FOOTPRINT, FORECAST, INFERENCE, PROVIDERS)


def to_csv(records: Iterable[Record]) -> str:
    """Records as CSV, oldest first."""
    return incremental.to_csv(FOOTPRINT, records)


def rebuild(store: Store, torn: Callable[[Path, str], None]) -> Path:
    """Bring `footprint.csv` and `datapackage.json` up to date; two at a time take turns, a reader sees old or new.

    The outcome is that of reading every record, byte for byte. Where nothing is new, nothing is written.

    Args:
        torn: is told of each file that is not a valid record, and why; every time.

    Raises:
        EnvironmentLacksError: the results folder cannot be read or written.
    """
    return _rebuild(FOOTPRINT, store, torn)


def rebuild_forecasts(shelf: Forecasts, torn: Callable[[Path, str], None]) -> Path:
    """Bring `forecast.csv` and `datapackage.json` up to date, as `rebuild` does with records.

    Raises:
        EnvironmentLacksError: the results folder cannot be read or written.
    """
    return _rebuild(FORECAST, shelf, torn)


def rebuild_inferences(shelf: Inferences, torn: Callable[[Path, str], None]) -> Path:
    """Bring `inference.csv` and `datapackage.json` up to date, as `rebuild` does with records.

    Raises:
        EnvironmentLacksError: the results folder cannot be read or written.
    """
    return _rebuild(INFERENCE, shelf, torn)


def rebuild_providers(shelf: ProviderReports, torn: Callable[[Path, str], None]) -> Path:
    """Bring `providers.csv` and `datapackage.json` up to date, as `rebuild` does with records.

    Raises:
        EnvironmentLacksError: the results folder cannot be read or written.
    """
    return _rebuild(PROVIDERS, shelf, torn)


def has_any(results: Path) -> bool:
    """Whether a place holds a document, or a table of what it held."""
    documents = any(any((results / folder).glob("*/*.json")) for folder in FOLDERS.values())
    return documents or any((results / table.file).exists() for table in TABLES)


def rebuild_all(results: Path, torn: Mapping[Kind, Callable[[Path, str], None]]) -> list[Path]:
    """Bring every table up to date; that of anything but records only where there is or was any of it.

    Args:
        torn: kind -> what is told of each file that is not one.

    Raises:
        EnvironmentLacksError: the results folder cannot be read or written.
    """
    found = [rebuild(Store(results), torn["record"])]
    others: tuple[tuple[Table[Any], Shelf[Any]], ...] = (
        (FORECAST, Forecasts(results)),
        (INFERENCE, Inferences(results)),
        (PROVIDERS, ProviderReports(results)),
    )
    for table, shelf in others:
        if shelf.folder.exists() or (results / table.file).exists():
            found.append(_rebuild(table, shelf, torn[shelf.kind]))
    return found


def _rebuild(table: Table[Value], shelf: Shelf[Value], torn: Callable[[Path, str], None]) -> Path:
    try:
        with _taking_turns(shelf.results):
            incremental.update(table, shelf, torn)
            _describe(shelf.results)
    except OSError as error:
        raise EnvironmentLacksError(f"the tables in {shelf.results} cannot be rebuilt: {error}") from error
    return shelf.results / table.file


@contextmanager
def _taking_turns(results: Path) -> Iterator[None]:
    """One writer at a time, of any table: they share a description."""
    with (results / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _describe(results: Path) -> None:
    """Describe the tables that there are: whoever makes no forecasts has no table of them, and so on."""
    path = results / "datapackage.json"
    text = datapackage.to_json(tuple(table for table in TABLES if (results / table.file).exists()))
    if not path.exists() or path.read_bytes() != text.encode():
        with incremental.replacing(path) as file:
            file.write(text)
