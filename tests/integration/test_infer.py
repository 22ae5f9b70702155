"""`harness infer` and `harness providers` from end to end: a model of the user's, a real runtime, both engines."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.onnx_files import matrix_product
from tests.support.program import Program
from tests.support.wheels import build_wheel

pytestmark = [pytest.mark.integration, pytest.mark.online]

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
BRIEFLY = ("--rounds", "2", "--runs", "5", "--seconds", "0.05", "--warmup-runs", "1", "--warmup-seconds", "0.01")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, tools: Path, engine_name: str) -> Program:
    """With the index that this machine is configured for, and a model that was taken in."""
    program = Program(tmp_path_factory.mktemp("infer"), index_url=os.environ.get("HARNESS_INDEX_URL"), tools=tools)
    path = program.folder / "product.onnx"
    path.write_bytes(matrix_product((3, 4)))
    ended = run(program, engine_name, "export", "--from", str(path))
    assert ended.status == 0, ended.stderr
    return program


def run(program: Program, engine: str, command: str, *arguments: str) -> Any:
    shared = ("--engine", engine, "--python", PYTHON, "--results", str(program.results))
    return program.run(command, *arguments, *shared)


def rows(program: Program, table: str) -> list[dict[str, str]]:
    with (program.results / table).open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_model_is_timed_and_every_row_says_where_it_ran(bench: Program, engine_name: str) -> None:
    ended = run(
        bench, engine_name, "infer", "product", *BRIEFLY, "--threads", "1", "--spinning",
        *("--runtime", "onnxruntime", "--runtime", "onnxruntime-gpu"),
    )  # fmt: skip
    assert ended.status == 0, ended.stderr
    found = rows(bench, "inference.csv")
    by_runtime = {(row["runtime"], row["spinning"], row["track"]): row for row in found}
    assert len(found) == len(by_runtime) == 6
    for track in ("strict-f32", "vendor-default"):
        anchor = by_runtime["onnxruntime", "false", track]
        assert (anchor["status"], anchor["ep_actual"], anchor["precision"]) == ("ok", "CPUExecutionProvider", "f32")
        assert float(anchor["ratio_to_anchor"]) == 1 and float(anchor["latency_p50_seconds"]) > 0
        assert float(anchor["max_rel_error"]) < 1e-5 and int(anchor["runs"]) >= 10
        assert 100e6 < int(anchor["installed_bytes"]) < 200e6  # the footprint of onnxruntime 1.32.0 is 135 MB
        spinning = by_runtime["onnxruntime", "true", track]
        assert spinning["status"] == "ok" and float(spinning["ratio_to_anchor"]) > 0
        gpu = by_runtime["onnxruntime-gpu", "false", track]
        assert gpu["status"] in ("skipped", "ok", "failed")
        if gpu["status"] == "skipped":
            assert gpu["reason"].startswith("no GPU") and gpu["latency_p50_seconds"] == ""


def test_rounds_are_kept_raw_and_take_turns(bench: Program, engine_name: str) -> None:
    told = json.loads(
        run(bench, engine_name, "infer", "product", *BRIEFLY, "--threads", "1", "--spinning", "--json",
            *("--track", "strict-f32", "--runtime", "onnxruntime")).stdout
    )  # fmt: skip
    places = {one["spinning"]: [one_round["place"] for one_round in one["rounds"]] for one in told}
    assert places == {False: [0, 1], True: [1, 0]}
    assert all(len(one_round["run_seconds"]) >= 5 for one in told for one_round in one["rounds"])
    assert {one["lock_sha256"] for one in told} == {told[0]["lock_sha256"]} and told[0]["wheels"]
    assert list(bench.results.glob("locks/*/pylock.toml"))


def test_a_wrong_answer_is_a_failed_row(bench: Program, engine_name: str) -> None:
    """The reference of a copy of the model is another's: what runs is right, and does not agree with it."""
    folder = spoiled(bench, lambda values: values + 0.5)
    try:
        ended = run(
            bench, engine_name, "infer", "wrong", *BRIEFLY, "--threads", "1", "--track", "strict-f32", "--json",
            *("--runtime", "onnxruntime"),
        )  # fmt: skip
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    assert ended.status == 1
    (one,) = json.loads(ended.stdout)
    assert (one["status"], one["phase"]) == ("failed", "compare") and one["reason"].startswith("numeric")
    assert one["figures"]["max_abs_error"] == pytest.approx(0.5, abs=1e-3)


