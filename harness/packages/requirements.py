"""What a set of wheels still requires, read from their METADATA alone: no package code runs, no installer is asked.

An installer that is given a lock installs it without a word, whether or not it is complete. `pip check` would say so,
and would also refuse what pip itself has just installed: a wheel whose WHEEL file names other tags than its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

from packaging.markers import InvalidMarker, UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from harness.job import Request, Target
from harness.packages.lock import Locked
from harness.packages.platforms import marker_environment, tags
from harness.packages.wheel import Wheel


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
    asked = {one.name: {""} for one in wheels}
    asked.setdefault(request.name, {""}).update(request.extras)
    while True:
        requirements = [
            (one, requirement)
            for one, wheel in wheels.items()
            for requirement in _requirements(wheel)
            if _applies(requirement, asked[one.name], environment)
        ]
        before = sum(map(len, asked.values()))
        for _, requirement in requirements:
            asked.setdefault(canonicalize_name(requirement.name), {""}).update(
                map(canonicalize_name, requirement.extras)
            )
        if sum(map(len, asked.values())) == before:
            break
    unmet = (_unmet(one, requirement, versions) for one, requirement in requirements)
    odd = (f"{one.name} {one.version} {what}" for one, wheel in wheels.items() for what in _oddities(wheel, supported))
    return Checked(tuple(sorted(set(filter(None, unmet)))), tuple(sorted(odd)))


def _requirements(wheel: Wheel) -> Iterator[Requirement]:
    for line in wheel.requires:
        try:
            yield Requirement(line)
        except InvalidRequirement:
            continue  # told among the oddities


def _applies(requirement: Requirement, extras: set[str], environment: Mapping[str, str]) -> bool:
    marker = requirement.marker
    try:
        return marker is None or any(marker.evaluate({**environment, "extra": extra}) for extra in extras)
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName):
        return False


def _unmet(one: Locked, requirement: Requirement, versions: Mapping[str, str]) -> str:
    """What is wrong with it, or nothing."""
    name = canonicalize_name(requirement.name)
    wanted = f"{one.name} {one.version} requires {name}{requirement.specifier}"
    if name not in versions:
        return f"{wanted}, which is missing"
    if not requirement.specifier.contains(versions[name], prereleases=True):
        return f"{wanted}, and {name} is {versions[name]}"
    return ""


def _oddities(wheel: Wheel, supported: Set[str]) -> Iterator[str]:
    for line in wheel.requires:
        try:
            Requirement(line)
        except InvalidRequirement:
            yield f"requires {line[:100]!a}, which is no valid requirement"
    if not wheel.tags:
        yield "names no tag in its WHEEL file"
    elif supported.isdisjoint(map(str, wheel.tags)):
        told = ", ".join(sorted(map(str, wheel.tags))[:3])
        yield f"is for another platform or Python by its WHEEL file, though not by its filename: {told[:100]}"
