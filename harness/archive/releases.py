"""Choose among forecasts: the releases of one build, the build that stands for a framework, the targets of one version.

A series of closures holds only those as of the day of each release's upload: what somebody got who installed it when it
was new. One as of another day has other dependencies, and is no point of that line.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from packaging.version import Version

from harness.archive.select import Build, build
from harness.archive.weighed import as_version
from harness.catalogs.frameworks import DEFAULT_VARIANT
from harness.documents.footprint import Record
from harness.documents.forecast import Forecast
from harness.job import PLATFORMS

DAY = timedelta(days=1)
"""A closure as of the end of the day of upload is never farther from it."""
OF_CLOSURE = ("download_bytes", "unpacked_bytes", "files", "distributions")
"""Figures of all wheels; all others are of the framework's own."""


@dataclass(frozen=True)
class Release:
    """One version of one build, and what was forecast of it."""

    version: str
    wheel: Forecast | None
    """What tells of its own wheel, well or not."""
    closure: Forecast | None
    """What tells of all that it needs, well or not: as of the day of its upload, where there is such a one."""

    @cached_property
    def uploaded_at(self) -> datetime | None:
        return next((one.uploaded_at for one in self.forecasts if one.uploaded_at is not None), None)

    @property
    def forecasts(self) -> tuple[Forecast, ...]:
        """Both, or the one that tells of both."""
        both = (self.closure,) if self.wheel is self.closure else (self.closure, self.wheel)
        return tuple(one for one in both if one is not None)

    @property
    def punctual(self) -> bool:
        """Whether the closure is as of the day of upload."""
        return self.closure is not None and _punctual(self.closure)

    def belongs(self, figure: str) -> bool:
        """Whether the figure may stand in a series with those of other releases."""
        return figure not in OF_CLOSURE or self.punctual

    def source(self, figure: str) -> Forecast | None:
        """The forecast that tells a figure."""
        return self.closure if figure in OF_CLOSURE else self.wheel

    def figure(self, name: str) -> int | None:
        """None: not forecast, or it came to nothing."""
        source = self.source(name)
        return None if source is None else getattr(source.figures, name)


@dataclass(frozen=True)
class Point:
    """One figure of one release in its series."""

    version: str
    at: datetime
    """When its own wheel was uploaded."""
    value: int
    source: Forecast
    leads: bool
    """Whether it was the highest version when it was uploaded; else it is a late release of an older branch."""


@dataclass(frozen=True)
class History:
    """What was forecast of one build, one release a version, lowest version first."""

    build: Build
    releases: tuple[Release, ...]

    @property
    def framework(self) -> str:
        return self.build[0]

    def points(self, figure: str) -> list[Point]:
        """The series of a figure, by upload."""
        found = []
        for one in self._by_upload:
            value, source = one.figure(figure), one.source(figure)
            if value is not None and source is not None and one.uploaded_at is not None and one.belongs(figure):
                found.append(Point(one.version, one.uploaded_at, value, source, one.version in self._leading))
        return found

    def runs(self, figure: str) -> list[list[Point]]:
        """What a line may join: highest versions, not across one that has no figure, nor across a change of method."""
        known = {one.version: one for one in self.points(figure)}
        found: list[list[Point]] = [[]]
        for release in self._by_upload:
            if release.version not in self._leading:
                continue
            point = known.get(release.version)
            if point is None:
                found.append([])
                continue
            if found[-1] and found[-1][-1].source.method_version != point.source.method_version:
                found.append([])
            found[-1].append(point)
        return [run for run in found if run]

    @cached_property
    def _by_upload(self) -> list[Release]:
        dated = [
            (one.uploaded_at, as_version(one.version), one) for one in self.releases if one.uploaded_at is not None
        ]
        return [one for _, _, one in sorted(dated, key=lambda item: item[:2])]

    @cached_property
    def _leading(self) -> frozenset[str]:
        """The versions that were the highest when they were uploaded."""
        found, highest = set(), None
        for one in self._by_upload:
            version = as_version(one.version)
            if highest is None or version > highest:
                highest = version
                found.add(one.version)
        return frozenset(found)


