"""The archive: one immutable JSON file each, `results/records/<framework>/<record_id>.json`, other kinds likewise."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Generic, Literal, TypeVar

from harness.errors import EnvironmentLacksError, InputError
from harness.forecast import Forecast, parse_forecast
from harness.inference import Inference, parse_inference
from harness.job import compact_instant
from harness.night import Night, parse_night
from harness.providers import ProviderReport, parse_report
from harness.record import Record, parse_record

Value = TypeVar("Value", Record, Forecast, Inference, ProviderReport, Night)
Kind = Literal["record", "forecast", "inference record", "provider report", "night"]
KINDS: dict[Kind, str] = {
    "record": "footprint",
    "forecast": "forecast",
    "inference record": "inference",
    "provider report": "providers",
    "night": "night",
}
"""What is kept -> what such a document has for its `stage`."""
FOLDERS: dict[Kind, str] = {
    "record": "records",
    "forecast": "forecasts",
    "inference record": "inference",
    "provider report": "providers",
    "night": "nights",
}
"""What is kept -> its folder among the results."""
NOT_THIS: dict[Kind, str] = {
    "record": "leave --forecast out: it takes forecasts only",
    "forecast": "it was not measured: measure it, or ask harness diff or harness fits, which take forecasts",
    "inference record": "it tells how fast a model ran, not what a framework weighs",
    "provider report": "it tells where a runtime can run, not what a framework weighs",
    "night": "it tells what a night was to measure; its rows are records",
}
"""What to do about a name that is one of this kind, where one of the other was wanted."""


def silently(path: Path, why: str) -> None:
    """For who reads what another, in the same run, tells the torn ones of."""


class Shelf(Generic[Value]):
    """What is kept of one kind, below one results folder."""

    def __init__(self, results: Path, kind: Kind, parse: Callable[..., Value], subject: Callable[[Value], str]) -> None:
        self.results = results
        self.kind = kind
        self.parse: Callable[..., Value] = parse
        self.subject: Callable[[Value], str] = subject
        """What one of them is of; those of one subject lie in one folder."""
        self.folder = results / FOLDERS[kind]

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
        return self._write(value, _link)  # which fails where the name is taken, as a rename would not

    def has(self, record_id: str) -> bool:
        """Whether there is one of that id."""
        return any(self.folder.glob(f"*/{glob_escape(record_id)}.json"))

    def read(self, name: str) -> Value:
        """One of them, by its path or its id.

        Raises:
            InputError: there is none, it is of another kind, or it is not valid.
        """
        path = Path(name) if Path(name).is_file() else by_id(self.results, name)
        if path is None:
            raise InputError(f"there is no {self.kind} {name!r}", tip=f"give a path, or an id from {self.folder}")
        try:
            text = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from None
        kind = kind_of(text)
        if kind is not None and kind != self.kind:
            raise InputError(f"{path.name} is {_a(kind)}, not {_a(self.kind)}", tip=NOT_THIS[kind])
        return self.parse(text, name=str(path))

    def all(self, torn: Callable[[Path, str], None] = silently) -> Iterator[Value]:
        """Every valid one, in order of their names; an invalid one is told to `torn` and left alone."""
        for path in sorted(self.folder.glob("*/*.json")):
            try:
                yield self.parse(path.read_bytes(), name="it")
            except InputError as error:
                torn(path, error.message)
            except OSError as error:
                torn(path, f"it cannot be read: {error.strerror}")

    def _place(self, value: Value) -> Path:
        return self.folder / self.subject(value) / f"{value.record_id}.json"

    def _write(self, value: Value, put: Callable[[str, Path], None]) -> Path:
        path = self._place(value)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fd, beside = tempfile.mkstemp(prefix=".new-", dir=path.parent)
            try:
                with os.fdopen(fd, "w", encoding="utf-8") as file:
                    file.write(value.to_json())
                    file.flush()
                    os.fsync(file.fileno())
                os.chmod(beside, 0o644)
                put(beside, path)
            except BaseException:
                with suppress(FileNotFoundError):  # an interrupt may come when it is in its place already
                    os.unlink(beside)
                raise
        except OSError as error:
            raise EnvironmentLacksError(f"the {self.kind} cannot be written to {path}: {error.strerror}") from error
        return path


class Store(Shelf[Record]):
    """Records: what was measured."""

    def __init__(self, results: Path) -> None:
        super().__init__(results, "record", parse_record, lambda one: one.framework)


class Forecasts(Shelf[Forecast]):
    """Forecasts: what an index told. Never among the records."""

    def __init__(self, results: Path) -> None:
        super().__init__(results, "forecast", parse_forecast, lambda one: one.framework)

    def add(self, value: Forecast) -> Path:
        """Keep an `identified` forecast. One that is there already stays as it is: the same id has the same content,
        first told at an earlier time. Only one that is torn is put right.

        Raises:
            EnvironmentLacksError: it cannot be written.
        """
        path = self._place(value)
        try:
            self.parse(path.read_bytes(), name="it")
        except (OSError, InputError):
            return self._write(value, os.replace)
        return path


class Inferences(Shelf[Inference]):
    """Inference records: how long models ran, `results/inference/<model>/<record_id>.json`."""

    def __init__(self, results: Path) -> None:
        super().__init__(results, "inference record", parse_inference, lambda one: one.model.name)


class ProviderReports(Shelf[ProviderReport]):
    """Where each runtime can run, `results/providers/<runtime>/<record_id>.json`."""

    def __init__(self, results: Path) -> None:
        super().__init__(results, "provider report", parse_report, lambda one: one.runtime)


class Nights(Shelf[Night]):
    """What nights were to measure, `results/nights/<year>/<record_id>.json`."""

    def __init__(self, results: Path) -> None:
        super().__init__(results, "night", parse_night, lambda one: str(one.as_of.year))


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


def by_id(results: Path, record_id: str) -> Path | None:
    """Where a document of that id is, of whatever kind."""
    name = f"*/{glob_escape(record_id)}.json"
    return next((path for folder in FOLDERS.values() for path in sorted((results / folder).glob(name))), None)


def kind_at(path: Path) -> Kind | None:
    """What a file says that it holds; None where it does not say, or cannot be read."""
    try:
        return kind_of(path.read_bytes())
    except (OSError, ValueError):  # ValueError: no name that a file could have
        return None


def kind_of(text: bytes) -> Kind | None:
    """What a document says that it is; None where it does not say."""
    from pydantic_core import from_json

    try:
        raw = from_json(text)
    except (ValueError, TypeError):
        return None
    stage = raw.get("stage") if isinstance(raw, dict) else None
    return next((kind for kind, known in KINDS.items() if known == stage), None)


def _a(kind: Kind) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def glob_escape(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _link(beside: str, path: Path) -> None:
    os.link(beside, path)
    os.unlink(beside)
