"""The tables: functions of the valid documents of one kind alone, whatever was there before and however it came to be.

What holds for one table is asked of both.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.archive import datapackage, incremental
from harness.archive.incremental import SETTLING_SECONDS
from harness.archive.store import Forecasts, Inferences, ProviderReports, Records
from harness.archive.tables import rebuild, rebuild_all, tabled
from harness.documents import kinds
from harness.documents.base import Environment
from harness.documents.footprint import Figures, Record
from harness.documents.forecast import Forecast, ForecastFigures
from harness.documents.inference import Figures as InferenceFigures
from harness.documents.inference import Inference
from harness.documents.providers import ProviderLine, ProviderReport
from harness.errors import EnvironmentLacksError
from tests.support import inferences
from tests.support.refusal import refused

pytestmark = pytest.mark.integration

PACKAGE = Path(__file__).resolve().parents[2] / "harness"
FRAMEWORKS = ("jax", "torch", "torch-xla")
KINDS = ("footprint", "forecast", "inference", "providers")


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


def forecast(number: int, *, minute: int = 0, reason: str | None = None, **changed: Any) -> Forecast:
    """The same of forecasts; those of one framework and minute are put in order by their ids."""
    framework = FRAMEWORKS[number % len(FRAMEWORKS)]
    fields: dict[str, Any] = {
        "record_id": f"{framework}-{number}",
        "forecast_at": datetime(2024, 6, 15, tzinfo=UTC),
        "framework": framework,
        "version": "2.3.0",
        "variant": "pypi",
        "python": "3.11",
        "platform": "linux_x86_64",
        "as_of": datetime(2024, 4, 26, tzinfo=UTC) + timedelta(minutes=minute),
        "scope": "wheel",
        "status": "failed" if reason else "ok",
        "phase": "lock" if reason else None,
        "reason": reason,
        "figures": ForecastFigures(wheel_bytes=779_146_082 + number),
        "harness_version": "0.1.0",
    }
    return Forecast(**fields | changed)


def inference(number: int, *, minute: int = 0, reason: str | None = None) -> Inference:
    """The same of inference records; those of one model and minute are put in order by their ids."""
    model = FRAMEWORKS[number % len(FRAMEWORKS)]
    failed = {"status": "failed", "phase": "run", "reason": reason} if reason else {}
    return inferences.inference(
        (),
        record_id=f"{model}-{number}",
        measured_at=datetime(2024, 6, 15, tzinfo=UTC) + timedelta(minutes=minute),
        model=inferences.model(model),
        figures=InferenceFigures(rss_peak_bytes=779_146_082 + number, latency_p50_seconds=0.0284),
        **failed,
    )


def report(number: int, *, minute: int = 0, reason: str | None = None) -> ProviderReport:
    """The same of provider reports, which have two rows each, or one with its reason."""
    runtime = FRAMEWORKS[number % len(FRAMEWORKS)]
    ran = ProviderLine(provider="CPU", offered=True, created=True, ran_nodes=779_146_082 + number)
    return inferences.report(
        [ProviderLine(provider="CPU", reason=reason)]
        if reason
        else [ran, ProviderLine(provider="A", reason="not tried")],
        record_id=f"{runtime}-{number}",
        measured_at=datetime(2024, 6, 15, tzinfo=UTC) + timedelta(minutes=minute),
        runtime=runtime,
    )


# table -> its shelf, its kind, what makes one, and how many rows each has
OF: dict[str, tuple[Any, kinds.Kind[Any], Callable[..., Any], int]] = {
    "footprint": (Records, kinds.RECORD, record, 1),
    "forecast": (Forecasts, kinds.FORECAST, forecast, 1),
    "inference": (Inferences, kinds.INFERENCE, inference, 1),
    "providers": (ProviderReports, kinds.PROVIDERS, report, 2),
}


def cells_of(kind: kinds.Kind[Any], document: Any) -> dict[str, str]:
    """The only row of a document."""
    assert kind.table is not None
    ((_, cells),) = kind.table.rows(document)
    return cells


class Archive:
    """A results folder, one of its tables, and what happens to them."""

    def __init__(self, results: Path, kind: str = "footprint") -> None:
        shelf, of, self.made, self.rows = OF[kind]
        assert of.table is not None
        self.describes = of.table
        self.store: Any = shelf(results)
        self.store.prepare()
        self.table = results / f"{kind}.csv"
        self.index = results / f".{kind}.index"
        self.package = results / "datapackage.json"
        self.invalid: list[str] = []

    def rebuild(self) -> str:
        self.invalid.clear()
        assert rebuild(self.store, lambda path, why: self.invalid.append(path.name)) == self.table
        return self.table.read_text(encoding="utf-8")

    def to_csv(self, values: Iterable[Any]) -> str:
        return incremental.to_csv(self.describes, values)

    def from_nothing(self) -> str:
        """The table of all that there is, read one by one."""
        return self.to_csv(self.store.all(lambda path, why: None))

    def settle(self) -> None:
        """Wait until files that just changed are taken for settled."""
        time.sleep(SETTLING_SECONDS + 0.02)

    @property
    def records(self) -> list[Path]:
        return sorted(self.store.folder.glob("*/*.json"))


@pytest.fixture(params=KINDS)
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Archive:
    return Archive(tmp_path, request.param)


@pytest.fixture
def records(tmp_path: Path) -> Archive:
    """With the table of records."""
    return Archive(tmp_path)


@pytest.fixture
def forecasts(tmp_path: Path) -> Archive:
    """With the table of forecasts."""
    return Archive(tmp_path, "forecast")


OPENED: list[str] | None = None


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and OPENED is not None:
        OPENED.append(str(arguments[0]))


@contextmanager
def opened() -> Iterator[list[str]]:
    """Names of the documents that Python opens meanwhile."""
    global OPENED
    if OPENED is None:
        sys.addaudithook(_note)
    OPENED = found = []
    try:
        yield found
    finally:
        OPENED = []
        shelves = ("/records/", "/forecasts/", "/inference/", "/providers/")
        found[:] = [Path(name).stem for name in found if name.endswith(".json") and any(map(name.count, shelves))]


def test_one_row_a_record_oldest_first(records: Archive) -> None:
    for number, minute in ((0, 30), (1, 10), (2, 20), (3, 10)):
        records.store.add(record(number, minute=minute))
    rows = list(csv.DictReader(io.StringIO(records.rebuild()), strict=True))
    assert [one["record_id"] for one in rows] == ["jax-3", "torch-1", "torch-xla-2", "jax-0"]
    assert all(tuple(one) == tuple(records.describes.columns) for one in rows)


def test_one_row_a_forecast_by_build_and_then_by_version(forecasts: Archive) -> None:
    """So that a new one changes one line, beside those that it belongs to."""
    day = datetime(2026, 1, 1, tzinfo=UTC)
    in_order: list[dict[str, Any]] = [
        {"variant": "cpu", "python": "3.9"},
        {"variant": "cpu", "python": "3.10"},
        {"variant": "pypi", "extras": ("opt",), "python": "3.9"},
        {"variant": "pypi", "extras": ("opt",), "python": "3.9", "platform": "macos_arm64"},
        {"variant": "pypi", "extras": ("opt",), "python": "3.10", "scope": "closure", "version": "2.9.0rc1"},
        {"variant": "pypi", "extras": ("opt",), "python": "3.10", "scope": "closure", "version": "2.9.0"},
        {"variant": "pypi", "extras": ("opt",), "python": "3.10", "scope": "closure", "version": "2.10.0"},
        {"variant": "pypi", "extras": ("opt",), "python": "3.10", "version": "2.9.0"},
        {"variant": "pypi", "extras": ("opt",), "python": "3.10", "version": "2.9.0", "as_of": day},
        {"variant": "pypi", "extras": ("opt",), "python": "3.10", "version": "2.10.0", "record_id": "a"},
        {"variant": "pypi", "extras": ("opt",), "python": "3.10", "version": "2.10.0", "record_id": "b"},
    ]
    made = [forecast(0, **{"record_id": f"x{i}"} | one) for i, one in enumerate(in_order)]
    for one in reversed([*made, forecast(1)]):
        forecasts.store.add(one)
    rows = list(csv.DictReader(io.StringIO(forecasts.rebuild()), strict=True))
    assert [row["record_id"] for row in rows] == [one.record_id for one in [*made, forecast(1)]]
    assert all(tuple(row) == tuple(forecasts.describes.columns) for row in rows)


def test_a_forecast_that_tells_nothing_has_empty_cells_and_its_reason() -> None:
    cells = cells_of(kinds.FORECAST, forecast(0, reason="no wheel"))
    assert (cells["status"], cells["phase"], cells["reason"], cells["scope"]) == ("failed", "lock", "no wheel", "wheel")
    assert cells["unpacked_bytes"] == cells["uploaded_at"] == cells["resolver"] == ""
    assert (cells["wheel_bytes"], cells["method_version"]) == ("779146082", "1")


def test_what_is_missing_is_an_empty_cell_and_what_failed_is_a_row() -> None:
    cells = cells_of(kinds.RECORD, record(0, reason="no module named numpy"))
    assert (cells["status"], cells["phase"], cells["reason"]) == ("failed", "import", "no module named numpy")
    assert cells["installed_bytes"] == cells["image_digest"] == cells["extras"] == ""
    assert cells["wheel_bytes"] == "779146082"


def test_an_inference_record_is_a_row_with_its_figures_and_without_its_runs() -> None:
    one = inferences.inference(gpu={"name": "NVIDIA X", "driver": "550"})
    cells = cells_of(kinds.INFERENCE, one)
    assert kinds.INFERENCE.table is not None and set(cells) == set(kinds.INFERENCE.table.columns)
    assert (cells["model"], cells["model_sha256"], cells["opset"]) == (one.model.name, one.model.sha256, "20")
    assert cells["latency_p50_seconds"] == str(one.figures.latency_p50_seconds)
    assert (cells["spinning"], cells["ratio_to_anchor"], cells["vram_peak_bytes"]) == ("false", "1.0", "")
    assert (cells["gpu"], cells["cpu_model"], cells["method_version"]) == (
        "driver: 550; name: NVIDIA X",
        "Intel Xeon",
        "1",
    )


def test_inference_records_stand_by_model_track_threads_runtime_and_version(tmp_path: Path) -> None:
    archive = Archive(tmp_path, "inference")
    in_order: list[dict[str, Any]] = [
        {"threads": 2},
        {"threads": 10, "version": "1.9.0"},
        {"threads": 10, "version": "1.10.0"},
        {"threads": 10, "version": "1.10.0", "spinning": True},
        {"threads": 10, "runtime": "openvino"},
        {"track": "vendor-default"},
        {"model": inferences.model("resnet_50")},
    ]
    made = [inferences.inference((), record_id=f"x{9 - i}", **one) for i, one in enumerate(in_order)]
    for one in reversed(made):
        archive.store.add(one)
    rows = list(csv.DictReader(io.StringIO(archive.rebuild()), strict=True))
    assert [row["record_id"] for row in rows] == [one.record_id for one in made]


def test_a_report_has_a_row_for_each_provider_in_its_order() -> None:
    assert kinds.PROVIDERS.table is not None
    rows = [cells for _, cells in kinds.PROVIDERS.table.rows(inferences.report())]
    assert all(tuple(one) == tuple(kinds.PROVIDERS.table.columns) for one in rows)
    told = [(one["provider"], one["offered"], one["created"], one["ran_nodes"], one["reason"]) for one in rows]
    assert told == [
        ("CPUExecutionProvider", "true", "true", "3", ""),
        ("CUDAExecutionProvider", "true", "false", "", "no CUDA driver"),
        ("AzureExecutionProvider", "true", "", "", "not tried"),
    ]


def test_tables_of_all_kinds_are_brought_up_to_date_where_there_is_any_of_them(tmp_path: Path) -> None:
    archives = [Archive(tmp_path, kind) for kind in KINDS]
    for archive in archives:
        archive.store.add(archive.made(0))
    assert rebuild_all(tmp_path, unexpected_one) == [archive.table for archive in archives]
    assert all(archive.table.read_text() == archive.from_nothing() for archive in archives)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_cell_is_taken_for_a_formula(archive: Archive, start: str) -> None:
    archive.store.add(archive.made(0, reason=f"{start}1+1\nand\rmore, with \"quotes\" and 'others'"))
    for _ in range(2):
        (found,) = csv.DictReader(io.StringIO(archive.rebuild()), strict=True)
        assert found["reason"].startswith("'") and found["reason"].endswith("and more, with \"quotes\" and 'others'")


def test_no_records_are_a_table_without_rows(archive: Archive) -> None:
    assert archive.rebuild() == archive.rebuild() == archive.describes.header


def test_twice_gives_the_same_bytes(archive: Archive) -> None:
    for number in range(5):
        archive.store.add(archive.made(number))
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
        archive.store.add(archive.made(number))
    archive.settle()
    with opened() as read:
        archive.rebuild()
    assert sorted(read) == sorted(path.stem for path in archive.records)
    with opened() as read:
        archive.rebuild()
    assert read == []
    archive.store.add(archive.made(5, minute=-1))
    archive.settle()
    with opened() as read:
        text = archive.rebuild()
    assert read == ["torch-xla-5"]
    assert text == archive.from_nothing() and text.count("\n") == 1 + 6 * archive.rows
    (archive.store.folder / "torch" / "torch-1.json").unlink()
    with opened() as read:
        text = archive.rebuild()
    assert read == []
    assert text == archive.from_nothing() and text.count("\n") == 1 + 5 * archive.rows


def test_where_nothing_is_new_nothing_is_written(archive: Archive) -> None:
    archive.store.add(archive.made(0))
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
    path = archive.store.add(archive.made(0))
    whole = path.read_text()
    for number in range(50):
        path.write_text(whole.replace("779146082", f"779146{number:03}"))  # as long, and maybe at the same time
        assert f",779146{number:03}," in archive.rebuild()


def test_what_changed_a_moment_ago_is_read_once_more(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incremental, "SETTLING_SECONDS", 3600.0)  # a file system whose clock ticks slowly
    archive.store.add(archive.made(0))
    archive.rebuild()
    with opened() as read:
        archive.rebuild()
    assert read == ["jax-0"]


def test_a_change_that_keeps_size_and_time_is_seen(archive: Archive) -> None:
    path = archive.store.add(archive.made(0))
    archive.settle()
    archive.rebuild()
    before = path.stat()
    path.write_text(path.read_text().replace("779146082", "779146999"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    archive.settle()
    assert ",779146999," in archive.rebuild()


def test_what_is_no_record_is_told_of_every_time_until_it_is_healed(archive: Archive) -> None:
    good, bad = archive.store.add(archive.made(0)), archive.store.add(archive.made(1))
    folder = good.parent
    whole = bad.read_bytes()
    bad.write_bytes(whole[:-9])
    (folder / "folder.json").mkdir()
    (folder / "nowhere.json").symlink_to(folder / "missing")
    archive.settle()
    for _ in range(3):
        assert archive.rebuild() == archive.to_csv([archive.made(0)])
        assert archive.invalid == ["folder.json", "nowhere.json", "torch-1.json"]
    bad.write_bytes(whole)
    assert archive.rebuild() == archive.to_csv([archive.made(0), archive.made(1)])
    assert archive.invalid == ["folder.json", "nowhere.json"]


def test_table_and_index_torn_at_any_byte_are_made_anew(archive: Archive) -> None:
    archive.store.add(archive.made(0))
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
    if not any(path.stem == archive.made(one).record_id for path in archive.records):
        archive.store.add(archive.made(one, minute=two % 4))


def _chosen(archive: Archive, number: int) -> Path | None:
    return archive.records[number % len(archive.records)] if archive.records else None


def tear(archive: Archive, one: int, two: int) -> None:
    if path := _chosen(archive, one):
        whole = path.read_bytes()
        path.write_bytes(whole[: two % (len(whole) + 1)])


def heal(archive: Archive, one: int, two: int) -> None:
    if path := _chosen(archive, one):
        path.write_text(archive.made(int(path.stem.split("-")[-1]), minute=two % 4).to_json())


def alter(archive: Archive, one: int, two: int) -> None:
    """Another figure, in as many bytes and with the old time of change."""
    if path := _chosen(archive, one):
        seen, content = path.stat(), path.read_bytes()
        path.write_bytes(re.sub(rb":779[0-9]{6}", b":779%06d" % two, content))
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
    archive.table.write_bytes(archive.table.read_bytes().replace(b"linux", b"macos", 1 + one % 2))


def remove_table(archive: Archive, one: int, two: int) -> None:
    archive.table.unlink()


def cut_index(archive: Archive, one: int, two: int) -> None:
    content = archive.index.read_bytes()
    archive.index.write_bytes(content[: two % (len(content) + 1)])


def flip_index(archive: Archive, one: int, two: int) -> None:
    content = bytearray(archive.index.read_bytes() or b"0")  # it may have been cut to nothing
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


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(steps=st.lists(STEPS, min_size=1, max_size=14))
def test_a_rebuild_gives_what_one_from_nothing_gives(
    kind: str, steps: list[tuple[Callable[[Archive, int, int], None], int, int, bool]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        archive = Archive(Path(folder), kind)
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
from tests.integration.test_tables import Archive
archive = Archive(Path(sys.argv[1]), sys.argv[2])
for number in range(int(sys.argv[3]), 40, 2):
    archive.store.add(archive.made(number, minute=number * 7 % 11))
    archive.rebuild()
    assert not archive.invalid
"""


