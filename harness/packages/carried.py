"""Wheels that the user carries in a folder: builds that no index has, or all that a machine without a network needs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from packaging.utils import canonicalize_name, parse_wheel_filename

from harness.errors import InputError
from harness.packages.index import File
from harness.packages.wheel import is_wheel_filename


@dataclass(frozen=True)
class Carried:
    """The wheels of one folder, as they lay there when it was read."""

    folder: Path
    paths: tuple[Path, ...]
    """By name."""

    @classmethod
    def at(cls, folder: Path) -> Carried:
        """Read a folder; what is no wheel is left alone.

        Raises:
            InputError: there is no such folder, or no wheel in it.
        """
        try:
            found = sorted(path for path in folder.iterdir() if path.suffix == ".whl" and path.is_file())
        except OSError as error:
            raise InputError(
                f"the wheels in {str(folder)!a} cannot be read: {error.strerror}", tip="name a folder"
            ) from None
        paths = tuple(path.absolute() for path in found if is_wheel_filename(path.name))
        if not paths:
            raise InputError(f"there is no wheel in {str(folder)!a}", tip="name the folder that has them")
        return cls(folder.absolute(), paths)

    def of(self, name: str) -> tuple[File, ...]:
        """The wheels of a distribution, without upload times."""
        return tuple(
            File(path.name, version, path.as_uri(), sha256_of(path), path.stat().st_size, None, False, None)
            for path in self.paths
            for found, version, _, _ in [parse_wheel_filename(path.name)]
            if found == canonicalize_name(name)
        )

    def find(self, filename: str, sha256: str) -> Path | None:
        """A wheel by its name and hash."""
        path = next((path for path in self.paths if path.name == filename), None)
        return path if path is not None and sha256_of(path) == sha256 else None


@cache
def sha256_of(path: Path) -> str:
    """Taken once; whoever copies the file hashes what it copies."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
