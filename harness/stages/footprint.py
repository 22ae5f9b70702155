"""The footprint stage: what one framework version weighs, and what its import costs.

Two parts: `build` locks and downloads, and may share the host with other builds; `time` installs and imports, and has
the host alone. `measure` is both. Each step adds what it found to a `Builder`, so that a measurement that ends early
keeps every figure it reached.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from harness.documents import footprint as record
from harness.documents.base import Environment, LockedWheel
from harness.engines import host
from harness.engines.sandbox import Engine, EngineFacts, Limits, Sandbox, probe
from harness.engines.slot import Slot
from harness.errors import HarnessError, MeasurementError, Status, UnsupportedError
from harness.job import Job, compact_instant
from harness.packages import requirements
from harness.packages import tools as toolbox
from harness.packages import wheel as wheels
from harness.packages.environment import install_wheels
from harness.packages.index import Index
from harness.packages.lock import Lock, Locked, LockStore
from harness.packages.resolve import prefetch, resolve
from harness.packages.tools import Tools
from harness.packages.wheelhouse import Wheelhouse
from harness.progress import Progress


@dataclass(frozen=True)
class Settings:
    """How to measure; none of it names what is measured."""

    repeats: int = 5
    """Warm imports; cold ones are at most three."""
    limits: Limits = field(default_factory=Limits)
    relock: bool = False
    keep: bool = False
    """Leave the sandbox behind, to look inside."""

    @property
    def cold_repeats(self) -> int:
        return min(self.repeats, 3)


@dataclass(frozen=True)
class Workshop:
    """What a measurement works with."""

    engine: Engine
    index: Index
    cache: Path
    work: Path
    """For what is unfinished, on the cache's file system."""
    locks: LockStore
    progress: Progress
    slot: Slot = field(default_factory=Slot)


@dataclass
class Builder:
    """A record in the making."""

    phase: str = "plan"
    figures: dict[str, Any] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    samples: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    wheels: dict[Locked, wheels.Wheel] = field(default_factory=dict)
    """Every wheel of the lock, looked into."""


@dataclass(frozen=True)
class Built:
    """A job whose wheels are on this machine's disk, or that ended before; `time` goes on from here."""

    job: Job
    measured_at: datetime
    builder: Builder
    lock: Lock | None
    """None where it ended before there was one."""
    status: Status = "ok"
    reason: str | None = None


Found = TypeVar("Found")


def measure(job: Job, workshop: Workshop, settings: Settings, *, lock: Lock | None = None) -> record.Record:
    """Measure one job. A failure of the measurement is a record, not an exception.

    Args:
        lock: install exactly this (a replay); else the job's lock is reused or made.

    Raises:
        KeyboardInterrupt: interrupted; nothing is left behind.
    """
    return time(build(job, workshop, settings, lock=lock), workshop, settings)


def build(job: Job, workshop: Workshop, settings: Settings, *, lock: Lock | None = None) -> Built:
    """Have the job's wheels on disk; arguments and errors as for `measure`."""
    measured_at = datetime.now(UTC)
    builder = Builder(
        environment=host.environment() | {"memory_limit_bytes": settings.limits.memory_bytes},
        fields={"import_package": job.import_package},
    )
    steps = _Measurement(job, workshop, settings, builder)
    found, status, reason = _ended(lambda: steps.build(lock))
    return Built(job, measured_at, builder, found, status, reason)


def time(built: Built, workshop: Workshop, settings: Settings) -> record.Record:
    """Install and import what was built, with the host alone; errors as for `measure`."""
    status, reason = built.status, built.reason
    if built.status == "ok" and built.lock is not None:
        steps, lock = _Measurement(built.job, workshop, settings, built.builder), built.lock
        _, status, reason = _ended(lambda: steps.time(lock))
    return _finish(built.job, built.builder, built.measured_at, status, reason)


def prepare(job: Job, workshop: Workshop) -> None:
    """Have what every job of the target needs: a base image, tools. What cannot be had is told by `build`, in a row."""
    with suppress(HarnessError, OSError):
        workshop.engine.facts(job.target)
        for name, engine in (("pip", workshop.engine), ("uv", None)):
            if name in ("pip", job.installer):
                _tools(name, job, workshop, engine)


def lost(job: Job, settings: Settings, phase: str, reason: str) -> record.Record:
    """The row of a job that ended where nobody could tell more, as when its machine went away."""
    builder = Builder(
        phase=phase,
        environment=host.environment() | {"memory_limit_bytes": settings.limits.memory_bytes},
        fields={"import_package": job.import_package},
    )
    return _finish(job, builder, datetime.now(UTC), "failed", reason)


