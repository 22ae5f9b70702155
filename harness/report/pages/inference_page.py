"""The page `Inference`: which runtime ran which model how fast, where it really ran, and whether it was right."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace

from harness.archive.timed import current, first_answer, machine
from harness.archive.weighed import as_version
from harness.documents.inference import METHOD, Inference
from harness.documents.providers import ProviderLine, ProviderReport
from harness.job import iso_instant
from harness.report import words
from harness.report.pages.markup import Cell, Row, link, raw, table, text
from harness.report.pages.pieces import OWN, Chart, ended, is_timed, none, pictures, place
from harness.report.units import NONE, megabytes, seconds

ABOUT = (
    "The same bytes of a model and the same input on each runtime, in clean places of their own. Every row was "
    "compared with a reference answer; one that is wrong, or that ran elsewhere than it was asked to, is not `ok`. "
    "`strict-f32` forces the precision to f32, `vendor-default` takes a runtime as it comes: the two are never mixed. "
    "Milliseconds differ between machines and hours; the ratio to the anchor of the same round is what can be compared."
)
PROVIDERS = (
    "What each runtime's wheel offers, what could be created on the machine that was asked, and what really ran a node "
    "there."
)
SORTING = (
    '<script defer src="../_static/vendor/datatables/dataTables.min.js"></script>\n'
    '<script defer src="../_static/overview.js"></script>'
)
FIGURES = ("Latency, median", "To the anchor", "First answer", "Peak memory", "Error")
"""Heads of the columns of figures."""


def page(
    inferences: Sequence[Inference],
    reports: Sequence[ProviderReport],
    charts: Sequence[Chart],
    locks: Mapping[str, str],
    tables: Mapping[str, str],
    own: Container[str] = (),
) -> str:
    """Everything that is known of inference.

    Args:
        locks: sha256 of a lock -> its folder, from the site's root.
        tables: name of a table -> its file, likewise.
        own: ids of what is the user's own, and not published.
    """
    parts = ["---\nhide-toc: true\n---", "# Inference", ABOUT]
    shown = current(inferences)
    if shown:
        parts.append(raw(_table(shown, locks, own)))
    if "inference" in tables:
        all_rows = link("../" + tables["inference"], "All inference records as CSV")
        parts.append(raw(f"<p>{all_rows}.</p>"))
    if drawn := pictures([one for one in charts if is_timed(one)], None, root="../"):
        parts += ["## Pictures", drawn]
    if reports:
        parts += ["## Execution providers", PROVIDERS, raw(_providers(reports))]
        if "providers" in tables:
            parts.append(raw(f"<p>{link('../' + tables['providers'], 'All provider reports as CSV')}.</p>"))
    return "\n\n".join([*parts, raw(SORTING)]) + "\n"


def _table(shown: Sequence[Inference], locks: Mapping[str, str], own: Container[str]) -> str:
    several = len({machine(one) for one in shown}) > 1
    rows = [_row(one, locks, own, where=several) for one in shown]
    head: Row = ["Model", "Runtime", "Track", *(Cell(one, number=True) for one in FIGURES), "Ran on"]
    return table(
        head,
        rows,
        caption="The newest timing of each model, runtime, track and number of threads",
        name="inference",
        sortable=True,
        filtered="timing",
    )


def _row(one: Inference, locks: Mapping[str, str], own: Container[str], *, where: bool) -> Row:
    """How one ended that is not ok stands with its name, where no scrolling hides it."""
    figures = one.figures
    first, ratio = first_answer(one), figures.ratio_to_anchor
    return [
        link(f"../{place(one)}", f'<span class="whole">{text(one.model.name)}</span>', of=f"record {one.record_id}"),
        _runtime(one, locks, own, where=where),
        f'<span class="whole">{text(one.track)}</span><br><small class="whole">{_threads(one)}</small>',
        _latency(one),
        _figure(one, "ratio_to_anchor", None if ratio is None else words.ratio(ratio), ratio),
        _figure(one, "first_run_seconds", None if first is None else seconds(first), first),
        _figure(one, "rss_peak_bytes", megabytes(figures.rss_peak_bytes), figures.rss_peak_bytes),
        _figure(one, "max_rel_error", f"{figures.max_rel_error or 0:.0e}", figures.max_rel_error),
        _ran_on(one),
    ]


def _runtime(one: Inference, locks: Mapping[str, str], own: Container[str], *, where: bool) -> str:
    """What ran it, in which precision, from which lock, and how it ended."""
    called = f"{text(one.runtime)} {text(one.version)}"
    precision = f"<strong>{text(one.precision)}</strong>" if one.precision not in ("f32", "unknown") else one.precision
    lock = locks.get(one.lock_sha256 or "")
    small = [
        f"computed in {precision}" if one.precision != "unknown" else "precision unknown" if one.rounds else "",
        "" if lock is None else link(f"../{lock}/requirements.txt", "lock", of=f"of {called}"),
        text(", ".join(machine(one))) if where else "",
        OWN if one.record_id in own else "",
        f"other method: {one.method_version}" if one.method_version != METHOD else "",
    ]
    told = "" if one.status == "ok" else f'<div class="outcome">{ended(one)}</div>'
    told += "".join(f'<div class="outcome">{text(warning)}</div>' for warning in one.warnings)
    return f'<span class="whole">{called}</span><br><small>{", ".join(filter(None, small))}</small>{told}'


def _threads(one: Inference) -> str:
    return f"{one.threads} thread" + ("" if one.threads == 1 else "s") + (", spinning" if one.spinning else "")


def _latency(one: Inference) -> Cell:
    """From host to host, and below it what is left of that where inputs and outputs stay on the device."""
    value, bound = one.figures.latency_p50_seconds, one.figures.device_latency_p50_seconds
    cell = _figure(one, "latency_p50_seconds", None if value is None else words.milliseconds(value), value)
    if bound is None:
        return cell
    return replace(cell, html=f"{cell.html}<br><small>{text(words.milliseconds(bound))} on the device</small>")


def _figure(one: Inference, name: str, shown: str | None, value: float | None) -> Cell:
    if value is None or shown is None:
        return Cell(none(words.outcome(one) or one.absent.get(name) or "not recorded"), None, True)
    return Cell(text(shown), value, True)


def _ran_on(one: Inference) -> str:
    """The provider that really ran it, and how many nodes."""
    if one.ep_actual is None:
        return none(words.outcome(one) or "the runtime does not tell it")
    figures = one.figures
    nodes = "" if figures.nodes is None else f"{figures.nodes_on_provider or 0:,} of {figures.nodes:,} nodes"
    asked = "" if one.ep_actual == one.ep_requested else f"asked for {_short(one.ep_requested)}"
    small = "; ".join(filter(None, (nodes, asked, one.gpu.get("name", ""))))
    return text(_short(one.ep_actual)) + (f"<br><small>{text(small)}</small>" if small else "")


def _short(provider: str) -> str:
    """`CUDA` of `CUDAExecutionProvider`."""
    return provider.removesuffix("ExecutionProvider")


def _providers(reports: Sequence[ProviderReport]) -> str:
    newest: dict[tuple[str, ...], ProviderReport] = {}
    for one in reports:
        key = (one.runtime, one.version, one.engine, one.python, one.platform, one.environment.cpu_model or "")
        if key not in newest or (newest[key].measured_at, newest[key].record_id) < (one.measured_at, one.record_id):
            newest[key] = one
    ordered = sorted(newest.items(), key=lambda item: (item[0][0], as_version(item[0][1]), item[0]))
    rows = [_provider(one, line) for _, one in ordered for line in one.providers]
    head: Row = ["Runtime", "Provider", "Device", "Offered", "Created", "Ran", "Asked"]
    return table(head, rows, caption="Execution providers of each runtime", name="providers")


def _provider(report: ProviderReport, line: ProviderLine) -> Row:
    day = f'<time class="whole" datetime="{iso_instant(report.measured_at)}">{report.measured_at.date()}</time>'
    return [
        f'<span class="whole">{text(report.runtime)} {text(report.version)}</span>',
        text(line.provider) + ("" if line.reason is None else f'<div class="outcome">{text(line.reason)}</div>'),
        text(line.device) or NONE,
        _said(line.offered),
        _said(line.created),
        NONE if line.ran_nodes is None else text(f"{line.ran_nodes:,} nodes"),
        f"{day}<br><small>{text(report.environment.cpu_model or 'an unknown CPU')}, {text(report.engine)}</small>",
    ]


def _said(value: bool | None) -> str:
    return NONE if value is None else "yes" if value else "no"
