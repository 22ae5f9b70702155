"""Which record is meant: by its path, its id, or what it measured."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.archive import select
from harness.archive.store import Store
from harness.errors import InputError
from harness.record import Record
from tests.support.refusal import refused
from tests.unit.test_compare import record


def made(version: str, *, hour: int = 0, **changed: Any) -> Record:
    name = f"torch-{version}-{hour}-{changed.get('variant', 'pypi')}-{changed.get('status', 'ok')}"
    at = datetime(2026, 11, 23, hour, tzinfo=UTC)
    return record(record_id=name, version=version, measured_at=at, **changed)


def failed(version: str, **changed: Any) -> Record:
    return made(version, status="failed", phase="import", reason="ImportError", **changed)


def found(tmp_path: Path, name: str, *records: Record) -> Record:
    return select.find(Store(tmp_path), name, lambda: records)


def test_a_record_is_found_by_its_path_and_by_its_id(tmp_path: Path) -> None:
    store, one = Store(tmp_path), made("2.3.0")
    path = store.add(one)

    def unread() -> list[Record]:
        raise AssertionError("no other record needs to be read")

    assert select.find(store, str(path), unread) == select.find(store, one.record_id, unread) == one


def test_versions_are_compared_as_versions(tmp_path: Path) -> None:
    assert found(tmp_path, "torch", made("2.10.0"), made("2.9.0")).version == "2.10.0"
    assert found(tmp_path, "Torch == 2.9", made("2.10.0"), made("2.9.0")).version == "2.9.0"


def test_a_bare_name_does_not_fall_back_to_an_older_version(tmp_path: Path) -> None:
    assert found(tmp_path, "torch", made("2.3.0"), failed("2.4.0")).version == "2.4.0"


def test_of_one_version_what_works_is_preferred_and_then_the_default_variant_and_the_newest(tmp_path: Path) -> None:
    newest = failed("2.4.0", hour=9)
    cpu, earlier, later = made("2.4.0", hour=8, variant="cpu"), made("2.4.0", hour=1), made("2.4.0", hour=2)
    assert found(tmp_path, "torch", newest, cpu, earlier, later) == later
    assert found(tmp_path, "torch", newest, cpu) == cpu


def test_extras_are_part_of_what_was_measured(tmp_path: Path) -> None:
    plain, extra = made("2.4.0"), made("2.4.0", extras=("opt",))
    assert found(tmp_path, "torch", extra, plain) == plain
    assert found(tmp_path, "torch[opt]", extra, plain) == extra


@pytest.mark.parametrize("name", ["jax", "torch==9", "torch[opt]"])
def test_what_was_not_measured_is_told_with_how_to_measure_it(tmp_path: Path, name: str) -> None:
    assert refused(InputError, found, tmp_path, name, made("2.3.0")).tip == f"measure it: harness measure {name}"


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", "nowhere.json", "torch=2.3.0", "*", "-r x", "a\0b", "x" * 300]
)
def test_what_names_no_record_is_refused(tmp_path: Path, name: str) -> None:
    refused(InputError, found, tmp_path, name, made("2.3.0"))


def test_current_has_the_highest_version_of_each_build_whatever_its_status() -> None:
    other = failed("2.5.0", python="3.13")
    records = [made("2.3.0"), made("2.4.0", hour=1), made("2.4.0", hour=2), made("2.4.0", variant="cpu"), other]
    assert select.current(records) == [records[3], records[2], other]


def test_history_has_each_version_of_a_build_once_and_in_order() -> None:
    records = [made("2.10.0"), made("2.9.0", hour=1), made("2.9.0", hour=2), made("2.9.0", variant="cpu")]
    assert select.history(records, select.build(records[0])) == [records[2], records[0]]


def test_history_prefers_what_worked_and_keeps_what_never_did() -> None:
    records = [made("1.0", hour=1), failed("1.0", hour=2), failed("2.0")]
    assert select.history(records, select.build(records[0])) == [records[0], records[2]]
