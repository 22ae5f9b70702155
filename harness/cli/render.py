"""Records as a person reads them: a table to paste into a report, on standard output."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from harness.archive.compare import Replay
from harness.documents.footprint import Record
from harness.job import iso_instant

HEAVIEST = 5
WHOLE = 500
"""Characters; more than any table is wide."""


class Page(Console):
    """Standard output; a reader that went away (`| head`) is no failure."""

    def __init__(self) -> None:
        super().__init__(highlight=False)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def megabytes(value: float | None) -> str:
    """`781.0 MB`; a dash where there is no figure. Never below three significant digits."""
    if value is None:
        return "-"
    size = value / 1e6
    return f"{size:,.1f} MB" if size >= 10 else f"{size:,.2f} MB"


def seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.1f} s" if value >= 10 else f"{value:.2f} s"


def footprints(records: Sequence[Record], console: Console) -> None:
    """What was measured: one column a framework, the heaviest distributions, and what went wrong."""
    for record in records:
        figures = record.figures
        target = f"cp{record.python.replace('.', '')} {record.platform}"
        console.print(
            f"\n[bold]{title(record)}[/bold]  {target}, {record.variant}, {record.engine}, "
            f"{record.environment.installer or record.installer}, as of {day(record.as_of)}",
            highlight=False,
            soft_wrap=True,
        )
        if record.status != "ok":
            console.print(
                f"[bold red]{record.status}[/bold red] in {record.phase}: {record.reason}",
                highlight=False,
                soft_wrap=True,
            )
        if figures.wheel_bytes is None:
            continue  # nothing was reached that a table could show
        table = Table(box=MARKDOWN)
        table.add_column("what it costs")
        table.add_column("", justify="right")
        bytecode = figures.bytecode_bytes
        with_bytecode = None if bytecode is None else (figures.installed_bytes or 0) + bytecode
        rows = (
            ("installer (its own wheel)", megabytes(figures.wheel_bytes)),
            (f"download, {count(figures.distributions or 0, 'distribution')}", megabytes(figures.download_bytes)),
            ("installed", megabytes(figures.installed_bytes)),
            ("installed, with bytecode", megabytes(with_bytecode)),
            ("install, offline", seconds(figures.install_seconds)),
            ("import, first (no bytecode)", seconds(figures.import_first_seconds)),
            ("import, cold file cache", seconds(figures.import_cold_seconds)),
            ("import, warm", seconds(figures.import_warm_seconds)),
            ("touched by the import", megabytes(figures.import_touched_bytes)),
        )
        for name, value in rows:
            table.add_row(name, value)
        print_table(table, console)
        if record.ledger:
            console.out()
            _heaviest(record, console)
        for warning in record.warnings:
            console.print(f"[yellow]warning:[/yellow] {warning}", highlight=False, soft_wrap=True)


def print_table(table: Table, console: Console) -> None:
    """Without the blank lines that the Markdown box has for edges, so that it can be pasted as it is."""
    wide = not console.is_terminal and "COLUMNS" not in os.environ  # a pipe gets no row in two parts
    drawing = Console(width=WHOLE) if wide else console
    with drawing.capture() as captured:
        drawing.print(table)
    for line in captured.get().splitlines():
        if line.strip():
            console.out(line.rstrip(), highlight=False)


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def day(as_of: datetime) -> str:
    """The day that a date stood for, where it ends one; else the instant."""
    if (as_of.hour, as_of.minute, as_of.second) == (0, 0, 0):
        return str((as_of - timedelta(days=1)).date())
    return iso_instant(as_of)


def title(record: Record) -> str:
    extras = rf"\[{','.join(record.extras)}]" if record.extras else ""
    return f"{record.framework}{extras} {record.version}"


def _heaviest(record: Record, console: Console) -> None:
    assert record.ledger is not None
    total = record.figures.installed_bytes or 1
    table = Table(box=MARKDOWN)
    table.add_column("heaviest distributions")
    table.add_column("installed", justify="right")
    table.add_column("share", justify="right")
    for line in [line for line in record.ledger.distributions if line.bytes][:HEAVIEST]:
        table.add_row(f"{line.name} {line.version}", megabytes(line.bytes), f"{line.bytes / total:.1%}")
    print_table(table, console)


def counted(number: int, what: str, own: int) -> str:
    """`16 records, 2 of them yours`."""
    whose = "all of them yours" if own == number else f"{own} of them yours"
    return f"{number} {what}" + (f", {whose}" if own else "")


def replayed(before: Record, found: Replay, whose: str, console: Console) -> None:
    """Two columns: the record and its replay."""
    console.print(f"\n[bold]replay of {title(before)}[/bold] ({whose})", highlight=False)
    table = Table(box=MARKDOWN)
    for name, justify in (("figure", "left"), ("record", "right"), ("replay", "right"), ("", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for line in found.lines:
        if line.exact:
            table.add_row(line.figure, _whole(line.before), _whole(line.after), "equal" if line.equal else "DIFFERS")
        else:
            table.add_row(line.figure, seconds(line.before), seconds(line.after), _ratio(line.before, line.after))
    print_table(table, console)
    outcome = "the same outcome" if found.same_outcome else "another outcome"
    console.print(f"{'sizes equal' if found.faithful else 'NOT the same'}, {outcome}: {before.status}", highlight=False)


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _ratio(before: float | None, after: float | None) -> str:
    return f"x {after / before:.2f}" if before and after else ""
