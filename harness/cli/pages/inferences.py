"""Timed models: one table for each model, track and number of threads."""

from __future__ import annotations

from collections.abc import Sequence

from harness.cli.pages.layout import say, table
from harness.cli.pages.words import plain
from harness.cli.render import Page, megabytes
from harness.inference import Inference


def inferences(found: Sequence[Inference], console: Page) -> None:
    """What ran how fast, where, and whether it was right."""
    groups: dict[tuple[str, str, int], list[Inference]] = {}
    for one in found:
        groups.setdefault((one.model.name, one.track, one.threads), []).append(one)
    for (model, track, threads), mine in groups.items():
        say(console, f"{plain(model)}, {track}, {threads} thread{'s' * (threads > 1)}", "bold")
        say(console)
        rows = [_row(one) for one in mine]
        table(console, ("runtime", "ran on", ">p50", ">ratio", ">first", ">memory", ">error"), rows)
        for one in mine:
            if one.status != "ok":
                say(console, plain(f"{_name(one)}: {one.status} in {one.phase}: {one.reason}"), "red")
            for warning in one.warnings:
                say(console, plain(f"{_name(one)}: {warning}"), "yellow")
        say(console)


def _name(one: Inference) -> str:
    return f"{one.runtime} {one.version}".strip() + (" spinning" if one.spinning else "")


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
