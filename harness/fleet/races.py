"""Races as the fleet's work: one model on runtimes that share their rounds, on whichever host has what they need.

Exporting the model, locking and installing are the build; the rounds have the host alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from harness.catalogs.runtimes import Runtime
from harness.documents.inference import Inference, Track
from harness.engines import host
from harness.engines.choice import open_engine
from harness.engines.sandbox import Engine, Sandbox
from harness.engines.slot import Slot
from harness.errors import HarnessError
from harness.fleet.task import DOCKER, GPU, Done, Task
from harness.job import Target, compact_instant, iso_instant
from harness.packages import environment
from harness.packages.carried import Carried
from harness.packages.environment import Prepared, Shop
from harness.packages.index import Index, cache_folder
from harness.packages.lock import LockStore
from harness.packages.sources import index_for
from harness.packages.tools import uv_from
from harness.progress import Progress, Silent
from harness.stages import export, inference
from harness.stages.inference import Cell, Context, ModelFiles, Place


@dataclass(frozen=True)
class Race:
    """One model on runtimes that share their rounds."""

    model: str
    runtimes: tuple[Runtime, ...]
    """The anchor first."""
    tracks: tuple[Track, ...]
    threads: tuple[int, ...]
    target: Target
    as_of: datetime
    engine: str
    opset: str
    spinning: bool = False

    @property
    def slug(self) -> str:
        names = "+".join(one.name for one in self.runtimes)
        threads = "+".join(f"t{count}" for count in self.threads)
        place = (self.target.tag, self.target.platform, compact_instant(self.as_of), self.engine)
        return "-".join((self.model, names, *self.tracks, threads, *place))

    @property
    def needs(self) -> frozenset[str]:
        """What its host must have: a GPU where one of the runtimes is for one."""
        docker = {DOCKER} if self.engine == "docker" else set[str]()
        return frozenset(docker | {GPU for one in self.runtimes if one.device == "gpu"})

    @property
    def subject(self) -> str:
        """What is run."""
        return self.model

    @property
    def traits(self) -> tuple[str, str, str]:
        """How: Python, day, runtimes."""
        names = ", ".join(one.name for one in self.runtimes)
        return f"Python {self.target.python_version}", iso_instant(self.as_of), names

    def row_keys(self) -> list[tuple[object, ...]]:
        """What its rows are, as `key_of` tells it of records; that of the anchor first."""
        cells = [(one.name, False) for one in self.runtimes] + [(self.runtimes[0].name, True)] * self.spinning
        place = (self.target.python_version, self.target.platform, self.as_of, self.engine)
        return [
            (self.model, name, track, count, spinning, *place)
            for track in self.tracks
            for count in self.threads
            for name, spinning in cells
        ]


@dataclass(frozen=True)
class Started:
    """A race whose runtimes are installed; its sandboxes are open."""

    stack: ExitStack
    context: Context
    groups: tuple[tuple[Cell, ...], ...]
    places: dict[str, Place]
    failure: str = ""
    """Why there is nothing to run."""


@dataclass(frozen=True)
class Races:
    """Timing models, wherever it is done."""

    settings: inference.Settings
    engine: str | None = None
    index_url: str | None = None
    wheelhouse: Path | None = None
    """A folder of wheels that come before the index's; each host must have it at the same place."""
    locks: Path | None = None
    own_memory: bool = False
    slot: Slot = field(default_factory=Slot)

    @contextmanager
    def open(self, say: Callable[[str], None]) -> Iterator[RaceBench]:
        """See `Work`."""
        cache = cache_folder()
        with ExitStack() as stack:
            get_uv = uv_from(index_for(None, self.index_url), cache, Silent())
            engine, work = stack.enter_context(open_engine(self.engine, cache, say, get_uv))
            settings = self.settings
            if self.own_memory:
                settings = replace(settings, limits=replace(settings.limits, memory_bytes=host.usual_memory_limit()))
            carried = Carried.at(self.wheelhouse) if self.wheelhouse is not None else None
            locks = LockStore(self.locks if self.locks is not None else cache / "locks")
            index = index_for(None, self.index_url)
            sandboxes = stack.enter_context(ExitStack())  # closed before the engine is
            yield RaceBench(self, settings, engine, index, cache, work, locks, carried, sandboxes)

    def lost(self, task: Task, reason: str) -> Done:
        """See `Work`."""
        return Done(failure=f"{task.what.model}: {reason}")

    def refused(self, task: Task, reason: str) -> Done:  # noqa: ARG002
        """See `Work`."""
        return Done(failure=reason)


