"""What inference asks of engines: certain CPUs, a GPU, a compiler, and files that come back."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient

from harness.engines import docker, images
from harness.engines.owner import Owner, Owners
from harness.engines.sandbox import PYTHON, Engine, Limits, Sandbox
from harness.errors import EnvironmentLacksError, MeasurementError, SkippedError
from harness.job import Target
from tests.support.promise import lacks

# docker-py leaves the socket of each attached container to the garbage collector
pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

LIMITS = Limits(seconds=60)


@pytest.fixture
def sandbox(engine: Engine, target: Target) -> Iterator[Sandbox]:
    with engine.open(target) as sandbox:
        yield sandbox


def run(sandbox: Sandbox, program: str, limits: Limits = LIMITS) -> str:
    """What a Python program prints; its first argument is the sandbox's root."""
    done = sandbox.run([PYTHON, "-I", "-B", "-c", program, sandbox.root], limits=limits, writable=True)
    assert (done.ended, done.exit_status) == ("exited", 0), done.stderr.decode()
    return done.stdout.decode().strip()


def test_a_run_is_kept_on_its_cpus(sandbox: Sandbox) -> None:
    program = "import os; print(sorted(os.sched_getaffinity(0)))"
    everywhere = sorted(os.sched_getaffinity(0))
    assert run(sandbox, program) == str(everywhere)
    for cpus in ((everywhere[-1],), tuple(everywhere[:2])):
        assert run(sandbox, program, Limits(seconds=60, cpus=cpus)) == str(list(cpus))
    inherited = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {program!r}])"
    assert run(sandbox, inherited, Limits(seconds=60, cpus=(everywhere[0],))) == str(everywhere[:1])


def test_a_cpu_that_there_is_not_is_the_machines_lack(sandbox: Sandbox) -> None:
    with pytest.raises(EnvironmentLacksError, match="4095"):
        sandbox.run(["true"], limits=Limits(seconds=60, cpus=(0, 4095)))


def test_without_a_gpu_a_run_that_wants_one_is_skipped(engine: Engine, sandbox: Sandbox) -> None:
    if engine.has_gpu():
        pytest.skip("here is a GPU")
    with pytest.raises(SkippedError, match="no GPU"):
        sandbox.run(["true"], limits=Limits(seconds=60, gpu=True))
    assert run(sandbox, "print('still usable')") == "still usable"


