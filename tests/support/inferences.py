"""Inference records as the stage makes them, with made-up but plausible times, for tests that need some."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

from harness.documents.base import Environment, LockedWheel
from harness.documents.inference import (
    Figures,
    Inference,
    ModelFacts,
    Protocol,
    Round,
    Tensor,
    figures_of,
)
from harness.documents.providers import ProviderLine, ProviderReport

WHEN = datetime(2026, 11, 23, 12, tzinfo=UTC)
AS_OF = datetime(2026, 11, 24, tzinfo=UTC)
ENVIRONMENT = Environment(harness_version="0.1.0", cpu_model="Intel Xeon", cpu_count=2, python="3.11.2", kernel="Linux")
PROTOCOL = Protocol(rounds=5, warmup_runs=10, warmup_seconds=1.0, runs=100, seconds=3.0)


def model(name: str = "mobilenet_v2", **changed: Any) -> ModelFacts:
    """A model of the zoo."""
    tensor = Tensor(name="input", dtype="float32", shape=(1, 3, 224, 224))
    fields: dict[str, Any] = {
        "name": name,
        "sha256": f"{Random(name).getrandbits(256):064x}",
        "bytes": 14_200_000,
        "opset": 20,
        "ir_version": 10,
        "parameters": 3_504_872,
        "nodes": 105,
        "inputs": (tensor,),
        "outputs": (tensor.model_copy(update={"name": "logits", "shape": (1, 1000)}),),
        "inputs_sha256": "1" * 64,
        "reference_sha256": "2" * 64,
    }
    return ModelFacts(**fields | changed)


def rounds(seconds: float = 0.028, *, count: int = 5, runs: int = 100, seed: str = "", **changed: Any) -> list[Round]:
    """Fresh processes that differ by a few per cent, with runs that differ by less, and a few slow ones."""
    chance = Random(f"{seed} {seconds}")
    found = []
    for number in range(count):
        middle = seconds * chance.uniform(0.97, 1.03)
        times = tuple(
            round(middle * chance.gauss(1, 0.01) * (1.3 if chance.random() < 0.02 else 1), 9) for _ in range(runs)
        )
        fields: dict[str, Any] = {
            "round": number,
            "place": number % 2,
            "import_seconds": 0.12 * chance.uniform(0.9, 1.1),
            "load_seconds": seconds * 4,
            "first_run_seconds": seconds * 1.5,
            "warmup_runs": 36,
            "run_seconds": times,
            "cpu_seconds": sum(times) * 0.99,
            "rss_peak_bytes": 180_000_000 + number * 4096,
        }
        found.append(Round(**fields | changed))
    return found


def inference(taken: Sequence[Round] | None = None, *, anchor: Inference | None = None, **changed: Any) -> Inference:
    """A record of onnxruntime whose figures are those of its rounds; without an anchor it is one itself."""
    failed = changed.get("status", "ok") != "ok"
    mine = list(taken) if taken is not None else [] if failed else rounds()
    of = changed.pop("model", None) or model()
    runtime, track = changed.get("runtime", "onnxruntime"), changed.get("track", "strict-f32")
    version, threads = changed.get("version", "1.32.0"), changed.get("threads", 1)
    spinning = "-spinning" if changed.get("spinning") else ""
    record_id = f"{of.name}-{of.sha256[:8]}-{runtime}-{version}-{track}-t{threads}{spinning}"
    figures = figures_of(mine, anchor.rounds if anchor else mine)
    if mine:
        figures |= {"max_abs_error": 2e-6, "max_rel_error": 7e-7, "nodes": 67, "nodes_on_provider": 67}
        figures |= {"installed_bytes": 10**8 * (1 + len(runtime) % 4)}
    fields: dict[str, Any] = {
        "record_id": record_id,
        "measured_at": WHEN,
        "model": of,
        "runtime": runtime,
        "distribution": runtime,
        "version": version,
        "track": track,
        "precision": "unknown" if failed else "f32",
        "threads": threads,
        "ep_requested": "CPUExecutionProvider",
        "ep_actual": None if failed else "CPUExecutionProvider",
        "anchor": anchor.record_id if anchor else changed.get("record_id", record_id),
        "python": "3.11",
        "platform": "linux_x86_64",
        "as_of": AS_OF,
        "engine": "docker",
        "status": "ok",
        "figures": Figures(**figures),
        "protocol": PROTOCOL,
        "rounds": tuple(mine),
        "lock_sha256": f"{Random(f'{runtime} {version}').getrandbits(256):064x}",
        "wheels": (LockedWheel(name=runtime, version=version, bytes=17_000_000),),
        "environment": ENVIRONMENT,
    }
    if failed:
        fields |= {"phase": "install", "reason": "no wheel fits"}
    return Inference(**fields | changed)


def group(
    seconds: dict[str, float],
    *,
    name: str = "mobilenet_v2",
    track: str = "strict-f32",
    threads: int = 1,
    **changed: Any,
) -> list[Inference]:
    """One model on several runtimes, which took turns; the first one is the anchor."""
    found: list[Inference] = []
    for runtime, middle in seconds.items():
        made = rounds(middle, seed=f"{name} {runtime} {track} {threads}")
        anchor = found[0] if found else None
        fields = {"model": model(name), "runtime": runtime, "track": track, "threads": threads, **changed}
        found.append(inference(made, anchor=anchor, **fields))
    return found


def report(lines: Sequence[ProviderLine] | None = None, **changed: Any) -> ProviderReport:
    """What onnxruntime offers on a machine without a GPU."""
    usual = (
        ProviderLine(provider="CPUExecutionProvider", device="CPU Intel", offered=True, created=True, ran_nodes=3),
        ProviderLine(provider="CUDAExecutionProvider", offered=True, created=False, reason="no CUDA driver"),
        ProviderLine(provider="AzureExecutionProvider", offered=True, reason="not tried"),
    )
    runtime, version = changed.get("runtime", "onnxruntime"), changed.get("version", "1.32.0")
    fields: dict[str, Any] = {
        "record_id": f"{runtime}-{version}-cp311",
        "measured_at": WHEN,
        "runtime": runtime,
        "distribution": runtime,
        "version": version,
        "python": "3.11",
        "platform": "linux_x86_64",
        "as_of": AS_OF,
        "engine": "docker",
        "providers": tuple(lines) if lines is not None else usual,
        "environment": ENVIRONMENT,
    }
    return ProviderReport(**fields | changed)
