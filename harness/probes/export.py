"""Probe: make the files of one model: the ONNX file, its inputs and the outputs that are right.

`zoo` exports a model of the zoo with PyTorch; `file` takes one that somebody brings, which is not trusted and is why
this runs in a sandbox as well. Both leave `model.onnx`, `inputs.npz` and `reference.npz` in the folder `--out`.
Started with any Python, it goes on in the one that has what it needs.
"""

import argparse
import io
import json
import math
import os
import sys
import warnings
import zipfile

SPREAD = 0.1  # of outputs: below it, every error looks like zero
PROTOBUF_BYTES = 2**31 - 1
INPUT_NUMBERS = 2**28
THREADS = 1  # one summation order
OLDEST_OPSET = 18  # that PyTorch exports
REDUCTIONS = ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare")


class Refused(Exception):
    """The model that was brought cannot be used; the message says why, and what to do."""


def canonical(model):
    """Take out of a model what tells where and by what it was made; order what has no order."""
    model.producer_name = model.producer_version = model.doc_string = ""
    del model.metadata_props[:]
    for function in model.functions:
        clean(function)
        for node in function.node:
            clean_node(node)
        for value in function.value_info:
            clean(value)
    clean_graph(model.graph)
    return model


def clean_graph(graph):
    clean(graph)
    for node in graph.node:
        clean_node(node)
    for value in [*graph.input, *graph.output, *graph.value_info, *graph.initializer]:
        clean(value)
    for ordered in (graph.initializer, graph.value_info):
        kept = sorted(ordered, key=lambda one: one.name)
        del ordered[:]
        ordered.extend(kept)


def clean_node(node):
    clean(node)
    for attribute in node.attribute:
        attribute.doc_string = ""
        for graph in [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]:
            clean_graph(graph)


def clean(thing):
    thing.doc_string = ""
    del thing.metadata_props[:]


