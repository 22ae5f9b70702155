"""What each command does: wires values, engines and archive together, and prints."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from harness import job, parsing
from harness.archive import compare
from harness.archive import tables as csv_tables
from harness.archive.store import LOCKS, ORIGINS, Records, places
from harness.catalogs.frameworks import DEFAULT, Catalog, load, stranger
from harness.cli import progress as looks
from harness.cli import render
from harness.documents import footprint as record
from harness.documents.footprint import METHODS
from harness.documents.kinds import Kind
from harness.engines import host
from harness.engines.choice import ENGINES, open_engine
from harness.engines.sandbox import Engine, Limits
from harness.errors import EnvironmentLacksError, InputError
from harness.packages.index import Index, cache_folder
from harness.packages.lock import LockStore
from harness.packages.release import first_python, has_wheel, pin
from harness.packages.sources import index_for
from harness.packages.tools import uv_from
from harness.stages import footprint


@dataclass(frozen=True)
class House:
    """What commands that measure share."""

    cache: Path
    catalog: Catalog
    store: Records
    shows: looks.Lines | looks.Live

    def warn_invalid(self, path: Path, why: str) -> None:
        self.shows.note(f"left out, not a valid record: {path.name}: {why}")


def parse_limits(memory: str | None, timeout: str) -> Limits:
    """Limits of one run.

    Raises:
        InputError: a size or a number of seconds is not one.
    """
    size = parsing.parse_bytes(memory, name="memory") if memory is not None else host.usual_memory_limit()
    return Limits(seconds=parsing.parse_seconds(timeout, name="timeout"), memory_bytes=size)


def measure(
    frameworks: Sequence[str],
    python: str | None,
    variant: str,
    as_of: str | None,
    engine: str | None,
    installer: str,
    repeats: str,
    import_package: str | None,
    memory: str | None,
    timeout: str,
    relock: bool,
    keep: bool,
    anyway: bool,
    index_url: str | None,
    catalog_file: Path | None,
    results: str,
    as_json: bool,
    quiet: bool,
) -> int:
    """Measure each request; returns the exit status."""
    now = datetime.now(UTC)
    requests = job.parse_requests(frameworks)
    catalog = load(catalog_file or DEFAULT)
    strangers = catalog.check_names((request.name for request in requests), anyway=anyway)
    version = job.parse_python(python) if python is not None else None
    instant = job.parse_as_of(as_of, now) if as_of is not None else job.default_as_of(now)
    parsing.parse_choice(installer, name="installer", among=job.INSTALLERS)
    if engine is not None:
        parsing.parse_choice(engine, name="engine", among=ENGINES)
    settings = footprint.Settings(
        repeats=parsing.parse_count(repeats, name="repeats", low=1, high=1000),
        limits=parse_limits(memory, timeout),
        relock=relock,
        keep=keep,
    )
    if import_package is not None:
        job.parse_import_package(import_package)
    builds = {request: catalog.variant(request.name, variant) for request in requests}
    store = Records(Path(results))
    store.prepare()
    cache = cache_folder()
    found: list[record.Record] = []
    with looks.choose(quiet=quiet) as shows:
        house = House(cache, catalog, store, shows)
        jobs = []
        for name in strangers:
            shows.note(stranger(name))
        for request in requests:
            index = index_for(builds[request].index, index_url)
            shows.phase("plan", str(request))
            asked = replace(request, extras=tuple(sorted({*request.extras, *builds[request].extras})))
            pinned = pin(asked, index=index, as_of=instant, known=catalog.frameworks, local=builds[request].local)
            if request.version is None:
                shows.note(f"{request.name}: the newest final release is {pinned.version}")
            jobs.append((pinned, index))
        get_uv = uv_from(index_for(None, index_url), cache, shows)
        with open_engine(engine, cache, shows.note, get_uv) as (runner, work):
            for pinned, index in jobs:
                target = _target(version, runner, pinned, index, instant, shows.note)
                one = job.Job(
                    request=pinned,
                    target=target,
                    variant=variant,
                    as_of=instant,
                    installer=installer,
                    engine=runner.name,
                    import_package=import_package or catalog.import_package(pinned.name),
                )
                runner.facts(target)  # an engine that cannot measure the target at all is told before a record is made
                workshop = footprint.Workshop(runner, index, cache, work, LockStore(store.results / LOCKS), shows)
                outcome = footprint.measure(one, workshop, settings)
                path = store.add(outcome)
                csv_tables.rebuild(store, house.warn_invalid)
                shows.phase("record", str(path))
                found.append(outcome)
    show(found, as_json=as_json)
    return 0 if all(one.status in ("ok", "skipped") for one in found) else 1


def _target(
    python: job.Python | None,
    runner: Engine,
    request: job.Request,
    index: Index,
    as_of: datetime,
    say: Callable[[str], None],
) -> job.Target:
    """The Python that was asked for, or the first usual one that the request has a wheel for."""
    platform = f"linux_{os.uname().machine}"
    if python is None:

        def fits(version: job.Python) -> bool:
            return has_wheel(request, job.Target(version, platform), index=index, as_of=as_of)

        python = first_python(runner.usual_pythons(), fits, of=str(request), say=say)
    return job.Target(python, platform)


def show(records: Sequence[record.Record], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([one.model_dump(mode="json") for one in records], indent=1))
    else:
        render.footprints(records, render.Page())


def replay(
    record: str,
    engine: str | None,
    memory: str | None,
    timeout: str,
    index_url: str | None,
    catalog_file: Path | None,
    results: str,
    as_json: bool,
    quiet: bool,
) -> int:
    """Measure again from the record's lock; 0 where the sizes are equal, 3 where not."""
    store = Records(Path(results), both=True)
    before = store.read(record)
    if before.lock_sha256 is None:
        raise InputError(f"{before.record_id} has no lock: it ended in {before.phase}", tip="measure it instead")
    if before.methods != METHODS:
        raise InputError(f"{before.record_id} was measured by other methods: {before.methods}", tip=f"now: {METHODS}")
    locks = LockStore(*(place / LOCKS for place in store.places))
    lock = locks.by_sha256(before.lock_sha256)
    if engine is not None:
        parsing.parse_choice(engine, name="engine", among=ENGINES)
    limits = parse_limits(memory, timeout)
    catalog = load(catalog_file or DEFAULT)
    build = catalog.variant(before.framework, before.variant)
    index = index_for(build.index, index_url)
    cache = cache_folder()
    asked = job.job_of(before)
    with (
        looks.choose(quiet=quiet) as shows,
        open_engine(engine or before.engine, cache, shows.note, uv_from(index_for(None, index_url), cache, shows)) as (
            runner,
            work,
        ),
    ):
        one = replace(asked, engine=runner.name)
        runner.facts(one.target)
        settings = footprint.Settings(repeats=max(1, len(before.samples.warm)), limits=limits)
        workshop = footprint.Workshop(runner, index, cache, work, locks, shows)
        after = footprint.measure(one, workshop, settings, lock=lock)
    found = compare.replay(before, after)
    if as_json:
        lines = [
            {"figure": line.figure, "record": line.before, "replay": line.after, "exact": line.exact}
            for line in found.lines
        ]
        click.echo(
            json.dumps(
                {
                    "record_id": before.record_id,
                    "origin": store.origin(before),
                    "faithful": found.faithful,
                    "same_outcome": found.same_outcome,
                    "figures": lines,
                },
                indent=1,
            )
        )
    else:
        render.replayed(before, found, ORIGINS[store.origin(before)], render.Page())
        if not found.same_outcome:
            click.echo(f"replay: {after.status} {after.phase or ''} {after.reason or ''}")
    return 0 if found.faithful else 3


