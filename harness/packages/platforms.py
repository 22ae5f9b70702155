"""What a target takes, for every target, whatever machine this is: its tags (PEP 425), and its name in uv's words.

Locks and wheels for a Mac can so be chosen on a Linux machine. The oldest systems that a target stands for are
decided here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import compatible_tags, cpython_tags, mac_platforms
from packaging.utils import parse_wheel_filename

from harness.job import Target
from harness.packages.index import File

GLIBC = 36
"""2.36, Debian 12's, which measurements run on (images/bases.toml)."""
ANY_GLIBC = 99
"""Newer than every one there is: where wheels are installed, the installer asks the machine's own."""
MACOS = (15, 0)
"""The oldest macOS that still gets updates, November 2026."""
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
"""Names that came before PEP 600. https://peps.python.org/pep-0600/"""


@dataclass(frozen=True)
class Platform:
    """A platform that wheels are chosen for."""

    uv: str
    """Its name for `uv pip compile --python-platform`."""
    sys_platform: str
    system: str
    machine: str
    os_name: str = "posix"
    environment: tuple[tuple[str, str], ...] = ()
    """Variables that uv needs beside it."""


PLATFORMS = {
    "linux_x86_64": Platform(f"x86_64-manylinux_2_{GLIBC}", "linux", "Linux", "x86_64"),
    "linux_aarch64": Platform(f"aarch64-manylinux_2_{GLIBC}", "linux", "Linux", "aarch64"),
    "macos_arm64": Platform(
        "aarch64-apple-darwin",
        "darwin",
        "Darwin",
        "arm64",
        environment=(("MACOSX_DEPLOYMENT_TARGET", ".".join(map(str, MACOS))),),
    ),
    "windows_x86_64": Platform("x86_64-pc-windows-msvc", "win32", "Windows", "AMD64", "nt"),
}


def marker_environment(target: Target, python: str | None = None) -> dict[str, str]:
    """What environment markers are evaluated in; `extra` is for the caller.

    https://packaging.python.org/en/latest/specifications/dependency-specifiers/#environment-markers

    Args:
        python: full version of the interpreter; None: the latest patch release there could be.
    """
    platform, full = PLATFORMS[target.platform], python or f"{target.python_version}.99"
    return {
        "python_version": target.python_version,
        "python_full_version": full,
        "implementation_name": "cpython",
        "implementation_version": full,
        "platform_python_implementation": "CPython",
        "platform_machine": platform.machine,
        "platform_system": platform.system,
        "sys_platform": platform.sys_platform,
        "os_name": platform.os_name,
    }


@cache
def tags(target: Target, glibc: int = GLIBC) -> tuple[str, ...]:
    """The tags that an installer on the target takes, best first.

    Args:
        glibc: minor version of the C library, on Linux.
    """
    platforms = list(_platform_tags(target.platform, glibc))
    abi, interpreter = target.tag, target.tag
    found = [*cpython_tags(target.python, [abi], platforms), *compatible_tags(target.python, interpreter, platforms)]
    return tuple(map(str, found))


def _platform_tags(platform: str, glibc: int) -> Iterator[str]:
    system, _, machine = platform.partition("_")
    if system == "windows":
        yield "win_amd64"
    elif system == "macos":
        yield from mac_platforms(MACOS, machine)
    else:
        oldest = 5 if machine == "x86_64" else 17  # PEP 571 and PEP 599: what the first manylinux of each had
        yield f"linux_{machine}"
        for minor in range(glibc, oldest - 1, -1):
            yield f"manylinux_2_{minor}_{machine}"
            if minor in _LEGACY:
                yield f"{_LEGACY[minor]}_{machine}"


def may_take(file: File, target: Target) -> bool:
    """Whether some system of the target's platform takes the file, however new its C library is."""
    return choose([file], tags(target, ANY_GLIBC)) is not None


def is_for_platform(tag: str, platform: str) -> bool:
    """Whether a wheel with this platform tag is for a platform, whatever its Python."""
    return tag == "any" or tag in _platform_tags(platform, ANY_GLIBC)


def takes_python(file: File, target: Target) -> bool:
    """Whether the file's Requires-Python lets the target in, in its latest patch release."""
    try:
        return SpecifierSet(file.requires_python or "").contains(f"{target.python_version}.99")
    except InvalidSpecifier:  # installers do not heed it either
        return True


def choose(files: Sequence[File], tags: Sequence[str]) -> File | None:
    """The file that pip would take: best tag first, then the highest build number."""
    rank = {tag: place for place, tag in enumerate(tags)}

    def key(file: File) -> tuple[int, tuple[int, str]]:
        _, _, build, wheel_tags = parse_wheel_filename(file.filename)
        best = min(rank[str(tag)] for tag in wheel_tags if str(tag) in rank)
        return -best, (build[0], build[1]) if build else (-1, "")

    fitting = [file for file in files if any(str(tag) in rank for tag in parse_wheel_filename(file.filename)[3])]
    return max(fitting, key=key) if fitting else None
