"""What the import touches of what is installed."""

from __future__ import annotations

from collections.abc import Sequence

from harness.documents.footprint import Record
from harness.report import words
from harness.report.drawing import rows
from harness.report.drawing.plan import Chart, Plan
from harness.report.drawing.sheet import Figure, Sheet, bar

TITLE = "What the import touches of what is installed"
LABELS = 34.0
HEIGHT = 11.0


def plan(records: Sequence[Record]) -> Plan:
    """Every installation as one bar of the same length, with the part that the import opened or mapped."""
    ordered = sorted(records, key=lambda one: -(installed(one) or -1))
    names = words.names(ordered)

    def put(sheet: Sheet) -> Figure:
        sheet.heading(TITLE)
        sheet.key((("files that the import opens or maps", sheet.theme.series[0]), ("the others", sheet.theme.rest)))
        sheet.y += rows.GAP
        lane = rows.lane(sheet, ordered, names, labels=LABELS)
        for one in ordered:
            _row(sheet, lane, one, names[one.record_id])
        sheet.caption(f"Whole files, with bytecode. {words.caption(ordered)}")
        return sheet.finish()

    alt = words.listing((TITLE, *(f"{words.full_name(names[one.record_id])}: {_told(one)}" for one in ordered)))
    return Plan(Chart("touched", TITLE, alt), tuple(ordered), put)


def installed(record: Record) -> int | None:
    """With bytecode, which the import touches too."""
    figures = record.figures
    if figures.installed_bytes is None or figures.bytecode_bytes is None:
        return None
    return figures.installed_bytes + figures.bytecode_bytes


def _share(record: Record) -> float | None:
    whole, touched = installed(record), record.figures.import_touched_bytes
    return touched / whole if whole and touched is not None else None


def _told(record: Record) -> str:
    share, touched = _share(record), record.figures.import_touched_bytes
    told = "" if share is None else f"{_sizes(touched or 0, installed(record) or 0)}, {words.percent(share)}"
    return "; ".join(filter(None, (told, words.outcome(record)))) or "no figure"


def _sizes(touched: int, whole: int) -> str:
    return f"{words.megabytes(touched)} of {words.megabytes(whole)}"


def _row(sheet: Sheet, lane: rows.Lane, record: Record, called: tuple[str, str]) -> None:
    top = sheet.y
    named = rows.name(sheet, top, lane, called)
    share, whole, touched = _share(record), installed(record), record.figures.import_touched_bytes
    y = top
    if share is not None:
        middle = top + HEIGHT / 2 + 1
        end = lane.at(min(share, 1.0))
        shapes = [bar(lane.left, end, middle, HEIGHT, sheet.theme.series[0])]
        if share < 1:
            shapes.append(bar(end, lane.right, middle, HEIGHT, sheet.theme.rest))
        sheet.mark(record, shapes, rim=0.5)
        sheet.text(lane.right + 5, middle, words.percent(share), bold=True)
        sheet.text(lane.left, top + HEIGHT + 9, _sizes(touched or 0, whole or 0), colour=sheet.theme.muted)
        y = top + HEIGHT + 16
    y = rows.outcome(sheet, y, lane, record, drawn=share is not None)
    sheet.y = max(named, y) + rows.GAP
