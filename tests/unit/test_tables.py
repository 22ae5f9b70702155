"""The table: a function of the valid records alone, whatever was there before and however it came to be."""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.archive import tables
from harness.archive.store import Store
from harness.archive.tables import COLUMNS, SETTLING_SECONDS, rebuild, row, to_csv
from harness.errors import EnvironmentLacksError
from harness.record import Environment, Figures, Record
from tests.support.refusal import refused

PACKAGE = Path(__file__).resolve().parents[2] / "harness"
FRAMEWORKS = ("jax", "torch", "torch-xla")


def record(number: int, *, minute: int = 0, reason: str | None = None) -> Record:
    """One of several small records; those of one minute are put in order by their ids."""
    framework = FRAMEWORKS[number % len(FRAMEWORKS)]
    return Record(
        record_id=f"{framework}-{number}",
        measured_at=datetime(2024, 6, 15, tzinfo=UTC) + timedelta(minutes=minute),
        framework=framework,
        version="2.3.0",
        variant="pypi",
        import_package=framework,
        python="3.11",
        platform="linux_x86_64",
        as_of=datetime(2024, 4, 26, tzinfo=UTC),
        engine="venv",
        installer="pip",
        status="failed" if reason else "ok",
        phase="import" if reason else None,
        reason=reason,
        figures=Figures(wheel_bytes=779_146_082 + number, install_seconds=36.5),
        environment=Environment(harness_version="0.1.0"),
    )


class Archive:
    """A results folder, and what happens to one."""

    def __init__(self, results: Path) -> None:
        self.store = Store(results)
        self.store.prepare()
        self.table = results / "footprint.csv"
        self.index = results / ".footprint.index"
        self.package = results / "datapackage.json"
        self.torn: list[str] = []

    def rebuild(self) -> str:
        self.torn.clear()
        assert rebuild(self.store, lambda path, why: self.torn.append(path.name)) == self.table
        return self.table.read_text(encoding="utf-8")

    def from_nothing(self) -> str:
        """The table of the records that there are, read one by one."""
        return to_csv(self.store.all(lambda path, why: None))

    def settle(self) -> None:
        """Wait until files that just changed are taken for settled."""
        time.sleep(SETTLING_SECONDS + 0.02)

    @property
    def records(self) -> list[Path]:
        return sorted(self.store.folder.glob("*/*.json"))


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


OPENED: list[str] | None = None


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and OPENED is not None:
        OPENED.append(str(arguments[0]))


@contextmanager
def opened() -> Iterator[list[str]]:
    """Names of the records that Python opens meanwhile."""
    global OPENED
    if OPENED is None:
        sys.addaudithook(_note)
    OPENED = found = []
    try:
        yield found
    finally:
        OPENED = []
        found[:] = [Path(name).stem for name in found if name.endswith(".json") and "/records/" in name]


def test_one_row_a_record_oldest_first(archive: Archive) -> None:
    for number, minute in ((0, 30), (1, 10), (2, 20), (3, 10)):
        archive.store.add(record(number, minute=minute))
    rows = list(csv.DictReader(io.StringIO(archive.rebuild()), strict=True))
    assert [one["record_id"] for one in rows] == ["jax-3", "torch-1", "torch-xla-2", "jax-0"]
    assert all(tuple(one) == COLUMNS for one in rows)


def test_what_is_missing_is_an_empty_cell_and_what_failed_is_a_row() -> None:
    cells = row(record(0, reason="no module named numpy"))
    assert (cells["status"], cells["phase"], cells["reason"]) == ("failed", "import", "no module named numpy")
    assert cells["installed_bytes"] == cells["image_digest"] == cells["extras"] == ""
    assert cells["wheel_bytes"] == "779146082"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_cell_is_taken_for_a_formula(archive: Archive, start: str) -> None:
    archive.store.add(record(0, reason=f"{start}1+1\nand\rmore, with \"quotes\" and 'others'"))
    for _ in range(2):
        (found,) = csv.DictReader(io.StringIO(archive.rebuild()), strict=True)
        assert found["reason"].startswith("'") and found["reason"].endswith("and more, with \"quotes\" and 'others'")


def test_no_records_are_a_table_without_rows(archive: Archive) -> None:
    assert archive.rebuild() == archive.rebuild() == ",".join(COLUMNS) + "\n"


def test_twice_gives_the_same_bytes(archive: Archive) -> None:
    for number in range(5):
        archive.store.add(record(number))
    files = (archive.table, archive.package)
    archive.rebuild()
    first = [path.read_bytes() for path in files]
    archive.rebuild()
    assert [path.read_bytes() for path in files] == first
    for path in (*files, archive.index):
        path.unlink()
    archive.rebuild()
    assert [path.read_bytes() for path in files] == first


