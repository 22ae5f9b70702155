"""The tables: `results/footprint.csv` and the others, one for each kind of document that has rows.

Each is derived from its documents alone, offline, and together they are described by `results/datapackage.json`.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.archive import datapackage, incremental
from harness.archive.store import Store
from harness.documents.kinds import KINDS, Kind
from harness.errors import EnvironmentLacksError
from harness.files import replacing

Invalid = Callable[[Kind[Any], Path, str], None]
"""Receives each file that is not valid: the kind that it was to be, its path, and why it is none."""


def tabled() -> list[Kind[Any]]:
    """The kinds that have a table."""
    return [kind for kind in KINDS.values() if kind.table is not None]


def to_csv(kind: Kind[Any], documents: Iterable[Any]) -> str:
    """The table of some documents, made from nothing."""
    assert kind.table is not None, kind
    return incremental.to_csv(kind.table, documents)


def rebuild(store: Store[Any], invalid: Callable[[Path, str], None]) -> Path:
    """Bring the table of a kind and `datapackage.json` up to date; two at a time take turns, a reader sees old or new.

    The outcome is that of reading every document, byte for byte. Where nothing is new, nothing is written.

    Args:
        invalid: receives each file that is not valid, and why; every time.

    Raises:
        EnvironmentLacksError: the results folder cannot be read or written.
    """
    table = store.kind.table
    assert table is not None, store.kind
    try:
        with _taking_turns(store.results):
            incremental.update(table, store, invalid)
            _describe(store.results)
    except OSError as error:
        raise EnvironmentLacksError(f"the tables in {store.results} cannot be rebuilt: {error}") from error
    return store.results / table.file


def rebuild_all(results: Path, invalid: Invalid) -> list[Path]:
    """Bring every table up to date; but for the first only where there is or was anything of it.

    Raises:
        EnvironmentLacksError: the results folder cannot be read or written.
    """
    found = []
    for number, kind in enumerate(tabled()):
        store = Store(results, kind)
        if number == 0 or store.folder.exists() or (results / f"{_name(kind)}.csv").exists():
            found.append(rebuild(store, lambda path, why, kind=kind: invalid(kind, path, why)))  # type: ignore[misc]
    return found


def has_any(results: Path) -> bool:
    """Whether a place holds a document, or a table of what it held."""
    documents = any(any((results / kind.folder).glob("*/*.json")) for kind in KINDS.values())
    return documents or any((results / f"{_name(kind)}.csv").exists() for kind in tabled())


def _name(kind: Kind[Any]) -> str:
    assert kind.table is not None, kind
    return kind.table.name


@contextmanager
def _taking_turns(results: Path) -> Iterator[None]:
    """One writer at a time, of any table: they share a description."""
    with (results / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _describe(results: Path) -> None:
    """Describe the tables that there are: whoever makes no forecasts has no table of them, and so on."""
    path = results / "datapackage.json"
    text = datapackage.to_json(kind for kind in tabled() if (results / f"{_name(kind)}.csv").exists())
    if not path.exists() or path.read_bytes() != text.encode():
        with replacing(path) as file:
            file.write(text)
