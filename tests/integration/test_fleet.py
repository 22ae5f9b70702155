"""Many jobs of tiny wheels, through the whole program: one by one, several at a time, and on a Dask cluster."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import HERE
from tests.support.loopback import LoopbackIndex
from tests.support.program import Program, eventually
from tests.support.wheels import build_wheel

pytestmark = pytest.mark.integration

IN_MARCH = datetime(2024, 3, 1, tzinfo=UTC)
SIZES = ("wheel_bytes", "download_bytes", "unpacked_bytes", "installed_bytes", "bytecode_bytes", "distributions")
SLOW = {"tiny/__init__.py": b"import time\ntime.sleep(0.2)\nimport tiny_base\n", "tiny/data.bin": bytes(50_000)}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackIndex]:
    """An index with three versions of `tiny`, which needs `tiny-base`, and one of `other`."""
    wheels = tmp_path_factory.mktemp("wheels")
    with LoopbackIndex() as index:
        index.add(build_wheel(wheels, "tiny-base", "1.0"))
        for version in ("1.0", "1.1", "1.2"):
            index.add(build_wheel(wheels, "tiny", version, files=SLOW, requires=["tiny-base"]))
        index.add(build_wheel(wheels, "other"))
        yield index


FOUR = ("tiny==1.0", "tiny==1.1", "tiny==1.2", "other")


def sweep(program: Program, *arguments: str, of: Sequence[str] = FOUR) -> Sequence[str]:
    """A sweep of wheels with both installers, in this Python, as of a day in June 2024."""
    frameworks = [f"--framework={name}" for name in of]
    usual = ["--as-of=2024-06-01", f"--python={HERE.python_version}", "--installer=pip", "--installer=uv"]
    measuring = ["--engine=venv", "--repeats=1", f"--results={program.results}"]
    return ["sweep", *frameworks, *usual, *measuring, *arguments]


def sizes(program: Program) -> dict[tuple[str, ...], tuple[int, ...]]:
    """Of each job its sizes."""
    return {
        (one["framework"], one["version"], one["installer"]): tuple(one["figures"][name] for name in SIZES)
        for one in program.records
    }


def overlaps(records: Sequence[dict[str, Any]]) -> int:
    """How many timings of one host began before the one before them had ended."""
    spans = sorted(
        (one["environment"]["host_id"], one["environment"]["alone_from"], one["environment"]["alone_until"])
        for one in records
    )
    return sum(first[0] == second[0] and second[1] < first[2] for first, second in pairwise(spans))


@pytest.fixture(scope="module")
def serial(shelf: LoopbackIndex, new_program: Callable[[str], Program]) -> Program:
    program = new_program(shelf.url)
    ended = program.run(*sweep(program))
    assert ended.status == 0, ended.stderr
    return program


def test_every_combination_has_a_record_and_its_lock(serial: Program) -> None:
    assert len(serial.records) == 8
    assert {one["status"] for one in serial.records} == {"ok"}
    for one in serial.records:
        assert list(serial.results.glob(f"locks/*-{one['lock_sha256'][:12]}/pylock.toml"))


def test_what_has_a_record_is_not_measured_again(serial: Program) -> None:
    ended = serial.run(*sweep(serial))
    assert ended.status == 0
    assert "8 jobs, 8 of them recorded already; nothing to be done." in ended.stdout
    assert len(serial.records) == 8


def test_the_plan_is_shown_before_anything_is_done(shelf: LoopbackIndex, new_program: Callable[[str], Program]) -> None:
    program = new_program(shelf.url)
    ended = program.run(*sweep(program, "--plan"))
    assert ended.status == 0, ended.stderr
    assert re.search(
        r"8 jobs; 8 to be measured, at least 0\.\d\d MB to download \(8 told by their own wheel", ended.stdout
    )
    assert program.records == []


def test_timings_of_one_host_never_overlap(serial: Program) -> None:
    assert overlaps(serial.records) == 0


@pytest.mark.parametrize("executor", [("local", "--builds=4"), ("dask", "--workers=2")])
def test_another_executor_finds_the_same_sizes(
    executor: tuple[str, str], serial: Program, shelf: LoopbackIndex, new_program: Callable[[str], Program]
) -> None:
    program = new_program(shelf.url)
    ended = program.run(*sweep(program, f"--executor={executor[0]}", executor[1]))
    assert ended.status == 0, ended.stderr
    assert sizes(program) == sizes(serial)
    assert overlaps(program.records) == 0
    for one in program.records:
        assert list(program.results.glob(f"locks/*-{one['lock_sha256'][:12]}/pylock.toml"))


def test_a_download_budget_names_what_it_leaves_out(
    shelf: LoopbackIndex, new_program: Callable[[str], Program]
) -> None:
    program = new_program(shelf.url)
    ended = program.run(*sweep(program, "--max-download=1kB", "--json"))
    assert ended.status == 3, ended.stderr
    told = json.loads(ended.stdout)
    assert len(told["records"]) + len(told["left_out"]) == 8
    assert all("it may download" in why for why in told["left_out"].values())
    assert {one["framework"] for one in told["records"]} == {"other"}


def test_progress_as_json_lines(shelf: LoopbackIndex, new_program: Callable[[str], Program]) -> None:
    program = new_program(shelf.url)
    ended = program.run(*sweep(program, "--progress=json", of=["other"]))
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert (lines[0]["what"], len(lines[0]["jobs"])) == ("plan", 2)
    assert sorted(line["task"] for line in lines if line["what"] == "end") == sorted(lines[0]["jobs"])
    assert {"resolve", "download", "install", "import"} <= {line["text"] for line in lines if line["what"] == "phase"}


def test_an_interrupted_sweep_leaves_nothing_and_is_finished_by_the_next(
    shelf: LoopbackIndex, new_program: Callable[[str], Program]
) -> None:
    program = new_program(shelf.url)
    with subprocess.Popen(
        [sys.executable, "-m", "harness", *sweep(program, "--executor=local")],
        env=program.environment,
        cwd=program.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        eventually(lambda: len(program.record_files) >= 2, 120)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert list((program.cache / "work").iterdir()) == []
    had = len(program.records)
    assert 2 <= had < 8
    assert program.run(*sweep(program)).status == 0
    assert len(program.records) == 8


@contextmanager
def background(program: Program, *argv: str) -> Iterator[subprocess.Popen[str]]:
    """A process that is ended with the block."""
    with subprocess.Popen(
        [sys.executable, "-m", *argv],
        env=program.environment,
        cwd=program.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.communicate(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


@pytest.fixture
def certificates(tmp_path: Path) -> list[str]:
    """An authority, and one certificate of it for every machine of a fleet, as PEM files; as options."""
    openssl = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "1",
    ]
    ca, ca_key, cert, key = (str(tmp_path / name) for name in ("ca.pem", "ca.key", "machine.pem", "machine.key"))
    subprocess.run([*openssl, "-subj", "/CN=fleet", "-keyout", ca_key, "-out", ca], check=True, capture_output=True)
    signed = ["-subj", "/CN=machine", "-CA", ca, "-CAkey", ca_key]
    subprocess.run([*openssl, *signed, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return [f"--tls-ca={ca}", f"--tls-cert={cert}", f"--tls-key={key}"]


def scheduler_options(certificates: Sequence[str]) -> list[str]:
    """The same for `dask scheduler`."""
    return [option.replace("--tls-ca=", "--tls-ca-file=") for option in certificates]


SCHEDULER = ("--port=0", "--host=127.0.0.1", "--no-dashboard")


def scheduler_file(program: Program) -> str:
    """Where a scheduler says what its address is."""
    return f"--scheduler-file={program.folder / 'scheduler.json'}"


def scheduler_address(program: Program) -> str:
    """Wait for a scheduler's address."""
    place = program.folder / "scheduler.json"
    eventually(place.exists, 60)
    return str(eventually(lambda: json.loads(place.read_text() or "{}").get("address"), 60))


