"""A framework's page: its current figures, charts, ledger, import, history and records, and what was forecast of it;
and the list of all."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from harness.archive import select
from harness.documents.footprint import Figures, Record
from harness.documents.forecast import Forecast
from harness.documents.inference import Inference
from harness.job import iso_instant
from harness.report.pages import api, forecast_section
from harness.report.pages.markup import Cell, Row, escape, link, raw, table, text
from harness.report.pages.pieces import (
    LABELS,
    OVERVIEW,
    Chart,
    build,
    figure_cell,
    is_forecast,
    outcome,
    overview_row,
    pictures,
    place,
    title,
    titled,
)
from harness.report.units import NONE, count, megabytes, seconds, share

UNMEASURED = "Nothing of it was measured yet."
TIMED = "How fast it runs models, and where: [Inference](../inference/index.md)."
RECORDS = (
    "Every measurement of this framework, newest first, with its raw record and the lock that it installed. "
    "[How we measure](../how-we-measure.md) says what the figures mean; "
    "[replay a record](../how-to/replay.md) to check one."
)
IMPORTS = (
    "Of one import under `-X importtime` and an audit hook, and therefore slower than the times above: "
    "use it to find causes, not to add up times."
)


def index(headlines: Mapping[str, Record], forecasts: Sequence[Forecast]) -> str:
    """The list of frameworks, and what stands in the sidebar."""
    rows: list[Row] = []
    for name, one in headlines.items():
        cells = [figure_cell(one, figure, root="../") for figure in ("installed_bytes", "import_warm_seconds")]
        rows.append([link(f"{name}.html", text(name)), text(one.version), outcome(one), *cells])
    head: Row = ["Framework", "Version", "Outcome", Cell("Installed", number=True), Cell("Import, warm", number=True)]
    listed = raw(table(head, rows, caption="The newest measured version of each framework")) if rows else ""
    only = forecast_section.only([one for one in forecasts if one.framework not in headlines])
    names = "\n".join(sorted({*headlines, *(one.framework for one in forecasts)}))
    return f"# Frameworks\n\n{listed}\n{only}\n```{{toctree}}\n:hidden:\n\n{names}\n```\n"


def page(
    name: str,
    records: Sequence[Record],
    forecasts: Sequence[Forecast],
    charts: Sequence[Chart],
    locks: Mapping[str, str],
    tables: Mapping[str, str],
    inferences: Sequence[Inference] = (),
    own: Container[str] = (),
) -> str:
    """Everything that is known of one framework.

    Args:
        locks: sha256 of a lock -> its folder, from the site's root.
        tables: name of a table -> its file, likewise.
        own: ids of what is the user's own, and not published.
    """
    mine = [one for one in records if one.framework == name]
    forecast = forecast_section.section(name, forecasts, mine, charts, tables.get("forecast", ""))
    timed = [TIMED] if any(one.distribution == name for one in inferences) else []
    parts = [
        f"# {escape(name)}",
        *timed,
        *(_measured(name, mine, charts, locks, own) if mine else [UNMEASURED]),
        *forecast,
    ]
    return "\n\n".join(parts) + "\n"


def _measured(
    name: str, mine: Sequence[Record], charts: Sequence[Chart], locks: Mapping[str, str], own: Container[str]
) -> list[str]:
    now = select.current(mine)
    head = api.headline(mine)[name]
    parts = []
    for one in now:
        told = f"{text(title(one))}, {text(build(one))}"
        parts += [raw(f"<p>{told}: {outcome(one)}</p>")] if one.status != "ok" else []
        parts += [raw(f"<p>{told}: {text(warning)}</p>") for warning in one.warnings]
    if reached := [one for one in [head, *(one for one in now if one is not head)] if _has_figures(one)]:
        parts += ["## Current figures", raw(_current(reached))]
    if drawn := pictures([one for one in charts if not is_forecast(one)], name, root="../"):
        parts += ["## Charts", drawn]
    parts += _ledger(head)
    parts += _imports(head)
    parts += ["## History", raw(_history(mine, now, own))]
    return [*parts, "## Records", RECORDS, raw(_records(mine, locks, own))]


def _has_figures(record: Record) -> bool:
    return record.figures != Figures()


def _current(records: Sequence[Record]) -> str:
    figures = [name for name in Figures.model_fields if any(getattr(one.figures, name) is not None for one in records)]
    rows: list[Row] = [
        [text(LABELS.get(name, name)), *(figure_cell(one, name, root="../", exact=True) for one in records)]
        for name in figures
    ]
    head: Row = [
        "Figure",
        *(Cell(f"{text(title(one))}<br><small>{text(build(one))}</small>", number=True) for one in records),
    ]
    return table(head, rows, caption="Figures of the highest measured version of each build")


def _ledger(record: Record) -> list[str]:
    ledger, total = record.ledger, record.figures.installed_bytes
    if ledger is None or not total:
        return []

    def sized(value: int) -> Row:
        return [Cell(megabytes(value), value, True), Cell(text(share(value / total)), value / total, True)]

    sizes = [Cell("Installed", number=True), Cell("Share", number=True)]
    files = Cell("Files", number=True)
    by_distribution: list[Row] = [
        [f"{text(line.name)} {text(line.version)}", Cell(count(line.files), line.files, True), *sized(line.bytes)]
        for line in ledger.distributions
    ]
    by_type: list[Row] = [
        [text(line.name), Cell(count(line.files), line.files, True), *sized(line.bytes)] for line in ledger.types
    ]
    largest: list[Row] = [
        [f"<code>{text(line.path)}</code>", text(line.distribution), *sized(line.bytes)] for line in ledger.largest
    ]
    of = f"{title(record)}, {build(record)}"
    said = f"Whose the {link('../' + place(record), text(megabytes(total)), of='record')} are, of {text(of)}."
    parts = [
        "## Ledger",
        raw(f"<p>{said}</p>"),
        raw(table(["Distribution", files, *sizes], by_distribution, caption="Installed bytes by distribution")),
        raw(table(["File type", files, *sizes], by_type, caption="Installed bytes by type of file")),
        raw(table(["File", "Distribution", *sizes], largest, caption="The largest files")),
    ]
    twice = ledger.duplicates
    if twice.groups:
        rows: list[Row] = [
            [
                "<br>".join(f"<code>{text(path)}</code>" for path in line.paths),
                Cell(count(line.copies), line.copies, True),
                Cell(megabytes(line.bytes), line.bytes, True),
            ]
            for line in twice.largest
        ]
        caption = f"Identical files: {count(twice.groups)} groups, {megabytes(twice.bytes)} could be saved"
        head: Row = ["Files", Cell("Copies", number=True), Cell("A single one saves", number=True)]
        parts.append(raw(table(head, rows, caption=caption)))
    return parts


def _imports(record: Record) -> list[str]:
    tree = record.import_tree
    if tree is None:
        return []
    parts = ["## What the import spends its time on", IMPORTS]
    for lines, caption in (
        (tree.by_own, f"Heaviest of {count(tree.modules)} modules by their own time"),
        (tree.by_cumulative, "Heaviest modules, with what they import"),
    ):
        rows: list[Row] = [
            [f"<code>{text(line.module)}</code>", Cell(seconds(line.microseconds / 1e6), line.microseconds, True)]
            for line in lines
        ]
        parts.append(raw(table(["Module", Cell("Time", number=True)], rows, caption=caption)))
    return parts


def _history(records: Sequence[Record], now: Sequence[Record], own: Container[str]) -> str:
    rows: list[Row] = []
    for newest in now:
        for one in reversed(select.history(records, select.build(newest))):
            rows.append(overview_row(one, text(title(one)), root="../", own=own))
    head: Row = ["Version", *(Cell(one, number=True) for one in OVERVIEW.values())]
    return table(head, rows, caption="Measured versions of each build, newest first")


def _records(records: Sequence[Record], locks: Mapping[str, str], own: Container[str]) -> str:
    rows: list[Row] = []
    for one in sorted(records, key=lambda one: (one.measured_at, one.record_id), reverse=True):
        lock = locks.get(one.lock_sha256 or "")
        of = f"of {one.record_id}"
        rows.append(
            [
                f'<time datetime="{iso_instant(one.measured_at)}">{iso_instant(one.measured_at)}</time>',
                titled(one, text(title(one)), own),
                outcome(one),
                link(f"../{place(one)}", "JSON", of=of),
                NONE
                if lock is None
                else link(f"../{lock}/requirements.txt", "requirements.txt", of=of)
                + " "
                + link(f"../{lock}/pylock.toml", "pylock.toml", of=of),
            ]
        )
    head: Row = ["Measured", "Version", "Outcome", "Record", "Lock"]
    return table(head, rows, caption="All records", name="all-records")
