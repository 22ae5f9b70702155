"""Ports: an engine opens sandboxes, a sandbox runs argv lists. `docker.py` and `venv.py` implement them."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from harness.engines.fetched import FETCH_BYTES
from harness.errors import MeasurementError
from harness.job import Python, Target

ROOT_CHARS = 18
"""Every sandbox's root has a path of this length. Console scripts carry the path of their interpreter
and bytecode that of its source, so engines can agree on sizes to the byte only where paths are as long."""

OUTPUT_BYTES = 64 * 2**20
"""More than this from one run is dropped, and the run counts as truncated."""


Network = Literal["none", "open", "host"]
"""`open` reaches the outside, `host` also this machine's own loopback addresses."""


@dataclass(frozen=True)
class Limits:
    """What one run may take."""

    seconds: float = 1800.0
    memory_bytes: int = 16 * 2**30
    processes: int = 1024
    cpus: tuple[int, ...] | None = None
    """Logical CPUs that it may run on, by number; None: all that there are."""
    gpu: bool = False
    """Whether it sees the machine's GPUs."""


@dataclass(frozen=True)
class Outcome:
    """How one run ended."""

    ended: Literal["exited", "timeout", "oom"]
    exit_status: int
    """As a shell would say it: 128 + n for signal n."""
    stdout: bytes
    stderr: bytes
    truncated: bool
    seconds: float
    """Wall time as seen from outside, starting the sandbox included."""


@dataclass(frozen=True)
class EngineFacts:
    """What an engine tells about itself, for the record's environment."""

    engine_version: str | None = None
    image: str | None = None
    image_digest: str | None = None
    image_source: Literal["registry", "debian", "local"] | None = None
    image_layers: tuple[str, ...] = ()
    image_base_bytes: int | None = None
    storage_driver: str | None = None
    cgroup_version: str | None = None
    network_isolated: bool | None = None
    absent: dict[str, str] = field(default_factory=dict)
    """Figures that this engine cannot give, and why."""


class Sandbox(Protocol):
    """One clean place: an empty root that outlives runs, and nothing else that does."""

    @property
    def root(self) -> str:
        """Where the measured environment is built, as a path inside; `ROOT_CHARS` long."""

    def expose(self, source: Path, name: str) -> str:
        """Make a file or folder readable inside later runs; returns its path there."""

    def withdraw(self, name: str) -> None:
        """Show it no longer: later runs do without it, so it may be removed."""

    def run(
        self,
        argv: Sequence[str],
        *,
        limits: Limits,
        environment: Mapping[str, str] | None = None,
        network: Network = "none",
        writable: bool = False,
    ) -> Outcome:
        """Run `argv`; `{python}` as its first word stands for the target's interpreter.

        Raises:
            EngineLostError: the engine went away.
            EnvironmentLacksError: the engine refuses, or this machine has not those CPUs.
            SkippedError: a GPU is wanted, and there is none.
        """

    def fetch(self, path: str, to: Path, *, most_bytes: int = FETCH_BYTES) -> None:
        """Bring a file or a folder of plain files from below the root to `to`, which must not be there yet.

        Raises:
            MeasurementError: it is not there, has a link or a special file in it, or is too big.
            EngineLostError: the engine went away.
        """


class Engine(Protocol):
    """Where code runs."""

    name: str

    def facts(self, target: Target) -> EngineFacts:
        """Prepare what `target` needs (a base image, an interpreter), and describe it.

        Raises:
            EnvironmentLacksError: this machine cannot measure the target.
        """

    def usual_pythons(self) -> tuple[Python, ...]:
        """What is measured where nobody names a version, best first: the first that there is a wheel for is taken.

        `DEFAULT_PYTHON` alone wherever it can be had, so that rows of several machines can be compared.

        Raises:
            EnvironmentLacksError: there is none at all.
        """

    def open(self, target: Target, *, keep: bool = False) -> AbstractContextManager[Sandbox]:
        """A fresh sandbox, removed at the end unless `keep`."""

    def has_gpu(self) -> bool:
        """Whether runs can be given an NVIDIA GPU."""

    def stop_orphans(self) -> None:
        """End what still runs for harnesses that were killed: they hold no lock any more."""

    def with_compiler(self) -> Engine:
        """The same, with a C++ compiler in its sandboxes: for code that compiles while it runs."""


PYTHON = "{python}"


def probe(
    sandbox: Sandbox,
    script: str,
    arguments: Sequence[str],
    *,
    limits: Limits,
    network: Network = "none",
    writable: bool = False,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run a probe, and read the one JSON document that it prints.

    Raises:
        MeasurementError: it was killed, exited with another status than 0, or printed something else.
    """
    from harness.probes import FOLDER

    place = sandbox.expose(FOLDER, "probes")
    outcome = sandbox.run(
        [PYTHON, "-I", "-B", f"{place}/{script}.py", *arguments],
        limits=limits,
        network=network,
        writable=writable,
        environment=environment,
    )
    if outcome.ended == "timeout":
        raise MeasurementError(f"timeout: {script} took longer than {limits.seconds:.0f} s")
    if outcome.ended == "oom":
        raise MeasurementError(f"oom: {script} needed more than {limits.memory_bytes / 2**20:.0f} MiB")
    if outcome.exit_status > 128:
        try:
            name = signal.Signals(outcome.exit_status - 128).name
        except ValueError:
            name = f"signal {outcome.exit_status - 128}"
        raise MeasurementError(f"crash {name} in {script}")
    if outcome.exit_status != 0:
        raise MeasurementError(f"{script} exited with {outcome.exit_status}: {last_line(outcome.stderr)}")
    try:
        document = json.loads(outcome.stdout)
    except ValueError:
        raise MeasurementError(f"{script} printed something other than its result") from None
    if outcome.truncated or not isinstance(document, dict):
        raise MeasurementError(f"{script} printed something other than its result")
    return document


def last_line(output: bytes) -> str:
    """The last line that says something; of a traceback, the exception."""
    lines = [line.strip() for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1][:500] if lines else "no message"
