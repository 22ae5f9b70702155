"""Which format a runtime computes in, told from its answers; and how far those are from the reference.

No probe of its own: the worker uses it. numpy is imported where it is used, after the runtime.

An answer as near to the f32 reference as f32 can be proves f32, whatever the runtime says. An answer farther off is
explained by a tiny model, a convolution and a matrix product whose weights only move numbers around, so that every
output is an input, rounded as the runtime rounds: 1 + 2^-k comes back as it was for every k up to the bits of the
mantissa. tf32 and f16 have as many of them, but f16 has no 2^-30. Where the tiny model does not explain the distance,
the format is `unknown`.
"""

import json
import os
import struct
import tempfile

F32_ERROR = 2.0**-15
"""Nearer than this to the reference: f32. Rounding to f32 (2^-24) leaves room for a growth of 500; rounding to ten bits
(2^-11) would have to shrink to a sixteenth."""

BITS = {"tf32": 10, "bf16": 7, "f16": 10}
SLACK = 32.0
"""The distance from the reference is explained by a format if it is within this factor of its unit roundoff."""

F32_BITS = 16  # as many come back: not rounded to fewer; three products of bf16 also give as many
TINY = 2.0**-30
WIDTH = 64
FLOAT, INT64 = 1, 7


def differences(answer, reference, tolerance):
    """How far an answer is from the reference.

    Args: arrays by output; `tolerance` with `abs` and `rel`: an output is wrong where its largest difference is past
    either, `rel` being a share of the reference's largest magnitude.

    Returns: the figures, and what is wrong or None. A figure is None where a number in it is not finite.
    """
    import numpy

    figures = {"max_abs_error": None, "max_rel_error": None, "output_std": None}
    absolute, relative, spread, wrong = [], [], [], None
    for name, expected in reference.items():
        if name not in answer:
            return figures, "there is no output %s" % name
        got, expected = numpy.asarray(answer[name]), numpy.asarray(expected, dtype=numpy.float64)
        if got.shape != expected.shape:
            return figures, "output %s has shape %s, not %s" % (name, list(got.shape), list(expected.shape))
        got = got.astype(numpy.float64)
        if not numpy.isfinite(got).all():
            return figures, "output %s has numbers that are not finite" % name
        if not got.size:
            continue
        largest = float(numpy.abs(expected).max())
        error = float(numpy.abs(got - expected).max())
        absolute.append(error)
        relative.append(error / largest if largest else (0.0 if not error else None))
        spread.append(float(got.std()))
        if not error <= min(tolerance["abs"], tolerance["rel"] * largest):
            share = "" if not largest else ", %.1e of its largest" % (error / largest)
            wrong = wrong or "output %s is off by %.1e%s" % (name, error, share)
    if absolute:
        figures = {"max_abs_error": max(absolute), "output_std": min(spread), "max_rel_error": None}
        if None not in relative:
            figures["max_rel_error"] = max(relative)
    return figures, wrong


def precision_of(error, load, run):
    """The format, and a warning where it is not known.

    Args: `error` is the largest relative one, None where there is none; `load` takes a folder of model files, `run` a
    session and inputs, both set up as they were for the model that is timed.
    """
    if error is None:
        return "unknown", "precision unknown: there is no error to tell it from"
    if error < F32_ERROR:
        return "f32", None
    try:
        with tempfile.TemporaryDirectory(prefix="precision-") as folder:
            inputs = write_model(folder)
            bits, tiny = kept(run(load(folder), inputs))
    except Exception as problem:
        first = (str(problem).strip().splitlines() or [""])[0]
        return "unknown", ("precision unknown: the model that tells it failed: %s" % (first or type(problem).__name__))
    return judge(error, bits, tiny)


def judge(error, bits, tiny):
    """The rule itself. `bits` of a mantissa came back; `tiny`: whether 2^-30 did."""
    if error < F32_ERROR:
        return "f32", None
    found = {7: "bf16", 10: "tf32" if tiny else "f16"}.get(bits)
    if found is None:
        said = "f32" if bits >= F32_BITS else "%d bits of a mantissa" % bits
        return "unknown", "precision unknown: off by %.1e, but the tiny model was computed in %s" % (error, said)
    roundoff = 2.0 ** -(BITS[found] + 1)
    if not roundoff / SLACK <= error <= roundoff * SLACK:
        return "unknown", "precision unknown: off by %.1e, which is not what %s leaves" % (error, found)
    return found, None


