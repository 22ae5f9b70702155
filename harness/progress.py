"""What a long operation tells while it runs; the command line decides how it looks."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives events; implementations must be cheap, and safe to call from threads."""

    def phase(self, name: str, detail: str = "") -> None:
        """A named step begins."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def transfer(self, received: int, total: int) -> None:
        """Bytes of the current download so far."""

    def step(self, done: int, total: int) -> None:
        """How many of the phase's parts are done."""

    def alive(self) -> None:
        """Nothing new; raises where the run was stopped, so that whoever waits for long must call it."""


class Silent:
    """Tells nobody."""

    def phase(self, name: str, detail: str = "") -> None: ...
    def note(self, text: str) -> None: ...
    def transfer(self, received: int, total: int) -> None: ...
    def step(self, done: int, total: int) -> None: ...
    def alive(self) -> None: ...
