"""The wheelhouse: wheels by sha256 in the user's cache, verified when written and when read."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from harness.errors import EnvironmentLacksError, IndexUnavailableError, MeasurementError
from harness.packages.index import File, Index
from harness.packages.lock import Locked
from harness.progress import Progress, Silent

PARALLEL = 8


class Wheelhouse:
    """`wheels/<2 hex>/<sha256>/<filename>` below the cache folder."""

    def __init__(self, cache: Path, index: Index, work: Path | None = None) -> None:
        """`work`: folder on the same file system, for what is unfinished."""
        self.folder = cache / "wheels"
        self.work = work or self.folder
        self.index = index

    def path(self, wheel: Locked) -> Path:
        return self.folder / wheel.sha256[:2] / wheel.sha256 / wheel.filename

    def fetch(self, wheels: Sequence[Locked], progress: Progress | None = None) -> tuple[dict[Locked, Path], int]:
        """Have all wheels on disk, verified; returns their paths, and how many bytes had to be downloaded.

        Raises:
            MeasurementError: a file is not what its hash says (both hashes are told).
            IndexUnavailableError: one could not be had.
            EnvironmentLacksError: no room on disk.
        """
        progress = progress or Silent()
        with ThreadPoolExecutor(PARALLEL) as pool:
            there = list(pool.map(self._verified, wheels))
            missing = [wheel for wheel, found in zip(wheels, there, strict=True) if not found]
            total = sum(wheel.size for wheel in missing)
            counter = _Counter(progress, total)
            self._check_room(total)
            stop = threading.Event()
            jobs = [
                pool.submit(self._download, wheel, counter, stop) for wheel in sorted(missing, key=lambda w: -w.size)
            ]
            try:
                for job in jobs:
                    job.result()
            except BaseException:
                stop.set()  # the other downloads end at their next chunk
                for job in jobs:
                    job.cancel()
                raise
        return {wheel: self.path(wheel) for wheel in wheels}, total

    @contextmanager
    def gathered(self, wheels: Sequence[Locked]) -> Iterator[Path]:
        """One flat folder with just these wheels, as links: what an installer is shown."""
        self.work.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix="gathered-", dir=self.work))
        try:
            place.chmod(0o755)
            for wheel in wheels:
                os.link(self.path(wheel), place / wheel.filename)
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _verified(self, wheel: Locked) -> bool:
        """Whether the wheel is there, unaltered; an altered one is set aside."""
        path = self.path(wheel)
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return False
        if found == wheel.sha256:
            return True
        os.replace(path, path.with_name(path.name + ".altered"))
        return False

    def _check_room(self, total: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder).free
        if total > free:
            raise EnvironmentLacksError(
                f"the disk is full: {total / 1e6:.0f} MB to download, {free / 1e6:.0f} MB free in {self.folder}",
                tip="make room, or set XDG_CACHE_HOME to another disk",
            )

    def _download(self, wheel: Locked, counter: _Counter, stop: threading.Event) -> None:
        file = self._find(wheel)
        path = self.path(wheel)
        beside = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.work.mkdir(parents=True, exist_ok=True)
            fd, name = tempfile.mkstemp(prefix="part-", dir=self.work)
            beside = Path(name)
            with os.fdopen(fd, "w+b") as sink:
                hashing = _Hashing(sink, stop)
                self.index.download(file, hashing, counter.add)  # type: ignore[arg-type]
            if hashing.sha256 != wheel.sha256:
                aside = path.with_name(path.name + ".rejected")
                os.replace(beside, aside)
                raise MeasurementError(
                    f"{wheel.filename} is not the file that the lock names: sha256 {hashing.sha256} came, "
                    f"{wheel.sha256} is right",
                    tip=f"what came was set aside in {aside}",
                )
            if (size := beside.stat().st_size) != wheel.size:
                raise MeasurementError(f"the index says that {wheel.filename} has {wheel.size} bytes; it has {size}")
            beside.chmod(0o644)
            os.replace(beside, path)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise EnvironmentLacksError(
                    f"the disk is full: {wheel.filename} could not be written to {self.folder}",
                    tip="make room, or set XDG_CACHE_HOME to another disk",
                ) from error
            raise
        finally:
            if beside is not None:
                beside.unlink(missing_ok=True)

    def _find(self, wheel: Locked) -> File:
        for file in self.index.project(wheel.name).wheels:
            if file.filename == wheel.filename and file.sha256 == wheel.sha256:
                return file
        raise IndexUnavailableError(
            f"the index no longer has {wheel.filename} with sha256 {wheel.sha256[:12]}...",
            tip="use an index that has it, or lock again with --relock",
        )


class _Hashing:
    """A file that hashes what is written to it, and can be started over."""

    def __init__(self, sink: IO[bytes], stop: threading.Event) -> None:
        self._sink, self._stop, self._hash = sink, stop, hashlib.sha256()

    def write(self, chunk: bytes) -> int:
        if self._stop.is_set():
            raise InterruptedError("another download failed")
        self._hash.update(chunk)
        return self._sink.write(chunk)

    def seek(self, offset: int) -> None:
        self._sink.seek(offset)

    def truncate(self) -> None:
        self._sink.truncate()
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


class _Counter:
    """Adds up bytes of parallel downloads."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._received = progress, total, 0
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        with self._lock:
            self._received += count
            self._progress.transfer(self._received, self._total)
