"""ONNX Runtime: its own providers, and those that come as a plugin."""

import os

from refused import Refused

DISTRIBUTION = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino")
CPU = "CPUExecutionProvider"
PLUGINS = {"OpenVINOExecutionProvider": "onnxruntime_ep_openvino"}
"""Provider -> the import package that brings it."""

registered = set()


class Session:
    def __init__(self, core, provider, device, folder):
        self.core, self.provider, self.device, self.folder = core, provider, device, folder
        self.names = [one.name for one in core.get_outputs()]
        self.warnings = []


def prepare():
    import onnxruntime

    # CUDA and cuDNN from their wheels, where there are such; nothing happens in a build without CUDA
    if hasattr(onnxruntime, "preload_dlls") and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        onnxruntime.preload_dlls()


def load(folder, threads, track, provider, device, spinning):
    import onnxruntime

    options = session_options(threads, track, provider, spinning)
    built_in = onnxruntime.get_available_providers()
    if provider in PLUGINS and provider not in built_in:
        devices = plugin_devices(provider, PLUGINS[provider], device)
        options.add_provider_for_devices(devices, provider_options(provider, device, threads, track))
        listed = None
    elif provider not in built_in:
        raise Refused("provider", "onnxruntime was built without %s" % provider)
    else:
        listed = [(provider, provider_options(provider, device, threads, track))]
        if provider != CPU and track != "strict-f32":
            listed.append((CPU, {}))
    try:
        core = onnxruntime.InferenceSession(os.path.join(folder, "model.onnx"), options, providers=listed)
    except Exception as error:
        if "fallback to CPU EP has been explicitly disabled" in str(error):
            raise Refused("provider", "not every node can run on %s, and the CPU may not help out" % provider) from None
        raise
    if provider not in core.get_providers():
        raise Refused("provider", "%s could not be created; there is %s" % (provider, ", ".join(core.get_providers())))
    return Session(core, provider, device, folder)


def session_options(threads, track, provider, spinning):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    for pool in ("intra_op", "inter_op"):
        options.add_session_config_entry("session.%s.allow_spinning" % pool, "1" if spinning else "0")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if track == "strict-f32":
        options.add_session_config_entry("mlas.enable_gemm_fastmath_arm64_bfloat16", "0")
        if provider != CPU:
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    return options


def provider_options(provider, device, threads, track):
    import json  # not above: before the runtime's import it would make that cheaper

    strict = track == "strict-f32"
    if provider == "OpenVINOExecutionProvider":
        # `precision` is accepted and ignored; this configuration reaches OpenVINO itself
        hints = {"INFERENCE_PRECISION_HINT": "f32"} if strict else {}
        if device == "cpu":
            hints["INFERENCE_NUM_THREADS"] = str(threads)
        return {"load_config": json.dumps({device.upper(): hints})} if hints else {}
    if provider == "CUDAExecutionProvider" and strict:
        return {"use_tf32": "0"}
    return {}


def plugin_devices(provider, package, device):
    """The devices that a plugin offers for a provider, of the kind that was asked for."""
    import onnxruntime

    register(provider, package)
    found = [one for one in onnxruntime.get_ep_devices() if one.ep_name == provider]
    wanted = [one for one in found if one.device.type.name.lower() == device]
    if not wanted:
        # up to 1.8.1 the OpenVINO plugin takes Intel's CPUs only: github.com/microsoft/onnxruntime/pull/31981
        kinds = {"cpu": "unsupported", "gpu": "skipped"}
        raise Refused(kinds[device], "%s takes no %s of this machine" % (provider, device.upper()))
    return wanted[:1]


def register(provider, package):
    import onnxruntime

    if provider not in registered:
        try:
            plugin = __import__(package)
        except ImportError as error:
            raise Refused("provider", "its plugin is not installed: %s" % error) from None
        onnxruntime.register_execution_provider_library(provider, plugin.get_library_path())
        registered.add(provider)


