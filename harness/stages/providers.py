"""The providers stage: which execution providers a runtime offers, which can be created here, and which ran a node."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from harness.documents.providers import ProviderLine, ProviderReport, lines_of
from harness.engines import host
from harness.engines.sandbox import Limits, probe
from harness.errors import HarnessError, MeasurementError
from harness.job import compact_instant
from harness.stages.inference import Context, Place, as_measurement, facts_of, version_of


def ask(places: Mapping[str, Place], context: Context, limits: Limits) -> Iterator[ProviderReport]:
    """A report for each runtime, also for one that could not be asked."""
    for place in places.values():
        context.progress.phase("providers", place.runtime.name)
        yield _report(place, context, limits)


def _report(place: Place, context: Context, limits: Limits) -> ProviderReport:
    runtime, version, now = place.runtime, version_of(place), datetime.now(UTC)
    gpu: dict[str, str] = {}
    warnings: tuple[str, ...] = ()
    try:
        if place.failure is not None:
            raise place.failure
        assert place.sandbox is not None
        seen = replace(limits, gpu=runtime.device == "gpu" and context.engine.has_gpu())
        arguments = ["--root", place.sandbox.root, "--adapter", runtime.adapter, "--provider", runtime.provider]
        arguments += ["--timeout", str(limits.seconds), "--memory", str(limits.memory_bytes)]
        # the probe ends its processes itself and says why; the sandbox's own limit is behind it
        seen = replace(seen, seconds=limits.seconds + 30)
        found = probe(place.sandbox, "providers", arguments, limits=seen)
        if failure := found["failure"]:
            raise MeasurementError(f"{failure['kind']} in {failure['phase']}: {failure['detail']}")
        lines = lines_of(found)
        gpu, warnings = dict(found.get("gpu") or {}), tuple(found.get("warnings") or ())
    except (HarnessError, OSError) as raised:
        error = as_measurement(raised)
        lines = (ProviderLine(provider=runtime.provider, reason=f"{error.status}: {error.reason}"),)
    lock = place.lock
    return ProviderReport(
        record_id="-".join(
            (
                runtime.name,
                *([version] if version else []),
                context.target.tag,
                context.target.platform,
                context.engine.name,
                compact_instant(now),
                secrets.token_hex(3),
            )
        ),
        measured_at=now,
        runtime=runtime.name,
        distribution=runtime.distribution,
        version=version,
        python=context.target.python_version,
        platform=context.target.platform,
        as_of=context.as_of,
        engine=context.engine.name,
        providers=lines,
        warnings=warnings,
        lock_sha256=lock.sha256 if lock else None,
        gpu=gpu,
        environment={**host.environment(), **facts_of(place), "resolver": lock.resolver if lock else None},
    )