def test_a_worker_that_is_killed_is_made_up_for(
    serial: Program, shelf: LoopbackIndex, new_program: Callable[[str], Program], certificates: list[str]
) -> None:
    program = new_program(shelf.url)
    secure = ("--protocol=tls", *scheduler_options(certificates))
    with background(program, "distributed.cli.dask_scheduler", *SCHEDULER, scheduler_file(program), *secure):
        address = scheduler_address(program)
        assert address.startswith("tls://")
        worker = ("harness", "worker", address, *certificates)
        with background(program, *worker) as victim:
            command = sweep(program, "--executor=dask", f"--scheduler={address}", *certificates)
            with subprocess.Popen(
                [sys.executable, "-m", "harness", *command],
                env=program.environment,
                cwd=program.folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            ) as process:
                eventually(lambda: len(program.record_files) >= 1, 120)  # so it is at work, and has more to do
                with background(program, *worker):
                    os.killpg(victim.pid, signal.SIGKILL)
                    _, stderr = process.communicate(timeout=170)
        assert process.returncode == 0, stderr
        assert "was lost" in stderr
        # who has no certificate gets no answer
        more = ("--framework=tiny-base", f"--scheduler={address.replace('tls', 'tcp')}")
        stranger = program.run(*sweep(program, "--executor=dask", *more))
    assert sizes(program) == sizes(serial)
    assert len(program.records) == 8
    assert overlaps(program.records) == 0
    assert stranger.status == 4
    assert "no scheduler answers" in stranger.told[0]


def test_a_worker_without_an_engine_says_so_and_ends_with_its_scheduler(
    shelf: LoopbackIndex, new_program: Callable[[str], Program]
) -> None:
    program = new_program(shelf.url)
    program.environment["DOCKER_HOST"] = f"unix://{program.folder}/none.sock"
    with (
        background(program, "distributed.cli.dask_scheduler", *SCHEDULER, scheduler_file(program)) as scheduler,
        background(program, "harness", "worker", scheduler_address(program)) as worker,
    ):
        assert worker.stdout is not None
        said = [worker.stdout.readline().strip() for _ in range(3)]
        assert said[:2] == [
            "this machine has no container engine and no GPU",
            "it takes no job that needs a container engine",
        ]
        time.sleep(3)  # until it has joined
        scheduler.terminate()
        assert worker.wait(60) == 0


def test_an_address_that_nobody_answers(shelf: LoopbackIndex, new_program: Callable[[str], Program]) -> None:
    program = new_program(shelf.url)
    began = time.monotonic()
    ended = program.run(*sweep(program, "--executor=dask", "--scheduler=tcp://127.0.0.1:9"))
    assert ended.status == 4
    assert ended.told[0].startswith("error: no scheduler answers at tcp://127.0.0.1:9")
    assert time.monotonic() - began < 60
