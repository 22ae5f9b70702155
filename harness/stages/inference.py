"""The inference stage: the same bytes of model, the same input, in a clean place for each runtime.

What is to be run is planned first (`cells`), then each runtime's environment is locked and installed in a sandbox of
its own, and then every model is run round by round: fresh processes, runtimes taking turns, the anchor in each round.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.catalogs.runtimes import Runtime
from harness.documents.base import LockedWheel
from harness.documents.inference import (
    Figures,
    Inference,
    ModelFacts,
    Protocol,
    Round,
    Track,
    figures_of,
)
from harness.engines import host
from harness.engines.sandbox import Engine, EngineFacts, Limits, Sandbox, probe
from harness.engines.slot import Slot
from harness.errors import EngineLostError, HarnessError, MeasurementError, SkippedError, Status, UnsupportedError
from harness.job import Target, compact_instant
from harness.packages.environment import Prepared
from harness.packages.lock import Lock
from harness.progress import Progress

NOISY = 0.1
"""Variation of the rounds' medians from which on a record warns: twice what fresh processes on a quiet machine show."""


@dataclass(frozen=True)
class ModelFiles:
    """A model that was exported: what it is, and where its files are."""

    facts: ModelFacts
    folder: Path
    """With `model.onnx`, `inputs.npz`, `reference.npz` and `manifest.json`."""


@dataclass(frozen=True)
class Cell:
    """One runtime on one model, in one track, with so many threads."""

    model: ModelFiles
    runtime: Runtime
    track: Track
    threads: int
    spinning: bool = False


@dataclass(frozen=True)
class Settings:
    """How to time; none of it names what is timed."""

    protocol: Protocol
    limits: Limits = field(default_factory=Limits)
    """Of each process."""


@dataclass(frozen=True)
class Place:
    """A runtime's sandbox with what was installed in it, or why there is none."""

    runtime: Runtime
    lock: Lock | None = None
    sandbox: Sandbox | None = None
    installed_bytes: int | None = None
    facts: EngineFacts | None = None
    """Of the engine that has the sandbox; None where it could not be asked."""
    failure: MeasurementError | None = None
    phase: str = ""


@dataclass(frozen=True)
class Context:
    """What every record of a run shares."""

    target: Target
    as_of: datetime
    engine: Engine
    progress: Progress
    slot: Slot = field(default_factory=Slot)


@dataclass
class _Draft:
    """What the rounds of one cell came to so far."""

    cell: Cell
    record_id: str
    rounds: list[Round] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)
    """What the last process told beside its times."""
    errors: list[tuple[float, float]] = field(default_factory=list)
    """Largest absolute and relative error of each round."""
    warnings: list[str] = field(default_factory=list)
    status: Status = "ok"
    phase: str | None = None
    reason: str | None = None

    def end(self, phase: str, error: MeasurementError) -> None:
        self.status, self.phase, self.reason = error.status, phase, error.reason


def cells(
    models: Sequence[ModelFiles],
    runtimes: Sequence[Runtime],
    anchor: Runtime,
    tracks: Sequence[Track],
    threads: Sequence[int],
    *,
    spinning: bool = False,
) -> list[list[Cell]]:
    """What is run, in groups that share their rounds: a model, a track, a number of threads. The anchor comes first.

    Args:
        spinning: the anchor also with spinning threads, as a row of its own.
    """
    others = [one for one in runtimes if one.name != anchor.name]
    found = []
    for model in models:
        for track in tracks:
            for count in threads:
                group = [Cell(model, runtime, track, count) for runtime in (anchor, *others)]
                found.append([*group, Cell(model, anchor, track, count, True)] if spinning else group)
    return found


def order(group: Sequence[Cell], number: int) -> list[Cell]:
    """The order of one round: forwards and backwards by turns, so that nobody always follows the same neighbour."""
    return list(group) if number % 2 == 0 else list(reversed(group))


