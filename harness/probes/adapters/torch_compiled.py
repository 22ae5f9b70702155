"""PyTorch through torch.compile: as `torch`, but the module is compiled in its first run."""

import os

from adapters.torch import DISTRIBUTION, devices, offered, prepare, run, where
from adapters.torch import load as load_eager
from refused import Refused

__all__ = ["DISTRIBUTION", "devices", "load", "offered", "prepare", "run", "where"]


def load(folder, threads, track, provider, device, spinning):
    import shutil

    import torch

    if device == "cpu" and shutil.which(os.environ.get("CXX") or "g++") is None:
        raise Refused("unsupported", "torch.compile needs a C++ compiler, and there is none here")
    session = load_eager(folder, threads, track, provider, device, spinning)
    session.module = torch.compile(session.module)
    session.warnings.append("first_run_seconds includes compiling")
    return session
