"""A framework's measured versions, oldest first."""

from __future__ import annotations

from collections.abc import Sequence

from harness.documents.footprint import Record
from harness.report import words
from harness.report.drawing import rows
from harness.report.drawing.plan import Chart, Plan
from harness.report.drawing.sheet import Figure, Sheet, bar
from harness.report.drawing.style import BODY, SMALL

FIGURES = (("installer", "wheel_bytes", 1), ("installed", "installed_bytes", 0))
"""Word, figure, and which colour of the theme."""
LABELS = 58.0


def plan(histories: Sequence[Sequence[Record]]) -> Plan:
    """The versions of one framework, of each of its builds; none of them is empty."""
    framework = histories[0][0].framework
    title = f"{framework}: size and import time by version"
    every = tuple(one for history in histories for one in history)

    def put(sheet: Sheet) -> Figure:
        return _put(sheet, title, histories)

    told = (f"{one.version}{_build(one) if len(histories) > 1 else ''}: {_told(one)}" for one in every)
    return Plan(Chart(f"history-{words.stem(framework)}", title, words.listing((title, *told)), framework), every, put)


def _build(record: Record) -> str:
    extras = f"[{','.join(record.extras)}], " if record.extras else ""
    return f" ({extras}{record.variant}, Python {record.python}, {record.platform})"


def _told(record: Record) -> str:
    figures = record.figures
    told = [
        f"{word} {words.megabytes(value)}" for word, name, _ in FIGURES if (value := getattr(figures, name)) is not None
    ]
    if figures.import_warm_seconds is not None:
        told.append(f"warm import {words.seconds(figures.import_warm_seconds)}")
    return "; ".join(filter(None, (", ".join(told), words.outcome(record)))) or "no figures"


def _put(sheet: Sheet, title: str, histories: Sequence[Sequence[Record]]) -> Figure:
    every = [one for history in histories for one in history]
    names = {one.record_id: (one.version, f"as of {words.day(one.as_of)[:10]}") for one in every}
    colours = sheet.theme.series
    sheet.heading(title)
    sheet.key((("installer", colours[1]), ("installed", colours[0]), ("warm import", colours[2])))
    sheet.y += rows.GAP
    whole = rows.lane(sheet, every, names, labels=0)
    sizes = rows.Lane(whole.left, whole.at(0.58) - LABELS)
    times = rows.Lane(whole.at(0.62), whole.right - LABELS * 0.75)
    most = max((getattr(one.figures, name) or 0 for one in every for _, name, _ in FIGURES), default=0) or 1
    longest = max((one.figures.import_warm_seconds or 0 for one in every), default=0) or 1
    for history in histories:
        if len(histories) > 1:
            sheet.paragraph(_build(history[0]).strip(" ()"), size=BODY, bold=True)
            sheet.y += 4
        methods = history[0].methods
        for record in history:
            if record.methods != methods:
                _break(sheet, record)
                methods = record.methods
            _row(sheet, record, names[record.record_id], whole, sizes, times, most, longest)
    sheet.caption(words.caption(every))
    return sheet.finish()


def _break(sheet: Sheet, record: Record) -> None:
    """Figures on both sides of it are not of one series."""
    told = ", ".join(f"{family} {version}" for family, version in sorted(record.methods.items()))
    sheet.line((sheet.left, sheet.y), (sheet.right, sheet.y), sheet.theme.muted)
    sheet.y += 4
    sheet.paragraph(f"Below: measured by other methods ({told}). Do not compare with those above.", size=SMALL)
    sheet.y += rows.GAP


def _row(
    sheet: Sheet,
    record: Record,
    called: tuple[str, str],
    whole: rows.Lane,
    sizes: rows.Lane,
    times: rows.Lane,
    most: float,
    longest: float,
) -> None:
    top = y = sheet.y
    named = rows.name(sheet, top, whole, called)
    shapes = []
    for _, name, colour in FIGURES:
        value = getattr(record.figures, name)
        if value is None:
            continue
        end = sizes.at(value / most)
        shapes.append(bar(sizes.left, end, y + rows.LINE / 2, rows.BAR, sheet.theme.series[colour]))
        sheet.text(end + 4, y + rows.LINE / 2, words.megabytes(value))
        y += rows.LINE
    time = record.figures.import_warm_seconds
    if time is not None:
        end = times.at(time / longest)
        shapes.append(bar(times.left, end, top + rows.LINE / 2, rows.BAR, sheet.theme.series[2]))
        sheet.text(end + 4, top + rows.LINE / 2, words.seconds(time))
        y = max(y, top + rows.LINE)
    if shapes:
        sheet.mark(record, shapes)
    y = rows.outcome(sheet, y, whole, record, drawn=bool(shapes))
    sheet.y = max(named, y) + rows.GAP
