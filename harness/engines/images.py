"""Base images: from a registry where one answers, else built from Debian packages. Never mistaken."""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal, Protocol

from harness.engines import process
from harness.errors import EnvironmentLacksError
from harness.job import Target

BUILD_SECONDS = 900.0
DEBIAN_REPOSITORY = "footprint-harness/debian-python"
COMPILER_PACKAGES = ("g++", "python3-dev")
Source = Literal["registry", "debian", "local"]
"""`local`: under a registry's name, but no registry vouches for it."""


@dataclass(frozen=True)
class Base:
    """Where the base image for one CPython version can come from."""

    python: str
    registry: str
    registry_compiler: str
    """The registry's image of the same Python that has a C++ compiler."""
    debian: str | None = None
    """Debian suite; None: Debian ships no such Python."""
    compiler: bool = False
    """Whether it has a C++ compiler and Python's headers: for what compiles while it runs, such as torch.compile."""

    @property
    def tag(self) -> str:
        return f"{self.python}-cxx" if self.compiler else self.python

    @property
    def debian_tag(self) -> str:
        return f"{DEBIAN_REPOSITORY}:{self.tag}"

    def with_compiler(self) -> Base:
        return replace(self, registry=self.registry_compiler, compiler=True)


class ImageStore(Protocol):
    """What building and choosing bases needs of a container engine."""

    def has(self, reference: str) -> bool: ...
    def pull(self, reference: str) -> None:
        """Raises EnvironmentLacksError where no registry answers or the tag is not there."""

    def load(self, archive: Path, repository: str, tag: str) -> None: ...


def folder() -> Path:
    """`images/` of the checkout, or its copy inside an installed package."""
    package = Path(__file__).resolve().parent.parent
    packed = package / "_images"
    return packed if packed.is_dir() else package.parent / "images"


@cache
def bases() -> dict[str, Base]:
    """Every base, by Python version."""
    raw = tomllib.loads((folder() / "bases.toml").read_text())
    return {version: Base(python=version, **entry) for version, entry in raw["python"].items()}


def ensure(
    store: ImageStore, target: Target, *, compiler: bool = False, say: Callable[[str], None] = lambda _: None
) -> tuple[str, Source]:
    """A reference to a base image that is on the engine afterwards, and where it came from.

    What is there already serves; then a registry is asked; then one is built from Debian packages.

    Args:
        compiler: the base with a C++ compiler.

    Raises:
        EnvironmentLacksError: no source works; the message names the commands that would help.
    """
    base = bases()[target.python_version]
    if compiler:
        base = base.with_compiler()
    if store.has(base.registry):
        return base.registry, "registry"
    if base.debian and store.has(base.debian_tag):
        return base.debian_tag, "debian"
    try:
        say(f"pulling {base.registry}")
        store.pull(base.registry)
        return base.registry, "registry"
    except EnvironmentLacksError as error:
        if base.debian is None:
            raise EnvironmentLacksError(
                f"no base image for Python {base.python}: {error.message}, and Debian ships no such Python",
                tip=f"run `docker pull {base.registry}` where a registry answers, or use PYTHON=3.9, 3.11 or 3.13",
            ) from error
        build_debian(store, base, say=say)
        return base.debian_tag, "debian"


def build_debian(store: ImageStore, base: Base, *, say: Callable[[str], None] = lambda _: None) -> str:
    """Build the base from Debian packages, and give it to the engine; returns its tag.

    Raises:
        EnvironmentLacksError: mmdebstrap is missing or failed.
    """
    if base.debian is None:
        raise EnvironmentLacksError(f"Debian ships no Python {base.python}", tip=f"run `docker pull {base.registry}`")
    if shutil.which("mmdebstrap") is None:
        raise EnvironmentLacksError(
            f"no base image for Python {base.python}: no registry answers and mmdebstrap is not installed",
            tip=f"run `docker pull {base.registry}`, or `apt-get install mmdebstrap` and `make images`",
        )
    say(f"building {base.debian_tag} from Debian {base.debian} packages")
    with tempfile.TemporaryDirectory(prefix="fh-image-") as work:
        archive = Path(work) / "base.tar"
        packages = COMPILER_PACKAGES if base.compiler else ()
        done = process.run(
            [str(folder() / "debian" / "build"), base.debian, str(archive), *packages],
            seconds=BUILD_SECONDS,
            output_bytes=2**20,
        )
        if done.exit_status != 0:
            tail = " / ".join(done.stderr.decode("utf-8", "replace").splitlines()[-3:])
            raise EnvironmentLacksError(
                f"mmdebstrap could not build Debian {base.debian}: {tail}",
                tip=f"run `docker pull {base.registry}`, or `images/debian/build {base.debian} base.tar` to see why",
            )
        store.load(archive, DEBIAN_REPOSITORY, base.tag)
    return base.debian_tag
