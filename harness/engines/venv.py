"""The engine that needs nothing but Python: virtual environments on this machine.

Weaker than a container, and every record says so: the measured code runs as this user. It gets a
scrubbed environment, and no network where the kernel lets this user make a network namespace.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from harness.engines import process
from harness.engines.owner import Owner, Owners
from harness.engines.sandbox import OUTPUT_BYTES, PYTHON, ROOT_CHARS, EngineFacts, Limits, Network, Outcome
from harness.errors import EnvironmentLacksError
from harness.job import Target

# A PID namespace beside the network one: whatever the measured code started dies with its first process.
_NAMESPACES = ("--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc")


class VenvEngine:
    """Sandboxes are folders in the cache; `{python}` is an interpreter of this machine."""

    name = "venv"

    def __init__(self, owner: Owner, say: Callable[[str], None] = lambda _: None) -> None:
        self.say = say
        self.folder = owner.folder

    def facts(self, target: Target) -> EngineFacts:
        find_python(target)
        return EngineFacts(
            network_isolated=self.isolates_network,
            absent={"image_bytes": "the venv engine has no image"},
        )

    @contextmanager
    def open(self, target: Target, *, keep: bool = False) -> Iterator[VenvSandbox]:
        place = self.folder / f"sandbox-{secrets.token_hex(4)}"
        for folder in ("s", "tmp", "home"):
            (place / folder).mkdir(parents=True)
        # A short path of fixed length, wherever the cache may be; see ROOT_CHARS.
        link = Path(tempfile.mkdtemp(prefix="fh-", dir="/tmp"))
        (place / "link").write_text(str(link))
        (link / "s").symlink_to(place / "s")
        root = str(link / "s")
        assert len(root) == ROOT_CHARS, root
        try:
            yield VenvSandbox(root, place, find_python(target), self._isolation)
        finally:
            if keep:
                self.say(f"kept folder {place}")
            else:
                remove_sandbox(place)

    def reap(self, owners: Owners) -> int:
        """Remove the sandboxes of dead owners; returns how many."""
        places = [place for name in owners.dead() for place in (owners.work / name).glob("sandbox-*")]
        for place in places:
            remove_sandbox(place)
        return len(places)

    @property
    def isolates_network(self) -> bool:
        return self._isolation is not None

    @cached_property
    def _isolation(self) -> tuple[str, ...] | None:
        """The command in front of a run that takes the network away, or None where none works."""
        unshare = shutil.which("unshare")
        for namespaces in (_NAMESPACES, ()):  # the second where /proc cannot be mounted anew, as in a chroot
            for user in ((), ("--map-root-user",)):
                argv = (unshare or "unshare", *user, *namespaces, "--net", "--")
                try:
                    if process.run([*argv, "true"], seconds=10).exit_status == 0:
                        return argv
                except OSError:
                    return None
        return None


class VenvSandbox:
    def __init__(self, root: str, place: Path, python: str, isolation: tuple[str, ...] | None) -> None:
        self.root = root
        self._place = place
        self._python = python
        self._isolation = isolation

    def expose(self, source: Path, name: str) -> str:  # noqa: ARG002
        return str(source.resolve())

    def run(
        self,
        argv: Sequence[str],
        *,
        limits: Limits,
        environment: Mapping[str, str] | None = None,
        network: Network = "none",
        writable: bool = False,  # noqa: ARG002
    ) -> Outcome:
        home = str(self._place / "home")
        scrubbed = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": home,
            "TMPDIR": str(self._place / "tmp"),
            **(environment or {}),
        }
        command = [self._python if word == PYTHON else word for word in argv]
        if network == "none" and self._isolation:
            command = [*self._isolation, *command]
        if setpriv := shutil.which("setpriv"):  # die with the harness, also by SIGKILL
            command = [setpriv, "--pdeathsig", "KILL", "--", *command]
        done = process.run(
            command,
            environment=scrubbed,
            seconds=limits.seconds,
            output_bytes=OUTPUT_BYTES,
            folder=self._place / "home",
        )
        return Outcome(
            ended="timeout" if done.timed_out else "exited",
            exit_status=done.exit_status,
            stdout=done.stdout,
            stderr=done.stderr,
            truncated=done.truncated,
            seconds=done.seconds,
        )


def remove_sandbox(place: Path) -> None:
    """Remove a sandbox and its short path."""
    try:
        link = Path((place / "link").read_text())
    except OSError:
        link = None
    if link is not None and link.parent == Path("/tmp") and link.name.startswith("fh-"):  # noqa: S108
        shutil.rmtree(link, ignore_errors=True)
    shutil.rmtree(place, ignore_errors=True)


def find_python(target: Target) -> str:
    """An interpreter of the target's version on this machine, as an absolute path.

    Raises:
        EnvironmentLacksError: there is none, or the platform is another.
    """
    here = f"linux_{os.uname().machine}"
    if target.platform != here:
        raise EnvironmentLacksError(
            f"this machine is {here}; the venv engine cannot measure {target.platform}", tip="use one of that kind"
        )
    if sys.version_info[:2] == target.python:
        return os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    name = f"python{target.python_version}"
    if found := shutil.which(name):
        # asks the interpreter itself: what is on the path may be a version manager's shim
        try:
            told = process.run(
                [found, "-I", "-c", "import os, sys; print(os.path.realpath(sys._base_executable))"], seconds=20
            )
        except OSError:
            told = None
        if told is not None and told.exit_status == 0:
            return told.stdout.decode().strip()
    raise EnvironmentLacksError(
        f"{name} is not on this machine", tip=f"install {name}, or start a Docker engine and use ENGINE=docker"
    )
