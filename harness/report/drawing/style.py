"""How charts look: two themes and the sizes of their letters. Plain values; no drawing library."""

from __future__ import annotations

from dataclasses import dataclass

WIDTH = 440.0
"""Points. A README shows this at its natural size or larger, a phone at eight tenths."""
MARGIN = 12.0
TITLE, NAME, BODY, SMALL = 13.0, 9.5, 8.5, 7.5
"""Letter heights in points."""
FONT = "DejaVu Sans"
"""Comes with matplotlib, so that a layout is the same everywhere. A browser without it takes its own sans-serif, which
is narrower."""


@dataclass(frozen=True)
class Theme:
    """Colours. Text has a contrast of at least 4.5 with the background, whatever stands for a figure 3."""

    name: str
    background: str
    text: str
    muted: str
    """Text of the second rank."""
    faint: str
    """Guide lines that carry no figure."""
    rest: str
    """What is left over: other distributions, bytes that no import touched."""
    series: tuple[str, ...]
    """Okabe and Ito's colours, those of them that this background carries: distinct for every kind of colour vision.
    https://jfly.uni-koeln.de/color/"""


LIGHT = Theme(
    name="light",
    background="#ffffff",
    text="#1b1b1b",
    muted="#595959",
    faint="#d9d9d9",
    rest="#8c8c8c",
    series=("#0072b2", "#d55e00", "#009e73", "#cc79a7"),
)
DARK = Theme(
    name="dark",
    background="#131416",
    text="#f0f0f0",
    muted="#adb2b8",
    faint="#3a3d42",
    rest="#767b82",
    series=("#56b4e9", "#e69f00", "#009e73", "#cc79a7"),
)
THEMES = (LIGHT, DARK)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours `#rrggbb`, 1 to 21. https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
