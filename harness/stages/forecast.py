"""The forecast stage: what a framework version weighs on any target, from the index alone.

What is to be weighed is planned first, by pure functions over a project's page: `one`, `releases`, `matrix`. `weigh`
then locks with uv where dependencies count, and reads central directories by range.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from harness import __version__
from harness.documents.base import FileLine, LedgerLine
from harness.documents.forecast import (
    LISTED_FILES,
    Forecast,
    ForecastFigures,
    ForecastWheel,
    Scope,
)
from harness.engines import host
from harness.errors import HarnessError, MeasurementError, Status, UnsupportedError
from harness.job import Request, Target
from harness.packages import tools as toolbox
from harness.packages.directory import Contents
from harness.packages.index import CONNECTIONS, File, Index, Project
from harness.packages.lock import Lock
from harness.packages.peek import Peek
from harness.packages.platforms import choose, tags, takes_python
from harness.packages.resolve import locked
from harness.packages.tools import Tools
from harness.progress import Progress

LISTED_TYPES = 10
LOCKS = 8
"""How many uv runs at a time: each waits for the index nine tenths of its time."""


@dataclass(frozen=True)
class Ask:
    """One forecast that is wanted."""

    request: Request
    """Always with a version."""
    target: Target
    variant: str
    as_of: datetime
    scope: Scope
    own: File | None
    """The framework's own wheel for the target; None where the index has none."""
    why_not: str = ""
    """Why there is none."""


@dataclass(frozen=True)
class Workshop:
    """What forecasts are made with."""

    index: Index
    peek: Peek
    cache: Path
    work: Path
    """For what is unfinished."""
    progress: Progress

    @cached_property
    def uv(self) -> Tools:
        """Had when the first lock is needed; every later forecast uses it.

        Raises:
            IndexUnavailableError: it could not be downloaded.
            EnvironmentLacksError: the index has not the pinned file.
        """
        here = Target(sys.version_info[:2], f"linux_{os.uname().machine}")
        index = Index(self.index.reach)  # what setting up moves is no part of what forecasts move
        return toolbox.prepare(
            "uv", here, cache=self.cache, work=self.work, index=index, engine=None, progress=self.progress
        )


def one(project: Project, request: Request, target: Target, variant: str, as_of: datetime, scope: Scope) -> Ask:
    """What is wanted of one version on one target, as of an instant."""
    files = [file for file in project.before(as_of) if file.version == request.version]
    return _ask(files, request, target, variant, as_of, scope)


def _ask(files: Sequence[File], request: Request, target: Target, variant: str, as_of: datetime, scope: Scope) -> Ask:
    own, why_not = _own(files, request, target)
    return Ask(request, target, variant, as_of, scope, own, why_not)


def releases(
    project: Project, request: Request, target: Target, variant: str, as_of: datetime, scope: Scope, *, pre: bool
) -> list[Ask]:
    """Every release before `as_of` that has a wheel for the target, oldest version first, each as of the end of the day
    on which that wheel was uploaded. A request with a version is asked for alone.

    Args:
        pre: pre-releases too.
    """
    found = []
    by_version: dict[Version, list[File]] = {}
    for file in project.before(as_of):
        by_version.setdefault(file.version, []).append(file)
    for version in sorted(by_version):
        if (version.is_prerelease and not pre) or version != (request.version or version):
            continue
        asked = _ask(by_version[version], replace(request, version=version), target, variant, as_of, scope)
        if asked.own is not None:
            found.append(replace(asked, as_of=min(as_of, _end_of_day(asked.own))))
    return found


def matrix(
    project: Project, request: Request, targets: Sequence[Target], variant: str, as_of: datetime, scope: Scope
) -> list[Ask]:
    """One version on every target, whether it has a wheel or not; as of the end of the day of its last upload."""
    uploads = [_end_of_day(file) for file in project.before(as_of) if file.version == request.version]
    instant = min(as_of, max(uploads, default=as_of)) if scope == "wheel" else as_of
    return [one(project, request, target, variant, instant, scope) for target in targets]


def _own(files: Sequence[File], request: Request, target: Target) -> tuple[File | None, str]:
    """The wheel that an installer on the target would take; else why there is none."""
    if not files:
        return None, f"no wheel: {request} was released as a source distribution only"
    fitting = choose(files, tags(target))
    if fitting is None:
        return None, f"no wheel of {request} for {target}"
    if not takes_python(fitting, target):
        return None, f"no wheel of {request} for {target}: it wants Python {fitting.requires_python}"
    return fitting, ""


def _end_of_day(file: File) -> datetime:
    assert file.upload_time is not None, "a project's page told them all"
    day = file.upload_time.astimezone(UTC).date()
    return datetime.combine(day, time(), UTC) + timedelta(days=1)


def weigh(asks: Sequence[Ask], workshop: Workshop) -> Iterator[Forecast]:
    """The forecasts, in the order in which they were asked for. A failure is a forecast, not an exception.

    Several are under way at a time; how many does not depend on how many are asked for, so memory does not either.

    Raises:
        IndexUnavailableError, EnvironmentLacksError: uv, which locks, cannot be had.
    """
    if any(ask.scope == "closure" and ask.own is not None for ask in asks):
        _ = workshop.uv
    locking = threading.Semaphore(LOCKS)
    waiting = iter(asks)
    running: deque[Future[Forecast]] = deque()
    pool = ThreadPoolExecutor(CONNECTIONS)
    try:
        for done in range(len(asks)):
            while len(running) < 2 * CONNECTIONS and (ask := next(waiting, None)) is not None:
                running.append(pool.submit(_forecast, ask, workshop, locking))
            yield running.popleft().result()
            workshop.progress.step(done + 1, len(asks))
    finally:
        pool.shutdown(cancel_futures=True)


