"""Whose the installed bytes are: by distribution, of all frameworks and of one."""

from __future__ import annotations

from collections.abc import Sequence

from harness.documents.footprint import DistributionLine, Record
from harness.report import words
from harness.report.drawing import rows
from harness.report.drawing.plan import Chart, Plan
from harness.report.drawing.ranking import Entry, ranking
from harness.report.drawing.sheet import Figure, Sheet, bar
from harness.report.drawing.style import SMALL, Theme

TITLE = "Installed bytes by distribution"
OTHERS = 3
"""Distributions beside the framework's own that are named in a row of all."""
LISTED = 12
"""Distributions that are named in one framework's own chart."""
HEIGHT = 11.0


def plan(records: Sequence[Record]) -> Plan:
    """Every framework's installation as one bar of the same length, cut by distribution."""
    ordered = sorted(records, key=lambda one: -(one.figures.installed_bytes or -1))
    names = words.names(ordered)

    def put(sheet: Sheet) -> Figure:
        sheet.heading(TITLE, "Each bar is one framework's installation; bytecode is left out.")
        sheet.y += 4
        lane = rows.lane(sheet, ordered, names, labels=0)
        for one in ordered:
            _row(sheet, lane, one, names[one.record_id])
        sheet.caption(words.caption(ordered))
        return sheet.finish()

    alt = words.listing((TITLE, *(f"{words.full_name(names[one.record_id])}: {_told(one)}" for one in ordered)))
    return Plan(Chart("inside", TITLE, alt), tuple(ordered), put)


def plan_one(record: Record) -> Plan | None:
    """One framework's heaviest distributions; None where it has no ledger."""
    found = distributions(record)
    if not found:
        return None
    total = sum(line.bytes for line in found)
    rest = found[LISTED:]
    called = words.full_name(words.names([record])[record.record_id])
    entries = [
        Entry(f"{one.name} {one.version}".strip(), one.bytes, _share(one.bytes, total)) for one in found[:LISTED]
    ]
    if left := sum(one.bytes for one in rest):
        entries.append(Entry(_others(len(rest)), left, _share(left, total), rest=True))
    return ranking(
        record,
        name=f"inside-{words.stem(record.framework)}",
        title=f"{called}: installed bytes by distribution",
        subtitle=f"{words.megabytes(total)} in {_count(len(found))}, without bytecode",
        entries=entries,
    )


def distributions(record: Record) -> list[DistributionLine]:
    """Those that installed anything, heaviest first."""
    lines = record.ledger.distributions if record.ledger else ()
    return sorted((line for line in lines if line.bytes), key=lambda line: (-line.bytes, line.name))


def _share(part: int, total: int) -> str:
    return f"{words.megabytes(part)}, {words.percent(part / total)}"


def _count(number: int) -> str:
    return f"{number} distribution" + ("" if number == 1 else "s")


def _others(number: int) -> str:
    return f"{number} other" + ("" if number == 1 else "s")


def _heavy(record: Record) -> tuple[list[DistributionLine], list[DistributionLine]]:
    """The framework's own and the heaviest others, heaviest first; and the rest."""
    found = distributions(record)
    others = [line for line in found if line.name != record.framework][:OTHERS]
    heavy = [line for line in found if line.name == record.framework or line in others]
    return heavy, [line for line in found if line not in heavy]


def _parts(record: Record, theme: Theme) -> list[tuple[str, int, str]]:
    """Name, bytes and colour of each part of a row; the framework's own part always has the first colour."""
    heavy, rest = _heavy(record)
    colours = iter(theme.series[1:])
    parts = [
        (line.name, line.bytes, theme.series[0] if line.name == record.framework else next(colours)) for line in heavy
    ]
    if rest:
        parts.append(
            (f"{len(rest)} other" + ("" if len(rest) == 1 else "s"), sum(one.bytes for one in rest), theme.rest)
        )
    return parts


def _told(record: Record) -> str:
    heavy, rest = _heavy(record)
    told = [f"{line.name} {words.megabytes(line.bytes)}" for line in heavy]
    if rest:
        told.append(f"{_others(len(rest))} {words.megabytes(sum(line.bytes for line in rest))}")
    return "; ".join(filter(None, (", ".join(told), words.outcome(record)))) or "no ledger"


def _row(sheet: Sheet, lane: rows.Lane, record: Record, called: tuple[str, str]) -> None:
    top = sheet.y
    named = rows.name(sheet, top, lane, called)
    parts = _parts(record, sheet.theme)
    total = sum(size for _, size, _ in parts)
    shapes, before = [], 0
    for _, size, colour in parts:
        start, end = lane.at(before / total), lane.at((before + size) / total)
        shapes.append(bar(start, end, top + HEIGHT / 2 + 1, HEIGHT, colour))
        before += size
    y = top
    if shapes:
        sheet.mark(record, shapes, rim=0.5)
        sheet.y = top + HEIGHT + 4
        sheet.key(
            ((f"{name} {words.megabytes(size)}", colour) for name, size, colour in parts), x=lane.left, size=SMALL
        )
        y = sheet.y + 2
    y = rows.outcome(sheet, y, lane, record, drawn=bool(shapes))
    sheet.y = max(named, y) + rows.GAP
