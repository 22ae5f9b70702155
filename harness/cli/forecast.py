"""`harness forecast` and `harness verify-forecast`: wire index, cache and archive together, and print."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import click

from harness import job, parsing
from harness.archive import tables
from harness.archive.store import Forecasts, identified
from harness.catalogs.frameworks import DEFAULT, Catalog, load
from harness.cli import progress as looks
from harness.cli.pages import forecasts as pages
from harness.cli.pages.forecasts import Moved
from harness.cli.render import Page
from harness.documents.forecast import Forecast, Scope
from harness.engines.owner import Owners
from harness.errors import InputError
from harness.packages.index import Index, cache_folder
from harness.packages.peek import Peek
from harness.packages.release import pin
from harness.packages.sources import index_for
from harness.packages.wheelhouse import Wheelhouse
from harness.stages import forecast as stage


@dataclass(frozen=True)
class _Question:
    """What is to be told of each framework."""

    target: job.Target
    variant: str
    as_of: datetime
    scope: Scope
    releases: bool
    pre: bool
    matrix: bool


@contextmanager
def open_workshop(index: Index, shows: looks.Lines | looks.Live, *, download: bool) -> Iterator[stage.Workshop]:
    cache = cache_folder()
    with ExitStack() as stack:
        owner = stack.enter_context(Owners(cache).enroll())
        house = stack.enter_context(Wheelhouse(cache, index, owner.folder)) if download else None
        peek = stack.enter_context(Peek(cache, index, house=house))
        yield stage.Workshop(index, peek, cache, owner.folder, shows)


def forecast(
    frameworks: Sequence[str],
    python: str | None,
    platform: str | None,
    variant: str,
    as_of: str | None,
    releases: bool,
    with_deps: bool,
    pre: bool,
    matrix: bool,
    every: bool,
    allow_download: bool,
    index_url: str | None,
    catalog_file: Path | None,
    results: str,
    as_json: bool,
    quiet: bool,
) -> int:
    """Forecast each request; returns the exit status."""
    now = datetime.now(UTC)
    catalog = load(catalog_file or DEFAULT)
    if every and frameworks:
        raise InputError("frameworks are named, and all are asked for", tip="leave out the one or the other")
    if releases and matrix:
        raise InputError("releases and platforms are two questions", tip="ask one of them at a time")
    if (pre or every) and not releases:
        raise InputError(f"--{'pre' if pre else 'all'} belongs to --releases", tip="add --releases")
    requests = job.parse_requests(list(catalog.frameworks) if every else frameworks)
    question = _Question(
        target=job.Target(
            job.parse_python(python) if python is not None else job.DEFAULT_PYTHON,
            parsing.parse_choice(platform or f"linux_{os.uname().machine}", name="platform", among=job.PLATFORMS),
        ),
        variant=variant,
        as_of=job.parse_as_of(as_of, now) if as_of is not None else job.default_as_of(now),
        scope="closure" if with_deps or not (releases or matrix) else "wheel",
        releases=releases,
        pre=pre,
        matrix=matrix,
    )
    builds = {request: catalog.variant(request.name, variant) for request in requests}
    shelf = Forecasts(Path(results))
    shelf.prepare()
    found: list[Forecast] = []
    weighed: dict[str, int] = {}
    moved, fetched = 0, set[str]()
    started = time.monotonic()
    with looks.choose(quiet=quiet) as shows:
        for name in catalog.check_names((request.name for request in requests), anyway=True):
            near = catalog.nearest(name)
            shows.note(f"{name} is not in the catalog" + (f": did you mean {near}?" if near else ""))
        for request in requests:
            build = builds[request]
            wanted = replace(request, extras=tuple(sorted({*request.extras, *build.extras})))
            index = index_for(build.index, index_url)
            with open_workshop(index, shows, download=allow_download) as workshop:
                shows.phase("plan", str(wanted))
                asks = _plan(wanted, question, index, catalog, build.local)
                shows.phase("forecast", str(wanted))
                for one in map(identified, stage.weigh(asks, workshop)):
                    shelf.add(one)
                    found.append(one)
                    weighed |= {wheel.sha256: wheel.bytes for wheel in one.wheels}
                moved += index.moved_bytes
                fetched |= workshop.peek.fetched
        tables.rebuild(shelf, lambda path, why: shows.note(f"left out, no forecast: {path.name}: {why}"))
    cost = Moved(
        round(time.monotonic() - started, 3), moved, sum(weighed.values()), len(weighed), len(weighed.keys() - fetched)
    )
    _show(found, cost, question, as_json=as_json)
    if matrix:  # a cell without a wheel is an answer
        return 1 if any(one.status == "failed" for one in found) else 0
    return 0 if all(one.status in ("ok", "skipped") for one in found) else 1


def _plan(request: job.Request, question: _Question, index: Index, catalog: Catalog, local: str) -> list[stage.Ask]:
    """What is to be weighed for one request.

    Raises:
        InputError: there is no such project, version or extra.
    """
    # of a bare name it finds the newest release, or says what was meant
    pinned = pin(request, index=index, as_of=question.as_of, known=catalog.frameworks, local=local)
    project = index.project(pinned.name)
    target, variant, as_of, scope = question.target, question.variant, question.as_of, question.scope
    if question.releases:
        return stage.releases(project, request, target, variant, as_of, scope, pre=question.pre)
    if question.matrix:
        targets = [job.Target(python, platform) for python in job.PYTHONS for platform in job.PLATFORMS]
        return stage.matrix(project, pinned, targets, variant, as_of, scope)
    return [stage.one(project, pinned, target, variant, as_of, scope)]


def _show(found: Sequence[Forecast], cost: Moved, question: _Question, *, as_json: bool) -> None:
    if as_json:
        listed = [one.model_dump(mode="json") for one in found]
        click.echo(json.dumps({"forecasts": listed, "cost": asdict(cost)}, indent=1))
        return
    console = Page()
    if question.matrix:
        pages.matrix(found, console)
    elif question.releases:
        pages.releases(found, console)
    else:
        pages.forecasts(found, console)
    pages.cost(cost, console)
