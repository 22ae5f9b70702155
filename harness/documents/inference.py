"""The inference record: how long one runtime takes for one model, where it really ran, and whether it is right.

One immutable JSON document for each runtime x model x track x threads. Raw runs of every round are kept; figures are
derived from them by `figures_of`. A row that names a provider was proven on it.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Literal

from pydantic import AwareDatetime, Field, model_validator

from harness.documents.base import (
    Bytes,
    Count,
    Document,
    Environment,
    LockedWheel,
    Model,
    Seconds,
    has_reason,
)
from harness.errors import Status

METHOD = 1
"""Method version of every inference figure; raised when a definition or the protocol changes."""
Track = Literal["strict-f32", "vendor-default"]
TRACKS: tuple[Track, ...] = ("strict-f32", "vendor-default")
Precision = Literal["f32", "tf32", "bf16", "f16", "unknown"]
P99_SAMPLES = 1000
"""From so many runs on, the slowest hundredth says something."""


class Tensor(Model):
    name: str
    dtype: str
    """As NumPy names it: `float32`, `int64`."""
    shape: tuple[int, ...]


class ModelFacts(Model):
    """Which bytes were run. Two records with the same `sha256` ran the same model."""

    name: str
    """What the model is called: a name of the zoo, or a user's own."""
    sha256: str
    """Of the ONNX file."""
    bytes: Bytes
    opset: Count
    """Of the default domain, as the file has it."""
    ir_version: Count
    parameters: Count
    """Numbers in all initializers."""
    nodes: Count
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    inputs_sha256: str
    """Of the file of input arrays."""
    reference_sha256: str
    """Of the file of reference outputs, which PyTorch computed in f32 (of a user's own model: onnxruntime)."""
    exporter_lock_sha256: str | None = None
    """Of the lock that the exporter ran from; null for a user's own model."""


class Protocol(Model):
    """How it was timed."""

    rounds: Count
    warmup_runs: Count
    """At least so many runs are thrown away in each process,"""
    warmup_seconds: Seconds
    """and for at least so long."""
    runs: Count
    """At least so many runs are kept of each process,"""
    seconds: Seconds
    """and for at least so long."""


class Round(Model):
    """One fresh process."""

    round: Count
    place: Count
    """Which of its round it was, from 0: orders alternate."""
    import_seconds: Seconds
    """Importing the runtime, with what it imports."""
    load_seconds: Seconds
    """From the model's file to a session that can run."""
    first_run_seconds: Seconds
    warmup_runs: Count
    run_seconds: tuple[Seconds, ...]
    """Each timed run, in order; host to host: inputs in host memory, outputs in host memory."""
    device_run_seconds: tuple[Seconds, ...] = ()
    """Each timed run with inputs and outputs bound on the device; only where there is one apart."""
    cpu_seconds: Seconds | None = None
    """User and system time of the timed runs, all threads."""
    rss_peak_bytes: Bytes | None = None
    """Peak resident set of the process."""
    vram_peak_bytes: Bytes | None = None
    """Peak memory of the device that the process took; null without one, or where it could not be read."""


class Figures(Model):
    installed_bytes: Bytes | None = None
    """What the runtime's environment holds with all that it needs, each inode once, without bytecode."""
    import_seconds: Seconds | None = None
    """Importing the runtime: median over the rounds."""
    load_seconds: Seconds | None = None
    """From the model's file to a session: median over the rounds."""
    first_run_seconds: Seconds | None = None
    """The first run: median over the rounds."""
    latency_p50_seconds: Seconds | None = None
    """Median over the rounds of each round's median run."""
    latency_p90_seconds: Seconds | None = None
    """Median over the rounds of each round's ninth decile."""
    latency_p99_seconds: Seconds | None = None
    """Of all runs together; null below 1,000 of them."""
    latency_min_seconds: Seconds | None = None
    """The fastest run of all."""
    latency_cv: Seconds | None = None
    """Standard deviation of the rounds' medians over their mean."""
    ratio_to_anchor: Seconds | None = None
    """Median over the rounds of this median over the anchor's of the same round; 1 for the anchor."""
    device_latency_p50_seconds: Seconds | None = None
    """The same as `latency_p50_seconds`, with inputs and outputs bound on the device."""
    cpu_share: Seconds | None = None
    """CPU seconds of the timed runs over their wall seconds: how many cores were busy."""
    rss_peak_bytes: Bytes | None = None
    """Peak resident set of the process: median over the rounds."""
    vram_peak_bytes: Bytes | None = None
    """Peak memory of the device: the largest of the rounds."""
    runs: Count | None = None
    """How many timed runs there were in all rounds."""
    max_abs_error: Seconds | None = None
    """Largest absolute difference from the reference, over all outputs and rounds."""
    max_rel_error: Seconds | None = None
    """Largest difference from the reference over the reference's largest magnitude, output by output."""
    nodes: Count | None = None
    """Nodes of the graph that the runtime ran, after its own optimisation; null where it does not tell."""
    nodes_on_provider: Count | None = None
    """Of them, those that the requested provider ran."""


