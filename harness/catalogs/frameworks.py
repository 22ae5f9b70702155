"""The catalog: what is known of each framework. Reads one TOML file; otherwise pure."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from packaging.utils import canonicalize_name
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import InputError

DEFAULT = Path(__file__).with_name("frameworks.toml")
DEFAULT_VARIANT = "pypi"
SLIPS = 2
"""So few edits may be a slip of the keys."""
_ImportName = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]


class Variant(BaseModel):
    """One build of a framework."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    extras: list[str] = []
    index: str | None = None
    """Name of an index that the user configures."""
    local: str = ""
    """Local version label that its builds carry."""


class Framework(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    import_package: _ImportName = Field(alias="import")
    about: str = ""
    variant: dict[str, Variant] = {}


@dataclass(frozen=True)
class Catalog:
    """Frameworks by canonical distribution name."""

    frameworks: Mapping[str, Framework] = field(default_factory=dict)

    def import_package(self, name: str) -> str | None:
        """What `name` is imported as; None where the catalog does not know it."""
        framework = self.frameworks.get(name)
        return framework.import_package if framework else None

    def check_names(self, names: Iterable[str], *, anyway: bool = False) -> list[str]:
        """Refuse what is probably a slip of the keys: whoever registered that name would have code run here.

        Args:
            names: canonical distribution names.
            anyway: they are meant as they are.

        Returns:
            those that the catalog does not have.

        Raises:
            InputError: one is not in the catalog, and at most `SLIPS` edits away from one that is.
        """
        unknown = [name for name in names if name not in self.frameworks]
        for name in unknown:
            if not anyway and (near := self.nearest(name)) is not None:
                raise InputError(
                    f"{name!r} is not in the catalog", tip=f"did you mean {near}? (--anyway, if {name} is meant)"
                )
        return unknown

    def nearest(self, name: str) -> str | None:
        """The framework whose name is the fewest edits away, and at most `SLIPS`."""
        distance, near = min(((edits(name, known), known) for known in self.frameworks), default=(SLIPS + 1, ""))
        return near if distance <= SLIPS else None

    def variant(self, name: str, variant: str) -> Variant:
        """The build of `name` that is called `variant`.

        Raises:
            InputError: there is none; the message lists those there are.
        """
        if variant == DEFAULT_VARIANT:
            return Variant()
        framework = self.frameworks.get(name)
        known = framework.variant if framework else {}
        if variant not in known:
            raise InputError(
                f"{name} has no variant {variant!r}", tip=f"it has: {', '.join([DEFAULT_VARIANT, *sorted(known)])}"
            )
        return known[variant]


def stranger(name: str) -> str:
    """What to say of a name that the catalog does not have, before its package is installed."""
    return f"{name} is not in the catalog: whoever owns that name on the index has code run here"


def edits(one: str, other: str) -> int:
    """How many letters must be inserted, left out, replaced, or swapped with their neighbour to make one of the other.

    The optimal string alignment distance; https://doi.org/10.1145/363958.363994
    """
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, above, row = row, before, [i]
        for j, wanted in enumerate(other, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                best = min(best, above[j - 2] + 1)
            row.append(best)
    return row[-1]


def load(path: Path = DEFAULT) -> Catalog:
    """Read and check a catalog.

    Raises:
        InputError: it is missing, not TOML (with the line), or has a wrong or unknown key.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"there is no catalog {path}", tip="leave --catalog out for the built-in one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the catalog {path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"the catalog {path} is not TOML: {error}") from None
    entries = raw.pop("framework", {})
    if raw or not isinstance(entries, dict):
        odd = next(iter(raw), "framework")
        raise InputError(f"{path}: unknown key {odd!r}", tip="every entry is a [framework.NAME]")
    found: dict[str, Framework] = {}
    for name, entry in entries.items():
        canonical = canonicalize_name(name)
        if canonical in found:
            raise InputError(f"{path}: {canonical} stands there twice")
        try:
            found[canonical] = Framework.model_validate(entry)
        except ValidationError as error:
            raise InputError(*_first(path, name, error)) from None
    return Catalog(found)


def _first(path: Path, name: str, error: ValidationError) -> tuple[str]:
    """The first thing wrong with an entry, with the key that was probably meant."""
    problem = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in (name, *problem["loc"]))
    if problem["type"] == "extra_forbidden":
        key = str(problem["loc"][-1])
        near = difflib.get_close_matches(key, ["import", "about", "variant", "extras", "index", "local"], n=1)
        return (f"{path}: unknown key {place}" + (f"; did you mean {near[0]}?" if near else ""),)
    return (f"{path}: {place}: {re.sub(r'^Value error, ', '', problem['msg'])}",)