def test_only_new_records_are_read(archive: Archive) -> None:
    for number in range(5):
        archive.store.add(record(number))
    archive.settle()
    with opened() as read:
        archive.rebuild()
    assert sorted(read) == sorted(path.stem for path in archive.records)
    with opened() as read:
        archive.rebuild()
    assert read == []
    archive.store.add(record(5, minute=-1))
    archive.settle()
    with opened() as read:
        text = archive.rebuild()
    assert read == ["torch-xla-5"]
    assert text == archive.from_nothing() and text.count("\n") == 7
    (archive.store.folder / "torch" / "torch-1.json").unlink()
    with opened() as read:
        text = archive.rebuild()
    assert read == []
    assert text == archive.from_nothing() and text.count("\n") == 6


def test_where_nothing_is_new_nothing_is_written(archive: Archive) -> None:
    archive.store.add(record(0))
    archive.settle()
    archive.rebuild()
    files = (archive.table, archive.package, archive.index)
    before = [path.stat() for path in files]
    archive.rebuild()
    assert [path.stat() for path in files] == before


def test_a_spoiled_data_package_is_written_anew(archive: Archive) -> None:
    archive.rebuild()
    whole = archive.package.read_bytes()
    for content in (b"", whole[:-2], whole.replace(b"bytes", b"MB"), b"\xff"):
        archive.package.write_bytes(content)
        archive.rebuild()
        assert archive.package.read_bytes() == whole


def test_a_change_within_the_tick_of_a_clock_is_seen(archive: Archive) -> None:
    path = archive.store.add(record(0))
    whole = path.read_text()
    for number in range(50):
        path.write_text(whole.replace("779146082", f"779146{number:03}"))  # as long, and maybe at the same time
        assert f",779146{number:03}," in archive.rebuild()


def test_what_changed_a_moment_ago_is_read_once_more(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "SETTLING_SECONDS", 3600.0)  # a file system whose clock ticks slowly
    archive.store.add(record(0))
    archive.rebuild()
    with opened() as read:
        archive.rebuild()
    assert read == ["jax-0"]


