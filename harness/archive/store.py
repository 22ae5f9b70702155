"""The archive: one immutable JSON file each, `results/records/<framework>/<record_id>.json`, other kinds likewise.

A results folder holds its user's own, and in `results/published/`, laid out alike, what the project publishes. Whoever
writes or plans works in one of the two; whoever answers questions reads both, and says which.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from harness.documents.base import Document
from harness.documents.footprint import Record
from harness.documents.forecast import Forecast
from harness.documents.inference import Inference
from harness.documents.kinds import FORECAST, INFERENCE, KINDS, NIGHT, PROVIDERS, RECORD, Kind, of_stage
from harness.documents.night import Night
from harness.documents.providers import ProviderReport
from harness.errors import EnvironmentLacksError, InputError
from harness.files import link, replacing
from harness.job import compact_instant

Value = TypeVar("Value", bound=Document)
Origin = Literal["own", "published"]
PUBLISHED = "published"
"""The folder, in a results folder, of what the project publishes."""
LOCKS = "locks"
"""The folder, in either place, of the locks that documents name."""
ORIGINS: Mapping[Origin | None, str] = {"own": "yours", "published": "published", None: "elsewhere"}
"""Whose a document is, in a word."""


def silently(path: Path, why: str) -> None:
    """For a second reader of the same files, whose first one has reported them."""


def places(results: Path) -> tuple[Path, ...]:
    """Where documents of a results folder lie: its user's own, and the published ones."""
    return results, results / PUBLISHED


def origin_of(results: Path) -> Origin:
    """Whose documents lie in a place."""
    return "published" if results.absolute().name == PUBLISHED else "own"


class Store(Generic[Value]):
    """What is kept of one kind: written to one results folder, and read there, or also in its published place."""

    def __init__(self, results: Path, kind: Kind[Value], *, both: bool = False) -> None:
        self.results = results
        """Where it is written."""
        self.places = places(results) if both else (results,)
        """Where it is read."""
        self.kind = kind
        self.folder = results / kind.folder
        self._files: dict[str, Path] = {}
        """Id of what was read -> its file."""

    def prepare(self) -> None:
        """Say now, not after an hour of measuring, that nothing could be written.

        Raises:
            InputError: the folder is a file, a link loop, or cannot be written to.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder, prefix=".probe-") as file:
                file.write(b"x" * 65536)
                file.flush()
        except OSError as error:
            raise InputError(
                f"the results folder {self.results} cannot be written to: {error.strerror}",
                tip="free or fix it, or choose another with --results",
            ) from None

    def add(self, value: Value) -> Path:
        """Write one under its own name, whole or not at all; an existing one is never replaced.

        Raises:
            EnvironmentLacksError: it cannot be written.
        """
        return self._write(value, link)  # which fails where the name is taken, as a rename would not

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where it is read from."""
        return tuple(place / self.kind.folder for place in self.places)

    def own(self, values: Iterable[Value]) -> frozenset[str]:
        """Ids of those that are the user's own, and not published."""
        published = self.results / PUBLISHED
        return frozenset(
            one.record_id for one in values if self.origin(one) == "own" and not self.place(one, published).is_file()
        )

    def has(self, record_id: str) -> bool:
        """Whether there is one of that id."""
        return any(any(folder.glob(f"*/{glob_escape(record_id)}.json")) for folder in self.folders)

    def where(self, value: Value) -> Path | None:
        """The file that one was read from; None: it was not read here."""
        return self._files.get(value.record_id)

    def origin(self, value: Value) -> Origin | None:
        """Whose one is that was read here; None: its file lies in neither place."""
        path = self.where(value)
        if path is None:
            return None
        for place, folder in zip(self.places, self.folders, strict=True):
            if path.parent.parent == folder or path.resolve().parent.parent == folder.resolve():
                return origin_of(place)
        return None

    def read(self, name: str) -> Value:
        """One of them, by its path or its id.

        Raises:
            InputError: there is none, it is of another kind, or it is not valid.
        """
        path = Path(name) if Path(name).is_file() else by_id(self.places, name)
        if path is None:
            folders = " or ".join(map(str, self.folders))
            raise InputError(f"there is no {self.kind} {name!r}", tip=f"give a path, or an id from {folders}")
        try:
            text = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from None
        kind = kind_of(text)
        if kind is not None and kind is not self.kind:
            raise InputError(f"{path.name} is {_a(kind)}, not {_a(self.kind)}", tip=kind.not_this)
        value = self.kind.parse(text, name=str(path))
        self._files[value.record_id] = path
        return value

    def all(self, invalid: Callable[[Path, str], None] = silently) -> Iterator[Value]:
        """Every valid one, in order of their names; an invalid one is reported to `invalid` and left alone.

        Of several places the user's own come first, and one of the same id counts once.
        """
        had = set[str]()
        for folder in self.folders:
            before = frozenset(had)
            for path in sorted(folder.glob("*/*.json")):
                try:
                    value = self.kind.parse(path.read_bytes(), name="it")
                except InputError as error:
                    invalid(path, error.message)
                except OSError as error:
                    invalid(path, f"it cannot be read: {error.strerror}")
                else:
                    if value.record_id not in before:
                        had.add(value.record_id)
                        self._files[value.record_id] = path
                        yield value

    def place(self, value: Value, results: Path | None = None) -> Path:
        """The file that one has in a results folder, by default where it is written."""
        return (results or self.results) / self.kind.folder / self.kind.subject(value) / f"{value.record_id}.json"

    def _write(self, value: Value, put: Callable[[str, Path], None]) -> Path:
        path = self.place(value)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path, put=put, sync=True) as file:
                file.write(value.to_json())
        except OSError as error:
            raise EnvironmentLacksError(f"the {self.kind} cannot be written to {path}: {error.strerror}") from error
        return path


