"""What a set of wheels still requires, read from their METADATA alone: no package code runs, no installer is asked.

An installer that is given a lock installs it without a word, whether or not it is complete. `pip check` would say so,
and would also refuse what pip itself has just installed: a wheel that is for another platform by its WHEEL file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from packaging.markers import InvalidMarker, UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from harness.job import Request, Target
from harness.packages.lock import Locked
from harness.packages.platforms import marker_environment, tags
from harness.packages.wheel import Wheel

MOST_LINES = 10_000
"""More requirements, or tags, of one wheel are not looked at."""
LONGEST_LINE = 10_000
MOST_TAGS = 1_000
"""A compressed tag that stands for more is not unfolded: it takes 2 kB to stand for three million."""
MOST_ODD = 20
SHOWN_CHARS = 200


@dataclass(frozen=True)
class Checked:
    """What was found, a sentence each."""

    unmet: tuple[str, ...]
    """Requirements that no wheel meets: missing, or of another version."""
    odd: tuple[str, ...]
    """Metadata that cannot be read, or contradicts itself; installers take it."""


def check(request: Request, wheels: Mapping[Locked, Wheel], target: Target, python: str) -> Checked:
    """Hold what each wheel requires against the others.

    An extra counts where the request or a requirement asks for it.
    https://packaging.python.org/en/latest/specifications/dependency-specifiers/

    Args:
        wheels: all that are installed.
        python: full version of the interpreter.
    """
    environment, supported = marker_environment(target, python), frozenset(tags(target))
    versions = {one.name: one.version for one in wheels}
    parsed: dict[str, list[Requirement]] = {}
    odd: list[str] = []
    for one, wheel in wheels.items():
        requirements, complaints = _read(wheel, supported)
        parsed[one.name] = requirements
        odd += [_plain(f"{one.name} {one.version} {complaint}") for complaint in complaints]
    unmet: set[str] = set()
    to_do = [(one.name, "") for one in wheels] + [(request.name, extra) for extra in request.extras]
    had = set(to_do)
    while to_do:
        name, extra = to_do.pop()
        for requirement in parsed.get(name, ()):
            if not _applies(requirement, extra, environment):
                continue
            if wrong := _unmet(name, requirement, versions):
                unmet.add(wrong)
            new = {(canonicalize_name(requirement.name), canonicalize_name(more)) for more in requirement.extras} - had
            had |= new
            to_do += new
    more = [f"and {len(odd) - MOST_ODD} more of the kind"] if len(odd) > MOST_ODD else []
    return Checked(tuple(sorted(unmet)), (*sorted(odd)[:MOST_ODD], *more))


def _read(wheel: Wheel, supported: Set[str]) -> tuple[list[Requirement], list[str]]:
    """A wheel's requirements, and what is odd about it."""
    found: list[Requirement] = []
    odd: list[str] = []
    for line in wheel.requires[:MOST_LINES]:
        try:
            if len(line) > LONGEST_LINE:
                raise InvalidRequirement("too long")
            found.append(Requirement(line))
        except (InvalidRequirement, RecursionError):
            odd.append(f"requires {line!a}, which is no valid requirement")
    if len(wheel.requires) > MOST_LINES:
        odd.append(f"has {len(wheel.requires)} requirements; only the first {MOST_LINES} were looked at")
    if not wheel.tags:
        odd.append("names no tag in its WHEEL file")
    elif not any(tag in supported for tag in _unfolded(wheel.tags)):
        named = ", ".join(wheel.tags[:3])
        odd.append(f"is for another platform or Python by its WHEEL file, though not by its filename: {named}")
    return found, odd


def _unfolded(lines: Sequence[str]) -> Iterator[str]:
    """The tags that compressed ones stand for (PEP 425)."""
    for line in lines[:MOST_LINES]:
        parts = [part.split(".") for part in line.split("-")]
        if len(parts) == 3 and math.prod(map(len, parts)) <= MOST_TAGS:
            yield from (
                f"{python}-{abi}-{platform}" for python in parts[0] for abi in parts[1] for platform in parts[2]
            )


def _applies(requirement: Requirement, extra: str, environment: Mapping[str, str]) -> bool:
    try:
        return requirement.marker is None or requirement.marker.evaluate({**environment, "extra": extra})
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName, RecursionError):
        return False


def _unmet(name: str, requirement: Requirement, versions: Mapping[str, str]) -> str:
    """What is wrong with it, or nothing."""
    wanted = canonicalize_name(requirement.name)
    demand = f"{name} {versions.get(name, '')} requires {wanted}{requirement.specifier}"
    if wanted not in versions:
        return _plain(demand) + ", which is missing"
    if not requirement.specifier.contains(versions[wanted], prereleases=True):
        return _plain(demand) + f", and {wanted} is {versions[wanted]}"
    return ""


def _plain(text: str) -> str:
    """Printable ASCII, and short: what wheels say ends up in records and on terminals."""
    return text.encode("unicode_escape").decode("ascii").replace("\\\\", "\\")[:SHOWN_CHARS]