def graphs_of(graph):
    """A graph and those inside of its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]:
                yield from graphs_of(inner)


def described(model):
    """What the manifest tells of an ONNX model."""
    operators = {}
    for graph in graphs_of(model.graph):
        for node in graph.node:
            name = node.op_type if node.domain in ("", "ai.onnx") else "%s::%s" % (node.domain, node.op_type)
            operators[name] = operators.get(name, 0) + 1
    return {
        "opset": opset_of(model),
        "ir_version": model.ir_version,
        "parameters": sum(math.prod(one.dims) for graph in graphs_of(model.graph) for one in graph.initializer),
        "nodes": sum(operators.values()),
        "operators": dict(sorted(operators.items())),
        "other_types": other_types(model, operators),
    }


def other_types(model, operators):
    """In which other formats than f32 it computes, as far as its weights and its operators tell: its reference too."""
    from onnx import TensorProto

    kinds = {TensorProto.DataType.Name(one.data_type).lower() for one in tensors_of(model) if len(one.dims) > 1}
    found = kinds - {"float", "bool", "string", "int64", "int32"}  # what shapes and places are told in
    return sorted(found | {name for name in operators if "quantize" in name.lower() or name.endswith("Integer")})


def opset_of(model):
    """Of the default domain; 0 where the model has none."""
    return max((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), default=0)


def lowered(model, opset):
    """Tell a model of opset 18 in opset 17, where that can be done; returns a warning where not.

    PyTorch exports from opset 18 on. Its own way down hands the converter no initializers, in which the axes of
    reductions stand, and the converter knows no Split: some files come out as they were, some are not valid.
    """
    import onnx

    found = opset_of(model)
    if found <= opset:
        return model, ""
    older = onnx.ModelProto()
    older.CopyFrom(model)
    try:
        if (found, opset) != (OLDEST_OPSET, OLDEST_OPSET - 1):
            raise ValueError("only opset %d can be told in another" % OLDEST_OPSET)
        weights = {one.name: one for one in older.graph.initializer}
        for node in older.graph.node:
            for one in [one for one in node.attribute if one.name in ("noop_with_empty_axes", "num_outputs")]:
                node.attribute.remove(one)
            if node.op_type in REDUCTIONS and len(node.input) == 2:
                axes = onnx.numpy_helper.to_array(weights[node.input.pop()]).tolist()
                node.attribute.append(onnx.helper.make_attribute("axes", axes))
        used = {name for node in older.graph.node for name in node.input}
        for name in weights.keys() - used:
            older.graph.initializer.remove(weights[name])
        for one in older.opset_import:
            if one.domain in ("", "ai.onnx"):
                one.version = opset
        onnx.checker.check_model(older, full_check=True)  # and onnxruntime runs it, and is right, or there is no file
    except Exception as error:
        return model, "opset %d was asked for, the file has %d: %s" % (opset, found, first_line(error))
    return older, ""


def tensors(arrays):
    return [{"name": name, "dtype": one.dtype.name, "shape": list(one.shape)} for name, one in arrays.items()]


def save_arrays(path, arrays):
    """An .npz without times: the same arrays always give the same bytes, on every Python."""
    import numpy

    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            data = io.BytesIO()
            numpy.lib.format.write_array(data, numpy.ascontiguousarray(array), allow_pickle=False)
            # in one piece: how a stream of unknown length begins depends on Python's patch release
            archive.writestr(zipfile.ZipInfo(name + ".npy"), data.getbuffer())


def save(out, text, inputs, outputs):
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "model.onnx"), "wb") as file:
        file.write(text)
    save_arrays(os.path.join(out, "inputs.npz"), inputs)
    save_arrays(os.path.join(out, "reference.npz"), outputs)


def spread(outputs):
    """The largest magnitude of all outputs, and the standard deviation of the first."""
    import numpy

    first = next(iter(outputs.values())).astype(numpy.float64)
    return {
        "output_largest": max(float(numpy.abs(one.astype(numpy.float64)).max()) for one in outputs.values()),
        "output_std": float(first.std()),
    }


def versions(*names):
    from importlib.metadata import version

    return {name: version(name) for name in names}


def run_onnxruntime(text, inputs):
    """Outputs as onnxruntime's CPU kernels compute them, on the graph as it is."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = THREADS
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(text, options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))


def zoo():
    """The module beside this one: an isolated interpreter does not look there by itself."""
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    import zoo as module

    sys.path.pop()
    return module


def from_zoo(args):
    """Export one of the zoo; the reference is what PyTorch computes."""
    import numpy
    import torch

    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    model, inputs, names = zoo().build(args.model, args.seed)
    given = tuple(torch.from_numpy(one) for one in inputs.values())
    with torch.no_grad():
        answer = model(*given)
    outputs = dict(zip(names, [one.numpy() for one in ([answer] if torch.is_tensor(answer) else answer)]))
    told = spread(outputs)
    if not told["output_std"] > SPREAD:
        raise RuntimeError(
            "the outputs have a standard deviation of %g; it must exceed %g" % (told["output_std"], SPREAD)
        )
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model,
            given,
            dynamo=True,
            opset_version=max(args.opset, OLDEST_OPSET),
            input_names=list(inputs),
            output_names=names,
            verbose=False,
        )
    proto, warned = lowered(program.model_proto, args.opset)
    canonical(proto)
    text = proto.SerializeToString(deterministic=True)
    check = run_onnxruntime(text, inputs)
    error = max(float(numpy.abs(check[name] - outputs[name]).max()) for name in names)
    if not error <= 1e-3 * told["output_largest"]:
        raise RuntimeError("the exported file computes something else: it is off by %g" % error)
    save(args.out, text, inputs, outputs)
    exporter = versions("torch", "transformers", "onnx", "onnxscript", "onnxruntime", "numpy")
    shapes = {"inputs": tensors(inputs), "outputs": tensors(outputs)}
    return {**described(proto), **shapes, **told, "check_error": error, "exporter": exporter, "warning": warned}


