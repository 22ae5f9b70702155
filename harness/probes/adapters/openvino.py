"""OpenVINO itself. Its providers are its devices."""

import os

DISTRIBUTION = "openvino"


class Session:
    def __init__(self, core, compiled, provider):
        self.core, self.compiled, self.provider = core, compiled, provider
        self.request = compiled.create_infer_request()
        self.outputs = [(one.get_any_name(), place) for place, one in enumerate(compiled.outputs)]
        self.warnings = []


def prepare():
    import openvino  # noqa: F401


def load(folder, threads, track, provider, device, spinning):  # noqa: ARG001
    import openvino

    core = openvino.Core()
    options = {"INFERENCE_NUM_THREADS": threads} if device == "cpu" else {}
    if track == "strict-f32":
        options["INFERENCE_PRECISION_HINT"] = "f32"
    return Session(core, core.compile_model(os.path.join(folder, "model.onnx"), provider, options), provider)


def run(session, inputs):
    # inputs are read where they lie, outputs copied: as onnxruntime does it
    found = session.request.infer(inputs, share_inputs=True, share_outputs=False)
    return {name: found[place] for name, place in session.outputs}


def where(session):
    """The device that it says it ran on; its graph after optimisation holds what is run, and constants."""
    places = [str(one) for one in session.compiled.get_property("EXECUTION_DEVICES")]
    kinds = [one.get_rt_info()["layerType"].astype(str) for one in session.compiled.get_runtime_model().get_ops()]
    nodes = sum(kind not in ("Input", "Const", "Output") for kind in kinds)
    if len(places) != 1:  # of several it does not tell which ran what
        return {"ep_actual": None, "nodes": nodes, "nodes_on_provider": None, "assignment": {}}
    (actual,) = places
    return {
        "ep_actual": actual,
        "nodes": nodes,
        "nodes_on_provider": nodes if actual == session.provider else 0,
        "assignment": {actual: nodes},
    }


def offered():
    import openvino

    return list(openvino.Core().available_devices)


def devices():
    import openvino

    core = openvino.Core()
    return [
        {"ep": name, "name": str(core.get_property(name, "FULL_DEVICE_NAME")).strip(), "type": name.split(".")[0]}
        for name in core.available_devices
    ]
