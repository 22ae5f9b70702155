"""Questions that records and forecasts answer: diff, fits, show, compare. Needs neither an engine nor a network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from harness.archive import budgets, compare, select, tables
from harness.archive.store import ORIGINS, Forecasts, Inferences, Origin, Records
from harness.archive.timed import proof, proven
from harness.archive.weighed import Weighed
from harness.catalogs import limits
from harness.cli.pages import comparison
from harness.cli.pages import diff as diff_page
from harness.cli.pages import fits as fits_page
from harness.cli.pages import show as show_page
from harness.cli.render import Page
from harness.documents.footprint import Record
from harness.documents.forecast import Forecast
from harness.documents.inference import Inference
from harness.documents.kinds import RECORD
from harness.errors import InputError
from harness.job import iso_instant
from harness.parsing import parse_choice

FORMATS = ("table", "markdown", "csv", "json")


class Archive:
    """What one results folder keeps, the user's own and what is published; all of a kind is read once, and only when a
    request is asked for."""

    def __init__(self, results: str, *, quiet: bool) -> None:
        self._store = Records(Path(results), both=True)
        self._forecasts = Forecasts(Path(results), both=True)
        self._inferences = Inferences(Path(results), both=True)
        self._quiet = quiet

    @cached_property
    def records(self) -> list[Record]:
        return list(self._store.all(lambda path, why: self._invalid("record", path, why)))

    @cached_property
    def forecasts(self) -> list[Forecast]:
        return list(self._forecasts.all(lambda path, why: self._invalid("forecast", path, why)))

    @cached_property
    def inferences(self) -> list[Inference]:
        return list(self._inferences.all(lambda path, why: self._invalid("inference record", path, why)))

    def record(self, name: str) -> Record:
        return select.find(self._store, name, lambda: self.records)

    def weighed(self, name: str, *, forecast: bool) -> Weighed:
        """A record or else a forecast, or forecasts only."""
        if forecast:
            return select.find(self._forecasts, name, lambda: self.forecasts)
        return select.find_weighed(self._store, self._forecasts, name, lambda: self.records, lambda: self.forecasts)

    def origin(self, one: Weighed) -> Origin | None:
        """Whose it is."""
        return self._forecasts.origin(one) if isinstance(one, Forecast) else self._store.origin(one)

    def file(self, one: Record) -> Path:
        """Where it is."""
        path = self._store.where(one)
        assert path is not None, "it was read from there"
        return path

    def head(self, one: Weighed) -> dict[str, Any]:
        """Which record or forecast it is, how it ended, and whose it is."""
        common = ("stage", "record_id", "framework", "version", "variant", "python", "platform")
        own = ("scope",) if isinstance(one, Forecast) else ("engine",)
        head = {name: getattr(one, name) for name in (*common, *own, "status", "phase", "reason")}
        told = ("forecast_at", one.forecast_at) if isinstance(one, Forecast) else ("measured_at", one.measured_at)
        times = {"as_of": iso_instant(one.as_of), told[0]: iso_instant(told[1])}
        return head | times | {"origin": self.origin(one)}

    def current(self) -> list[Record]:
        """The records of all current builds.

        Raises:
            InputError: there is none at all.
        """
        if not self.records:
            tip = "measure something: harness measure torch"
            if any(folder.exists() for folder in self._forecasts.folders):
                tip += "; to take forecasts, add --forecast to diff or fits"
            raise InputError(f"there is no record in {' or '.join(map(str, self._store.folders))}", tip=tip)
        return select.current(self.records)

    def current_closures(self) -> list[Forecast]:
        """The forecasts of all current builds with what they need.

        Raises:
            InputError: there is none at all.
        """
        found = select.current_closures(self.forecasts)
        if not found:
            tip = "make one: harness forecast torch"
            folders = " or ".join(map(str, self._forecasts.folders))
            raise InputError(f"there is no forecast with dependencies in {folders}", tip=tip)
        return found

    def _invalid(self, kind: str, path: Path, why: str) -> None:
        if not self._quiet:
            click.echo(f"left out, not a valid {kind}: {path.name}: {why}", err=True)


def diff(
    before: str | None, after: str | None, results: str, as_json: bool, quiet: bool, forecast: bool = False
) -> int:
    """What changed between two records or forecasts.

    Args:
        forecast: take forecasts only.
    """
    if not before or not after:
        raise InputError("two records are compared", tip="for example: harness diff torch==2.3.0 torch")
    archive = Archive(results, quiet=quiet)
    found = compare.diff(archive.weighed(before, forecast=forecast), archive.weighed(after, forecast=forecast))
    if as_json:
        _print_json(_difference(found, archive))
    else:
        diff_page.difference(found, ORIGINS[archive.origin(found.before)], ORIGINS[archive.origin(found.after)], Page())
    return 0


def _difference(found: compare.Difference, archive: Archive) -> dict[str, Any]:
    return {
        "before": archive.head(found.before),
        "after": archive.head(found.after),
        "figures": [asdict(one) | {"difference": one.difference} for one in found.deltas],
        "distributions": [_part(one, found.attributed) for one in found.parts],
        "circumstances": [asdict(one) for one in found.circumstances],
        "newly_expensive": [asdict(one) for one in found.modules],
    }


def _part(one: compare.Part, attributed: Sequence[str]) -> dict[str, Any]:
    sides = {
        name: {"version": side.version, **side.bytes} if side else None
        for name, side in (("before", one.before), ("after", one.after))
    }
    differences = {f"{figure}_difference": one.difference(figure) for figure in attributed}
    return {"name": one.name, **sides, "change": one.change, **differences}


def fits(
    limit: str | None,
    frameworks: Sequence[str],
    of: str | None,
    listed: bool,
    results: str,
    as_json: bool,
    quiet: bool,
    forecast: bool = False,
) -> int:
    """What fits; 3 where a named framework does not, 1 where that cannot be told of one.

    Args:
        forecast: take forecasts only.
    """
    known = limits.load()
    if listed or limit is None:
        if as_json:
            _print_json({name: one.model_dump(mode="json") for name, one in known.items()})
        else:
            fits_page.limits(known, Page())
        return 0
    asked = limits.parse_limit(limit, known, of)
    archive = Archive(results, quiet=quiet)
    found = budgets.judge(_asked(archive, frameworks, forecast=forecast), asked)
    if as_json:
        verdicts = [
            archive.head(one.weighed) | {name: value for name, value in vars(one).items() if name != "weighed"}
            for one in found
        ]
        _print_json({"limit": asked.model_dump(mode="json"), "verdicts": verdicts})
    else:
        fits_page.verdicts(found, [ORIGINS[archive.origin(one.weighed)] for one in found], asked, Page())
    if not frameworks or all(one.fits for one in found):
        return 0
    return 3 if any(one.fits is False for one in found) else 1


def _asked(archive: Archive, frameworks: Sequence[str], *, forecast: bool) -> Sequence[Weighed]:
    """Those that are named, each once; none named: all current builds."""
    if frameworks:
        named = [archive.weighed(name, forecast=forecast) for name in frameworks]
        return list({one.record_id: one for one in named}.values())
    return archive.current_closures() if forecast else archive.current()


def show(record: str | None, results: str, as_json: bool, quiet: bool) -> int:
    """One record as a page."""
    if not record:
        raise InputError("no record given", tip="name one by its path, its id, or what it measured: harness show torch")
    archive = Archive(results, quiet=quiet)
    found = archive.record(record)
    if as_json:
        _print_json(found.model_dump(mode="json"))
    else:
        show_page.page(found, archive.file(found), ORIGINS[archive.origin(found)], Page())
    return 0


def compare_records(frameworks: Sequence[str], style: str, results: str, as_json: bool, quiet: bool) -> int:
    """Several records side by side; none named: all current builds."""
    style = "json" if as_json else parse_choice(style, name="format", among=FORMATS)
    archive = Archive(results, quiet=quiet)
    named = {one.record_id: one for one in map(archive.record, frameworks)}
    found = list(named.values()) if frameworks else archive.current()
    runnable = [proven(proof(one, archive.inferences)) for one in found] if style != "csv" else []
    whose = [ORIGINS[archive.origin(one)] for one in found]
    if style == "json":
        best = {figure: [found[i].record_id for i in compare.best(found, figure)] for figure in compare.SIDE_BY_SIDE}
        listed = [
            archive.head(one)
            | {"figures": one.figures.model_dump(mode="json"), "absent": dict(one.absent), "runnable": where}
            for one, where in zip(found, runnable, strict=True)
        ]
        _print_json({"records": listed, "best": best})
    elif style == "csv":
        click.echo(tables.to_csv(RECORD, found), nl=False)
    elif style == "markdown":
        click.echo(comparison.markdown(found, whose, runnable))
    else:
        comparison.comparison(found, whose, runnable, Page())
    return 0


def _print_json(document: Any) -> None:
    click.echo(json.dumps(document, indent=1, default=str))
