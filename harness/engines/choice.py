"""Which engine runs here: the one that is asked for, or docker where one answers, else venv."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.engines.interpreters import Interpreters
from harness.engines.owner import Owners
from harness.engines.sandbox import Engine
from harness.errors import EnvironmentLacksError

ENGINES = ("docker", "venv")


@contextmanager
def open_engine(
    name: str | None, cache: Path, say: Callable[[str], None], get_uv: Callable[[Path], Path] | None = None
) -> Iterator[tuple[Engine, Path]]:
    """The engine and a folder for unfinished work. Leftovers of dead runs are reaped.

    Args:
        name: one of `ENGINES`; None: whichever answers.
        get_uv: gets the uv that installs an interpreter which this machine lacks, given a folder for unfinished work;
            None: none is installed.

    Raises:
        EnvironmentLacksError: docker was asked for and does not answer.
    """
    from harness.engines import docker, venv

    owners = Owners(cache)
    with owners.enroll() as owner:
        client = None if name == "venv" else docker.connect()
        if client is None and name == "docker":
            raise EnvironmentLacksError(
                "no Docker API answers", tip="start Docker or Podman, set DOCKER_HOST, or use ENGINE=venv"
            )
        uv = (lambda: get_uv(owner.folder)) if get_uv is not None else None
        folders = venv.VenvEngine(owner, Interpreters(cache, uv, say), say)
        reaped, stuck = folders.reap(owners), set[str]()
        engine: Engine = folders
        if client is not None:
            containers = docker.DockerEngine(client, owner, say=say)
            removed, stuck = containers.reap(owners)
            reaped += removed
            engine = containers
        elif name is None:
            say("no container engine answers: measuring with the venv engine, in folders of this machine")
        for dead in owners.dead():
            owners.clear(dead)
            if client is not None and dead not in stuck:  # else it may still have containers
                owners.forget(dead)
        if reaped:
            say(f"removed {reaped} leftovers of runs that were killed")
        yield engine, owner.folder
