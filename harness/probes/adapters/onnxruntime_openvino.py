"""ONNX Runtime with the OpenVINO plugin: all as in `onnxruntime`, but the version told is the plugin's."""

from adapters.onnxruntime import devices, load, offered, run, where
from adapters.onnxruntime import prepare as prepare_onnxruntime

__all__ = ["devices", "load", "offered", "prepare", "run", "where"]
DISTRIBUTION = "onnxruntime-ep-openvino"


def prepare():
    """The plugin's own package is part of the import; its library is loaded with the session."""
    prepare_onnxruntime()
    import onnxruntime_ep_openvino  # noqa: F401
