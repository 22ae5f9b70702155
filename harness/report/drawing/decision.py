"""The decision picture: installed size against warm import time."""

from __future__ import annotations

from collections.abc import Sequence

from harness.documents.footprint import Record
from harness.report import words
from harness.report.drawing.labels import place
from harness.report.drawing.plan import Chart, Plan
from harness.report.drawing.sheet import Figure, Sheet, fit
from harness.report.drawing.style import BODY

TITLE = "Installed size against import time"
HEIGHT = 290.0
"""Of the plot, in points."""
ROOM = {"left": 2.4, "right": 1.9, "below": 2.0, "above": 1.9}
"""Factors between the outermost marks and the edges; both axes are logarithmic."""
LONGEST = 0.4
"""Of the sheet; longer labels are cut."""
MANY = 24
"""More marks than this get numbers, as do fewer whose names find no room."""
LABEL = {"x": "installed size, MB (log scale)", "y": "warm import, s (log scale)"}


def plan(records: Sequence[Record]) -> Plan:
    """A point a record; those that lack a figure are told below."""
    names = {one: words.full_name(name) for one, name in words.names(records).items()}

    def put(sheet: Sheet) -> Figure:
        return _put(sheet, records, names, numbered=sum(_point(one) is not None for one in records) > MANY)

    alt = words.listing((f"{TITLE}, both on log scales", *(f"{names[one.record_id]}: {_told(one)}" for one in records)))
    return Plan(Chart("decision", TITLE, alt), tuple(records), put)


def _point(record: Record) -> tuple[float, float] | None:
    """MB and seconds; None where a log scale has no place for them."""
    size, time = record.figures.installed_bytes, record.figures.import_warm_seconds
    return (size / 1e6, time) if size and time else None


def _told(record: Record) -> str:
    size, time = record.figures.installed_bytes, record.figures.import_warm_seconds
    figures = (
        None if size is None else f"{words.megabytes(size)} installed",
        None if time is None else f"{words.seconds(time)} warm import",
        words.outcome(record),
    )
    return ", ".join(filter(None, figures)) or "no figures"


Points = Sequence[tuple[Record, tuple[float, float]]]


def _put(sheet: Sheet, records: Sequence[Record], names: dict[str, str], *, numbered: bool) -> Figure:
    points = sorted(((one, point) for one in records if (point := _point(one))), key=lambda item: item[1])
    sheet.heading(TITLE, "Of each framework's newest measured version. Small and quick is at the lower left.")
    top = bottom = sheet.y
    if points:
        sheet.text(sheet.left, sheet.y + BODY * 0.6, LABEL["y"], colour=sheet.theme.muted)
        top = sheet.y + 16
        bottom = top + HEIGHT
        sheet.text(sheet.right, bottom + 24, LABEL["x"], colour=sheet.theme.muted, align="right")
        sheet.y = bottom + 36
    if numbered:
        listed = (f"{number} {names[one.record_id]}: {_told(one)}" for number, (one, _) in enumerate(points, 1))
        for line in listed:
            sheet.paragraph(line)
        sheet.y += 4
    without = [one for one in records if _point(one) is None]
    if without:
        sheet.paragraph("Not in the picture", bold=True)
    for one in without:
        sheet.paragraph(f"{names[one.record_id]}: {_told(one)}", lines=3, mark=one)
        sheet.y += 2
    sheet.caption(words.caption(records))
    figure = sheet.finish()
    if points and not _plot(sheet, (top, bottom), points, names, numbered=numbered):
        return _put(Sheet(sheet.name, sheet.theme, sheet.link), records, names, numbered=True)
    return figure


def _plot(sheet: Sheet, down: tuple[float, float], points: Points, names: dict[str, str], *, numbered: bool) -> bool:
    """Draw the marks and their labels; whether all labels found room. Numbers are taken as they come."""
    x, y = [x for _, (x, _) in points], [y for _, (_, y) in points]
    axes = sheet.plot(
        (sheet.left + 26, sheet.right - 8),
        down,
        x=(min(x) / ROOM["left"], max(x) * ROOM["right"]),
        y=(min(y) / ROOM["below"], max(y) * ROOM["above"]),
    )
    for one, (size, time) in points:
        sheet.stands_for(axes.scatter([size], [time], s=44, color=sheet.theme.series[0], zorder=5), one)
    places = [point for _, point in points]
    if numbered:
        numbers = [str(number) for number in range(1, len(points) + 1)]
        return place(axes, places, numbers, sheet.theme) or place(axes, places, numbers, sheet.theme, needs_room=False)
    longest = LONGEST * (sheet.right - sheet.left)
    short = [fit(names[one.record_id], longest) for one, _ in points]
    full = [
        f"{name}\n{words.megabytes(size * 1e6)}, {words.seconds(time)}"
        for name, (size, time) in zip(short, places, strict=True)
    ]
    return place(axes, places, full, sheet.theme) or place(axes, places, short, sheet.theme)