class Inference(Document):
    schema_version: Literal[1] = 1
    record_id: str
    """Names the record for ever: what was run, when, and a random suffix."""
    stage: Literal["inference"] = "inference"
    measured_at: AwareDatetime
    """When measuring began, UTC."""
    model: ModelFacts
    runtime: str
    """From the catalog of runtimes: `onnxruntime`, `openvino`, ..."""
    distribution: str
    """The distribution that runs the model, canonical."""
    version: str
    """Version of that distribution; empty where nothing was locked."""
    track: Track
    """`strict-f32`: precision forced to f32, no fallback. `vendor-default`: as the runtime comes. Never mixed."""
    precision: Precision = "unknown"
    """What the numbers say that it computed in, whatever was asked for."""
    threads: Count
    """Threads that the runtime was told to use."""
    spinning: bool = False
    """Whether waiting threads spin; only where the runtime has such a setting."""
    device: Literal["cpu", "gpu"] = "cpu"
    """Where it was asked to run."""
    ep_requested: str
    """Execution provider that was asked for, as the runtime names it; of runtimes without providers their device."""
    ep_actual: str | None = None
    """The provider that ran most nodes; null where none did, or none could be told."""
    anchor: str | None = None
    """record_id of the anchor whose rounds these alternate with; its own for the anchor."""
    python: str
    """CPython version that wheels were chosen for, such as `3.11`."""
    platform: str
    """Platform that wheels were chosen for, such as `linux_x86_64`."""
    as_of: AwareDatetime
    """The first instant whose uploads no longer count."""
    engine: str
    """Where the code ran: `docker` or `venv`."""
    status: Status
    """How it ended; any but `ok` names its phase and its reason."""
    phase: str | None = None
    """Where it ended; null when it is ok."""
    reason: str | None = None
    """Why it ended there; null when it is ok."""
    warnings: tuple[str, ...] = ()
    figures: Figures = Figures()
    absent: dict[str, str] = Field(default={})
    """Figure -> why it is null."""
    protocol: Protocol
    rounds: tuple[Round, ...] = ()
    lock_sha256: str | None = None
    """sha256 of the lock that was installed; null where resolving did not end."""
    wheels: tuple[LockedWheel, ...] = ()
    gpu: dict[str, str] = Field(default={})
    """Name, driver, CUDA, cuDNN, memory and clocks of the device; empty without one."""
    environment: Environment
    method_version: int = Field(default=METHOD, ge=1)
    """Method version of the figures; those of different versions must not be compared."""

    _has_reason = model_validator(mode="after")(has_reason)

    @model_validator(mode="after")
    def _ran_on_its_gpu(self) -> Inference:
        """A GPU row that is ok was proven there."""
        if self.status == "ok" and self.device == "gpu" and self.ep_actual != self.ep_requested:
            raise ValueError("a record of a GPU that is ok names the provider that ran there")
        return self


def figures_of(rounds: Sequence[Round], anchor: Sequence[Round]) -> dict[str, float | int]:
    """What the rounds say. Medians within a round first: rounds differ by more than runs do.

    Args:
        anchor: the anchor's rounds of the same run, by their number; ratios are taken within a round.
    """
    if not rounds:
        return {}
    found: dict[str, float | int] = {
        name: statistics.median(getattr(one, name) for one in rounds)
        for name in ("import_seconds", "load_seconds", "first_run_seconds")
    }
    medians = {one.round: statistics.median(one.run_seconds) for one in rounds if one.run_seconds}
    if medians:
        every = sorted(seconds for one in rounds for seconds in one.run_seconds)
        found["runs"] = len(every)
        found["latency_p50_seconds"] = statistics.median(medians.values())
        found["latency_p90_seconds"] = statistics.median(
            last_quantile(one.run_seconds, 10) for one in rounds if one.run_seconds
        )
        found["latency_min_seconds"] = every[0]
        if len(every) >= P99_SAMPLES:
            found["latency_p99_seconds"] = last_quantile(every, 100)
        if len(medians) > 1:
            found["latency_cv"] = statistics.stdev(medians.values()) / statistics.fmean(medians.values())
        theirs = {one.round: statistics.median(one.run_seconds) for one in anchor if one.run_seconds}
        if ratios := [medians[number] / theirs[number] for number in medians if number in theirs]:
            found["ratio_to_anchor"] = statistics.median(ratios)
        busy = [one.cpu_seconds / sum(one.run_seconds) for one in rounds if one.cpu_seconds is not None]
        if busy:
            found["cpu_share"] = statistics.median(busy)
    if device := [statistics.median(one.device_run_seconds) for one in rounds if one.device_run_seconds]:
        found["device_latency_p50_seconds"] = statistics.median(device)
    if resident := [one.rss_peak_bytes for one in rounds if one.rss_peak_bytes is not None]:
        found["rss_peak_bytes"] = int(statistics.median(resident))
    if memory := [one.vram_peak_bytes for one in rounds if one.vram_peak_bytes is not None]:
        found["vram_peak_bytes"] = max(memory)
    return {name: value if isinstance(value, int) else round(value, 9) for name, value in found.items()}


def last_quantile(values: Sequence[float], parts: int) -> float:
    """The last of the cuts that divide them into equal parts, by linear interpolation (R's type 7): of 10 the ninth
    decile."""
    return values[0] if len(values) == 1 else statistics.quantiles(values, n=parts, method="inclusive")[-1]
