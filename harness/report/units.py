"""Figures in a page's tables: like those of the charts, and also small ones and missing ones."""

from __future__ import annotations

from collections.abc import Callable

from harness.report import words

NONE = "\N{EN DASH}"
"""Shown where there is no figure; never a zero."""
_SMALL = 1e5
"""Bytes below which MB would lose digits."""


def megabytes(value: float | None) -> str:
    """`5,027 MB`, `6.79 MB`; small ones in kB and B, so that no size reads as none."""
    if value is None:
        return NONE
    if value >= _SMALL:
        return words.megabytes(value)
    return f"{value / 1e3:.1f} kB" if value >= 1e3 else f"{value:.0f} B"


def seconds(value: float | None) -> str:
    """`13.90 s`, `0.098 s`."""
    return NONE if value is None else words.seconds(value)


def count(value: float | None) -> str:
    return NONE if value is None else f"{value:,.0f}"


def share(part: float) -> str:
    """`21.0%`; `<0.1%` for what would read as none."""
    return "<0.1%" if 0 < part < 0.0005 else f"{part:.1%}"


def shower(figure: str) -> Callable[[float | None], str]:
    """How a figure of that name is shown."""
    return megabytes if figure.endswith("_bytes") else seconds if figure.endswith("_seconds") else count
