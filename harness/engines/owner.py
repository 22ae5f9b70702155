"""Who owns what a run leaves on the machine, and whether that owner is still alive.

Each harness process holds a lock on a file of its own, marks containers and volumes with the file's
name, and keeps its unfinished files in a folder of that name. The kernel releases the lock when the
process ends, SIGKILL included, so an owner is dead exactly when its lock can be taken. An owner whose
file this cache does not know belongs to somebody else (another user, another machine behind the same
engine): never touched.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.errors import EnvironmentLacksError


@dataclass
class Owner:
    """One living harness process."""

    name: str
    owners: Owners
    """Among whom it is one."""
    folder: Path
    """For what it leaves unfinished: partial downloads, sandboxes. On the cache's file system."""
    abandoned: bool = False
    """Set where something could not be removed: the owner then counts as dead, and the next start removes it."""


class Owners:
    """The lock files below one cache folder."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.folder = cache / "owners"
        self.work = cache / "work"

    @contextmanager
    def enroll(self) -> Iterator[Owner]:
        """Be an owner until the end of the block.

        Raises:
            EnvironmentLacksError: the cache folder cannot be written to.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.work.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EnvironmentLacksError(
                f"the cache folder {self.folder.parent} cannot be written to: {error.strerror}",
                tip="mend it, or set XDG_CACHE_HOME to another",
            ) from error
        name = secrets.token_hex(8)
        path, beside = self.folder / f"{name}.lock", self.folder / f"{name}.new"
        with beside.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            beside.rename(path)  # never seen without its lock, by which another would take it for dead
            owner = Owner(name, self, self.work / name)
            owner.folder.mkdir(parents=True)
            try:
                yield owner
            finally:
                if not any(owner.folder.iterdir()):  # what was kept on purpose stays, with its owner's name
                    owner.folder.rmdir()
                if not owner.abandoned:
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

    def clear(self, name: str) -> None:
        """Remove a dead owner's folder."""
        shutil.rmtree(self.work / name, ignore_errors=True)

    def forget(self, name: str) -> None:
        """Remove a dead owner's name; its folder and its containers must be gone."""
        (self.folder / f"{name}.lock").unlink(missing_ok=True)
