"""What happens while many tasks run: events, and the board that they are counted on."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from harness.errors import Status

What = Literal["phase", "bytes", "note", "retry", "end"]
TRANSFER_SECONDS = 1.0
"""Between two events that tell bytes of one task."""
WAITING = "waiting"
"""The phase of a task that is built, and not yet timed."""


class StoppedError(BaseException):
    """Raised inside of a task whose run was interrupted; a BaseException, so that no row is made of it."""


@dataclass(frozen=True)
class Event:
    """One thing that happened to one task."""

    task: str
    what: What
    at: float
    """Seconds since 1970, by the clock of the host that tells it."""
    host: str = ""
    """Which host or worker tells it."""
    text: str = ""
    """Name of the phase, the note, or how it ended: a status."""
    detail: str = ""
    received: int = 0
    """Bytes of the download under way."""
    total: int = 0

    def to_dict(self) -> dict[str, Any]:
        """What says something, for a line of JSON."""
        return {name: value for name, value in asdict(self).items() if value or name == "at"}


def from_dict(told: Mapping[str, Any]) -> Event:
    """An event that `to_dict` wrote; what whoever carried it added is left out."""
    mine = {one.name: told[one.name] for one in fields(Event) if one.name in told}
    return Event(**{"task": "", "what": "note", "at": 0.0, **mine})


class Reporter:
    """A task's progress, as events. Ends the task at its next sign of life once `stop` is set."""

    def __init__(self, task: str, host: str, tell: Callable[[Event], None], stop: threading.Event) -> None:
        self.task, self.host, self.tell, self.stop = task, host, tell, stop
        self._told = 0.0

    def _event(self, what: What, **more: Any) -> None:
        self.alive()
        self.tell(Event(self.task, what, time.time(), self.host, **more))

    def phase(self, name: str, detail: str = "") -> None:
        self._event("phase", text=name, detail=detail)

    def note(self, text: str) -> None:
        self._event("note", text=text)

    def transfer(self, received: int, total: int) -> None:
        now = time.monotonic()
        if received >= total or now - self._told > TRANSFER_SECONDS or self.stop.is_set():
            self._told = now
            self._event("bytes", received=received, total=total)

    def step(self, done: int, total: int) -> None: ...

    def alive(self) -> None:
        if self.stop.is_set():
            raise StoppedError(self.task)


@dataclass
class Board:
    """How far a run is. Told events, it counts; pure, so that what people see can be tested."""

    total: int
    began_at: float
    phases: dict[str, str] = field(default_factory=dict)
    """Task -> its phase, of those under way."""
    ended: Counter[Status] = field(default_factory=Counter)
    received: dict[str, int] = field(default_factory=dict)
    """Task -> bytes that were downloaded for it."""
    over: set[str] = field(default_factory=set)
    """Tasks that have ended: what a slow network tells of them later counts no more."""

    def tell(self, event: Event) -> None:
        """Take an event into account."""
        if event.task in self.over:
            return
        if event.what == "phase":
            self.phases[event.task] = event.text
        elif event.what == "bytes":
            self.received[event.task] = event.received
        elif event.what == "retry":
            self.phases.pop(event.task, None)
        elif event.what == "end":
            self.phases.pop(event.task, None)
            self.over.add(event.task)
            self.ended[event.text] += 1  # type: ignore[index]

    @property
    def done(self) -> int:
        return sum(self.ended.values())

    @property
    def failed(self) -> int:
        return self.ended["failed"]

    @property
    def left(self) -> int:
        return self.total - self.done

    @property
    def moved_bytes(self) -> int:
        return sum(self.received.values())

    def in_phase(self) -> dict[str, int]:
        """Phase -> how many tasks are in it, most first."""
        return dict(Counter(self.phases.values()).most_common())

    def left_seconds(self, now: float) -> float | None:
        """How long it still takes, if it goes on as it went; None before the first end."""
        return (now - self.began_at) / self.done * self.left if self.done else None
