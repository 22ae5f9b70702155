"""What people see of many jobs: counts that add up, whatever order events come in."""

from __future__ import annotations

import threading

import pytest

from harness.cli.boards import told
from harness.fleet.events import Board, Event, Reporter, StoppedError, from_dict


def board(*events: Event, total: int = 4) -> Board:
    found = Board(total, began_at=100.0)
    for event in events:
        found.tell(event)
    return found


def phase(task: str, name: str) -> Event:
    return Event(task, "phase", 1.0, text=name)


def end(task: str, status: str) -> Event:
    return Event(task, "end", 2.0, text=status)


def test_a_line_counts_what_is_done_and_what_is_under_way() -> None:
    found = board(
        phase("a", "resolve"),
        phase("b", "download"),
        Event("b", "bytes", 1.0, received=5_000_000, total=9_000_000),
        end("c", "ok"),
        end("d", "failed"),
    )
    assert told(found, now=130.0) == "2 of 4 done, 1 failed, 2 left, 30 s to go, 5 MB; resolve 1, download 1"


def test_before_the_first_end_nothing_is_promised() -> None:
    assert told(board(phase("a", "resolve")), now=200.0) == "0 of 4 done, 4 left; resolve 1"


def test_what_comes_after_a_task_s_end_counts_no_more() -> None:
    found = board(phase("a", "import"), end("a", "ok"), phase("a", "import"), end("a", "ok"))
    assert (found.done, found.in_phase()) == (1, {})


def test_a_task_that_is_done_anew_is_in_no_phase() -> None:
    assert board(phase("a", "import"), Event("a", "retry", 1.0)).in_phase() == {}


def test_a_reporter_s_events_survive_the_way_over_a_network() -> None:
    seen: list[Event] = []
    reporter = Reporter("a", "tcp://one", seen.append, threading.Event())
    reporter.phase("download", "3 wheels")
    reporter.transfer(10, 10)
    reporter.note("slow")
    assert [from_dict(event.to_dict()) for event in seen] == seen
    assert [event.what for event in seen] == ["phase", "bytes", "note"]


def test_a_stopped_task_ends_at_its_next_sign_of_life() -> None:
    stop = threading.Event()
    reporter = Reporter("a", "", lambda event: None, stop)
    reporter.phase("resolve")
    stop.set()
    with pytest.raises(StoppedError):
        reporter.transfer(1, 2)
