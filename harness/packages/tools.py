"""The tools that work inside a sandbox (pip, pip-tools, uv): pinned by hash, unpacked once, mounted read-only.

All but uv are Python, so a wheel unpacked into a flat folder is enough: nothing is installed
into a base image or into the environment that is measured.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from packaging.markers import Marker

from harness.engines import images
from harness.engines.sandbox import PYTHON, Engine, Limits, last_line
from harness.errors import EnvironmentLacksError
from harness.job import DEFAULT_PYTHON, Target
from harness.packages import wheel as wheels
from harness.packages.carried import Carried
from harness.packages.index import File, Index
from harness.packages.lock import Locked
from harness.packages.platforms import choose, marker_environment, tags
from harness.packages.wheelhouse import Wheelhouse
from harness.progress import Progress

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)(?:\s*;(?P<marker>[^\\\n]*))?", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")

# Prints a zip archive of bytecode that is valid whatever its source's date: the folder is read-only later.
_COMPILER = """
import os, py_compile, sys, zipfile
from importlib.util import cache_from_source
top, work = sys.argv[1:]
never_run = tuple(os.path.join(top, name) for name in ("setuptools", "pkg_resources", "wheel", "_distutils_hack"))
code = os.path.join(work, "module.pyc")
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
with zipfile.ZipFile(sys.stdout.buffer, mode="w") as archive:
    for folder, _, names in os.walk(top):
        if folder.startswith(never_run):
            continue
        for path in (os.path.join(folder, name) for name in names if name.endswith(".py")):
            if py_compile.compile(path, code, dfile=path, quiet=2, invalidation_mode=mode):
                archive.write(code, os.path.relpath(cache_from_source(path), top))
"""


@dataclass(frozen=True)
class Pin:
    """One package of a tool."""

    name: str
    version: str
    hashes: frozenset[str]
    """sha256 of each of its files."""


@dataclass(frozen=True)
class Tools:
    """A folder of unpacked tools."""

    folder: Path
    versions: dict[str, str]

    @property
    def uv(self) -> Path:
        return self.folder / "bin" / "uv"

    def describe(self, *names: str) -> str:
        return ", ".join(f"{name} {self.versions[name]}" for name in names)


def uv_from(index: Index | None, cache: Path, progress: Progress) -> Callable[[Path], Path]:
    """What gets uv from an index, given a folder for unfinished work: for who opens an engine.

    Raises (when it is called): as `prepare`.
    """
    here = Target(DEFAULT_PYTHON, f"linux_{os.uname().machine}")

    def get(work: Path) -> Path:
        return prepare("uv", here, cache=cache, work=work, index=index, engine=None, progress=progress).uv

    return get


def prepare(
    name: str,
    target: Target,
    *,
    cache: Path,
    work: Path,
    index: Index | None,
    engine: Engine | None,
    progress: Progress,
    carried: Carried | None = None,
) -> Tools:
    """Have `images/tools/<name>.txt` unpacked, and compiled for the target's Python.

    Args:
        index: None: only what is here or carried will do.
        engine: where the target's Python is; None for what is no Python code, and needs no compiling: uv.

    Raises:
        IndexUnavailableError: a tool could not be downloaded.
        EnvironmentLacksError: neither the index nor the carried wheels have the pinned file.
    """
    source = images.folder() / "tools" / f"{name}.txt"
    text = source.read_text()
    pins = list(_pins(text, target))
    versions = {pin.name: pin.version for pin in pins}
    place = f"{target.tag}-{target.platform}" if engine is not None else target.platform  # bytecode is one Python's
    folder = cache / "tools" / f"{name}-{place}-{sha256(text.encode()).hexdigest()[:12]}"
    if folder.is_dir():
        return Tools(folder, versions)
    progress.phase(
        "tools", f"{name} {versions[name]} and what it needs" if len(versions) > 1 else f"{name} {versions[name]}"
    )
    pinned = [_choose(name, pin, target, index, carried) for pin in pins]
    with Wheelhouse(cache, index, work, carried) as house:
        paths = house.fetch(pinned, progress).paths
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix="unpack-", dir=work))
    try:
        beside.chmod(0o755)
        for path in paths.values():
            _unpack(path, beside)
        if engine is not None:
            _compile(beside, target, engine)
        if not folder.is_dir():
            os.replace(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return Tools(folder, versions)


def _pins(text: str, target: Target) -> Iterator[Pin]:
    """The pins that hold for the target: the newest pip needs a newer Python than the oldest that is measured."""
    environment = marker_environment(target)
    matches = list(_PIN.finditer(text))
    ends = [match.start() for match in matches[1:]] + [len(text)]
    for match, end in zip(matches, ends, strict=True):
        if match["marker"] is None or Marker(match["marker"].strip()).evaluate({**environment}):
            hashes = frozenset(_HASH.findall(text[match.start() : end]))
            yield Pin(match["name"], match["version"], hashes)


def _choose(tool: str, pin: Pin, target: Target, index: Index | None, carried: Carried | None) -> Locked:
    """The pinned wheel that the target takes; a carried one first."""

    def fitting(files: Iterable[File]) -> File | None:
        return choose([file for file in files if file.sha256 in pin.hashes], tags(target))

    file = fitting(carried.of(pin.name) if carried else ())
    if file is None and index is not None:
        file = fitting(index.project(pin.name).wheels)
    if file is None:
        what = f"no pinned wheel of {pin.name}=={pin.version} for {target.platform}"
        if index is None:
            tip = f"carry the files that images/tools/{tool}.txt pins"
            raise EnvironmentLacksError(f"{what} is among the carried ones", tip=tip)
        raise EnvironmentLacksError(f"the index has {what}", tip="use an index that mirrors the public one")
    return Locked(pin.name, pin.version, file.filename, file.sha256, file.size or 0, file.upload_time)


def _unpack(path: Path, folder: Path) -> None:
    wheels.look(path)
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            name = entry.filename
            script = re.fullmatch(r"[^/]+\.data/scripts/([^/]+)", name)
            if script:
                place = folder / "bin" / script[1]
                place.parent.mkdir(exist_ok=True)
                place.write_bytes(archive.read(entry))
                place.chmod(0o755)
            elif not entry.is_dir():
                archive.extract(entry, folder)
    for place in folder.rglob("*"):
        place.chmod(0o755 if place.is_dir() or place.parent.name == "bin" else 0o644)


def _compile(folder: Path, target: Target, engine: Engine) -> None:
    """Bytecode for the target's Python, made in a sandbox and brought back: pip starts three times as fast."""
    with engine.open(target) as sandbox:
        place = sandbox.expose(folder, "tools")
        done = sandbox.run([PYTHON, "-I", "-c", _COMPILER, place, sandbox.root], limits=Limits(), writable=True)
    if done.ended != "exited" or done.exit_status != 0:
        raise EnvironmentLacksError(f"the tools cannot be compiled for {target}: {last_line(done.stderr)}")
    with zipfile.ZipFile(io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder)
