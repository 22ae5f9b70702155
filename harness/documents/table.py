"""What the table of a kind of document looks like, and a document's rows in it, as text. Pure; `archive` writes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from harness.job import iso_instant

Key = tuple[str, ...]
"""What decides where a row stands, as text that an index can hold."""
Order = Literal["text", "number", "version"]


def of(*names: str) -> dict[str, str]:
    """Columns that are called like the fields that they show."""
    return {name: name for name in names}


def under(field: str, names: Iterable[str]) -> dict[str, str]:
    """Columns that are called like the fields of a part of the document."""
    return {name: f"{field}.{name}" for name in names}


@dataclass(frozen=True, eq=False)
class Table:
    """A table of one kind of document."""

    name: str
    """Of the file, without `.csv`."""
    title: str
    columns: Mapping[str, str]
    """Column -> path of the field that it shows: `figures.wheel_bytes`."""
    order: Mapping[str, Order]
    """The columns that rows are put in order by, and as what."""
    each: str = ""
    """The field whose every entry is a row; none: a document is a row."""

    @property
    def file(self) -> str:
        return f"{self.name}.csv"

    @property
    def index(self) -> str:
        return f".{self.name}.index"

    @property
    def header(self) -> str:
        return ",".join(self.columns) + "\n"

    def rows(self, document: Any) -> Iterator[tuple[Key, dict[str, str]]]:
        """The rows of one document; a figure that is null is an empty cell."""
        for number, part in enumerate(getattr(document, self.each) if self.each else (None,)):
            cells = {column: cell(self._value(document, part, path)) for column, path in self.columns.items()}
            key = tuple(cells[column] for column in self.order)
            yield (*key, f"{number:04}") if self.each else key, cells

    def _value(self, document: Any, part: Any, path: str) -> Any:
        value, names = document, path.split(".")
        if self.each and names[0] == self.each:
            value, names = part, names[1:]
        for name in names:
            value = getattr(value, name)
        return value


def cell(value: object) -> str:
    """Text that no spreadsheet takes for a formula. https://owasp.org/www-community/attacks/CSV_Injection

    An instant is ISO 8601, UTC. A list is separated by blanks, as are numbers by name; text by name by semicolons.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"  # as Table Schema has them
    if isinstance(value, datetime):
        return iso_instant(value)
    if isinstance(value, tuple):
        value = " ".join(map(str, value))
    elif isinstance(value, dict):
        wordy = any(isinstance(one, str) for one in value.values())
        pairs = sorted(value.items())
        value = "; ".join(f"{k}: {v}" for k, v in pairs) if wordy else " ".join(f"{k}:{v}" for k, v in pairs)
    text = str(value)
    escaped = "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text
    return escaped.replace("\r", " ").replace("\n", " ")
