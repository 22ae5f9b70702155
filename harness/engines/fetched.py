"""What is brought out of a sandbox: plain files and folders, counted, and moved into place once all is there.

Measured code wrote them. So no link is followed or made, and neither their number nor their size is believed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from harness.errors import MeasurementError

FETCH_BYTES = 4 * 2**30
FETCH_FILES = 1_000
FETCH_DEPTH = 32
CHUNK_BYTES = 2**20


class Landing:
    """Where they are written; the first part of each path stands for the thing that is fetched itself."""

    def __init__(self, place: Path, name: str, most_bytes: int) -> None:
        self._place, self._name = place, name
        self._bytes_left, self._files_left = most_bytes, FETCH_FILES
        self._most_bytes = most_bytes

    def folder(self, parts: Sequence[str]) -> None:
        if len(parts) > FETCH_DEPTH:
            raise MeasurementError(f"{self._name} has folders more than {FETCH_DEPTH} deep")
        self._count(0)
        self._at(parts).mkdir()

    def file(self, parts: Sequence[str], size: int, source: IO[bytes]) -> None:
        """Copy a file, which says that it has `size` bytes; no more are read."""
        self._count(size)
        with self._at(parts).open("xb") as sink:
            while size > 0 and (chunk := source.read(min(CHUNK_BYTES, size))):
                sink.write(chunk)
                size -= len(chunk)

    def refuse(self, parts: Sequence[str]) -> MeasurementError:
        """The error for what is neither a folder nor a file of its own."""
        return MeasurementError(f"{self._shown(parts)} is a link or a special file; only plain files are fetched")

    def _at(self, parts: Sequence[str]) -> Path:
        if not parts or any(part in ("", ".", "..") or "/" in part for part in parts):
            raise MeasurementError(f"{self._shown(parts)} is no path below what is fetched")
        return self._place.joinpath("it", *parts[1:])

    def _count(self, size: int) -> None:
        self._bytes_left -= size
        self._files_left -= 1
        if self._bytes_left < 0:
            raise MeasurementError(f"{self._name} has more than {self._most_bytes / 1e6:,.0f} MB")
        if self._files_left < 0:
            raise MeasurementError(f"{self._name} has more than {FETCH_FILES:,} files")

    def _shown(self, parts: Sequence[str]) -> str:
        return ascii("/".join(parts))[:200]


@contextmanager
def landing(to: Path, most_bytes: int) -> Iterator[Landing]:
    """Write beside `to`, and move it there at the end of the block; after an error nothing is left.

    Raises:
        FileExistsError: `to` is there.
    """
    if os.path.lexists(to):
        raise FileExistsError(f"{to} is there already")
    place = Path(tempfile.mkdtemp(prefix=".fetched-", dir=to.parent))
    try:
        yield Landing(place, to.name, most_bytes)
        os.rename(place / "it", to)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def below(root: str, path: str) -> tuple[str, ...]:
    """The parts of a path below a sandbox's root."""
    parts = PurePosixPath(path).relative_to(root).parts
    if not parts or ".." in parts:
        raise ValueError(f"{path} is not below {root}")
    return parts


def missing(path: str) -> MeasurementError:
    return MeasurementError(f"{PurePosixPath(path).name!a} is not there to be fetched")
