"""The start page's generated parts: the answer, the decision picture, and the table of all rows."""

from __future__ import annotations

from collections.abc import Container, Sequence
from itertools import groupby
from pathlib import Path

from harness.archive import select
from harness.archive.timed import proof, proven
from harness.documents.footprint import Record
from harness.documents.inference import Inference
from harness.job import iso_instant
from harness.report import words
from harness.report.pages import api
from harness.report.pages.markup import Cell, Row, inline_svg, link, raw, table, text
from harness.report.pages.pieces import (
    OVERVIEW,
    Chart,
    build,
    framed,
    is_forecast,
    is_timed,
    overview_row,
    pictures,
    place,
    title,
)
from harness.report.units import count, megabytes, seconds, shower

DECISION = "decision"
"""Name of the chart that the start page begins with."""


def answer(records: Sequence[Record]) -> str:
    """One paragraph: who is small, who is quick, and who has no figures."""
    shown = list(api.headline(records).values())
    said = []
    for figure, least, most in (
        ("installed_bytes", "the smallest installation is", "the largest"),
        ("import_warm_seconds", "The quickest import is", "the slowest"),
    ):
        known = sorted(
            (one for one in shown if one.status == "ok" and getattr(one.figures, figure) is not None),
            key=lambda one: getattr(one.figures, figure),
        )
        if len(known) > 1:
            said.append(f"{least} {_told(known[0], figure)}, {most} {_told(known[-1], figure)}")
    lead = f"Of {count(len(shown))} runtimes in their newest measured version, " if said else ""
    sentences = [lead + "; ".join(said[:1]), *said[1:]] if said else []
    for one in shown:
        if one.status != "ok":
            sentences.append(f"{_name(one)} is {one.status}: {text(one.reason)}")
    if not shown:
        return raw('<p class="answer">Nothing was measured yet.</p>')
    days = sorted({iso_instant(one.measured_at)[:10] for one in shown})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    closing = f"Measured on {when}. Every figure is a link to the record that it comes from."
    return raw('<p class="answer">' + " ".join(f"{one.rstrip('.')}." for one in [*sentences, closing]) + "</p>")


def _told(record: Record, figure: str) -> str:
    shown = shower(figure)(getattr(record.figures, figure))
    return f"{_name(record)} with {link(place(record), text(shown), of=f'record of {record.framework}')}"


def _name(record: Record) -> str:
    return f"<strong>{text(title(record))}</strong>"


def charts(drawn: Sequence[Chart]) -> str:
    """All pictures of all frameworks but the first; what was forecast stands apart from what was measured."""
    measured = pictures(
        [one for one in drawn if not is_forecast(one) and not is_timed(one)], None, root="", but=(DECISION,)
    )
    forecast = pictures([one for one in drawn if is_forecast(one)], None, root="")
    return measured + (f"\n### Forecast, not measured\n\n{forecast}" if forecast else "")


def decision(records: Sequence[Record], charts: Sequence[Chart], folder: Path) -> str:
    """The decision picture, once for each scheme, as parts of the page so that its marks are links."""
    for chart in (one for one in charts if one.name == DECISION):
        marks = {f"mark-{DECISION}-{one.record_id}": _spoken(one) for one in records}
        shown = [
            f'<div class="only-{scheme}">'
            + inline_svg(
                (folder / f"{DECISION}-{scheme}.svg").read_text(encoding="utf-8"),
                prefix=f"{scheme}-",
                label=chart.alt,
                marks=marks,
            )
            + "</div>"
            for scheme in ("light", "dark")
        ]
        return framed(chart, "".join(shown))
    return ""


def _spoken(record: Record) -> str:
    """A mark's name for a screen reader."""
    figures = record.figures
    if record.status != "ok":
        return f"{title(record)}, {build(record)}: {words.outcome(record)}"
    return (
        f"{title(record)}: {megabytes(figures.installed_bytes)} installed, "
        f"{seconds(figures.import_warm_seconds)} warm import"
    )


def overview(records: Sequence[Record], inferences: Sequence[Inference] = (), own: Container[str] = ()) -> str:
    """All rows: the newest record of each job, the highest version of a framework first.

    Where models were timed, a column says of which installation that showed that it runs one.
    """
    rows: list[Row] = []
    by_framework = groupby(select.newest_of_each_job(records), key=lambda one: one.framework)
    for one in (one for _, group in by_framework for one in reversed(list(group))):
        name = link(f"frameworks/{one.framework}.html", text(title(one)))
        rows.append(overview_row(one, name, root="", more=[_runnable(one, inferences)] if inferences else [], own=own))
    head: Row = ["Framework", *(Cell(one, number=True) for one in OVERVIEW.values())]
    head += ["Runnable"] if inferences else []
    return table(
        head,
        rows,
        caption="What each runtime costs: the newest measurement of each job",
        name="overview",
        sortable=True,
        filtered="measurement",
    )


def _runnable(record: Record, inferences: Sequence[Inference]) -> str:
    """Whether an inference record shows that this version runs a model, and where; of a GPU build only on a GPU."""
    shown = proof(record, inferences)
    if shown is None:
        return f'<span class="whole">{proven(None)}</span>'
    return link(place(shown), proven(shown), of=f"{shown.model.name}, inference record of {title(record)}")
