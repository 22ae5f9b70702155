"""`harness providers`: ask runtimes what they offer here, and what really runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from harness.archive import tables
from harness.archive.store import ProviderReports
from harness.catalogs import runtimes as catalog
from harness.cli.commands import parse_limits
from harness.cli.infer import open_bench
from harness.cli.pages import offers
from harness.cli.render import Page
from harness.documents.providers import ProviderReport
from harness.stages import providers as stage


def providers(
    runtime: Sequence[str],
    python: str | None,
    as_of: str | None,
    engine: str | None,
    wheelhouse: str | None,
    offline: bool,
    memory: str | None,
    timeout: str,
    index_url: str | None,
    results: str,
    as_json: bool,
    quiet: bool,
) -> int:
    """Ask runtimes; 1 where one could not be asked."""
    known = catalog.load()
    chosen = catalog.parse_runtimes(runtime or tuple(known), known)
    limits = parse_limits(memory, timeout)
    shelf = ProviderReports(Path(results))
    shelf.prepare()
    found: list[ProviderReport] = []
    with open_bench(
        engine=engine,
        python=python,
        as_of=as_of,
        wheelhouse=wheelhouse,
        offline=offline,
        index_url=index_url,
        results=Path(results),
        quiet=quiet,
        runtimes=chosen,
    ) as bench:
        shows = bench.shop.progress
        for one in chosen:  # one at a time: a runtime with its CUDA takes gigabytes
            with bench.places([one], require_gpu=False) as places:
                for report in stage.ask(places, bench.context, limits):
                    shelf.add(report)
                    found.append(report)
        tables.rebuild(shelf, lambda path, why: shows.note(f"left out: {path.name}: {why}"))
    if as_json:
        click.echo(json.dumps([one.model_dump(mode="json") for one in found], indent=1))
    else:
        offers.offers(found, Page())
    return 0 if all(any(line.offered is not None for line in one.providers) for one in found) else 1
