"""How long runs take: every run of every round, the rounds' medians and their median."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from harness.archive.timed import Field, medians
from harness.documents.inference import Inference
from harness.report import words
from harness.report.drawing import panels
from harness.report.drawing.plan import Plan
from harness.report.drawing.scale import Log, guide
from harness.report.drawing.sheet import Shape, Sheet, bar

TITLE = "Latency"
STRIPS = 20.0
"""Points that the strips of one runtime take together, where there are a few rounds."""
TALLEST, THINNEST = 3.6, 1.2
"""A strip, in points."""
SPECK = 0.7
"""Points; runs that lie closer than this are one mark."""


def plan(field: Field) -> Plan | None:
    """A row a runtime, in it a strip a round; None where nothing ran."""
    shown = panels.drawn(field)
    if not shown:
        return None

    def put(sheet: Sheet, title: str) -> None:
        sheet.heading(title, "A strip is one fresh process: every one of its runs. Each model has its own scale.")
        theme = sheet.theme
        sheet.key((("runs", theme.series[0]), ("a round's median", theme.series[1]), ("median of these", theme.text)))
        lane = panels.lane(sheet, shown, _median)
        for mine in shown:
            panels.model(sheet, mine[0])
            values = [seconds for one in mine for each in one.rounds for seconds in each.run_seconds]
            scale = Log(lane, min(values) / 1.03, max(values) * 1.03)
            begin = sheet.y
            for one in mine:
                panels.row(sheet, lane, one, partial(_strips, sheet, scale, one))
            guide(sheet, scale, begin, lambda value: f"{value * 1000:,.6g} ms")

    return panels.plan("latency", TITLE, field, shown, _told, put)


def _told(one: Inference) -> str:
    figures = one.figures
    return (
        f"median {_median(one)}, ninth decile {words.milliseconds(figures.latency_p90_seconds or 0)}, "
        f"of {figures.runs or 0:,} runs in {len(one.rounds)} rounds"
    )


def _median(one: Inference) -> str:
    return words.milliseconds(one.figures.latency_p50_seconds or 0)


def _strips(sheet: Sheet, scale: Log, one: Inference, top: float) -> float:
    middles = medians(one)
    step = max(THINNEST, min(TALLEST, STRIPS / len(middles)))
    tall = step * 0.8
    shapes: list[Shape] = []
    y = top + step / 2
    for each in one.rounds:
        if each.round in middles:
            places = (scale.at(seconds) for seconds in each.run_seconds)
            shapes += [bar(start, end, y, tall, sheet.theme.series[0]) for start, end in bands(places)]
            middle = scale.at(middles[each.round])
            shapes.append(bar(middle - 1.2, middle + 1.2, y, tall, sheet.theme.series[1]))
            y += step
    sheet.mark(one, shapes)
    assert one.figures.latency_p50_seconds is not None
    whole, centre = len(middles) * step, top + len(middles) * step / 2
    x = scale.at(one.figures.latency_p50_seconds)
    sheet.line((x, top - 3), (x, top + whole + 3), sheet.theme.text, weight=1.2)  # behind the strips, and beyond them
    sheet.text(scale.lane.right + 5, centre, _median(one), bold=True)
    return top + whole


def bands(places: Iterable[float]) -> Iterator[tuple[float, float]]:
    """Places along a line as bands that cover them all, none closer to the next than `SPECK`: a hundred thousand runs
    need no more marks than can be seen."""
    ordered = sorted(places)
    start = end = ordered[0]
    for place in ordered[1:]:
        if place - end > 2 * SPECK:
            yield start - SPECK / 2, end + SPECK / 2
            start = place
        end = place
    yield start - SPECK / 2, end + SPECK / 2