def _forecast(ask: Ask, workshop: Workshop, locking: threading.Semaphore) -> Forecast:
    told: dict[str, Any] = {}
    status: Status = "ok"
    phase = reason = None
    try:
        phase = "lock"
        if ask.own is None:
            raise UnsupportedError(ask.why_not)
        phase = "peek"  # its own wheel first: a lock that fails leaves what was reached
        told |= _weighed(ask.request.name, (ask.own,), workshop.peek)
        if ask.scope == "closure":
            phase = "lock"
            with locking:
                files = _lock(ask, workshop)
            lock = Lock(tuple(locked(_name(file), file) for file in files))
            told |= {"lock_sha256": lock.sha256, "resolver": workshop.uv.describe("uv")}
            phase = "peek"
            told |= _weighed(ask.request.name, files, workshop.peek, whole=True)
    except MeasurementError as error:
        status, reason = error.status, error.reason
    except HarnessError as error:
        status, reason = "failed", error.message
    except OSError as error:
        status, reason = "failed", f"{type(error).__name__}: {error.strerror or error}"
    return Forecast(
        forecast_at=datetime.now(UTC).replace(microsecond=0),
        framework=ask.request.name,
        version=str(ask.request.version),
        variant=ask.variant,
        extras=ask.request.extras,
        python=ask.target.python_version,
        platform=ask.target.platform,
        as_of=ask.as_of,
        scope=ask.scope,
        uploaded_at=ask.own.upload_time if ask.own else None,
        status=status,
        phase=None if status == "ok" else phase,
        reason=reason,
        harness_version=__version__,
        harness_commit=host.commit(),
        **told,
    )


def _lock(ask: Ask, workshop: Workshop) -> tuple[File, ...]:
    """All wheels of the closure; the framework's own as its page has it, which says whether it was yanked."""
    from harness.packages import uv_resolve  # here: what needs no lock starts sooner

    found = uv_resolve.resolve(
        (ask.request,),
        ask.target,
        ask.as_of,
        index=workshop.index,
        tools=workshop.uv,
        cache=workshop.cache,
        work=workshop.work,
    )
    assert ask.own is not None
    return tuple(ask.own if file.sha256 == ask.own.sha256 else file for file in found)


def _weighed(name: str, files: Sequence[File], peek: Peek, *, whole: bool = False) -> dict[str, Any]:
    """Figures, wheels, types and largest files of a framework's own wheel, or of the whole lock."""
    found = [(file, contents.result()) for file, contents in [(file, peek.contents(file)) for file in files]]
    wheels = tuple(_line(file, contents) for file, contents in found)
    (own,) = [wheel for wheel in wheels if wheel.name == name]
    figures: dict[str, int] = {
        "wheel_bytes": own.bytes,
        "wheel_unpacked_bytes": own.unpacked_bytes,
        "wheel_files": own.files,
    }
    if whole:
        figures |= {
            "download_bytes": sum(wheel.bytes for wheel in wheels),
            "unpacked_bytes": sum(wheel.unpacked_bytes for wheel in wheels),
            "files": sum(wheel.files for wheel in wheels),
            "distributions": len(wheels),
        }
    return {
        "figures": ForecastFigures(**figures),
        "wheels": wheels,
        "types": _types(contents for _, contents in found),
        "largest": _largest(found),
        "warnings": tuple(f"{wheel.name} {wheel.version} was yanked" for wheel in wheels if wheel.yanked),
    }


def _line(file: File, contents: Contents) -> ForecastWheel:
    assert file.size is not None and file.upload_time is not None
    return ForecastWheel(
        name=_name(file),
        version=str(file.version),
        filename=file.filename,
        sha256=file.sha256,
        bytes=file.size,
        unpacked_bytes=contents.unpacked_bytes,
        files=contents.files,
        uploaded_at=file.upload_time,
        yanked=file.yanked,
    )


def _types(found: Iterable[Contents]) -> tuple[LedgerLine, ...]:
    """The heaviest types and one `(other)`, so that they still sum to the whole."""
    files: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for contents in found:
        for name, count, size in contents.types:
            files[name] += count
            sizes[name] += size
    ordered = sorted(sizes, key=lambda name: (-sizes[name], name))
    lines = [LedgerLine(name=name, files=files[name], bytes=sizes[name]) for name in ordered[:LISTED_TYPES]]
    if rest := ordered[LISTED_TYPES:]:
        counted = sum(files[name] for name in rest), sum(sizes[name] for name in rest)
        lines.append(LedgerLine(name="(other)", files=counted[0], bytes=counted[1]))
    return tuple(lines)


def _largest(found: Sequence[tuple[File, Contents]]) -> tuple[FileLine, ...]:
    lines = [
        FileLine(path=path, distribution=_name(file), bytes=size)
        for file, contents in found
        for path, size in contents.largest
    ]
    return tuple(sorted(lines, key=lambda line: (-line.bytes, line.path))[:LISTED_FILES])


def _name(file: File) -> str:
    return canonicalize_name(parse_wheel_filename(file.filename)[0])
