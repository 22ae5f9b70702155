"""Small ONNX files, encoded by hand: the tests need no onnx package, and can write what it would refuse to.

The model is `y = x @ w`, with w a matrix of 4 x 2.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

FLOAT, INT64, STRING = 1, 7, 8
Dimension = int | str
"""A fixed size, or the name of a dynamic axis."""
WEIGHTS = struct.pack("<8f", *(index / 4 - 1 for index in range(8)))


def matrix_product(
    shape: Sequence[Dimension] | None = (1, 4),
    *,
    dtype: int = FLOAT,
    external: tuple[str, int, int] | None = None,
    operator: str = "MatMul",
    opset: int = 17,
    weights_are_inputs: bool = False,
) -> bytes:
    """The model's file.

    Args:
        shape: of the input `x`; None: the file says nothing of it.
        external: location, offset and length of w's bytes, which then are not in the file.
        weights_are_inputs: list w among the inputs too, as old exporters do.
    """
    node = _text(1, "x") + _text(1, "w") + _text(2, "y") + _text(4, operator)
    weights = _number(1, 4) + _number(1, 2) + _number(2, FLOAT) + _text(8, "w")
    if external is None:
        weights += _field(9, WEIGHTS)
    else:
        for key, value in zip(("location", "offset", "length"), map(str, external), strict=True):
            weights += _field(13, _text(1, key) + _text(2, value))
        weights += _number(14, 1)
    inputs = _field(11, _value("x", dtype, shape))
    if weights_are_inputs:
        inputs += _field(11, _value("w", FLOAT, (4, 2)))
    rows = ("rows", 2) if shape is None else (*shape[:-1], 2)
    graph = _field(1, node) + _text(2, "graph") + _field(5, weights) + inputs + _field(12, _value("y", FLOAT, rows))
    return _number(1, 8) + _text(2, "by hand") + _field(7, graph) + _field(8, _number(2, opset))


def _value(name: str, dtype: int, shape: Sequence[Dimension] | None) -> bytes:
    kind = _number(1, dtype)
    if shape is not None:
        sizes = (_number(1, size) if isinstance(size, int) else _text(2, size) for size in shape)
        kind += _field(2, b"".join(_field(1, size) for size in sizes))
    return _text(1, name) + _field(2, _field(1, kind))


def _varint(value: int) -> bytes:
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _field(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text(field: int, content: str) -> bytes:
    return _field(field, content.encode())
