"""TensorFlow through tf.function: models of which `ports.py` has a port, with the same weights as in the ONNX file."""

import os

from refused import Refused

DISTRIBUTION = ("tensorflow", "tensorflow-cpu")


class Session:
    def __init__(self, function, outputs, place):
        self.function, self.outputs, self.place = function, outputs, place
        self.warnings = ["first_run_seconds includes tracing"]


class Ops:
    """What a port is made of."""

    def __init__(self):
        import tensorflow as tf

        self.reshape, self.matmul, self.take, self.softmax = tf.reshape, tf.matmul, tf.gather, tf.nn.softmax
        self.rsqrt = tf.math.rsqrt
        self.transpose = lambda x, order: tf.transpose(x, order)
        self.float = lambda x: tf.cast(x, tf.float32)
        self.concat = lambda parts: tf.concat(parts, axis=0)
        self.mean = lambda x: tf.reduce_mean(x, axis=-1, keepdims=True)
        self.matmul_transposed = lambda x, y: tf.matmul(x, y, transpose_b=True)
        self.gelu = lambda x: tf.nn.gelu(x, approximate=False)
        self.gelu_tanh = lambda x: tf.nn.gelu(x, approximate=True)


def prepare():
    import tensorflow  # noqa: F401


def load(folder, threads, track, provider, device, spinning):  # noqa: ARG001
    import json  # not above: before the runtime's import it would make that cheaper

    import tensorflow as tf
    from ports import port

    if not tf.config.list_physical_devices(provider):
        raise Refused("provider", "tensorflow has no device %s here" % provider)
    if tf.config.threading.get_intra_op_parallelism_threads() != threads:  # may be set once in a process
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    if track == "strict-f32":
        tf.config.experimental.enable_tensor_float_32_execution(False)
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    own = manifest["source"] == "precision"
    weights, forward, outputs = precision_model(folder) if own else port(manifest, Ops(), "tensorflow")
    with tf.device(provider):
        weights = {name: tf.constant(value) for name, value in weights.items()}
    session = Session(tf.function(lambda **inputs: forward(weights, inputs)), outputs, provider)
    if not own:
        session.warnings.append("load_seconds and rss_peak_bytes include making the weights: it reads no file")
    return session


def precision_model(folder):
    """The tiny model of `precision.py`, with tensorflow's own operators, whose images have channels last."""
    import numpy
    import tensorflow as tf

    with numpy.load(os.path.join(folder, "weights.npz"), allow_pickle=False) as file:
        weights = {name: file[name] for name in file.files}

    def forward(weights, inputs):
        image, kernel = tf.transpose(inputs["image"], (0, 2, 3, 1)), tf.transpose(weights["kernel"], (2, 3, 1, 0))
        convolved = tf.nn.conv2d(image, kernel, strides=1, padding="VALID")
        return tf.matmul(inputs["rows"], weights["matrix"]), tf.transpose(convolved, (0, 3, 1, 2))

    return weights, forward, ["product", "convolved"]


def run(session, inputs):
    import tensorflow as tf

    with tf.device(session.place):
        found = session.function(**{name: tf.constant(array) for name, array in inputs.items()})
    session.found = found
    return {name: one.numpy() for name, one in zip(session.outputs, found)}


def where(session):
    """Where its last answer lies; tensorflow does not count nodes."""
    kinds = {one.device.rsplit(":", 2)[-2] for one in session.found}
    actual = kinds.pop() if len(kinds) == 1 else None
    return {"ep_actual": actual, "nodes": None, "nodes_on_provider": None, "assignment": {}}


def offered():
    import tensorflow as tf

    return [*(["GPU"] if tf.test.is_built_with_cuda() else []), "CPU"]


def devices():
    import tensorflow as tf

    found = []
    for one in tf.config.list_physical_devices():
        told = tf.config.experimental.get_device_details(one)
        found.append({"ep": one.device_type, "name": told.get("device_name", one.name), "type": one.device_type})
    return found
