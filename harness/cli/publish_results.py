"""`harness publish-results`: a user's own documents to the published place."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from harness.archive import publication, tables
from harness.archive.store import PUBLISHED
from harness.cli import progress as looks
from harness.cli.render import count
from harness.documents.kinds import Kind

NEXT = "make charts PUBLISH=1"


def publish_results(record: Sequence[str], results: str, as_json: bool, quiet: bool) -> int:
    """Copy, rebuild the published tables, and say what comes next; 1 where one of the user's own was left out."""
    place = Path(results) / PUBLISHED
    plan = publication.plan(Path(results), record)
    with looks.choose(quiet=quiet) as shows:

        def invalid(kind: Kind[Any], path: Path, why: str) -> None:
            shows.note(f"left out, not a valid {kind}: {path.name}: {why}")

        shows.phase("publish", str(place))
        for path, why in plan.left_out.items():
            shows.note(f"left out: {path.name}: {why}")
        done = publication.publish(plan.copies)
        if done.documents or done.others:
            shows.phase("tables", str(place))
            tables.rebuild_all(place, invalid)
    if as_json:
        told = {
            "documents": list(map(str, done.documents)),
            "others": list(map(str, done.others)),
            "there": list(map(str, done.there)),
            "left_out": {str(path): why for path, why in plan.left_out.items()},
        }
        click.echo(json.dumps(told, indent=1))
    else:
        for path in (*done.others, *done.documents):
            click.echo(path)
        before = f", {len(done.there)} published before" if done.there else ""
        click.echo(f"{place}: {count(len(done.documents), 'new document')}{before}")
        if done.documents:
            click.echo(f"next: {NEXT}")
    return 1 if plan.left_out else 0
