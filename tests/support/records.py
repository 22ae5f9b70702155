"""Records as measurements leave them, for what compares, counts and chooses among them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from harness.documents.base import Environment, LockedWheel
from harness.documents.footprint import DistributionLine, Duplicates, Figures, Ledger, Record


def record(**changed: Any) -> Record:
    fields: dict[str, Any] = {
        "record_id": "torch-1",
        "measured_at": datetime(2026, 11, 23, tzinfo=UTC),
        "framework": "torch",
        "version": "2.3.0",
        "variant": "pypi",
        "import_package": "torch",
        "python": "3.11",
        "platform": "linux_x86_64",
        "as_of": datetime(2024, 4, 26, tzinfo=UTC),
        "engine": "docker",
        "installer": "pip",
        "status": "ok",
        "environment": Environment(harness_version="0.1.0", python="3.11.2", cpu_model="one"),
    }
    return Record(**fields | changed)


def measured(lines: Sequence[DistributionLine], wheels: Sequence[LockedWheel] = (), **changed: Any) -> Record:
    """A record whose totals are the sums of its ledger and its lock, as every record's are."""
    ledger = Ledger(
        distributions=tuple(lines),
        types=(),
        largest=(),
        duplicates=Duplicates(groups=0, bytes=0, largest=()),
        files=0,
        contested=0,
    )
    figures = Figures(
        installed_bytes=sum(line.bytes for line in lines),
        bytecode_bytes=sum(line.bytecode_bytes for line in lines),
        download_bytes=sum(wheel.bytes for wheel in wheels),
        distributions=len(wheels),
    )
    return record(ledger=ledger, wheels=tuple(wheels), figures=figures, **changed)


def line(name: str, size: int, version: str = "1", bytecode: int = 0) -> DistributionLine:
    return DistributionLine(name=name, version=version, files=1, bytes=size, bytecode_bytes=bytecode)
