"""Adapters for the inference probes that do what they are told, also badly: probes in a folder of their own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from harness.probes import FOLDER

SOUND = """
DISTRIBUTION = "numpy"
warnings = []

def prepare():
    pass

def load(folder, threads, track, provider, device, spinning):
    return folder

def run(session, inputs):
    import numpy
    with numpy.load(session + "/reference.npz") as file:
        return {name: file[name] for name in file.files}

def where(session):
    return {"ep_actual": "stub", "nodes": 4, "nodes_on_provider": 4, "assignment": {"stub": 4}}

def offered():
    return ["stub", "other"]

def devices():
    return [{"ep": "stub", "name": "of the test", "type": "CPU"}]
"""
"""An adapter without a runtime: it answers with the reference."""

QUICK = ("--warmup-runs", "2", "--warmup-seconds", "0", "--runs", "5", "--seconds", "0.05")


class Probes:
    """A copy of the probes, with one adapter more: `stub`."""

    def __init__(self, folder: Path, python: Path = Path(sys.executable)) -> None:
        self.folder, self.python = folder, python
        shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
        self.stub("")

    def stub(self, code: str) -> None:
        """The sound adapter, with functions of the test's own in place of its."""
        (self.folder / "adapters" / "stub.py").write_text(SOUND + code)

    def run(self, name: str, *arguments: str, seconds: float = 120.0) -> dict[str, Any]:
        """Run a probe as an engine does; returns the document that it prints."""
        command = [str(self.python), "-I", "-B", str(self.folder / f"{name}.py"), *arguments]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False)
        assert done.returncode == 0, done.stderr.decode()
        document = json.loads(done.stdout)
        assert isinstance(document, dict)
        return document

    def infer(
        self,
        model: Path,
        *options: str,
        adapter: str = "stub",
        provider: str = "stub",
        track: str = "vendor-default",
        threads: int = 1,
    ) -> dict[str, Any]:
        named = ("--adapter", adapter, "--model", str(model), "--provider", provider)
        return self.run("infer", *named, "--track", track, "--threads", str(threads), *QUICK, *options)
