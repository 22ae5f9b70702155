"""`results/datapackage.json`: type, unit and meaning of every column. https://datapackage.org

Nothing is defined here: a column is a field of what has a row, and its JSON Schema has its type and its meaning.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

from harness.documents.kinds import Kind

UNITS = {"_bytes": "bytes", "_seconds": "s"}
"""Suffix of a column -> its unit; a whole number without one of them is a count."""
NO_QUANTITIES = ("method_version", "opset")
"""Whole numbers that count nothing."""
TYPES = {"integer": "integer", "number": "number", "boolean": "boolean", "date-time": "datetime"}
"""Type or format in JSON Schema -> type in Table Schema; all else is text, lists and mappings too."""


def fields(kind: Kind[Any]) -> list[dict[str, Any]]:
    """Table Schema's field descriptors."""
    assert kind.table is not None, kind
    whole = kind.schema()
    return [_field(column, _property(whole, path)) for column, path in kind.table.columns.items()]


def to_json(kinds: Iterable[Kind[Any]]) -> str:
    """The data package of the tables of these kinds; the same text for ever."""
    return _to_json(tuple(kinds))


@cache  # measuring many frameworks rebuilds after each
def _to_json(kinds: tuple[Kind[Any], ...]) -> str:
    package = {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": "footprint-harness-results",
        "title": "What ML runtimes cost: installer, disk, import, inference",
        "description": "Derived from the JSON documents in the folders beside it; do not edit. An empty cell is a "
        "figure that could not be had: a record says why, of a forecast its scope and its reason. A text that a "
        "spreadsheet would take for a formula has an apostrophe before it.",
        "resources": [_resource(kind) for kind in kinds],
    }
    return json.dumps(package, indent=1) + "\n"


def _resource(kind: Kind[Any]) -> dict[str, Any]:
    table = kind.table
    assert table is not None, kind
    return {
        "name": table.name,
        "type": "table",
        "path": table.file,
        "title": table.title,
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "dialect": {"delimiter": ",", "quoteChar": '"', "doubleQuote": True, "header": True},
        "schema": {"fields": fields(kind), "missingValues": [""]},
    }


def _property(whole: dict[str, Any], path: str) -> dict[str, Any]:
    """The JSON Schema of the field at a path."""
    found: dict[str, Any] = whole
    for name in path.split("."):
        found = found["properties"][name]
        last = found
        reference = found.get("$ref") or found.get("items", {}).get("$ref")
        if reference is not None:
            found = whole["$defs"][reference.rpartition("/")[2]]
    return last


def _field(column: str, field: dict[str, Any]) -> dict[str, Any]:
    kind = {**field, **field.get("anyOf", [{}])[0]}  # a field that can be null is `anyOf` its type and null
    meaning = " ".join(field["description"].split())
    if kind["type"] in ("array", "object"):
        wordy = kind.get("additionalProperties", {}).get("type") == "string"
        meaning += f" Separated by {'semicolons' if wordy else 'blanks'}."
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
