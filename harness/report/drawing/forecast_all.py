"""What the releases of all frameworks weigh, by what the package index tells of them: a line a framework."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.archive.releases import History, Point
from harness.report import words
from harness.report.drawing import timeline
from harness.report.drawing.forecast import ALL_WHEELS, LATE, newest
from harness.report.drawing.labels import LANE, at_ends
from harness.report.drawing.plan import Chart, Plan
from harness.report.drawing.sheet import Edges, Figure, Sheet, Spot, fit, width
from harness.report.drawing.style import SMALL
from harness.report.units import megabytes

TITLE = "Forecast unpacked size by release"
HEIGHT = 300.0
ROOM = {"below": 1.5, "above": 1.4}
"""Factors between the outermost points and the edges; the axis is logarithmic."""
LONGEST = 0.3
"""Of the sheet; longer labels are cut."""
SHAPES = "os^D"
"""Of rings: one for each round of the theme's colours."""
RELEASES, FRAMEWORKS, MOST = 3, 2, 16
"""Fewest releases of a line, fewest and most lines of the chart."""
ROOMY = 10
"""More labels than this find no room for two lines each."""


@dataclass(frozen=True)
class Line:
    """One framework's."""

    history: History
    figure: str
    """With its dependencies, where that was forecast of as many releases as make a line; else its own wheel's."""
    points: tuple[Point, ...]
    """Those that a log scale has a place for."""

    @property
    def newest(self) -> Point:
        return newest(self.points)

    @property
    def runs(self) -> list[list[Point]]:
        runs = ([point for point in run if point.value] for run in self.history.runs(self.figure))
        return [run for run in runs if run]

    @property
    def own(self) -> str:
        return "" if self.figure == "unpacked_bytes" else "own wheel, "


def plan(histories: Sequence[History]) -> Plan | None:
    """The default build of each framework, the heaviest first; None where too few have a history."""
    lines = sorted(filter(None, map(_line, histories)), key=lambda line: (-line.newest.value, line.history.framework))
    if len(lines) < FRAMEWORKS:
        return None
    shown, rest = lines[:MOST], lines[MOST:]
    drawn = {point.source.record_id: point.source for line in shown for point in line.points}

    closures = any(line.figure == "unpacked_bytes" for line in shown)
    subtitle = words.forecast_when(drawn.values())

    def put(sheet: Sheet) -> Figure:
        sheet.heading(TITLE, subtitle)
        weighed = "all wheels" if closures else "own wheel"
        sheet.key([(f"{weighed} of a release, by day of upload", Spot(sheet.theme.text, filled=False))])
        sheet.text(sheet.left, sheet.y + 11, "MB (log scale)", colour=sheet.theme.muted)
        top = sheet.y + 25
        bottom = top + HEIGHT
        sheet.y = bottom + 24
        if not all(point.leads for line in shown for point in line.points):
            sheet.paragraph(LATE, size=SMALL, colour=sheet.theme.muted)
        if any(_breaks(line) for line in shown):
            sheet.paragraph(BREAKS, size=SMALL, colour=sheet.theme.muted)
        if rest:
            sheet.y += 6
            sheet.paragraph(_left_out(rest))
        about = (words.forecast_targets(drawn.values()), ALL_WHEELS if closures else "", words.MEGABYTE)
        sheet.caption(" ".join(filter(None, about)))
        figure = sheet.finish()
        _plot(sheet, (top, bottom), shown)
        return figure

    told = (TITLE, subtitle, *map(_told, shown), _left_out(rest) if rest else "")
    return Plan(Chart("forecast-all", TITLE, words.listing(told)), (), put, tuple(drawn.values()))


BREAKS = "A line breaks where a release was forecast by another method. Do not compare across."


def _line(history: History) -> Line | None:
    for figure in ("unpacked_bytes", "wheel_unpacked_bytes"):
        if len(points := [point for point in history.points(figure) if point.value]) >= RELEASES:
            return Line(history, figure, tuple(points))
    return None


def _breaks(line: Line) -> bool:
    return len({point.source.method_version for point in line.points}) > 1


def _told(line: Line) -> str:
    first, last = line.points[0], line.newest
    return (
        f"{line.history.framework}, {len(line.points)} releases: {line.own}"
        f"from {megabytes(first.value)} ({first.version} of {first.at.date()}) "
        f"to {megabytes(last.value)} ({last.version} of {last.at.date()})"
    )


def _left_out(rest: Sequence[Line]) -> str:
    named = words.first_of([line.history.framework for line in rest])
    return f"Not in the picture, lighter than these: {named}."


def _plot(sheet: Sheet, down: Edges, shown: Sequence[Line]) -> None:
    room = LONGEST * (sheet.right - sheet.left)
    between = "\n" if len(shown) <= ROOMY else " "
    labels = [_label(line, room, between) for line in shown]
    lane = max(width(text) for label in labels for text in label.split("\n")) + LANE
    sizes = [point.value / 1e6 for line in shown for point in line.points]
    low, high = min(sizes) / ROOM["below"], max(sizes) * ROOM["above"]
    axes = sheet.plot(
        (sheet.left + width(f"{high:,.0f}") + 8, sheet.right - lane),
        down,
        x=timeline.span(point for line in shown for point in line.points),
        y=(low, high),
        scales=("time", "log"),
    )
    palette = sheet.theme.series
    colours = [palette[place % len(palette)] for place in range(len(shown))]
    for place, (line, colour) in enumerate(zip(shown, colours, strict=True)):
        timeline.join(axes, line.runs, colour)
        shape = SHAPES[place // len(palette) % len(SHAPES)]
        timeline.ring(sheet, axes, ((point, colour) for point in line.points), shape=shape)
    at_ends(axes, [timeline.place(line.newest) for line in shown], labels, colours, sheet.theme)


def _label(line: Line, room: float, between: str) -> str:
    size = f"{line.own}{megabytes(line.newest.value)}"
    if between == "\n":
        return f"{fit(line.history.framework, room)}\n{fit(f'{line.newest.version}: {size}', room)}"
    return f"{fit(line.history.framework, room - width(f' {size}'))} {size}"
