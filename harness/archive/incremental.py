"""Tables derived from a store alone: the rows of each file, brought up to date by reading new files only.

Of each row, in the table's order, an index beside the table remembers the file and the stamp that it had; a row whose
file still has it is taken over from the table as it is. The index is a cache: it can be deleted at any time, and is
believed only if it is whole, written by this very code, and of the very table beside it. In any other case all files
are read.
"""

from __future__ import annotations

import csv
import hashlib
import heapq
import io
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from harness.archive.store import Store, Value
from harness.archive.weighed import as_version
from harness.documents.table import Key, Order, Table
from harness.errors import InputError
from harness.files import replacing

SETTLING_SECONDS = 0.05
"""A file that changed so shortly before it was read could change again within one tick of its file system's clock,
and show the same stamp. https://git-scm.com/docs/racy-git"""

Source = tuple[str, ...]
"""What the index remembers of a row: its key, its file and that file's stamp."""


_AS: Mapping[Order, Callable[[str], Any]] = {"text": str, "number": int, "version": as_version}


def place(table: Table, key: Sequence[str]) -> tuple[Any, ...]:
    """What a row's key is put in order by."""
    named = len(table.order)
    return (*(_AS[order](text) for order, text in zip(table.order.values(), key, strict=False)), *key[named:])


class Row(NamedTuple):
    """A line of a table and where it came from. Rows sort as the table does, whatever their files are called."""

    place: tuple[Any, ...]
    line: str
    name: str
    """The file, relative to the store's folder."""
    stamp: str
    """How the file looked before it was read; empty where that cannot be relied upon."""
    key: Key


def to_csv(table: Table, values: Iterable[Value]) -> str:
    """The table of some values, made from nothing."""
    return table.header + "".join(one.line for one in sorted(row for value in values for row in _rows(table, value)))


def update(table: Table, store: Store[Value], invalid: Callable[[Path, str], None]) -> None:
    """Bring the table of a store up to date, as if every file were read. Where nothing is new, nothing is written."""
    path, index = store.results / table.file, store.results / table.index
    stamps = _stamps(store.folder)
    remembered = _recall(index, path)
    known = {name for *_, name, stamp in remembered or () if stamp and stamps.get(name) == stamp}
    new = sorted(_read(table, store, {name: stamps[name] for name in stamps.keys() - known}, invalid))
    if remembered is not None and not new and all(name in known for *_, name, _ in remembered):
        return
    kept = _kept(table, path, remembered or [], known)
    digest = hashlib.sha256(table.header.encode())
    rows: list[Source] = []
    with replacing(path) as file:
        file.write(table.header)
        one: Row
        for one in heapq.merge(kept, new):
            file.write(one.line)
            digest.update(one.line.encode())
            rows.append((*one.key, one.name, one.stamp))
    body = json.dumps({"table": digest.hexdigest(), "rows": rows})
    with replacing(index) as file:
        file.write(f"{_seal(body)}\n{body}")


def _rows(table: Table, value: Value, name: str = "", stamp: str = "") -> Iterator[Row]:
    for key, cells in table.rows(value):
        out = io.StringIO()
        csv.DictWriter(out, table.columns, lineterminator="\n").writerow(cells)
        yield Row(place(table, key), out.getvalue(), name, stamp, key)


def _stamps(folder: Path) -> dict[str, str]:
    """What tells an unchanged file: file -> stamp; nothing where there is no folder."""
    settled_ns = time.time_ns() - int(SETTLING_SECONDS * 1e9)
    found: dict[str, str] = {}
    if not folder.exists():
        return found
    with os.scandir(folder) as folders:
        for entry in folders:
            if entry.is_dir():
                with os.scandir(entry) as files:
                    named = (file for file in files if file.name.endswith(".json"))
                    found |= {f"{entry.name}/{file.name}": _stamp(file, settled_ns) for file in named}
    return found


def _stamp(entry: os.DirEntry[str], settled_ns: int) -> str:
    """Empty where the file cannot be looked at, or changed after `settled_ns`."""
    try:
        seen = entry.stat()
    except OSError:  # removed a moment ago, or a link to nowhere: reading it will tell
        return ""
    # ctime tells of changes that keep size and mtime, as `cp -p` and `touch -r` do
    return (
        "" if seen.st_ctime_ns > settled_ns else f"{seen.st_size} {seen.st_mtime_ns} {seen.st_ctime_ns} {seen.st_ino}"
    )


def _read(
    table: Table, store: Store[Value], stamps: Mapping[str, str], invalid: Callable[[Path, str], None]
) -> Iterator[Row]:
    for name in sorted(stamps):
        path = store.folder / name
        try:
            yield from _rows(table, store.kind.parse(path.read_bytes(), name="it"), name, stamps[name])
        except InputError as error:
            invalid(path, error.message)
        except OSError as error:
            invalid(path, f"it cannot be read: {error.strerror}")


def _kept(table: Table, path: Path, remembered: Sequence[Source], known: Set[str]) -> Iterator[Row]:
    """The rows of the present table whose files are as they were."""
    if not known:
        return
    with path.open(encoding="utf-8", newline="\n") as file:
        next(file)
        for (*key, name, stamp), line in zip(remembered, file, strict=True):
            if name in known:
                yield Row(place(table, key), line, name, stamp, tuple(key))


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
    values = (package / "errors.py", package / "job.py", *sorted((package / "documents").glob("*.py")))
    sources = (*values, *(package / "archive" / f"{name}.py" for name in ("weighed", "incremental", "tables")))
    return b"".join(hashlib.sha256(path.read_bytes()).digest() for path in sources)
