"""The probe's latencies against those of a loop that shares nothing with it, against pyperf's, and against themselves.

Times are compared, so nothing else may run on the machine: HARNESS_QUIET=1 says that it is so. HARNESS_PEER_MODEL may
name the folder of an exported model; otherwise it is the newest mobilenet_v2 of the user's cache, where
`make models MODEL=mobilenet_v2` puts it, and without one a small net. Which one it was is printed.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.packages.index import cache_folder
from tests.support.adapters import Probes
from tests.support.nets import write_net

pytestmark = [
    pytest.mark.integration,
    pytest.mark.quiet,
    pytest.mark.skipif(os.environ.get("HARNESS_QUIET") != "1", reason="the machine is not said to be quiet"),
]

ROUNDS = 5
AGREE = 0.05
"""Medians of two measurements of the same thing agree within this share."""

PEER = """
import json, statistics, sys, time
import numpy, onnxruntime

folder, threads, runs, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
options.inter_op_num_threads = 1
options.add_session_config_entry("session.intra_op.allow_spinning", "0")
session = onnxruntime.InferenceSession(folder + "/model.onnx", options, providers=["CPUExecutionProvider"])
feed = dict(numpy.load(folder + "/inputs.npz"))
stop = time.monotonic() + 1
while time.monotonic() < stop:
    session.run(None, feed)
taken, stop = [], time.monotonic() + seconds
while len(taken) < runs or time.monotonic() < stop:
    before = time.perf_counter()
    session.run(None, feed)
    taken.append(time.perf_counter() - before)
print(json.dumps(statistics.median(taken)))
"""
RUNS, SECONDS = 100, 3.0

PYPERF = """
import numpy, onnxruntime, pyperf

folder = {folder!r}
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
options.add_session_config_entry("session.intra_op.allow_spinning", "0")
session = onnxruntime.InferenceSession(folder + "/model.onnx", options, providers=["CPUExecutionProvider"])
feed = dict(numpy.load(folder + "/inputs.npz"))
pyperf.Runner().bench_func("run", session.run, None, feed)
"""
"""The folder is written into it: its worker processes get no arguments or variables that pyperf does not know."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = chosen_model() or write_net(tmp_path_factory.mktemp("models") / "net", channels=64, pixels=64, classes=200)
    print(f"model: {place}")
    return place


def chosen_model() -> Path | None:
    """Where the exported model is: the one that was named, or the newest mobilenet_v2 in the user's cache."""
    if named := os.environ.get("HARNESS_PEER_MODEL"):
        return Path(named)
    exported = (cache_folder() / "models").glob("mobilenet_v2-opset*/manifest.json")
    newest = max(exported, key=lambda path: path.stat().st_mtime_ns, default=None)
    return newest.parent if newest else None


@pytest.fixture(scope="module")
def probes(tmp_path_factory: pytest.TempPathFactory, onnxruntime_python: Path) -> Probes:
    return Probes(tmp_path_factory.mktemp("peer") / "probes", onnxruntime_python)


@pytest.fixture(scope="module")
def pyperf_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has pyperf too, which the one of the probes must not have."""
    place = tmp_path_factory.mktemp("pyperf") / "env"
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", str(place)], check=True)
    python = place / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*install, "onnxruntime==1.32.0", "pyperf"], check=True, capture_output=True, timeout=600)
    return python


def probe_median(probes: Probes, model: Path, threads: int, warmup: float = 1.0, seconds: float = SECONDS) -> float:
    budgets = ("--warmup-runs", "10", "--warmup-seconds", str(warmup), "--runs", str(RUNS), "--seconds", str(seconds))
    found = probes.infer(
        model, *budgets, adapter="onnxruntime", provider="CPUExecutionProvider", track="strict-f32", threads=threads
    )
    assert found["failure"] is None, found["failure"]
    return statistics.median(found["run_seconds"])


def peer_median(python: Path, model: Path, threads: int) -> float:
    command = [str(python), "-I", "-c", PEER, str(model), str(threads), str(RUNS), str(SECONDS)]
    done = subprocess.run(command, capture_output=True, timeout=300, check=True)
    return float(json.loads(done.stdout))


def pyperf_median(python: Path, script: Path, into: Path) -> float:
    """Of one worker process; a value is one run, as the probe's are: a mean of several has another median."""
    budgets = ("--processes", "1", "--values", str(RUNS), "--warmups", "30", "--loops", "1")
    command = [str(python), str(script), *budgets, "--quiet", "-o", str(into)]
    subprocess.run(command, capture_output=True, timeout=300, check=True, cwd=script.parent)
    (benchmark,) = json.loads(into.read_bytes())["benchmarks"]
    return statistics.median(value for one in benchmark["runs"] for value in one.get("values", ()))


