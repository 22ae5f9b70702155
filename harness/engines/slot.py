"""The host's slot for timing: builds share the host, whatever is timed has it alone.

A lock between all harness processes of a machine, whoever started them: two that time at once would measure each
other. The kernel releases it when a process ends, SIGKILL included.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import EnvironmentLacksError
from harness.progress import Progress, Silent

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a place that all users of a host share is what a lock between them needs
POLL_SECONDS = 0.02
SILENT = Silent()
PATIENCE_SECONDS = 2.0
"""After which waiting is told."""


def _default_folder() -> Path:
    """One for the whole host: a service's private /tmp would hide the lock from everybody else."""
    return SHARED_MEMORY if SHARED_MEMORY.is_dir() else Path(tempfile.gettempdir())


@dataclass(frozen=True)
class Slot:
    """A folder that is locked, shared or alone, and a file in it.

    The folder itself is what is locked: a file could be removed, as logind removes a user's shared memory when the
    user logs out, and the next one would lock another. `footprint-harness.gate` is passed by whoever wants the folder
    and closed by whoever waits for it: else builds that follow each other would never let anything be timed.
    """

    folder: Path | None = None
    """None: the host's own, for all users."""

    @contextmanager
    def shared(self, progress: Progress = SILENT) -> Iterator[None]:
        """Be on the host together with other builds, and with nothing that is timed.

        Args:
            progress: is told, once, whom this waits for, and may end the waiting.

        Raises:
            EnvironmentLacksError: the locks cannot be had.
        """
        with self._held(fcntl.LOCK_SH, progress):
            yield

    @contextmanager
    def alone(self, progress: Progress = SILENT) -> Iterator[datetime]:
        """Have the host alone, and be told since when; arguments and errors as for `shared`."""
        with self._held(fcntl.LOCK_EX, progress):
            yield datetime.now(UTC)

    @contextmanager
    def _held(self, how: int, progress: Progress) -> Iterator[None]:
        slot = self._open()
        try:
            gate = self._open("footprint-harness.gate")
            try:
                patience = _Patience(progress)
                _take(gate, fcntl.LOCK_EX, patience)
                _take(slot, how, patience)
            finally:
                os.close(gate)
            yield
        finally:
            os.close(slot)

    def _open(self, name: str = "") -> int:
        """Read-only is enough for `flock`, so that a file of another user will do; without a name the folder."""
        path = (self.folder or _default_folder()) / name
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            try:
                return os.open(path, flags)
            except FileNotFoundError:
                try:
                    return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o644)
                except FileExistsError:
                    return os.open(path, flags)
        except OSError as error:
            raise EnvironmentLacksError(
                f"the lock of this host's timing slot cannot be had: {path}: {error.strerror}",
                tip="let its owner remove it while no harness runs",
            ) from error


@dataclass
class _Patience:
    """Says once that somebody is waited for."""

    progress: Progress
    told: bool = False
    since: float = 0.0

    def wait(self, fd: int) -> None:
        now = time.monotonic()
        self.since = self.since or now
        if not self.told and now - self.since > PATIENCE_SECONDS:
            self.told = True
            whom = ", ".join(str(pid) for pid in holders(os.fstat(fd).st_ino) if pid != os.getpid())
            self.progress.note(f"waiting for the host: process {whom} is using it" if whom else "waiting for the host")
        self.progress.alive()
        time.sleep(POLL_SECONDS)


def _take(fd: int, how: int, patience: _Patience) -> None:
    while True:  # never blocked inside the kernel: a thread there could not be stopped
        try:
            fcntl.flock(fd, how | fcntl.LOCK_NB)
        except BlockingIOError:
            patience.wait(fd)
        else:
            return


def holders(inode: int) -> list[int]:
    """Processes that hold a lock on a file, as the kernel tells them; none where it does not.

    https://man7.org/linux/man-pages/man5/proc_locks.5.html
    """
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return []
    fields = [line.split() for line in lines if "->" not in line]
    return sorted({int(one[4]) for one in fields if len(one) > 5 and one[5].rsplit(":", 1)[-1] == str(inode)})
