"""`harness nightly`: what is new, measured; and a page that says what came of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from harness import job, parsing
from harness.archive import tables
from harness.archive.nights import Outcome
from harness.archive.store import Forecasts, Inferences, Nights, Records, origin_of
from harness.cli import boards
from harness.cli import progress as looks
from harness.cli.fleet import Options, crew, parse_pythons, planner
from harness.errors import InputError
from harness.fleet import nightly as nights
from harness.fleet.planning import midnight, plan_of
from harness.report import night as page


def nightly(
    frameworks: Sequence[str],
    python: Sequence[str],
    as_of: str | None,
    installer: str,
    retry_failed: bool,
    wait: bool,
    draw: bool,
    progress: str,
    options: Options,
    results: str,
    as_json: bool,
    quiet: bool,
) -> int:
    """Plan the night, or take up its plan; measure; sum up. Returns the exit status."""
    now = datetime.now(UTC)
    folder = Path(results)
    parsing.parse_choice(installer, name="installer", among=job.INSTALLERS)
    pythons = parse_pythons(python)
    instant = job.parse_as_of(as_of, now) if as_of is not None else midnight(now)
    if instant != midnight(instant):
        raise InputError(
            f"a night begins at midnight, UTC, not at {job.iso_instant(instant)}",
            tip=f"that of this day is --as-of {job.iso_instant(midnight(instant))}",
        )
    names = [request.name for request in job.parse_requests(frameworks)] if frameworks else []
    party = crew(options, folder)
    watch = boards.choose(progress, quiet=quiet)
    with nights.only_one(folder, wait=wait, say=lambda text: click.echo(text, err=True)):
        with looks.choose(quiet=quiet or progress == "json") as shows:
            maker = planner(options, folder, shows, named=bool(pythons))
            maker.store.prepare()
            unknown = [name for name in names if name not in maker.catalog.frameworks]
            if unknown:
                raise InputError(f"the catalog has no {unknown[0]!r}", tip="see harness catalog")
            shows.phase("plan", f"the night of {instant.date()}")
            night, before = nights.planned(maker, names, pythons, installer, instant, now)
            left = len(plan_of(night, maker, retry_failed=retry_failed).to_do)
            known = " (planned before)" if before else ""
            shows.note(f"{len(night.jobs)} rows{known}, {left} to be measured")
        store = maker.store

        def invalid(path: Path, why: str) -> None:
            click.echo(f"left out, not a valid record: {path.name}: {why}", err=True)

        with watch:
            outcome = nights.work_through(
                night,
                maker,
                party.executor,
                party.work,
                budget=party.budget,
                retry_failed=retry_failed,
                tell=watch.tell,
                begin=watch.begin,
                invalid=invalid,
            )
        with looks.choose(quiet=quiet or progress == "json") as shows:
            shows.phase("tables", str(folder))
            tables.rebuild_all(folder, lambda _, path, why: invalid(path, why))
            if left and draw:
                _draw(folder, shows)
        published = origin_of(folder) == "published"
        text = page.summary(outcome, nights.kept(store), datetime.now(UTC), published=published)
        path = Nights(folder).summary(night)
        path.write_text(text, encoding="utf-8")
    click.echo(json.dumps(_told(outcome, path), indent=1) if as_json else text, nl=as_json)
    return outcome.exit_status


def _draw(folder: Path, shows: looks.Lines | looks.Live) -> None:
    """All charts, where what draws them is installed."""
    try:
        from harness.report.charts import write_all
    except ModuleNotFoundError as error:
        shows.note(f"no charts: drawing them needs {error.name}; call `make charts`")
        return

    def invalid(path: Path, why: str) -> None:
        shows.note(f"left out, not valid: {path.name}: {why}")

    shows.phase("charts", str(folder / "charts"))
    write_all(
        list(Records(folder).all(invalid)),
        folder / "charts",
        forecasts=list(Forecasts(folder).all(invalid)),
        inferences=list(Inferences(folder).all(invalid)),
        progress=shows,
    )


def _told(outcome: Outcome, path: Path) -> dict[str, Any]:
    return {
        "night": outcome.night.record_id,
        "summary": str(path),
        "headline": page.headline(outcome),
        "expected": len(outcome.rows),
        "recorded": outcome.recorded,
        "records": [row.record.record_id for row in outcome.rows if row.record is not None],
        "missing": [row.job.job.slug for row in outcome.missing],
        "left_out": {row.job.job.slug: row.left_out for row in outcome.left_out},
        "unplanned": outcome.night.unplanned,
        "unsure": {one.record_id: list(figures) for one, figures in outcome.unsure},
        "failed": [one.record_id for one in outcome.ended("failed")],
        "sizes": [
            {
                "series": one.series,
                "figure": one.figure,
                "bytes": one.bytes,
                "before": one.before.record_id,
                "after": one.after.record_id,
                "parts": {
                    part.name: part.difference(one.figure)
                    for part in one.difference.parts
                    if one.figure in one.difference.attributed and part.difference(one.figure)
                },
            }
            for one in outcome.sizes
        ],
        "times": [
            {
                "figure": one.figure,
                "before_seconds": one.before_seconds,
                "after_seconds": one.after_seconds,
                "before": [each.record_id for each in one.before],
                "after": [each.record_id for each in one.after],
            }
            for one in outcome.times
        ],
        "exit_status": outcome.exit_status,
    }