def _ended(steps: Callable[[], Found]) -> tuple[Found | None, Status, str | None]:
    """What steps found, or how they ended."""
    try:
        return steps(), "ok", None
    except MeasurementError as error:
        return None, error.status, error.reason
    except HarnessError as error:
        return None, "failed", error.message
    except OSError as error:
        return None, "failed", f"{type(error).__name__}: {error.strerror or error}"


def _attempted(step: Callable[[], None]) -> MeasurementError | None:
    """How a step failed that others do not depend on."""
    try:
        step()
    except MeasurementError as error:
        return error
    return None


@dataclass(frozen=True)
class _Measurement:
    """One job under way. `build` and `time` name the steps in order; each writes what it found into the builder."""

    job: Job
    workshop: Workshop
    settings: Settings
    builder: Builder

    def build(self, given: Lock | None) -> Lock:
        shop = self.workshop
        self._phase("engine", f"{shop.engine.name}, {self.job.target}")
        with shop.slot.shared(shop.progress):
            self._describe_engine()
            pip, _ = self._prepare_tools()
            with Wheelhouse(shop.cache, shop.index, shop.work) as house:
                self._phase("resolve", str(self.job.request))
                lock = self._describe_lock(given or self._lock(pip, house))
                self._phase("download", f"{len(lock.wheels)} wheels of {lock.download_bytes / 1e6:,.1f} MB")
                self._download(lock, house)
        return lock

    def time(self, lock: Lock) -> None:
        shop, builder = self.workshop, self.builder
        with shop.slot.alone(shop.progress) as began_at:
            shop.engine.stop_orphans()
            builder.environment["load_1m"] = host.load_1m()
            try:
                self._time(lock)
            finally:
                builder.environment |= {"alone_from": began_at, "alone_until": datetime.now(UTC)}

    def _time(self, lock: Lock) -> None:
        shop = self.workshop
        pip, uv = self._prepare_tools()
        with Wheelhouse(shop.cache, shop.index, shop.work) as house, house.gathered(lock.wheels) as wheels:
            facts = shop.engine.facts(self.job.target)
            with shop.engine.open(self.job.target, keep=self.settings.keep) as sandbox:
                self._phase("install", f"with {self.job.installer}, offline")
                self._install(sandbox, wheels, lock, pip, uv)
                self._phase("ledger")
                self._ledger(sandbox)
                # A package that cannot be imported still gets its bytecode weighed: sizes do not depend on it.
                package = self.builder.fields["import_package"]
                self._phase("import", f"{package}, first")
                failure = _attempted(lambda: self._first_import(sandbox, package))
                self._phase("bytecode")
                self._bytecode(sandbox, facts)
                self._phase("import", f"{package}, {self.settings.repeats} warm, {self.settings.cold_repeats} cold")
                failure = failure or _attempted(lambda: self._imports(sandbox, package))
                if (
                    unmet := self._check_requirements()
                ):  # last, so that it costs no figure; it may be why an import fails
                    self._phase("check", unmet)
                    raise MeasurementError(unmet)
                if failure is not None:
                    raise failure

    def _phase(self, name: str, detail: str = "") -> None:
        self.builder.phase = name
        self.workshop.progress.phase(name, detail)

    def _describe_engine(self) -> None:
        facts = self.workshop.engine.facts(self.job.target)
        told = asdict(facts)
        self.builder.absent.update(told.pop("absent"))
        self.builder.environment.update(told)
        if facts.network_isolated is False:
            self.builder.warnings.append(
                "the measured code could reach the network: this kernel lets no user take it away"
            )

    def _prepare_tools(self) -> tuple[Tools, Tools | None]:
        """pip with what resolves, and uv where it installs; tells a phase only where there is something to do."""
        self.builder.phase = "tools"
        pip = _tools("pip", self.job, self.workshop, self.workshop.engine)
        return pip, _tools("uv", self.job, self.workshop, None) if self.job.installer == "uv" else None

    def _lock(self, pip: Tools, house: Wheelhouse) -> Lock:
        """The job's lock: the one there is, or a new one."""
        job, shop = self.job, self.workshop
        if not self.settings.relock and (found := shop.locks.find(job)) is not None:
            self.builder.absent["resolve_seconds"] = "the job's lock was there already"
            return found

        def download_ahead() -> None:
            # A failure is not this thread's to tell, on standard error least of all: fetching asks for the same
            # again and tells it then. RuntimeError: the wheelhouse was closed meanwhile.
            with suppress(HarnessError, OSError, ValueError, RuntimeError):
                house.begin(prefetch(job, shop.index))

        started = monotonic()
        ahead = threading.Thread(target=download_ahead, daemon=True)
        ahead.start()
        with shop.engine.open(job.target) as sandbox:
            lock = resolve(job, sandbox=sandbox, tools=pip, index=shop.index)
        self.builder.figures["resolve_seconds"] = round(monotonic() - started, 3)
        ahead.join()
        shop.locks.add(job, lock)
        return lock

    def _describe_lock(self, lock: Lock) -> Lock:
        builder = self.builder
        builder.fields["lock_sha256"] = lock.sha256
        builder.environment["resolver"] = lock.resolver
        builder.figures |= {
            "wheel_bytes": lock.of(self.job.request.name).size,
            "download_bytes": lock.download_bytes,
            "distributions": len(lock.wheels),
        }
        builder.fields["wheels"] = [_wheel_line(wheel) for wheel in lock.wheels]
        builder.warnings += [f"{wheel.name} {wheel.version} was yanked" for wheel in lock.wheels if wheel.yanked]
        return lock

    def _download(self, lock: Lock, house: Wheelhouse) -> None:
        """Have every wheel, verified, and look into each before anything unpacks it."""
        builder, request = self.builder, self.job.request
        fetched = house.fetch(lock.wheels, self.workshop.progress)
        if fetched.downloaded_bytes == lock.download_bytes:
            builder.figures["download_seconds"] = round(fetched.seconds, 3)
        else:
            builder.absent["download_seconds"] = "wheels were in the wheelhouse already"
        looked = builder.wheels = {wheel: wheels.look(path) for wheel, path in fetched.paths.items()}
        builder.fields["wheels"] = [_wheel_line(wheel, looked[wheel].unpacked_bytes) for wheel in lock.wheels]
        builder.figures["unpacked_bytes"] = sum(one.unpacked_bytes for one in looked.values())
        own = looked[lock.of(request.name)]
        if unknown := set(request.extras) - set(own.extras):
            raise UnsupportedError(f"{request.name} {request.version} has no extra {min(unknown)!r}")
        if builder.fields["import_package"] is None:
            if not own.top_level:
                raise UnsupportedError(f"{request.name} brings nothing that can be imported")
            builder.fields["import_package"] = own.top_level[0]

    def _install(self, sandbox: Sandbox, folder: Path, lock: Lock, pip: Tools, uv: Tools | None) -> None:
        requirements = self.workshop.locks.add(self.job, lock) / "requirements.txt"
        installed = install_wheels(sandbox, folder, requirements, pip=pip, uv=uv, limits=self.settings.limits)
        installer = uv.describe("uv") if uv else pip.describe("pip")
        self.builder.environment |= {"installer": installer, "python": installed.python}
        if installed.failure:
            raise MeasurementError(f"{self.job.installer} could not install the lock: {_last(installed.failure)}")
        self.builder.figures["unpack_seconds"] = round(installed.unpack_seconds, 4)

    def _ledger(self, sandbox: Sandbox) -> None:
        found = probe(sandbox, "ledger", ["--root", sandbox.root], limits=self.settings.limits)
        total = found.pop("total")
        for part in ("distributions", "types"):
            if (parts := sum(line["bytes"] for line in found[part])) != total["bytes"]:
                raise MeasurementError(f"the ledger's {part} sum to {parts} bytes, not {total['bytes']}")
        self.builder.fields["ledger"] = {**found, "files": total["files"]}
        self.builder.figures |= {"installed_bytes": total["bytes"], "allocated_bytes": total["allocated"]}

    def _check_requirements(self) -> str:
        """What the installation lacks, or nothing: an incomplete lock installs without a word."""
        builder = self.builder
        try:
            found = requirements.check(self.job.request, builder.wheels, self.job.target, builder.environment["python"])
        except Exception as error:  # whatever a wheel makes of it: no check costs a figure that was reached
            builder.warnings.append(f"requirements were not checked: {type(error).__name__}")
            return ""
        builder.warnings += found.odd
        more = f"; and {len(found.unmet) - 3} more" if len(found.unmet) > 3 else ""
        return "; ".join(found.unmet[:3]) + more

    def _first_import(self, sandbox: Sandbox, package: str) -> None:
        found = self._run_imports(sandbox, package, "--first")
        self.builder.samples |= {"first_bare": found["bare"], "first": found["first"]}

    def _bytecode(self, sandbox: Sandbox, facts: EngineFacts) -> None:
        limits, figures = self.settings.limits, self.builder.figures
        found = probe(sandbox, "bytecode", ["--root", sandbox.root], limits=limits, writable=True)
        if found["failure"]:
            raise MeasurementError(f"compileall failed: {_last(found['failure'])}")
        ledger = probe(sandbox, "ledger", ["--root", sandbox.root, "--bytecode"], limits=limits)
        compiled = {line["name"]: line["bytes"] for line in ledger["distributions"]}
        kept = self.builder.fields["ledger"]
        kept["distributions"] = [
            {**line, "bytecode_bytes": compiled.get(line["name"], 0)} for line in kept["distributions"]
        ]
        figures["bytecode_bytes"] = ledger["total"]["bytes"]
        figures["bytecode_seconds"] = round(found["bytecode_seconds"], 4)
        figures["install_seconds"] = round(figures["unpack_seconds"] + figures["bytecode_seconds"], 4)
        if facts.image_base_bytes is not None:
            figures["image_bytes"] = facts.image_base_bytes + figures["installed_bytes"] + figures["bytecode_bytes"]

    def _imports(self, sandbox: Sandbox, package: str) -> None:
        settings, builder = self.settings, self.builder
        repeats = ("--repeats", str(settings.repeats), "--cold-repeats", str(settings.cold_repeats))
        found = self._run_imports(sandbox, package, *repeats)
        builder.samples |= {name: found[name] for name in ("bare", "warm", "cold")}
        builder.fields["import_tree"] = found["importtime"]
        builder.figures["import_touched_bytes"] = found["touched"]["bytes"]
        builder.figures["import_resident_bytes"] = found["touched"]["resident_bytes"]
        if not found["cold"]:
            builder.absent["import_cold_seconds"] = (
                f"the file cache kept {found['cached_share']:.0%} of the touched files when asked to drop them"
            )

    def _run_imports(self, sandbox: Sandbox, package: str, *arguments: str) -> dict[str, Any]:
        limits = self.settings.limits
        everything = ["--root", sandbox.root, "--package", package, "--timeout", str(limits.seconds)]
        everything += ["--memory", str(limits.memory_bytes), *arguments]
        # the probe ends the import itself and says why; the sandbox's own limit is behind it
        found = probe(sandbox, "imports", everything, limits=replace(limits, seconds=limits.seconds + 30))
        if failure := found["failure"]:
            detail = {
                "timeout": f"timeout: the import was still running after {limits.seconds:.0f} s",
                "oom": f"oom: the import needed more than {limits.memory_bytes / 2**20:.0f} MiB",
            }.get(failure["kind"], failure["detail"])
            raise MeasurementError(detail)
        return found


