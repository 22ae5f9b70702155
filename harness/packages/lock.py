"""Locks: the exact wheels of one job, or of requests that share an environment, in two forms: PEP 751 `pylock.toml`
and hashed `requirements.txt`.

Neither names a host: a wheel is found again by its name and sha256 in whichever index is configured.
`lock_sha256` is the sha256 of the requirements file, so `sha256sum` checks it.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import tomli_w
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from harness.errors import InputError
from harness.files import replacing
from harness.job import Request, Target, compact_instant, iso_instant
from harness.packages.wheel import is_sha256, is_wheel_filename

TOOL = "footprint-harness"
LABEL_CHARS = 100


class Asked(Protocol):
    """What a lock answers: a `Job`, or several requests `CombinedRequest`."""

    @property
    def request(self) -> Request | str: ...
    @property
    def target(self) -> Target: ...
    @property
    def variant(self) -> str: ...
    @property
    def as_of(self) -> datetime: ...
    @property
    def lock_key(self) -> str:
        """Names all that the resolution depends on."""


@dataclass(frozen=True)
class CombinedRequest:
    """Several requests that share one resolution: everything that one environment holds."""

    requests: tuple[Request, ...]
    target: Target
    as_of: datetime
    variant: str = "pypi"

    @property
    def request(self) -> str:
        return " ".join(map(str, self.requests))

    @property
    def lock_key(self) -> str:
        label = "_".join(_label(one) for one in self.requests)
        if len(label) > LABEL_CHARS:  # a file's name has at most 255 characters
            digest = hashlib.sha256(self.request.encode()).hexdigest()[:8]
            label = f"{_label(self.requests[0])}_and-{len(self.requests) - 1}-more-{digest}"
        instant = compact_instant(self.as_of)
        return "-".join((label, self.target.tag, self.target.platform, self.variant, instant))


def _label(request: Request) -> str:
    return "+".join((request.name, *request.extras)) + (f"-{request.version}" if request.version else "")


@dataclass(frozen=True, order=True)
class Locked:
    """One wheel of a lock."""

    name: str
    version: str
    filename: str
    sha256: str
    size: int
    upload_time: datetime | None
    """None: of a wheel that a user carried here, of which no index told."""
    yanked: bool = False

    @property
    def carried(self) -> bool:
        return self.upload_time is None


@dataclass(frozen=True)
class Lock:
    """All wheels of one resolution, by name."""

    wheels: tuple[Locked, ...]
    resolver: str = ""
    """The program that chose, with its version."""

    @property
    def requirements(self) -> str:
        """Hashed requirements, which pip and uv install offline."""
        return "".join(f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n" for wheel in sorted(self.wheels))

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.requirements.encode()).hexdigest()

    @property
    def download_bytes(self) -> int:
        return sum(wheel.size for wheel in self.wheels)

    def of(self, name: str) -> Locked:
        """The wheel of one distribution; KeyError where it has none."""
        for wheel in self.wheels:
            if wheel.name == name:
                return wheel
        raise KeyError(name)

    def to_pylock(self, asked: Asked) -> str:
        """The lock as a PEP 751 document. https://packaging.python.org/en/latest/specifications/pylock-toml/"""
        from packaging.pylock import Package, PackageWheel, Pylock  # here: a forecast needs no such document

        packages = [
            Package(
                name=canonicalize_name(wheel.name),
                version=Version(wheel.version),
                wheels=[
                    PackageWheel(
                        name=wheel.filename,
                        path=f"wheels/{wheel.filename}",
                        size=wheel.size,
                        upload_time=wheel.upload_time,
                        hashes={"sha256": wheel.sha256},
                    )
                ],
                tool={TOOL: {"carried": True}} if wheel.carried else {TOOL: {"yanked": True}} if wheel.yanked else None,
            )
            for wheel in sorted(self.wheels)
        ]
        document = Pylock(
            lock_version=Version("1.0"),
            created_by=TOOL,
            requires_python=SpecifierSet(f"=={asked.target.python_version}.*"),
            packages=packages,
            tool={
                TOOL: {
                    "request": str(asked.request),
                    "target": str(asked.target),
                    "variant": asked.variant,
                    "as-of": iso_instant(asked.as_of),
                    "resolver": self.resolver,
                }
            },
        )
        return tomli_w.dumps(dict(document.to_dict()))


