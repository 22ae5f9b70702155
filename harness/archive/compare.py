"""Compare records. So far: a replay with what it replays."""

from __future__ import annotations

from dataclasses import dataclass

from harness.record import Figures, Record

EXACT = (
    "wheel_bytes",
    "download_bytes",
    "unpacked_bytes",
    "installed_bytes",
    "bytecode_bytes",
    "distributions",
    "import_modules",
)
"""Figures that a replay must meet to the byte. Not `allocated_bytes`, which the file system decides, and
not `image_bytes`, which holds the base image's size."""
TIMES = tuple(name for name in Figures.model_fields if name.endswith("_seconds"))


@dataclass(frozen=True)
class Line:
    """One figure, twice."""

    figure: str
    before: float | int | None
    after: float | int | None
    exact: bool

    @property
    def equal(self) -> bool:
        return self.before == self.after


@dataclass(frozen=True)
class Replay:
    """What a replay found."""

    lines: tuple[Line, ...]
    same_outcome: bool
    """Whether status, phase and reason are the same."""

    @property
    def faithful(self) -> bool:
        return self.same_outcome and all(line.equal for line in self.lines if line.exact)


def replay(before: Record, after: Record) -> Replay:
    """Sizes must be equal, times stand side by side."""
    exact = EXACT if before.environment.python == after.environment.python else EXACT[:4] + EXACT[5:6]
    lines = [Line(n, getattr(before.figures, n), getattr(after.figures, n), True) for n in exact]
    lines += [Line(n, getattr(before.figures, n), getattr(after.figures, n), False) for n in TIMES]
    same = (before.status, before.phase, before.reason) == (after.status, after.phase, after.reason)
    return Replay(tuple(line for line in lines if (line.before, line.after) != (None, None)), same)
