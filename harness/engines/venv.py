"""The engine that needs nothing but Python: virtual environments on this machine.

Weaker than a container, and every record says so: the measured code runs as this user. It gets a
scrubbed environment, and no network where the kernel lets this user make a network namespace.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from harness.engines import process
from harness.engines.fetched import FETCH_BYTES, Landing, below, landing, missing
from harness.engines.interpreters import Interpreters, version_of
from harness.engines.owner import Owner, Owners
from harness.engines.sandbox import OUTPUT_BYTES, PYTHON, ROOT_CHARS, EngineFacts, Limits, Network, Outcome
from harness.errors import EnvironmentLacksError, SkippedError
from harness.job import DEFAULT_PYTHON, Python, Target

# A PID namespace beside the network one: whatever the measured code started dies with its first process.
_NAMESPACES = ("--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc")
# What the driver itself says: it is there, of the kernel's version, and has a device. In a process of its own,
# since a driver that was once loaded stays. https://docs.nvidia.com/cuda/cuda-driver-api/
_ASK_DRIVER = "import ctypes, sys; sys.exit(ctypes.CDLL('libcuda.so.1').cuInit(0) != 0)"
_DRIVER = "libcuda.so.1"
_CHOSEN_GPUS = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES")
ROOT, TMP, HOME = "s", "t", "h"
"""The folders of a sandbox."""
DYING_SECONDS = 5.0
"""How long removing a sandbox waits for killed processes that still write into it."""


class VenvEngine:
    """Sandboxes are folders in the cache; `{python}` is an interpreter of this machine."""

    name = "venv"

    def __init__(
        self, owner: Owner, interpreters: Interpreters | None = None, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self.say = say
        self.folder = owner.folder
        self.interpreters = interpreters or Interpreters(owner.owners.cache)

    def facts(self, target: Target) -> EngineFacts:
        _refuse_other_platform(target)
        self.interpreters.get(target.python)
        return EngineFacts(
            network_isolated=self.isolates_network,
            absent={"image_bytes": "the venv engine has no image"},
        )

    def usual_pythons(self) -> tuple[Python, ...]:
        """As in containers, where this machine has it or uv can install it; else those that are here, newest first."""
        return self._usual

    @cached_property
    def _usual(self) -> tuple[Python, ...]:
        try:
            path = self.interpreters.get(DEFAULT_PYTHON)
        except EnvironmentLacksError as error:
            present = tuple(self.interpreters.present())
            if not present:
                raise
            self.say(f"{error.message}; taking what is here: Python {', '.join(map(version_of, present))}")
            return present
        self.say(f"Python {version_of(DEFAULT_PYTHON)}, as in containers: {path}")
        return (DEFAULT_PYTHON,)

    @contextmanager
    def open(self, target: Target, *, keep: bool = False) -> Iterator[VenvSandbox]:
        _refuse_other_platform(target)
        python = self.interpreters.get(target.python)
        place = self.folder / f"sandbox-{secrets.token_hex(4)}"
        try:  # from here on: an interrupt may come at any line
            # Short paths of fixed length, wherever the cache may be. Of the root, see ROOT_CHARS; the other two because
            # a socket's path has at most 107 bytes (unix(7)), and multiprocessing puts its sockets into TMPDIR.
            link = Path("/tmp") / f"fh-{secrets.token_hex(4)}"  # noqa: S108 - refused below if somebody has it
            for folder in (ROOT, TMP, HOME):
                (place / folder).mkdir(parents=True)
            (place / "link").write_text(str(link))
            link.mkdir(mode=0o700)
            for folder in (ROOT, TMP, HOME):
                (link / folder).symlink_to(place / folder)
            assert len(str(link / ROOT)) == ROOT_CHARS, link
            yield VenvSandbox(link, place, python, self._isolation, self.has_gpu)
        finally:
            if keep:
                self.say(f"kept folder {place}")
            else:
                remove_sandbox(place)

    def has_gpu(self) -> bool:
        return self._gpu

    @cached_property
    def _gpu(self) -> bool:
        """Whether this machine's NVIDIA driver answers, and has a device."""
        try:
            done = process.run([sys.executable, "-I", "-c", _ASK_DRIVER], environment=_gpu_environment(), seconds=60)
        except OSError:
            return False
        return done.exit_status == 0

    def stop_orphans(self) -> None: ...  # the kernel ends what runs here together with its harness

    def with_compiler(self) -> VenvEngine:
        return self  # whatever compiler this machine has

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
    def __init__(
        self,
        link: Path,
        place: Path,
        python: str,
        isolation: tuple[str, ...] | None,
        has_gpu: Callable[[], bool] = lambda: False,
    ) -> None:
        self.root = str(link / ROOT)
        self._link = link
        self._place = place
        self._python = python
        self._isolation = isolation
        self._has_gpu = has_gpu

    def expose(self, source: Path, name: str) -> str:  # noqa: ARG002
        return str(source.resolve())

    def withdraw(self, name: str) -> None:
        """Nothing was shown by that name: files are read where they are."""

    def run(
        self,
        argv: Sequence[str],
        *,
        limits: Limits,
        environment: Mapping[str, str] | None = None,
        network: Network = "none",
        writable: bool = False,  # noqa: ARG002
    ) -> Outcome:
        scrubbed = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(self._link / HOME),
            "TMPDIR": str(self._link / TMP),
            **(_gpu_environment() if limits.gpu else {}),
            **(environment or {}),
        }
        if limits.gpu and not self._has_gpu():
            raise SkippedError("no GPU: this machine's NVIDIA driver does not answer")
        command = [self._python if word == PYTHON else word for word in argv]
        if network == "none" and self._isolation:
            command = [*self._isolation, *command]
        if limits.cpus is not None:
            command = [*_bound_to(limits.cpus), *command]
        if setpriv := shutil.which("setpriv"):  # die with the harness, also by SIGKILL
            command = [setpriv, "--pdeathsig", "KILL", "--", *command]
        done = process.run(
            command,
            environment=scrubbed,
            seconds=limits.seconds,
            output_bytes=OUTPUT_BYTES,
            folder=self._link / HOME,
        )
        return Outcome(
            ended="timeout" if done.timed_out else "exited",
            exit_status=done.exit_status,
            stdout=done.stdout,
            stderr=done.stderr,
            truncated=done.truncated,
            seconds=done.seconds,
        )

    def fetch(self, path: str, to: Path, *, most_bytes: int = FETCH_BYTES) -> None:
        *folders, name = below(self.root, path)
        opened = [os.open(self._place / ROOT, os.O_DIRECTORY)]
        try:
            with landing(to, most_bytes) as place:
                for folder in folders:
                    opened.append(_open(folder, opened[-1], os.O_DIRECTORY, path))
                _copy((name,), opened[-1], place, path)
        finally:
            for fd in opened:
                os.close(fd)


