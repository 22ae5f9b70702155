"""What one framework's releases weigh, by what the package index tells of them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from packaging.version import Version

from harness.archive.releases import History, Point, Release, measured
from harness.archive.weighed import as_version
from harness.documents.footprint import Record
from harness.documents.forecast import Forecast
from harness.report import words
from harness.report.drawing import timeline
from harness.report.drawing.labels import LANE, Label, along, at_ends
from harness.report.drawing.plan import Chart, Plan
from harness.report.drawing.sheet import Edges, Figure, Sheet, Spot, day, fit, width
from harness.report.drawing.style import SMALL
from harness.report.units import megabytes

ALL_WHEELS = "All wheels: its own and those of its dependencies, as of the end of the day of upload."
LATE = "Rings off the lines are late releases of older branches."
HEIGHT = 270.0
"""Of the plot, in points."""
DOT = 11.0
"""Area in square points. It fits into a ring: that shows that a measurement met its forecast."""
REASONS = 5
"""Why releases are not in the picture; what goes beyond is counted."""
ABOVE = 1.15
"""Of the heaviest, for the label above it."""
LONGEST = 0.3
"""Of the sheet; a longer version is cut."""


@dataclass(frozen=True)
class Series:
    name: str
    figure: str
    colour: int
    """Which one of the theme."""


SERIES = (
    Series("unpacked, all wheels", "unpacked_bytes", 0),
    Series("download, all wheels", "download_bytes", 2),
    Series("unpacked, own wheel", "wheel_unpacked_bytes", 3),
    Series("own wheel", "wheel_bytes", 1),
)
"""The heaviest first; the first that there is carries the versions."""
Dots = Sequence[tuple[Release, Record]]
Lines = dict[Series, list[Point]]


def plan(history: History, records: Sequence[Record]) -> Plan | None:
    """The releases of one build by the day of their upload; None where fewer than two have a size.

    Args:
        records: measured ones; those of the same build are set beside their forecasts.
    """
    shown: Lines = {series: points for series in SERIES if (points := history.points(series.figure))}
    if max(map(len, shown.values()), default=0) < 2:
        return None
    title = f"{history.framework}: forecast size by release"
    placed = {point.version for points in shown.values() for point in points}
    dots = [(release, one) for release, one in measured(history, records) if release.version in placed]
    drawn = {point.source.record_id: point.source for points in shown.values() for point in points}
    subtitle = words.forecast_when(drawn.values())

    def put(sheet: Sheet) -> Figure:
        sheet.heading(title, subtitle)
        entries = [("forecast, by day of upload", Spot(sheet.theme.text, filled=False))]
        if dots:
            entries.append(("measured: installed, without bytecode", Spot(sheet.theme.series[0], filled=True)))
        sheet.key(entries)
        sheet.text(sheet.left, sheet.y + 11, "MB", colour=sheet.theme.muted)
        top = sheet.y + 25
        bottom = top + HEIGHT
        sheet.y = bottom + 24
        for line in _notes(history, shown):
            sheet.paragraph(line, size=SMALL, colour=sheet.theme.muted)
        if missing := _missing(history):
            sheet.y += 6
            sheet.paragraph("Not in the picture", bold=True)
        for line in missing:
            sheet.paragraph(line, lines=3)
        about = [words.forecast_targets(drawn.values()), ALL_WHEELS if _has_closures(shown) else ""]
        about.append(words.caption([one for _, one in dots]) if dots else words.MEGABYTE)
        sheet.caption(" ".join(filter(None, about)))
        figure = sheet.finish()
        _plot(sheet, (top, bottom), history, shown, dots)
        return figure

    told = (
        title,
        subtitle,
        *(_told(series, points) for series, points in shown.items()),
        *(f"{one.version} measured: {megabytes(one.figures.installed_bytes or 0)} installed" for _, one in dots),
        *_missing(history),
    )
    chart = Chart(f"forecast-{words.stem(history.framework)}", title, words.listing(told), history.framework)
    return Plan(chart, tuple(one for _, one in dots), put, tuple(drawn.values()))


def _has_closures(shown: Lines) -> bool:
    return any(series.figure == "unpacked_bytes" for series in shown)


def _told(series: Series, points: Sequence[Point]) -> str:
    """`own wheel: from 890 MB (1.13.0 of 2022-10-28) to 539 MB (2.15.0 of 2026-11-20), at most ...`."""
    first, last, most = comparable(points)[0], newest(points), heaviest(points)
    found = [f"from {_sized(first)} to {_sized(last)}" if first is not last else _sized(last)]
    if most not in (first, last):
        found.append(f"at most {_sized(most)}")
    return f"{series.name}, {len(points)} releases: {', '.join(found)}"


def _sized(point: Point) -> str:
    return f"{megabytes(point.value)} ({point.version} of {point.at.date()})"


def newest(points: Sequence[Point]) -> Point:
    """The highest version."""
    return max(points, key=_version)


def _version(point: Point) -> Version:
    return as_version(point.version)


def comparable(points: Sequence[Point]) -> list[Point]:
    """Those that were forecast by the method of the newest."""
    method = newest(points).source.method_version
    return [point for point in points if point.source.method_version == method]


def heaviest(points: Sequence[Point]) -> Point:
    """The newest one, where others weigh as much."""
    return max(comparable(points), key=lambda point: (point.value, _version(point)))


def _notes(history: History, shown: Lines) -> Iterator[str]:
    """How the lines are to be read."""
    if not all(point.leads for points in shown.values() for point in points):
        yield LATE
    found: dict[str, int] = {}
    for series in shown:
        runs = history.runs(series.figure)
        for before, after in pairwise(runs):
            if before[-1].source.method_version != after[0].source.method_version:
                found[after[0].version] = after[0].source.method_version
    for version, method in found.items():
        yield f"Lines break before {version}: forecast by another method ({method}). Do not compare across."


def _missing(history: History) -> list[str]:
    """What has no place in the picture: how many, and why."""
    why: dict[str, list[str]] = defaultdict(list)
    for release in history.releases:
        for one in release.forecasts:
            if one.status != "ok":
                why[f"{'all wheels' if one.scope == 'closure' else 'own wheel'}, {_alike(one)}"].append(release.version)
            elif release.uploaded_at is None:
                why["the index tells no time of upload"].append(release.version)
            elif one is release.closure and not release.punctual:
                why["dependencies are as of another day than that of its upload"].append(release.version)
    lines = [f"{_releases(versions)} ({words.first_of(versions)}): {told}" for told, versions in why.items()]
    rest = {version for versions in list(why.values())[REASONS:] for version in versions}
    return lines[:REASONS] + ([f"{_releases(rest)} for other reasons"] if rest else [])


def _alike(one: Forecast) -> str:
    """How it ended, in words that hold for other versions too."""
    own = rf"{re.escape(one.framework)}\s*[=<>~!]+\s*{re.escape(one.version)}(?![0-9A-Za-z.+!])"
    return re.sub(own, one.framework, words.outcome(one))


def _releases(versions: Collection[str]) -> str:
    return f"{len(versions)} release" + ("" if len(versions) == 1 else "s")


def _plot(sheet: Sheet, down: Edges, history: History, shown: Lines, dots: Dots) -> None:
    colours = {series: sheet.theme.series[series.colour] for series in shown}
    last = {series: newest(points) for series, points in shown.items()}
    room = LONGEST * (sheet.right - sheet.left)
    ends = [f"{series.name}\n{fit(_label(point), room)}" for series, point in last.items()]
    lane = max(width(line) for text in ends for line in text.split("\n")) + LANE
    sizes = [point.value for points in shown.values() for point in points]
    most = ABOVE * max([*sizes, *(one.figures.installed_bytes or 0 for _, one in dots)]) / 1e6 or 1.0
    axes = sheet.plot(
        (sheet.left + width(f"{most:,.0f}") + 8, sheet.right - lane),
        down,
        x=timeline.span(point for points in shown.values() for point in points),
        y=(0, most),
        scales=("time", "linear"),
    )
    lines = [line for series in shown for line in timeline.join(axes, history.runs(series.figure), colours[series])]
    rings = ((point, colours[series]) for series, points in shown.items() for point in points)
    marks = [*timeline.ring(sheet, axes, rings)]
    for release, record in dots:
        assert release.uploaded_at is not None and record.figures.installed_bytes is not None
        x, y = day(release.uploaded_at), record.figures.installed_bytes / 1e6
        sheet.stands_for(axes.scatter([x], [y], s=DOT, color=sheet.theme.series[0], linewidths=0, zorder=5), record)
        marks.append((x, y))
    along(axes, _labels(history, shown, room), sheet.theme, marks=marks, lines=lines)
    at_ends(axes, [timeline.place(point) for point in last.values()], ends, list(colours.values()), sheet.theme)


def _labels(history: History, shown: Lines, room: float) -> list[Label]:
    """Each heaviest point, and along the uppermost line the first releases of branches, the greatest steps first."""
    labelled = {series: {newest(points).version} for series, points in shown.items()}
    found = []
    for series, points in shown.items():
        most = heaviest(points)
        if most.version not in labelled[series]:
            found.append(Label(timeline.place(most), fit(_label(most), room)))
            labelled[series].add(most.version)
    top = next(iter(shown))
    steps: list[tuple[float, Point]] = []
    for run in history.runs(top.figure):
        for before, point in zip([None, *run], run, strict=False):
            if before is None or _version(before).release[:2] != _version(point).release[:2]:
                steps.append((abs(point.value - before.value) if before else point.value, point))
    for _, point in sorted(steps, key=lambda step: -step[0]):
        if point.version not in labelled[top]:
            found.append(Label(timeline.place(point), fit(point.version, room, size=SMALL), minor=True))
    return found


def _label(point: Point) -> str:
    return f"{point.version}: {megabytes(point.value)}"
