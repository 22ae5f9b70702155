"""The wheelhouse: wheels by sha256 in the user's cache, verified when written and when read."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from harness.errors import (
    EnvironmentLacksError,
    IndexUnavailableError,
    MeasurementError,
    NotOnIndexError,
    SkippedError,
)
from harness.packages.carried import Carried
from harness.packages.index import Index
from harness.packages.lock import Locked
from harness.progress import Progress, Silent

PARALLEL = 8
_Span = tuple[float, float]  # from, to, of the monotonic clock


@dataclass(frozen=True)
class Fetched:
    """What fetching wheels came to."""

    paths: dict[Locked, Path]
    downloaded_bytes: int
    """Of those that were not there already."""
    seconds: float
    """In which at least one download was under way."""


class Wheelhouse:
    """`wheels/<2 hex>/<sha256>/<filename>` below the cache folder. Closing it ends what it has begun."""

    def __init__(
        self, cache: Path, index: Index | None, work: Path | None = None, carried: Carried | None = None
    ) -> None:
        """
        Args:
            index: where wheels come from; None: nowhere, only what is here or carried will do.
            work: folder on the same file system, for what is unfinished.
            carried: asked before the index.
        """
        self.folder = cache / "wheels"
        self.work = work or self.folder
        self.index = index
        self.carried = carried
        self._pool = ThreadPoolExecutor(PARALLEL)
        self._stop = threading.Event()
        self._begun: dict[Locked, Future[_Span | None]] = {}
        self._counter = _Counter()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()  # downloads end at their next chunk
        self._pool.shutdown(cancel_futures=True)

    def path(self, wheel: Locked) -> Path:
        return self.folder / wheel.sha256[:2] / wheel.sha256 / wheel.filename

    def begin(self, wheels: Iterable[Locked]) -> None:
        """Start to have these wheels on disk, and return at once; `fetch` waits for them and tells how it went.

        Raises:
            EnvironmentLacksError: no room on disk.
        """
        with self._lock:
            new = sorted((wheel for wheel in wheels if wheel not in self._begun), key=lambda wheel: -wheel.size)
            missing = sum(wheel.size for wheel in new if not self.path(wheel).exists())
            self._check_room(missing)
            self._counter.expect(missing)
            for wheel in new:
                self._begun[wheel] = self._pool.submit(self._have, wheel, self.path(wheel).exists(), self._stop)

    def fetch(self, wheels: Sequence[Locked], progress: Progress | None = None) -> Fetched:
        """Have all wheels on disk, verified.

        Raises:
            MeasurementError: a file is not what its hash says (both hashes are told).
            IndexUnavailableError: one could not be had.
            SkippedError: one is neither here nor carried, and there is no index to ask.
            EnvironmentLacksError: no room on disk.
        """
        self.begin(wheels)
        self._counter.tell(progress or Silent())
        begun = {wheel: self._begun[wheel] for wheel in wheels}
        try:
            spans = {wheel: job.result() for wheel, job in begun.items()}
        except BaseException:
            self._stop.set()
            for job in self._begun.values():
                job.cancel()
            wait(self._begun.values())
            self._stop = threading.Event()
            self._begun.clear()
            raise
        finally:
            self._counter = _Counter()
        for wheel in wheels:
            del self._begun[wheel]  # to be verified again when it is asked for again
        return Fetched(
            paths={wheel: self.path(wheel) for wheel in wheels},
            downloaded_bytes=sum(wheel.size for wheel, span in spans.items() if span),
            seconds=_covered(span for span in spans.values() if span),
        )

    def _have(self, wheel: Locked, expected: bool, stop: threading.Event) -> _Span | None:
        """Verify one wheel, or download it; returns when that was under way."""
        if self._verified(wheel):
            return None
        if expected:
            self._counter.expect(wheel.size)
        started = time.monotonic()
        self._download(wheel, stop)
        return started, time.monotonic()

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

    def _source(self, wheel: Locked) -> Callable[[_Hashing], None]:
        """What writes the wheel: from the carried folder, else from the index."""
        carried = self.carried.find(wheel.filename, wheel.sha256) if self.carried else None
        if carried is not None:
            return lambda sink: self._copy(carried, sink)
        if self.index is None:
            raise SkippedError(
                f"{wheel.filename} with sha256 {wheel.sha256[:12]}... is not among the carried wheels",
                tip="carry it too, or go without --offline",
            )
        index = self.index
        try:
            file = index.find(wheel.filename, wheel.sha256)
        except (IndexUnavailableError, NotOnIndexError) as error:
            if not wheel.carried:
                raise
            raise SkippedError(
                f"{wheel.filename} with sha256 {wheel.sha256[:12]}... was carried when it was locked, and is not now",
                tip="name its folder with --wheelhouse",
            ) from error
        return lambda sink: index.download(file, sink, self._counter.add)  # type: ignore[arg-type]

    def _copy(self, path: Path, sink: _Hashing) -> None:
        """A copy, and no link: what happens to the user's own file later must not happen here."""
        with path.open("rb") as source:
            while chunk := source.read(2**20):
                sink.write(chunk)
                self._counter.add(len(chunk))

    def _download(self, wheel: Locked, stop: threading.Event) -> None:
        bring = self._source(wheel)
        path = self.path(wheel)
        beside = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.work.mkdir(parents=True, exist_ok=True)
            fd, name = tempfile.mkstemp(prefix="part-", dir=self.work)
            beside = Path(name)
            with os.fdopen(fd, "w+b") as sink:
                hashing = _Hashing(sink, stop)
                bring(hashing)
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
    """Adds up bytes of parallel downloads, and tells them once somebody listens."""

    def __init__(self) -> None:
        self._progress: Progress = Silent()
        self._total = self._received = 0
        self._lock = threading.Lock()

    def tell(self, progress: Progress) -> None:
        self._progress = progress

    def expect(self, count: int) -> None:
        with self._lock:
            self._total += count

    def add(self, count: int) -> None:
        with self._lock:
            self._received += count
            self._progress.transfer(self._received, self._total)


def _covered(spans: Iterable[_Span]) -> float:
    """Seconds that at least one of the spans covers."""
    covered, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        covered += max(0.0, end - max(start, until))
        until = max(until, end)
    return covered