def measure(
    groups: Sequence[Sequence[Cell]], places: Mapping[str, Place], context: Context, settings: Settings
) -> Iterator[Inference]:
    """Run all groups, and give each one's records once its last round is done. A failure is a record.

    Args:
        places: runtime's name -> its sandbox.
    """
    rounds = settings.protocol.rounds
    total = sum(len(group) for group in groups) * rounds
    done = 0
    for group in groups:
        measured_at = datetime.now(UTC)
        drafts = {cell: _Draft(cell, _record_id(cell, places, context, measured_at)) for cell in group}
        first = group[0]
        context.progress.phase(
            "infer", f"{first.model.facts.name}, {first.track}, {first.threads} thread{'s' * (first.threads > 1)}"
        )
        for cell, builder in drafts.items():
            if (failure := places[cell.runtime.name].failure) is not None:
                builder.end(places[cell.runtime.name].phase, failure)
        with context.slot.alone(context.progress):
            context.engine.stop_orphans()
            for number in range(rounds):
                for place, cell in enumerate(order(group, number)):
                    if drafts[cell].status == "ok":
                        _run(drafts[cell], number, place, places[cell.runtime.name], settings)
                    done += 1
                    context.progress.step(done, total)
        for builder in drafts.values():
            yield _record(builder, drafts[first], places, context, settings, measured_at)


def _run(builder: _Draft, number: int, place: int, at: Place, settings: Settings) -> None:
    """One fresh process."""
    cell, protocol = builder.cell, settings.protocol
    assert at.sandbox is not None
    arguments = ["--adapter", cell.runtime.adapter, "--model", at.sandbox.expose(cell.model.folder, "model")]
    arguments += ["--threads", str(cell.threads), "--track", cell.track]
    arguments += ["--provider", cell.runtime.provider, "--device", cell.runtime.device]
    arguments += ["--warmup-runs", str(protocol.warmup_runs), "--warmup-seconds", str(protocol.warmup_seconds)]
    arguments += ["--runs", str(protocol.runs), "--seconds", str(protocol.seconds)]
    arguments += ["--timeout", str(settings.limits.seconds), "--memory", str(settings.limits.memory_bytes)]
    arguments += ["--root", at.sandbox.root, *(["--spinning"] if cell.spinning else [])]
    # the probe ends the process itself and says why; the sandbox's own limit is behind it
    limits = replace(
        settings.limits,
        seconds=settings.limits.seconds + 30,
        cpus=host.physical_cpus()[: cell.threads],
        gpu=cell.runtime.device == "gpu",
    )
    try:
        found = probe(at.sandbox, "infer", arguments, limits=limits)
    except (HarnessError, OSError) as error:
        builder.end("engine" if isinstance(error, EngineLostError) else "run", as_measurement(error))
        return
    builder.told = found
    builder.warnings += [one for one in found["warnings"] if one not in builder.warnings]
    if found["max_abs_error"] is not None:
        builder.errors.append((found["max_abs_error"], found["max_rel_error"]))
    if found["run_seconds"]:
        builder.rounds.append(
            Round(
                round=number,
                place=place,
                **{name: found[name] for name in Round.model_fields if name not in ("round", "place")},
            )
        )
    if failure := found["failure"]:
        kind, detail = failure["kind"], failure["detail"]
        kinds = {"skipped": SkippedError, "unsupported": UnsupportedError}
        told = detail if kind in ("error", *kinds) else f"{kind}: {detail}" if detail else kind
        builder.end(failure["phase"], kinds.get(kind, MeasurementError)(told))
    elif cell.track == "strict-f32" and found["precision"] not in ("f32", "unknown"):
        builder.end("compare", MeasurementError(f"numeric: it computed in {found['precision']} where f32 was forced"))


def _record_id(cell: Cell, places: Mapping[str, Place], context: Context, measured_at: datetime) -> str:
    version = version_of(places[cell.runtime.name])
    return "-".join(
        (
            cell.model.facts.name,
            cell.model.facts.sha256[:8],
            cell.runtime.name,
            *([version] if version else []),
            cell.track,
            f"t{cell.threads}{'-spinning' if cell.spinning else ''}",
            context.target.tag,
            context.engine.name,
            compact_instant(measured_at),
            secrets.token_hex(3),
        )
    )


def version_of(place: Place) -> str:
    """Of the distribution that a place was locked for; empty where nothing was."""
    try:
        return place.lock.of(place.runtime.distribution).version if place.lock else ""
    except KeyError:
        return ""


