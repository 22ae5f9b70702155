"""The tables: `results/footprint.csv`, one row a record, and `results/forecast.csv`, one row a forecast.

Each is derived from its shelf alone, offline, and together they are described by `results/datapackage.json`.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness import forecast, record
from harness.archive import datapackage, incremental
from harness.archive.incremental import Table
from harness.archive.store import Forecasts, Shelf, Store, Value
from harness.archive.weighed import as_version
from harness.errors import EnvironmentLacksError
from harness.forecast import Forecast, ForecastFigures
from harness.job import iso_instant
from harness.record import Figures, Record

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


def _cell(value: object) -> str:
    """Text that no spreadsheet takes for a formula. https://owasp.org/www-community/attacks/CSV_Injection"""
    if value is None:
        return ""
    text = str(value)
    escaped = "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text
    return escaped.replace("\r", " ").replace("\n", " ")


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
    row=row,
    key=lambda one: (iso_instant(one.measured_at), one.record_id),
    place=tuple,
    schema=record.schema,
    models=("Environment", "Figures"),
    renamed={"method_version": "methods"},
)
FORECAST: Table[Forecast] = Table(
    name="forecast",
    title="One row a forecast, by build and version; told by the package index, not measured",
    columns=FORECAST_COLUMNS,
    row=forecast_row,
    key=_forecast_key,
    place=_forecast_place,
    schema=forecast.schema,
    models=("ForecastFigures",),
    renamed={},
)
TABLES: tuple[Table[Any], ...] = (FOOTPRINT, FORECAST)


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


def rebuild_all(results: Path, torn: Mapping[str, Callable[[Path, str], None]]) -> list[Path]:
    """Bring every table up to date; that of forecasts only where there are or were any.

    Args:
        torn: kind -> what is told of each file that is not one.

    Raises:
        EnvironmentLacksError: the results folder cannot be read or written.
    """
    shelf = Forecasts(results)
    found = [rebuild(Store(results), torn["record"])]
    if shelf.folder.exists() or (results / FORECAST.file).exists():
        found.append(rebuild_forecasts(shelf, torn["forecast"]))
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
    """Describe the tables that there are: whoever makes no forecasts has no table of them."""
    path = results / "datapackage.json"
    text = datapackage.to_json(tuple(table for table in TABLES if (results / table.file).exists()))
    if not path.exists() or path.read_bytes() != text.encode():
        with incremental.replacing(path) as file:
            file.write(text)
