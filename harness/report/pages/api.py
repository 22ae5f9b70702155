"""The figures for other programs: `api/footprint.json`, and a badge a framework.

Badges follow the endpoint schema of shields.io (https://shields.io/badges/endpoint-badge).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from harness.archive import select
from harness.archive.timed import proof, proven
from harness.documents.footprint import Record
from harness.documents.inference import Inference
from harness.job import iso_instant
from harness.report.units import megabytes, seconds

Place = Callable[[Record | Inference], str]
SCHEMA_VERSION = 1
COLORS = {"ok": "blue", "failed": "red", "unsupported": "lightgrey", "skipped": "lightgrey"}
BUILD = {
    "framework": "canonical name of the distribution",
    "version": "its version",
    "variant": "which build of it: `pypi`, or a variant of the catalog",
    "extras": "extras that were asked for, sorted",
    "python": "CPython version",
    "platform": "platform that the wheels were chosen for",
    "as_of": "the first instant whose uploads no longer counted, UTC",
    "measured_at": "when it was measured, UTC",
    "engine": "where the code ran: `docker` or `venv`",
    "installer": "`pip` or `uv`",
    "status": "`ok`, `failed`, `unsupported` or `skipped`",
    "phase": "where it ended; null when it is ok",
    "reason": "why it ended; null when it is ok",
    "record_id": "the record that all of this comes from",
    "record": "that record, relative to the site's root",
    "figures": "as in the record: integers of bytes, seconds, counts; null where there is no figure",
    "absent": "figure -> why it is null",
    "runnable": "where an inference record shows that this version runs a model, `on CPU` or `on GPU`, a build for a "
    "GPU only on one; else `not shown`",
    "runnable_record": "that inference record, relative to the site's root; null where there is none",
    "methods": "method version of each metric family; different versions are not to be compared",
}
"""Key of a build in `footprint.json` -> what it means."""


def headline(records: Iterable[Record]) -> dict[str, Record]:
    """Framework -> the record that stands for it: its highest version, and of that one a build that works, if any.

    A newest version that failed is told, not hidden behind an older one that worked.
    """
    found: dict[str, Record] = {}
    for one in select.current(records):
        if one.framework not in found or _rank(found[one.framework]) < _rank(one):
            found[one.framework] = one
    return dict(sorted(found.items()))


def _rank(record: Record) -> tuple[object, ...]:
    plain = record.variant == "pypi" and not record.extras
    return select.version_of(record), record.status == "ok", plain, record.as_of, record.measured_at, record.record_id


def footprint(records: Sequence[Record], inferences: Sequence[Inference], place: Place) -> dict[str, Any]:
    """The current figures of each build; `place` tells where a record is."""
    builds = [_build(one, proof(one, inferences), place) for one in select.current(records)]
    return {"schema_version": SCHEMA_VERSION, "builds": builds}


def _build(record: Record, shown: Inference | None, place: Place) -> dict[str, Any]:
    own = record.model_dump(mode="json")
    told: dict[str, Any] = {"as_of": iso_instant(record.as_of), "measured_at": iso_instant(record.measured_at)}
    told |= {"record": place(record), "runnable": proven(shown)}
    told |= {"runnable_record": None if shown is None else place(shown)}
    return {name: told.get(name, own.get(name)) for name in BUILD}


def badge(record: Record) -> dict[str, Any]:
    """`onnxruntime 1.32.0 | 135 MB installed, 0.09 s import`, or how it ended."""
    figures = record.figures
    if record.status == "ok":
        told = [
            f"{megabytes(figures.installed_bytes)} installed" if figures.installed_bytes is not None else "",
            f"{seconds(figures.import_warm_seconds)} import" if figures.import_warm_seconds is not None else "",
        ]
        message = ", ".join(part for part in told if part) or "no figures"
    else:
        message = f"{record.status} in {record.phase}"
    label = f"{record.framework} {record.version}"
    return {"schemaVersion": 1, "label": label, "message": message, "color": COLORS[record.status]}


def documents(records: Sequence[Record], inferences: Sequence[Inference], place: Place) -> Mapping[str, str]:
    """Every file of the API: path -> text. The same records always give the same text."""
    badges = {f"api/badges/{name}.json": badge(one) for name, one in headline(records).items()}
    made: dict[str, dict[str, Any]] = {"api/footprint.json": footprint(records, inferences, place), **badges}
    return {path: json.dumps(document, indent=1, ensure_ascii=False) + "\n" for path, document in made.items()}
