"""`harness compare`: records side by side."""

from __future__ import annotations

from collections.abc import Sequence

from harness.archive import compare
from harness.archive.weighed import missing
from harness.cli.pages.layout import say, table
from harness.cli.pages.words import build, label, outcome, plain, title, value
from harness.cli.render import Page
from harness.documents.footprint import Record

HEADS = ("whose", "status", "runnable", *map(label, compare.SIDE_BY_SIDE))
"""What each row is."""


def comparison(records: Sequence[Record], whose: Sequence[str], runnable: Sequence[str], console: Page) -> None:
    """Side by side, as many columns at a time as the terminal has room for.

    Args:
        whose: of each record, whose it is.
        runnable: of each record, where an inference record shows that it runs a model.
    """
    first = max(len(label(figure)) for figure in compare.SIDE_BY_SIDE) + 4
    columns = _columns(records, whose, runnable)
    width = max(15, *(len(line) for column in columns for line in column[0].split("\n"))) + 3
    at_once = max(1, (console.width - first) // width)
    for start in range(0, len(records), at_once):
        if start:
            say(console)
        shown = columns[start : start + at_once]
        rows = ((name, *(cells[i] for _, cells in shown)) for i, name in enumerate(HEADS))
        table(console, ("", *(f">{head}" for head, _ in shown)), rows)
    say(console)
    for note in _notes(records):
        say(console, note)


def markdown(records: Sequence[Record], whose: Sequence[str], runnable: Sequence[str]) -> str:
    """One Markdown table, however wide, and its notes."""
    columns = _columns(records, whose, runnable)
    rows = [["", *(head.replace("\n", "<br>") for head, _ in columns)], ["---", *("---:" for _ in columns)]]
    for i, name in enumerate(HEADS):
        rows.append([name, *(cells[i] for _, cells in columns)])
    lines = ["| " + " | ".join(_escaped(cell) for cell in row) + " |" for row in rows]
    return "\n".join([*lines, "", *(f"- {_escaped(note)}" for note in _notes(records))])


def _columns(records: Sequence[Record], whose: Sequence[str], runnable: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Of each record its heading and its cells."""
    marked = {figure: compare.best(records, figure) for figure in compare.SIDE_BY_SIDE}
    columns = []
    for i, record in enumerate(records):
        cells: list[str] = [whose[i], record.status, runnable[i]]
        for figure in compare.SIDE_BY_SIDE:
            cell = value(figure, getattr(record.figures, figure))
            cells.append(f"* {cell}" if i in marked[figure] else cell)
        head = plain(f"cp{record.python.replace('.', '')} {record.variant}")
        columns.append((f"{plain(record.framework)}\n{plain(record.version)}\n{head}", cells))
    return columns


def _notes(records: Sequence[Record]) -> list[str]:
    notes = ["* is the least of its row among those that are ok; - means no figure"]
    notes += ["runnable: where harness infer showed that this version runs a model; a GPU build only on a GPU"]
    notes += [f"{title(one)}, {build(one)}: {outcome(one)}" for one in records if one.status != "ok"]
    for figure in compare.SIDE_BY_SIDE:
        for one in records:
            if one.status == "ok" and getattr(one.figures, figure) is None:
                notes.append(plain(f"{title(one)}, {label(figure)}: {missing(one, figure)}"))
    machines = {(one.engine, one.environment.cpu_model, one.measured_at.date()) for one in records}
    if len(machines) > 1:
        notes.append("measured on different machines, engines or days: their times are not comparable")
    return notes


def _escaped(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("|", "\\|").replace("* ", "\\* ")
