"""The memory that a process takes at most while it runs a model."""

from __future__ import annotations

from functools import partial

from harness.archive.timed import Field
from harness.documents.inference import Inference
from harness.report import words
from harness.report.drawing import panels, rows
from harness.report.drawing.plan import Plan
from harness.report.drawing.sheet import Shape, Sheet, bar

TITLE = "Peak memory"
KINDS = (("of the process", "rss_peak_bytes", 0), ("of the GPU", "vram_peak_bytes", 1))
"""What it is called, its figure, and which colour of the theme it has."""


def plan(field: Field) -> Plan | None:
    """A bar a runtime, two where it has a device's memory too; None where nothing was read."""
    shown = panels.drawn(field, lambda one: bool(_parts(one)))
    if not shown:
        return None
    kinds = {name for mine in shown for one in mine for name, *_ in _parts(one)}

    def put(sheet: Sheet, title: str) -> None:
        sheet.heading(title, "Resident set of a fresh process, shared pages included. One scale for all.")
        if len(kinds) > 1:
            sheet.key((name, sheet.theme.series[colour]) for name, _, colour in KINDS)
        lane = panels.lane(sheet, shown, _longest)
        most = max(value for mine in shown for one in mine for _, value, _ in _parts(one)) or 1
        for mine in shown:
            panels.model(sheet, mine[0])
            for one in mine:
                panels.row(sheet, lane, one, partial(_bars, sheet, lane, one, most))

    return panels.plan("peak-memory", TITLE, field, shown, _told, put)


def _longest(one: Inference) -> str:
    return max((words.megabytes(value) for _, value, _ in _parts(one)), key=len)


def _parts(one: Inference) -> list[tuple[str, int, int]]:
    found = ((name, getattr(one.figures, figure), colour) for name, figure, colour in KINDS)
    return [part for part in found if part[1] is not None]


def _told(one: Inference) -> str:
    return ", ".join(f"{words.megabytes(value)} {name}" for name, value, _ in _parts(one))


def _bars(sheet: Sheet, lane: rows.Lane, one: Inference, most: int, top: float) -> float:
    shapes: list[Shape] = []
    y = top
    for _, value, colour in _parts(one):
        end, middle = lane.at(value / most), y + rows.LINE / 2
        shapes.append(bar(lane.left, end, middle, rows.BAR, sheet.theme.series[colour]))
        sheet.text(end + 5, middle, words.megabytes(value))
        y += rows.LINE
    sheet.mark(one, shapes)
    return y
