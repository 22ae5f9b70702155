"""`harness sweep` and `harness worker`: many jobs, on this machine or on many."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from harness.catalogs import runtimes
from harness.catalogs.frameworks import DEFAULT, load, stranger
from harness.catalogs.models import OPSETS
from harness.catalogs.runtimes import Runtime
from harness.cli import boards
from harness.cli import progress as looks
from harness.cli.fleet import Crew, Options, crew, planner, tls
from harness.cli.infer import USUAL
from harness.cli.pages import plans as pages
from harness.cli.render import Page
from harness.documents.inference import TRACKS, Protocol
from harness.engines import host
from harness.errors import InputError
from harness.fleet import matrix
from harness.fleet.matrix import Combination, Heat, Matrix
from harness.fleet.planning import Planner, midnight
from harness.fleet.races import Race, Races, line_up
from harness.fleet.run import Ran, run
from harness.fleet.task import DOCKER, Work
from harness.job import Python, Target
from harness.parsing import parse_choice, parse_count
from harness.stages import inference

TIMING = {"warmup_runs": 10, "warmup_seconds": 1.0, "seconds": 3.0}
"""The protocol of `harness infer`, where nobody says otherwise."""
MOST_THREADS = 1024
"""Of a far machine, which is asked only when it runs."""


def sweep(
    frameworks: Sequence[str],
    matrix_file: Path | None,
    variant: Sequence[str],
    python: Sequence[str],
    as_of: Sequence[str],
    installer: Sequence[str],
    models: Sequence[str],
    runtime: Sequence[str],
    threads: Sequence[str],
    track: Sequence[str],
    rounds: str,
    runs: str,
    wheelhouse: str | None,
    plan_only: bool,
    retry_failed: bool,
    anyway: bool,
    progress: str,
    options: Options,
    results: str,
    as_json: bool,
    quiet: bool,
) -> int:
    """Plan, show the plan, do it; returns the exit status."""
    now = datetime.now(UTC)
    axes = {"framework": frameworks, "variant": variant, "python": python, "as_of": as_of, "installer": installer}
    axes |= {"model": models, "runtime": runtime, "threads": threads, "track": track}
    given = {name: list(values) for name, values in axes.items() if values}
    if matrix_file is not None and given:
        raise InputError(
            f"a matrix is given, and {', '.join(sorted(given)).replace('_', '-')} beside it",
            tip="write it into the file",
        )
    asked = matrix.read(matrix_file) if matrix_file is not None else Matrix.model_validate(given)
    cells = matrix.heats(asked, now, midnight(now)) if asked.model else matrix.combine(asked, now, midnight(now))
    names = dict.fromkeys(cell.request.name for cell in cells if isinstance(cell, Combination))
    strangers = load(options.catalog_file or DEFAULT).check_names(names, anyway=anyway)
    party = crew(options, Path(results))
    work: Work = party.work
    if asked.model:
        work = _races(
            party,
            Protocol(**TIMING, rounds=_count(rounds, "rounds", 100), runs=_count(runs, "runs", 10**6)),
            wheelhouse,
        )
    watch = boards.choose(progress, quiet=quiet)
    with looks.choose(quiet=quiet or progress == "json") as shows:
        maker = planner(options, Path(results), shows, named=bool(asked.python))
        maker.store.prepare()
        for name in strangers:
            shows.note(stranger(name))
        shows.phase("plan", f"{len(cells)} combinations")
        if asked.model:
            races = [race for cell in cells if isinstance(cell, Heat) for race in _line_up(cell, asked, maker, party)]
            plan = maker.races(races, retry_failed=retry_failed)
        else:
            plan = maker.sweep([cell for cell in cells if isinstance(cell, Combination)], retry_failed=retry_failed)
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
                work,
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
    elif plan.to_do:
        pages.ran(ran, Page())
    if ran.failures or any(one.status not in ("ok", "skipped") for one in ran.records):
        return 1
    return 3 if ran.left_out else 0


def _races(party: Crew, protocol: Protocol, wheelhouse: str | None) -> Races:
    work = party.work
    return Races(
        inference.Settings(protocol, work.settings.limits),
        work.engine,
        work.index_url,
        Path(wheelhouse) if wheelhouse is not None else None,
        work.locks,
        work.own_memory,
    )


def _line_up(heat: Heat, asked: Matrix, maker: Planner, party: Crew) -> list[Race]:
    """The races of one model: on CPUs all runtimes together, on a GPU each by itself."""
    known = runtimes.load()
    anchor = next(iter(known.values()))
    cores = len(host.physical_cpus()) if party.options.scheduler is None else MOST_THREADS
    counts = runtimes.parse_threads(" ".join(asked.threads) or "1", cores)
    for one in asked.track:
        parse_choice(one, name="track", among=TRACKS)
    return [
        Race(
            model=heat.model,
            runtimes=together,
            tracks=tuple(one for one in TRACKS if one in asked.track or not asked.track),
            threads=counts,
            target=Target(heat.python or _usual(together, heat, maker), maker.platform),
            as_of=heat.as_of,
            engine=maker.engine,
            opset=OPSETS[0],
        )
        for together in line_up(runtimes.parse_runtimes(asked.runtime or USUAL, known), anchor)
    ]


def _usual(runtimes: Sequence[Runtime], heat: Heat, maker: Planner) -> Python:
    return maker.usual_python([request for one in runtimes for request in one.requires], None, heat.as_of)


def _count(text: str, name: str, high: int) -> int:
    return parse_count(text, name=name, low=1, high=high)


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
