"""The inference probe: what it times and tells with the real onnxruntime, and that nothing can hang it or lie to it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.probes import FOLDER
from tests.support.adapters import Probes
from tests.support.nets import write_net

pytestmark = pytest.mark.integration

CPU = "CPUExecutionProvider"
ADAPTERS = sorted(path.stem for path in (FOLDER / "adapters").glob("*.py"))


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_net(tmp_path_factory.mktemp("models") / "net")


@pytest.fixture
def altered(model: Path, tmp_path: Path) -> Path:
    """The same model with another reference: the right answer is wrong."""
    place = tmp_path / "altered"
    shutil.copytree(model, place)
    with np.load(model / "reference.npz") as file:
        reference = file["scores"].copy()
    reference[0, 3] += 0.5
    np.savez(place / "reference.npz", scores=reference)
    return place


@pytest.fixture
def stubs(tmp_path: Path) -> Probes:
    """Probes in the tests' own environment, whose adapter is made by the test."""
    return Probes(tmp_path / "probes")


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory, onnxruntime_python: Path) -> Probes:
    """Probes in an environment that has onnxruntime and nothing else."""
    return Probes(tmp_path_factory.mktemp("real") / "probes", onnxruntime_python)


def failure(document: dict[str, Any]) -> tuple[str, str, str]:
    assert document["failure"] is not None, document
    told = document["failure"]
    assert "\n" not in told["detail"]
    return told["phase"], told["kind"], told["detail"]


@pytest.mark.parametrize("track", ["strict-f32", "vendor-default"])
def test_a_model_is_timed_and_its_answer_is_right(real: Probes, model: Path, track: str) -> None:
    budgets = ("--warmup-runs", "20", "--warmup-seconds", "0.2", "--runs", "30", "--seconds", "0.4")
    found = real.infer(model, *budgets, adapter="onnxruntime", provider=CPU, track=track)
    assert found["failure"] is None
    assert found["distribution"] == "onnxruntime" and found["version"] == "1.32.0"
    assert 0.01 < found["import_seconds"] < 30 and 0 < found["load_seconds"] < 10
    assert 0 < found["first_run_seconds"] < 1
    assert found["warmup_runs"] >= 20 and len(found["run_seconds"]) >= 30
    assert 0.2 < sum(found["run_seconds"]) < 2 and min(found["run_seconds"]) > 0
    assert found["cpu_seconds"] < 1.2 * sum(found["run_seconds"]) + 0.1  # one thread, and nobody spins
    assert 20e6 < found["rss_peak_bytes"] < 1e9
    assert found["max_rel_error"] < 1e-5 and found["output_std"] > 0.1
    assert found["precision"] == "f32"
    assert found["ep_requested"] == found["ep_actual"] == CPU
    assert found["nodes"] == found["nodes_on_provider"] == found["assignment"][CPU] > 0
    assert found["device_run_seconds"] == [] and found["vram_peak_bytes"] is None and found["gpu"] == {}
    assert found["warnings"] == []


def test_a_wrong_answer_fails_and_keeps_its_figures(real: Probes, altered: Path) -> None:
    found = real.infer(altered, adapter="onnxruntime", provider=CPU, track="strict-f32")
    phase, kind, detail = failure(found)
    assert (phase, kind) == ("compare", "numeric") and "output scores is off by 5.0e-01" in detail
    assert found["run_seconds"] and found["max_abs_error"] == pytest.approx(0.5, rel=1e-3)
    assert found["precision"] == "unknown"
    assert any("precision unknown" in one for one in found["warnings"])


