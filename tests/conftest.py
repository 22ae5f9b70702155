"""What several files of tests share. Nothing here measures: the tests start the real program."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from harness.engines import docker, venv
from harness.engines.owner import Owners
from harness.engines.sandbox import Engine
from harness.job import Target
from harness.packages import tools as toolbox
from harness.packages.index import Index, Reach
from harness.progress import Silent
from tests.support.environments import Root
from tests.support.loopback import LoopbackIndex
from tests.support.program import Program
from tests.support.promise import lacks

PLATFORM = f"linux_{os.uname().machine}"
HERE = Target((sys.version_info[0], sys.version_info[1]), PLATFORM)
IN_CONTAINERS = Target((3, 11), PLATFORM)

# `make fuzz`; each test runs for as many examples as it is told.
settings.register_profile("fuzz", max_examples=int(os.environ.get("EXAMPLES") or 200_000), deadline=None)


@cache
def engine_answers() -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # docker-py leaves a socket behind where it cannot connect
        client = docker.connect()
        gc.collect()
    if client is not None:
        client.close()
    return client is not None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test that needs a container engine is skipped without one, or fails where one was promised."""
    if item.get_closest_marker("engine") is not None and not engine_answers():
        lacks("no Docker API answers", promised_by="HARNESS_REQUIRE_ENGINE")


@pytest.fixture(scope="session", params=[pytest.param("docker", marks=pytest.mark.engine), "venv"])
def engine_name(request: pytest.FixtureRequest) -> str:
    """For what holds for both engines."""
    return str(request.param)


@pytest.fixture
def engine(engine_name: str, tmp_path: Path) -> Iterator[Engine]:
    """Either engine, open, with a cache of the test's own."""
    with Owners(tmp_path / "cache").enroll() as owner:
        client = docker.connect() if engine_name == "docker" else None
        yield docker.DockerEngine(client, owner) if client is not None else venv.VenvEngine(owner)
        if client is not None:
            client.close()
        gc.collect()


@pytest.fixture
def target(engine_name: str) -> Target:
    """What that engine can run here."""
    return IN_CONTAINERS if engine_name == "docker" else HERE


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pip, pip-tools and uv for every test's cache, taken once from the default index: a loopback index has none."""
    folder = tmp_path_factory.mktemp("tools")
    index = Index(Reach.from_environment(os.environ, os.environ.get("HARNESS_INDEX_URL")))
    with Owners(folder).enroll() as owner:

        def prepare(target: Target, engine: Engine) -> None:
            for name, compiler in (("pip", engine), ("uv", None)):
                toolbox.prepare(
                    name, target, cache=folder, work=owner.folder, index=index, engine=compiler, progress=Silent()
                )

        prepare(HERE, venv.VenvEngine(owner))
        if engine_answers() and (client := docker.connect()) is not None:
            prepare(IN_CONTAINERS, docker.DockerEngine(client, owner))
            client.close()
    return folder / "tools"


@pytest.fixture
def index() -> Iterator[LoopbackIndex]:
    """A package index of the test's own."""
    with LoopbackIndex() as index:
        yield index


@pytest.fixture
def program(tmp_path: Path, tools: Path, index: LoopbackIndex) -> Program:
    """The harness in a home of its own, with the loopback index."""
    return Program(tmp_path, index_url=index.url, tools=tools)


@pytest.fixture(scope="session")
def new_program(tmp_path_factory: pytest.TempPathFactory, tools: Path) -> Callable[[str], Program]:
    """Makes one that shares neither home nor results with another; for fixtures that live longer than a test too."""

    def make(index_url: str) -> Program:
        return Program(tmp_path_factory.mktemp("program"), index_url=index_url, tools=tools)

    return make


@pytest.fixture(scope="session")
def empty_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real virtual environment without anything in it, to be copied."""
    place = tmp_path_factory.mktemp("environment") / "empty"
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", str(place)], check=True)
    return place


@pytest.fixture
def root(empty_environment: Path, tmp_path: Path) -> Root:
    """Two environments that nothing is installed in yet."""
    return Root(tmp_path / "root", empty_environment)


@pytest.fixture(scope="session")
def onnxruntime_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has onnxruntime and what it needs, from the default index."""
    place = tmp_path_factory.mktemp("onnxruntime") / "env"
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", str(place)], check=True)
    python = place / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "onnxruntime==1.32.0"]
    subprocess.run(install, check=True, capture_output=True, timeout=600)
    return python
