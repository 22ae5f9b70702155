"""`results/datapackage.json`: type, unit and meaning of every column. https://datapackage.org

Nothing is defined here: a column is a field of the record, and its JSON Schema has its type and its meaning.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

from harness.record import schema

RENAMED = {"method_version": "methods"}
"""Column -> field, where the names differ."""
UNITS = {"_bytes": "bytes", "_seconds": "s"}
"""Suffix of a column -> its unit; a whole number without one of them is a count."""
TYPES = {"integer": "integer", "number": "number", "date-time": "datetime"}
"""Type or format in JSON Schema -> type in Table Schema; all else is text, lists and mappings too."""


def fields(columns: Iterable[str]) -> list[dict[str, Any]]:
    """Table Schema's field descriptors."""
    known = _properties()
    return [_field(column, known[RENAMED.get(column, column)]) for column in columns]


@cache  # measuring many frameworks rebuilds after each
def to_json(columns: tuple[str, ...]) -> str:
    """The data package of `footprint.csv` with these columns; the same text for ever."""
    table = {
        "name": "footprint",
        "type": "table",
        "path": "footprint.csv",
        "title": "One row a measurement, oldest first; failed ones too",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "dialect": {"delimiter": ",", "quoteChar": '"', "doubleQuote": True, "header": True},
        "schema": {"fields": fields(columns), "missingValues": [""]},
    }
    package = {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": "footprint-harness-results",
        "title": "What ML runtimes cost: installer, disk, import",
        "description": "Derived from the records in records/; do not edit. An empty cell is a figure that could not be "
        "had: its record says why. A text that a spreadsheet would take for a formula has an apostrophe before it.",
        "resources": [table],
    }
    return json.dumps(package, indent=1) + "\n"


def _properties() -> dict[str, dict[str, Any]]:
    """Field -> its JSON Schema; where two models have one of the same name, the record's comes first."""
    record = schema()
    models = (record["$defs"]["Environment"], record["$defs"]["Figures"], record)
    return {name: value for model in models for name, value in model["properties"].items()}


def _field(column: str, field: dict[str, Any]) -> dict[str, Any]:
    kind = {**field, **field.get("anyOf", [{}])[0]}  # a field that can be null is `anyOf` its type and null
    meaning = " ".join(field["description"].split())
    if kind["type"] in ("array", "object"):
        meaning += " Separated by blanks."
    found: dict[str, Any] = {
        "name": column,
        "type": TYPES.get(kind.get("format", kind["type"]), "string"),
        "unit": _unit(column, kind["type"]),
        "description": meaning,
    }
    constraints = {name: kind[name] for name in ("minimum", "enum") if name in kind}
    return found | ({"constraints": constraints} if constraints else {})


def _unit(column: str, kind: str) -> str | None:
    """None: what the column holds is not a quantity."""
    for suffix, unit in UNITS.items():
        if column.endswith(suffix):
            return unit
    return "count" if kind == "integer" else None
