"""What passes before the first answer: the runtime's import, the session, the first run."""

from __future__ import annotations

from functools import partial

from harness.archive.timed import Field, first_answer
from harness.documents.inference import Inference
from harness.report import words
from harness.report.drawing import panels, rows
from harness.report.drawing.plan import Plan
from harness.report.drawing.sheet import Shape, Sheet, bar

TITLE = "Time to the first answer"
HEIGHT = 11.0
PARTS = (("import", "import_seconds", 2), ("session", "load_seconds", 1), ("first run", "first_run_seconds", 0))
"""What it is called, its figure, and which colour of the theme it has."""


def plan(field: Field) -> Plan | None:
    """A stacked bar a runtime; None where nothing ran."""
    shown = panels.drawn(field, lambda one: first_answer(one) is not None)
    if not shown:
        return None

    def put(sheet: Sheet, title: str) -> None:
        sheet.heading(title, "In a fresh process, the files in memory; medians over the rounds. One scale for all.")
        names = ("import of the runtime", "session from the model's file", "first run")
        sheet.key(zip(names, (sheet.theme.series[colour] for *_, colour in PARTS), strict=True))
        lane = panels.lane(sheet, shown, lambda one: words.seconds(first_answer(one) or 0))
        most = max(first_answer(one) or 0 for mine in shown for one in mine) or 1
        for mine in shown:
            panels.model(sheet, mine[0])
            for one in mine:
                panels.row(sheet, lane, one, partial(_bar, sheet, lane, one, most))

    return panels.plan("first-answer", TITLE, field, shown, _told, put)


def _parts(one: Inference) -> list[tuple[str, float, int]]:
    return [(name, getattr(one.figures, figure), colour) for name, figure, colour in PARTS]


def _told(one: Inference) -> str:
    parts = ", ".join(f"{name} {words.seconds(value)}" for name, value, _ in _parts(one))
    return f"{words.seconds(first_answer(one) or 0)}: {parts}"


def _bar(sheet: Sheet, lane: rows.Lane, one: Inference, most: float, top: float) -> float:
    middle = top + HEIGHT / 2
    shapes: list[Shape] = []
    before = 0.0
    for _, value, colour in _parts(one):
        shapes.append(
            bar(lane.at(before / most), lane.at((before + value) / most), middle, HEIGHT, sheet.theme.series[colour])
        )
        before += value
    sheet.mark(one, shapes, rim=0.5)
    sheet.text(lane.at(before / most) + 5, middle, words.seconds(before), bold=True)
    return top + HEIGHT
