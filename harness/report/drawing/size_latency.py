"""The decision picture of inference: installed size against latency, a plot a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.archive.timed import Field
from harness.documents.inference import Inference
from harness.report import words
from harness.report.drawing import panels
from harness.report.drawing.labels import place
from harness.report.drawing.plan import Plan
from harness.report.drawing.sheet import Edges, Sheet, fit

TITLE = "Installed size against latency"
HEIGHT = 150.0
"""Of a plot, in points."""
ROOM = {"left": 1.8, "right": 2.2, "below": 1.7, "above": 1.7}
"""Factors between the outermost marks and the edges; both axes are logarithmic."""
LONGEST = 0.4
"""Of the sheet; longer labels are cut."""
Sizes = dict[str, int]
"""record_id -> installed bytes of its environment."""
Plots = list[tuple[Edges, Sequence[Inference]]]
"""From where to where on the sheet, and what it shows."""


def plan(field: Field, known: Mapping[str, Inference]) -> Plan | None:
    """A point a runtime whose environment was weighed; None where there is none.

    Args:
        known: all records by their ids; one with the same lock tells the size too.
    """
    by_lock = {one.lock_sha256: one.figures.installed_bytes for one in known.values() if one.figures.installed_bytes}
    sizes: Sizes = {
        one.record_id: size for one in field.inferences if (size := by_lock.get(one.lock_sha256)) is not None
    }
    shown = panels.drawn(field, lambda one: one.record_id in sizes)
    if not shown:
        return None
    plots: Plots = []

    def put(sheet: Sheet, title: str) -> None:
        plots.clear()
        about = "Both scales are logarithmic. Small and quick is at the lower left."
        sheet.heading(title, f"Installed with dependencies, without bytecode; latency is the median. {about}")
        for mine in shown:
            panels.model(sheet, mine[0])
            sheet.text(sheet.left, sheet.y, "latency, ms", colour=sheet.theme.muted)
            top = sheet.y + 10
            plots.append(((top, top + HEIGHT), mine))
            sheet.text(sheet.right, top + HEIGHT + 24, "installed, MB", colour=sheet.theme.muted, align="right")
            sheet.y = top + HEIGHT + 34

    def plot(sheet: Sheet) -> None:
        for down, mine in plots:
            _plot(sheet, down, mine, sizes)

    def told(one: Inference) -> str:
        size = words.megabytes(sizes[one.record_id])
        return f"{size} installed, {words.milliseconds(one.figures.latency_p50_seconds or 0)}"

    return panels.plan("size-latency", TITLE, field, shown, told, put, why=_why, after=plot)


def _why(one: Inference) -> str:
    return f"the environment of {one.distribution} {one.version} was not weighed"


def _plot(sheet: Sheet, down: Edges, mine: Sequence[Inference], sizes: Sizes) -> None:
    points = [(sizes[one.record_id] / 1e6, (one.figures.latency_p50_seconds or 0) * 1000) for one in mine]
    every = [size / 1e6 for size in sizes.values()]
    times = [time for _, time in points]
    axes = sheet.plot(
        (sheet.left + 30, sheet.right - 8),
        down,
        x=(min(every) / ROOM["left"], max(every) * ROOM["right"]),
        y=(min(times) / ROOM["below"], max(times) * ROOM["above"]),
    )
    for one, (x, y) in zip(mine, points, strict=True):
        sheet.stands_for(axes.scatter([x], [y], s=44, color=sheet.theme.series[0], zorder=5), one)
    longest = LONGEST * (sheet.right - sheet.left)
    names = [fit(panels.full_name(one), longest) for one in mine]
    full = [
        f"{name}\n{words.megabytes(size * 1e6)}, {words.milliseconds(time / 1000)}"
        for name, (size, time) in zip(names, points, strict=True)
    ]
    if not place(axes, points, full, sheet.theme) and not place(axes, points, names, sheet.theme):
        short = [fit(one.runtime, longest / 2) for one in mine]
        place(axes, points, short, sheet.theme, needs_room=False)
