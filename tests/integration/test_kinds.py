"""A kind of document that is registered is everywhere: nobody else lists kinds."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import AwareDatetime

from harness.archive import tables
from harness.archive.store import Store, by_id, kind_at
from harness.documents import kinds, publish
from harness.documents.base import Bytes, Document, Model
from harness.documents.kinds import Kind
from harness.documents.table import Table, of, under
from harness.errors import InputError
from harness.report import site
from harness.report.pages import reference
from tests.support.refusal import refused

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).resolve().parents[2]


class Figures(Model):
    toy_bytes: Bytes | None = None
    """How large the toy is."""


class Toy(Document):
    schema_version: Literal[2] = 2
    record_id: str
    """Names the toy for ever."""
    stage: Literal["toy"] = "toy"
    measured_at: AwareDatetime
    """When it was played with."""
    parts: tuple[str, ...]
    """What it is made of."""
    figures: Figures = Figures()


def kind() -> Kind[Toy]:
    return Kind(
        name="toy",
        model=Toy,
        folder="toys",
        subject=lambda one: one.parts[0],
        schema_name="toy",
        title="Toy",
        about="One JSON document a toy.",
        not_this="it is a toy",
        table=Table(
            name="toys",
            title="One row a toy",
            columns={**of("record_id", "measured_at", "parts"), **under("figures", Figures.model_fields)},
            order={"record_id": "text"},
        ),
    )


@pytest.fixture
def toys() -> Iterator[Kind[Toy]]:
    made = kinds.register(kind())
    yield made
    del kinds._KINDS["toy"]


@pytest.fixture
def results(toys: Kind[Toy], tmp_path: Path) -> Path:
    """A folder with two toys, and a published one."""
    folder = tmp_path / "results"
    for name, place in (("b", folder), ("a", folder), ("c", folder / "published")):
        toy = Toy(
            record_id=f"toy-{name}",
            measured_at=datetime(2026, 1, 1, tzinfo=UTC),
            parts=("wheel", "=axle"),
            figures=Figures(toy_bytes=7),
        )
        Store(place, toys).add(toy)
        tables.rebuild_all(place, unexpected)
    return folder


def unexpected(kind: Kind[Any], path: Path, why: str) -> None:
    raise AssertionError(f"{kind} {path}: {why}")


def test_the_store_has_it(toys: Kind[Toy], results: Path) -> None:
    path = by_id([results], "toy-a")
    assert path == results / "toys" / "wheel" / "toy-a.json" and kind_at(path) is toys
    assert [one.record_id for one in Store(results, toys, both=True).all()] == ["toy-a", "toy-b", "toy-c"]
    error = refused(InputError, Store(results, kinds.RECORD).read, "toy-a")
    assert (error.message, error.tip) == ("toy-a.json is a toy, not a record", "it is a toy")


def test_its_table_has_its_rows(results: Path) -> None:
    with (results / "toys.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["record_id"] for row in rows] == ["toy-a", "toy-b"]
    assert rows[0] == {
        "record_id": "toy-a",
        "measured_at": "2026-01-01T00:00:00Z",
        "parts": "wheel =axle",
        "toy_bytes": "7",
    }
    assert tables.has_any(results)


def test_the_data_package_describes_it(results: Path) -> None:
    (found,) = [
        one for one in json.loads((results / "datapackage.json").read_text())["resources"] if one["name"] == "toys"
    ]
    fields = {one["name"]: one for one in found["schema"]["fields"]}
    assert fields["toy_bytes"]["unit"] == "bytes" and fields["toy_bytes"]["description"] == "How large the toy is."
    assert fields["parts"]["description"] == "What it is made of. Separated by blanks."


def test_its_schema_is_published(toys: Kind[Toy]) -> None:
    assert json.loads(publish.schemas()["toy.schema.json"])["properties"]["stage"]["const"] == "toy"
    newer = json.dumps({"schema_version": 3})
    assert refused(InputError, toys.parse, newer).tip == "upgrade footprint-harness"


def test_the_site_has_its_page_and_its_table(results: Path, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "conf.py").touch()
    records = Store(REPOSITORY / "results" / "published", kinds.RECORD).all()
    site.write(records, docs=docs, results=results, draw=lambda *_: [])
    page = (docs / "documents" / "toy.md").read_text()
    assert page.startswith("# Toy\n\nOne JSON document a toy.\n") and "toy_bytes" in page
    assert "toy-c" in (docs / "_generated" / "public" / "tables" / "toys.csv").read_text()
    assert "Columns of toys.csv" in (docs / "_generated" / "columns.md").read_text()
    assert "toy.md" in reference.pages()


class Other(Toy):
    stage: Literal["other"] = "other"  # type: ignore[assignment]


@pytest.mark.parametrize("name", ["name", "model", "folder", "schema_name"])
def test_no_two_kinds_share_a_name(toys: Kind[Toy], name: str) -> None:
    others: dict[str, Any] = {"name": "other", "model": Other, "folder": "others", "schema_name": "other"}
    del others[name]
    with pytest.raises(ValueError, match=f"two kinds of documents have the {'stage' if name == 'model' else name}"):
        kinds.register(replace(toys, **others))
