"""How long imports take, with every sample, and which modules take long."""

from __future__ import annotations

from collections.abc import Sequence

from harness.documents.footprint import Record, Sample, median
from harness.report import words
from harness.report.drawing import rows
from harness.report.drawing.plan import Chart, Plan
from harness.report.drawing.ranking import Entry, ranking
from harness.report.drawing.scale import Log, guide
from harness.report.drawing.sheet import Figure, Shape, Sheet, dot

TITLE = "Import time: first, cold and warm"
LABELS = 52.0
SHORTEST = 0.001
"""Seconds; where a log scale begins at the latest. A sample may be shorter than the bare interpreter's median."""
LISTED = 12
"""Modules that are named."""
RADIUS = 2.6
Runs = tuple[tuple[str, float | None, list[float]], ...]


def plan(records: Sequence[Record]) -> Plan:
    """Every sample a dot, the medians told."""
    ordered = sorted(records, key=lambda one: -(one.figures.import_warm_seconds or -1))
    names = words.names(ordered)

    def put(sheet: Sheet) -> Figure:
        return _put(sheet, ordered, names)

    alt = words.listing(
        (f"{TITLE}, medians", *(f"{words.full_name(names[one.record_id])}: {_told(one)}" for one in ordered))
    )
    return Plan(Chart("import-times", TITLE, alt), tuple(ordered), put)


def plan_modules(record: Record) -> Plan | None:
    """One framework's modules that take longest by themselves; None where no tree was taken."""
    found = record.import_tree.by_own[:LISTED] if record.import_tree else ()
    if not found:
        return None
    called = words.full_name(words.names([record])[record.record_id])
    entries = [
        Entry(one.module, one.microseconds, words.seconds(one.microseconds / 1e6))
        for one in sorted(found, key=lambda one: (-one.microseconds, one.module))
    ]
    return ranking(
        record,
        name=f"modules-{words.stem(record.framework)}",
        title=f"{called}: slowest modules of its import",
        subtitle="Own time, without that of the modules it imports; from one traced import",
        entries=entries,
    )


def runs(record: Record) -> Runs:
    """Of the first, cold and warm imports: the figure, and the samples that it is the median of, likewise less the
    bare interpreter's median."""
    samples, figures = record.samples, record.figures
    return (
        ("first", figures.import_first_seconds, _less(samples.first, samples.first_bare)),
        ("cold", figures.import_cold_seconds, _less(samples.cold, samples.bare)),
        ("warm", figures.import_warm_seconds, _less(samples.warm, samples.bare)),
    )


def _less(taken: Sequence[Sample], bare: Sequence[Sample]) -> list[float]:
    if not taken or not bare:
        return []
    ruler = median([one.seconds for one in bare])
    return [one.seconds - ruler for one in taken]


def _told(record: Record) -> str:
    told = [
        f"{name} {words.seconds(figure)} of {len(samples)} sample" + ("" if len(samples) == 1 else "s")
        for name, figure, samples in runs(record)
        if figure is not None
    ]
    return "; ".join(filter(None, (", ".join(told), words.outcome(record)))) or "no figures"


def _put(sheet: Sheet, records: Sequence[Record], names: rows.Names) -> Figure:
    sheet.heading(TITLE, "Each dot is a fresh interpreter, less the time that a bare one takes; lines are medians.")
    meanings = ("first: no bytecode yet", "cold: files not in memory", "warm")
    sheet.key(zip(meanings, _colours(sheet), strict=True))
    sheet.y += rows.GAP
    lane = rows.lane(sheet, records, names, labels=LABELS)
    timed = [one for one in records if _values(one)]
    if timed:
        values = [max(value, SHORTEST) for one in timed for value in _values(one)]
        scale = Log(lane, min(values) / 1.15, max(values) * 1.05, least=SHORTEST)
        begin = sheet.y
        for one in timed:
            _row(sheet, scale, one, names[one.record_id])
        guide(sheet, scale, begin, lambda value: f"{value:,.12g} s")
        sheet.y += rows.GAP
    for one in (one for one in records if one not in timed):
        top = sheet.y
        named = rows.name(sheet, top, lane, names[one.record_id])
        sheet.y = max(named, rows.outcome(sheet, top, lane, one, drawn=False)) + rows.GAP
    sheet.caption(words.caption(records))
    return sheet.finish()


def _colours(sheet: Sheet) -> tuple[str, ...]:
    return sheet.theme.series[1], sheet.theme.series[2], sheet.theme.series[0]


def _values(record: Record) -> list[float]:
    return [value for _, figure, samples in runs(record) if figure is not None for value in (figure, *samples)]


def _row(sheet: Sheet, scale: Log, record: Record, called: tuple[str, str]) -> None:
    top = y = sheet.y
    named = rows.name(sheet, top, scale.lane, called)
    shapes: list[Shape] = []
    for (_, figure, samples), colour in zip(runs(record), _colours(sheet), strict=True):
        if figure is None:
            continue
        middle = y + rows.LINE / 2
        shapes += [dot(scale.at(value), middle, RADIUS, colour) for value in samples or [figure]]
        sheet.tick(scale.at(figure), middle, sheet.theme.text)
        end = max(scale.at(value) for value in (figure, *samples))
        sheet.text(end + 6, middle, words.seconds(figure), cut=True)
        y += rows.LINE
    sheet.mark(record, shapes, rim=0.5)
    y = rows.outcome(sheet, y, scale.lane, record, drawn=True)
    sheet.y = max(named, y) + rows.GAP
