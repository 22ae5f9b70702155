"""Settle what a request means on an index: which release, whether its extras exist, what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from packaging.version import Version

from harness.errors import InputError, MeasurementError, NotOnIndexError
from harness.job import Python, Request, Target, iso_instant
from harness.packages.index import Index, Project
from harness.packages.platforms import choose, tags, takes_python
from harness.packages.wheel import provided_extras


def pin(request: Request, *, index: Index, as_of: datetime, known: Iterable[str] = (), local: str = "") -> Request:
    """The request with its version: as given, or the newest final release uploaded before `as_of`.

    Args:
        known: names to suggest from when the index has no such project.
        local: the local version label that the variant's index carries, such as `cpu`.

    Raises:
        InputError: there is no such project, version or extra; the message names the nearest.
        IndexUnavailableError: the index cannot be asked.
    """
    try:
        project = index.project(request.name)
    except NotOnIndexError:
        near = difflib.get_close_matches(request.name, list(known), n=1)
        raise InputError(
            f"there is no distribution {request.name!r} on the index",
            tip=f"did you mean {near[0]}?" if near else "check its spelling",
        ) from None
    _refuse_before_first(project, as_of)
    version = request.version
    if version is None:
        version = _newest(project, as_of)
    elif version.local is not None and version.local != local:
        raise InputError(
            f"{request} has the local version {version.local!r}, which this variant's index does not carry",
            tip="choose its build with VARIANT=, see `harness catalog`",
        )
    elif version not in project.versions and (
        not local or Version(f"{version.public}+{local}") not in project.versions
    ):
        raise InputError(f"{request.name} has no version {version}", tip=_nearest(project, version))
    if local and version.local is None:
        version = Version(f"{version.public}+{local}")
    _refuse_too_late(project, version, as_of)
    # as it was released: 2.3 and 2.3.0 are one version, and get one lock and one name
    pinned = replace(request, version=next((one for one in project.versions if one == version), version))
    _refuse_unknown_extras(pinned, project, index)
    return pinned


def has_wheel(request: Request, target: Target, *, index: Index, as_of: datetime) -> bool:
    """Whether there is a wheel that the target takes, of the request's version or else of any.

    Raises:
        IndexUnavailableError: the index cannot be asked.
    """
    try:
        offered = index.project(request.name).before(as_of)
    except (NotOnIndexError, MeasurementError):  # locking it will say so
        return False
    files = [file for file in offered if takes_python(file, target)]
    wanted = [file for file in files if request.version in (None, file.version)]
    return choose(wanted, tags(target)) is not None


def first_python(
    pythons: Sequence[Python], fits: Callable[[Python], bool], *, of: str, say: Callable[[str], None]
) -> Python:
    """The first Python that there are wheels for; the first of all where there is none.

    Args:
        fits: whether there are wheels for a Python; asked where there is a choice.
        of: what wheels are wanted of, for `say`.
        say: receives which one it is and why, where there is a choice.
    """
    if len(pythons) == 1:
        return pythons[0]
    found = next(filter(fits, pythons), None)
    chosen = found or pythons[0]
    why = "the newest here that there is a wheel for" if found else "the newest here; there is a wheel for none"
    say(f"{of}: on Python {chosen[0]}.{chosen[1]}, {why}")
    return chosen


def _refuse_before_first(project: Project, as_of: datetime) -> None:
    if project.first_upload is not None and project.first_upload >= as_of:
        raise InputError(
            f"{project.name} had no release before {iso_instant(as_of)}: its first file is of "
            f"{project.first_upload.date()}",
            tip=f"use AS_OF={project.first_upload.date()} or later",
        )


def _newest(project: Project, as_of: datetime) -> Version:
    finals = {file.version for file in project.before(as_of) if not file.version.is_prerelease and not file.yanked}
    if not finals:
        raise InputError(
            f"{project.name} has no final release with a wheel before {iso_instant(as_of)}",
            tip="name a version exactly, a pre-release too",
        )
    return max(finals)


def _refuse_too_late(project: Project, version: Version, as_of: datetime) -> None:
    uploads = [file.upload_time for file in project.wheels if file.version == version and file.upload_time]
    if uploads and min(uploads) >= as_of:
        first = min(uploads)
        raise InputError(
            f"{project.name} {version} was first uploaded at {iso_instant(first)}, after the as-of instant "
            f"{iso_instant(as_of)}",
            tip=f"use AS_OF={first.date()} or later",
        )


def _nearest(project: Project, version: Version) -> str:
    """The versions around the one that does not exist."""
    finals = sorted(v for v in project.versions if not v.is_prerelease) or sorted(project.versions)
    if not finals:
        return "it has no release at all"
    below = [v for v in finals if v < version][-1:]
    above = [v for v in finals if v > version][:1]
    return "the nearest: " + ", ".join(str(v) for v in below + above)


def _refuse_unknown_extras(request: Request, project: Project, index: Index) -> None:
    if not request.extras:
        return
    for file in project.wheels:
        if file.version == request.version:
            metadata = index.metadata(file)
            if metadata is None:
                return  # not served apart: pip-compile's warning is looked at instead
            offered = provided_extras(metadata.decode("utf-8", "replace"))
            for extra in request.extras:
                if extra not in offered:
                    raise InputError(
                        f"{request.name} {request.version} has no extra {extra!r}",
                        tip=f"it has: {', '.join(offered)}" if offered else "it has none",
                    )
            return