def run(session, inputs):
    return dict(zip(session.names, session.core.run(session.names, inputs)))


def where(session):
    """Which provider each node was given to; by profiling one run where this version has no record of it."""
    counts = {}
    if hasattr(session.core, "get_provider_graph_assignment_info"):
        for part in session.core.get_provider_graph_assignment_info():
            counts[part.ep_name] = counts.get(part.ep_name, 0) + len(part.get_nodes())
    elif session.provider == CPU:  # the only one in the session: nothing to prove, and profiling takes memory
        return {"ep_actual": CPU, "nodes": None, "nodes_on_provider": None, "assignment": {}}
    else:
        counts = profiled(session)
        session.warnings.append("nodes counted by profiling: this version records no assignment")
        session.untold = ("rss_peak_bytes",)  # the second session's memory would count
    nodes = sum(counts.values())
    return {
        "ep_actual": max(counts, key=counts.get) if counts else None,
        "nodes": nodes,
        "nodes_on_provider": counts.get(session.provider, 0),
        "assignment": counts,
    }


def profiled(session):
    """Nodes by provider, from the profile of one run of another session with the same providers."""
    import json
    import tempfile

    import numpy
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    with tempfile.TemporaryDirectory(prefix="profile-") as folder:
        options.profile_file_prefix = os.path.join(folder, "run")
        chosen = session.core.get_provider_options()
        other = onnxruntime.InferenceSession(
            os.path.join(session.folder, "model.onnx"), options, providers=list(chosen.items())
        )
        with numpy.load(os.path.join(session.folder, "inputs.npz"), allow_pickle=False) as file:
            other.run(None, {name: file[name] for name in file.files})
        with open(other.end_profiling(), encoding="utf-8") as file:
            events = json.load(file)
    counts, seen = {}, set()
    for event in events:
        provider = event.get("args", {}).get("provider")
        if event.get("cat") == "Node" and provider and event["name"] not in seen:
            seen.add(event["name"])
            counts[provider] = counts.get(provider, 0) + 1
    return counts


def bind(session, inputs):
    """Inputs copied to the device once; outputs stay there."""
    import onnxruntime

    kind = {"CUDAExecutionProvider": "cuda"}.get(session.provider)
    if kind is None:
        raise Refused("unsupported", "no binding is known for %s" % session.provider)
    binding = session.core.io_binding()
    held = {name: onnxruntime.OrtValue.ortvalue_from_numpy(array, kind, 0) for name, array in inputs.items()}
    for name, value in held.items():
        binding.bind_ortvalue_input(name, value)
    for name in session.names:
        binding.bind_output(name, kind, 0)
    return session.core, binding, held


def run_bound(bound):
    core, binding, _ = bound
    binding.synchronize_inputs()
    core.run_with_iobinding(binding)
    binding.synchronize_outputs()


def offered():
    import onnxruntime

    plugins, built_in = [], onnxruntime.get_available_providers()
    for provider, package in PLUGINS.items():
        if provider in built_in:
            continue
        try:
            register(provider, package)
        except Exception:  # it is not installed, or cannot be loaded: then it is not offered
            continue
        plugins.append(provider)
    return [*plugins, *built_in]


def devices():
    import onnxruntime

    if not hasattr(onnxruntime, "get_ep_devices"):
        return []
    return [
        {"ep": one.ep_name, "name": one.device.vendor, "type": one.device.type.name}
        for one in onnxruntime.get_ep_devices()
    ]


def device_memory():
    from nvml import memory_used

    return memory_used()


def gpu_facts():
    """What the driver tells, and which CUDA and cuDNN were installed as wheels."""
    from importlib import metadata

    from nvml import facts

    told = facts()
    if told:
        for one in metadata.distributions():
            name = (one.metadata["Name"] or "").lower()
            for prefix, key in (("nvidia-cuda-runtime", "cuda"), ("nvidia-cudnn", "cudnn")):
                if name.startswith(prefix):
                    told[key] = one.version
    return told
