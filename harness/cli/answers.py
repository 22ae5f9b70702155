"""Questions that records answer: diff, fits, show, compare. Needs neither an engine nor a network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from harness.archive import budgets, compare, select, tables
from harness.archive.store import Store
from harness.cli import pages
from harness.cli.render import Page
from harness.errors import InputError
from harness.job import iso_instant, parse_choice
from harness.record import Record

FORMATS = ("table", "markdown", "csv", "json")


class Records:
    """The records of one results folder; all of them are read once, and only when a request is asked for."""

    def __init__(self, results: str, *, quiet: bool) -> None:
        self._store = Store(Path(results))
        self._quiet = quiet

    @cached_property
    def all(self) -> list[Record]:
        return list(self._store.all(self._torn))

    def find(self, name: str) -> Record:
        return select.find(self._store, name, lambda: self.all)

    def chosen(self, names: Sequence[str]) -> list[Record]:
        """Those that are named, each once; none named: all current builds.

        Raises:
            InputError: one has no record, or there is none at all.
        """
        if names:
            return list({one.record_id: one for one in map(self.find, names)}.values())
        if not self.all:
            raise InputError(
                f"there is no record in {self._store.folder}", tip="measure something: harness measure torch"
            )
        return select.current(self.all)

    def _torn(self, path: Path, why: str) -> None:
        if not self._quiet:
            click.echo(f"left out, not a valid record: {path.name}: {why}", err=True)


def diff(before: str | None, after: str | None, results: str, as_json: bool, quiet: bool) -> int:
    """What changed between two records."""
    if not before or not after:
        raise InputError("two records are compared", tip="for example: harness diff torch==2.3.0 torch")
    records = Records(results, quiet=quiet)
    found = compare.diff(records.find(before), records.find(after))
    if as_json:
        _print_json(_difference(found))
    else:
        pages.difference(found, Page())
    return 0


def _difference(found: compare.Difference) -> dict[str, Any]:
    return {
        "before": _head(found.before),
        "after": _head(found.after),
        "figures": [asdict(one) | {"difference": one.difference} for one in found.deltas],
        "distributions": [
            asdict(one)
            | {"change": one.change}
            | {f"{figure}_difference": one.difference(figure) for figure in compare.ATTRIBUTED}
            for one in found.parts
        ],
        "circumstances": [asdict(one) for one in found.circumstances],
        "newly_expensive": [asdict(one) for one in found.modules],
    }


def fits(
    limit: str | None, frameworks: Sequence[str], of: str | None, listed: bool, results: str, as_json: bool, quiet: bool
) -> int:
    """What fits; 3 where a named framework does not, 1 where that cannot be told of one."""
    known = budgets.load()
    if listed or limit is None:
        if as_json:
            _print_json({name: one.model_dump(mode="json") for name, one in known.items()})
        else:
            pages.limits(known, Page())
        return 0
    asked = budgets.parse_limit(limit, known, of)
    found = budgets.judge(Records(results, quiet=quiet).chosen(frameworks), asked)
    if as_json:
        verdicts = [
            _head(one.record) | {name: value for name, value in vars(one).items() if name != "record"} for one in found
        ]
        _print_json({"limit": asked.model_dump(mode="json"), "verdicts": verdicts})
    else:
        pages.verdicts(found, asked, Page())
    if not frameworks or all(one.fits for one in found):
        return 0
    return 3 if any(one.fits is False for one in found) else 1


def show(record: str | None, results: str, as_json: bool, quiet: bool) -> int:
    """One record as a page."""
    if not record:
        raise InputError("no record given", tip="name one by its path, its id, or what it measured: harness show torch")
    found = Records(results, quiet=quiet).find(record)
    if as_json:
        _print_json(found.model_dump(mode="json"))
    else:
        pages.page(found, Page())
    return 0


def compare_records(frameworks: Sequence[str], style: str, results: str, as_json: bool, quiet: bool) -> int:
    """Several records side by side."""
    style = "json" if as_json else parse_choice(style, name="format", among=FORMATS)
    found = Records(results, quiet=quiet).chosen(frameworks)
    if style == "json":
        best = {figure: [found[i].record_id for i in compare.best(found, figure)] for figure in compare.SIDE_BY_SIDE}
        listed = [
            _head(one) | {"figures": one.figures.model_dump(mode="json"), "absent": dict(one.absent)} for one in found
        ]
        _print_json({"records": listed, "best": best})
    elif style == "csv":
        click.echo(tables.to_csv(found), nl=False)
    elif style == "markdown":
        click.echo(pages.markdown(found))
    else:
        pages.comparison(found, Page())
    return 0


def _head(record: Record) -> dict[str, Any]:
    """Which record it is, and how it ended."""
    names = (
        "record_id",
        "framework",
        "version",
        "variant",
        "python",
        "platform",
        "engine",
        "status",
        "phase",
        "reason",
    )
    return {name: getattr(record, name) for name in names} | {
        "as_of": iso_instant(record.as_of),
        "measured_at": iso_instant(record.measured_at),
    }


def _print_json(document: Any) -> None:
    click.echo(json.dumps(document, indent=1, default=str))