def spoiled(bench: Program, change: Callable[[Any], Any]) -> Path:
    """A model that is taken in already, under another name and with another reference."""
    import hashlib
    import shutil

    import numpy

    (whole,) = bench.cache.glob("models/product-*")
    folder = whole.with_name(whole.name.replace("product", "wrong"))
    shutil.copytree(whole, folder)
    reference = folder / "reference.npz"
    with numpy.load(whole / "reference.npz") as arrays:
        numpy.savez(reference, **{name: change(arrays[name]) for name in arrays})
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest |= {"name": "wrong", "reference_sha256": hashlib.sha256(reference.read_bytes()).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


ELSEWHERE = """
import numpy

class Kind:
    def astype(self, kind):
        return "MatMul"

class Node:
    def get_rt_info(self):
        return {"layerType": Kind()}

class Graph:
    def get_ops(self):
        return [Node()]

class Output:
    def get_any_name(self):
        return "product"

class Request:
    def infer(self, inputs, **options):
        return [numpy.zeros((3, 4), dtype=numpy.float32)]

class Compiled:
    outputs = [Output()]

    def create_infer_request(self):
        return Request()

    def get_property(self, name):
        return ["GPU.0"]

    def get_runtime_model(self):
        return Graph()

class Core:
    def compile_model(self, path, device, options):
        return Compiled()
"""
CULPRITS = {
    "openvino": ("openvino", ELSEWHERE, "first run", "provider: 0 of 1 nodes ran on CPU: GPU.0 1"),
    "jax": ("jax", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "import", "crash SIGSEGV"),
    "tensorflow": ("tensorflow", "import time; time.sleep(600)", "import", "timeout"),
    "onnxruntime-openvino": ("onnxruntime", "t = []\nwhile True: t.append(b'x' * 2**24)", "import", "oom"),
}
"""Runtime -> the import package of the wheel of its name that the test carries, what that does, how its row ends."""


def test_runtimes_that_misbehave_are_rows_and_the_anchor_goes_on(
    bench: Program, engine_name: str, tmp_path: Path
) -> None:
    for name, (package, code, _, _) in CULPRITS.items():
        build_wheel(tmp_path, name, "2099.1", {f"{package}/__init__.py": code.encode()}, requires=["numpy"])
    ended = run(
        bench, engine_name, "infer", "product", *BRIEFLY, "--threads", "1", "--track", "strict-f32", "--json",
        *(word for name in ("onnxruntime", *CULPRITS) for word in ("--runtime", name)),
        *("--wheelhouse", str(tmp_path), "--timeout", "10", "--memory", "512MiB"),
    )  # fmt: skip
    assert ended.status == 1, ended.stderr
    anchor, *others = json.loads(ended.stdout)
    assert (anchor["runtime"], anchor["status"], len(anchor["rounds"])) == ("onnxruntime", "ok", 2)
    assert [one["runtime"] for one in others] == list(CULPRITS)
    table = {row["record_id"]: row for row in rows(bench, "inference.csv")}
    for one in others:
        _, _, phase, begins = CULPRITS[one["runtime"]]
        assert (one["version"], one["status"], one["phase"]) == ("2099.1", "failed", phase)
        assert one["reason"].startswith(begins), one["reason"]
        assert one["rounds"] == [] and one["figures"]["latency_p50_seconds"] is None
        assert one["absent"]["latency_p50_seconds"] == f"not reached: failed in {phase}"
        row = table[one["record_id"]]
        assert row["status"] == "failed" and row["latency_p50_seconds"] == ""


def test_providers_tell_what_really_ran(bench: Program, engine_name: str) -> None:
    ended = run(bench, engine_name, "providers", "--runtime", "onnxruntime")
    assert ended.status == 0, ended.stderr
    found = {row["provider"]: row for row in rows(bench, "providers.csv")}
    assert int(found["CPUExecutionProvider"]["ran_nodes"]) > 0
    idle = [row for row in found.values() if row["ran_nodes"] in ("", "0")]
    assert all(row["reason"] for row in idle)


INPUTS = {
    "unknown model": (["nothing"], "nothing"),
    "unknown runtime": (["mobilenet_v2_small", "--runtime", "tensorrtx"], "there is no runtime"),
    "no threads": (["mobilenet_v2_small", "--threads", "0"], "threads"),
    "odd track": (["mobilenet_v2_small", "--track", "fast"], "track"),
    "no rounds": (["mobilenet_v2_small", "--rounds", "0"], "rounds"),
    "runs not a number": (["mobilenet_v2_small", "--runs", "nan"], "runs"),
    "offline without wheels": (["mobilenet_v2_small", "--offline"], "no wheels are carried"),
    "no such folder": (["mobilenet_v2_small", "--wheelhouse", "not-there"], "not-there"),
}


@pytest.mark.parametrize("kind", INPUTS)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, kind: str) -> None:
    arguments, says = INPUTS[kind]
    program = Program(tmp_path)
    ended = program.run("infer", *arguments, "--engine", "venv", "--results", str(program.results))
    assert ended.status == 2 and says in " ".join(ended.told), ended.stderr
    assert "Traceback" not in ended.stderr
