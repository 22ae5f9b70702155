"""Budgets of bytes: named limits of places where models are shipped to, and what fits them."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.archive.weighed import Weighed, figure_of, missing
from harness.errors import InputError
from harness.forecast import Forecast
from harness.job import parse_choice, parse_size
from harness.record import Record

DEFAULT = Path(__file__).parents[1] / "budgets.toml"
Of = Literal["installed", "installed-without-bytecode", "download", "image", "wheel"]

MEASURES: Mapping[Of, tuple[str, ...]] = {
    "installed": ("installed_bytes", "bytecode_bytes"),
    "installed-without-bytecode": ("installed_bytes",),
    "download": ("download_bytes",),
    "image": ("image_bytes",),
    "wheel": ("wheel_bytes",),
}
"""What a budget can be of, as the figures that are added up for it. `installed` counts bytecode: pip and the
first import write it, so it lies on the disk."""
MEANINGS: Mapping[Of, str] = {
    "installed": "installed, with bytecode",
    "installed-without-bytecode": "installed, without bytecode",
    "download": "download with all dependencies",
    "image": "container image with its base",
    "wheel": "its own wheel",
}

FORECAST: Mapping[Of, str] = {
    "installed": "unpacked_bytes",
    "installed-without-bytecode": "unpacked_bytes",
    "download": "download_bytes",
    "wheel": "wheel_bytes",
}
"""What a budget can be of, as the forecast figure that answers for it, or for most of it."""
COUNTED = "unpacked, forecast: all but what the installer writes itself"
"""What stands for what is installed without bytecode."""


class Limit(BaseModel):
    """The most bytes that some place takes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    title: str
    bytes: Annotated[int, Field(gt=0)] | None = None
    """None: its vendor says that there is no limit."""
    of: Of
    source: Annotated[str, Field(pattern=r"^https://[^\s]+$")] | None = None
    """The vendor's page; None for a size that was typed."""
    checked: date | None = None
    """When what the source says was last looked up."""


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


def load(path: Path = DEFAULT) -> dict[str, Limit]:
    """Read and check the named limits.

    Raises:
        InputError: the file is missing, not TOML, or an entry is wrong or has no source.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"the limits in {path} cannot be read: {error}") from None
    entries = raw.pop("limit", {})
    if raw or not isinstance(entries, dict):
        raise InputError(f"{path}: unknown key {next(iter(raw), 'limit')!r}", tip="every entry is a [limit.NAME]")
    found = {}
    for name, entry in entries.items():
        try:
            found[name] = Limit.model_validate(entry)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, (name, *first["loc"])))
            raise InputError(f"{path}: {place}: {first['msg']}") from None
        if found[name].source is None or found[name].checked is None:
            raise InputError(f"{path}: {name} has no source, or no day when it was checked")
    return found


def parse_limit(text: str, known: Mapping[str, Limit], of: str | None = None) -> Limit:
    """A size such as `250MB`, or the name of a known limit.

    Args:
        of: what is to be counted, one of `MEASURES`; default: what a named limit limits, else `installed`.

    Raises:
        InputError: it is neither, or is zero.
    """
    wanted: Of | None = None
    if of is not None:
        parse_choice(of, name="--of", among=tuple(MEASURES))
        (wanted,) = (one for one in MEASURES if one == of)
    if text in known:
        limit = known[text]
        return limit if wanted is None else limit.model_copy(update={"of": wanted})
    try:
        size = parse_size(text, name="limit")
    except InputError as error:
        near = difflib.get_close_matches(text, known, n=1)
        tip = f"did you mean {near[0]}?" if near else f"write a size such as 250MB, or one of: {', '.join(known)}"
        raise InputError(error.message.replace("a size", "a size or a known limit"), tip=tip) from None
    if not size:
        raise InputError("a limit of 0 bytes", tip="write a size such as 250MB")
    return Limit(title="the size given", bytes=size, of=wanted or "installed")


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