def _record(
    builder: _Draft,
    anchor: _Draft,
    places: Mapping[str, Place],
    context: Context,
    settings: Settings,
    measured_at: datetime,
) -> Inference:
    cell, told = builder.cell, builder.told
    place = places[cell.runtime.name]
    figures: dict[str, Any] = figures_of(builder.rounds, anchor.rounds)
    if builder.errors:
        figures["max_abs_error"] = max(error for error, _ in builder.errors)
        figures["max_rel_error"] = max(error for _, error in builder.errors)
    figures |= {name: told.get(name) for name in ("nodes", "nodes_on_provider")}
    figures["installed_bytes"] = place.installed_bytes
    if (spread := figures.get("latency_cv") or 0.0) > NOISY:
        builder.warnings.append(f"noisy: the medians of its rounds vary by {spread:.0%}")
    absent = {name: _why_absent(name, builder) for name in Figures.model_fields if figures.get(name) is None}
    environment = host.environment() | facts_of(place) | {"memory_limit_bytes": settings.limits.memory_bytes}
    environment["python"] = environment.get("python") or context.target.python_version
    environment["resolver"] = place.lock.resolver if place.lock else None
    return Inference(
        record_id=builder.record_id,
        measured_at=measured_at,
        model=cell.model.facts,
        runtime=cell.runtime.name,
        distribution=cell.runtime.distribution,
        version=version_of(place),
        track=cell.track,
        precision=told.get("precision") or "unknown",
        threads=cell.threads,
        spinning=cell.spinning,
        device=cell.runtime.device,
        ep_requested=cell.runtime.provider,
        ep_actual=told.get("ep_actual"),
        anchor=anchor.record_id,
        python=context.target.python_version,
        platform=context.target.platform,
        as_of=context.as_of,
        engine=context.engine.name,
        status=builder.status,
        phase=builder.phase,
        reason=builder.reason,
        warnings=tuple(builder.warnings),
        figures=Figures(**figures),
        absent=absent,
        protocol=settings.protocol,
        rounds=tuple(builder.rounds),
        lock_sha256=place.lock.sha256 if place.lock else None,
        wheels=tuple(
            LockedWheel(name=one.name, version=one.version, bytes=one.size, yanked=one.yanked)
            for one in (place.lock.wheels if place.lock else ())
        ),
        gpu=told.get("gpu") or {},
        environment=environment,
    )


def _why_absent(name: str, builder: _Draft) -> str:
    if builder.status != "ok" and not builder.rounds:
        return f"not reached: {builder.status} in {builder.phase}"
    if name == "latency_p99_seconds":
        return "fewer than 1,000 runs"
    if name in ("device_latency_p50_seconds", "vram_peak_bytes") and builder.cell.runtime.device == "cpu":
        return "it ran on the CPU"
    if name in ("nodes", "nodes_on_provider"):
        return "the runtime does not tell which nodes it ran"
    if name == "ratio_to_anchor":
        return "the anchor has no such round"
    return "one round only" if name == "latency_cv" else "the probe did not tell"


def engine_of(runtime: Runtime, context: Context) -> Engine:
    """The engine whose sandboxes have what the runtime needs."""
    return context.engine.with_compiler() if runtime.compiler else context.engine


def open_places(
    runtimes: Sequence[Runtime],
    stack: ExitStack,
    context: Context,
    prepare: Callable[[Runtime, Sandbox], Prepared],
    *,
    require_gpu: bool = True,
) -> dict[str, Place]:
    """A sandbox for each runtime, installed; what fails is told in its records.

    Args:
        stack: closes the sandboxes.
        prepare: locks and installs one runtime into an open sandbox.
        require_gpu: a runtime for a GPU is skipped where there is none.
    """
    found = {}
    for runtime in runtimes:
        phase, facts = "engine", None
        try:
            facts = engine_of(runtime, context).facts(context.target)
            if require_gpu and runtime.device == "gpu" and not context.engine.has_gpu():
                raise SkippedError("no GPU: no NVIDIA runtime answers here")
            phase = "install"
            context.progress.phase("install", runtime.name)
            sandbox = stack.enter_context(engine_of(runtime, context).open(context.target))
            prepared = prepare(runtime, sandbox)
            found[runtime.name] = Place(runtime, prepared.lock, sandbox, prepared.installed_bytes, facts)
        except (HarnessError, OSError) as error:
            found[runtime.name] = Place(runtime, facts=facts, failure=as_measurement(error), phase=phase)
    return found


def facts_of(place: Place) -> dict[str, Any]:
    """What a record tells of the engine."""
    return {name: value for name, value in asdict(place.facts or EngineFacts()).items() if name != "absent"}


def as_measurement(error: HarnessError | OSError) -> MeasurementError:
    """Whatever ends one measurement, as what its row tells: the others go on."""
    if isinstance(error, MeasurementError):
        return error
    return MeasurementError(
        error.message if isinstance(error, HarnessError) else f"{type(error).__name__}: {error.strerror or error}"
    )