def images(python: Sequence[str], source: str | None, as_json: bool, quiet: bool) -> int:
    """Pull or build base images."""
    from harness.engines import docker
    from harness.engines import images as bases

    if source is not None:
        parsing.parse_choice(source, name="source", among=("registry", "debian"))
    wanted = [".".join(map(str, job.parse_python(text))) for text in python]
    client = docker.connect()
    if client is None:
        raise EnvironmentLacksError("no Docker API answers", tip="start Docker or Podman, or set DOCKER_HOST")
    known, engine = bases.bases(), docker.Images(client)
    done: dict[str, str] = {}
    with looks.choose(quiet=quiet) as shows:
        for version in wanted or [v for v, base in known.items() if base.debian]:
            base = known[version]
            shows.phase("image", f"Python {version}")
            if source == "debian":
                done[version] = bases.build_debian(engine, base, say=shows.note)
            elif source == "registry":
                engine.pull(base.registry)
                done[version] = base.registry
            else:
                target = job.Target(job.parse_python(version))
                done[version], _ = bases.ensure(engine, target, say=shows.note)
    if as_json:
        click.echo(json.dumps(done, indent=1))
    else:
        for version, reference in done.items():
            click.echo(f"Python {version}: {reference}")
    return 0


def catalog(catalog_file: Path | None, as_json: bool, quiet: bool) -> int:  # noqa: ARG001
    """List the catalog."""
    known = load(catalog_file or DEFAULT).frameworks
    if as_json:
        listed: dict[str, Any] = {name: entry.model_dump(by_alias=True) for name, entry in known.items()}
        click.echo(json.dumps(listed, indent=1))
        return 0
    from rich.box import MARKDOWN
    from rich.table import Table

    table = Table(box=MARKDOWN)
    for column in ("framework", "imported as", "variants"):
        table.add_column(column)
    for name, entry in known.items():
        table.add_row(name, entry.import_package, ", ".join(["pypi", *sorted(entry.variant)]))
    render.print_table(table, render.Page())
    return 0


def tables(results: str, as_json: bool, quiet: bool) -> int:
    """Rebuild the tables: the user's own, and the published ones."""
    folder = Path(results)
    paths: list[Path] = []
    with looks.choose(quiet=quiet) as shows:

        def invalid(kind: Kind[Any], path: Path, why: str) -> None:
            shows.note(f"left out, not a valid {kind}: {path.name}: {why}")

        for place in [one for one in places(folder) if csv_tables.has_any(one)] or [folder]:
            Records(place).prepare()
            shows.phase("tables", str(place))
            paths += csv_tables.rebuild_all(place, invalid)
    rows = {path: sum(1 for _ in path.open()) - 1 for path in paths}
    if as_json:
        told = [{"path": str(path), "rows": count} for path, count in rows.items()]
        click.echo(json.dumps(told[0] | {"tables": told}))  # the first is that of the records, as it ever was
    else:
        for path, count in rows.items():
            click.echo(f"{path}: {count} rows")
    return 0
