"""How many jobs at a time look: a live board on a terminal, a line for each that ends elsewhere, or JSON lines.

Always on standard error. Events come from any thread.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Mapping
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from harness.errors import InputError
from harness.fleet.events import WAITING, Board, Event
from harness.fleet.plan import Plan

QUIET_SECONDS = 10.0
"""Between two lines that count."""
SHOWN = 8
"""Tasks under way that the live board names."""
MODES = ("auto", "lines", "json", "quiet")


class Watch(Protocol):
    """Shows a run, and the one after it."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def begin(self, plan: Plan) -> None:
        """These jobs are done next."""

    def tell(self, event: Event) -> None:
        """Something happened."""


def told(board: Board, now: float) -> str:
    """`3 of 12 done, 1 failed, 9 left, 4 min left, 120 MB; download 2, import 1`."""
    parts = [f"{board.done} of {board.total} done"]
    if board.failed:
        parts.append(f"{board.failed} failed")
    parts.append(f"{board.left} left")
    seconds = board.left_seconds(now)
    if seconds is not None and board.left:
        parts.append(f"{seconds:.0f} s to go" if seconds < 120 else f"{seconds / 60:.0f} min to go")
    if board.moved_bytes:
        parts.append(f"{board.moved_bytes / 1e6:,.0f} MB")
    phases = ", ".join(f"{name} {count}" for name, count in board.in_phase().items())
    return ", ".join(parts) + (f"; {phases}" if phases else "")


class Quiet:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...
    def begin(self, plan: Plan) -> None: ...
    def tell(self, event: Event) -> None: ...


class JsonLines(Quiet):
    """Each event as one line of JSON, and before them how many jobs there are."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def begin(self, plan: Plan) -> None:
        self._print({"what": "plan", "at": time.time(), "jobs": [one.slug for one in plan.to_do]})

    def tell(self, event: Event) -> None:
        self._print(event.to_dict())

    def _print(self, line: dict[str, object]) -> None:
        with self._lock:
            print(json.dumps(line), file=sys.stderr, flush=True)


class Lines(Quiet):
    """A line for each job that ends, and now and then how far it is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._board: Board | None = None
        self._labels: dict[str, str] = {}
        self._said = 0.0

    def begin(self, plan: Plan) -> None:
        with self._lock:
            self._board, self._labels = Board(len(plan.to_do), time.time()), plan.labels()
            self._said = time.monotonic()

    def tell(self, event: Event) -> None:
        with self._lock:
            if self._board is None:
                return
            self._board.tell(event)
            if event.what == "end":
                print(_ended(event, self._labels), file=sys.stderr)
            elif event.what == "note" and not event.task:
                print(f"           {event.text}", file=sys.stderr)
            if event.what == "end" or time.monotonic() - self._said > QUIET_SECONDS:
                self._said = time.monotonic()
                print(f"           {told(self._board, time.time())}", file=sys.stderr, flush=True)


class LiveBoard(Quiet):
    """What is under way, redrawn in place; what has ended scrolls away above it."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._lock = threading.Lock()
        self._board: Board | None = None
        self._labels: dict[str, str] = {}
        self._now: dict[str, Event] = {}
        self._live = Live(console=self._console, get_renderable=self._render, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def begin(self, plan: Plan) -> None:
        with self._lock:
            self._board, self._labels = Board(len(plan.to_do), time.time()), plan.labels()

    def tell(self, event: Event) -> None:
        with self._lock:
            if self._board is None:
                return
            self._board.tell(event)
            if event.what in ("phase", "bytes") and event.task not in self._board.over:
                self._now[event.task] = event
            elif event.what in ("end", "retry"):
                self._now.pop(event.task, None)
        if event.what == "end":
            style = "green" if event.text == "ok" else "red" if event.text == "failed" else "yellow"
            self._console.print(Text(_ended(event, self._labels), style), highlight=False, soft_wrap=True)
        elif event.what == "note" and not event.task:
            self._console.print(Text(f"  {event.text}", "dim"), highlight=False, soft_wrap=True)

    def _render(self) -> Group:
        with self._lock:
            if self._board is None:
                return Group()
            width = self._console.width
            under_way = [
                (self._board.phases[task], event)
                for task, event in self._now.items()
                if self._board.phases.get(task, WAITING) != WAITING  # those are counted below
            ]
            lines = [
                Text(_under_way(phase, event, self._labels)[: width - 1], "dim", no_wrap=True)
                for phase, event in under_way[:SHOWN]
            ]
            return Group(*lines, Text(told(self._board, time.time()), "bold"))


def _under_way(phase: str, event: Event, labels: Mapping[str, str]) -> str:
    what = f"{event.received / 1e6:,.0f} of {event.total / 1e6:,.0f} MB" if event.what == "bytes" else event.detail
    return f"  {phase:<9} {labels.get(event.task, event.task)}  {what}".rstrip()


def _ended(event: Event, labels: Mapping[str, str]) -> str:
    told = f"{event.text:<11} {labels.get(event.task, event.task)}"
    return told + (f"  {event.detail}" if event.detail else "")


def choose(mode: str, *, quiet: bool) -> Watch:
    """The one that suits.

    Raises:
        InputError: there is no such mode.
    """
    if mode not in MODES:
        raise InputError(f"progress {mode!r} is not one of {', '.join(MODES)}")
    if quiet or mode == "quiet":
        return Quiet()
    if mode == "json":
        return JsonLines()
    return LiveBoard() if mode == "auto" and sys.stderr.isatty() else Lines()
