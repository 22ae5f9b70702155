"""Records and forecasts by what they share, for questions that can be asked of both."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from packaging.version import InvalidVersion, Version

from harness.documents.footprint import Figures, Record
from harness.documents.forecast import Forecast, ForecastFigures

Weighed = Record | Forecast
"""What tells sizes: `stage` says whether they were measured or forecast."""

SAME_SIZES = ((1, 1),)
"""Method versions, a record's of sizes and a forecast's, that define the figures which both have alike."""


def word(one: Weighed) -> str:
    """`measured` or `forecast`."""
    return "forecast" if isinstance(one, Forecast) else "measured"


def told_at(one: Weighed) -> datetime:
    """When it was measured, or the index was asked."""
    return one.forecast_at if isinstance(one, Forecast) else one.measured_at


def is_whole(one: Weighed) -> bool:
    """Whether dependencies were weighed too."""
    return isinstance(one, Record) or one.scope == "closure"


@lru_cache(maxsize=4096)
def as_version(text: str) -> Version:
    """To sort by: a version that nobody could parse is older than all others."""
    try:
        return Version(text)
    except InvalidVersion:
        return Version("0.dev0")


def figure_of(one: Weighed, name: str) -> float | int | None:
    """One of the figures of a record or of a forecast; None where it has none."""
    if name == "wheel_unpacked_bytes" and isinstance(one, Record):
        return next((wheel.unpacked_bytes for wheel in one.wheels if wheel.name == one.framework), None)
    found: float | int | None = getattr(one.figures, name, None)
    return found


def missing(one: Weighed, name: str) -> str:
    """Why there is no such figure."""
    if isinstance(one, Record):
        return one.absent.get(name) or f"not measured by harness {one.environment.harness_version}"
    if name not in ForecastFigures.model_fields:
        return "a forecast does not tell it, only a measurement does"
    if one.status != "ok":
        return f"not reached: {one.status} in {one.phase}"
    if not is_whole(one):
        return "only its own wheel was forecast, not what it needs"
    return f"not forecast by harness {one.harness_version}"


def shared_figures(before: Weighed, after: Weighed) -> tuple[str, ...]:
    """What the two can be compared by: what records have, what forecasts have, or, of one of each, what a record has
    or can tell."""
    if isinstance(before, Forecast) and isinstance(after, Forecast):
        return tuple(ForecastFigures.model_fields)
    figures = tuple(Figures.model_fields)
    if isinstance(before, Record) and isinstance(after, Record):
        return figures
    return (figures[0], "wheel_unpacked_bytes", *figures[1:])


def method(family: str, one: Weighed) -> int | None:
    """Version of the method of a family of figures, a key of `record.METHODS`; a forecast's is that of its sizes."""
    if isinstance(one, Record):
        return one.methods.get(family)
    return one.method_version if family == "sizes" else None


def is_comparable(family: str, before: Weighed, after: Weighed) -> bool:
    """Whether figures of a family were defined alike in both."""
    first, second = method(family, before), method(family, after)
    if type(before) is type(after):
        return first == second
    return family == "sizes" and ((first, second) if isinstance(before, Record) else (second, first)) in SAME_SIZES
