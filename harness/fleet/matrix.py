"""A sweep's matrix: every combination of what is named, less what is left out. Pure but for reading one TOML file."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.catalogs.frameworks import DEFAULT_VARIANT
from harness.errors import InputError
from harness.job import (
    DEFAULT_PYTHON,
    INSTALLERS,
    Python,
    Request,
    parse_as_of,
    parse_python,
    parse_requests,
)
from harness.parsing import parse_choice

MOST = 100_000
"""Combinations; more are a slip of the keyboard."""


class Exclusion(BaseModel):
    """What is left out: a combination that has all of these."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)
    framework: str | None = None
    """Name, with `==version` if only that."""
    variant: str | None = None
    python: str | None = None
    as_of: str | None = Field(None, alias="as-of")
    installer: str | None = None


class Matrix(BaseModel):
    """The axes, as somebody wrote them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)
    framework: list[str] = []
    """`name[extras]==version`; without a version the newest final release as of the date."""
    variant: list[str] = []
    python: list[str] = []
    as_of: list[str] = Field([], alias="as-of")
    installer: list[str] = []
    exclude: list[Exclusion] = []
    model: list[str] = []
    """Models to time, instead of frameworks to weigh."""
    runtime: list[str] = []
    """Runtimes to time them on; default: onnxruntime and openvino."""
    threads: list[str] = []
    track: list[str] = []


@dataclass(frozen=True)
class Combination:
    """One cell of the matrix, parsed; its version may still be open."""

    request: Request
    variant: str
    python: Python | None
    """None: the usual one, where the plan is made."""
    as_of: datetime
    installer: str


def read(path: Path) -> Matrix:
    """A matrix from a TOML file.

    Raises:
        InputError: it is missing, not TOML (with the line), or has a wrong or unknown key.
    """
    try:
        return Matrix.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise InputError(f"there is no matrix {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the matrix {path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"the matrix {path} is not TOML: {error}") from None
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in problem["loc"])
        known = ", ".join(field.alias or name for name, field in Matrix.model_fields.items())
        raise InputError(f"{path}: {place}: {problem['msg']}", tip=f"its keys are {known}; lists of strings") from None


def combine(matrix: Matrix, now: datetime, today: datetime) -> list[Combination]:
    """Every combination, in the order in which the axes name it, each once.

    Args:
        today: the as-of instant where none is named.

    Raises:
        InputError: an axis cannot be meant, or belongs to models; what is left out is no combination, or all of them.
    """
    if odd := [name for name in ("runtime", "threads", "track") if getattr(matrix, name)]:
        raise InputError(f"{odd[0]} is for models, and there is none", tip="name models, or leave it out")
    axes: list[Sequence[Any]] = [
        parse_requests(matrix.framework),
        matrix.variant or [DEFAULT_VARIANT],
        [parse_python(text) for text in matrix.python] or [None],
        [parse_as_of(text, now) for text in matrix.as_of] or [today],
        [parse_choice(text, name="installer", among=INSTALLERS) for text in matrix.installer] or ["pip"],
    ]
    count = 1
    for axis in axes:
        count *= len(axis)
    if count > MOST:
        raise InputError(f"a matrix of {count:,} combinations", tip=f"at most {MOST:,} at a time")
    found = dict.fromkeys(Combination(*cell) for cell in itertools.product(*axes))
    for exclusion in matrix.exclude:
        left_out = [one for one in found if _matches(one, exclusion, now)]
        if not left_out:
            told = exclusion.model_dump(exclude_none=True, by_alias=True)
            raise InputError(f"no combination is {told}, which is to be left out", tip="check its spelling")
        for one in left_out:
            del found[one]
    if not found:
        raise InputError("every combination is left out", tip="exclude less")
    return list(found)


@dataclass(frozen=True)
class Heat:
    """One cell of a matrix of models, parsed."""

    model: str
    python: Python | None
    """None: the usual one, where the plan is made."""
    as_of: datetime


def heats(matrix: Matrix, now: datetime, today: datetime) -> list[Heat]:
    """Every model on every Python and day; arguments and errors as for `combine`."""
    if odd := [name for name in ("framework", "variant", "installer", "exclude") if getattr(matrix, name)]:
        raise InputError(f"{odd[0]} is for frameworks, and models are named", tip="sweep one after the other")
    pythons: list[Python | None] = [parse_python(text) for text in matrix.python] or [None]
    days = [parse_as_of(text, now) for text in matrix.as_of] or [today]
    return list(dict.fromkeys(Heat(*cell) for cell in itertools.product(matrix.model, pythons, days)))


def _matches(one: Combination, exclusion: Exclusion, now: datetime) -> bool:
    wanted = parse_requests([exclusion.framework])[0] if exclusion.framework else None
    return (
        (wanted is None or (one.request.name == wanted.name and wanted.version in (None, one.request.version)))
        and exclusion.variant in (None, one.variant)
        and (exclusion.python is None or parse_python(exclusion.python) == (one.python or DEFAULT_PYTHON))
        and (exclusion.as_of is None or parse_as_of(exclusion.as_of, now) == one.as_of)
        and exclusion.installer in (None, one.installer)
    )
