"""The archive of records: one immutable JSON file each, `results/records/<framework>/<record_id>.json`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.errors import EnvironmentLacksError, InputError
from harness.record import Record, parse_record


class Store:
    """Records below one results folder."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self.folder = results / "records"

    def prepare(self) -> None:
        """Say now, not after an hour of measuring, that a record could not be written.

        Raises:
            InputError: the folder is a file, a link loop, or cannot be written to.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder, prefix=".probe-") as file:
                file.write(b"x" * 65536)
                file.flush()
        except OSError as error:
            raise InputError(
                f"the results folder {self.results} cannot be written to: {error.strerror}",
                tip="free or fix it, or choose another with --results",
            ) from None

    def add(self, record: Record) -> Path:
        """Write a record under its own name, whole or not at all; an existing one is never replaced.

        Raises:
            EnvironmentLacksError: it cannot be written.
        """
        folder = self.folder / record.framework
        path = folder / f"{record.record_id}.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            fd, beside = tempfile.mkstemp(prefix=".record-", dir=folder)
            try:
                with os.fdopen(fd, "w", encoding="utf-8") as file:
                    file.write(record.to_json())
                    file.flush()
                    os.fsync(file.fileno())
                os.chmod(beside, 0o644)
                os.link(beside, path)  # fails where the name is taken, as a rename would not
            finally:
                os.unlink(beside)
        except OSError as error:
            raise EnvironmentLacksError(f"the record cannot be written to {path}: {error.strerror}") from error
        return path

    def has(self, record_id: str) -> bool:
        """Whether there is a record of that id."""
        return any(self.folder.glob(f"*/{glob_escape(record_id)}.json"))

    def read(self, name: str) -> Record:
        """One record, by its path or its id.

        Raises:
            InputError: there is none, or it is not valid.
        """
        path = Path(name)
        if not path.is_file():
            found = sorted(self.folder.glob(f"*/{glob_escape(name)}.json"))
            if not found:
                raise InputError(f"there is no record {name!r}", tip=f"give a path, or an id from {self.folder}")
            path = found[0]
        return parse_record(path.read_bytes(), name=str(path))

    def all(self, torn: Callable[[Path, str], None]) -> Iterator[Record]:
        """Every valid record, in order of their names; an invalid one is told to `torn` and left alone."""
        for path in sorted(self.folder.glob("*/*.json")):
            try:
                yield parse_record(path.read_bytes(), name="it")
            except InputError as error:
                torn(path, error.message)
            except OSError as error:
                torn(path, f"it cannot be read: {error.strerror}")


def glob_escape(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
