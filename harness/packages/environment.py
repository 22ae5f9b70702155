"""Environments: several requests locked together, and installed into an open sandbox, offline.

What a runtime needs is locked by uv outside of any sandbox, from the index, from wheels that the user carries, or from
these alone; and installed inside of one, as everything that is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_wheel_filename

from harness.engines.sandbox import Engine, Limits, Sandbox, probe
from harness.errors import MeasurementError
from harness.job import Request, Target
from harness.packages import tools as toolbox
from harness.packages import uv_resolve
from harness.packages import wheel as wheels
from harness.packages.carried import Carried
from harness.packages.index import File, Index
from harness.packages.lock import CombinedRequest, Lock, Locked, LockStore
from harness.packages.platforms import choose, tags
from harness.packages.resolve import locked
from harness.packages.tools import Tools
from harness.packages.wheelhouse import Wheelhouse
from harness.progress import Progress


@dataclass(frozen=True)
class Shop:
    """What environments are made with."""

    engine: Engine
    index: Index
    cache: Path
    work: Path
    """For what is unfinished, on the cache's file system."""
    locks: LockStore
    progress: Progress
    carried: Carried | None = None
    """Wheels that come before the index's."""
    offline: bool = False
    """Whether the index is left alone: only what is cached or carried will do."""
    limits: Limits = field(default_factory=Limits)
    """Of installing."""

    @property
    def source(self) -> Index | None:
        return None if self.offline else self.index

    def uv(self, target: Target) -> Tools:
        """uv, which locks here and installs in the sandbox."""
        return toolbox.prepare(
            "uv",
            target,
            cache=self.cache,
            work=self.work,
            index=self.source,
            engine=None,
            progress=self.progress,
            carried=self.carried,
        )


@dataclass(frozen=True)
class Installed:
    """What installing came to."""

    python: str
    """Full version of the interpreter."""
    unpack_seconds: float
    failure: str | None
    """The end of the installer's output where it failed."""


@dataclass(frozen=True)
class Prepared:
    """An environment in a sandbox."""

    lock: Lock
    """What is in it; the store has it."""
    installed_bytes: int
    """What the installation added, each inode once, without bytecode: as in a record of a footprint."""


def prepare(requests: Sequence[Request], target: Target, as_of: datetime, sandbox: Sandbox, shop: Shop) -> Prepared:
    """Have an environment with these in the sandbox, `ROOT/env`.

    A lock that there is already is used again, unless another wheel is carried by now under the same name.

    Raises:
        SkippedError: offline, something that is needed is not carried.
        UnsupportedError: no wheel fits the target.
        MeasurementError: the requirements conflict, or the lock cannot be installed.
        IndexUnavailableError, EnvironmentLacksError: something could not be downloaded.
    """
    asked = ask(requests, target, as_of, shop)
    found = shop.locks.find(asked)
    if found is None or not _has_answers(found, requests, target, shop.carried):
        found = lock(requests, target, as_of, shop)
        shop.locks.add(asked, found)
    return Prepared(found, install(found, target, sandbox, shop))


def ask(requests: Sequence[Request], target: Target, as_of: datetime, shop: Shop) -> CombinedRequest:
    """The requests as they are resolved: pinned where a carried wheel answers one."""
    pinned = tuple(_pinned(request, answer(request, target, shop.carried)) for request in requests)
    return CombinedRequest(pinned, target, as_of, "offline" if shop.offline else "pypi")


def lock(requests: Sequence[Request], target: Target, as_of: datetime, shop: Shop) -> Lock:
    """Resolve the requests together as of an instant. Dates do not hold for carried wheels: the user chose those.

    A carried wheel is chosen for the request of its name. Beside an index nothing else of the folder is: what a
    dependency resolves to depends on the date alone.

    Raises: as `prepare`.
    """
    asked = ask(requests, target, as_of, shop)
    uv = shop.uv(target)
    if shop.offline:
        beside = shop.carried.paths if shop.carried else ()
    else:
        answers = (answer(request, target, shop.carried) for request in requests)
        beside = tuple(path for one in answers if one and (path := _path(one, shop)))
    named = ", ".join(map(str, asked.requests[:3]))
    more = f" and {len(asked.requests) - 3} more" if len(asked.requests) > 3 else ""
    shop.progress.phase("lock", f"{named}{more}, with uv")
    files = uv_resolve.resolve(
        asked.requests,
        target,
        as_of,
        index=shop.source,
        tools=uv,
        cache=shop.cache,
        work=shop.work,
        beside=beside,
    )
    exact = {request.name for request in requests if request.version is not None}
    return Lock(tuple(sorted(_locked(file, exact, shop) for file in files)), uv.describe("uv"))


