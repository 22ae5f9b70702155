"""Scales across the lane of a chart of rows, and the guide lines that they have."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from harness.report.drawing.rows import Lane
from harness.report.drawing.sheet import Sheet
from harness.report.drawing.style import SMALL

NICE = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)
"""Multiples of a power of ten that a guide line may stand at."""
MOST = 6
"""Guide lines; more would crowd their names."""


@dataclass(frozen=True)
class Log:
    """A log scale across a lane."""

    lane: Lane
    low: float
    high: float
    least: float = 0.0
    """Whatever is less is drawn here: a log scale has no place for it."""

    def at(self, value: float) -> float:
        return self.lane.at(math.log(max(value, self.least) / self.low) / math.log(self.high / self.low))

    def guides(self) -> list[float]:
        """Powers of ten; where they are too few, their halves and fifths too; then whatever is round."""
        powers = [10.0**power for power in range(-7, 6)]
        for parts in ((1,), (1, 2, 5), NICE):
            within = [part * value for value in powers for part in parts if self.low <= part * value <= self.high]
            if len(within) > 1:
                break
        return within[:: -(-len(within) // MOST)] if within else []


def guide(sheet: Sheet, scale: Log, begin: float, told: Callable[[float], str], *, about: str = "log scale") -> None:
    """Lines behind the rows since `begin`, and what they stand for below."""
    middle = sheet.y + 4
    for value in scale.guides():
        x = scale.at(value)
        sheet.line((x, begin - 4), (x, middle - 7), sheet.theme.faint)
        sheet.text(x, middle, told(value), size=SMALL, colour=sheet.theme.muted, align="center")
    sheet.text(sheet.left, middle, about, size=SMALL, colour=sheet.theme.muted)
    sheet.y = middle + 8