class Records(Store[Record]):
    """Records: what was measured."""

    def __init__(self, results: Path, *, both: bool = False) -> None:
        super().__init__(results, RECORD, both=both)


class Forecasts(Store[Forecast]):
    """Forecasts: what an index told. Never among the records."""

    def __init__(self, results: Path, *, both: bool = False) -> None:
        super().__init__(results, FORECAST, both=both)

    def add(self, value: Forecast) -> Path:
        """Keep an `identified` forecast. One that is there already stays as it is: the same id has the same content,
        first told at an earlier time. Only one that is invalid is put right.

        Raises:
            EnvironmentLacksError: it cannot be written.
        """
        path = self.place(value)
        try:
            self.kind.parse(path.read_bytes(), name="it")
        except (OSError, InputError):
            return self._write(value, os.replace)
        return path


class Inferences(Store[Inference]):
    """Inference records: how long models ran, `results/inference/<model>/<record_id>.json`."""

    def __init__(self, results: Path, *, both: bool = False) -> None:
        super().__init__(results, INFERENCE, both=both)


class ProviderReports(Store[ProviderReport]):
    """Where each runtime can run, `results/providers/<runtime>/<record_id>.json`."""

    def __init__(self, results: Path, *, both: bool = False) -> None:
        super().__init__(results, PROVIDERS, both=both)


class Nights(Store[Night]):
    """What nights were to measure, `results/nights/<year>/<record_id>.json`."""

    def __init__(self, results: Path, *, both: bool = False) -> None:
        super().__init__(results, NIGHT, both=both)

    def summary(self, night: Night) -> Path:
        """Where the page of a night is kept."""
        place = night.record_id.split("-", 2)[2]  # engine and installer, and what else sets it apart
        return self.folder / str(night.as_of.year) / f"{night.as_of.date()}-{place}.md"


def identified(forecast: Forecast) -> Forecast:
    """The forecast with its id: what was asked, and the start of the sha256 of what was told."""
    extras = "".join(f"+{extra}" for extra in forecast.extras)
    parts = (
        f"{forecast.framework}{extras}",
        forecast.version,
        f"cp{forecast.python.replace('.', '')}",
        forecast.platform,
        forecast.variant,
        compact_instant(forecast.as_of),
        forecast.scope,
        forecast.content_sha256[:12],
    )
    # a file's name: the letters of names and versions (`2.3.0+cpu`, `1!2.0`), and nothing that a path is made of
    return forecast.model_copy(update={"record_id": re.sub(r"[^A-Za-z0-9._+!-]", "_", "-".join(parts))})


def by_id(results: Iterable[Path], record_id: str) -> Path | None:
    """Where a document of that id is, of whatever kind: in the first of these places that has one."""
    name = f"*/{glob_escape(record_id)}.json"
    folders = (place / folder for place in results for folder in (kind.folder for kind in KINDS.values()))
    return next((path for folder in folders for path in sorted(folder.glob(name))), None)


def kind_at(path: Path) -> Kind[Any] | None:
    """What a file says that it holds; None where it does not say, or cannot be read."""
    try:
        return kind_of(path.read_bytes())
    except (OSError, ValueError):  # ValueError: no name that a file could have
        return None


def kind_of(text: bytes) -> Kind[Any] | None:
    """What a document says that it is; None where it does not say."""
    from pydantic_core import from_json

    try:
        raw = from_json(text)
    except (ValueError, TypeError):
        return None
    stage = raw.get("stage") if isinstance(raw, dict) else None
    return of_stage(stage)


def _a(kind: Kind[Any]) -> str:
    return f"{'an' if kind.name[0] in 'aeiou' else 'a'} {kind}"


def glob_escape(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
