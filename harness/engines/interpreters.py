"""Which CPython interpreters this machine has, and how the venv engine gets one that it lacks.

One that is here is found: the one that runs the harness, one on the PATH, one of uv's. Where there is none, uv can
install one, from the builds that it knows by sha256, into the harness's cache.
https://docs.astral.sh/uv/concepts/python-versions/
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.engines import process
from harness.errors import EnvironmentLacksError, HarnessError
from harness.job import PYTHONS, Python

INSTALL_SECONDS = 900.0
# Asks the interpreter itself: what is on the PATH may be a version manager's shim, or a virtual environment's.
# One without the GIL takes other wheels (cp313t).
_ASK = """
import os, sys, sysconfig
if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
    sys.exit(1)
print("\\ninterpreter", *sys.version_info[:2], os.path.realpath(sys._base_executable))
"""
_ANSWER = re.compile(rb"^interpreter (\d+) (\d+) (/.+)$", re.MULTILINE)
# Of the user's own: they would make uv look elsewhere than where interpreters are.
_NOT_PASSED_ON = ("UV_PYTHON", "UV_PYTHON_PREFERENCE", "UV_MANAGED_PYTHON", "UV_NO_MANAGED_PYTHON", "UV_SYSTEM_PYTHON")


@dataclass
class Interpreters:
    """The interpreters of this machine. Looks once for each version."""

    cache: Path
    """The harness's; those that uv installs are in `pythons` below it."""
    get_uv: Callable[[], Path] | None = None
    """Gets the uv that installs; None: nothing may be installed."""
    say: Callable[[str], None] = lambda _: None
    _found: dict[Python, str | None] = field(default_factory=dict)
    _refused: dict[Python, str] = field(default_factory=dict)

    def find(self, python: Python) -> str | None:
        """The absolute path of an interpreter of this version that is here; None where there is none."""
        if python not in self._found:
            answers = filter(None, map(_ask, self._candidates(python)))
            self._found[python] = next((path for version, path in answers if version == python), None)
        return self._found[python]

    def present(self) -> list[Python]:
        """The versions that are here and can be measured, newest first."""
        return [python for python in sorted(PYTHONS, reverse=True) if self.find(python) is not None]

    def get(self, python: Python) -> str:
        """The one that is here, or else one that uv installs.

        Raises:
            EnvironmentLacksError: it is not here, and cannot be installed.
        """
        if (found := self.find(python)) is not None:
            return found
        version = version_of(python)
        if python not in self._refused:
            self._refused[python] = self._install(python)
            self._found.pop(python, None)
            if (found := self.find(python)) is not None:
                return found
        why = self._refused[python]
        raise EnvironmentLacksError(
            f"python{version} is not on this machine" + (f", and uv could not install it: {why}" if why else ""),
            tip=f"install python{version}, or start a Docker engine and use ENGINE=docker",
        )

    def _candidates(self, python: Python) -> Iterator[str]:
        """Where one could be, best first."""
        if sys.version_info[:2] == python:
            yield sys.executable
        version = version_of(python)
        for folder in os.get_exec_path():  # all of them: the first may be a shim that leads nowhere
            if (path := shutil.which(f"python{version}", path=folder)) is not None:
                yield path
        installed = self._pythons.glob(f"cpython-{version}.*/bin/python{version}")
        yield from map(str, sorted(installed, key=_patch, reverse=True))
        if (uv := self._uv_at_hand()) is not None:
            done = self._run_uv(uv, "find", "--system", "--no-python-downloads", version, seconds=60)
            if done is not None and done.exit_status == 0:
                yield done.stdout.decode().strip()

    @property
    def _pythons(self) -> Path:
        return self.cache / "pythons"

    def _uv_at_hand(self) -> str | None:
        """The user's uv, or the one that the harness has had before."""
        here = self.cache.glob(f"tools/uv-linux_{os.uname().machine}-*/bin/uv")
        return shutil.which("uv") or next(map(str, sorted(here)), None)

    def _run_uv(self, uv: str, *arguments: str, seconds: float) -> process.Finished | None:
        """`uv python`, whatever the user's folder and configuration say."""
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
        # without a network it fails within a second
        return _run(
            [uv, "--no-config", "--color", "never", "--cache-dir", str(self.cache / "uv"), "python", *arguments],
            seconds=seconds,
            environment={"UV_HTTP_RETRIES": "1", **environment},
        )

    def _install(self, python: Python) -> str:
        """Have uv install one; returns why it could not, or nothing."""
        if self.get_uv is None:
            return ""
        version = version_of(python)
        self.say(f"python{version} is not on this machine: uv downloads it into {self._pythons}")
        try:
            uv = str(self.get_uv())  # the one that is pinned: an older one may know neither the build nor the options
        except HarnessError as error:
            if (uv := self._uv_at_hand() or "") == "":
                return error.message
        place = ("--install-dir", str(self._pythons), "--no-bin", "--no-progress")
        done = self._run_uv(uv, "install", version, *place, seconds=INSTALL_SECONDS)
        if done is None or done.timed_out:
            return f"it did not end within {INSTALL_SECONDS:.0f} s" if done else "uv does not start"
        if done.exit_status == 0:
            return "what it installed does not start"  # used only where it is not found after all
        lines = [line.strip() for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
        causes = [line.removeprefix("cause: ") for line in lines if line.startswith("cause: ")]
        errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        return (causes[-1:] or errors[-1:] or lines[-1:] or [f"exit {done.exit_status}"])[0][:200]


def version_of(python: Python) -> str:
    """`3.11`."""
    return f"{python[0]}.{python[1]}"


def _patch(path: Path) -> tuple[int, ...]:
    """The version in `cpython-3.12.11-linux-x86_64-gnu/bin/python3.12`, to sort by."""
    return tuple(map(int, re.findall(r"\d+", path.parts[-3].split("-")[1])))


def _ask(path: str) -> tuple[Python, str] | None:
    """The version of a CPython interpreter and the path of its base; None where it is no such thing."""
    done = _run([path, "-I", "-c", _ASK], seconds=20)
    if done is None or done.exit_status != 0 or (answer := _ANSWER.search(done.stdout)) is None:
        return None
    return (int(answer[1]), int(answer[2])), os.fsdecode(answer[3])


def _run(argv: list[str], *, seconds: float, environment: dict[str, str] | None = None) -> process.Finished | None:
    try:
        return process.run(argv, seconds=seconds, environment=environment)
    except OSError:
        return None
