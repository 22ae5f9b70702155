"""The data package: every column has a type, a unit and a meaning, and the table keeps to them."""

from __future__ import annotations

import csv
import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from harness.archive.datapackage import fields, to_json
from harness.archive.store import Store
from harness.archive.tables import COLUMNS, ENVIRONMENT, FIGURES, KEYS, to_csv

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / "results"
SCHEMA = json.loads((REPOSITORY / "docs" / "record.schema.json").read_text())
FIELDS = {field["name"]: field for field in fields(COLUMNS)}
COUNTS = {"distributions", "import_modules"}


def keeps_to(cell: str, field: dict[str, Any]) -> bool:
    """Whether a cell is missing or a value of its field. https://datapackage.org/standard/table-schema/"""
    rules = field.get("constraints", {})
    if cell == "":
        return True
    if "enum" in rules and cell not in rules["enum"]:
        return False
    try:
        match field["type"]:
            case "string":
                return True
            case "datetime":
                return bool(datetime.strptime(cell, "%Y-%m-%dT%H:%M:%SZ"))
            case "integer":
                return re.fullmatch(r"-?[0-9]+", cell) is not None and int(cell) >= rules["minimum"]
            case "number":
                return float(cell) >= rules["minimum"]  # not-a-number is not
    except ValueError:
        return False
    raise AssertionError(f"{field['name']} has the type {field['type']}")


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("wheel_bytes", "-1"),
        ("wheel_bytes", "1.0"),
        ("wheel_bytes", "null"),
        ("install_seconds", "nan"),
        ("install_seconds", "-0.5"),
        ("install_seconds", "1,5"),
        ("status", "perfect"),
        ("as_of", "2024-04-26"),
        ("measured_at", "26/04/2024"),
    ],
)
def test_a_cell_of_another_type_would_be_found(column: str, cell: str) -> None:
    assert not keeps_to(cell, FIELDS[column])


def test_every_column_is_described_in_the_table_s_order() -> None:
    (table,) = json.loads(to_json(COLUMNS))["resources"]
    assert [field["name"] for field in table["schema"]["fields"]] == list(COLUMNS)
    assert table["schema"]["missingValues"] == [""]
    for field in table["schema"]["fields"]:
        assert len(field["description"].split()) >= 3 and "\n" not in field["description"], field
        assert field["description"].endswith("."), field


def test_no_two_columns_mean_the_same() -> None:
    assert len({field["description"] for field in FIELDS.values()}) == len(COLUMNS)


@pytest.mark.parametrize("column", COLUMNS)
def test_units_agree_with_suffixes(column: str) -> None:
    kind, unit = FIELDS[column]["type"], FIELDS[column]["unit"]
    if column.endswith("_bytes"):
        assert (kind, unit) == ("integer", "bytes")
    elif column.endswith("_seconds"):
        assert (kind, unit) == ("number", "s")
    elif column in COUNTS:
        assert (kind, unit) == ("integer", "count")
    else:
        assert unit is None and column not in FIGURES
        assert kind == ("datetime" if column in ("measured_at", "as_of") else "string")


def test_the_json_schema_says_the_same() -> None:
    places = {
        **dict.fromkeys(KEYS, SCHEMA),
        **dict.fromkeys(FIGURES, SCHEMA["$defs"]["Figures"]),
        **dict.fromkeys(ENVIRONMENT, SCHEMA["$defs"]["Environment"]),
        "lock_sha256": SCHEMA,
    }
    for column in set(COLUMNS) - {"extras", "method_version"}:
        published = places[column]["properties"][column]["description"]
        assert FIELDS[column]["description"] == " ".join(published.split())
    for column, field in {"extras": "extras", "method_version": "methods"}.items():
        published = SCHEMA["properties"][field]["description"]
        assert FIELDS[column]["description"] == f"{published} Separated by blanks."


def test_the_published_package_is_the_present_one() -> None:
    assert (RESULTS / "datapackage.json").read_text() == to_json(COLUMNS), "run `make tables`"


def test_the_published_table_is_that_of_the_published_records(tmp_path: Path) -> None:
    torn: list[Path] = []
    text = to_csv(Store(RESULTS).all(lambda path, why: torn.append(path)))
    assert torn == []
    assert (RESULTS / "footprint.csv").read_text() == text, "run `make tables`"


def test_the_published_table_keeps_to_its_package() -> None:
    package = json.loads((RESULTS / "datapackage.json").read_text())
    (table,) = package["resources"]
    described = {field["name"]: field for field in table["schema"]["fields"]}
    with (RESULTS / table["path"]).open(newline="", encoding=table["encoding"]) as file:
        reader = csv.DictReader(file, strict=True)
        rows = list(reader)
    assert reader.fieldnames == list(described)
    assert rows
    for row in rows:
        for column, cell in row.items():
            assert keeps_to(cell, described[column]), (row["record_id"], column, cell)
