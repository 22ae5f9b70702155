"""`results/footprint.csv`: one row a record, oldest first, derived from the records alone.

A rebuild reads new records only. Of each row, in the table's order, `.footprint.index` remembers the record's file
and the stamp that the file had; a row whose file still has it is taken over from the table as it is. The index is a
cache: it can be deleted at any time, and is believed only if it is whole, written by this very code, and of the very
table beside it. In any other case all records are read.
"""

from __future__ import annotations

import csv
import fcntl
import hashlib
import heapq
import io
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple, TextIO

from harness.archive import datapackage
from harness.archive.store import Store
from harness.errors import EnvironmentLacksError, InputError
from harness.job import iso_instant
from harness.record import Figures, Record, parse_record

KEYS = (
    "record_id",
    "measured_at",
    "framework",
    "version",
    "variant",
    "extras",
    "import_package",
    "python",
    "platform",
    "as_of",
    "engine",
    "installer",
    "status",
    "phase",
    "reason",
)
FIGURES = tuple(Figures.model_fields)
ENVIRONMENT = ("lock_sha256", "image_digest", "cpu_model", "kernel", "harness_version", "method_version")
COLUMNS = KEYS + FIGURES + ENVIRONMENT
HEADER = ",".join(COLUMNS) + "\n"

SETTLING_SECONDS = 0.05
"""A file that changed so shortly before it was read could change again within one tick of its file system's clock,
and show the same stamp. https://git-scm.com/docs/racy-git"""

Source = tuple[str, str, str, str]
"""What the index remembers of a row: `Row` without its line."""


def row(record: Record) -> dict[str, str]:
    """One record as text; a figure that is null is an empty cell."""
    cells: dict[str, object] = {name: getattr(record, name) for name in KEYS}
    cells |= {"measured_at": iso_instant(record.measured_at), "as_of": iso_instant(record.as_of)}
    cells["extras"] = " ".join(record.extras)
    cells |= {name: getattr(record.figures, name) for name in FIGURES}
    cells["lock_sha256"] = record.lock_sha256
    cells |= {name: getattr(record.environment, name) for name in ENVIRONMENT[1:-1]}
    cells["method_version"] = " ".join(f"{name}:{version}" for name, version in sorted(record.methods.items()))
    return {name: _cell(value) for name, value in cells.items()}


def _cell(value: object) -> str:
    """Text that no spreadsheet takes for a formula. https://owasp.org/www-community/attacks/CSV_Injection"""
    if value is None:
        return ""
    text = str(value)
    escaped = "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text
    return escaped.replace("\r", " ").replace("\n", " ")


class Row(NamedTuple):
    """A line of the table and where it came from. Rows sort as the table does, whatever their files are called."""

    measured_at: str
    record_id: str
    line: str
    name: str
    """The record's file, relative to the folder of records."""
    stamp: str
    """How the file looked before it was read; empty where that cannot be relied upon."""


def _row(record: Record, name: str = "", stamp: str = "") -> Row:
    out, cells = io.StringIO(), row(record)
    csv.DictWriter(out, COLUMNS, lineterminator="\n").writerow(cells)
    return Row(cells["measured_at"], record.record_id, out.getvalue(), name, stamp)


def to_csv(records: Iterable[Record]) -> str:
    """Records as CSV, oldest first."""
    return HEADER + "".join(one.line for one in sorted(map(_row, records)))


