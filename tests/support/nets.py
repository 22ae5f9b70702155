"""A small real model with its files, as the exporter leaves them: a convolution and a matrix product."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from harness.probes.precision import onnx_model

TOLERANCE = {"strict-f32": {"abs": 1e-3, "rel": 1e-4}, "vendor-default": {"abs": 0.2, "rel": 5e-2}}


def write_net(folder: Path, *, channels: int = 8, pixels: int = 16, classes: int = 10) -> Path:
    """Write a model's folder; the reference is computed in double precision, without any runtime."""
    bits = np.random.Generator(np.random.Philox(key=[7, 0]))

    def uniform(*shape: int, gain: float = 1.0) -> np.ndarray:
        return (gain * (bits.random(shape) * 2 - 1)).astype(np.float32)

    inside = channels * (pixels - 2) ** 2
    weights = {
        "kernel": uniform(channels, 3, 3, 3, gain=0.5),
        "matrix": uniform(inside, classes, gain=inside**-0.5 * 3),
        "bias": uniform(classes),
    }
    inputs = {"image": uniform(1, 3, pixels, pixels)}
    nodes = [
        ("Conv", ["image", "kernel"], ["convolved"]),
        ("Relu", ["convolved"], ["positive"]),
        ("Flatten", ["positive"], ["flat"]),
        ("MatMul", ["flat", "matrix"], ["product"]),
        ("Add", ["product", "bias"], ["scores"]),
    ]
    model = onnx_model(nodes, inputs, {"scores": [1, classes]}, weights)
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model)
    np.savez(folder / "inputs.npz", **inputs)
    np.savez(folder / "weights.npz", **weights)
    np.savez(folder / "reference.npz", scores=scores(inputs["image"], weights).astype(np.float32))
    told = {"name": "net", "source": "file", "seed": None, "sha256": hashlib.sha256(model).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps({**told, "tolerance": TOLERANCE}))
    return folder


def scores(image: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    windows = sliding_window_view(image[0].astype(np.float64), (3, 3), axis=(1, 2))
    positive = np.maximum(np.einsum("ocij,cyxij->oyx", weights["kernel"].astype(np.float64), windows), 0)
    found: np.ndarray = positive.reshape(1, -1) @ weights["matrix"].astype(np.float64) + weights["bias"]
    return found
