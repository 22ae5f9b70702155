"""What charts of releases over time share: where a point lies, thin lines, rings. A ring is a forecast, never a dot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from harness.archive.releases import Point
from harness.documents.forecast import Forecast
from harness.report.drawing.labels import Points
from harness.report.drawing.sheet import Axes, Edges, Line2D, Sheet, day

RING, SPECK = 30.0, 12.0
"""Areas of rings in square points: of releases on a line, and of those off it."""
SHORTEST = 150
"""Days; a shorter history is not stretched over the whole plot."""
AIR = 0.035
"""Of the time shown, before the first and after the last point."""
Marked = tuple[Point, str]
"""And its colour."""


def place(point: Point) -> tuple[float, float]:
    """Day and MB."""
    return day(point.at), point.value / 1e6


def span(points: Iterable[Point]) -> Edges:
    """The days that an axis shows."""
    days = [day(point.at) for point in points]
    first, last = min(days), max(days)
    air = max(AIR * (last - first), (SHORTEST - (last - first)) / 2)
    return first - air, last + air


def join(axes: Axes, runs: Iterable[Sequence[Point]], colour: str) -> list[Line2D]:
    """A thin line for each run."""
    lines: list[Line2D] = []
    for run in runs:
        x, y = zip(*map(place, run), strict=True)
        lines += axes.plot(x, y, color=colour, linewidth=0.9, zorder=3)
    return lines


def ring(sheet: Sheet, axes: Axes, marked: Iterable[Marked], *, shape: str = "o") -> Points:
    """A ring for each point; those of one forecast together are its mark. Returns where they are."""
    of: dict[str, list[Marked]] = defaultdict(list)
    sources: dict[str, Forecast] = {}
    for point, colour in marked:
        of[point.source.record_id].append((point, colour))
        sources[point.source.record_id] = point.source
    places: list[tuple[float, float]] = []
    for record_id, mine in of.items():
        own = [place(point) for point, _ in mine]
        rings = axes.scatter(
            [x for x, _ in own],
            [y for _, y in own],
            s=RING if mine[0][0].leads else SPECK,  # one size, so that an SVG describes the ring once
            facecolors=sheet.theme.background,
            edgecolors=[colour for _, colour in mine],
            linewidths=1.0,
            marker=shape,
            clip_on=False,
            zorder=4,
        )
        sheet.stands_for(rings, sources[record_id])
        places += own
    return places
