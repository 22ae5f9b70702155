"""`results/datapackage.json`: type, unit and meaning of every column. https://datapackage.org

Nothing is defined here: a column is a field of what has a row, and its JSON Schema has its type and its meaning.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from harness.archive.incremental import Table

UNITS = {"_bytes": "bytes", "_seconds": "s"}
"""Suffix of a column -> its unit; a whole number without one of them is a count."""
NO_QUANTITIES = ("method_version", "opset")
"""Whole numbers that count nothing."""
WORDY = ("gpu",)
"""Mappings whose values hold blanks."""
TYPES = {"integer": "integer", "number": "number", "boolean": "boolean", "date-time": "datetime"}
"""Type or format in JSON Schema -> type in Table Schema; all else is text, lists and mappings too."""


def fields(table: Table[Any]) -> list[dict[str, Any]]:
    """Table Schema's field descriptors."""
    known = _properties(table)
    return [_field(column, known[table.renamed.get(column, column)]) for column in table.columns]


@cache  # measuring many frameworks rebuilds after each
def to_json(tables: tuple[Table[Any], ...]) -> str:
    """The data package of these tables; the same text for ever."""
    package = {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": "footprint-harness-results",
        "title": "What ML runtimes cost: installer, disk, import, inference",
        "description": "Derived from the JSON documents in the folders beside it; do not edit. An empty cell is a "
        "figure that could not be had: a record says why, of a forecast its scope and its reason. A text that a "
        "spreadsheet would take for a formula has an apostrophe before it.",
        "resources": [_resource(table) for table in tables],
    }
    return json.dumps(package, indent=1) + "\n"


def _resource(table: Table[Any]) -> dict[str, Any]:
    return {
        "name": table.name,
        "type": "table",
        "path": table.file,
        "title": table.title,
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "dialect": {"delimiter": ",", "quoteChar": '"', "doubleQuote": True, "header": True},
        "schema": {"fields": fields(table), "missingValues": [""]},
    }


def _properties(table: Table[Any]) -> dict[str, dict[str, Any]]:
    """Field -> its JSON Schema; where two models have one of the same name, that of the value itself comes first."""
    whole = table.schema()
    models = (*(whole["$defs"][name] for name in table.models), whole)
    return {name: value for model in models for name, value in model["properties"].items()}


def _field(column: str, field: dict[str, Any]) -> dict[str, Any]:
    kind = {**field, **field.get("anyOf", [{}])[0]}  # a field that can be null is `anyOf` its type and null
    meaning = " ".join(field["description"].split())
    if kind["type"] in ("array", "object"):
        meaning += f" Separated by {'semicolons' if column in WORDY else 'blanks'}."
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
    return "count" if kind == "integer" and column not in NO_QUANTITIES else None
