"""The layout of charts of timed models: a panel a model, a row a runtime; what has no figure is told below in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from harness.archive.timed import Field, drawable
from harness.documents.inference import Inference
from harness.report import words
from harness.report.drawing import rows
from harness.report.drawing.plan import Chart, Plan
from harness.report.drawing.sheet import Figure, Sheet, fit, width
from harness.report.drawing.style import NAME

TRACKS = {"strict-f32": "f32 forced", "vendor-default": "as the runtime comes"}
"""Track -> what a title calls it."""
Panels = Sequence[Sequence[Inference]]
"""Of each model those that are drawn."""
Told = Callable[[Inference], str]
"""A figure in words."""


def plan(
    kind: str,
    title: str,
    field: Field,
    shown: Panels,
    told: Told,
    put: Callable[[Sheet, str], None],
    *,
    why: Told | None = None,
    after: Callable[[Sheet], None] | None = None,
) -> Plan:
    """The chart of one kind of one field.

    Args:
        shown: what it draws; all else of the field is told in words, with its reasons.
        put: writes it on a sheet, given the whole title, down to what is told in words.
        why: what keeps one out that is ok; of an empty text nothing is told.
        after: draws on the sheet when it is finished.
    """
    drawn = [one for mine in shown for one in mine]
    threads = f"{field.threads} thread" + ("" if field.threads == 1 else "s")
    whole = f"{title}: {TRACKS[field.track]}, {threads}"
    left_out = list(_left_out(field, drawn, why))

    def finish(sheet: Sheet) -> Figure:
        put(sheet, whole)
        if left_out:
            sheet.y += 6
            sheet.paragraph("Not in the picture", bold=True)
            for line in left_out:
                sheet.paragraph(line, lines=3)
                sheet.y += 2
        sheet.caption(words.inference_caption(field.inferences))
        figure = sheet.finish()
        if after is not None:
            after(sheet)
        return figure

    alt = words.listing((whole, *(f"{one.model.name} on {full_name(one)}: {told(one)}" for one in drawn), *left_out))
    return Plan(Chart(name(kind, field), whole, alt), (), finish, inferences=tuple(drawn))


def name(kind: str, field: Field) -> str:
    """`latency-strict-f32-t1`; of another machine than that of most records with its name."""
    machine = "" if field.main else "-" + words.stem(" ".join(field.machine))
    return f"{kind}-{field.track}-t{field.threads}{machine}"


def drawn(field: Field, which: Callable[[Inference], bool] | None = None) -> Panels:
    """Of each model those that may be drawn; models of which there is none are left out."""
    panels = ([one for one in drawable(mine) if which is None or which(one)] for mine in field.models)
    return [mine for mine in panels if mine]


def called(one: Inference) -> tuple[str, str]:
    """The runtime, and its version with whatever sets it apart. What did not compute in f32 says so."""
    precision = {"f32": "", "unknown": "precision unknown" if one.status == "ok" else ""}.get(
        one.precision, f"computed in {one.precision}"
    )
    parts = (one.version, "threads spin" if one.spinning else "", "on GPU" if one.device == "gpu" else "", precision)
    return one.runtime, ", ".join(filter(None, parts))


def full_name(one: Inference) -> str:
    """`openvino 2026.4.1 (computed in bf16)`."""
    return words.full_name(called(one))


def lane(sheet: Sheet, shown: Panels, label: Told) -> rows.Lane:
    """Where marks lie, of all panels; `label` is what stands on the right of each, and no longer than this."""
    every = [one for mine in shown for one in mine]
    labels = max(width(label(one), bold=True) for one in every) + 8
    return rows.lane(sheet, every, {one.record_id: called(one) for one in every}, labels=labels)


def model(sheet: Sheet, one: Inference) -> None:
    """The heading of a panel."""
    sheet.y += 4
    about = f"{one.model.parameters / 1e6:,.1f} M parameters, opset {one.model.opset}"
    sheet.line((sheet.left, sheet.y), (sheet.right, sheet.y), sheet.theme.faint)
    sheet.y += 9
    room = sheet.right - sheet.left - width(about) - 12
    sheet.text(sheet.left, sheet.y, fit(one.model.name, room, size=NAME, bold=True), size=NAME, bold=True)
    sheet.text(sheet.right, sheet.y, about, colour=sheet.theme.muted, align="right")
    sheet.y += 14


def row(sheet: Sheet, lane: rows.Lane, one: Inference, marks: Callable[[float], float]) -> None:
    """A runtime's name, and what `marks` draws beside it: it is given the top, and returns the bottom."""
    top = sheet.y
    sheet.y = max(rows.name(sheet, top, lane, called(one)), marks(top)) + rows.GAP


def _left_out(field: Field, drawn: Sequence[Inference], why: Told | None) -> Iterator[str]:
    """Why records have no mark; what befell several models alike is told once."""
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    shown = {one.record_id for one in drawn}
    for one in field.inferences:
        if one.record_id not in shown:
            reason = words.outcome(one) or ("no such figure" if why is None else why(one))
            alike[full_name(one), reason].append(one.model.name)
    for (runtime, reason), names in alike.items():
        of = "all models" if len(names) == len(field.models) > 1 else ", ".join(names)
        if reason:
            yield f"{runtime.strip()}, {of}: {reason}"
