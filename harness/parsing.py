"""Scalars from text: counts, choices, seconds, sizes. Strict, and each error says what was wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from harness.errors import InputError


def quoted(text: str) -> str:
    """`text` for an error message: printable ASCII, and short."""
    plain = text.encode("unicode_escape").decode("ascii")
    return f"'{plain[:60]}...'" if len(plain) > 60 else f"'{plain}'"


def parse_count(text: str, *, name: str, low: int, high: int) -> int:
    """A whole number between `low` and `high`, both included.

    Raises:
        InputError: otherwise.
    """
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text.strip(), re.ASCII) or not low <= int(text) <= high:
        raise InputError(f"{name} {quoted(text)} is not a whole number from {low} to {high}", tip=f"try {name} {low}")
    return int(text)


def parse_choice(text: str, *, name: str, among: Sequence[str]) -> str:
    """`text`, if it is one of `among`.

    Raises:
        InputError: otherwise.
    """
    if text not in among:
        raise InputError(f"{name} {quoted(text)} is not one of {', '.join(among)}")
    return text


def parse_seconds(text: str, *, name: str, high: float = 86_400) -> float:
    """A positive, finite number of seconds.

    Raises:
        InputError: otherwise.
    """
    try:
        value = float(text) if text.isascii() else math.nan
    except ValueError:
        value = math.nan
    if not 0 < value <= high:
        raise InputError(f"{name} {quoted(text)} is not a number of seconds above 0 and up to {high:.0f}")
    return value


_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


def parse_size(text: str, *, name: str) -> int:
    """`8GiB`, `500MB`, `1000000`, in bytes.

    Raises:
        InputError: otherwise.
    """
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*([kmg]i?)?b?", text.strip().lower(), re.ASCII)
    if match is None or not text.isascii():
        raise InputError(f"{name} {quoted(text)} is not a size", tip="write for example 8GiB or 500MB")
    return int(float(match[1]) * _UNITS[match[2] or ""])


def parse_bytes(text: str, *, name: str) -> int:
    """A size of memory: `8GiB`, `500MB`.

    Raises:
        InputError: otherwise, and for less than 64 MiB, in which no interpreter starts reliably.
    """
    value = parse_size(text, name=name)
    if value < 64 * 2**20:
        raise InputError(f"{name} {quoted(text)} is less than 64 MiB", tip="give it more, for example 8GiB")
    return value
