"""Names beside their points, none over another. The door to adjustText, for where it is crowded."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from adjustText import adjust_text  # type: ignore[import-untyped]

from harness.report.drawing.sheet import INCH, Annotation, Artist, Axes, Bbox, Line2D, plain
from harness.report.drawing.style import BODY, SMALL, Theme

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
ALONG = (3, 2, 1, 0, 5, 4, 7, 6)
"""Sides for labels along a line, best first: below and above it, then beside."""
FAR = (1.0, 2.5, 4.0)
"""Distances that are tried for a label along a line; the farther ones have a line to their point."""
BETWEEN = 3
"""Pixels between labels along a line."""
RING = 8
"""Pixels; a label along a line that comes closer to the middle of a ring touches it."""
LANE = 12.0
"""Points from a plot's right edge to the labels of the ends of its lines."""


@dataclass(frozen=True)
class Label:
    """A label that is written where it finds room."""

    point: tuple[float, float]
    text: str
    minor: bool = False
    """Small, and never farther away than beside its point."""


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


def along(axes: Axes, labels: Sequence[Label], theme: Theme, *, marks: Points, lines: Sequence[Line2D]) -> None:
    """Write those labels that find room beside their points, on no mark, line or other label; the first first."""
    frame, spots = axes.get_window_extent(), _pixels(axes, marks)
    paths = [line.get_transform().transform_path(line.get_path()) for line in lines]
    taken: list[Bbox] = []
    for label in labels:
        for far, side in itertools.product(FAR[: 1 if label.minor else len(FAR)], ALONG):
            text = _at_side(axes, label, side, far, theme)
            box = text.get_window_extent()
            crossed = any(path.intersects_bbox(box.padded(1), filled=False) for path in paths)
            if not crossed and _free(box, frame, spots, RING) and not any(box.overlaps(other) for other in taken):
                taken.append(box.padded(BETWEEN))
                if far > 1:
                    _lead(axes, label.point, text.xyann, "offset points", theme.muted)
                break
            text.remove()


def _at_side(axes: Axes, label: Label, side: int, far: float, theme: Theme) -> Annotation:
    across, up, right, above = SIDES[side]
    return axes.annotate(
        plain(label.text),
        label.point,
        xytext=(right * DISTANCE * far, above * DISTANCE * far),
        textcoords="offset points",
        ha=across,
        va=up,
        fontsize=SMALL if label.minor else BODY,
        color=theme.muted if label.minor else theme.text,
        zorder=6,
    )


def _lead(axes: Axes, point: tuple[float, float], start: tuple[float, float], where: str, colour: str) -> None:
    """A thin line from a label to its point; apart from the text, whose box it would count into."""
    line = {"arrowstyle": "-", "color": colour, "linewidth": 0.7, "shrinkA": 2, "shrinkB": 4}
    axes.annotate("", point, xytext=start, textcoords=where, arrowprops=line)


def at_ends(axes: Axes, ends: Points, labels: Sequence[str], colours: Sequence[str], theme: Theme) -> None:
    """Write a label for the end of each line into the lane right of the plot, at its height or as near as the others
    let it, with a thin line to it."""
    frame = axes.get_window_extent()
    heights = [y for _, y in _pixels(axes, ends)]
    order = sorted(range(len(ends)), key=lambda one: (heights[one], one))
    written = {
        one: axes.annotate(
            plain(labels[one]),
            ends[one],
            xytext=(0, 0),
            textcoords="axes fraction",
            ha="left",
            va="center",
            fontsize=BODY,
            color=theme.text,
        )
        for one in order
    }
    tall = [written[one].get_window_extent().height * 1.15 for one in order]
    lane = 1 + LANE / INCH * axes.figure.dpi / frame.width
    middles = apart([heights[one] for one in order], tall, frame.y0, frame.y1)
    for one, middle in zip(order, middles, strict=True):
        height = (middle - frame.y0) / frame.height
        written[one].set_position((lane, height))
        _lead(axes, ends[one], (lane, height), "axes fraction", colours[one])


def apart(wanted: Sequence[float], heights: Sequence[float], low: float, high: float) -> list[float]:
    """Where the middles of boxes go, so that none covers another and each is near to where it was wanted.

    Args:
        wanted: from the lowest to the highest.
        low, high: what they must not go beyond, where they have room there.
    """
    starts = list(itertools.accumulate(heights, initial=0.0))
    # as if no box had a height: then places need only not to fall. Least squares, by pooling those that do.
    pools: list[tuple[float, int]] = []
    for place, (want, height) in enumerate(zip(wanted, heights, strict=True)):
        pools.append((want - starts[place] - height / 2, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (one, its), (other, others) = pools.pop(), pools.pop()
            pools.append(((one * its + other * others) / (its + others), its + others))
    free = [place for place, count in pools for _ in range(count)]
    most = max(low, high - starts[-1])
    return [
        min(max(place, low), most) + start + height / 2
        for place, start, height in zip(free, starts, heights, strict=False)
    ]


def _looks(theme: Theme) -> dict[str, Any]:
    behind = {"facecolor": theme.background, "edgecolor": "none", "pad": 0.8}  # cuts the guide lines
    return {"fontsize": BODY, "color": theme.text, "bbox": behind}


def _pixels(axes: Axes, points: Points) -> list[tuple[float, float]]:
    return [tuple(axes.transData.transform(point)) for point in points]


def _free(box: Bbox, frame: Bbox, marks: Sequence[tuple[float, float]], near: float = NEAR) -> bool:
    """Whether a label is inside of the plot and hides no mark."""
    inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
    return bool(inside) and not any(box.padded(near).contains(*mark) for mark in marks)