def from_file(args):
    """Check a model that somebody brings; the reference is what onnxruntime's CPU kernels compute."""
    import numpy
    import onnx

    with open(args.path, "rb") as file:
        text = file.read()
    try:
        model = onnx.load_model_from_string(text)
    except Exception:
        raise Refused("it is not an ONNX model, or not all of one") from None
    if not model.graph.output:
        raise Refused("it is not an ONNX model: it has no graph with outputs")
    elsewhere = [one for one in tensors_of(model) if one.data_location == onnx.TensorProto.EXTERNAL]
    if args.inspect:
        return {"external": sorted({location_of(one) for one in elsewhere})}
    shapes = dict(read_shape(given) for given in args.shape)
    for one in elsewhere:
        inline(one, dict(args.external))
    fixed = fix_shapes(model, shapes)
    if elsewhere or fixed:
        if model.ByteSize() > PROTOBUF_BYTES:
            raise Refused("with its external data in one file it is larger than 2 GB, which ONNX files cannot be")
        text = model.SerializeToString(deterministic=True)
    try:
        onnx.checker.check_model(text, full_check=True)
    except Exception as error:
        raise Refused("it is not a valid ONNX model: %s" % first_line(error)) from None

    inputs = {}
    for stream, one in enumerate(inputs_of(model)):
        inputs[one.name] = numbers(one, args.seed, stream)
    try:
        outputs = run_onnxruntime(text, inputs)
    except Exception as error:
        raise Refused("onnxruntime cannot run it on the CPU: %s" % first_line(error)) from None
    for name, one in outputs.items():
        if not isinstance(one, numpy.ndarray) or one.dtype.kind not in "biuf" or not one.size:
            raise Refused("its output %r is no array of numbers" % name)
        if not numpy.isfinite(one).all():
            raise Refused("its output %r is not finite for the inputs that were made for it" % name)
    told = spread(outputs)
    warned = "" if told["output_std"] > SPREAD else "its first output hardly varies, so errors look small"
    save(args.out, text, inputs, outputs)
    shapes = {"inputs": tensors(inputs), "outputs": tensors(outputs)}
    exporter = versions("onnx", "onnxruntime", "numpy")
    return {**described(model), **shapes, **told, "check_error": 0.0, "exporter": exporter, "warning": warned}


def tensors_of(model):
    """Every tensor of weights: initializers, and constants in nodes, of graphs and functions."""
    nodes = [node for function in model.functions for node in function.node]
    for graph in graphs_of(model.graph):
        yield from graph.initializer
        nodes.extend(graph.node)
        for one in graph.sparse_initializer:
            yield from (one.values, one.indices)
    for node in nodes:
        for attribute in node.attribute:
            yield from attribute.tensors
            if attribute.HasField("t"):
                yield attribute.t


def location_of(tensor):
    return {one.key: one.value for one in tensor.external_data}.get("location", "")


def inline(tensor, files):
    """Take a tensor's bytes from the file beside the model into the model."""
    told = {one.key: one.value for one in tensor.external_data}
    try:
        with open(files[told.get("location", "")], "rb") as file:
            file.seek(int(told.get("offset", 0)))
            data = file.read(int(told["length"])) if "length" in told else file.read()
    except (KeyError, ValueError, OSError):
        raise Refused("the place of its external data is not a place: tensor %r" % tensor.name) from None
    if "length" in told and len(data) != int(told["length"]):
        raise Refused("its external data are too short: tensor %r" % tensor.name)
    tensor.raw_data = data
    tensor.ClearField("data_location")
    del tensor.external_data[:]


def inputs_of(model):
    """Inputs that somebody has to give: old models list their weights among them."""
    given = {one.name for one in model.graph.initializer}
    return [one for one in model.graph.input if one.name not in given]


def read_shape(text):
    name, _, sizes = text.rpartition("=")
    return name, [int(size) for size in sizes.split(",")]


