"""Who owns what a run leaves on the machine, and whether that owner is still alive.

Each harness process holds a lock on a file of its own, and marks containers, volumes and folders
with the file's name. The kernel releases the lock when the process ends, SIGKILL included, so an
owner is dead exactly when its lock can be taken. An owner whose file this cache does not know
belongs to somebody else (another user, another machine behind the same engine): never touched.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Owners:
    """The lock files below one cache folder."""

    def __init__(self, cache: Path) -> None:
        self.folder = cache / "owners"

    @contextmanager
    def enroll(self) -> Iterator[str]:
        """Be an owner until the end of the block; gives the owner's name."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = secrets.token_hex(8)
        path = self.folder / f"{name}.lock"
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                yield name
            finally:
                path.unlink(missing_ok=True)

    def is_dead(self, name: str) -> bool:
        """Whether this cache knows the owner, and its process is gone."""
        path = self.folder / f"{name}.lock"
        try:
            fd = os.open(path, os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            return True
        finally:
            os.close(fd)

    def dead(self) -> list[str]:
        """Every owner that died without cleaning up."""
        if not self.folder.is_dir():
            return []
        return [path.stem for path in sorted(self.folder.glob("*.lock")) if self.is_dead(path.stem)]

    def forget(self, name: str) -> None:
        """Call when nothing of a dead owner is left."""
        (self.folder / f"{name}.lock").unlink(missing_ok=True)