@dataclass
class RaceBench:
    """An open engine with what it is used with."""

    work: Races
    settings: inference.Settings
    engine: Engine
    index: Index
    cache: Path
    folder: Path
    locks: LockStore
    carried: Carried | None
    sandboxes: ExitStack
    """Those of races that were never run."""
    _exporting: threading.Lock = field(default_factory=threading.Lock)

    def build(self, task: Task, progress: Progress) -> Started:
        """See `Bench`."""
        race: Race = task.what
        context = Context(race.target, race.as_of, self.engine, progress, self.work.slot)
        shop = self._shop(progress)
        stack = self.sandboxes.enter_context(ExitStack())

        def prepare(one: Runtime, sandbox: Sandbox) -> Prepared:
            return environment.prepare(one.requires, race.target, race.as_of, sandbox, shop)

        with self.work.slot.shared(progress):
            try:
                with self._exporting:  # a model is made once
                    files = export.ensure([race.model], opset=race.opset, shop=shop, target=race.target)
            except (HarnessError, OSError) as error:
                return Started(stack, context, (), {}, inference.as_measurement(error).reason)
            places = inference.open_places(race.runtimes, stack, context, prepare)
        return Started(stack, context, _groups(race, files), places)

    def time(self, task: Task, built: Started, progress: Progress) -> Done:
        """See `Bench`."""
        with built.stack:
            if built.failure:
                return Done(failure=f"{task.what.model}: {built.failure}")
            found = tuple(inference.measure(built.groups, built.places, built.context, self.settings))
        shop = self._shop(progress)
        locks = tuple(
            (environment.ask(place.runtime.requires, built.context.target, built.context.as_of, shop), place.lock)
            for place in built.places.values()
            if place.lock is not None
        )
        return Done(found, locks)

    def _shop(self, progress: Progress) -> Shop:
        return Shop(self.engine, self.index, self.cache, self.folder, self.locks, progress, self.carried)


def _groups(race: Race, files: tuple[ModelFiles, ...]) -> tuple[tuple[Cell, ...], ...]:
    anchor, tracks = race.runtimes[0], race.tracks
    groups = inference.cells(files, race.runtimes, anchor, tracks, race.threads, spinning=race.spinning)
    return tuple(tuple(group) for group in groups)


def line_up(runtimes: Sequence[Runtime], anchor: Runtime) -> list[tuple[Runtime, ...]]:
    """Who runs with whom, the anchor first: all that run on a CPU, and by itself each that wants a GPU.

    A host with a GPU is rare: it is not kept with what any host can do.
    """
    others = [one for one in runtimes if one.name != anchor.name]
    anchor = next((one for one in runtimes if one.name == anchor.name), anchor)
    on_cpu = [one for one in others if one.device == "cpu"]
    on_gpu = [one for one in others if one.device == "gpu"]
    found = [(anchor, *on_cpu)] if on_cpu or not on_gpu else []
    return found + [(anchor, one) for one in on_gpu]


def key_of(one: Inference) -> tuple[object, ...]:
    """What a record is a row of."""
    row = (one.model.name, one.runtime, one.track, one.threads, one.spinning)
    return (*row, one.python, one.platform, one.as_of, one.engine)
