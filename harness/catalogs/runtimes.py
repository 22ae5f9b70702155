"""The catalog of runtimes: what each needs, and which adapter runs it. Reads one TOML file; otherwise pure."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from packaging.version import Version
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import InputError
from harness.job import Request, parse_request

DEFAULT = Path(__file__).with_name("runtimes.toml")


class Entry(BaseModel):
    """One runtime, as the catalog has it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    adapter: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    distribution: str
    requires: list[str]
    provider: str
    device: Literal["cpu", "gpu"] = "cpu"
    compiler: bool = False
    about: str = ""


@dataclass(frozen=True)
class Runtime:
    """One runtime to time."""

    name: str
    adapter: str
    """Module in `probes/adapters/`."""
    distribution: str
    """Canonical name of the distribution whose version is told."""
    requires: tuple[Request, ...]
    """Locked together."""
    provider: str
    device: Literal["cpu", "gpu"]
    compiler: bool = False
    """Whether it compiles C++ while it runs."""

    def pinned(self, version: Version) -> Runtime:
        """The same with one version of its distribution."""
        requires = tuple(
            replace(one, version=version) if one.name == self.distribution else one for one in self.requires
        )
        return replace(self, requires=requires)


def load(path: Path = DEFAULT) -> dict[str, Runtime]:
    """Read and check the catalog; the first entry is the anchor.

    Raises:
        InputError: it is missing, not TOML, or has a wrong or unknown key.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"the runtimes in {path} cannot be read: {error}") from None
    entries = raw.pop("runtime", {})
    if raw or not isinstance(entries, dict) or not entries:
        raise InputError(f"{path}: unknown key {next(iter(raw), 'runtime')!r}", tip="every entry is a [runtime.NAME]")
    found = {}
    for name, told in entries.items():
        try:
            entry = Entry.model_validate(told)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, (name, *first["loc"])))
            raise InputError(f"{path}: {place}: {first['msg']}") from None
        requires = tuple(parse_request(text) for text in entry.requires)
        if entry.distribution not in {one.name for one in requires}:
            raise InputError(f"{path}: {name} does not require {entry.distribution}, whose version it tells")
        found[name] = Runtime(
            name, entry.adapter, entry.distribution, requires, entry.provider, entry.device, entry.compiler
        )
    return found


def parse_runtimes(texts: Sequence[str], known: Mapping[str, Runtime]) -> tuple[Runtime, ...]:
    """`onnxruntime`, `openvino==2026.4.1`: runtimes of the catalog, with a version where one is named.

    Raises:
        InputError: there is no such runtime, or it stands there twice.
    """
    found: dict[str, Runtime] = {}
    for text in texts:
        request = parse_request(text)
        if request.name not in known:
            near = difflib.get_close_matches(request.name, known, n=1)
            raise InputError(
                f"there is no runtime {request.name!r}",
                tip=f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}",
            )
        if request.extras:
            raise InputError(f"{text!r}: a runtime's extras are the catalog's", tip=f"write {request.name}")
        if request.name in found:
            raise InputError(f"the runtime {request.name} is named twice", tip="time its versions one after the other")
        runtime = known[request.name]
        found[request.name] = runtime.pinned(request.version) if request.version else runtime
    return tuple(found.values())


def parse_threads(text: str, physical: int) -> tuple[int, ...]:
    """`1,2` or `1,all`: numbers of threads, each once, smallest first.

    Args:
        physical: how many physical cores may be used, which is what `all` means.

    Raises:
        InputError: one is no number from 1 to `physical`.
    """
    found = set()
    for part in re.split(r"[,\s]+", text.strip()):
        if part != "all" and (not re.fullmatch(r"[0-9]{1,4}", part, re.ASCII) or not 1 <= int(part) <= physical):
            raise InputError(
                f"threads {part[:20]!r} is not a number from 1 to {physical}, the physical cores here",
                tip="write for example 1,all",
            )
        found.add(physical if part == "all" else int(part))
    return tuple(sorted(found))