def histories(forecasts: Iterable[Forecast]) -> list[History]:
    """Every build with its releases."""
    found: dict[Build, dict[str, list[Forecast]]] = defaultdict(lambda: defaultdict(list))
    for one in forecasts:
        found[build(one)][one.version].append(one)
    return [
        History(of, tuple(_release(version, versions[version]) for version in sorted(versions, key=as_version)))
        for of, versions in sorted(found.items())
    ]


def leading(forecasts: Iterable[Forecast], records: Iterable[Record]) -> list[History]:
    """Of each framework the build with most releases, its default one first; among equals the one that was measured."""
    measured = {build(one) for one in records}

    def rank(history: History) -> tuple[object, ...]:
        _, variant, extras, python, platform = history.build
        plain = variant == DEFAULT_VARIANT and not extras
        releases, closures = len(history.points("wheel_bytes")), len(history.points("unpacked_bytes"))
        usual = -PLATFORMS.index(platform) if platform in PLATFORMS else -len(PLATFORMS)
        number = tuple(int(part) for part in python.split(".") if part.isdigit())
        return plain, max(releases, closures), closures, history.build in measured, usual, number, history.build

    best: dict[str, History] = {}
    for one in histories(forecasts):
        if one.framework not in best or rank(best[one.framework]) < rank(one):
            best[one.framework] = one
    return list(best.values())


def _release(version: str, forecasts: Sequence[Forecast]) -> Release:
    closures = [one for one in forecasts if one.scope == "closure"]
    wheels = [one for one in forecasts if one.figures.wheel_bytes is not None]
    closure = max(closures, key=lambda one: (_punctual(one), *_best(one)), default=None)
    if closure is not None and closure.figures.wheel_bytes is not None:
        return Release(version, closure, closure)
    alone = wheels or [one for one in forecasts if one.scope == "wheel"] or closures
    return Release(version, max(alone, key=_best, default=None), closure)


def _best(one: Forecast) -> tuple[object, ...]:
    return one.status == "ok", one.method_version, one.forecast_at, one.record_id


def _punctual(one: Forecast) -> bool:
    return one.uploaded_at is None or one.as_of - one.uploaded_at <= DAY


def measured(history: History, records: Iterable[Record]) -> list[tuple[Release, Record]]:
    """The measurements of the same build that came to an installed size, one a release that has its place in time.

    Of several the one whose dependencies are the nearest to those of the day of upload.
    """
    found: dict[Version, list[Record]] = defaultdict(list)
    for one in records:
        if build(one) == history.build and one.status == "ok" and one.figures.installed_bytes is not None:
            found[as_version(one.version)].append(one)
    newest = max((one.methods.get("sizes", 0) for several in found.values() for one in several), default=0)
    pairs = []
    for release in history.releases:
        known = [one for one in found[as_version(release.version)] if one.methods.get("sizes", 0) == newest]
        if release.uploaded_at is not None and known:
            pairs.append(
                (release, min(known, key=lambda one: (one.as_of, -one.measured_at.timestamp(), one.record_id)))
            )
    return pairs


@dataclass(frozen=True)
class Targets:
    """One version on several targets."""

    framework: str
    variant: str
    extras: tuple[str, ...]
    version: str
    of: Mapping[tuple[str, str], Forecast]
    """Python and platform -> what tells of its own wheel there, well or not."""


def targets(forecasts: Iterable[Forecast]) -> Targets | None:
    """The newest version that was forecast for more than one target; its default build first."""
    found: dict[tuple[str, str, tuple[str, ...], str], dict[tuple[str, str], list[Forecast]]]
    found = defaultdict(lambda: defaultdict(list))
    for one in forecasts:
        found[one.framework, one.variant, one.extras, one.version][one.python, one.platform].append(one)
    several = [key for key, of in found.items() if len(of) > 1]
    if not several:
        return None
    framework, variant, extras, version = max(
        several, key=lambda key: (as_version(key[3]), key[1] == DEFAULT_VARIANT and not key[2], len(found[key]), key)
    )
    of = found[framework, variant, extras, version]
    chosen = {target: max(known, key=_tells_of_wheel) for target, known in of.items()}
    return Targets(framework, variant, extras, version, chosen)


def _tells_of_wheel(one: Forecast) -> tuple[object, ...]:
    return one.figures.wheel_bytes is not None, one.scope == "wheel", *_best(one)
