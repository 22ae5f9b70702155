"""`harness sweep` and `harness worker`: many jobs, on this machine or on many."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from harness.cli import boards
from harness.cli import progress as looks
from harness.cli.fleet import Options, crew, planner, tls
from harness.cli.pages import plans as pages
from harness.cli.render import Page
from harness.errors import InputError
from harness.fleet import matrix
from harness.fleet.matrix import Matrix
from harness.fleet.planning import midnight
from harness.fleet.run import Ran, run
from harness.fleet.task import DOCKER


def sweep(
    frameworks: Sequence[str],
    matrix_file: Path | None,
    variant: Sequence[str],
    python: Sequence[str],
    as_of: Sequence[str],
    installer: Sequence[str],
    plan_only: bool,
    retry_failed: bool,
    progress: str,
    options: Options,
    results: str,
    as_json: bool,
    quiet: bool,
) -> int:
    """Plan, show the plan, do it; returns the exit status."""
    now = datetime.now(UTC)
    axes = {"framework": frameworks, "variant": variant, "python": python, "as_of": as_of, "installer": installer}
    given = {name: list(values) for name, values in axes.items() if values}
    if matrix_file is not None and given:
        raise InputError(
            f"a matrix is given, and {', '.join(sorted(given)).replace('_', '-')} beside it",
            tip="write it into the file",
        )
    asked = matrix.read(matrix_file) if matrix_file is not None else Matrix.model_validate(given)
    combinations = matrix.combine(asked, now, midnight(now))
    party = crew(options, Path(results))
    watch = boards.choose(progress, quiet=quiet)
    with looks.choose(quiet=quiet or progress == "json") as shows:
        maker = planner(options, Path(results), shows)
        maker.store.prepare()
        shows.phase("plan", f"{len(combinations)} combinations")
        plan = maker.sweep(combinations, retry_failed=retry_failed)
    if not as_json or plan_only:
        pages.plan(plan, Page(), as_json=as_json)
    if plan_only:
        return 0
    ran = Ran()
    if plan.to_do:
        with party.executor(plan) as executor, watch:
            watch.begin(plan)
            ran = run(
                plan,
                executor,
                party.work,
                maker.store,
                budget=party.budget,
                heavy_first=party.parallel,
                tell=watch.tell,
            )
    if as_json:
        told = {
            "records": [one.model_dump(mode="json") for one in ran.records],
            "had": [one.record_id for one in plan.done],
            "left_out": ran.left_out,
            "seconds": round(ran.seconds, 3),
        }
        click.echo(json.dumps(told, indent=1))
    else:
        pages.ran(ran, Page())
    if any(one.status not in ("ok", "skipped") for one in ran.records):
        return 1
    return 3 if ran.left_out else 0


def worker(
    address: str, name: str | None, tls_ca: str | None, tls_cert: str | None, tls_key: str | None, quiet: bool
) -> int:
    """Be a worker until the scheduler closes."""
    from harness.fleet import cluster

    trust = tls(tls_ca, tls_cert, tls_key)
    with looks.choose(quiet=quiet) as shows:
        has = cluster.here()
        shows.note(f"this machine has {', '.join(sorted(has)) or 'no container engine and no GPU'}")
        if DOCKER not in has:
            shows.note("it takes no job that needs a container engine")
        shows.phase("work", f"for {address}")
        cluster.work_for(address, trust, name, has)
    return 0
