"""What `harness site` and `harness publish` do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from harness.archive.store import Forecasts, Inferences, ProviderReports, Records
from harness.cli import progress as looks
from harness.cli.render import counted
from harness.documents.footprint import Record
from harness.documents.forecast import Forecast
from harness.documents.inference import Inference
from harness.errors import EnvironmentLacksError


def site(results: str, docs: str, as_json: bool, quiet: bool) -> int:
    """Write the generated part of the site's sources.

    Raises:
        EnvironmentLacksError: what draws the charts is not installed.
    """
    try:
        from harness.report import charts
        from harness.report import site as pages
        from harness.report.pages.pieces import Chart
    except ModuleNotFoundError as error:
        raise EnvironmentLacksError(
            f"drawing charts needs {error.name}", tip="call `make docs`, or install footprint-harness[report]"
        ) from None

    place = Path(results)
    store, shelf = Records(place, both=True), Forecasts(place, both=True)
    timings, asked = Inferences(place, both=True), ProviderReports(place, both=True)
    with looks.choose(quiet=quiet) as shows:

        def invalid(path: Path, why: str) -> None:
            shows.note(f"left out, not valid: {path.name}: {why}")

        def draw(
            records: Sequence[Record],
            forecasts: Sequence[Forecast],
            inferences: Sequence[Inference],
            folder: Path,
            link: pages.Place,
        ) -> Sequence[Chart]:
            return charts.write_all(
                records, folder, forecasts=forecasts, inferences=inferences, progress=shows, link=link
            )

        shows.phase("records", str(store.folder))
        records, forecasts, inferences = list(store.all(invalid)), list(shelf.all(invalid)), list(timings.all(invalid))
        own = store.own(records) | shelf.own(forecasts) | timings.own(inferences)
        written = pages.write(
            records,
            forecasts=forecasts,
            inferences=inferences,
            reports=asked.all(invalid),
            docs=Path(docs),
            results=place,
            own=own,
            draw=draw,
        )
        for name in written.left_out:
            shows.note(f"left out, no name that a file may have: {name!a}")
    if as_json:
        told = {
            "frameworks": written.frameworks,
            "records": written.records,
            "forecasts": written.forecasts,
            "inferences": written.inferences,
            "charts": written.charts,
            "own": written.own,
        }
        click.echo(json.dumps(told))
    else:
        counts = [counted(written.records, "records", written.own["records"])]
        counts += [counted(written.forecasts, "forecasts", written.own["forecasts"])] if written.forecasts else []
        counts += (
            [counted(written.inferences, "inference records", written.own["inferences"])] if written.inferences else []
        )
        click.echo(f"{docs}: {', '.join(counts)}, {len(written.frameworks)} frameworks, {written.charts} charts")
    return 0


def publish(site: str, to: str, as_json: bool, quiet: bool) -> int:  # noqa: ARG001
    """Copy the built site to where a static host takes it."""
    from harness.report.publish import publish as copy

    files = copy(Path(site), Path(to))
    click.echo(json.dumps({"path": to, "files": files}) if as_json else f"{to}: {files} files")
    return 0
