"""The footprint stage: what one framework version weighs, and what its import costs.

`measure` is the whole way, step by step; each step adds what it found to a `Draft`, so that a
measurement that ends early keeps every figure it reached.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import host, record
from harness.engines.sandbox import Engine, EngineFacts, Limits, Sandbox, probe
from harness.errors import HarnessError, MeasurementError, Status, UnsupportedError
from harness.job import Job, compact_instant
from harness.packages import tools as toolbox
from harness.packages import wheel as wheels
from harness.packages.index import Index
from harness.packages.lock import Lock, Locked, LockStore
from harness.packages.resolve import resolve
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


@dataclass
class Draft:
    """A record in the making."""

    phase: str = "plan"
    figures: dict[str, Any] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    samples: dict[str, Any] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def measure(job: Job, workshop: Workshop, settings: Settings, *, lock: Lock | None = None) -> record.Record:
    """Measure one job. A failure of the measurement is a record, not an exception.

    Args:
        lock: install exactly this (a replay); else the job's lock is reused or made.

    Raises:
        KeyboardInterrupt: interrupted; nothing is left behind.
    """
    measured_at = datetime.now(UTC)
    draft = Draft(
        environment=host.environment() | {"memory_limit_bytes": settings.limits.memory_bytes},
        fields={"import_package": job.import_package},
    )
    status: Status = "ok"
    reason = None
    try:
        _measure(job, workshop, settings, draft, lock)
    except MeasurementError as error:
        status, reason = error.status, error.reason
    except HarnessError as error:
        status, reason = "failed", error.message
    except OSError as error:
        status, reason = "failed", f"{type(error).__name__}: {error.strerror or error}"
    return _finish(job, draft, measured_at, status, reason)


def _measure(job: Job, workshop: Workshop, settings: Settings, draft: Draft, lock: Lock | None) -> None:
    """The steps, in order."""
    with _phase(draft, workshop.progress, "engine", f"{workshop.engine.name}, {job.target}"):
        facts = _describe_engine(job, workshop, draft)
    with _phase(draft, workshop.progress, "resolve", str(job.request)):
        pip = _tools("pip", job, workshop)
        lock = lock or _lock(job, workshop, settings, draft, pip)
        _describe_lock(job, lock, draft)
        uv = _tools("uv", job, workshop) if job.installer == "uv" else None
    with _phase(
        draft, workshop.progress, "download", f"{len(lock.wheels)} wheels, {lock.download_bytes / 1e6:,.1f} MB"
    ):
        house = Wheelhouse(workshop.cache, workshop.index, workshop.work)
        started = time.monotonic()
        paths, downloaded = house.fetch(lock.wheels, workshop.progress)
        if downloaded == lock.download_bytes:
            draft.figures["download_seconds"] = round(time.monotonic() - started, 3)
        else:
            draft.absent["download_seconds"] = "wheels were in the wheelhouse already"
        _look_into(job, lock, paths, draft)
    with (
        house.gathered(lock.wheels) as folder,
        workshop.engine.open(job.target, keep=settings.keep) as sandbox,
    ):
        with _phase(draft, workshop.progress, "install", f"with {job.installer}, offline"):
            _install(job, sandbox, folder, lock, workshop, pip, uv, settings, draft)
        with _phase(draft, workshop.progress, "ledger"):
            _ledger(sandbox, settings, draft)
        package = draft.fields["import_package"]
        # A package that cannot be imported still gets its bytecode weighed: sizes do not depend on it.
        failure = None
        with _phase(draft, workshop.progress, "import", f"{package}, first"):
            try:
                _first_import(sandbox, package, settings, draft)
            except MeasurementError as error:
                failure = error
        with _phase(draft, workshop.progress, "bytecode"):
            _bytecode(sandbox, settings, facts, draft)
        with _phase(draft, workshop.progress, "import", f"{package}, {settings.repeats} warm, {_cold(settings)} cold"):
            if failure is not None:
                raise failure
            _imports(sandbox, package, settings, draft)


@contextmanager
def _phase(draft: Draft, progress: Progress, name: str, detail: str = "") -> Iterator[None]:
    draft.phase = name
    progress.phase(name, detail)
    yield


def _describe_engine(job: Job, workshop: Workshop, draft: Draft) -> EngineFacts:
    facts = workshop.engine.facts(job.target)
    told = asdict(facts)
    draft.absent.update(told.pop("absent"))
    draft.environment.update(told)
    if facts.network_isolated is False:
        draft.warnings.append("the measured code could reach the network: this kernel lets no user take it away")
    return facts


def _lock(job: Job, workshop: Workshop, settings: Settings, draft: Draft, pip: Tools) -> Lock:
    if not settings.relock and (found := workshop.locks.find(job)) is not None:
        draft.absent["resolve_seconds"] = "the job's lock was there already"
        return found
    started = time.monotonic()
    with workshop.engine.open(job.target) as sandbox:
        lock = resolve(job, sandbox=sandbox, tools=pip, index=workshop.index)
    draft.figures["resolve_seconds"] = round(time.monotonic() - started, 3)
    workshop.locks.add(job, lock)
    return lock


def _describe_lock(job: Job, lock: Lock, draft: Draft) -> None:
    draft.fields["lock_sha256"] = lock.sha256
    draft.environment["resolver"] = lock.resolver
    own = lock.of(job.request.name)
    draft.figures |= {
        "wheel_bytes": own.size,
        "download_bytes": lock.download_bytes,
        "distributions": len(lock.wheels),
    }
    draft.fields["wheels"] = [_wheel_line(wheel) for wheel in lock.wheels]
    draft.warnings += [f"{wheel.name} {wheel.version} was yanked" for wheel in lock.wheels if wheel.yanked]


def _wheel_line(wheel: Locked, unpacked: int | None = None) -> record.LockedWheel:
    return record.LockedWheel(
        name=wheel.name,
        version=wheel.version,
        bytes=wheel.size,
        unpacked_bytes=unpacked,
        yanked=wheel.yanked,
    )


def _tools(name: str, job: Job, workshop: Workshop) -> Tools:
    return toolbox.prepare(
        name,
        job.target,
        cache=workshop.cache,
        work=workshop.work,
        index=workshop.index,
        engine=workshop.engine,
        progress=workshop.progress,
    )


def _look_into(job: Job, lock: Lock, paths: dict[Locked, Path], draft: Draft) -> None:
    looked = {wheel: wheels.look(path) for wheel, path in paths.items()}
    draft.fields["wheels"] = [_wheel_line(wheel, looked[wheel].unpacked_bytes) for wheel in lock.wheels]
    draft.figures["unpacked_bytes"] = sum(one.unpacked_bytes for one in looked.values())
    own = looked[lock.of(job.request.name)]
    for extra in job.request.extras:
        if extra not in own.extras:
            raise UnsupportedError(f"{job.request.name} {job.request.version} has no extra {extra!r}")
    if draft.fields["import_package"] is None:
        if not own.top_level:
            raise UnsupportedError(f"{job.request.name} brings nothing that can be imported")
        draft.fields["import_package"] = own.top_level[0]


def _install(
    job: Job,
    sandbox: Sandbox,
    folder: Path,
    lock: Lock,
    workshop: Workshop,
    pip: Tools,
    uv: Tools | None,
    settings: Settings,
    draft: Draft,
) -> None:
    requirements = workshop.locks.add(job, lock) / "requirements.txt"
    arguments = ["--root", sandbox.root, "--wheels", sandbox.expose(folder, "wheels")]
    arguments += ["--requirements", sandbox.expose(requirements, "requirements.txt")]
    arguments += ["--pip", sandbox.expose(pip.folder, "tools")]
    arguments += ["--uv", sandbox.expose(uv.folder, "uv") + "/bin/uv"] if uv else []
    found = probe(sandbox, "install", arguments, limits=settings.limits, writable=True)
    draft.environment["installer"] = found["installer"]
    draft.environment["python"] = found["python"]
    if found["failure"]:
        raise MeasurementError(
            f"{job.installer} could not install the lock: {found['failure'].strip().splitlines()[-1]}"
        )
    if found["check"]:
        raise MeasurementError(f"pip check: {found['check'].strip().splitlines()[0]}")
    draft.figures["unpack_seconds"] = round(found["unpack_seconds"], 4)


def _ledger(sandbox: Sandbox, settings: Settings, draft: Draft) -> None:
    found = probe(sandbox, "ledger", ["--root", sandbox.root], limits=settings.limits)
    total = found.pop("total")
    for part in ("distributions", "types"):
        if (sum_ := sum(line["bytes"] for line in found[part])) != total["bytes"]:
            raise MeasurementError(f"the ledger's {part} sum to {sum_} bytes, not {total['bytes']}")
    draft.fields["ledger"] = {**found, "files": total["files"]}
    draft.figures |= {"installed_bytes": total["bytes"], "allocated_bytes": total["allocated"]}


def _first_import(sandbox: Sandbox, package: str, settings: Settings, draft: Draft) -> None:
    found = _run_imports(sandbox, package, settings, ["--first"])
    draft.samples |= {"first_bare": found["bare"], "first": found["first"]}


def _bytecode(sandbox: Sandbox, settings: Settings, facts: EngineFacts, draft: Draft) -> None:
    found = probe(sandbox, "bytecode", ["--root", sandbox.root], limits=settings.limits, writable=True)
    if found["failure"]:
        raise MeasurementError(f"compileall failed: {found['failure'].strip().splitlines()[-1]}")
    ledger = probe(sandbox, "ledger", ["--root", sandbox.root, "--bytecode"], limits=settings.limits)
    compiled = {line["name"]: line["bytes"] for line in ledger["distributions"]}
    lines = draft.fields["ledger"]["distributions"]
    draft.fields["ledger"]["distributions"] = [
        {**line, "bytecode_bytes": compiled.get(line["name"], 0)} for line in lines
    ]
    figures = draft.figures
    figures["bytecode_bytes"] = ledger["total"]["bytes"]
    figures["bytecode_seconds"] = round(found["bytecode_seconds"], 4)
    figures["install_seconds"] = round(figures["unpack_seconds"] + figures["bytecode_seconds"], 4)
    if facts.image_base_bytes is not None:
        figures["image_bytes"] = facts.image_base_bytes + figures["installed_bytes"] + figures["bytecode_bytes"]


def _imports(sandbox: Sandbox, package: str, settings: Settings, draft: Draft) -> None:
    arguments = ["--repeats", str(settings.repeats), "--cold-repeats", str(_cold(settings))]
    found = _run_imports(sandbox, package, settings, arguments)
    draft.samples |= {name: found[name] for name in ("bare", "warm", "cold")}
    draft.fields["import_tree"] = found["importtime"]
    draft.figures["import_touched_bytes"] = found["touched"]["bytes"]
    draft.figures["import_resident_bytes"] = found["touched"]["resident_bytes"]
    if not found["cold"]:
        draft.absent["import_cold_seconds"] = (
            f"the file cache kept {found['cached_share']:.0%} of the touched files when asked to drop them"
        )


def _run_imports(sandbox: Sandbox, package: str, settings: Settings, arguments: list[str]) -> dict[str, Any]:
    limits = settings.limits
    patience = Limits(limits.seconds + 30, limits.memory_bytes, limits.processes)
    everything = ["--root", sandbox.root, "--package", package, "--timeout", str(limits.seconds)]
    everything += ["--memory", str(limits.memory_bytes), *arguments]
    found = probe(sandbox, "imports", everything, limits=patience)
    if failure := found["failure"]:
        detail = {
            "timeout": f"timeout: the import was still running after {limits.seconds:.0f} s",
            "oom": f"oom: the import needed more than {limits.memory_bytes / 2**20:.0f} MiB",
        }.get(failure["kind"], failure["detail"])
        raise MeasurementError(detail)
    return found


def _cold(settings: Settings) -> int:
    return min(settings.repeats, 3)


def _finish(job: Job, draft: Draft, measured_at: datetime, status: Status, reason: str | None) -> record.Record:
    """Derive what is derived, and freeze."""
    samples = record.Samples.model_validate(draft.samples)
    figures = draft.figures | record.import_figures(samples)
    absent = {name: why for name, why in draft.absent.items() if figures.get(name) is None}
    for name in record.Figures.model_fields:
        if figures.get(name) is None and name not in absent:
            absent[name] = f"not reached: {status} in {draft.phase}" if status != "ok" else "not measured"
    return record.Record(
        record_id=f"{job.slug}-{compact_instant(measured_at)}-{secrets.token_hex(3)}",
        measured_at=measured_at.replace(microsecond=0),
        framework=job.request.name,
        version=str(job.request.version),
        variant=job.variant,
        extras=job.request.extras,
        python=job.target.python_version,
        platform=job.target.platform,
        as_of=job.as_of,
        engine=job.engine,
        installer=job.installer,
        status=status,
        phase=None if status == "ok" else draft.phase,
        reason=reason,
        warnings=(*draft.warnings, *record.noise_warnings(samples)),
        figures=record.Figures(**figures),
        absent=absent,
        samples=samples,
        environment=record.Environment(**draft.environment),
        **draft.fields,
    )
