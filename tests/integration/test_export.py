"""Models are made and checked by the real exporter, in real sandboxes; PyTorch's CPU build only where it is carried."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.catalogs import models
from harness.documents.inference import ModelFacts
from harness.engines import images
from harness.engines.sandbox import Engine
from harness.errors import InputError
from harness.job import Target
from harness.packages.carried import Carried
from harness.packages.environment import Shop
from harness.packages.index import Index, Reach
from harness.packages.lock import LockStore
from harness.probes import FOLDER
from harness.stages import export
from harness.stages.inference import ModelFiles
from tests.support import onnx_files
from tests.support.onnx_files import WEIGHTS, matrix_product
from tests.support.ports import answer
from tests.support.promise import lacks

# docker-py leaves the socket of each attached container to the garbage collector
pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

SMALL = ("mobilenet_v2_small", "bert_tiny")
EXTERNAL = ("weights.bin", 4, len(WEIGHTS))


class Phases:
    """Progress that remembers."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def phase(self, name: str, detail: str = "") -> None:
        self.names.append(name)

    def note(self, text: str) -> None: ...
    def transfer(self, received: int, total: int) -> None: ...
    def step(self, done: int, total: int) -> None: ...
    def alive(self) -> None: ...


@pytest.fixture(scope="module")
def checker_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with what checks a model, as it is pinned."""
    place = tmp_path_factory.mktemp("checker") / "env"
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", str(place)], check=True)
    python = place / "bin" / "python"
    pinned = images.folder() / "exporter" / "checker.txt"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--require-hashes"]
    subprocess.run([*install, "-r", str(pinned)], check=True, capture_output=True, timeout=600)
    return python


@pytest.fixture
def check(checker_python: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Have a file checked; returns what the probe tells."""

    def run(content: bytes, *arguments: str) -> dict[str, Any]:
        path = tmp_path / "model.onnx"
        path.write_bytes(content)
        command = [str(checker_python), "-I", "-B", str(FOLDER / "export.py"), "--out", str(tmp_path / "out"), "file"]
        done = subprocess.run([*command, "--path", str(path), *arguments], capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr.decode()
        document = json.loads(done.stdout)
        assert isinstance(document, dict) and document["failure"] is None
        return document

    return run


def test_a_whole_model_is_taken_as_it_is(check: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    import numpy

    found = check(matrix_product((3, 4)))
    assert found["refused"] is None
    assert (found["opset"], found["parameters"], found["operators"]) == (17, 8, {"MatMul": 1})
    assert (tmp_path / "out" / "model.onnx").read_bytes() == matrix_product((3, 4))
    x = numpy.load(tmp_path / "out" / "inputs.npz")["x"]
    y = numpy.load(tmp_path / "out" / "reference.npz")["y"]
    weights = numpy.frombuffer(WEIGHTS, "<f4").reshape(4, 2)
    assert numpy.allclose(y, x.astype("f8") @ weights, atol=1e-6) and x.std() > 0.5


@pytest.mark.parametrize(
    ("content", "arguments", "why"),
    [
        (b"", (), "not an ONNX model"),
        (b"this is no model", (), "not an ONNX model"),
        (matrix_product()[:-7], (), "not an ONNX model"),
        (matrix_product(operator="Missing"), (), "not a valid ONNX model: No Op registered for Missing"),
        (matrix_product((1, 5)), (), "not a valid ONNX model"),
        (matrix_product(dtype=onnx_files.STRING), (), "not a valid ONNX model"),
        (matrix_product(None), (), "its input 'x' has no shape; give one: --shape x="),
        (matrix_product(("batch", 4)), (), "dynamic axes (batch); fix them: --shape x=1,4"),
        (matrix_product(("batch", 4)), ("--shape", "x=1,5"), "has the shape batch,4, which 1,5 does not fit"),
        (matrix_product(("batch", 4)), ("--shape", "x=4"), "does not fit"),
        (matrix_product(), ("--shape", "z=1,4"), "it has no input 'z'; it has: x"),
        (matrix_product(external=EXTERNAL), (), "its external data"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused(
    check: Callable[..., dict[str, Any]], content: bytes, arguments: tuple[str, ...], why: str, tmp_path: Path
) -> None:
    assert why in check(content, *arguments)["refused"]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("shape", [None, ("batch", 4), ("batch", "width")])
def test_axes_are_fixed(check: Callable[..., dict[str, Any]], shape: tuple[int | str, ...] | None) -> None:
    found = check(matrix_product(shape), "--shape", "x=5,4")
    assert found["refused"] is None
    assert [one["shape"] for one in (*found["inputs"], *found["outputs"])] == [[5, 4], [5, 2]]


def test_weights_that_an_old_exporter_lists_as_inputs_are_not_asked_for(
    check: Callable[..., dict[str, Any]],
) -> None:
    assert [one["name"] for one in check(matrix_product(weights_are_inputs=True))["inputs"]] == ["x"]


def test_external_data_are_taken_in(check: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    path = tmp_path / "elsewhere"
    path.write_bytes(b"skip" + WEIGHTS)
    found = check(matrix_product(external=EXTERNAL), "--external", "weights.bin", str(path))
    assert found["refused"] is None
    assert WEIGHTS in (tmp_path / "out" / "model.onnx").read_bytes()
    path.write_bytes(b"skip" + WEIGHTS[:-1])
    assert "too short" in check(matrix_product(external=EXTERNAL), "--external", "weights.bin", str(path))["refused"]


@pytest.fixture
def new_shop(engine: Engine, tmp_path: Path, tools: Path) -> Callable[..., Shop]:
    """Makes what models are exported with; each in a cache of its own, unless that is named."""

    def make(name: str, carried: Carried | None = None) -> Shop:
        cache = tmp_path / name
        if not cache.exists():
            cache.mkdir()
            (cache / "tools").symlink_to(tools)
            (cache / "work").mkdir()
        index = Index(Reach.from_environment(os.environ, os.environ.get("HARNESS_INDEX_URL")))
        return Shop(engine, index, cache, cache / "work", LockStore(cache / "locks"), Phases(), carried)

    return make


def test_a_model_of_ones_own_lies_beside_those_of_the_zoo(
    new_shop: Callable[..., Shop], target: Target, tmp_path: Path
) -> None:
    shop = new_shop("here")
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"skip" + WEIGHTS)
    (folder / "My net.onnx").write_bytes(matrix_product(("batch", 4), external=EXTERNAL))
    found = export.take_in(folder / "My net.onnx", {"x": (6, 4)}, shop=shop, target=target)
    assert isinstance(found.facts, ModelFacts) and found.facts.inputs[0].shape == (6, 4)
    assert {path.name for path in found.folder.iterdir()} == {*models.FILES, "manifest.json"}
    assert found.folder == shop.cache / "models" / f"my_net-opset17-{found.facts.sha256[:12]}"
    again = new_shop("here")
    assert export.ensure(["my_net"], opset="20", shop=again, target=target) == (found,)
    assert "install" not in phases(again)

    # one that reaches for what is not its own leaves nothing behind
    (tmp_path / "secret.bin").write_bytes(b"skip" + WEIGHTS)
    (folder / "thief.onnx").write_bytes(matrix_product(external=("../secret.bin", 4, len(WEIGHTS))))
    with pytest.raises(InputError, match=r"leave its folder: '\.\./secret\.bin'"):
        export.take_in(folder / "thief.onnx", {}, shop=again, target=target)
    assert [path.name for path in (shop.cache / "models").iterdir()] == [found.folder.name]
    assert list(shop.work.iterdir()) == []


@pytest.fixture
def torch_here() -> Carried:
    """The folder with PyTorch's CPU build: from the index, it would be gigabytes."""
    folder = os.environ.get("HARNESS_WHEELHOUSE")
    if not folder:
        lacks("HARNESS_WHEELHOUSE names no folder with a CPU build of torch", promised_by="HARNESS_REQUIRE_TORCH")
    return Carried.at(Path(folder))


def test_two_exports_are_equal_to_the_byte(
    new_shop: Callable[..., Shop], target: Target, torch_here: Carried, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = new_shop("one", torch_here)
    made = export.ensure(SMALL, opset="17", shop=first, target=target)
    assert [files.facts.opset for files in made] == [17, 17]
    for files in made:
        manifest = models.read_manifest(files.folder)
        assert manifest.output_std > 0.1
        assert manifest.check_error <= manifest.tolerance.strict_f32.abs
        assert manifest.exporter_lock_sha256 and manifest.exporter["torch"].startswith("2.")

    # the port that JAX and TensorFlow run is of that very model
    monkeypatch.syspath_prepend(str(FOLDER))
    bert = made[SMALL.index("bert_tiny")].folder
    with np.load(bert / "inputs.npz") as inputs, np.load(bert / "reference.npz") as right:
        told = answer(importlib.import_module("ports"), "bert_tiny", dict(inputs))
        assert all(np.abs(told[name] - right[name]).max() < 1e-4 for name in right)

    other = export.ensure(SMALL, opset="17", shop=new_shop("another place", torch_here), target=target)
    assert [sums(files) for files in other] == [sums(files) for files in made]

    again = new_shop("one", torch_here)
    assert export.ensure(SMALL, opset="17", shop=again, target=target) == made
    assert phases(again) == []

    # what was altered is made again, and nothing else
    (made[1].folder / "reference.npz").write_bytes(b"altered")
    mended = new_shop("one", torch_here)
    assert export.ensure(SMALL, opset="17", shop=mended, target=target) == made
    assert phases(mended).count("export") == 1
    assert sums(made[1]) == sums(other[1])


def sums(files: ModelFiles) -> dict[str, bytes]:
    return {name: (files.folder / name).read_bytes() for name in models.FILES}


def phases(shop: Shop) -> list[str]:
    assert isinstance(shop.progress, Phases)
    return shop.progress.names
