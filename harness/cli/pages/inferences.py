"""Timed models: one table for each model, track and number of threads."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence

from harness.cli.pages.layout import say, table
from harness.cli.pages.words import plain
from harness.cli.render import Page, megabytes
from harness.documents.inference import Inference

HEADS = ("runtime", "ran on", ">p50", ">ratio", ">first", ">memory", ">error")
BETWEEN = 3
"""Characters from one column's cells to those of the next."""


def inferences(found: Sequence[Inference], console: Page) -> None:
    """What ran how fast, where, and whether it was right; below, once for all, what is to be said of it."""
    groups: dict[tuple[str, str, int], list[Inference]] = {}
    for one in found:
        groups.setdefault((one.model.name, one.track, one.threads), []).append(one)
    for (model, track, threads), mine in groups.items():
        say(console, f"{plain(model)}, {track}, {threads} thread{'s' * (threads > 1)}", "bold")
        say(console)
        rows = [_row(one) for one in mine]
        table(console, HEADS, _fitted(rows, console.width) if console.is_terminal else rows)
        say(console)
    notes: Counter[tuple[str, str]] = Counter()
    for one in found:
        if one.status != "ok":
            notes[f"{_name(one)}: {one.status} in {one.phase}: {one.reason}", "red"] += 1
        notes.update((f"{_name(one)}: {warning}", "yellow") for warning in one.warnings)
    for (text, style), count in notes.items():
        say(console, plain(text + (f" ({count} rows)" if count > 1 else "")), style)


def _name(one: Inference) -> str:
    return f"{one.runtime} {one.version}".strip() + (" spinning" if one.spinning else "")


def _fitted(rows: Sequence[tuple[str, ...]], width: int) -> list[tuple[str, ...]]:
    """The same with names in several lines, broken at their hyphens, where the figures leave them no more room."""
    others = list(zip(HEADS, *rows, strict=True))[1:]
    taken = sum(max(len(cell.removeprefix(">")) for cell in column) + BETWEEN for column in others)
    room = max(width - taken - BETWEEN - 1, 12)
    return [(textwrap.fill(name, room, break_long_words=False), *cells) for name, *cells in rows]


def _row(one: Inference) -> tuple[str, ...]:
    figures = one.figures
    parts = (figures.import_seconds, figures.load_seconds, figures.first_run_seconds)
    first = None if None in parts else sum(part for part in parts if part is not None)
    ran_on = (one.ep_actual or "-").removesuffix("ExecutionProvider")
    if one.precision not in ("f32", "unknown"):
        ran_on += f", {one.precision}"
    return (
        _name(one),
        ran_on,
        milliseconds(figures.latency_p50_seconds),
        "-" if figures.ratio_to_anchor is None else f"x {figures.ratio_to_anchor:.2f}",
        milliseconds(first),
        megabytes(figures.rss_peak_bytes),
        "-" if figures.max_rel_error is None else f"{figures.max_rel_error:.0e}",
    )


def milliseconds(seconds: float | None) -> str:
    """`28.4 ms`; a dash where there is no figure."""
    if seconds is None:
        return "-"
    value = seconds * 1000
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.1f} ms" if value >= 10 else f"{value:.2f} ms"
