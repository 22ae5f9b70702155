"""Resolve a job to a lock: pip-compile chooses versions inside the target, tags choose the wheels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from email import message_from_bytes

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from harness.engines.sandbox import Limits, Sandbox, probe
from harness.errors import IndexUnavailableError, MeasurementError, NotOnIndexError, UnsupportedError
from harness.job import Job, iso_instant
from harness.packages.index import File, Index, environment_for_tools
from harness.packages.lock import Lock, Locked
from harness.packages.platforms import choose, is_for_platform, marker_environment, may_take, takes_python
from harness.packages.tools import Tools

RESOLVE_SECONDS = 600.0
_PARALLEL = 8
_NO_MATCH = re.compile(r"(?:No matching distribution found for|satisfies the requirement) ([A-Za-z0-9._-]+)")
_URL = re.compile(r"https?://\S+")


def resolve(job: Job, *, sandbox: Sandbox, tools: Tools, index: Index) -> Lock:
    """Compile the job's request as of its date, and find each pin's wheel on the index.

    Raises:
        UnsupportedError: no wheel fits the target.
        MeasurementError: the requirements conflict, or pip failed otherwise.
        IndexUnavailableError: the index failed underneath it.
    """
    reach = index.reach
    ca_inside = sandbox.expose(reach.ca_bundle, "ca.pem") if reach.ca_bundle else None
    arguments = ["--tools", sandbox.expose(tools.folder, "tools"), "--requirement", str(job.request)]
    arguments += ["--uploaded-prior-to", iso_instant(job.as_of)]
    arguments += ["--index-url", reach.index_url] if reach.index_url else []
    # asked here first, since pip has one message for every way in which an index can fail
    _refuse_without_wheel(job, index)
    found = probe(
        sandbox,
        "resolve",
        arguments,
        limits=Limits(seconds=RESOLVE_SECONDS, memory_bytes=4 * 2**30),
        network="host" if reach.is_local else "open",
        environment=environment_for_tools(reach, ca_inside),
    )
    if found["failure"] is not None:
        raise _explain(found["failure"], job, index)
    pins = [Requirement(pin) for pin in found["pins"]]
    with ThreadPoolExecutor(_PARALLEL) as pool:
        wheels = tuple(sorted(pool.map(lambda pin: _wheel(pin, job, found["tags"], index), pins)))
    return Lock(wheels=wheels, resolver=tools.describe("pip", "pip-tools"))


def _wheel(pin: Requirement, job: Job, tags: Sequence[str], index: Index) -> Locked:
    version = Version(_exact(pin) or "")
    files = [file for file in index.project(pin.name).before(job.as_of) if file.version == version]
    file = choose(files, tags)
    if file is None:
        raise UnsupportedError(f"no wheel of {pin.name}=={version} for {job.target}; {_offered(files, job)}")
    return locked(pin.name, file)


def _exact(requirement: Requirement) -> str | None:
    """The version of an `==` requirement."""
    (specifier,) = requirement.specifier if len(requirement.specifier) == 1 else (None,)
    return specifier.version if specifier and specifier.operator == "==" and "*" not in specifier.version else None


def locked(name: str, file: File) -> Locked:
    """The file as a lock names it.

    Raises:
        MeasurementError: the index does not tell enough.
    """
    if not file.sha256 or file.size is None or file.upload_time is None:
        raise MeasurementError(f"the index tells no sha256, no size or no upload time for {file.filename}")
    return Locked(
        name=canonicalize_name(name),
        version=str(file.version),
        filename=file.filename,
        sha256=file.sha256,
        size=file.size,
        upload_time=file.upload_time,
        yanked=file.yanked,
    )


def prefetch(job: Job, index: Index) -> list[Locked]:
    """Wheels that the job's lock will have, as far as the index alone tells: the framework's own, and those
    that it requires with `==`; each only where a single wheel can be meant. So that their download need not
    wait for the resolver, most of whose time is spent waiting for pages.
    """

    def only_one(pin: str) -> Locked | None:
        requirement = Requirement(pin)
        version = _exact(requirement)
        files = [file for file in index.project(requirement.name).before(job.as_of) if str(file.version) == version]
        fitting = [file for file in files if _may_fit(file, job)]
        return locked(requirement.name, fitting[0]) if len(fitting) == 1 else None

    own = only_one(f"{job.request.name}=={job.request.version}")
    if own is None:
        return []
    (file,) = (file for file in index.project(own.name).wheels if file.filename == own.filename)
    needed = requirements_of(index.metadata(file) or b"", job)
    with ThreadPoolExecutor(_PARALLEL) as pool:
        return [own, *filter(None, pool.map(only_one, (str(one) for one in needed if _exact(one))))]


def requirements_of(metadata: bytes, job: Job) -> list[Requirement]:
    """What a wheel's metadata requires on the job's target with its extras, without their markers."""
    environment = marker_environment(job.target)
    wanted = []
    for line in message_from_bytes(metadata).get_all("Requires-Dist", []):
        with suppress(InvalidRequirement):
            one = Requirement(line)
            extras = ("", *job.request.extras)
            if one.marker is None or any(one.marker.evaluate({**environment, "extra": extra}) for extra in extras):
                one.marker = None
                wanted.append(one)
    return wanted


def _offered(files: Sequence[File], job: Job) -> str:
    """What Python is wanted by wheels that fit by their tags; else the Python tags that there are on the
    target's platform; else the platforms that there are."""
    if wanted := {file.requires_python or "" for file in files if may_take(file, job.target)}:
        return f"its wheels want Python {' or '.join(sorted(wanted))}"
    tags = [tag for file in files for tag in parse_wheel_filename(file.filename)[3]]
    here = {tag.interpreter for tag in tags if is_for_platform(tag.platform, job.target.platform)}
    if here:
        ordered = sorted(here, key=lambda name: (len(name), name))
        return f"there are wheels for {', '.join(ordered)}"
    return f"there are wheels for {', '.join(sorted({tag.platform for tag in tags})) or 'nothing'}"


