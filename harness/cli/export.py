"""`harness export`: have the models that are timed, or take in one of the user's own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from harness import parsing
from harness.catalogs import models as catalog
from harness.cli.commands import parse_limits
from harness.cli.infer import open_bench
from harness.cli.pages.layout import say, table
from harness.cli.pages.words import plain
from harness.cli.render import Page, megabytes
from harness.errors import InputError
from harness.packages.index import cache_folder
from harness.stages import export as stage
from harness.stages.inference import ModelFiles


def export(
    models: Sequence[str],
    from_file: Path | None,
    shape: Sequence[str],
    opset: str,
    seed: str,
    python: str | None,
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
    """Have models on disk, and tell where; returns the exit status."""
    parsing.parse_choice(opset, name="opset", among=catalog.OPSETS)
    number = parsing.parse_count(seed, name="seed", low=0, high=catalog.MAX_SEED)
    limits = parse_limits(memory, timeout)
    shapes = catalog.parse_shapes(shape)
    if from_file is None:
        if shapes:
            raise InputError("a shape is for a model of your own", tip="add --from path.onnx")
        stage.check_names(models, cache_folder())
    elif models:
        raise InputError("models of the zoo and --from are two commands", tip="run one after the other")
    else:
        stage.check_file(from_file)
    with open_bench(
        engine=engine,
        python=python,
        as_of=None,
        wheelhouse=wheelhouse,
        offline=offline,
        index_url=index_url,
        results=Path(results),
        quiet=quiet,
    ) as bench:
        target = bench.context.target
        if from_file is None:
            found = stage.ensure(models, opset=opset, shop=bench.shop, target=target, seed=number, limits=limits)
        else:
            own = stage.take_in(from_file, shapes, shop=bench.shop, target=target, seed=number, limits=limits)
            found = (own,)
    manifests = [catalog.read_manifest(one.folder) for one in found]
    if as_json:
        told = [{"folder": str(one.folder), **json.loads(m.to_json())} for one, m in zip(found, manifests, strict=True)]
        click.echo(json.dumps(told, indent=1))
    else:
        show(found, manifests, asked=None if from_file else int(opset))
    return 0


def show(found: Sequence[ModelFiles], manifests: Sequence[catalog.Manifest], *, asked: int | None) -> None:
    """A table of the models, and where their files are.

    Args:
        asked: the opset that was asked for.
    """
    console = Page()
    rows = [
        (one.name, str(one.opset), megabytes(one.bytes), f"{one.parameters:,}", f"{one.nodes:,}", one.sha256[:12])
        for one in manifests
    ]
    table(console, ("model", ">opset", ">size", ">parameters", ">nodes", "sha256"), rows)
    say(console)
    for files, one in zip(found, manifests, strict=True):
        say(console, plain(f"{one.name}: {files.folder}"))
        if asked is not None and one.opset != asked:
            say(console, plain(f"{one.name}: the file has opset {one.opset}, not {asked}"), "yellow")
        if one.warning:
            say(console, plain(f"{one.name}: {one.warning}"), "yellow")
