"""`harness charts`: records, forecasts and inference records in, pictures out."""

from __future__ import annotations

import json
from pathlib import Path

import click

from harness.archive.store import Forecasts, Inferences, Records
from harness.cli import progress as looks
from harness.cli.render import counted
from harness.errors import EnvironmentLacksError, InputError


def charts(results: str, out: str | None, as_json: bool, quiet: bool) -> int:
    """Draw every chart of the user's own documents and the published ones.

    Raises:
        EnvironmentLacksError: what draws them is not installed.
        InputError: there is nothing to draw, or no room to write.
    """
    place = Path(results)
    store, shelf, timings = Records(place, both=True), Forecasts(place, both=True), Inferences(place, both=True)
    folder = Path(out) if out is not None else store.results / "charts"
    with looks.choose(quiet=quiet) as shows:
        records = list(store.all(lambda path, why: shows.note(f"left out, not a valid record: {path.name}: {why}")))
        forecasts = list(shelf.all(lambda path, why: shows.note(f"left out, no valid forecast: {path.name}: {why}")))
        inferences = list(
            timings.all(lambda path, why: shows.note(f"left out, no valid inference record: {path.name}: {why}"))
        )
        if not records and not forecasts and not inferences:
            raise InputError(
                f"there is no record in {' or '.join(map(str, store.folders))}, and no forecast beside it",
                tip="measure something: harness measure torch, or forecast it: harness forecast torch --releases",
            )
        try:
            from harness.report.charts import FORMATS, write_all
            from harness.report.drawing.style import THEMES
        except ModuleNotFoundError as error:
            raise EnvironmentLacksError(
                f"drawing charts needs {error.name}", tip="call `make charts`, or install footprint-harness[report]"
            ) from None
        own = {
            "records": len(store.own(records)),
            "forecasts": len(shelf.own(forecasts)),
            "inferences": len(timings.own(inferences)),
        }
        drawn = write_all(records, folder, forecasts=forecasts, inferences=inferences, progress=shows)
    if as_json:
        listed = [{"name": one.name, "title": one.title, "alt": one.alt, "framework": one.framework} for one in drawn]
        click.echo(json.dumps({"folder": str(folder), "own": own, "charts": listed}, indent=1))
    else:
        for one in drawn:
            click.echo(f"{folder / one.name}-{{{','.join(theme.name for theme in THEMES)}}}.{{{','.join(FORMATS)}}}")
        told = [counted(len(records), "records", own["records"])]
        told += [counted(len(forecasts), "forecasts", own["forecasts"])] if forecasts else []
        told += [counted(len(inferences), "inference records", own["inferences"])] if inferences else []
        click.echo(f"{folder}: {len(drawn)} charts of {', '.join(told)}")
    return 0
