"""`harness infer`: wire models, runtimes, engine and archive together, and print."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from harness import job, parsing
from harness.archive import tables
from harness.archive.store import LOCKS, Inferences
from harness.catalogs import runtimes as catalog
from harness.catalogs.models import OPSETS
from harness.catalogs.runtimes import Runtime
from harness.cli import progress as looks
from harness.cli.commands import parse_limits
from harness.cli.pages import inferences as pages
from harness.cli.render import Page
from harness.documents.inference import TRACKS, Inference, Protocol, Track
from harness.engines import host
from harness.engines.choice import ENGINES, open_engine
from harness.engines.sandbox import Sandbox
from harness.errors import InputError
from harness.packages import environment
from harness.packages.carried import Carried
from harness.packages.environment import Prepared, Shop
from harness.packages.index import cache_folder
from harness.packages.lock import LockStore
from harness.packages.release import first_python, has_wheel
from harness.packages.sources import index_for
from harness.packages.tools import uv_from
from harness.stages import export, inference
from harness.stages.inference import Context, Place

TRACK_WORDS: dict[str, tuple[Track, ...]] = {"both": TRACKS, **{track: (track,) for track in TRACKS}}
USUAL = ("onnxruntime", "openvino")
"""Runtimes where none is named."""


@dataclass(frozen=True)
class Bench:
    """What commands that run runtimes share."""

    shop: Shop
    context: Context

    @contextmanager
    def places(self, runtimes: Sequence[Runtime], *, require_gpu: bool = True) -> Iterator[dict[str, Place]]:
        """A sandbox for each runtime, with the runtime in it.

        Args:
            require_gpu: a runtime for a GPU is skipped where there is none.
        """

        def prepare(one: Runtime, sandbox: Sandbox) -> Prepared:
            return environment.prepare(one.requires, self.context.target, self.context.as_of, sandbox, self.shop)

        with ExitStack() as stack:
            yield inference.open_places(runtimes, stack, self.context, prepare, require_gpu=require_gpu)


@contextmanager
def open_bench(
    *,
    engine: str | None,
    python: str | None,
    as_of: str | None,
    wheelhouse: str | None,
    offline: bool,
    index_url: str | None,
    results: Path,
    quiet: bool,
    runtimes: Sequence[Runtime] = (),
) -> Iterator[Bench]:
    """An engine, and where wheels come from.

    Args:
        runtimes: what a Python should have wheels for, where none is named and there is a choice.

    Raises:
        InputError: an option cannot be meant.
        EnvironmentLacksError: the engine that was asked for does not answer.
    """
    now = datetime.now(UTC)
    if engine is not None:
        parsing.parse_choice(engine, name="engine", among=ENGINES)
    instant = job.parse_as_of(as_of, now) if as_of is not None else job.default_as_of(now)
    asked = job.parse_python(python) if python is not None else None
    if offline and wheelhouse is None:
        raise InputError("offline, and no wheels are carried", tip="add --wheelhouse DIR")
    carried = Carried.at(Path(wheelhouse)) if wheelhouse is not None else None
    cache = cache_folder()
    index = index_for(None, index_url)
    platform = f"linux_{os.uname().machine}"
    names = ", ".join(one.name for one in runtimes) or "models"

    def fits(version: job.Python) -> bool:
        target = job.Target(version, platform)

        def has(request: job.Request) -> bool:
            local = environment.answer(request, target, carried) is not None
            return local or (not offline and has_wheel(request, target, index=index, as_of=instant))

        return all(has(request) for one in runtimes for request in one.requires)

    with (
        looks.choose(quiet=quiet) as shows,
        open_engine(engine, cache, shows.note, None if offline else uv_from(index, cache, shows)) as (runner, work),
    ):
        target = job.Target(asked or first_python(runner.usual_pythons(), fits, of=names, say=shows.note), platform)
        runner.facts(target)
        shop = Shop(
            engine=runner,
            index=index,
            cache=cache,
            work=work,
            locks=LockStore(results / LOCKS),
            progress=shows,
            carried=carried,
            offline=offline,
        )
        yield Bench(shop, Context(target, instant, runner, shows))


def infer(
    models: Sequence[str],
    runtime: Sequence[str],
    threads: str,
    track: str,
    rounds: str,
    runs: str,
    seconds: str,
    warmup_runs: str,
    warmup_seconds: str,
    spinning: bool,
    opset: str,
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
    """Time models on runtimes; returns the exit status."""
    known = catalog.load()
    chosen = catalog.parse_runtimes(runtime or USUAL, known)
    first = next(iter(known))
    anchor = next((one for one in chosen if one.name == first), known[first])
    export.check_names(models, cache_folder())
    parsing.parse_choice(opset, name="opset", among=OPSETS)
    parsing.parse_choice(track, name="track", among=tuple(TRACK_WORDS))
    counts = catalog.parse_threads(threads, len(host.physical_cpus()))
    protocol = Protocol(
        rounds=parsing.parse_count(rounds, name="rounds", low=1, high=100),
        warmup_runs=parsing.parse_count(warmup_runs, name="warmup-runs", low=1, high=100_000),
        warmup_seconds=parsing.parse_seconds(warmup_seconds, name="warmup-seconds"),
        runs=parsing.parse_count(runs, name="runs", low=1, high=1_000_000),
        seconds=parsing.parse_seconds(seconds, name="seconds"),
    )
    settings = inference.Settings(protocol, parse_limits(memory, timeout))
    shelf = Inferences(Path(results))
    shelf.prepare()
    found: list[Inference] = []
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
        context, shows = bench.context, bench.shop.progress
        files = export.ensure(models, opset=opset, shop=bench.shop, target=context.target)
        groups = inference.cells(files, chosen, anchor, TRACK_WORDS[track], counts, spinning=spinning)
        with bench.places([anchor, *(one for one in chosen if one.name != anchor.name)]) as places:
            for one in inference.measure(groups, places, context, settings):
                shelf.add(one)
                found.append(one)
                tables.rebuild(shelf, lambda path, why: shows.note(f"left out: {path.name}: {why}"))
    if as_json:
        click.echo(json.dumps([one.model_dump(mode="json") for one in found], indent=1))
    else:
        pages.inferences(found, Page())
    return 0 if all(one.status in ("ok", "skipped") for one in found) else 1