def kept(answer):
    """Of the coarser of both operators: how many bits of the mantissa came back, and whether 2^-30 did."""
    import numpy

    order = permutation()
    back = {
        "product": numpy.asarray(answer["product"], dtype=numpy.float64),
        "convolved": numpy.asarray(answer["convolved"], dtype=numpy.float64)[0, :, 0, :].T,
    }
    bits, tiny = 23, True
    for rows in back.values():
        for k in range(1, 24):
            got = rows[k, 0]
            if not abs(got - (1 + 2.0**-k)) <= 2.0 ** -(k + 2):
                bits = min(bits, k - 1)
                break
        tiny = tiny and bool(abs(rows[0, order[1]] - TINY) <= TINY / 4)
    return bits, tiny


def permutation():
    """Where each column goes to: column 0 stays, the others trade places."""
    return [0] + [1 + (5 * i + 3) % (WIDTH - 1) for i in range(WIDTH - 1)]


def write_model(folder):
    """The tiny model and its files, as those of a model that is timed; returns its inputs.

    Column 0 of row k holds 1 + 2^-k, column 1 of row 0 holds 2^-30, the rest are small integers.
    """
    import numpy

    rows = (numpy.arange(32 * WIDTH).reshape(32, WIDTH) % 5 + 1).astype(numpy.float32)
    rows[:, 0] = [1.0, *(1 + 2.0**-k for k in range(1, 24)), *[1.0] * 8]
    rows[0, 1] = TINY
    image = numpy.ascontiguousarray(rows.T.reshape(1, WIDTH, 1, 32))
    matrix = numpy.zeros((WIDTH, WIDTH), dtype=numpy.float32)
    matrix[list(range(WIDTH)), permutation()] = 1.0
    kernel = numpy.ascontiguousarray(matrix.T.reshape(WIDTH, WIDTH, 1, 1))
    inputs = {"rows": rows, "image": image}
    weights = {"matrix": matrix, "kernel": kernel}
    nodes = [("MatMul", ["rows", "matrix"], ["product"]), ("Conv", ["image", "kernel"], ["convolved"])]
    outputs = {"product": [32, WIDTH], "convolved": [1, WIDTH, 1, 32]}
    with open(os.path.join(folder, "model.onnx"), "wb") as file:
        file.write(onnx_model(nodes, inputs, outputs, weights))
    numpy.savez(os.path.join(folder, "inputs.npz"), **inputs)
    numpy.savez(os.path.join(folder, "weights.npz"), **weights)
    numpy.savez(
        os.path.join(folder, "reference.npz"), product=rows @ matrix, convolved=(rows @ matrix).T[None, :, None]
    )
    exact = {"abs": 1.0, "rel": 1.0}
    manifest = {"name": "precision", "source": "precision", "tolerance": {"strict-f32": exact, "vendor-default": exact}}
    with open(os.path.join(folder, "manifest.json"), "w", encoding="utf-8") as file:
        json.dump(manifest, file)
    return inputs


def onnx_model(nodes, inputs, outputs, weights, opset=17):
    """An ONNX model as bytes, for want of the onnx package: f32 throughout.

    Args: `nodes` as (operator, inputs, outputs), `inputs` and `weights` as {name: array}, `outputs` as {name: shape}.
    """
    graph = b"".join(
        field(1, b"".join([*(field(1, one) for one in takes), *(field(2, one) for one in gives), field(4, operator)]))
        for operator, takes, gives in nodes
    )
    graph += field(2, "graph")
    for name, array in weights.items():
        kind = {"float32": FLOAT, "int64": INT64}[str(array.dtype)]
        dims = b"".join(number(1, size) for size in array.shape)
        graph += field(5, dims + number(2, kind) + field(8, name) + field(9, array.tobytes()))
    shapes = {name: array.shape for name, array in inputs.items()}
    for place, tensors in ((11, shapes), (12, outputs)):
        for name, shape in tensors.items():
            dims = b"".join(field(1, number(1, size)) for size in shape)
            graph += field(place, field(1, name) + field(2, field(1, number(1, FLOAT) + field(2, dims))))
    return number(1, 8) + field(7, graph) + field(8, number(2, opset))  # IR version 8


def varint(value):
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes(found) + struct.pack("B", value)


def number(place, value):
    return varint(place << 3) + varint(value)


def field(place, value):
    data = value.encode() if isinstance(value, str) else value
    return varint(place << 3 | 2) + varint(len(data)) + data