def install(lock: Lock, target: Target, sandbox: Sandbox, shop: Shop) -> int:
    """Install exactly this into the sandbox, weigh it, and compile it, as every installation that is used for long is.

    Returns:
        bytes of what was installed, without bytecode.

    Raises:
        MeasurementError: a wheel is not what its hash says, is malformed, or cannot be installed.
        SkippedError: offline, a wheel is not carried.
        IndexUnavailableError, EnvironmentLacksError: one could not be downloaded.
    """
    uv = shop.uv(target)
    with Wheelhouse(shop.cache, shop.source, shop.work, shop.carried) as house:
        fetched = house.fetch(lock.wheels, shop.progress)
        for path in fetched.paths.values():
            wheels.look(path)
        with house.gathered(lock.wheels) as folder:
            requirements = folder / "requirements.txt"
            requirements.write_text(lock.requirements)
            requirements.chmod(0o644)
            installed = install_wheels(sandbox, folder, requirements, uv=uv, limits=shop.limits)
            for name in ("wheels", "requirements.txt", "uv"):
                sandbox.withdraw(name)
    if installed.failure:
        raise MeasurementError(f"uv could not install the lock: {installed.failure.strip().splitlines()[-1]}")
    weighed = probe(sandbox, "ledger", ["--root", sandbox.root], limits=shop.limits)
    compiled = probe(sandbox, "bytecode", ["--root", sandbox.root], limits=shop.limits, writable=True)
    if compiled["failure"]:
        raise MeasurementError(f"compileall failed: {compiled['failure'].strip().splitlines()[-1]}")
    return int(weighed["total"]["bytes"])


def install_wheels(
    sandbox: Sandbox, folder: Path, requirements: Path, *, pip: Tools | None = None, uv: Tools | None, limits: Limits
) -> Installed:
    """Run the install probe: the requirements, from wheels in `folder`, into the sandbox's `env`, without bytecode.

    Args:
        pip: installs, where there is no uv.
    """
    arguments = ["--root", sandbox.root, "--wheels", sandbox.expose(folder, "wheels")]
    arguments += ["--requirements", sandbox.expose(requirements, "requirements.txt")]
    arguments += ["--pip", sandbox.expose(pip.folder, "tools")] if pip else []
    arguments += ["--uv", sandbox.expose(uv.folder, "uv") + "/bin/uv"] if uv else []
    found = probe(sandbox, "install", arguments, limits=limits, writable=True)
    return Installed(found["python"], found["unpack_seconds"], found["failure"])


def answer(request: Request, target: Target, carried: Carried | None) -> File | None:
    """The carried wheel that a request gets: of the newest version that fits, pre-releases last. `==2.3.0` is answered
    by `2.3.0+cpu` too, as installers do (PEP 440)."""
    wanted = SpecifierSet(f"=={request.version}" if request.version else "", prereleases=True)
    files = [file for file in (carried.of(request.name) if carried else ()) if wanted.contains(file.version)]
    # finals above pre-releases, then by version; the highest first
    for version in sorted({file.version for file in files}, key=lambda one: (not one.is_prerelease, one), reverse=True):
        if found := choose([file for file in files if file.version == version], tags(target)):
            return found
    return None


def _has_answers(lock: Lock, requests: Sequence[Request], target: Target, carried: Carried | None) -> bool:
    """Whether the lock has the very files that are carried for these requests."""
    answers = (answer(request, target, carried) for request in requests)
    files = {(wheel.filename, wheel.sha256) for wheel in lock.wheels}
    return all((one.filename, one.sha256) in files for one in answers if one is not None)


def _pinned(request: Request, answer: File | None) -> Request:
    return replace(request, version=answer.version) if answer else request


def _path(file: File, shop: Shop) -> Path | None:
    return shop.carried.find(file.filename, file.sha256) if shop.carried else None


def _locked(file: File, exact: set[str], shop: Shop) -> Locked:
    """The file as a lock names it; of what was asked for by its version the index tells whether it was yanked."""
    name = canonicalize_name(parse_wheel_filename(file.filename)[0])
    if _path(file, shop) is not None and file.upload_time is None:
        assert file.size is not None
        return Locked(name, str(file.version), file.filename, file.sha256, file.size, None)
    if name in exact and shop.source is not None:
        file = shop.source.find(file.filename, file.sha256)
    return locked(name, file)