def test_what_was_withdrawn_is_not_shown_any_more(engine_name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    shown.mkdir()
    place = sandbox.expose(shown, "shown")
    assert run(sandbox, f"import os; print(os.path.isdir({place!r}))") == "True"
    sandbox.withdraw("shown")
    shown.rmdir()
    assert run(sandbox, f"import os; print(os.path.isdir({place!r}))") == "False"


FILES = """
import os, sys
os.chdir(sys.argv[1])
os.makedirs("out/deep/deeper")
os.makedirs("out/empty")
open("out/model.onnx", "wb").write(bytes(range(256)) * 20_000)
open("out/deep/deeper/manifest.json", "w").write("{}")
open("out/deep/nothing", "w").close()
os.chmod("out/model.onnx", 0o600)
"""


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_folder_comes_back_whole(sandbox: Sandbox, tmp_path: Path) -> None:
    run(sandbox, FILES)
    to = tmp_path / "to"
    sandbox.fetch(f"{sandbox.root}/out", to)
    assert tree(to) == ["deep", "deep/deeper", "deep/deeper/manifest.json", "deep/nothing", "empty", "model.onnx"]
    assert (to / "model.onnx").read_bytes() == bytes(range(256)) * 20_000
    assert os.access(to / "model.onnx", os.R_OK) and to.stat().st_uid == os.getuid()


def test_a_file_comes_back_under_the_name_that_is_asked_for(sandbox: Sandbox, tmp_path: Path) -> None:
    run(sandbox, FILES)
    sandbox.fetch(f"{sandbox.root}/out/deep/deeper/manifest.json", tmp_path / "other.json")
    assert (tmp_path / "other.json").read_text() == "{}"


def test_nothing_is_overwritten(sandbox: Sandbox, tmp_path: Path) -> None:
    run(sandbox, FILES)
    (tmp_path / "to").mkdir()
    with pytest.raises(FileExistsError):
        sandbox.fetch(f"{sandbox.root}/out", tmp_path / "to")


MADE = "import os, sys; os.chdir(sys.argv[1]); os.mkdir('out'); open('out/file', 'w').write('x' * 1000); "
REFUSED = {
    "link-to-a-file": ("os.symlink('/etc/passwd', 'out/link')", "out", "link"),
    "link-to-a-folder": ("os.symlink('/etc', 'out/link')", "out", "link"),
    "link-in-its-place": ("os.symlink('/etc', 'other')", "other", "link"),
    "link-on-the-way": ("os.symlink('/etc', 'other')", "other/passwd", ""),
    "link-that-leads-nowhere": ("os.symlink('nowhere', 'out/link')", "out", "link"),
    "hard-link": ("os.link('out/file', 'out/second')", "out", "link"),
    "fifo": ("os.mkfifo('out/fifo')", "out", "special"),
    "too-big": ("open('out/big', 'w').truncate(2**40)", "out", "more than"),
    "too-big-alone": ("open('out/big', 'w').truncate(2**40)", "out/big", "more than"),
    "too-big-together": ("[open(f'out/{i}', 'w').write('x' * 1000) for i in range(200)]", "out", "more than"),
    "too-many": ("[open(f'out/{i}', 'w').close() for i in range(1_001)]", "out", "more than 1,000 files"),
    "too-deep": ("os.makedirs('out/' + 'x/' * 200)", "out", "deep"),
    "nothing-there": ("pass", "other", "not there"),
    "nothing-there-below": ("pass", "out/other/more", "not there"),
}


@pytest.mark.parametrize(("program", "path", "says"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_plain_file_of_the_sandbox_is_refused(
    sandbox: Sandbox, tmp_path: Path, program: str, path: str, says: str, request: pytest.FixtureRequest
) -> None:
    run(sandbox, MADE + program)
    folder = tmp_path / "here"
    folder.mkdir()
    if (engine := request.node.callspec.params["engine_name"], path) == ("docker", "other/passwd"):
        # a container's fetch is shown nothing of this machine: such a link leads into the base image
        sandbox.fetch(f"{sandbox.root}/{path}", folder / "to")
        assert (folder / "to").read_bytes() != Path("/etc/passwd").read_bytes() and engine == "docker"
        return
    with pytest.raises(MeasurementError) as caught:
        sandbox.fetch(f"{sandbox.root}/{path}", folder / "to", most_bytes=100_000)
    assert says in caught.value.message
    assert list(folder.iterdir()) == []


def test_nothing_beside_the_root_is_fetched(sandbox: Sandbox, tmp_path: Path) -> None:
    for path in ("/etc/passwd", sandbox.root, f"{sandbox.root}/../../etc/passwd"):
        with pytest.raises(ValueError, match="not"):
            sandbox.fetch(path, tmp_path / "to")


def test_a_sandbox_can_have_a_compiler(engine: Engine, engine_name: str, target: Target) -> None:
    if engine_name == "docker":
        base = images.bases()[target.python_version].with_compiler()
        client = docker.connect()
        assert client is not None
        there = [docker.Images(client).has(one) for one in (base.registry, base.debian_tag)]
        client.close()
        if not any(there):
            lacks("no base image with a compiler", promised_by="HARNESS_REQUIRE_COMPILER")
    compiling = engine.with_compiler()
    with compiling.open(target) as sandbox:
        program = (
            "import pathlib, subprocess, sys, sysconfig\n"
            "pathlib.Path('/tmp/x.cpp').write_text('#include <Python.h>\\nint main() {}')\n"
            "headers = '-I' + sysconfig.get_path('include')\n"
            "print(subprocess.run(['g++', headers, '-c', '/tmp/x.cpp', '-o', '/tmp/x.o']).returncode)"
        )
        if engine_name == "docker":
            assert run(sandbox, program) == "0"
            assert compiling.facts(target).image_layers != engine.facts(target).image_layers


class Recording(ThreadingHTTPServer):
    """A Docker API that notes every container that is to be created, and then can do nothing with it."""

    daemon_threads = True

    def __init__(self, **info: Any) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.info = {"Architecture": "x86_64", "Driver": "overlay2", **info}
        self.created: list[dict[str, Any]] = []
        self.start_fails = ""


class _Answers(BaseHTTPRequestHandler):
    server: Recording

    def do_GET(self) -> None:
        self.handle_request({})

    def do_POST(self) -> None:
        self.handle_request(json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}"))

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.reply({"message": "recorded"}, 500)

    do_DELETE = do_GET

    def handle_request(self, body: dict[str, Any]) -> None:
        path = "/" + self.path.partition("?")[0].split("/", 2 if self.path.startswith("/v1.") else 1)[-1]
        if path == "/containers/create":
            self.server.created.append(body)
        answers: dict[str, Any] = {
            "/version": {"ApiVersion": "1.41", "Version": "20.10"},
            "/info": self.server.info,
            "/volumes/create": {"Name": "volume"},
            "/containers/create": {"Id": "container"},
            "/containers/container/json": {"Id": "container"},
        }
        known = answers.get(path, {"Id": "image"} if path.startswith("/images/") else {})
        self.reply(known, 201 if self.command == "POST" else 200)

    def reply(self, document: dict[str, Any], status: int) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None: ...


@contextmanager
def recording(owner: Owner, **info: Any) -> Iterator[tuple[docker.DockerEngine, Recording]]:
    with Recording(**info) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        client = DockerClient(base_url=f"tcp://127.0.0.1:{server.server_port}")
        try:
            yield docker.DockerEngine(client, owner), server
        finally:
            client.close()
            server.shutdown()
            thread.join()


@pytest.fixture
def created(tmp_path: Path) -> Iterator[Callable[[Limits], dict[str, Any]]]:
    """What a run with these limits asks an engine to create."""
    with Owners(tmp_path / "cache").enroll() as owner, recording(owner) as (engine, server):

        def ask(limits: Limits) -> dict[str, Any]:
            with engine.open(Target((3, 11))) as sandbox, pytest.raises(EnvironmentLacksError, match="recorded"):
                sandbox.run(["true"], limits=limits)
            return server.created[-1]

        yield ask


def test_a_gpu_is_asked_for_as_the_engine_wants_it(created: Callable[[Limits], dict[str, Any]]) -> None:
    body = created(Limits(gpu=True, cpus=(0, 2)))
    (wanted,) = body["HostConfig"]["DeviceRequests"]
    assert wanted["Count"] == -1 and wanted["Capabilities"] == [["gpu"]]
    assert body["HostConfig"]["CpusetCpus"] == "0,2"
    assert {"NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=compute,utility"} <= set(body["Env"])


def test_a_gpu_makes_a_container_no_weaker(created: Callable[[Limits], dict[str, Any]]) -> None:
    with_gpu, without = created(Limits(gpu=True)), created(Limits())
    host = without["HostConfig"]
    assert with_gpu["HostConfig"] == {**host, "DeviceRequests": with_gpu["HostConfig"]["DeviceRequests"]}
    assert host["NetworkMode"] == "none" and host["CapDrop"] == ["ALL"] and host["ReadonlyRootfs"] is True
    assert with_gpu["User"] == without["User"] == "65534:65534"
    assert not any(one.startswith("NVIDIA") for one in without["Env"])
    assert "DeviceRequests" not in host and "CpusetCpus" not in host


@pytest.mark.parametrize(
    ("info", "has"),
    [
        ({"Runtimes": {"runc": {}, "nvidia": {"path": "nvidia-container-runtime"}}}, True),
        ({"Runtimes": {"runc": {}}, "DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=0"}]}, True),
        ({"Runtimes": {"runc": {}}, "DiscoveredDevices": [{"Source": "cdi", "ID": "vendor.com/nic=0"}]}, False),
        ({"Runtimes": {"runc": {}}}, False),
        ({}, False),
    ],
)
def test_an_engine_tells_by_itself_whether_it_can_give_a_gpu(tmp_path: Path, info: dict[str, Any], has: bool) -> None:
    with Owners(tmp_path / "cache").enroll() as owner, recording(owner, **info) as (engine, _):
        assert engine.has_gpu() is has
