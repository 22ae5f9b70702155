"""Choose among what is kept: the newest of each job, the newest version of each framework, those of one request."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from packaging.version import Version

from harness.archive.store import Forecasts, Records, Store, by_id, kind_at
from harness.archive.weighed import Weighed, as_version, is_whole, told_at
from harness.catalogs.frameworks import DEFAULT_VARIANT
from harness.documents.footprint import Record
from harness.documents.forecast import Forecast
from harness.documents.kinds import FORECAST
from harness.errors import InputError
from harness.job import Request, Target, parse_request

Build = tuple[str, str, tuple[str, ...], str, str]
Either = TypeVar("Either", Record, Forecast, Weighed)
Told = TypeVar("Told", Record, Forecast)
USUAL_TARGET = Target((3, 11))
"""Whose forecast is meant where a request has those of many targets: the one that is measured unless told otherwise."""


def build(one: Weighed) -> Build:
    """What a user would call "the same thing, in another version": name, variant, extras, Python, platform."""
    return one.framework, one.variant, one.extras, one.python, one.platform


def version_of(one: Weighed) -> Version:
    """Its version, to sort by."""
    return as_version(one.version)


def newest_of_each_job(records: Iterable[Record]) -> list[Record]:
    """The last measurement of every job, by framework and version; earlier ones only repeat it."""
    found = _last(
        records,
        lambda one: (*build(one), one.version, one.as_of, one.engine, one.installer),
        lambda one: (one.measured_at, one.record_id),
    )
    return sorted(found, key=lambda one: (one.framework, version_of(one), one.as_of, one.measured_at, one.record_id))


def current(records: Iterable[Record]) -> list[Record]:
    """Of every build the highest version, measured last; whatever its status is."""
    found = _last(records, build, lambda one: (version_of(one), one.as_of, one.measured_at, one.record_id))
    return sorted(found, key=build)


def current_closures(forecasts: Iterable[Forecast]) -> list[Forecast]:
    """Of every build the highest final version whose dependencies were weighed too, as of the last instant."""
    whole = (one for one in forecasts if is_whole(one))
    found = _last(whole, build, lambda one: (_release(one), one.as_of, one.forecast_at, one.record_id))
    return sorted(found, key=build)


def history(kept: Iterable[Either], of: Build) -> list[Either]:
    """One a version of one build, oldest version first: the newest that is ok, where one is.

    An old version measured with today's dependencies may fail; that tells of today, not of the version.
    """
    found = _last(
        (one for one in kept if build(one) == of),
        lambda one: one.version,
        lambda one: (one.status == "ok", one.as_of, told_at(one), one.record_id),
    )
    return sorted(found, key=version_of)


def as_of(records: Iterable[Record], instant: datetime) -> list[Record]:
    """The last measurement of every job of one as-of instant."""
    return newest_of_each_job(one for one in records if one.as_of == instant)


def find(shelf: Store[Told], name: str, kept: Callable[[], Iterable[Told]]) -> Told:
    """One of a shelf by its path or id, or the newest one of a request: `torch==2.3.0`; `torch` is its highest version.

    Among records of that version one that is ok is preferred, then the default variant, as in `measure`. Among
    forecasts likewise, and then one of all that it needs, the default variant, and the target that is usual.

    Args:
        kept: reads all of them; called only for a request.

    Raises:
        InputError: there is none.
    """
    if is_address(name) or by_id(shelf.places, name):
        return shelf.read(name)
    request = parse_request(name)
    known = list(kept())
    found = [one for one in known if _is_of(one, request)]
    if not found:
        raise _unknown(request, shelf.kind.name, known, f"{HOW[shelf.kind.name]} {request}")
    return max(found, key=_precedence)


def find_weighed(
    store: Records,
    shelf: Forecasts,
    name: str,
    records: Callable[[], Iterable[Record]],
    forecasts: Callable[[], Iterable[Forecast]],
) -> Weighed:
    """A record or a forecast by its path or id; of a request what was measured, and a forecast only where nothing was.

    Args:
        records: reads all of them; called only for a request.
        forecasts: likewise, and only where there is no record of it.

    Raises:
        InputError: there is neither.
    """
    path = Path(name) if is_address(name) else by_id(store.places, name)
    if path is not None:
        return shelf.read(name) if kind_at(path) is FORECAST else store.read(name)
    request = parse_request(name)
    known: list[Weighed] = []
    sources: tuple[Callable[[], Iterable[Weighed]], ...] = (records, forecasts)
    for kept in sources:
        those = list(kept())
        if found := [one for one in those if _is_of(one, request)]:
            return max(found, key=_precedence)
        known += those
    raise _unknown(request, "record or forecast", known, f"{HOW['record']} {request}, or {HOW['forecast']} {request}")


HOW = {"record": "measure it: harness measure", "forecast": "forecast it: harness forecast"}


def is_address(name: str) -> bool:
    """Whether a name can only be meant as a path."""
    return "/" in name or name.endswith(".json")


def _unknown(request: Request, what: str, known: Sequence[Weighed], how: str) -> InputError:
    names = {one.framework for one in known}
    near = [] if request.name in names else difflib.get_close_matches(request.name, names, n=1)
    meant = f"did you mean {near[0]}? else " if near else ""
    return InputError(f"there is no {what} of {request}", tip=meant + how)


def _precedence(one: Weighed) -> tuple[object, ...]:
    """The version first: a bare name must not fall back to an older version because the highest one failed."""
    works, default = one.status == "ok", one.variant == DEFAULT_VARIANT
    if isinstance(one, Record):
        return version_of(one), works, default, one.measured_at, one.record_id
    usual = (one.platform == USUAL_TARGET.platform, one.python == USUAL_TARGET.python_version)
    return (_release(one), works, is_whole(one), default, *usual, one.as_of, one.forecast_at, one.record_id)


def _release(one: Forecast) -> tuple[bool, Version]:
    """Final releases come after the others: a name without a version means one of them, and forecasts may have both."""
    version = version_of(one)
    return not version.is_prerelease, version


def _is_of(one: Weighed, request: Request) -> bool:
    return (
        one.framework == request.name
        and one.extras == request.extras
        and (request.version is None or version_of(one) == request.version)
    )


def _last(kept: Iterable[Either], key: Callable[[Either], Hashable], order: Callable[[Either], object]) -> list[Either]:
    """Of all with the same key the one that is last by `order`."""
    found: dict[Hashable, Either] = {}
    for one in kept:
        of = key(one)
        if of not in found or order(found[of]) < order(one):  # type: ignore[operator]
            found[of] = one
    return list(found.values())
