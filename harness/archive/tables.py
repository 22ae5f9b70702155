"""`results/footprint.csv`: one row a record, rebuilt from the records alone."""

from __future__ import annotations

import csv
import fcntl
import io
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from harness.archive.store import Store
from harness.job import iso_instant
from harness.record import Figures, Record

KEYS = (
    "record_id",
    "measured_at",
    "framework",
    "version",
    "variant",
    "extras",
    "import_package",
    "python",
    "platform",
    "as_of",
    "engine",
    "installer",
    "status",
    "phase",
    "reason",
)
FIGURES = tuple(Figures.model_fields)
ENVIRONMENT = ("lock_sha256", "image_digest", "cpu_model", "kernel", "harness_version", "method_version")
COLUMNS = KEYS + FIGURES + ENVIRONMENT


def row(record: Record) -> dict[str, str]:
    """One record as text; a figure that is null is an empty cell."""
    cells: dict[str, object] = {name: getattr(record, name) for name in KEYS}
    cells |= {"measured_at": iso_instant(record.measured_at), "as_of": iso_instant(record.as_of)}
    cells["extras"] = " ".join(record.extras)
    cells |= {name: getattr(record.figures, name) for name in FIGURES}
    cells["lock_sha256"] = record.lock_sha256
    cells |= {name: getattr(record.environment, name) for name in ENVIRONMENT[1:-1]}
    cells["method_version"] = " ".join(f"{name}:{version}" for name, version in sorted(record.methods.items()))
    return {name: _cell(value) for name, value in cells.items()}


def _cell(value: object) -> str:
    """Text that no spreadsheet takes for a formula. https://owasp.org/www-community/attacks/CSV_Injection"""
    if value is None:
        return ""
    text = str(value).replace("\r", " ").replace("\n", " ")
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t") else text


def to_csv(records: Iterable[Record]) -> str:
    """Records as CSV, oldest first."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for record in sorted(records, key=lambda one: (one.measured_at, one.record_id)):
        writer.writerow(row(record))
    return out.getvalue()


def rebuild(store: Store, torn: Callable[[Path, str], None]) -> Path:
    """Write `footprint.csv` anew from every record; two at a time take turns, a reader sees old or new."""
    path = store.results / "footprint.csv"
    with (store.folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        text = to_csv(store.all(torn))
        fd, beside = tempfile.mkstemp(prefix=".footprint-", dir=store.results)
        try:
            with os.fdopen(fd, "w", encoding="utf-8", newline="") as file:
                file.write(text)
            os.chmod(beside, 0o644)
            os.replace(beside, path)
        except BaseException:
            os.unlink(beside)
            raise
    return path
