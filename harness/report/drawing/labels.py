"""Names beside their points, none over another. The door to adjustText, for where it is crowded."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Literal

from adjustText import adjust_text  # type: ignore[import-untyped]

from harness.report.drawing.sheet import Artist, Axes, Bbox, plain
from harness.report.drawing.style import BODY, Theme

DISTANCE = 6.0
"""Points from the middle of a mark to its label."""
SIDES = (
    ("left", "center", 1.0, 0.0),
    ("right", "center", -1.0, 0.0),
    ("center", "bottom", 0.0, 1.0),
    ("center", "top", 0.0, -1.0),
    ("left", "bottom", 0.7, 0.7),
    ("left", "top", 0.7, -0.7),
    ("right", "bottom", -0.7, 0.7),
    ("right", "top", -0.7, -0.7),
)
"""Where a label may be, best first: its alignment, and the direction from the mark."""
STEPS = 2000
"""Of the search for such places."""
NEAR = 5
"""Pixels; a label that comes closer to the middle of a mark hides it."""
EXPANSIONS = ((1.1, 1.5), (1.2, 1.9), (1.05, 1.25))
"""Room around a label that adjustText is asked for, in its widths and heights; tried in turn."""
ROUNDS = 200
"""A number, not a time limit: the same points always give the same picture."""
Points = Sequence[tuple[float, float]]


def place(axes: Axes, points: Points, labels: Sequence[str], theme: Theme, *, needs_room: bool = True) -> bool:
    """Write a label beside each point, or farther away with a line to it.

    Args:
        needs_room: take all back where not every label finds room.

    Returns:
        whether the labels are there.
    """
    if _beside(axes, points, labels, theme):
        return True
    return any(_around(axes, points, labels, theme, expand, needs_room) for expand in EXPANSIONS)


def _beside(axes: Axes, points: Points, labels: Sequence[str], theme: Theme) -> bool:
    """Each label at a side of its mark, so that all are free."""
    frame, marks = axes.get_window_extent(), _pixels(axes, points)
    sides: list[list[tuple[Artist, Bbox]]] = []
    for point, label in zip(points, labels, strict=True):
        tried: list[tuple[Artist, Bbox]] = []
        for across, up, right, above in SIDES:
            text = axes.annotate(
                plain(label),
                point,
                xytext=(right * DISTANCE, above * DISTANCE),
                textcoords="offset points",
                ha=across,
                va=up,
                **_looks(theme),
            )
            tried.append((text, text.get_window_extent()))
        sides.append(tried)
    choice = _choose([[_free(box, frame, marks) and box for _, box in tried] for tried in sides])
    for place, tried in enumerate(sides):
        for side, (artist, _) in enumerate(tried):
            if choice is None or choice[place] != side:
                artist.remove()
    return choice is not None


def _choose(sides: Sequence[Sequence[Bbox | Literal[False]]]) -> list[int] | None:
    """Of each label one side, so that no two boxes overlap: depth first, with a limit. None: not found."""
    steps = itertools.count()

    def after(chosen: list[int], boxes: list[Bbox]) -> list[int] | None:
        if len(chosen) == len(sides):
            return chosen
        for side, box in enumerate(sides[len(chosen)]):
            if next(steps) > STEPS:
                return None
            if box and not any(box.overlaps(other) for other in boxes):
                found = after([*chosen, side], [*boxes, box])
                if found is not None:
                    return found
        return None

    return after([], [])


def _around(
    axes: Axes, points: Points, labels: Sequence[str], theme: Theme, expand: tuple[float, float], needs_room: bool
) -> bool:
    """The labels pushed apart until none is over another, with lines to those that went far."""
    texts = [
        axes.text(x, y, plain(label), ha="center", va="center", **_looks(theme))
        for (x, y), label in zip(points, labels, strict=True)
    ]
    _, lines = adjust_text(
        texts,
        x=[x for x, _ in points],
        y=[y for _, y in points],
        ax=axes,
        iter_lim=ROUNDS,
        expand=expand,
        force_text=(0.2, 0.4),
        force_static=(0.2, 0.4),
        max_move=(20, 20),
        min_arrow_len=24,
        arrowprops={"arrowstyle": "-", "color": theme.muted, "linewidth": 0.7},
    )
    boxes = [text.get_window_extent() for text in texts]
    frame, marks = axes.get_window_extent().padded(1), _pixels(axes, points)
    crowded = any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    if needs_room and (crowded or not all(_free(box, frame, marks) for box in boxes)):
        for artist in (*texts, *lines):
            artist.remove()
        return False
    return True


def _looks(theme: Theme) -> dict[str, Any]:
    behind = {"facecolor": theme.background, "edgecolor": "none", "pad": 0.8}  # cuts the guide lines
    return {"fontsize": BODY, "color": theme.text, "bbox": behind}


def _pixels(axes: Axes, points: Points) -> list[tuple[float, float]]:
    return [tuple(axes.transData.transform(point)) for point in points]


def _free(box: Bbox, frame: Bbox, marks: Sequence[tuple[float, float]]) -> bool:
    """Whether a label is inside of the plot and hides no mark."""
    inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
    return bool(inside) and not any(box.padded(NEAR).contains(*mark) for mark in marks)
