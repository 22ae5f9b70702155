"""The zoo's ports (harness/probes/ports.py) in NumPy and double precision: what runtimes' answers are held against."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from tests.support.nets import TOLERANCE

Array = np.ndarray[Any, Any]
_erf = np.vectorize(math.erf, otypes=[np.float64])


class Ops:
    """What a port is made of."""

    reshape, transpose, matmul = staticmethod(np.reshape), staticmethod(np.transpose), staticmethod(np.matmul)
    float = np.float64

    @staticmethod
    def concat(parts: tuple[Array, ...]) -> Array:
        return np.concatenate(parts)

    @staticmethod
    def take(table: Array, places: Array) -> Array:
        return table[places].astype(np.float64)

    @staticmethod
    def mean(x: Array) -> Array:
        return np.asarray(x.mean(axis=-1, keepdims=True))

    @staticmethod
    def rsqrt(x: Array) -> Array:
        return np.asarray(1 / np.sqrt(x))

    @staticmethod
    def softmax(x: Array) -> Array:
        raised = np.exp(x - x.max(axis=-1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=-1, keepdims=True))

    @staticmethod
    def matmul_transposed(x: Array, y: Array) -> Array:
        return np.asarray(x @ np.swapaxes(y, -1, -2))

    @staticmethod
    def gelu(x: Array) -> Array:
        return np.asarray(x * 0.5 * (1 + _erf(x / math.sqrt(2))))

    @staticmethod
    def gelu_tanh(x: Array) -> Array:
        return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))


def answer(ports: ModuleType, name: str, inputs: dict[str, Array]) -> dict[str, Array]:
    """What a port answers."""
    weights, forward, outputs = ports.port({"source": "zoo", "name": name, "seed": 0}, Ops, "NumPy")
    found = forward(weights, inputs)
    return {key: one.astype(np.float32) for key, one in zip(outputs, found, strict=True)}


def write_port(folder: Path, ports: ModuleType, name: str, inputs: dict[str, Array]) -> Path:
    """A model's folder as the exporter leaves it, but for the ONNX file, which such a runtime does not read."""
    folder.mkdir(parents=True)
    np.savez(folder / "inputs.npz", **inputs)
    np.savez(folder / "reference.npz", **answer(ports, name, inputs))
    told = {"name": name, "source": "zoo", "seed": 0, "sha256": "0" * 64, "tolerance": TOLERANCE}
    (folder / "manifest.json").write_text(json.dumps(told))
    return folder
