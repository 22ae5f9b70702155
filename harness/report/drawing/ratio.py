"""How much slower or faster than the anchor of the same round."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from harness.archive.timed import Field, ratios
from harness.documents.inference import Inference
from harness.report import words
from harness.report.drawing import panels, rows
from harness.report.drawing.plan import Plan
from harness.report.drawing.scale import Log, guide
from harness.report.drawing.sheet import Sheet, dot

TITLE = "Latency against the anchor of the same round"
RADIUS = 2.6
LEAST = 1.25
"""How far the scale reaches to either side of 1 at least."""


def plan(field: Field, known: Mapping[str, Inference]) -> Plan | None:
    """A dot a round, 1 marked; None where there is nothing beside an anchor.

    Args:
        known: all records by their ids, anchors among them.
    """
    found = {
        one.record_id: list(ratios(one, known).values()) for one in field.inferences if one.anchor != one.record_id
    }
    shown = panels.drawn(field, lambda one: bool(found.get(one.record_id)) and one.figures.ratio_to_anchor is not None)
    if not shown:
        return None
    anchors = sorted({panels.full_name(known[one.anchor or ""]) for mine in shown for one in mine})

    def put(sheet: Sheet, title: str) -> None:
        about = "A dot is a round, a line their median. Left of 1 is faster, right of it slower."
        sheet.heading(title, f"The anchor is {' and '.join(anchors)}. {about}")
        lane = panels.lane(sheet, shown, _ratio)
        values = [value for mine in shown for one in mine for value in found[one.record_id]]
        scale = Log(lane, min(*values, 1 / LEAST) / 1.05, max(*values, LEAST) * 1.05)
        for mine in shown:
            panels.model(sheet, mine[0])
            begin = sheet.y
            for one in mine:
                panels.row(sheet, lane, one, partial(_dots, sheet, scale, one, found[one.record_id]))
            guide(sheet, scale, begin, lambda value: f"{value:,.6g}")
            sheet.line((scale.at(1), begin - 4), (scale.at(1), sheet.y - 15), sheet.theme.muted, weight=1.2)

    return panels.plan("ratio", TITLE, field, shown, lambda one: _told(one, len(found[one.record_id])), put, why=_why)


def _ratio(one: Inference) -> str:
    return words.ratio(one.figures.ratio_to_anchor or 0)


def _why(one: Inference) -> str:
    return "" if one.anchor == one.record_id else "the anchor has no such round"


def _told(one: Inference, count: int) -> str:
    return f"{_ratio(one)} times the anchor's, median of {count} rounds"


def _dots(sheet: Sheet, scale: Log, one: Inference, found: list[float], top: float) -> float:
    assert one.figures.ratio_to_anchor is not None
    middle = top + rows.LINE / 2
    colour = sheet.theme.series[0]
    sheet.mark(one, [dot(scale.at(value), middle, RADIUS, colour) for value in found], rim=0.5)
    sheet.tick(scale.at(one.figures.ratio_to_anchor), middle, sheet.theme.text)
    sheet.text(scale.lane.right + 5, middle, _ratio(one), bold=True)
    return top + rows.LINE
