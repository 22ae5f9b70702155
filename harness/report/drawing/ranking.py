"""The layout of charts of one record: named bars, each name on a line of its own, so that long ones can be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.documents.footprint import Record
from harness.report import words
from harness.report.drawing.plan import Chart, Plan
from harness.report.drawing.sheet import Figure, Sheet, bar, fit, width

BAR = 6.0
LINE = 12.0
STEP = 24.0
"""From one name to the next."""


@dataclass(frozen=True)
class Entry:
    """One bar."""

    name: str
    value: float
    told: str
    """The value, as it stands beside the bar."""
    rest: bool = False
    """Whatever has no bar of its own."""


def ranking(record: Record, *, name: str, title: str, subtitle: str, entries: Sequence[Entry]) -> Plan:
    """A chart of one record; its bars together are its mark."""

    def put(sheet: Sheet) -> Figure:
        sheet.heading(title, subtitle)
        if told := words.outcome(record):
            sheet.paragraph(told, lines=3)
            sheet.y += 4
        room = sheet.right - sheet.left
        labels = max(width(entry.told) for entry in entries)
        most = max(entry.value for entry in entries) or 1
        shapes = []
        for entry in entries:
            colour = sheet.theme.rest if entry.rest else sheet.theme.series[0]
            sheet.text(sheet.left, sheet.y + LINE / 2, fit(entry.name, room))
            end = sheet.left + entry.value / most * (room - labels - 6)
            middle = sheet.y + LINE + 1.5 + BAR / 2
            shapes.append(bar(sheet.left, end, middle, BAR, colour))
            sheet.text(end + 5, middle, entry.told, colour=sheet.theme.muted)
            sheet.y += STEP
        sheet.mark(record, shapes)
        sheet.caption(words.caption([record]))
        return sheet.finish()

    alt = words.listing((title, subtitle, words.outcome(record), *(f"{one.name}: {one.told}" for one in entries)))
    return Plan(Chart(name, title, alt, record.framework), (record,), put)