def test_many_at_a_time_take_turns(tmp_path: Path) -> None:
    """Two that write of each kind: the tables have every row, and the package describes all."""
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    all_of_them = [
        subprocess.Popen([*command, kind, start], stderr=subprocess.PIPE, text=True, cwd=PACKAGE.parent)
        for kind in KINDS
        for start in "01"
    ]
    ended = [one.communicate(timeout=60)[1] for one in all_of_them]
    assert ([one.returncode for one in all_of_them], ended) == ([0] * 8, [""] * 8)
    for archive in (Archive(tmp_path, kind) for kind in KINDS):
        text = archive.table.read_text()
        assert text == archive.from_nothing() and text.count("\n") == 1 + 40 * archive.rows
    assert archive.package.read_text() == datapackage.to_json(tabled())
    assert {path.name for path in tmp_path.iterdir()} == {
        "records", "footprint.csv", ".footprint.index", "forecasts", "forecast.csv", ".forecast.index",
        "inference", "inference.csv", ".inference.index", "providers", "providers.csv", ".providers.index",
        "datapackage.json", ".lock",
    }  # fmt: skip


def resources(archive: Archive) -> list[str]:
    return [one["name"] for one in json.loads(archive.package.read_text())["resources"]]


def test_only_tables_that_there_are_are_described(records: Archive) -> None:
    """And no folder and no table of forecasts is made where nothing was forecast."""
    results, told = records.store.results, unexpected_one
    records.store.add(record(0))
    assert rebuild_all(results, told) == [records.table]
    assert resources(records) == ["footprint"]
    assert {path.name for path in results.iterdir()} == {
        "records", "footprint.csv", ".footprint.index", "datapackage.json", ".lock",
    }  # fmt: skip
    forecasts = Archive(results, "forecast")
    forecasts.store.add(forecast(0))
    assert rebuild_all(results, told) == [records.table, forecasts.table]
    assert resources(records) == ["footprint", "forecast"]
    records.rebuild()  # by somebody who measures
    assert resources(records) == ["footprint", "forecast"]


