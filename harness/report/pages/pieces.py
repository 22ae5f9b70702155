"""What several pages share: the names of figures, cells that link to their record, pictures in both schemes."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Protocol

from harness.documents.footprint import METHODS, Record
from harness.documents.forecast import Forecast
from harness.documents.inference import Inference
from harness.report import words
from harness.report.pages.markup import Cell, Row, link, raw, text
from harness.report.units import NONE, shower

LABELS = {
    "wheel_bytes": "Installer (its own wheel)",
    "download_bytes": "Download, all wheels",
    "unpacked_bytes": "Unpacked wheels",
    "installed_bytes": "Installed",
    "bytecode_bytes": "Bytecode",
    "allocated_bytes": "Allocated on disk",
    "image_bytes": "Image, with its base",
    "distributions": "Distributions",
    "install_seconds": "Install, offline",
    "unpack_seconds": "Install: unpack",
    "bytecode_seconds": "Install: compile bytecode",
    "download_seconds": "Download (the network's)",
    "resolve_seconds": "Resolve (the network's)",
    "import_first_seconds": "Import, first",
    "import_cold_seconds": "Import, cold file cache",
    "import_warm_seconds": "Import, warm",
    "import_cpu_seconds": "Import, CPU time",
    "import_rss_bytes": "Import, peak memory",
    "import_modules": "Import, modules",
    "import_touched_bytes": "Touched by the import",
    "import_resident_bytes": "Resident after the import",
}
"""Figure -> what the site calls it."""
OVERVIEW = {
    "installed_bytes": "Installed",
    "import_warm_seconds": "Import, warm",
    "import_cold_seconds": "Import, cold",
    "download_bytes": "Download",
    "wheel_bytes": "Installer",
    "import_touched_bytes": "Touched",
    "bytecode_bytes": "Bytecode",
    "install_seconds": "Install",
}
"""The figures of the tables of many records, and the heads of their columns; what decides comes first."""

OWN = "yours, not published"
"""What a row is marked with on a site that has its builder's own documents too."""
TIMED = ("latency-", "ratio-", "first-answer-", "peak-memory-", "size-latency-")
"""How the names of charts of timed models begin."""


class Chart(Protocol):
    """What a page needs to know of a chart: `report.charts.Chart` is one."""

    @property
    def name(self) -> str:
        """Stem of its files."""

    @property
    def title(self) -> str: ...

    @property
    def alt(self) -> str:
        """Text alternative."""

    @property
    def framework(self) -> str | None:
        """None: it is of all."""


def is_forecast(chart: Chart) -> bool:
    """Whether it shows forecasts, which do not stand among measurements."""
    return chart.name.startswith("forecast-")


def is_timed(chart: Chart) -> bool:
    """Whether it shows how long models run, which has a page of its own."""
    return chart.name.startswith(TIMED)


def place(record: Record | Inference) -> str:
    """Where a record is in the site, from its root."""
    if isinstance(record, Inference):
        return f"inference/{record.model.name}/{record.record_id}.json"
    return f"records/{record.framework}/{record.record_id}.json"


def title(record: Record) -> str:
    """`torch[opt-einsum] 2.3.0`."""
    extras = f"[{','.join(record.extras)}]" if record.extras else ""
    return f"{record.framework}{extras} {record.version}"


def build(record: Record) -> str:
    """`cp311 linux_x86_64, pypi, docker, pip`."""
    tag = "cp" + record.python.replace(".", "")
    return f"{tag} {record.platform}, {record.variant}, {record.engine}, {record.installer}"


def titled(record: Record, name: str, own: Container[str] = ()) -> str:
    """What a row is of: `name`, already escaped; below it what tells it apart from others of that name."""
    said = [build(record), f"as of {words.day(record.as_of).replace('T', ' ').replace(':00Z', ' UTC')}"]
    said += [OWN] if record.record_id in own else []
    small = "".join(f'<br><small class="whole">{text(one)}</small>' for one in said)
    return f'<span class="whole">{name}</span>{small}'


def overview_row(record: Record, name: str, *, root: str, more: Row | None = None, own: Container[str] = ()) -> Row:
    """A row of many records: how one ended that is not ok stands with its name, where no scrolling hides it.

    Args:
        more: cells after those of its figures.
    """
    ended = outcome(record)
    told = "" if ended == "ok" else f'<div class="outcome">{ended}</div>'
    figures = (figure_cell(record, figure, root=root) for figure in OVERVIEW)
    return [titled(record, name, own) + told, *figures, *(more or [])]


def outcome(record: Record) -> str:
    """How it ended, and whether its figures can be set beside today's."""
    if record.methods != METHODS:
        own = ", ".join(f"{name} {version}" for name, version in sorted(record.methods.items()))
        return f"{ended(record)}<br><small>other methods: {text(own)}</small>"
    return ended(record)


def ended(one: Record | Forecast | Inference) -> str:
    """How it ended."""
    if one.status == "ok":
        return "ok"
    return (
        f'<strong class="status-{one.status}">{one.status}</strong> in {text(one.phase)}: '
        f'<span class="reason">{text(one.reason)}</span>'
    )


def none(why: str) -> str:
    """What a cell shows where there is no figure."""
    return f'<span title="{text(why)}">{NONE}<span class="unseen"> none: {text(why)}</span></span>'


def figure_cell(record: Record, figure: str, *, root: str, exact: bool = False) -> Cell:
    """A figure, linked to its record; where there is none, why."""
    value = getattr(record.figures, figure)
    if value is None:
        why = record.absent.get(figure) or (record.reason if record.status != "ok" else None) or "not recorded"
        return Cell(none(why), None, True)
    shown = text(shower(figure)(value))
    label = LABELS.get(figure, figure)
    cell = link(root + place(record), shown, of=f"{label}, record of {title(record)}")
    if exact and figure.endswith("_bytes"):
        cell += f' <span class="exact">{value:,} bytes</span>'
    return Cell(cell, value, True)


def framed(chart: Chart, picture: str) -> str:
    """A picture in a box of its own, which scrolls where it is wider than the screen."""
    return (
        f'<figure class="chart" id="chart-{text(chart.name)}">'
        f'<div class="scroll" role="region" tabindex="0" aria-label="{text(chart.title)}">{picture}</div></figure>\n'
    )


def pictures(charts: Sequence[Chart], framework: str | None, *, root: str, but: Sequence[str] = ()) -> str:
    """The charts of one framework, or those of all, each in both schemes."""
    shown = []
    for chart in charts:
        if chart.framework == framework and chart.name not in but:
            images = "".join(
                f'<img class="only-{scheme}" alt="{text(chart.alt)}"'
                f' src="{text(f"{root}charts/{chart.name}-{scheme}.svg")}">'
                for scheme in ("light", "dark")
            )
            shown.append(raw(framed(chart, images)))
    return "\n".join(shown)