def _open(name: str, folder: int, flags: int, path: str) -> int:
    """Open what lies in an open folder, and no link. O_NONBLOCK: a FIFO would wait for a writer."""
    try:
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | flags, dir_fd=folder)
    except OSError as error:
        raise missing(path) from error


def _copy(parts: tuple[str, ...], folder: int, place: Landing, path: str) -> None:
    """Copy an entry of an open folder, and all below it."""
    try:
        kind = os.stat(parts[-1], dir_fd=folder, follow_symlinks=False).st_mode
    except OSError as error:
        raise missing(path) from error
    if not stat.S_ISDIR(kind) and not stat.S_ISREG(kind):
        raise place.refuse(parts)
    fd = _open(parts[-1], folder, 0, path)
    try:
        found = os.fstat(fd)  # of what was opened, whatever the name stands for by now
        if stat.S_ISDIR(found.st_mode):
            place.folder(parts)
            for name in sorted(os.listdir(fd)):
                _copy((*parts, name), fd, place, path)
        elif stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            with open(fd, "rb", closefd=False) as source:
                place.file(parts, found.st_size, source)
        else:
            raise place.refuse(parts)
    finally:
        os.close(fd)


def _bound_to(cpus: Sequence[int]) -> list[str]:
    """The command in front of a run that keeps it on these CPUs.

    Raises:
        EnvironmentLacksError: it may not use one of them, or nothing can keep it there.
    """
    if lacking := set(cpus) - os.sched_getaffinity(0):
        raise EnvironmentLacksError(f"this process may not use CPU {min(lacking)}", tip="ask for fewer threads")
    if (taskset := shutil.which("taskset")) is None:
        raise EnvironmentLacksError("taskset is not on this machine", tip="install util-linux, or use ENGINE=docker")
    return [taskset, "--cpu-list", ",".join(map(str, cpus))]


def _gpu_environment() -> dict[str, str]:
    """What leads to the driver and to the GPUs that this process was given; no other library of LD_LIBRARY_PATH,
    which could stand in for one that is measured."""
    folders = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    found = [folder for folder in folders if folder and Path(folder, _DRIVER).exists()]
    given = {name: os.environ[name] for name in _CHOSEN_GPUS if name in os.environ}
    return given | ({"LD_LIBRARY_PATH": found[0]} if found else {})


def remove_sandbox(place: Path) -> None:
    """Remove a sandbox and its short path."""
    try:
        link = Path((place / "link").read_text())
    except OSError:
        link = None
    if link is not None and link.parent == Path("/tmp") and link.name.startswith("fh-"):  # noqa: S108
        shutil.rmtree(link, ignore_errors=True)
    deadline = time.monotonic() + DYING_SECONDS
    shutil.rmtree(place, ignore_errors=True)
    while place.exists() and time.monotonic() < deadline:  # what was killed may write until it is dead
        time.sleep(0.05)
        shutil.rmtree(place, ignore_errors=True)


def _refuse_other_platform(target: Target) -> None:
    """Wheels of another platform can be locked here, and not run.

    Raises:
        EnvironmentLacksError: the target's platform is not this machine's.
    """
    here = f"linux_{os.uname().machine}"
    if target.platform != here:
        raise EnvironmentLacksError(
            f"this machine is {here}; the venv engine cannot measure {target.platform}", tip="use one of that kind"
        )
