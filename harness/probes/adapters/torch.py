"""PyTorch, eager: the same weights as in the ONNX file, made by `zoo.build`, without that file."""

import os

from refused import Refused

DISTRIBUTION = "torch"


class Session:
    def __init__(self, module, inputs, outputs, provider):
        self.module, self.inputs, self.outputs, self.provider = module, inputs, outputs, provider
        self.warnings = []


def prepare():
    import torch  # noqa: F401


def load(folder, threads, track, provider, device, spinning):  # noqa: ARG001
    import json  # not above: before the runtime's import it would make that cheaper

    import torch

    torch.set_num_threads(threads)
    if torch.get_num_interop_threads() != 1:  # may be set once in a process
        torch.set_num_interop_threads(1)
    if track == "strict-f32":
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    if manifest["source"] == "precision":
        module, inputs, outputs = precision_module(folder)
    elif manifest["source"] == "zoo":
        from zoo import build

        module, arrays, outputs = build(manifest["name"], manifest["seed"] or 0)
        inputs = list(arrays)
    else:
        raise Refused("unsupported", "no port of this model: it is known as an ONNX file only")
    try:
        module = module.eval().to(provider)
    except (RuntimeError, AssertionError) as error:
        raise Refused("provider", "torch has no device %s here: %s" % (provider, str(error).split("\n")[0])) from None
    session = Session(module, inputs, outputs, provider)
    session.warnings.append(
        "load_seconds and rss_peak_bytes include importing transformers and making the weights: it reads no file"
    )
    return session


def precision_module(folder):
    """The tiny model of `precision.py`, with torch's own operators."""
    import numpy
    import torch

    with numpy.load(os.path.join(folder, "weights.npz"), allow_pickle=False) as file:
        weights = {name: torch.from_numpy(file[name]) for name in file.files}

    class Tiny(torch.nn.Module):
        def __init__(self):
            super().__init__()
            for name, value in weights.items():
                self.register_buffer(name, value)

        def forward(self, rows, image):
            return rows @ self.matrix, torch.nn.functional.conv2d(image, self.kernel)

    return Tiny(), ["rows", "image"], ["product", "convolved"]


def run(session, inputs):
    import torch

    with torch.inference_mode():
        given = [torch.from_numpy(inputs[name]).to(session.provider) for name in session.inputs]
        found = session.module(*given)
        found = found if isinstance(found, (tuple, list)) else (found,)
        return {name: one.cpu().numpy() for name, one in zip(session.outputs, found)}


def where(session):
    """Where its weights lie; torch does not count nodes."""
    kinds = {one.device.type for one in session.module.state_dict().values()}
    actual = kinds.pop() if len(kinds) == 1 else None
    return {"ep_actual": actual, "nodes": None, "nodes_on_provider": None, "assignment": {}}


def offered():
    import torch

    return ["cpu", *(["cuda"] if torch.backends.cuda.is_built() else [])]


def devices():
    import torch

    places = range(torch.cuda.device_count())
    return [{"ep": "cuda", "name": torch.cuda.get_device_name(place), "type": "GPU"} for place in places]