@pytest.mark.parametrize("track", ["strict-f32", "vendor-default"])
@pytest.mark.parametrize(
    ("provider", "why"),
    [("AzureExecutionProvider", "AzureExecutionProvider"), ("CUDAExecutionProvider", "was built without")],
)
def test_a_provider_that_leaves_the_work_to_the_cpu_is_never_timed(
    real: Probes, model: Path, track: str, provider: str, why: str
) -> None:
    found = real.infer(model, adapter="onnxruntime", provider=provider, track=track)
    _, kind, detail = failure(found)
    assert kind == "provider" and why in detail
    assert found["run_seconds"] == [] and found["warmup_runs"] is None
    assert found["ep_requested"] == provider and found["ep_actual"] != provider


def test_a_plugin_that_is_not_installed_is_said_so(real: Probes, model: Path) -> None:
    found = real.infer(model, adapter="onnxruntime", provider="OpenVINOExecutionProvider")
    assert failure(found)[:2] == ("load", "provider")
    assert "its plugin is not installed" in found["failure"]["detail"]


def test_a_runtime_that_is_not_there_fails_in_import(stubs: Probes, model: Path) -> None:
    phase, kind, detail = failure(stubs.infer(model, adapter="openvino", provider="CPU"))
    assert (phase, kind, detail) == ("import", "error", "ModuleNotFoundError: No module named 'openvino'")


