"""What the probes work on: two real virtual environments in one root, and distributions written straight into them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.probes import FOLDER
from tests.support.wheels import record_of


def run_probe(name: str, *arguments: str, seconds: float = 60.0) -> dict[str, Any]:
    """Run a probe as an engine does, as a script of its own; returns the document that it prints."""
    command = [sys.executable, "-I", "-B", str(FOLDER / f"{name}.py"), *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stderr.decode()
    document = json.loads(done.stdout)
    assert isinstance(document, dict)
    return document


class Root:
    """`env` and `bare`, as the install probe leaves them."""

    def __init__(self, folder: Path, empty: Path) -> None:
        self.path = folder
        self.env, self.bare = folder / "env", folder / "bare"
        for place in (self.env, self.bare):
            shutil.copytree(empty, place, symlinks=True)
        (self.site,) = self.env.glob("lib/python3*/site-packages")
        self._before = self.files()

    def files(self) -> list[str]:
        """Every path below `env` that is not a folder."""
        return [
            os.path.relpath(os.path.join(folder, name), self.env)
            for folder, _, names in os.walk(self.env)
            for name in names
        ]

    def write(self, path: str, content: bytes | str = b"") -> Path:
        """A file in site-packages."""
        place = self.site / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        return place

    def install(self, name: str, files: Mapping[str, bytes], version: str = "1.0") -> None:
        """A distribution with its files and RECORD; paths are relative to site-packages."""
        info = f"{name.replace('-', '_')}-{version}.dist-info"
        content = {**files, f"{info}/METADATA": f"Name: {name}\nVersion: {version}\n".encode()}
        for path, data in content.items():
            self.write(path, data)
        self.write(f"{info}/RECORD", record_of(content, f"{info}/RECORD"))

    def ledger(self, *options: str, after: list[str] | None = None) -> dict[str, Any]:
        """What the ledger says of all that was added since the environments were made."""
        state = {"before": self._before, "after": self.files() if after is None else after}
        (self.path / "state.json").write_text(json.dumps(state))
        return run_probe("ledger", "--root", str(self.path), *options)

    def imports(self, package: str, *options: str, seconds: float = 60.0) -> dict[str, Any]:
        """What importing a package costs."""
        options = options or ("--repeats", "2", "--cold-repeats", "1")
        return run_probe("imports", "--root", str(self.path), "--package", package, *options, seconds=seconds)
