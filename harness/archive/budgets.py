"""What fits a limit of bytes, by what was measured or forecast."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.archive.weighed import Weighed, figure_of, missing
from harness.catalogs.limits import MEASURES, Limit, Of
from harness.documents.footprint import Record
from harness.documents.forecast import Forecast

FORECAST: Mapping[Of, str] = {
    "installed": "unpacked_bytes",
    "installed-without-bytecode": "unpacked_bytes",
    "download": "download_bytes",
    "wheel": "wheel_bytes",
}
"""What a budget can be of, as the forecast figure that answers for it, or for most of it."""
COUNTED = "unpacked, forecast: all but what the installer writes itself"
"""What stands for what is installed without bytecode."""


@dataclass(frozen=True)
class Verdict:
    """Whether one record or forecast fits."""

    weighed: Weighed
    bytes: int | None
    """What counts towards the limit; None where a figure is missing."""
    fits: bool | None
    """None where that cannot be told."""
    spare_bytes: int | None
    """What is left below the limit; negative above it, None where there is none, or no figure."""
    why_not: str = ""
    """Why there is no figure."""
    without_bytecode_bytes: int | None = None
    """What it would be without bytecode, where only that keeps it from fitting."""
    counted: str = ""
    """What was counted, where that is not the very thing that the limit is of."""
    at_least_bytes: int | None = None
    """What is known of a figure that is missing: it is more than this."""


def judge(kept: Iterable[Weighed], limit: Limit) -> list[Verdict]:
    """Which of the records and forecasts fit, the smallest first; those of which no size is known last."""
    found = [_measured(one, limit) if isinstance(one, Record) else _forecast(one, limit) for one in kept]
    return sorted(found, key=_smallest_first)


def _smallest_first(one: Verdict) -> tuple[bool, int, str, str]:
    size = one.at_least_bytes if one.bytes is None else one.bytes
    return size is None, size or 0, one.weighed.framework, one.weighed.record_id


def _measured(record: Record, limit: Limit) -> Verdict:
    values = {name: getattr(record.figures, name) for name in MEASURES[limit.of]}
    lacking = [name for name, value in values.items() if value is None]
    if lacking:
        return Verdict(record, None, None, None, f"{lacking[0]}: {missing(record, lacking[0])}")
    size = sum(values.values())
    installed = values.get("installed_bytes")
    spared = installed if installed is not None and limit.bytes and installed <= limit.bytes < size else None
    return _of_size(record, size, limit, without_bytecode_bytes=spared)


def _forecast(forecast: Forecast, limit: Limit) -> Verdict:
    """A forecast tells what is downloaded, and of what is installed all but what the installer and Python write."""
    name = FORECAST.get(limit.of)
    if name is None:
        (lacking,) = MEASURES[limit.of]
        return Verdict(forecast, None, None, None, f"{lacking}: {missing(forecast, lacking)}")
    size = figure_of(forecast, name)
    if size is None:
        return Verdict(forecast, None, None, None, f"{name}: {missing(forecast, name)}")
    size = int(size)
    if limit.of != "installed":
        return _of_size(forecast, size, limit, counted=COUNTED if name == "unpacked_bytes" else "")
    # bytecode can only add to it: too much is too much already, and less may yet become too much
    fits = True if limit.bytes is None else False if size > limit.bytes else None
    why_not = f"bytecode_bytes: {missing(forecast, 'bytecode_bytes')}"
    return Verdict(forecast, None, fits, None, why_not, counted=COUNTED, at_least_bytes=size)


def _of_size(
    weighed: Weighed, size: int, limit: Limit, *, counted: str = "", without_bytecode_bytes: int | None = None
) -> Verdict:
    spare = None if limit.bytes is None else limit.bytes - size
    fits = spare is None or spare >= 0
    return Verdict(weighed, size, fits, spare, without_bytecode_bytes=without_bytecode_bytes, counted=counted)
