"""Installer, download and installed size, side by side."""

from __future__ import annotations

from collections.abc import Sequence

from harness.documents.footprint import Record
from harness.report import words
from harness.report.drawing import rows
from harness.report.drawing.plan import Chart, Plan
from harness.report.drawing.sheet import Figure, Shape, Sheet, bar

SIZES = (("installer", "wheel_bytes"), ("download", "download_bytes"), ("installed", "installed_bytes"))
LABELS = 62.0
"""Points that a figure takes beside its bar."""


def plan(
    records: Sequence[Record], *, name: str = "sizes", title: str = "Installer, download and installed size"
) -> Plan:
    """One row a record, three bars each, largest installed first."""
    ordered = sorted(records, key=lambda one: -(one.figures.installed_bytes or one.figures.download_bytes or -1))
    names = words.names(ordered)

    def put(sheet: Sheet) -> Figure:
        return _put(sheet, title, ordered, names)

    alt = words.listing((title, *(_told(one, names) for one in ordered)))
    return Plan(Chart(name, title, alt), tuple(ordered), put)


def _told(record: Record, names: rows.Names) -> str:
    sizes = [
        f"{word} {words.megabytes(value)}"
        for word, figure in SIZES
        if (value := getattr(record.figures, figure)) is not None
    ]
    told = "; ".join(filter(None, (", ".join(sizes), words.outcome(record))))
    return f"{words.full_name(names[record.record_id])}: {told or 'no figures'}"


def _put(sheet: Sheet, title: str, records: Sequence[Record], names: rows.Names) -> Figure:
    sheet.heading(title)
    colours = (sheet.theme.series[1], sheet.theme.series[2], sheet.theme.series[0])
    sheet.key(
        zip(("installer: its own wheel", "download: with dependencies", "installed on disk"), colours, strict=True)
    )
    sheet.y += rows.GAP
    lane = rows.lane(sheet, records, names, labels=LABELS)
    most = max((getattr(one.figures, figure) or 0 for one in records for _, figure in SIZES), default=0) or 1
    for record in records:
        top = sheet.y
        named = rows.name(sheet, top, lane, names[record.record_id])
        shapes: list[Shape] = []
        y = top
        for (_, figure), colour in zip(SIZES, colours, strict=True):
            value = getattr(record.figures, figure)
            if value is None:
                continue
            end = lane.at(value / most)
            shapes.append(bar(lane.left, end, y + rows.LINE / 2, rows.BAR, colour))
            sheet.text(end + 4, y + rows.LINE / 2, words.megabytes(value))
            y += rows.LINE
        if shapes:
            sheet.mark(record, shapes)
        y = rows.outcome(sheet, y, lane, record, drawn=bool(shapes))
        sheet.y = max(named, y) + rows.GAP
    sheet.caption(words.caption(records))
    return sheet.finish()
