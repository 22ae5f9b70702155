"""Publish documents: copy a user's own to the published place, byte for byte, with the locks that they name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.archive import select
from harness.archive.store import (
    LOCKS,
    PUBLISHED,
    Forecasts,
    Nights,
    Records,
    Store,
    by_id,
    kind_of,
    places,
)
from harness.documents.forecast import Forecast
from harness.documents.kinds import KINDS
from harness.documents.night import Night
from harness.errors import EnvironmentLacksError, InputError
from harness.files import link, replacing

SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")
"""What a folder or a file may be called: a document of somebody else's must not lead out of the published place."""
LOCK_FILES = ("requirements.txt", "pylock.toml")
"""In the order in which they are written: who finds the last one finds both."""


@dataclass(frozen=True)
class Copy:
    """A document that is to be published."""

    source: Path
    target: Path
    locks: tuple[Path, ...] = ()
    """Folders of the lock that it names; empty where it names none, or it is published already."""
    page: Path | None = None
    """The page of a night."""


@dataclass(frozen=True)
class Plan:
    """What is to be published."""

    copies: tuple[Copy, ...]
    left_out: Mapping[Path, str]
    """Documents of the user's own that cannot be published, and why."""


@dataclass(frozen=True)
class Published:
    """What was published, each file by its path in the published place."""

    documents: tuple[Path, ...]
    others: tuple[Path, ...]
    """Files of locks, and pages of nights."""
    there: tuple[Path, ...]
    """Documents that were published before, and stay as they are."""


def plan(results: Path, names: Sequence[str]) -> Plan:
    """What to copy.

    Args:
        names: paths, ids or requests; none: all of the user's own.

    Raises:
        InputError: there is nothing to publish, or one that is named cannot be found or published.
    """
    if names:
        return Plan(tuple(_copy(_find(results, name), results) for name in dict.fromkeys(names)), {})
    copies: list[Copy] = []
    left_out: dict[Path, str] = {}
    for path in _own(results):
        try:
            copies.append(_copy(path, results))
        except InputError as error:
            left_out[path] = error.message
    if not copies and not left_out:
        raise InputError(
            f"there is nothing of your own to publish in {results}",
            tip="measure something: make measure FRAMEWORK=onnxruntime",
        )
    return Plan(tuple(copies), left_out)


def publish(copies: Iterable[Copy]) -> Published:
    """Copy them; what is there already is never replaced.

    Raises:
        EnvironmentLacksError: the published place cannot be written to.
    """
    documents: list[Path] = []
    others: list[Path] = []
    there: list[Path] = []
    for one in copies:
        beside = [folder / name for folder in one.locks for name in LOCK_FILES]
        targets = [one.target.parents[2] / LOCKS / path.parent.name / path.name for path in beside]
        if one.page is not None:
            beside.append(one.page)
            targets.append(one.target.with_name(one.page.name))
        # the document last: where it is, all that it names is there too
        others += [target for source, target in zip(beside, targets, strict=True) if _write(source, target)]
        (documents if _write(one.source, one.target) else there).append(one.target)
    return Published(tuple(documents), tuple(others), tuple(there))


def _own(results: Path) -> Iterator[Path]:
    for kind in KINDS.values():
        yield from sorted((results / kind.folder).glob("*/*.json"))


def _find(results: Path, name: str) -> Path:
    """One by its path or id, else the record or forecast that a request means, of the user's own."""
    path = Path(name) if select.is_address(name) else by_id(places(results), name)
    if path is not None:
        return path
    records, forecasts = Records(results), Forecasts(results)
    found = select.find_weighed(records, forecasts, name, records.all, forecasts.all)
    path = forecasts.where(found) if isinstance(found, Forecast) else records.where(found)
    assert path is not None, "it was read from there"
    return path


def _copy(path: Path, results: Path) -> Copy:
    """How one is published.

    Raises:
        InputError: it is not valid, has a name that no file may have, or its lock is gone.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    kind = kind_of(content)
    if kind is None:
        raise InputError(f"{path} is no document of this harness", tip="name a record, by its path, id or request")
    shelf: Store[Any] = Store(results / PUBLISHED, kind)
    value = kind.parse(content, name=str(path))
    target = shelf.place(value)
    if not all(map(SAFE.fullmatch, (kind.subject(value), value.record_id))):
        raise InputError(f"{path} has a name that no file may have: {value.record_id!a}")
    if target.is_file():
        return Copy(path, target)
    page = path.with_name(Nights(results).summary(value).name) if isinstance(value, Night) else None
    # a forecast keeps no lock: it was told by the index, and nothing was installed
    named = None if isinstance(value, Forecast) else getattr(value, "lock_sha256", None)
    locks = _locks(path, named, results)
    return Copy(path, target, locks, page if page is not None and page.is_file() else None)


def _locks(path: Path, sha256: str | None, results: Path) -> tuple[Path, ...]:
    """The folders of the lock that a document names: beside its own folder, or among the results."""
    if sha256 is None:
        return ()
    sources = dict.fromkeys([path.absolute().parent.parent.parent, *places(results)])
    found = [one for place in sources for one in sorted((place / LOCKS).glob(f"*-{sha256[:12]}"))]
    whole = {one.name: one for one in reversed(found) if _is_whole(one, sha256)}
    if not whole:
        raise InputError(
            f"{path.name} names the lock {sha256[:12]}..., which is not in {results / LOCKS}, or was altered",
            tip="without its lock nobody can replay it: measure it again",
        )
    return tuple(whole.values())


def _is_whole(folder: Path, sha256: str) -> bool:
    """Whether both forms of a lock are there, and it is the one of that name: that of its requirements."""
    if not all((folder / name).is_file() for name in LOCK_FILES):
        return False
    return hashlib.sha256((folder / LOCK_FILES[0]).read_bytes()).hexdigest() == sha256


def _write(source: Path, target: Path) -> bool:
    """Whether it was written."""
    if target.exists():
        return False
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target, "wb", put=link, sync=True) as file:
            file.write(source.read_bytes())
    except FileExistsError:  # somebody else published it this moment
        return False
    except OSError as error:
        raise EnvironmentLacksError(f"{source} cannot be copied to {target}: {error.strerror}") from None
    return True