def test_a_file_that_is_no_model_fails_in_load(real: Probes, model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(model, broken)
    (broken / "model.onnx").write_bytes(b"not a model")
    found = real.infer(broken, adapter="onnxruntime", provider=CPU)
    phase, kind, detail = failure(found)
    assert (phase, kind) == ("load", "error") and "InvalidProtobuf" in detail
    assert found["import_seconds"] > 0 and found["load_seconds"] is None


def test_only_the_import_of_the_runtime_is_timed_as_such(stubs: Probes, model: Path) -> None:
    """Nothing that a runtime imports as well is there before it, or the import would look cheaper than it is."""
    stubs.stub(
        "def prepare():\n"
        "    import sys, time\n"
        "    early = {'json', 're', 'numpy', 'argparse', 'typing', 'subprocess'} & set(sys.modules)\n"
        "    assert not early, early\n"
        "    time.sleep(0.2)\n"
    )
    found = stubs.infer(model)
    assert found["failure"] is None and 0.2 <= found["import_seconds"] < 1


def test_nothing_is_collected_while_runs_are_timed(stubs: Probes, model: Path) -> None:
    stubs.stub(
        "import gc\nstates = []\nsound = run\n"
        "def run(session, inputs):\n"
        "    states.append(gc.isenabled())\n"
        # all but the first, and the one that is compared after all timing
        "    assert len(states) == 1 or not gc.isenabled() or not states[-2]\n"
        "    return sound(session, inputs)\n"
    )
    assert stubs.infer(model)["failure"] is None


def test_phases_are_timed_apart(stubs: Probes, model: Path) -> None:
    stubs.stub(
        "import time\nsound, calls = run, []\n"
        "def load(folder, *_):\n    time.sleep(0.1); return folder\n"
        "def run(session, inputs):\n"
        "    calls.append(0); time.sleep(0.3 if len(calls) == 1 else 0.05 if len(calls) <= 3 else 0.01)\n"
        "    return sound(session, inputs)\n"
    )
    found = stubs.infer(model)
    assert found["failure"] is None
    assert found["import_seconds"] < 0.1 <= found["load_seconds"] < 0.3 <= found["first_run_seconds"] < 0.6
    assert found["warmup_runs"] == 2
    assert all(0.01 <= seconds < 0.05 for seconds in found["run_seconds"]) and len(found["run_seconds"]) == 5


ANSWERS = {
    "not-finite": ("sound(session, inputs)['scores'] * float('nan')", "output scores has numbers that are not finite"),
    "another-shape": ("sound(session, inputs)['scores'][0]", "output scores has shape [10], not [1, 10]"),
    "far-off": ("sound(session, inputs)['scores'] * 2", "output scores is off by"),
}


@pytest.mark.parametrize(("code", "detail"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_that_is_none_fails(stubs: Probes, model: Path, code: str, detail: str) -> None:
    stubs.stub(f"sound = run\ndef run(session, inputs):\n    return {{'scores': {code}}}\n")
    found = stubs.infer(model)
    assert failure(found)[:2] == ("compare", "numeric") and detail in found["failure"]["detail"]
    assert len(found["run_seconds"]) >= 5


def test_an_answer_that_turns_wrong_after_the_first_run_fails(stubs: Probes, model: Path) -> None:
    stubs.stub(
        "sound, calls = run, []\n"
        "def run(session, inputs):\n"
        "    calls.append(0)\n    answer = sound(session, inputs)\n"
        "    return answer if len(calls) == 1 else {name: one + 1 for name, one in answer.items()}\n"
    )
    assert failure(stubs.infer(model))[:2] == ("compare", "numeric")


def test_an_output_that_is_missing_fails(stubs: Probes, model: Path) -> None:
    stubs.stub("def run(session, inputs):\n    return {}\n")
    assert failure(stubs.infer(model)) == ("compare", "numeric", "there is no output scores")


PLACES = {
    "import": ("def prepare():\n    {}\n", "import"),
    "load": ("def load(*_):\n    {}\n", "load"),
    "first-run": ("def run(*_):\n    {}\n", "first run"),
    "warm-up": ("sound, calls = run, []\ndef run(*a):\n    calls.append(0)\n    if len(calls) > 1:\n        {}\n"
                "    return sound(*a)\n", "warm-up"),
    "run": ("sound, calls = run, []\ndef run(*a):\n    calls.append(0)\n    if len(calls) > 3:\n        {}\n"
            "    return sound(*a)\n", "run"),
}  # fmt: skip
REACHED = ["import_seconds", "load_seconds", "first_run_seconds", "warmup_runs"]
SEGFAULT = "import ctypes; ctypes.string_at(0)"


@pytest.mark.parametrize(("code", "phase"), PLACES.values(), ids=PLACES)
def test_a_crash_keeps_what_was_reached_before(stubs: Probes, model: Path, code: str, phase: str) -> None:
    stubs.stub(code.format(SEGFAULT))
    found = stubs.infer(model)
    assert failure(found) == (phase, "crash SIGSEGV", "")
    number = ["import", "load", "first run", "warm-up", "run"].index(phase)
    assert [found[name] is not None for name in REACHED] == [place < number for place in range(4)]
    assert found["run_seconds"] == []


@pytest.mark.parametrize("where", ["import", "load", "run"])
def test_a_hang_ends_at_the_limit(stubs: Probes, model: Path, where: str) -> None:
    code, phase = PLACES[where]
    stubs.stub(code.format("import time; time.sleep(600)"))
    started = time.monotonic()
    found = stubs.infer(model, "--timeout", "2")
    assert time.monotonic() - started < 10
    assert failure(found)[:2] == (phase, "timeout")


EATS = "import mmap, time; block = mmap.mmap(-1, 600_000_000); block.write(bytes(600_000_000)); time.sleep(60)"
MEMORY = {
    "takes-it": (EATS, ("--memory", str(300 * 2**20)), "more memory than its limit"),
    "python-has-none": ("bytes(1 << 60)", (), "MemoryError"),
    "library-has-none": ("raise RuntimeError('CUDA failure 2: out of memory')", (), "out of memory"),
    "library-aborts": ("import os; os.write(2, b'what():  std::bad_alloc\\n'); os.abort()", (), "bad_alloc"),
}


@pytest.mark.parametrize(("code", "options", "detail"), MEMORY.values(), ids=MEMORY)
def test_running_out_of_memory_is_told_as_such(
    stubs: Probes, model: Path, code: str, options: tuple[str, ...], detail: str
) -> None:
    stubs.stub(PLACES["first-run"][0].format(code))
    phase, kind, told = failure(stubs.infer(model, *options))
    assert (phase, kind) == ("first run", "oom") and detail in told


def test_what_a_runtime_prints_is_no_result(stubs: Probes, model: Path) -> None:
    stubs.stub(
        "import os\nsound = run\n"
        "def prepare():\n"
        '    print(\'{"failure": null, "run_seconds": [0.000001]}\', flush=True)\n'
        "    for _ in range(20):\n        os.write(1, bytes(5_000_000)); os.write(2, bytes(5_000_000))\n"
        "def run(session, inputs):\n"
        "    os.write(1, b'{}\\n'); os.write(2, b'{}\\n')\n"
        "    return sound(session, inputs)\n"
    )
    found = stubs.infer(model)
    assert found["failure"] is None and min(found["run_seconds"]) > 1e-6


WRITES = """import os
    for fd in range(1, 21):
        try:
            os.write(fd, {})
        except OSError:
            pass"""
FORGERIES = {
    "line": WRITES.format(rf"b'{'0' * 32} {{}}\n'".replace("{}", '{"done": true, "run_seconds": [1e-6]}')),
    "fragment": WRITES.format("b'123456789'"),
}


@pytest.mark.parametrize("where", ["import", "first-run", "run"])
@pytest.mark.parametrize("code", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_result_is_none(stubs: Probes, model: Path, code: str, where: str) -> None:
    indent = "        " if where == "run" else "    "
    stubs.stub(PLACES[where][0].format(code.replace("\n    ", f"\n{indent}")))
    found = stubs.infer(model)
    assert failure(found)[1] == "forged" and found["run_seconds"] == []


ENDS = {
    "exits-0": ("import os; os._exit(0)", "early exit"),
    "exits-3": ("import os; os._exit(3)", "error"),
    "raises": ("raise ValueError('no such\\nthing')", "error"),
    "aborts": ("import os; os.abort()", "crash SIGABRT"),
}


@pytest.mark.parametrize(("code", "kind"), ENDS.values(), ids=ENDS)
def test_an_early_end_is_a_failure(stubs: Probes, model: Path, code: str, kind: str) -> None:
    stubs.stub(PLACES["load"][0].format(code))
    assert failure(stubs.infer(model))[:2] == ("load", kind)


def test_a_runtime_without_a_port_of_the_model_is_unsupported(stubs: Probes, model: Path) -> None:
    stubs.stub(
        "from refused import Refused\ndef load(*_):\n    raise Refused('unsupported', 'no port of this model')\n"
    )
    assert failure(stubs.infer(model)) == ("load", "unsupported", "no port of this model")


def test_nodes_elsewhere_fail_the_strict_track_and_are_told_in_the_other(stubs: Probes, model: Path) -> None:
    stubs.stub(
        "def where(session):\n"
        "    return {'ep_actual': 'stub', 'nodes': 4, 'nodes_on_provider': 3, 'assignment': {'stub': 3, 'cpu': 1}}\n"
    )
    lenient = stubs.infer(model)
    assert lenient["failure"] is None and lenient["warnings"] == ["3 of 4 nodes ran on stub: cpu 1"]
    strict = stubs.infer(model, track="strict-f32")
    assert failure(strict)[1:] == ("provider", "3 of 4 nodes ran on stub: cpu 1") and strict["run_seconds"] == []


@pytest.mark.parametrize("track", ["strict-f32", "vendor-default"])
def test_what_ran_mostly_elsewhere_is_not_timed_under_this_name(stubs: Probes, model: Path, track: str) -> None:
    stubs.stub(
        "def where(session):\n"
        "    return {'ep_actual': 'cpu', 'nodes': 4, 'nodes_on_provider': 1, 'assignment': {'stub': 1, 'cpu': 3}}\n"
    )
    found = stubs.infer(model, track=track)
    phase, kind, detail = failure(found)
    assert (phase, kind) == ("first run", "provider") and "cpu 3" in detail and found["run_seconds"] == []


def test_a_model_that_is_not_all_in_f32_is_not_said_to_be(stubs: Probes, model: Path, tmp_path: Path) -> None:
    """Its reference was computed in the same formats: to agree with that shows nothing of f32."""
    other = tmp_path / "quantized"
    shutil.copytree(model, other)
    manifest = json.loads((other / "manifest.json").read_text())
    (other / "manifest.json").write_text(json.dumps(manifest | {"other_types": ["int8", "DequantizeLinear"]}))
    found = stubs.infer(other)
    assert found["failure"] is None and found["max_rel_error"] == 0 and found["precision"] == "unknown"
    assert found["warnings"] == ["precision unknown: the model itself has int8, DequantizeLinear"]
    assert stubs.infer(model)["precision"] == "f32"


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_no_adapter_imports_what_its_runtime_would(stubs: Probes, adapter: str) -> None:
    code = (
        "import sys; before = set(sys.modules); sys.path.append(sys.argv[1]); import worker\n"
        "__import__('adapters.' + sys.argv[2]); print(*sorted(set(sys.modules) - before))"
    )
    command = [sys.executable, "-I", "-B", "-c", code, str(stubs.folder), adapter]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split())
    own = {"worker", "refused", "gc", "adapters"}
    assert {name for name in loaded if name not in own and not name.startswith("adapters.")} == set()


ROUNDING = """
import json

def as_bits(kept):
    def rounded(array):
        import numpy
        bits = numpy.ascontiguousarray(array, dtype=numpy.float32).view(numpy.uint32).astype(numpy.uint64)
        drop = 23 - kept
        bits += (1 << (drop - 1)) - 1 + ((bits >> drop) & 1)
        return (bits >> drop << drop).astype(numpy.uint32).view(numpy.float32)
    return rounded

FORMATS = {
    "f32": lambda one: one, "tf32": as_bits(10), "bf16": as_bits(7),
    "f16": lambda one: one.astype("float16").astype("float32"),
    "coarse": as_bits(3),
}

def load(folder, *_):
    import numpy
    with numpy.load(folder + "/weights.npz") as file:
        weights = {name: file[name] for name in file.files}
    tiny = json.load(open(folder + "/manifest.json"))["source"] == "precision"
    if tiny:
        {on_tiny}
    return tiny, weights

def run(session, inputs):
    import numpy
    tiny, weights = session
    fit = FORMATS["{format}"]
    with numpy.errstate(all="ignore"):
        if tiny:
            fit = FORMATS["{tiny}"]
            image, kernel = fit(inputs["image"]), fit(weights["kernel"])
            convolved = numpy.einsum("oc,ncyx->noyx", kernel[:, :, 0, 0], image)
            return {"product": fit(inputs["rows"]) @ fit(weights["matrix"]), "convolved": convolved}
        image = fit(inputs["image"])[0]
        windows = numpy.lib.stride_tricks.sliding_window_view(image, (3, 3), axis=(1, 2))
        positive = fit(numpy.maximum(numpy.einsum("ocij,cyxij->oyx", fit(weights["kernel"]), windows), 0))
        return {"scores": positive.reshape(1, -1) @ fit(weights["matrix"]) + weights["bias"]}
"""


def rounding(format: str, tiny: str, on_tiny: str = "pass") -> str:
    """Computes the model in NumPy with its operands rounded to a format, and the tiny one with those to another."""
    return ROUNDING.replace("{format}", format).replace("{tiny}", tiny).replace("{on_tiny}", on_tiny)


TOLD = {
    "f32": ("f32", "f32", "f32"), "tf32": ("tf32", "tf32", "tf32"), "bf16": ("bf16", "bf16", "bf16"),
    "f16": ("f16", "f16", "f16"), "another-than-the-tiny-model": ("bf16", "f32", "unknown"),
    "no-format-of-ours": ("coarse", "coarse", "unknown"), "only-the-tiny-model": ("f32", "bf16", "f32"),
}  # fmt: skip


@pytest.mark.parametrize(("format", "tiny", "told"), TOLD.values(), ids=TOLD)
def test_the_precision_is_told_from_the_numbers(stubs: Probes, model: Path, format: str, tiny: str, told: str) -> None:
    stubs.stub(rounding(format, tiny))
    found = stubs.infer(model)
    assert found["precision"] == told, found
    assert bool(found["warnings"]) == (told == "unknown")


def test_a_crash_of_the_model_that_tells_the_precision_takes_nothing_with_it(stubs: Probes, model: Path) -> None:
    stubs.stub(rounding("bf16", "bf16", on_tiny=SEGFAULT))
    found = stubs.infer(model)
    assert found["failure"] is None and len(found["run_seconds"]) >= 5 and found["max_rel_error"] > 1e-4
    assert found["precision"] == "unknown" and found["warnings"] == ["precision unknown: crash SIGSEGV"]


def test_providers_are_offered_created_and_run_apart(real: Probes) -> None:
    found = real.run("providers", "--adapter", "onnxruntime", "--provider", "CUDAExecutionProvider")
    assert found["failure"] is None and found["version"] == "1.32.0"
    assert set(found["offered"]) == {"AzureExecutionProvider", CPU}
    assert {"ep": CPU, "type": "CPU"}.items() <= found["devices"][0].items()
    tried = {one["provider"]: one for one in found["tried"]}
    assert tried[CPU] == {"provider": CPU, "created": True, "ran_nodes": 2, "reason": ""}
    azure, cuda = tried["AzureExecutionProvider"], tried["CUDAExecutionProvider"]
    assert azure["created"] and azure["ran_nodes"] == 0 and "0 of 2 nodes" in azure["reason"]
    assert not cuda["created"] and cuda["ran_nodes"] is None and "built without" in cuda["reason"]


def test_a_provider_that_crashes_does_not_hide_the_others(stubs: Probes) -> None:
    stubs.stub(
        f"def load(folder, threads, track, provider, *_):\n    if provider == 'stub':\n        {SEGFAULT}\n"
        "    return folder\n"
        "def where(session):\n"
        "    return {'ep_actual': 'other', 'nodes': 2, 'nodes_on_provider': 2, 'assignment': {'other': 2}}\n"
    )
    found = stubs.run("providers", "--adapter", "stub")
    assert found["tried"] == [
        {"provider": "stub", "created": False, "ran_nodes": None, "reason": "crash SIGSEGV"},
        {"provider": "other", "created": True, "ran_nodes": 2, "reason": ""},
    ]


def test_a_provider_that_hangs_costs_its_own_share_of_the_time(stubs: Probes) -> None:
    stubs.stub(
        "import time\n"
        "def load(folder, threads, track, provider, *_):\n    if provider == 'stub':\n        time.sleep(600)\n"
        "    return folder\n"
        "def run(session, inputs):\n    return {}\n"
        "def where(session):\n"
        "    return {'ep_actual': 'other', 'nodes': 2, 'nodes_on_provider': 2, 'assignment': {'other': 2}}\n"
    )
    began = time.monotonic()
    found = stubs.run("providers", "--adapter", "stub", "--timeout", "10")
    assert time.monotonic() - began < 10
    hung, other = found["tried"]
    assert (hung["provider"], hung["created"], hung["ran_nodes"]) == ("stub", False, None)
    assert hung["reason"] == "timeout: it was still running at the time limit"
    assert other == {"provider": "other", "created": True, "ran_nodes": 2, "reason": ""}


def test_a_runtime_that_cannot_be_imported_offers_nothing(stubs: Probes) -> None:
    found = stubs.run("providers", "--adapter", "openvino")
    assert found["failure"] == {
        "phase": "import",
        "kind": "error",
        "detail": "ModuleNotFoundError: No module named 'openvino'",
    }
    assert (found["offered"], found["tried"]) == ([], [])