def test_the_table_of_forecasts_that_were_taken_away_becomes_empty(forecasts: Archive) -> None:
    forecasts.store.add(forecast(0))
    forecasts.rebuild()
    shutil.rmtree(forecasts.store.folder)
    rebuild_all(forecasts.store.results, unexpected_one)
    assert forecasts.table.read_text() == forecasts.describes.header


def test_one_table_is_brought_up_to_date_whatever_became_of_the_other(tmp_path: Path) -> None:
    records, forecasts = Archive(tmp_path), Archive(tmp_path, "forecast")
    bad = forecasts.store.add(forecast(0))
    bad.write_bytes(bad.read_bytes()[:-9])
    records.store.add(record(0))
    invalid: list[str] = []
    rebuild_all(tmp_path, lambda kind, path, why: invalid.append(f"{kind} {path.name}"))
    assert invalid == ["forecast jax-0.json"]
    assert (records.table.read_text(), forecasts.table.read_text()) == (
        records.from_nothing(),
        forecasts.describes.header,
    )


def unexpected(path: Path, why: str) -> None:
    raise AssertionError(f"{path}: {why}")


def unexpected_one(kind: kinds.Kind[Any], path: Path, why: str) -> None:
    raise AssertionError(f"{kind} {path}: {why}")


REBUILD = """
import sys
from pathlib import Path
from harness.archive.store import Records
from harness.archive.tables import rebuild
rebuild(Records(Path(sys.argv[1])), lambda path, why: sys.exit(f"{path}: {why}"))
"""


def test_a_version_with_another_column_takes_nothing_over(records: Archive, tmp_path: Path) -> None:
    archive, other = records, tmp_path / "other"
    shutil.copytree(PACKAGE, other / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    source = other / "harness" / "documents" / "footprint.py"
    field = "    wheel_bytes: Bytes | None = None\n"
    assert source.read_text().count(field) == 1
    added = '    weight_bytes: Bytes | None = None\n    """Another figure."""\n'
    source.write_text(source.read_text().replace(field, added + field))
    for number in range(3):
        archive.store.add(archive.made(number))
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
    archive.store.add(archive.made(0))
    archive.table.mkdir()
    assert str(archive.store.results) in refused(EnvironmentLacksError, archive.rebuild).message
    assert not list(archive.store.results.glob(".new-*"))
