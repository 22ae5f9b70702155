"""Choose among records: the newest of each job, the newest version of each framework, those of one request."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Hashable, Iterable
from datetime import datetime

from packaging.version import InvalidVersion, Version

from harness.archive.store import Store
from harness.catalog import DEFAULT_VARIANT
from harness.errors import InputError
from harness.job import Request, parse_request
from harness.record import Record

Build = tuple[str, str, tuple[str, ...], str, str]


def build(record: Record) -> Build:
    """What a user would call "the same thing, in another version": name, variant, extras, Python, platform."""
    return record.framework, record.variant, record.extras, record.python, record.platform


def version_of(record: Record) -> Version:
    """Its version, to sort by."""
    try:
        return Version(record.version)
    except InvalidVersion:  # a record of a version that nobody could parse is older than all others
        return Version("0.dev0")


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


def history(records: Iterable[Record], of: Build) -> list[Record]:
    """One record a version of one build, oldest version first: the newest that is ok, where one is.

    An old version measured with today's dependencies may fail; that tells of today, not of the version.
    """
    mine = (one for one in records if build(one) == of)
    found = _last(
        mine, lambda one: one.version, lambda one: (one.status == "ok", one.as_of, one.measured_at, one.record_id)
    )
    return sorted(found, key=version_of)


def as_of(records: Iterable[Record], instant: datetime) -> list[Record]:
    """The last measurement of every job of one as-of instant."""
    return newest_of_each_job(one for one in records if one.as_of == instant)


def find(store: Store, name: str, records: Callable[[], Iterable[Record]]) -> Record:
    """A record by its path or id, or the newest one of a request: `torch==2.3.0`; `torch` is its highest version.

    Among records of that version one that is ok is preferred, then the default variant, as in `measure`.

    Args:
        records: reads all of them; called only for a request.

    Raises:
        InputError: there is none.
    """
    if "/" in name or name.endswith(".json") or store.has(name):
        return store.read(name)
    request = parse_request(name)
    known = list(records())
    found = [one for one in known if _is_of(one, request)]
    if not found:
        names = {one.framework for one in known}
        near = [] if request.name in names else difflib.get_close_matches(request.name, names, n=1)
        meant = f"did you mean {near[0]}? else " if near else ""
        raise InputError(f"there is no record of {request}", tip=f"{meant}measure it: harness measure {request}")
    return max(found, key=_precedence)


def _precedence(record: Record) -> tuple[Version, bool, bool, datetime, str]:
    """The version first: a bare name must not fall back to an older version because the highest one failed."""
    default = record.variant == DEFAULT_VARIANT
    return version_of(record), record.status == "ok", default, record.measured_at, record.record_id


def _is_of(record: Record, request: Request) -> bool:
    return (
        record.framework == request.name
        and record.extras == request.extras
        and (request.version is None or version_of(record) == request.version)
    )


def _last(
    records: Iterable[Record], key: Callable[[Record], Hashable], order: Callable[[Record], object]
) -> list[Record]:
    """Of all records with the same key the one that is last by `order`."""
    found: dict[Hashable, Record] = {}
    for one in records:
        of = key(one)
        if of not in found or order(found[of]) < order(one):  # type: ignore[operator]
            found[of] = one
    return list(found.values())
