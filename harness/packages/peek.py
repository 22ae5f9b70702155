"""Look into wheels without downloading them: their central directories, by HTTP range, kept for ever by sha256."""

from __future__ import annotations

import hashlib
import os
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from packaging.utils import parse_wheel_filename
from pydantic import TypeAdapter

from harness.errors import MeasurementError, UnsupportedError
from harness.files import replacing
from harness.packages import directory
from harness.packages.directory import Contents, Entry, Place
from harness.packages.index import CONNECTIONS, File, Index
from harness.packages.resolve import locked
from harness.packages.wheelhouse import Wheelhouse

TAIL_BYTES = 128 * 2**10
"""Asked for first. Most directories are shorter; what lies before is asked for once more."""
CACHE_FORMAT = 1
"""Raised when `Contents` or its definition changes: cached summaries of another format are made anew."""


@dataclass(frozen=True)
class _Kept:
    """The first line of a cached directory."""

    format: int
    file: str
    place: Place
    contents: Contents


_KEPT = TypeAdapter(_Kept)


class Peek:
    """Reads directories, at most `CONNECTIONS` at a time. Closing it ends what it has begun.

    `directories/<2 hex>/<sha256>` below the cache folder holds one: a line with its summary, then its bytes, packed.
    """

    def __init__(self, cache: Path, index: Index, *, house: Wheelhouse | None = None) -> None:
        """`house`: where wheels are downloaded to, if the index answers no range requests; None: they are refused."""
        self.folder = cache / "directories"
        self.index = index
        self.house = house
        self.fetched: set[str] = set()
        """sha256 of the wheels whose directories were not in the cache."""
        self._pool = ThreadPoolExecutor(CONNECTIONS)
        self._asked: dict[str, Future[Contents]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def contents(self, file: File) -> Future[Contents]:
        """What is in a wheel, summed up; asked for once, however many ask.

        The future raises MeasurementError where the directory is refused, UnsupportedError where the index answers
        no range requests, IndexUnavailableError where it does not answer usefully.
        """
        with self._lock:
            if file.sha256 not in self._asked:
                self._asked[file.sha256] = self._pool.submit(self._contents, file)
            return self._asked[file.sha256]

    def forget(self) -> None:
        """Let go of what was asked for; the cache on disk remembers it."""
        with self._lock:
            self._asked.clear()

    def entries(self, file: File) -> list[Entry]:
        """Every file of a wheel; raises as `contents` tells."""
        found = self._recall(file)
        if found is not None:
            _, place, packed = found
            with suppress(zlib.error, MeasurementError):
                return directory.read(zlib.decompress(packed), place, name=file.filename, size=_size(file))
        raw, place = self._fetch(file)
        with self._lock:
            self.fetched.add(file.sha256)
        entries = directory.read(raw, place, name=file.filename, size=_size(file))
        self._keep(file, directory.summarise(entries), place, raw)
        return entries

    def _contents(self, file: File) -> Contents:
        found = self._recall(file)
        if found is not None and found[0] is not None:
            return found[0]
        return directory.summarise(self.entries(file))

    def _fetch(self, file: File) -> tuple[bytes, Place]:
        """The bytes of the central directory, and where they lie."""
        size = _size(file)
        try:
            return self._by_range(file, size)
        except UnsupportedError:
            if self.house is None:
                raise
        name = str(parse_wheel_filename(file.filename)[0])
        wheel = locked(name, file)
        with self.house.fetch([wheel]).paths[wheel].open("rb") as opened:
            # the last 64 KiB hold whatever an archive ends with; its directory lies before
            return _take(lambda start, stop: _part(opened.fileno(), start, stop), size, file.filename)

    def _by_range(self, file: File, size: int) -> tuple[bytes, Place]:
        return _take(lambda start, stop: self.index.read_range(file, start, stop), size, file.filename)

    def _path(self, file: File) -> Path:
        return self.folder / file.sha256[:2] / file.sha256

    def _recall(self, file: File) -> tuple[Contents | None, Place, bytes] | None:
        """What the cache has of a wheel; None where it has nothing that is whole."""
        try:
            head, packed = self._path(file).read_bytes().split(b"\n", 1)
            seal, body = head.split(b" ", 1)
            if seal != _seal(body):
                return None
            kept = _KEPT.validate_json(body)
        except (OSError, ValueError):
            return None
        return kept.contents if kept.format == CACHE_FORMAT else None, kept.place, packed

    def _keep(self, file: File, contents: Contents, place: Place, raw: bytes) -> None:
        """Whole or not at all; a cache that cannot be written to is done without."""
        body = _KEPT.dump_json(_Kept(CACHE_FORMAT, file.filename, place, contents))
        path = self._path(file)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path, "wb") as sink:
                sink.write(_seal(body) + b" " + body + b"\n" + zlib.compress(raw, 1))


def _take(read: Callable[[int, int], bytes], size: int, name: str) -> tuple[bytes, Place]:
    """A file's central directory, by as few reads of a part as it takes: one, or two."""
    start = max(0, size - TAIL_BYTES)
    tail = read(start, size)
    while True:
        try:
            place = directory.locate(tail, size, name=name)
            break
        except directory.NeedMore as more:
            if more.start >= start:  # it has what it asks for: no archive ends like that
                raise MeasurementError(f"{name} is not a readable wheel: its end cannot be found") from None
            tail, start = read(more.start, start) + tail, more.start
    if place.offset < start:
        tail, start = read(place.offset, start) + tail, place.offset
    return tail[place.offset - start :][: place.size], place


def _part(fd: int, start: int, stop: int) -> bytes:
    return os.pread(fd, stop - start, start)


def _size(file: File) -> int:
    if file.size is None:
        raise MeasurementError(f"the index tells no size for {file.filename} (PEP 700)", tip="use an index that does")
    return file.size


def _seal(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()
