"""What `harness sweep` and `harness nightly` share: a planner, an executor, and what runs in it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import job, parsing
from harness.archive.store import LOCKS, Records
from harness.catalogs.frameworks import DEFAULT, load
from harness.cli.commands import parse_limits
from harness.engines.choice import ENGINES, open_engine
from harness.errors import InputError
from harness.fleet import cluster
from harness.fleet.cluster import Tls
from harness.fleet.footprints import Footprints
from harness.fleet.plan import Plan
from harness.fleet.planning import Planner
from harness.fleet.run import Budget
from harness.fleet.task import DOCKER, Executor
from harness.packages.index import cache_folder
from harness.packages.sources import index_for
from harness.packages.tools import uv_from
from harness.progress import Progress
from harness.stages.footprint import Settings

EXECUTORS = ("serial", "local", "dask")
MOST_BUILDS = 64


@dataclass(frozen=True)
class Options:
    """How many jobs are done, whichever they are; as they were typed."""

    engine: str | None
    executor: str
    builds: str
    workers: str
    scheduler: str | None
    tls_ca: str | None
    tls_cert: str | None
    tls_key: str | None
    repeats: str
    memory: str | None
    timeout: str
    max_time: str | None
    max_download: str | None
    index_url: str | None
    catalog_file: Path | None


@dataclass(frozen=True)
class Crew:
    """The same, understood."""

    options: Options
    work: Footprints
    budget: Budget
    builds: int
    workers: int
    tls: Tls | None

    @property
    def parallel(self) -> bool:
        """Whether several jobs are under way at a time."""
        return self.options.executor != "serial"

    @contextmanager
    def executor(self, plan: Plan) -> Iterator[Executor]:
        """Who does a plan.

        Raises:
            EnvironmentLacksError: Dask is not installed, or its scheduler does not answer.
        """
        if self.options.executor == "serial":
            from harness.fleet.executors.serial import SerialExecutor

            yield SerialExecutor()
        elif self.options.executor == "local":
            from harness.fleet.executors.local import LocalExecutor

            yield LocalExecutor(self.builds)
        else:
            address, has = self.options.scheduler, frozenset[str]().union(*(one.task.needs for one in plan.jobs))
            opened = cluster.connect(address, self.tls) if address else cluster.embedded(self.workers, has)
            try:
                with opened as client:
                    from harness.fleet.executors.dask import DaskExecutor

                    yield DaskExecutor(client)
            finally:
                if not address:  # opening an engine removes what this machine's workers left when they were ended
                    with open_engine(self.work.engine, cache_folder(), lambda _: None):
                        pass


def crew(options: Options, results: Path) -> Crew:
    """Check the options.

    Raises:
        InputError: one cannot be meant.
    """
    parsing.parse_choice(options.executor, name="executor", among=EXECUTORS)
    if options.engine is not None:
        parsing.parse_choice(options.engine, name="engine", among=ENGINES)
    if options.scheduler is not None and options.executor != "dask":
        raise InputError("a scheduler is Dask's", tip="add --executor dask")
    settings = Settings(
        repeats=parsing.parse_count(options.repeats, name="repeats", low=1, high=1000),
        limits=parse_limits(options.memory, options.timeout),
    )
    budget = Budget(
        parsing.parse_seconds(options.max_time, name="max-time") if options.max_time is not None else None,
        parsing.parse_size(options.max_download, name="max-download") if options.max_download is not None else None,
    )
    return Crew(
        options,
        # a far machine keeps locks with its cache: they come back with the records, for the one writer
        Footprints(
            settings,
            options.engine,
            options.index_url,
            locks=results / LOCKS if options.executor != "dask" else None,
            own_memory=options.memory is None,
        ),
        budget,
        parsing.parse_count(options.builds, name="builds", low=1, high=MOST_BUILDS),
        parsing.parse_count(options.workers, name="workers", low=1, high=MOST_BUILDS),
        tls(options.tls_ca, options.tls_cert, options.tls_key),
    )


def tls(ca: str | None, certificate: str | None, key: str | None) -> Tls | None:
    """What this machine proves itself with; None where nothing is given.

    Raises:
        InputError: only some of it is, or it is not there.
    """
    if (ca, certificate, key) == (None, None, None):
        return None
    if ca is None or certificate is None or key is None:
        raise InputError("TLS needs an authority, a certificate and a key", tip="give --tls-ca, --tls-cert, --tls-key")
    return Tls(Path(ca), Path(certificate), Path(key))


def _place(options: Options, progress: Progress, *, named: bool) -> tuple[str, tuple[job.Python, ...]]:
    """The engine of all jobs, and the Pythons that are usual there, best first; none where they are named.

    The engine is the one asked for, docker where a scheduler's workers are to measure, else what is here.

    Raises:
        EnvironmentLacksError: it was asked for and does not answer, or there is no Python at all.
    """
    if options.scheduler is not None:
        return options.engine or DOCKER, (job.DEFAULT_PYTHON,)
    cache = cache_folder()
    get_uv = uv_from(index_for(None, options.index_url), cache, progress)
    with open_engine(options.engine, cache, progress.note, get_uv) as (engine, _):
        return engine.name, () if named else engine.usual_pythons()


def planner(options: Options, results: Path, progress: Progress, *, named: bool) -> Planner:
    """What plans are made with.

    Args:
        named: whether the Pythons are named; else this machine is asked for the usual ones.
    """
    engine, pythons = _place(options, progress, named=named)
    return Planner(
        catalog=load(options.catalog_file or DEFAULT),
        store=Records(results),
        engine=engine,
        platform=f"linux_{os.uname().machine}",
        index_url=options.index_url,
        progress=progress,
        pythons=pythons,
    )


def parse_pythons(texts: Sequence[str]) -> list[job.Python]:
    """`3.11,3.13`, in the order of preference."""
    words = [word for text in texts for word in text.replace(",", " ").split()]
    return [job.parse_python(word) for word in words]
