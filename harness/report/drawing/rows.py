"""The layout that most charts share: a row a record, its name on the left, its marks and figures on the right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.report import words
from harness.report.drawing.sheet import Sheet, Shown, fit, width, wrap
from harness.report.drawing.style import BODY, NAME, SMALL

WIDEST_NAMES = 0.34
"""Of the sheet; longer names are cut."""
GAP = 9.0
"""Between rows, in points."""
LINE = 11.5
"""Height of one line of figures."""
BAR = 8.0
"""Height of a bar."""
Names = Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class Lane:
    """Where the marks of all rows lie, from `left` to `right`, in points."""

    left: float
    right: float

    def at(self, share: float) -> float:
        """The place of a share of the lane."""
        return self.left + share * (self.right - self.left)


def lane(sheet: Sheet, records: Sequence[Shown], names: Names, *, labels: float) -> Lane:
    """What names on the left, and labels of a width on the right, leave for marks."""
    widest = max(
        (
            max(width(names[one.record_id][0], size=NAME, bold=True), width(names[one.record_id][1], size=SMALL))
            for one in records
        ),
        default=0.0,
    )
    gutter = min(widest, WIDEST_NAMES * (sheet.right - sheet.left))
    return Lane(sheet.left + gutter + 8, sheet.right - labels)


def name(sheet: Sheet, top: float, lane: Lane, called: tuple[str, str]) -> float:
    """Write a row's name; returns where it ends."""
    room = lane.left - 8 - sheet.left + 0.01  # the longest name is as wide, but for rounding
    y = top
    sheet.text(sheet.left, y + NAME * 0.6, fit(called[0], room, size=NAME, bold=True), size=NAME, bold=True)
    y += NAME * 1.3
    for line in wrap(called[1], room, size=SMALL, lines=3):
        sheet.text(sheet.left, y + SMALL * 0.6, line, size=SMALL, colour=sheet.theme.muted)
        y += SMALL * 1.3
    return y


def outcome(sheet: Sheet, top: float, lane: Lane, record: Shown, *, drawn: bool) -> float:
    """Tell in a row why figures are missing; returns where that ends. It is the record's mark where none was drawn."""
    text = words.outcome(record) or ("" if drawn else "no figure")
    if not text:
        return top
    sheet.y = top
    sheet.paragraph(text, x=lane.left, size=BODY, lines=3, mark=None if drawn else record)
    return sheet.y
