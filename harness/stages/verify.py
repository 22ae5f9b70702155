"""Verify a forecast against a measurement, file by file.

A wheel's files lie on the disk as its central directory tells, but for what the installer writes itself: RECORD,
INSTALLER, REQUESTED, direct_url.json and scripts. With those of the record added, nothing may be left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from posixpath import normpath

from harness.documents.base import FileLine
from harness.documents.footprint import Record
from harness.packages.directory import Entry


@dataclass(frozen=True)
class Account:
    """One file that is not as it lies in its wheel."""

    path: str
    """In the environment."""
    forecast_bytes: int | None
    """What the central directory tells of it; None: it is in no wheel."""
    installed_bytes: int | None
    """What was measured; None: another distribution's file lies in its place."""
    why: str

    @property
    def difference(self) -> int:
        return (self.installed_bytes or 0) - (self.forecast_bytes or 0)


@dataclass(frozen=True)
class Checked:
    """One distribution: what was forecast, what was measured, and every file between the two."""

    name: str
    version: str
    forecast_files: int
    forecast_bytes: int
    measured_files: int
    measured_bytes: int
    accounts: tuple[Account, ...]
    directory_agrees: bool
    """Whether the unpacked size of the wheel that was downloaded is that of the directory read by range."""

    @property
    def rest_files(self) -> int:
        """Files that nothing accounts for: 0."""
        added = sum(one.forecast_bytes is None for one in self.accounts)
        gone = sum(one.installed_bytes is None for one in self.accounts)
        return self.measured_files - self.forecast_files - added + gone

    @property
    def rest_bytes(self) -> int:
        """Bytes that nothing accounts for: 0."""
        return self.measured_bytes - self.forecast_bytes - sum(one.difference for one in self.accounts)


@dataclass(frozen=True)
class Verified:
    """What a comparison of a forecast with a record found."""

    record: Record
    distributions: tuple[Checked, ...]
    """The largest first."""
    unowned_bytes: int
    """Installed bytes that belong to no distribution of the lock."""
    other_wheels: tuple[str, ...] = ()
    """Wheels that only one of the two locks has, pip's in the record and uv's now; empty where they are the same."""

    @property
    def forecast_bytes(self) -> int:
        return sum(one.forecast_bytes for one in self.distributions)

    @property
    def rest_bytes(self) -> int:
        return sum(abs(one.rest_bytes) for one in self.distributions) + self.unowned_bytes

    @property
    def holds(self) -> bool:
        """Whether the forecast was right: the same wheels, and every byte accounted for."""
        return (
            not self.other_wheels
            and self.rest_bytes == 0
            and all(one.rest_files == 0 and one.directory_agrees for one in self.distributions)
        )


def verify(record: Record, entries: Mapping[str, Sequence[Entry]], other_wheels: Sequence[str] = ()) -> Verified:
    """Hold what the central directories tell against what was measured.

    Args:
        record: one whose ledger lists what the installer wrote.
        entries: distribution -> the files of its wheel; of every wheel in the record's lock.
        other_wheels: what another lock of the same job has differently.
    """
    assert record.ledger is not None and record.ledger.written is not None
    site = f"lib/python{record.python}/site-packages"
    places = {
        name: {installed(one.path, site, record.python, name): one for one in files} for name, files in entries.items()
    }
    written: dict[str, list[FileLine]] = {}
    for line in record.ledger.written:
        written.setdefault(line.distribution, []).append(line)
    owners: dict[str, str] = {}
    for name in sorted(places):  # as the ledger does: the first in alphabetical order has a file that two claim
        for path in places[name]:
            owners.setdefault(path, name)
    measured = {line.name: line for line in record.ledger.distributions}
    downloaded = {wheel.name: wheel for wheel in record.wheels}
    checked = []
    for name, files in places.items():
        seen = measured.get(name)
        forecast_bytes = sum(one.bytes for one in files.values())
        unpacked = downloaded[name].unpacked_bytes if name in downloaded else None
        checked.append(
            Checked(
                name=name,
                version=downloaded[name].version if name in downloaded else "",
                forecast_files=len(files),
                forecast_bytes=forecast_bytes,
                measured_files=seen.files if seen else 0,
                measured_bytes=seen.bytes if seen else 0,
                accounts=tuple(_accounts(name, files, written.get(name, ()), owners)),
                directory_agrees=unpacked == forecast_bytes,
            )
        )
    rest = sum(line.bytes for line in record.ledger.distributions if line.name not in places)
    ordered = sorted(checked, key=lambda one: (-one.measured_bytes, one.name))
    return Verified(record, tuple(ordered), rest, tuple(other_wheels))


def _accounts(
    name: str, files: Mapping[str, Entry], written: Sequence[FileLine], owners: Mapping[str, str]
) -> list[Account]:
    found = []
    by_installer = {line.path: line.bytes for line in written}
    for path in sorted(files.keys() | by_installer.keys()):
        forecast = files[path].bytes if path in files else None
        if path in by_installer:
            if forecast != by_installer[path]:
                why = "written by the installer" if forecast is None else "rewritten by the installer"
                found.append(Account(path, forecast, by_installer[path], why))
        elif owners[path] != name:
            found.append(Account(path, forecast, None, f"the same path is in {owners[path]}"))
    return found


def installed(path: str, site: str, python: str, distribution: str) -> str:
    """Where a wheel's file comes to lie in an environment.

    https://packaging.python.org/en/latest/specifications/binary-distribution-format/#the-data-directory
    """
    first, _, rest = path.partition("/")
    if not first.endswith(".data") or not rest:
        return f"{site}/{path}"
    scheme, _, rest = rest.partition("/")
    top = {
        "purelib": site,
        "platlib": site,
        "scripts": "bin",
        "headers": f"include/site/python{python}/{distribution}",
        "data": ".",
    }
    return normpath(f"{top.get(scheme, site)}/{rest}")
