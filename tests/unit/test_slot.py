"""The timing slot: builds share the host, a timing has it alone, and waiting timings are not passed over."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.engines.slot import Slot
from harness.errors import EnvironmentLacksError
from harness.fleet.events import Reporter, StoppedError
from harness.progress import Silent

HOLDER = """
import sys, pathlib
from harness.engines.slot import Slot
with Slot(pathlib.Path(sys.argv[1])).alone():
    print("held", flush=True)
    sys.stdin.read()
"""


class Noted(Silent):
    def __init__(self, said: list[str]) -> None:
        self.said = said

    def note(self, text: str) -> None:
        self.said.append(text)


def enters(hold: Callable[[], object], seconds: float = 5.0) -> threading.Event:
    """Whether somebody else gets in; in a thread, as `flock` knows open files and not threads."""
    entered = threading.Event()

    def enter() -> None:
        with hold():  # type: ignore[attr-defined]
            entered.set()

    threading.Thread(target=enter, daemon=True).start()
    return entered


def test_builds_share_the_host(tmp_path: Path) -> None:
    slot = Slot(tmp_path)
    with slot.shared():
        assert enters(slot.shared).wait(5)


def test_a_timing_waits_for_builds_and_keeps_new_ones_out(tmp_path: Path) -> None:
    slot = Slot(tmp_path)
    with slot.shared():
        timing = enters(slot.alone)
        time.sleep(0.1)  # until the timing waits at the gate
        build = enters(slot.shared)
        assert not timing.wait(0.2)
        assert not build.is_set(), "a build passed a timing that was waiting: timings could wait for ever"
    assert timing.wait(5)
    assert build.wait(5)


def test_nothing_runs_beside_a_timing(tmp_path: Path) -> None:
    slot = Slot(tmp_path)
    with slot.alone():
        others = [enters(slot.shared), enters(slot.alone)]
        time.sleep(0.2)
        assert not any(other.is_set() for other in others)
    assert all(other.wait(5) for other in others)


def test_another_process_is_waited_for_and_named_and_its_death_frees_the_host(tmp_path: Path) -> None:
    said: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        entered = enters(lambda: Slot(tmp_path).alone(Noted(said)))
        assert not entered.wait(2.5)
        other.kill()
        assert entered.wait(5)
    assert said == [f"waiting for the host: process {other.pid} is using it"]


def test_waiting_can_be_stopped(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with (
        Slot(tmp_path).alone(),
        pytest.raises(StoppedError),
        Slot(tmp_path).shared(Reporter("task", "", lambda _: None, stop)),
    ):
        pass


def test_whoever_removes_the_files_lets_nobody_in(tmp_path: Path) -> None:
    """As logind does with a user's shared memory when the user logs out."""
    with Slot(tmp_path).alone():
        for path in tmp_path.iterdir():
            path.unlink()
        other = enters(Slot(tmp_path).alone)
        assert not other.wait(0.3)
    assert other.wait(5)


def test_a_lock_of_another_user_will_do(tmp_path: Path) -> None:
    (tmp_path / "footprint-harness.gate").touch(0o444)
    with Slot(tmp_path).alone():
        pass


def test_a_link_in_the_lock_s_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "footprint-harness.gate").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EnvironmentLacksError, match="timing slot"), Slot(tmp_path).alone():
        pass
    assert not (tmp_path / "elsewhere").exists()
