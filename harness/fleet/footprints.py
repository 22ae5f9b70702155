"""Footprints as the fleet's work: what a host needs to measure one, and how it does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.catalogs.frameworks import DEFAULT_VARIANT
from harness.engines import host
from harness.engines.choice import open_engine
from harness.engines.sandbox import Engine
from harness.engines.slot import Slot
from harness.fleet.task import DOCKER, Done, Task, on_host
from harness.job import Job, iso_instant
from harness.packages.index import Index, cache_folder
from harness.packages.lock import LockStore
from harness.packages.sources import index_for
from harness.packages.tools import uv_from
from harness.progress import Progress, Silent
from harness.stages import footprint
from harness.stages.footprint import Built, Settings, Workshop


@dataclass(frozen=True)
class Weigh:
    """What is to be weighed, and where its wheels come from."""

    job: Job
    index: str | None = None
    """Name of an index that each host's user configures; None: the usual one."""
    host_id: str | None = None
    """The host that it must be measured on; None: any."""

    @property
    def slug(self) -> str:
        return self.job.slug

    @property
    def needs(self) -> frozenset[str]:
        """What its host must have."""
        docker = {DOCKER} if self.job.engine == "docker" else set[str]()
        return frozenset(docker | ({on_host(self.host_id)} if self.host_id is not None else set()))

    @property
    def subject(self) -> str:
        """What is weighed."""
        return str(self.job.request) + ("" if self.job.variant == DEFAULT_VARIANT else f" ({self.job.variant})")

    @property
    def traits(self) -> tuple[str, str, str]:
        """How: Python, day, installer."""
        return f"Python {self.job.target.python_version}", iso_instant(self.job.as_of), self.job.installer


@dataclass(frozen=True)
class Footprints:
    """Measuring footprints, wherever it is done."""

    settings: Settings
    engine: str | None = None
    """`docker` or `venv`; None: whichever answers."""
    index_url: str | None = None
    """None: each host's own."""
    locks: Path | None = None
    """Where locks are kept on the host that stores records; None on others, which keep theirs with their cache."""
    own_memory: bool = False
    """Each host's own usual limit of memory, instead of that of the settings."""
    slot: Slot = field(default_factory=Slot)

    @contextmanager
    def open(self, say: Callable[[str], None]) -> Iterator[FootprintBench]:
        """See `Work`."""
        cache = cache_folder()
        with ExitStack() as stack:
            get_uv = uv_from(index_for(None, self.index_url), cache, Silent())
            engine, work = stack.enter_context(open_engine(self.engine, cache, say, get_uv))
            locks = LockStore(self.locks if self.locks is not None else cache / "locks")
            settings = self.settings
            if self.own_memory:
                settings = replace(settings, limits=replace(settings.limits, memory_bytes=host.usual_memory_limit()))
            yield FootprintBench(self, settings, engine, cache, work, locks)

    def lost(self, task: Task, reason: str) -> Done:
        """See `Work`."""
        return Done((footprint.lost(task.what.job, self.settings, "fleet", reason),))

    def refused(self, task: Task, reason: str) -> Done:  # noqa: ARG002
        """See `Work`."""
        return Done(failure=reason)


@dataclass
class FootprintBench:
    """An open engine with what it is used with."""

    work: Footprints
    settings: Settings
    """With this host's limits."""
    engine: Engine
    cache: Path
    folder: Path
    """For what is unfinished."""
    locks: LockStore
    _indexes: dict[str | None, Index] = field(default_factory=dict)
    _preparing: threading.Lock = field(default_factory=threading.Lock)

    def build(self, task: Task, progress: Progress) -> Built:
        """See `Bench`."""
        weigh: Weigh = task.what
        shop = self._workshop(weigh, progress)
        with self._preparing:  # a base image and tools are had once, not once a thread
            footprint.prepare(weigh.job, shop)
        return footprint.build(weigh.job, shop, self.settings)

    def time(self, task: Task, built: Built, progress: Progress) -> Done:
        """See `Bench`."""
        record = footprint.time(built, self._workshop(task.what, progress), self.settings)
        return Done((record,), ((built.job, built.lock),) if built.lock is not None else ())

    def _workshop(self, weigh: Weigh, progress: Progress) -> Workshop:
        with self._preparing:
            if weigh.index not in self._indexes:
                self._indexes[weigh.index] = index_for(weigh.index, self.work.index_url)
        index = self._indexes[weigh.index]
        return Workshop(self.engine, index, self.cache, self.folder, self.locks, progress, self.work.slot)
