"""JAX through jax.jit: models of which `ports.py` has a port, with the same weights as in the ONNX file."""

import os

from refused import Refused

DISTRIBUTION = "jax"


class Session:
    def __init__(self, function, weights, outputs):
        self.function, self.weights, self.outputs = function, weights, outputs
        self.warnings = ["first_run_seconds includes compiling"]


class Ops:
    """What a port is made of."""

    def __init__(self):
        import jax
        import jax.numpy as jnp

        self.reshape, self.transpose, self.matmul = jnp.reshape, jnp.transpose, jnp.matmul
        self.concat, self.rsqrt, self.softmax = jnp.concatenate, jax.lax.rsqrt, jax.nn.softmax
        self.float = jnp.float32
        self.take = lambda table, places: jnp.take(table, places, axis=0)
        self.mean = lambda x: jnp.mean(x, axis=-1, keepdims=True)
        self.matmul_transposed = lambda x, y: jnp.matmul(x, jnp.swapaxes(y, -1, -2))
        self.gelu = lambda x: jax.nn.gelu(x, approximate=False)
        self.gelu_tanh = lambda x: jax.nn.gelu(x, approximate=True)


def prepare():
    import jax
    import jax.numpy  # noqa: F401


def load(folder, threads, track, provider, device, spinning):  # noqa: ARG001
    import json  # not above: before the runtime's import it would make that cheaper

    from ports import port

    os.environ["NPROC"] = str(threads)  # what XLA's thread pool goes by; read when the first device is made
    import jax

    if track == "strict-f32":
        jax.config.update("jax_default_matmul_precision", "highest")
    try:
        place = jax.devices(provider)[0]
    except RuntimeError as error:
        raise Refused("provider", "jax has no device %s here: %s" % (provider, str(error).split("\n")[0])) from None
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    own = manifest["source"] == "precision"
    weights, forward, outputs = precision_model(folder) if own else port(manifest, Ops(), "jax")
    weights = jax.block_until_ready(jax.device_put(weights, place))
    session = Session(jax.jit(forward), weights, outputs)
    if not own:
        session.warnings.append("load_seconds and rss_peak_bytes include making the weights: it reads no file")
    return session


def precision_model(folder):
    """The tiny model of `precision.py`, with jax's own operators."""
    import jax
    import numpy

    with numpy.load(os.path.join(folder, "weights.npz"), allow_pickle=False) as file:
        weights = {name: file[name] for name in file.files}

    def forward(weights, inputs):
        product = inputs["rows"] @ weights["matrix"]
        return product, jax.lax.conv(inputs["image"], weights["kernel"], (1, 1), "VALID")

    return weights, forward, ["product", "convolved"]


def run(session, inputs):
    import numpy

    found = session.function(session.weights, inputs)
    return {name: numpy.asarray(one) for name, one in zip(session.outputs, found)}


def where(session):
    """Where its weights lie; jax does not count nodes."""
    import jax

    kinds = {place.platform for one in jax.tree.leaves(session.weights) for place in one.devices()}
    actual = kinds.pop() if len(kinds) == 1 else None
    return {"ep_actual": actual, "nodes": None, "nodes_on_provider": None, "assignment": {}}


def offered():
    import jax

    return sorted({one.platform for one in jax.devices()} | {"cpu"})


def devices():
    import jax

    return [{"ep": one.platform, "name": one.device_kind, "type": one.platform.upper()} for one in jax.devices()]
