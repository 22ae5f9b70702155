"""`harness sweep`: what is to be done, and what was."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, time, timedelta

import click

from harness.cli.pages.layout import heading, say, table
from harness.cli.pages.words import plain
from harness.cli.render import Page, count, megabytes
from harness.documents.footprint import Record
from harness.fleet.plan import UNKNOWN, Plan, Planned
from harness.fleet.run import Ran
from harness.report.words import outcome as told_of

LISTED = 40
"""Jobs that a plan lists; more are summed up."""


def plan(found: Plan, console: Page, *, as_json: bool = False) -> None:
    """Each job with what it may download, and how that is known."""
    if as_json:
        click.echo(json.dumps([_as_json(one) for one in found.jobs], indent=1))
        return
    shown = found.jobs[:LISTED]
    table(console, ("job", "Python", "as of", "with", ">download", "known by"), (_cells(one) for one in shown))
    if rest := found.jobs[LISTED:]:
        say(console, f"and {count(len(rest), 'more job')}")
    say(console, f"{headline(found)}.", "bold")
    say(console)


def headline(found: Plan) -> str:
    """`12 jobs, 2 of them recorded already; 10 to be measured, about 340 MB to download`."""
    told = count(len(found.jobs), "job")
    if found.done:
        told += f", {len(found.done)} of them recorded already"
    if not found.to_do:
        return f"{told}; nothing to be done"
    told += f"; {len(found.to_do)} to be measured"
    if all(one.estimate.known_by == "nothing" for one in found.to_do):
        return told
    unsure = sum(one.estimate.known_by == "own wheel" for one in found.to_do)
    told += f", {'at least' if unsure else 'about'} {megabytes(found.download_bytes)} to download"
    return told + (
        f" ({unsure} told by their own wheel alone; `harness forecast NAME --with-deps` tells the rest)"
        if unsure
        else ""
    )


def ran(done: Ran, console: Page) -> None:
    """How each job ended, and what was left out."""
    counts = Counter(one.status for one in done.records)
    told = ", ".join(
        f"{counts[status]} {status}" for status in ("ok", "failed", "unsupported", "skipped") if counts[status]
    )
    say(console, f"{count(len(done.records), 'record')} in {done.seconds:,.0f} s{f': {told}' if told else ''}", "bold")
    for one in done.records:
        if one.status != "ok":
            name = one.framework if isinstance(one, Record) else f"{one.model.name} on {one.runtime}"
            say(console, plain(f"{name} {one.version}, Python {one.python}: {told_of(one)}"), "red")
    for slug, why in done.failures.items():
        say(console, plain(f"{slug}: no record: {why}"), "red")
    if done.left_out:
        heading(console, "left out")
        for slug, why in done.left_out.items():
            say(console, plain(f"{slug}: {why}"))


def _cells(one: Planned) -> tuple[str, ...]:
    python, instant, how = one.what.traits
    size = megabytes(one.estimate.bytes) if one.estimate.parts else "-"
    cost = ("recorded", "") if one.record_id else (size, "" if one.estimate == UNKNOWN else one.estimate.known_by)
    return one.what.subject, python.removeprefix("Python "), _typed(instant), how, *cost


def _typed(instant: str) -> str:
    """What gives an as-of instant: the midnight with which a day ends is that day."""
    at = datetime.fromisoformat(instant)
    return str((at - timedelta(days=1)).date()) if at.time() == time() else instant


def _as_json(one: Planned) -> dict[str, object]:
    return {
        "job": one.slug,
        "needs": sorted(one.what.needs),
        "record": one.record_id,
        "download_bytes": None if one.record_id or one.estimate == UNKNOWN else one.estimate.bytes,
        "known_by": None if one.record_id else one.estimate.known_by,
    }
