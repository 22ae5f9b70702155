"""Limits of bytes that places have which models are shipped to, with their sources; and sizes that a user types."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import InputError
from harness.parsing import parse_choice, parse_size

DEFAULT = Path(__file__).with_name("limits.toml")
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