def fix_shapes(model, shapes):
    """Give every input a fixed shape; returns whether anything changed."""
    known = {one.name: one for one in inputs_of(model)}
    for name in shapes:
        if name not in known:
            raise Refused("it has no input %r; it has: %s" % (name, ", ".join(known)))
    changed = False
    for name, one in known.items():
        if one.type.WhichOneof("value") != "tensor_type":
            raise Refused("its input %r is no tensor" % name)
        kind, wanted = one.type.tensor_type, shapes.get(name)
        if not kind.HasField("shape"):
            if wanted is None:
                raise Refused("its input %r has no shape; give one: --shape %s=1,3,224,224" % (name, name))
            kind.shape.SetInParent()
            for _ in wanted:
                kind.shape.dim.add()
        dims = kind.shape.dim
        told = [dim.dim_value if dim.HasField("dim_value") else None for dim in dims]
        if wanted is None and (None in told or 0 in told):
            example = ",".join(str(size or 1) for size in told)
            axes = ", ".join(dim.dim_param or "?" for dim, size in zip(dims, told) if not size)
            raise Refused("its input %r has dynamic axes (%s); fix them: --shape %s=%s" % (name, axes, name, example))
        if wanted is not None and (len(wanted) != len(told) or any(a and a != b for a, b in zip(told, wanted))):
            shown = ",".join(str(size or dim.dim_param or "?") for dim, size in zip(dims, told))
            raise Refused("its input %r has the shape %s, which %s does not fit" % (name, shown, join(wanted)))
        if wanted is not None and wanted != told:
            changed = True
            for dim, size in zip(dims, wanted):
                dim.dim_value = size
    if changed:
        del model.graph.value_info[:]  # what was inferred for the axes as they were
    return changed


def join(sizes):
    return ",".join(map(str, sizes))


def numbers(one, seed, stream):
    """Numbers for an input. What whole numbers mean cannot be known: 0 and 1 are in any vocabulary and any mask."""
    import onnx

    kind = one.type.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
    shape = tuple(dim.dim_value for dim in kind.shape.dim)
    if math.prod(shape) > INPUT_NUMBERS:
        raise Refused("its input %r would have %d numbers" % (one.name, math.prod(shape)))
    if dtype.kind == "f":
        return zoo().uniform(seed, zoo().INPUTS_FROM + stream, shape).astype(dtype)
    if dtype.kind in "iub":
        return zoo().integers(seed, zoo().INPUTS_FROM + stream, shape, 2).astype(dtype)
    raise Refused("its input %r is of type %s, for which no numbers can be made" % (one.name, dtype))


def first_line(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0][:300]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", help="the interpreter that has what this needs")
    parser.add_argument("--out", required=True, help="where the model's files go")
    parser.add_argument("--seed", type=int, default=0)
    kinds = parser.add_subparsers(dest="kind", required=True)
    kind = kinds.add_parser("zoo")
    kind.add_argument("--model", required=True)
    kind.add_argument("--opset", type=int, required=True)
    kind.set_defaults(make=from_zoo)
    kind = kinds.add_parser("file")
    kind.add_argument("--path", required=True)
    kind.add_argument("--shape", action="append", default=[], metavar="NAME=1,3,224,224")
    kind.add_argument("--external", action="append", nargs=2, default=[], metavar=("LOCATION", "PATH"))
    kind.add_argument("--inspect", action="store_true", help="only tell which other files belong to it")
    kind.set_defaults(make=from_file)
    args = parser.parse_args()
    if args.python and os.path.abspath(args.python) != os.path.abspath(sys.executable):
        os.execv(args.python, [args.python, "-I", "-B", os.path.abspath(__file__), *sys.argv[1:]])

    result = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is not the result
    document = {"failure": None, "refused": None}
    try:
        document.update(args.make(args))
    except Refused as error:
        document["refused"] = str(error)
    except Exception as error:
        document["failure"] = ("%s: %s" % (type(error).__name__, error))[:2000]
    with result:
        json.dump(document, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
