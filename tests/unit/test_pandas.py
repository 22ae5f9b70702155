"""The table as its readers have it: pandas, told by the data package what the columns are."""

from __future__ import annotations

import json
from pathlib import Path

import pandas

RESULTS = Path(__file__).resolve().parents[2] / "results" / "published"
TYPES = {"integer": "Int64", "number": "Float64", "string": "string", "datetime": "string"}


def test_the_table_reads_into_typed_columns() -> None:
    package = json.loads((RESULTS / "datapackage.json").read_text())
    (table,) = (one for one in package["resources"] if one["name"] == "footprint")
    fields = table["schema"]["fields"]
    frame = pandas.read_csv(
        RESULTS / table["path"],
        dtype={field["name"]: TYPES[field["type"]] for field in fields},
        parse_dates=[field["name"] for field in fields if field["type"] == "datetime"],
        keep_default_na=False,
        na_values=package.get("missingValues", table["schema"].get("missingValues")),
    )
    assert list(frame.columns) == [field["name"] for field in fields]
    assert len(frame) == len(list(RESULTS.glob("records/*/*.json")))
    assert frame["measured_at"].dt.tz is not None
    worked = frame[frame["status"] == "ok"]
    assert (worked["installed_bytes"] > worked["wheel_bytes"]).all() and worked["reason"].isna().all()
