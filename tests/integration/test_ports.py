"""JAX and TensorFlow run the zoo's ports, in environments that have them and nothing else: are they right?"""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.support.adapters import Probes
from tests.support.nets import write_net
from tests.support.ports import write_port

pytestmark = [pytest.mark.integration, pytest.mark.online]

RUNTIMES = {"jax": ("jax==0.10.2", "cpu"), "tensorflow": ("tensorflow==2.21.0", "CPU")}
"""Adapter -> what is installed, and its provider."""
SMALL = """
PORTS["gpt2_small_prefill_128"] = lambda: gpt2(vocabulary=100, width=32, layers=2, heads=2, positions=16)
PORTS["vit_b_16"] = lambda: vit(pixels=32, patch=8, width=32, layers=2, heads=2, inner=64, classes=10)
"""
"""In place of the large ones: the same functions, sooner done."""
MASK = np.ones((1, 32), dtype=np.int64)
MASK[:, -8:] = 0
INPUTS: dict[str, dict[str, np.ndarray[Any, Any]]] = {
    "bert_tiny": {"input_ids": np.arange(32, dtype=np.int64)[None] * 7 % 1000, "attention_mask": MASK},
    "gpt2_small_prefill_128": {"input_ids": np.arange(12, dtype=np.int64)[None] * 5 % 100},
    "vit_b_16": {"pixel_values": np.sin(np.arange(3 * 32 * 32, dtype=np.float32)).reshape(1, 3, 32, 32)},
}


@pytest.fixture(scope="module", params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def probes(tmp_path_factory: pytest.TempPathFactory, runtime: str) -> Probes:
    place = tmp_path_factory.mktemp(runtime)
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", str(place / "env")], check=True)
    python = place / "env" / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", RUNTIMES[runtime][0]]
    subprocess.run(install, check=True, capture_output=True, timeout=900)
    made = Probes(place / "probes", python)
    with (made.folder / "ports.py").open("a") as file:
        file.write(SMALL)
    return made


@pytest.fixture
def ports(probes: Probes, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module that those probes use."""
    monkeypatch.syspath_prepend(str(probes.folder))
    yield importlib.import_module("ports")
    for name in ("ports", "zoo", "refused"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("track", ["strict-f32", "vendor-default"])
@pytest.mark.parametrize("name", INPUTS)
def test_a_port_is_timed_and_its_answer_is_right(
    probes: Probes, ports: ModuleType, runtime: str, name: str, track: str, tmp_path: Path
) -> None:
    model = write_port(tmp_path / "model", ports, name, INPUTS[name])
    provider = RUNTIMES[runtime][1]
    found = probes.infer(model, adapter=runtime, provider=provider, track=track)
    assert found["failure"] is None, found["failure"]
    assert found["precision"] == "f32" and found["max_rel_error"] < 1e-5 and found["output_std"] > 0.1
    assert found["ep_actual"] == provider and found["nodes"] is None
    assert f"{found['distribution']}=={found['version']}" == RUNTIMES[runtime][0]
    assert len(found["run_seconds"]) >= 5 and found["load_seconds"] > 0
    assert any("it reads no file" in one for one in found["warnings"])


def test_what_has_no_port_is_unsupported(probes: Probes, runtime: str, tmp_path: Path) -> None:
    found = probes.infer(write_net(tmp_path / "net"), adapter=runtime, provider=RUNTIMES[runtime][1])
    told = {"phase": "load", "kind": "unsupported", "detail": f"no port of this model to {runtime}"}
    assert found["failure"] == told


def test_a_device_that_is_not_there_is_never_stood_in_for(
    probes: Probes, ports: ModuleType, runtime: str, tmp_path: Path
) -> None:
    model = write_port(tmp_path / "model", ports, "bert_tiny", INPUTS["bert_tiny"])
    found = probes.infer(model, adapter=runtime, provider="TPU")
    assert found["failure"]["kind"] == "provider" and found["run_seconds"] == []


def test_the_tiny_model_runs_where_it_is_asked_to(probes: Probes, runtime: str) -> None:
    provider = RUNTIMES[runtime][1]
    found = probes.run("providers", "--adapter", runtime, "--provider", provider)
    assert provider in found["offered"]
    (one,) = [each for each in found["tried"] if each["provider"] == provider]
    assert one["created"] is True