def parse_pylock(text: str, *, name: str = "lock") -> Lock:
    """Read a lock that `to_pylock` wrote.

    Raises:
        InputError: it is not one.
    """
    from packaging.pylock import Pylock, PylockValidationError

    try:
        raw: dict[str, Any] = tomllib.loads(text)
        document = Pylock.from_dict(raw)
        wheels = []
        for package in document.packages:
            (wheel,) = package.wheels or []
            told = (package.tool or {}).get(TOOL, {})
            known = wheel.upload_time is not None or told.get("carried") is True
            if wheel.size is None or wheel.name is None or not known:
                raise InputError(f"{name}: {package.name} lacks size, upload time or name")
            # both become parts of a path in the wheelhouse
            if not is_wheel_filename(wheel.name) or not is_sha256(wheel.hashes["sha256"]) or wheel.size < 0:
                raise InputError(f"{name}: {package.name} has a wheel that cannot be one: {wheel.name!a}")
            wheels.append(
                Locked(
                    name=package.name,
                    version=str(package.version),
                    filename=wheel.name,
                    sha256=wheel.hashes["sha256"],
                    size=wheel.size,
                    upload_time=wheel.upload_time,
                    yanked=bool(told.get("yanked")),
                )
            )
        resolver = (document.tool or {}).get(TOOL, {}).get("resolver", "")
    except (tomllib.TOMLDecodeError, PylockValidationError, ValueError, KeyError, AttributeError) as error:
        raise InputError(f"{name} is not a lock of this harness: {error}", tip="lock again with --relock") from error
    return Lock(wheels=tuple(sorted(wheels)), resolver=str(resolver))


def _read(path: Path) -> Lock:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}", tip="lock again with --relock") from error
    return parse_pylock(text, name=str(path))


class LockStore:
    """`results/locks/<lock key of what was asked>-<start of sha256>/`: content-addressed, so none is overwritten."""

    def __init__(self, folder: Path, *others: Path) -> None:
        """
        Args:
            folder: where locks are written, and found again for what is asked once more.
            others: where those that a record names are looked for too.
        """
        self.folder = folder
        self.folders = (folder, *others)

    def find(self, asked: Asked) -> Lock | None:
        """The newest lock of this that was written here, if there is one."""
        found = list(self.folder.glob(f"{asked.lock_key}-*/pylock.toml"))
        if not found:
            return None
        newest = max(found, key=lambda path: (path.stat().st_mtime_ns, path))
        return _read(newest)

    def by_sha256(self, sha256: str) -> Lock:
        """The lock that a record names.

        Raises:
            InputError: it is not there, or altered.
        """
        wrong: InputError | None = None
        for path in (path for folder in self.folders for path in folder.glob(f"*-{sha256[:12]}/pylock.toml")):
            try:
                lock = _read(path)
            except InputError as error:
                wrong = wrong or error
                continue
            if lock.sha256 == sha256:
                return lock
            wrong = wrong or InputError(f"{path} was altered: its sha256 is {lock.sha256}, not {sha256}")
        folders = " or ".join(map(str, self.folders))
        raise wrong or InputError(f"no lock with sha256 {sha256[:12]}... in {folders}")

    def add(self, asked: Asked, lock: Lock) -> Path:
        """Write both forms, unless they are here or in one of the other places; returns their folder."""
        name = f"{asked.lock_key}-{lock.sha256[:12]}"
        for folder in self.folders:
            if (folder / name / "pylock.toml").is_file():  # written last, so both are there
                return folder / name
        place = self.folder / name
        place.mkdir(parents=True, exist_ok=True)
        for name, text in (("requirements.txt", lock.requirements), ("pylock.toml", lock.to_pylock(asked))):
            with replacing(place / name) as file:  # several builds may have the same lock
                file.write(text)
        return place