def different(ratios: Sequence[float]) -> bool:
    """Whether rounds show a difference: all on the same side, and by more than two measurements may differ."""
    one_sided = all(ratio > 1 for ratio in ratios) or all(ratio < 1 for ratio in ratios)
    return one_sided and abs(statistics.median(ratios) - 1) > AGREE


@pytest.mark.parametrize("threads", [1, 2])
def test_medians_agree_with_an_independent_loop(
    probes: Probes, model: Path, onnxruntime_python: Path, threads: int
) -> None:
    ours, theirs = [], []
    for number in range(ROUNDS):
        for mine in (True, False) if number % 2 == 0 else (False, True):
            if mine:
                ours.append(probe_median(probes, model, threads))
            else:
                theirs.append(peer_median(onnxruntime_python, model, threads))
    ratio = statistics.median(ours) / statistics.median(theirs)
    shown = ", ".join(f"{1e3 * one:.3f}/{1e3 * other:.3f}" for one, other in zip(ours, theirs, strict=True))
    print(f"{threads} threads: probe/peer in ms: {shown}; ratio of the medians {ratio:.4f}")
    assert abs(ratio - 1) <= AGREE


def test_medians_agree_with_pyperf(probes: Probes, model: Path, pyperf_python: Path, tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(PYPERF.format(folder=str(model)))
    ours, theirs = [], []
    for number in range(ROUNDS):
        for mine in (True, False) if number % 2 == 0 else (False, True):
            if mine:
                ours.append(probe_median(probes, model, 1))
            else:
                theirs.append(pyperf_median(pyperf_python, script, tmp_path / f"{number}.json"))
    ratio = statistics.median(ours) / statistics.median(theirs)
    shown = ", ".join(f"{1e3 * one:.3f}/{1e3 * other:.3f}" for one, other in zip(ours, theirs, strict=True))
    print(f"1 thread: probe/pyperf in ms: {shown}; ratio of the medians {ratio:.4f}")
    assert abs(ratio - 1) <= AGREE


def test_the_same_runtime_twice_is_not_different(probes: Probes, model: Path) -> None:
    """Twenty trials of five rounds; at most one may find a difference where there is none. Takes some minutes."""
    found = []
    for _ in range(20):
        ratios = []
        for number in range(ROUNDS):
            pair = [probe_median(probes, model, 1, warmup=0.2, seconds=0.3) for _ in range(2)]
            ratios.append(pair[number % 2] / pair[1 - number % 2])
        found.append(ratios)
        print(f"A/A: median ratio {statistics.median(ratios):.4f}, from {min(ratios):.4f} to {max(ratios):.4f}")
    assert sum(map(different, found)) <= 1


def test_a_real_difference_is_found(probes: Probes, tmp_path: Path) -> None:
    """The same rule, on two nets of which one has a third more to do: or it would find no difference anywhere."""
    one, more = (write_net(tmp_path / str(width), channels=width, pixels=64, classes=200) for width in (48, 64))
    ratios = []
    for number in range(ROUNDS):
        pair = [probe_median(probes, net, 1, warmup=0.2, seconds=0.3) for net in ((one, more), (more, one))[number % 2]]
        ratios.append(pair[1 - number % 2] / pair[number % 2])
    print(f"A/B: median ratio {statistics.median(ratios):.4f}, from {min(ratios):.4f} to {max(ratios):.4f}")
    assert different(ratios)