def test_a_change_that_keeps_size_and_time_is_seen(archive: Archive) -> None:
    path = archive.store.add(record(0))
    archive.settle()
    archive.rebuild()
    before = path.stat()
    path.write_text(path.read_text().replace("779146082", "779146999"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    archive.settle()
    assert ",779146999," in archive.rebuild()


def test_what_is_no_record_is_told_of_every_time_until_it_is_healed(archive: Archive) -> None:
    good, bad = archive.store.add(record(0)), archive.store.add(record(1))
    folder = good.parent
    whole = bad.read_bytes()
    bad.write_bytes(whole[:-9])
    (folder / "folder.json").mkdir()
    (folder / "nowhere.json").symlink_to(folder / "missing")
    archive.settle()
    for _ in range(3):
        assert archive.rebuild() == to_csv([record(0)])
        assert archive.torn == ["folder.json", "nowhere.json", "torch-1.json"]
    bad.write_bytes(whole)
    assert archive.rebuild() == to_csv([record(0), record(1)])
    assert archive.torn == ["folder.json", "nowhere.json"]


def test_table_and_index_torn_at_any_byte_are_made_anew(archive: Archive) -> None:
    archive.store.add(record(0))
    archive.settle()
    text = archive.rebuild()
    for path in (archive.index, archive.table):
        whole = path.read_bytes()
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            assert archive.rebuild() == text, (path.name, length)
            assert path.read_bytes() == whole


# What can happen to a results folder between two rebuilds. Each takes the archive and two numbers, which choose.


def add(archive: Archive, one: int, two: int) -> None:
    if not any(path.stem == record(one).record_id for path in archive.records):
        archive.store.add(record(one, minute=two % 4))


def _chosen(archive: Archive, number: int) -> Path | None:
    return archive.records[number % len(archive.records)] if archive.records else None


def tear(archive: Archive, one: int, two: int) -> None:
    if path := _chosen(archive, one):
        whole = path.read_bytes()
        path.write_bytes(whole[: two % (len(whole) + 1)])


def heal(archive: Archive, one: int, two: int) -> None:
    if path := _chosen(archive, one):
        path.write_text(record(int(path.stem.split("-")[-1]), minute=two % 4).to_json())


def alter(archive: Archive, one: int, two: int) -> None:
    """Another figure, in as many bytes and with the old time of change."""
    if path := _chosen(archive, one):
        seen, content = path.stat(), path.read_bytes()
        path.write_bytes(content.replace(b'"install_seconds":36.5', b'"install_seconds":%d.5' % (10 + two % 90)))
        os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def remove(archive: Archive, one: int, two: int) -> None:
    if path := _chosen(archive, one):
        path.unlink()


def remove_framework(archive: Archive, one: int, two: int) -> None:
    shutil.rmtree(archive.store.folder / FRAMEWORKS[one % len(FRAMEWORKS)], ignore_errors=True)


def duplicate(archive: Archive, one: int, two: int) -> None:
    if path := _chosen(archive, one):
        copy = archive.store.folder / FRAMEWORKS[two % len(FRAMEWORKS)] / path.name
        copy.parent.mkdir(exist_ok=True)
        if copy != path:
            shutil.copy2(path, copy)


def swap(archive: Archive, one: int, two: int) -> None:
    a, b = _chosen(archive, one), _chosen(archive, two)
    if a and b and a != b:
        beside = a.with_suffix(".tmp")
        a.rename(beside)
        b.rename(a)
        beside.rename(b)


def cut_table(archive: Archive, one: int, two: int) -> None:
    content = archive.table.read_bytes()
    archive.table.write_bytes(content[: two % (len(content) + 1)])


def edit_table(archive: Archive, one: int, two: int) -> None:
    archive.table.write_bytes(archive.table.read_bytes().replace(b"pypi", b"cpu", 1 + one % 2))


def remove_table(archive: Archive, one: int, two: int) -> None:
    archive.table.unlink()


def cut_index(archive: Archive, one: int, two: int) -> None:
    content = archive.index.read_bytes()
    archive.index.write_bytes(content[: two % (len(content) + 1)])


def flip_index(archive: Archive, one: int, two: int) -> None:
    content = bytearray(archive.index.read_bytes())
    content[two % len(content)] ^= 1 << one % 8
    archive.index.write_bytes(content)


def remove_index(archive: Archive, one: int, two: int) -> None:
    archive.index.unlink()


def keep(archive: Archive, one: int, two: int) -> None:
    for path in (archive.table, archive.index):
        shutil.copy2(path, path.with_name(f"old{path.suffix}"))


def restore(archive: Archive, one: int, two: int) -> None:
    """Table, index or both, as they were when they were kept."""
    for bit, path in enumerate((archive.table, archive.index)):
        old = path.with_name(f"old{path.suffix}")
        if old.exists() and (one % 3 + 1) >> bit & 1:
            shutil.copy2(old, path)


def settle(archive: Archive, one: int, two: int) -> None:
    archive.settle()


EVENTS: tuple[Callable[[Archive, int, int], None], ...] = (
    add, tear, heal, alter, remove, remove_framework, duplicate, swap,
    cut_table, edit_table, remove_table, cut_index, flip_index, remove_index, keep, restore, settle,
)  # fmt: skip
STEPS = st.tuples(st.sampled_from((add, *EVENTS)), st.integers(0, 11), st.integers(0, 2000), st.booleans())


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=14))
def test_a_rebuild_gives_what_one_from_nothing_gives(
    steps: list[tuple[Callable[[Archive, int, int], None], int, int, bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        archive = Archive(Path(folder))
        archive.rebuild()
        for event, one, two, then_rebuild in steps:
            if not (archive.table.exists() and archive.index.exists()):
                archive.rebuild()
            event(archive, one, two)
            if then_rebuild:
                assert archive.rebuild() == archive.from_nothing()
        assert archive.rebuild() == archive.from_nothing()


WRITER = """
import sys
from pathlib import Path
from harness.archive.store import Store
from harness.archive.tables import rebuild
from tests.unit.test_tables import record
store = Store(Path(sys.argv[1]))
for number in range(int(sys.argv[2]), 60, 2):
    store.add(record(number, minute=number * 7 % 11))
    rebuild(store, lambda path, why: sys.exit(f"{path}: {why}"))
"""


def test_two_at_a_time_take_turns(archive: Archive) -> None:
    command = [sys.executable, "-c", WRITER, str(archive.store.results)]
    both = [
        subprocess.Popen([*command, start], stderr=subprocess.PIPE, text=True, cwd=PACKAGE.parent) for start in "01"
    ]
    ended = [one.communicate(timeout=60)[1] for one in both]
    assert ([one.returncode for one in both], ended) == ([0, 0], ["", ""])
    text = archive.table.read_text()
    assert text == archive.from_nothing() and text.count("\n") == 61
    assert {path.name for path in archive.store.results.iterdir()} == {
        "records", "footprint.csv", "datapackage.json", ".footprint.index",
    }  # fmt: skip


REBUILD = """
import sys
from pathlib import Path
from harness.archive.store import Store
from harness.archive.tables import rebuild
rebuild(Store(Path(sys.argv[1])), lambda path, why: sys.exit(f"{path}: {why}"))
"""


def test_a_version_with_another_column_takes_nothing_over(archive: Archive, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(PACKAGE, other / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    source = other / "harness" / "record.py"
    field = "    wheel_bytes: Bytes | None = None\n"
    assert source.read_text().count(field) == 1
    added = '    weight_bytes: Bytes | None = None\n    """Another figure."""\n'
    source.write_text(source.read_text().replace(field, added + field))
    for number in range(3):
        archive.store.add(record(number))
    archive.settle()
    text = archive.rebuild()
    command = [sys.executable, "-c", REBUILD, str(archive.store.results)]
    subprocess.run(command, check=True, timeout=60, cwd=other)
    with archive.table.open(newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    assert [(one["weight_bytes"], one["wheel_bytes"]) for one in rows] == [
        ("", "779146082"), ("", "779146083"), ("", "779146084"),
    ]  # fmt: skip
    assert archive.rebuild() == text


def test_a_folder_that_cannot_be_written_is_told(archive: Archive) -> None:
    archive.store.add(record(0))
    archive.table.mkdir()
    assert str(archive.store.results) in refused(EnvironmentLacksError, archive.rebuild).message
    assert not list(archive.store.results.glob(".footprint-*"))
