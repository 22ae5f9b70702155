"""Which Python the venv engine takes: what is here, what uv installs, what is said of it; and long paths."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from harness.engines.interpreters import Interpreters, version_of
from harness.engines.owner import Owners
from harness.engines.sandbox import PYTHON, Limits, probe
from harness.engines.venv import VenvEngine
from harness.errors import EnvironmentLacksError
from harness.job import Python, Target, parse_request
from harness.packages.index import Index, Reach
from harness.packages.release import first_python, has_wheel
from tests.conftest import HERE, PLATFORM
from tests.support.loopback import LoopbackIndex
from tests.support.program import Program
from tests.support.wheels import build_wheel

pytestmark = pytest.mark.integration

LONG_CHARS = 150
PRESENT = Interpreters(Path("/nonexistent")).present()


@pytest.fixture
def long_cache(tmp_path: Path) -> Path:
    """An empty folder whose path has 150 characters at least."""
    cache = tmp_path / "c".ljust(max(1, LONG_CHARS - len(str(tmp_path)) - 1), "c")
    cache.mkdir()
    assert len(str(cache)) >= LONG_CHARS
    return cache


@pytest.mark.parametrize("python", PRESENT, ids=version_of)
def test_a_long_path_to_the_cache_fails_no_probe(python: Python, long_cache: Path) -> None:
    """Since Python 3.12 `compileall -j` listens at a socket below TMPDIR, whose path has at most 107 bytes."""
    with Owners(long_cache).enroll() as owner, VenvEngine(owner).open(Target(python, PLATFORM)) as sandbox:
        env = f"{sandbox.root}/env"
        made = sandbox.run([PYTHON, "-I", "-m", "venv", "--without-pip", env], limits=Limits(), writable=True)
        assert made.exit_status == 0, made.stderr
        asked = "import os, tempfile; print(tempfile.gettempdir(), os.path.expanduser('~'), os.getcwd())"
        told = sandbox.run([PYTHON, "-I", "-c", asked], limits=Limits()).stdout.decode().split()
        found = probe(sandbox, "bytecode", ["--root", sandbox.root], limits=Limits(), writable=True)
    assert found["failure"] is None
    assert [len(path) < 30 for path in told[:2]] == [True, True], told


def test_a_long_path_to_the_cache_fails_no_measurement(
    program: Program, index: LoopbackIndex, tmp_path: Path, long_cache: Path
) -> None:
    index.add(build_wheel(tmp_path / "wheels", "tiny"))
    (long_cache / "footprint-harness").mkdir()
    (long_cache / "footprint-harness" / "tools").symlink_to((program.cache / "tools").resolve())
    python = f"--python={HERE.python_version}"
    ended = program.measure("tiny", "--engine=venv", python, environment={"XDG_CACHE_HOME": str(long_cache)})
    assert ended.status == 0, ended.stderr
    assert program.record["status"] == "ok"


def test_what_was_taken_is_said(program: Program, index: LoopbackIndex, tmp_path: Path) -> None:
    """3.11 as in containers, where it is here; else the newest that there is a wheel for, and why."""
    index.add(build_wheel(tmp_path / "wheels", "tiny"))
    ended = program.measure("tiny", "--engine=venv")
    assert ended.status == 0, ended.stderr
    if (3, 11) in PRESENT:
        assert "Python 3.11, as in containers: /" in ended.stderr
        assert program.record["python"] == "3.11"
    else:
        assert "python3.11 is not on this machine" in ended.stderr
        assert f"taking what is here: Python {version_of(PRESENT[0])}" in ended.stderr
        assert program.record["python"] == version_of(PRESENT[0])


class Few(Interpreters):
    """A machine that has these, and can install none."""

    has: tuple[Python, ...] = ()

    def find(self, python: Python) -> str | None:
        return sys.executable if python in self.has else None


@pytest.mark.parametrize(
    ("has", "usual", "said"),
    [
        ([(3, 11), (3, 13)], [(3, 11)], "Python 3.11, as in containers: /"),
        (
            [(3, 9), (3, 13)],
            [(3, 13), (3, 9)],
            "python3.11 is not on this machine; taking what is here: Python 3.13, 3.9",
        ),
    ],
)
def test_the_usual_pythons(tmp_path: Path, has: list[Python], usual: list[Python], said: str) -> None:
    told: list[str] = []
    here = Few(tmp_path)
    here.has = tuple(has)
    with Owners(tmp_path).enroll() as owner:
        engine = VenvEngine(owner, here, told.append)
        assert engine.usual_pythons() == engine.usual_pythons() == tuple(usual)
    assert len(told) == 1 and told[0].startswith(said)


@pytest.mark.parametrize(
    ("tags", "taken", "why"),
    [
        (["py3-none-any"], (3, 13), "on Python 3.13, the newest here that there is a wheel for"),
        (
            ["cp39-cp39-linux_x86_64", "cp311-cp311-linux_x86_64"],
            (3, 9),
            "on Python 3.9, the newest here",
        ),
        (["cp38-none-any"], (3, 13), "on Python 3.13, the newest here; there is a wheel for none"),
    ],
)
def test_the_newest_that_there_is_a_wheel_for_is_taken(
    index: LoopbackIndex, tmp_path: Path, tags: list[str], taken: Python, why: str
) -> None:
    for tag in tags:
        index.add(build_wheel(tmp_path, "tiny", tag=tag.replace("linux_x86_64", PLATFORM)))
    reach, now = Index(Reach(index_url=index.url)), datetime.now(UTC)

    def choose(request: str, say: Callable[[str], None]) -> Python:
        asked = parse_request(request)
        wheel = partial(has_wheel, asked, index=reach, as_of=now)
        return first_python(((3, 13), (3, 9)), lambda python: wheel(Target(python, PLATFORM)), of=request, say=say)

    said: list[str] = []
    assert choose("tiny==1.0", said.append) == taken
    assert len(said) == 1 and said[0].startswith(f"tiny==1.0: {why}")
    assert choose("gone==1.0", said.append) == (3, 13)


STRAYS = {
    "says-nothing": "exit 0",
    "says-something-else": "echo hello world foo",
    "is-of-another-version": "echo interpreter 3 8 /usr/bin/python3.8",
    "hangs-up": "kill $$",
}


@pytest.mark.parametrize("program", STRAYS.values(), ids=STRAYS)
def test_what_is_called_so_and_is_none_is_passed_over(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stray = tmp_path / "bin" / "python3.14"
    stray.parent.mkdir()
    stray.write_text(f"#!/bin/sh\n{program}\n")
    stray.chmod(0o755)
    monkeypatch.setenv("PATH", str(stray.parent))
    assert Interpreters(tmp_path).find((3, 14)) is None


def test_a_wrapper_that_says_more_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    wrapper = folder / "python3.14"
    wrapper.write_text("#!/bin/sh\necho using python\necho\necho interpreter 3 14 '/opt/a folder/python3.14'\n")
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'nowhere'}::{folder}")
    assert Interpreters(tmp_path).find((3, 14)) == "/opt/a folder/python3.14"


def test_the_newest_patch_release_of_uvs_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for patch in (2, 10, 9):
        place = tmp_path / "pythons" / f"cpython-3.14.{patch}-linux-x86_64-gnu" / "bin" / "python3.14"
        place.parent.mkdir(parents=True)
        place.write_text(f"#!/bin/sh\necho interpreter 3 14 {place}\n")
        place.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "cpython-3.14.10-" in str(Interpreters(tmp_path).find((3, 14)))


def test_a_machine_without_any_is_told_what_to_do(tmp_path: Path) -> None:
    with Owners(tmp_path).enroll() as owner, pytest.raises(EnvironmentLacksError, match=r"python3\.11 is not on") as no:
        VenvEngine(owner, Few(tmp_path)).usual_pythons()
    assert "ENGINE=docker" in no.value.tip


class Elsewhere(Interpreters):
    """A machine that has none, but for those that uv has installed into the cache."""

    def _candidates(self, python: Python) -> Iterator[str]:
        return (path for path in super()._candidates(python) if path.startswith(str(self.cache)))


@contextmanager
def builds_of_python(folder: Path) -> Iterator[dict[str, str]]:
    """A server with a build of this very version, as uv downloads them, and the environment that leads uv to it.

    Its interpreter is the one that runs the tests.
    """
    version = ".".join(map(str, sys.version_info[:3]))
    program = f'#!/bin/sh\nexec {sys.executable} "$@"\n'.encode()
    with tarfile.open(folder / "python.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo(f"python/bin/python{HERE.python_version}")
        entry.size, entry.mode = len(program), 0o755
        archive.addfile(entry, io.BytesIO(program))
    serve = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        build = {
            "name": "cpython",
            "arch": {"family": PLATFORM.removeprefix("linux_"), "variant": None},
            "os": "linux",
            "libc": "gnu",
            "major": sys.version_info[0],
            "minor": sys.version_info[1],
            "patch": sys.version_info[2],
            "prerelease": "",
            "url": f"{url}/python.tar.gz",
            "sha256": hashlib.sha256((folder / "python.tar.gz").read_bytes()).hexdigest(),
            "variant": None,
            "build": "20260101",
        }
        (folder / "builds.json").write_text(json.dumps({f"cpython-{version}-linux-x86_64-gnu": build}))
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield {"UV_PYTHON_DOWNLOADS_JSON_URL": f"{url}/builds.json", "NO_PROXY": "127.0.0.1"}
        server.shutdown()
        thread.join()


@pytest.fixture
def uv(tools: Path) -> Path:
    return next(tools.glob("uv-*/bin/uv"))


def test_one_that_is_not_here_is_installed_by_uv(tmp_path: Path, uv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "served").mkdir()
    told: list[str] = []
    with builds_of_python(tmp_path / "served") as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        here = Elsewhere(tmp_path / "cache", lambda: uv, told.append)
        assert here.find(HERE.python) is None
        found = here.get(HERE.python)
    assert told == [
        f"python{HERE.python_version} is not on this machine: uv downloads it into {here.cache / 'pythons'}"
    ]
    assert Path(found).exists()
    assert list((tmp_path / "cache" / "pythons").glob(f"cpython-{HERE.python_version}.*"))
    again = Elsewhere(tmp_path / "cache")  # another run finds it, without uv
    assert again.get(HERE.python) == found


def test_the_users_configuration_of_uv_does_not_lead_astray(
    tmp_path: Path, uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uv.toml").write_text('required-version = ">=99"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UV_PYTHON_PREFERENCE", "only-managed")
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", "http://127.0.0.1:9/nothing.json")
    with pytest.raises(EnvironmentLacksError) as no:
        Elsewhere(tmp_path / "cache", lambda: uv).get(HERE.python)
    assert "version" not in no.value.message.split("could not install it: ")[1]


def test_why_uv_could_not_install_it_is_said(tmp_path: Path, uv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", "http://127.0.0.1:9/nothing.json")
    here = Elsewhere(tmp_path / "cache", lambda: uv)
    with pytest.raises(EnvironmentLacksError, match=r"and uv could not install it: .+"):
        here.get(HERE.python)