def rebuild(store: Store, torn: Callable[[Path, str], None]) -> Path:
    """Bring `footprint.csv` and `datapackage.json` up to date; two at a time take turns, a reader sees old or new.

    The outcome is that of reading every record, byte for byte. Where nothing is new, nothing is written.

    Args:
        torn: is told of each file that is not a valid record, and why; every time.

    Raises:
        EnvironmentLacksError: the results folder cannot be read or written.
    """
    path = store.results / "footprint.csv"
    try:
        with (store.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _describe(store.results / "datapackage.json")
            _update(store.folder, path, store.results / ".footprint.index", torn)
    except OSError as error:
        raise EnvironmentLacksError(f"the tables in {store.results} cannot be rebuilt: {error}") from error
    return path


def _describe(path: Path) -> None:
    text = datapackage.to_json(COLUMNS)
    if not path.exists() or path.read_bytes() != text.encode():
        with _replacing(path) as file:
            file.write(text)


def _update(records: Path, path: Path, index: Path, torn: Callable[[Path, str], None]) -> None:
    stamps = _stamps(records)
    remembered = _recall(index, path)
    known = {name for *_, name, stamp in remembered or () if stamp and stamps.get(name) == stamp}
    new = sorted(_read(records, {name: stamps[name] for name in stamps.keys() - known}, torn))
    if remembered is not None and not new and len(known) == len(remembered):
        return
    kept = _kept(path, remembered or [], known)
    digest, rows = hashlib.sha256(HEADER.encode()), []
    with _replacing(path) as table:
        table.write(HEADER)
        for measured_at, record_id, line, name, stamp in heapq.merge(kept, new):
            table.write(line)
            digest.update(line.encode())
            rows.append((measured_at, record_id, name, stamp))
    body = json.dumps({"table": digest.hexdigest(), "rows": rows})
    with _replacing(index) as file:
        file.write(f"{_seal(body)}\n{body}")


def _stamps(records: Path) -> dict[str, str]:
    """What tells an unchanged file: record's file -> stamp."""
    settled = time.time_ns() - int(SETTLING_SECONDS * 1e9)
    found: dict[str, str] = {}
    with os.scandir(records) as folders:
        for folder in folders:
            if folder.is_dir():
                with os.scandir(folder) as files:
                    named = (file for file in files if file.name.endswith(".json"))
                    found |= {f"{folder.name}/{file.name}": _stamp(file, settled) for file in named}
    return found


def _stamp(entry: os.DirEntry[str], settled: int) -> str:
    """Empty where the file cannot be looked at, or changed after `settled` (nanoseconds)."""
    try:
        seen = entry.stat()
    except OSError:  # removed a moment ago, or a link to nowhere: reading it will tell
        return ""
    # ctime tells of changes that keep size and mtime, as `cp -p` and `touch -r` do
    return "" if seen.st_ctime_ns > settled else f"{seen.st_size} {seen.st_mtime_ns} {seen.st_ctime_ns} {seen.st_ino}"


def _read(records: Path, stamps: Mapping[str, str], torn: Callable[[Path, str], None]) -> Iterator[Row]:
    for name in sorted(stamps):
        path = records / name
        try:
            yield _row(parse_record(path.read_bytes(), name="it"), name, stamps[name])
        except InputError as error:
            torn(path, error.message)
        except OSError as error:
            torn(path, f"it cannot be read: {error.strerror}")


def _kept(path: Path, remembered: Sequence[Source], known: Set[str]) -> Iterator[Row]:
    """The rows of the present table whose records are as they were."""
    if not known:
        return
    with path.open(encoding="utf-8", newline="\n") as table:
        next(table)
        for (measured_at, record_id, name, stamp), line in zip(remembered, table, strict=True):
            if name in known:
                yield Row(measured_at, record_id, line, name, stamp)


def _recall(index: Path, path: Path) -> list[Source] | None:
    """Where each row of the table came from; None where the index or the table is not what was written."""
    try:
        seal, _, body = index.read_text(encoding="utf-8").partition("\n")
        if seal != _seal(body):
            return None
        content = json.loads(body)
        with path.open("rb") as table:
            if hashlib.file_digest(table, "sha256").hexdigest() != content["table"]:
                return None
    except (OSError, ValueError):
        return None
    rows: list[Source] = content["rows"]
    return rows


def _seal(body: str) -> str:
    return hashlib.sha256(_code() + body.encode()).hexdigest()


@cache
def _code() -> bytes:
    """Digests of the code that decides what a row is: another version's rows are not taken over."""
    package = Path(__file__).parents[1]
    sources = ("errors.py", "job.py", "record.py", "archive/tables.py")
    return b"".join(hashlib.sha256((package / name).read_bytes()).digest() for name in sources)


@contextmanager
def _replacing(path: Path) -> Iterator[TextIO]:
    """Write a file beside `path`, and put it there once it is whole."""
    fd, beside = tempfile.mkstemp(prefix=".footprint-", dir=path.parent)
    try:
        with os.fdopen(fd, "w", encoding="utf-8", newline="") as file:
            yield file
        os.chmod(beside, 0o644)
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise
