"""What was forecast of a framework: a section of its own on its page, apart from everything that was measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.archive import releases
from harness.archive.releases import History, Release, Targets
from harness.archive.weighed import as_version
from harness.documents.footprint import Record
from harness.documents.forecast import Forecast
from harness.job import PLATFORMS, iso_instant
from harness.report import words
from harness.report.pages.markup import Cell, Row, link, raw, table, text
from harness.report.pages.pieces import Chart, ended, is_forecast, none, pictures
from harness.report.units import megabytes

TITLE = "Forecast"
COLUMNS = {
    "wheel_bytes": "Own wheel",
    "wheel_unpacked_bytes": "Own wheel, unpacked",
    "download_bytes": "Download, all wheels",
    "unpacked_bytes": "Unpacked, all wheels",
}
"""Figure -> head of its column."""
ABOUT = (
    "No wheel was downloaded and nothing was installed for what follows. Unpacked is what an installer lays down, "
    "before it writes anything itself. All wheels are the framework's own and those of its dependencies, as of the end "
    "of the day on which the release was uploaded."
)
HOW = "[How a forecast is made](../how-to/forecast.md), and what can mislead."
SORTING = (
    '<script defer src="../_static/vendor/datatables/dataTables.min.js"></script>\n'
    '<script defer src="../_static/overview.js"></script>'
)


def section(
    name: str, forecasts: Iterable[Forecast], records: Sequence[Record], charts: Sequence[Chart], source: str
) -> list[str]:
    """Its parts; none where nothing was forecast of the framework.

    Args:
        source: where the table of all forecasts is, from the site's root; empty where it is not.
    """
    mine = [one for one in forecasts if one.framework == name]
    if not mine:
        return []
    (history,) = releases.leading(mine, records)
    all_rows = f" {link('../' + source, 'All forecasts as CSV')}." if source else ""
    said = f"<strong>{text(words.forecast_when(mine))}</strong> {text(ABOUT)}{all_rows}"
    parts = [f"## {TITLE}", raw(f'<p class="forecast">{said}</p>'), HOW]
    if drawn := pictures([one for one in charts if is_forecast(one)], name, root="../"):
        parts.append(drawn)
    parts.append(raw(_releases(history)))
    if several := releases.targets(mine):
        parts.append(raw(_targets(several)))
    return [*parts, raw(SORTING)]


def only(forecasts: Iterable[Forecast]) -> str:
    """The list of frameworks that were forecast and not measured; empty where there is none."""
    rows: list[Row] = []
    for history in releases.leading(forecasts, []):
        newest = history.releases[-1]
        cells = (_figure(newest, figure) for figure in COLUMNS)
        name = link(f"{history.framework}.html", text(history.framework))
        rows.append([name, text(newest.version) + _outcome(newest), *cells])
    if not rows:
        return ""
    head: Row = ["Framework", "Version", *(Cell(one, number=True) for one in COLUMNS.values())]
    caption = "Forecast only, not measured: the newest release of each framework"
    return f"## {TITLE} only\n\n{raw(table(head, rows, caption=caption, kind='forecast'))}"


def _releases(history: History) -> str:
    order = {one.version: place for place, one in enumerate(history.releases)}
    rows: list[Row] = [
        [
            Cell(text(one.version) + _outcome(one), order[one.version], ordered=True),
            _uploaded(one),
            *(_figure(one, figure) for figure in COLUMNS),
        ]
        for one in reversed(history.releases)
    ]
    head: Row = [
        Cell("Version", ordered=True),
        Cell("Uploaded", ordered=True),
        *(Cell(one, number=True) for one in COLUMNS.values()),
    ]
    return table(
        head,
        rows,
        caption=f"Forecast of each release for {words.target(history.build)}, newest first",
        name="forecast-releases",
        kind="forecast",
        sortable=True,
    )


def _outcome(release: Release) -> str:
    """How a forecast ended that came to nothing, and what an index warns of."""
    told = [ended(one) for one in release.forecasts if one.status != "ok"]
    told += dict.fromkeys(text(warning) for one in release.forecasts for warning in one.warnings)
    return "".join(f'<div class="outcome">{one}</div>' for one in told)


def _uploaded(release: Release) -> Cell:
    at = release.uploaded_at
    if at is None:
        return Cell(none("the index does not tell it"), ordered=True)
    return Cell(
        f'<time class="whole" datetime="{iso_instant(at)}">{at.date()}</time>', int(at.timestamp()), ordered=True
    )


def _figure(release: Release, figure: str) -> Cell:
    value, source = release.figure(figure), release.source(figure)
    if value is None:
        why = "not forecast" if source is None else words.outcome(source) or "not forecast"
        return Cell(none(why), number=True)
    other_day = (
        "" if source is None or release.belongs(figure) else f"<br><small>as of {words.day(source.as_of)}</small>"
    )
    return Cell(megabytes(value) + other_day, value, number=True)


def _targets(of: Targets) -> str:
    """Python versions down, platforms across."""
    pythons = sorted({python for python, _ in of.of}, key=as_version)
    platforms = sorted({platform for _, platform in of.of}, key=lambda one: (one not in PLATFORMS, _place(one), one))
    rows: list[Row] = [
        [text(f"CPython {python}"), *(_target(of.of.get((python, platform))) for platform in platforms)]
        for python in pythons
    ]
    named = words.with_extras(of.framework, of.extras)
    head: Row = ["Python", *(Cell(text(platform), number=True) for platform in platforms)]
    return table(
        head,
        rows,
        caption=f"Forecast of {named} {of.version}, {of.variant}: its own wheel by Python and platform, and unpacked",
        name="forecast-targets",
        kind="forecast",
    )


def _place(platform: str) -> int:
    return PLATFORMS.index(platform) if platform in PLATFORMS else len(PLATFORMS)


def _target(one: Forecast | None) -> Cell:
    if one is None:
        return Cell(none("not forecast"), number=True)
    packed, unpacked = one.figures.wheel_bytes, one.figures.wheel_unpacked_bytes
    if packed is not None:
        return Cell(f"{megabytes(packed)}<br><small>{megabytes(unpacked)} unpacked</small>", packed, number=True)
    if one.status == "unsupported" and (one.reason or "").startswith("no wheel"):
        return Cell(f'<span title="{text(one.reason)}">no wheel</span>', number=True)
    return Cell(f'<div class="outcome">{ended(one)}</div>', number=True)