def _refuse_without_wheel(job: Job, index: Index) -> None:
    """Tell apart what pip calls "No matching distribution": no wheel at all, none for this Python."""
    project = index.project(job.request.name)
    files = [file for file in project.before(job.as_of) if file.version == job.request.version]
    if not files:
        raise UnsupportedError(f"no wheel: {job.request} was released as a source distribution only")
    if not any(_may_fit(file, job) for file in files):
        raise UnsupportedError(f"no wheel of {job.request} for {job.target}; {_offered(files, job)}")


def _may_fit(file: File, job: Job) -> bool:
    """Whether a wheel is for the target's Python and platform."""
    return may_take(file, job.target) and takes_python(file, job.target)


def _explain(output: str, job: Job, index: Index) -> Exception:
    """What pip's failure was, told apart by asking the index itself."""
    causes = [line.strip() for line in output.splitlines() if re.search(r" depends on | requested ", line)]
    if "ResolutionImpossible" in output and causes:  # without causes, something that it needs is missing
        return MeasurementError("dependency conflict: " + "; ".join(causes[:4]))
    if match := _NO_MATCH.search(output):
        try:
            files = index.project(match[1]).before(job.as_of)
        except NotOnIndexError:
            return MeasurementError(f"{match[1]}, which it needs, is not on the index")
        except (IndexUnavailableError, MeasurementError) as error:
            return error
        if not files:
            return UnsupportedError(f"no wheel: {match[1]}, which it needs, has source distributions only")
        return UnsupportedError(f"no fitting release of {match[1]} for {job.target} as of {iso_instant(job.as_of)}")
    return MeasurementError(f"pip-compile failed: {_last(output)}")


def _last(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return _URL.sub("(the index)", lines[-1])[:500] if lines else "no message"