def _tools(name: str, job: Job, shop: Workshop, engine: Engine | None) -> Tools:
    return toolbox.prepare(
        name,
        job.target,
        cache=shop.cache,
        work=shop.work,
        index=shop.index,
        engine=engine,
        progress=shop.progress,
    )


def _wheel_line(wheel: Locked, unpacked: int | None = None) -> LockedWheel:
    return LockedWheel(
        name=wheel.name, version=wheel.version, bytes=wheel.size, unpacked_bytes=unpacked, yanked=wheel.yanked
    )


def _last(output: str) -> str:
    """The last line of a program's output."""
    return output.strip().splitlines()[-1]


def _finish(job: Job, builder: Builder, measured_at: datetime, status: Status, reason: str | None) -> record.Record:
    """Derive what is derived, and freeze."""
    samples = record.Samples.model_validate(builder.samples)
    figures = builder.figures | record.import_figures(samples)
    absent = {name: why for name, why in builder.absent.items() if figures.get(name) is None}
    for name in record.Figures.model_fields:
        if figures.get(name) is None and name not in absent:
            absent[name] = f"not reached: {status} in {builder.phase}" if status != "ok" else "not measured"
    return record.Record(
        record_id=f"{job.slug}-{compact_instant(measured_at)}-{secrets.token_hex(3)}",
        measured_at=measured_at.replace(microsecond=0),
        status=status,
        phase=None if status == "ok" else builder.phase,
        reason=reason,
        warnings=(*builder.warnings, *record.noise_warnings(samples)),
        figures=record.Figures(**figures),
        absent=absent,
        samples=samples,
        environment=Environment(**builder.environment),
        **job.fields(),
        **builder.fields,
    )
