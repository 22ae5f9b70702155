"""How progress looks: a live line on a terminal, one line a phase elsewhere. Always on standard error."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

QUIET_SECONDS = 2.0
"""Between two lines that count."""


class Pace:
    """How long is left of what is counted. What goes on counting from phase to phase is one thing."""

    def __init__(self) -> None:
        self._began = 0.0
        self._done = self._total = 0

    def told(self, done: int, total: int, *, now: float, phase_started: float) -> str:
        """`12 of 31, 3 s left`."""
        if total != self._total or done <= self._done:
            self._began, self._total = phase_started, total
        self._done = done
        if not 0 < done < total:
            return f"{done} of {total}"
        left = (now - self._began) / done * (total - done)
        return f"{done} of {total}, " + (f"{left:.0f} s left" if left < 120 else f"{left / 60:.0f} min left")


class Lines:
    """One line a phase, with the seconds since the start."""

    def __init__(self) -> None:
        self._started = self._phase_started = self._stepped = time.monotonic()
        self._pace = Pace()

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None: ...

    def phase(self, name: str, detail: str = "") -> None:
        self._phase_started = time.monotonic()
        print(f"{self._phase_started - self._started:7.1f} s  {name:<9} {detail}".rstrip(), file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        print(f"           {text}", file=sys.stderr, flush=True)

    def transfer(self, received: int, total: int) -> None: ...

    def step(self, done: int, total: int) -> None:
        now = time.monotonic()
        told = self._pace.told(done, total, now=now, phase_started=self._phase_started)
        if done < total and now - self._stepped < QUIET_SECONDS:
            return
        self._stepped = now
        self.note(told)

    def alive(self) -> None: ...


class Live:
    """A spinner with the phase and its time; while bytes come: how many, how fast, how long still."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._started = 0.0
        self._name = ""
        self._pace = Pace()

    def __enter__(self) -> Live:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_phase(completed=kind is None)
        self._bars.stop()

    def phase(self, name: str, detail: str = "") -> None:
        self._end_phase(completed=True)
        self._name, self._started = f"{name:<9} {detail}".rstrip(), time.monotonic()
        self._task = self._bars.add_task(self._name)

    def note(self, text: str) -> None:
        self._console.print(f"  {text}", style="dim", highlight=False)

    def transfer(self, received: int, total: int) -> None:
        if self._task is not None:
            elapsed = max(time.monotonic() - self._started, 1e-3)
            rate = received / elapsed
            left = (total - received) / rate if rate else 0.0
            self._bars.update(
                self._task,
                description=f"{self._name.split()[0]:<9} {received / 1e6:,.0f} of {total / 1e6:,.0f} MB, "
                f"{rate / 1e6:,.0f} MB/s, {left:.0f} s left",
            )

    def alive(self) -> None: ...

    def step(self, done: int, total: int) -> None:
        if self._task is not None:
            told = self._pace.told(done, total, now=time.monotonic(), phase_started=self._started)
            self._bars.update(self._task, description=f"{self._name}  {told}")

    def _end_phase(self, *, completed: bool) -> None:
        if self._task is None:
            return
        self._bars.remove_task(self._task)
        self._task = None
        mark = "[green]✓[/]" if completed else "[red]✗[/]"
        self._console.print(
            f"{mark} {self._name} [dim]{time.monotonic() - self._started:.1f} s[/]", highlight=False, soft_wrap=True
        )


class Quiet(Lines):
    def phase(self, name: str, detail: str = "") -> None: ...
    def note(self, text: str) -> None: ...
    def step(self, done: int, total: int) -> None: ...


def choose(*, quiet: bool) -> Lines | Live:
    if quiet:
        return Quiet()
    return Live() if sys.stderr.isatty() else Lines()
