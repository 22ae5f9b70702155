"""The data package: every column has a type, a unit and a meaning, and the tables keep to them."""

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
from harness.archive.tables import tabled, to_csv
from harness.documents.footprint import Figures
from harness.documents.forecast import ForecastFigures
from harness.documents.inference import Figures as InferenceFigures
from harness.documents.kinds import FORECAST, RECORD, Kind

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / "results" / "published"
SCHEMA = json.loads((REPOSITORY / "docs" / "record.schema.json").read_text())
FIELDS = {field["name"]: field for field in fields(RECORD)}
FORECAST_FIELDS = {field["name"]: field for field in fields(FORECAST)}
COUNTS = {"distributions", "import_modules", "wheel_files", "files", "threads", "runs", "nodes", "nodes_on_provider"}
COUNTS |= {"ran_nodes"}
SHARES = {"latency_cv", "ratio_to_anchor", "cpu_share", "max_abs_error", "max_rel_error"}
"""Numbers without a unit."""
PLAIN = {"offered": "boolean", "created": "boolean", "spinning": "boolean", "opset": "integer"}
"""What is neither a quantity nor a text."""
INSTANTS = {"measured_at", "forecast_at", "as_of", "uploaded_at"}
KINDS = tabled()
EVERY = [(kind, column) for kind in KINDS for column in kind.table.columns]  # type: ignore[union-attr]
FIGURES, FORECAST_FIGURES, INFERENCE_FIGURES = (
    set(model.model_fields) for model in (Figures, ForecastFigures, InferenceFigures)
)


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
            case "boolean":
                return cell in ("true", "false")
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


@pytest.mark.parametrize(
    ("column", "cell"),
    [("unpacked_bytes", "1.5"), ("scope", "everything"), ("uploaded_at", "yesterday"), ("method_version", "0")],
)
def test_so_it_would_in_the_table_of_forecasts(column: str, cell: str) -> None:
    assert not keeps_to(cell, FORECAST_FIELDS[column])


def test_every_column_is_described_in_the_tables_order() -> None:
    resources = json.loads(to_json(KINDS))["resources"]
    assert [one["path"] for one in resources] == ["footprint.csv", "forecast.csv", "inference.csv", "providers.csv"]
    for resource, kind in zip(resources, KINDS, strict=True):
        assert [field["name"] for field in resource["schema"]["fields"]] == list(kind.table.columns)
        assert resource["schema"]["missingValues"] == [""]
        for field in resource["schema"]["fields"]:
            assert len(field["description"].split()) >= 3 and "\n" not in field["description"], field
            assert field["description"].endswith("."), field


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_no_two_columns_mean_the_same(kind: Any) -> None:
    assert len({field["description"] for field in fields(kind)}) == len(kind.table.columns)


def test_a_figure_that_both_tables_have_is_of_one_type_and_unit() -> None:
    both = set(FIGURES) & set(FORECAST_FIGURES)
    assert both == {"wheel_bytes", "download_bytes", "unpacked_bytes", "distributions"}
    for column in both:
        assert {**FIELDS[column], "description": ""} == {**FORECAST_FIELDS[column], "description": ""}


@pytest.mark.parametrize(("kind_of_document", "column"), EVERY, ids=str)
def test_units_agree_with_suffixes(kind_of_document: Kind[Any], column: str) -> None:
    field = next(one for one in fields(kind_of_document) if one["name"] == column)
    kind, unit = field["type"], field["unit"]
    if column.endswith("_bytes"):
        assert (kind, unit) == ("integer", "bytes")
    elif column.endswith("_seconds"):
        assert (kind, unit) == ("number", "s")
    elif column in COUNTS:
        assert (kind, unit) == ("integer", "count")
    else:
        assert unit is None and column not in {*FIGURES, *FORECAST_FIGURES, *INFERENCE_FIGURES} - SHARES
        method = "string" if kind_of_document is RECORD else "integer"
        other = {"method_version": method} | dict.fromkeys(INSTANTS, "datetime")
        assert kind == (other | dict.fromkeys(SHARES, "number") | PLAIN).get(column, "string")


def test_the_json_schema_says_the_same() -> None:
    assert RECORD.table is not None
    for column, path in RECORD.table.columns.items():
        if column in ("extras", "method_version"):
            continue
        part = {"figures": "Figures", "environment": "Environment"}.get(path.split(".")[0])
        published = (SCHEMA["$defs"][part] if part else SCHEMA)["properties"][column]["description"]
        assert FIELDS[column]["description"] == " ".join(published.split())
    for column, field in {"extras": "extras", "method_version": "methods"}.items():
        published = SCHEMA["properties"][field]["description"]
        assert FIELDS[column]["description"] == f"{published} Separated by blanks."


def test_the_json_schema_of_forecasts_says_the_same() -> None:
    schema = FORECAST.schema()
    for column in set(FORECAST_FIELDS) - {"extras"}:
        place = schema["$defs"]["ForecastFigures"] if column in FORECAST_FIGURES else schema
        assert FORECAST_FIELDS[column]["description"] == " ".join(place["properties"][column]["description"].split())


def test_the_published_package_is_the_present_one() -> None:
    there = [kind for kind in KINDS if (RESULTS / kind.table.file).exists()]
    assert there[0] is RECORD
    assert (RESULTS / "datapackage.json").read_text() == to_json(there), "run `make tables`"


def test_the_published_tables_are_those_of_what_is_published() -> None:
    invalid: list[Path] = []
    for kind in KINDS:
        text = to_csv(kind, Store(RESULTS, kind).all(lambda path, why: invalid.append(path)))
        assert (RESULTS / kind.table.file).read_text() == text, "run `make tables`"
    assert invalid == []


def test_the_published_tables_keep_to_their_package() -> None:
    for resource in json.loads((RESULTS / "datapackage.json").read_text())["resources"]:
        described = {field["name"]: field for field in resource["schema"]["fields"]}
        with (RESULTS / resource["path"]).open(newline="", encoding=resource["encoding"]) as file:
            reader = csv.DictReader(file, strict=True)
            rows = list(reader)
        assert reader.fieldnames == list(described)
        assert rows
        for row in rows:
            for column, cell in row.items():
                assert keeps_to(cell, described[column]), (row["record_id"], column, cell)
