"""What does it cost to bring the tables up to date, and does the cost grow linearly?

Copies the published records into a temporary folder under other ids and times, as often as asked, and rebuilds the
table three times: from nothing, with nothing new, with one new record. Time is the rebuild's own, without the
interpreter's start; the files were just written, so they are in the file cache.

RECORDS="1000 10000" chooses how many; 100,000 take about 1 GB in the temporary folder while they last.
"""

from __future__ import annotations

import os
import re
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

from harness.archive.incremental import SETTLING_SECONDS
from harness.archive.store import Records
from harness.archive.tables import rebuild
from harness.job import iso_instant

RECORDS = Path(__file__).resolve().parents[1] / "results" / "published" / "records"
START = datetime(2024, 1, 1, tzinfo=UTC)


def copy(templates: Sequence[tuple[str, str]], number: int, folder: Path) -> None:
    """One more record: the text of a real one, with an id and a time of its own."""
    framework, text = templates[number % len(templates)]
    record_id = f"{framework}-{number:07}"
    # so many minutes apart that the order of times is not that of numbers, which a real archive's is not either
    measured_at = iso_instant(START + timedelta(minutes=number * 7919 % 1_000_003))
    text = re.sub(r'"record_id":"[^"]*"', f'"record_id":"{record_id}"', text, count=1)
    text = re.sub(r'"measured_at":"[^"]*"', f'"measured_at":"{measured_at}"', text, count=1)
    (folder / framework).mkdir(parents=True, exist_ok=True)
    (folder / framework / f"{record_id}.json").write_text(text)


def timed(store: Records) -> float:
    """Seconds of one rebuild, once the files have settled."""
    time.sleep(2 * SETTLING_SECONDS)
    started = time.monotonic()
    rebuild(store, refuse)
    return time.monotonic() - started


def refuse(path: Path, why: str) -> NoReturn:
    sys.exit(f"error: {path.name}: {why}")


def main() -> None:
    templates = [(path.parent.name, path.read_text()) for path in sorted(RECORDS.glob("*/*.json"))]
    size = sum(len(text) for _, text in templates) / len(templates)
    print(f"{len(templates)} real records of {size / 1e3:.1f} kB on average, ", end="")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    columns = ("records", "from nothing, s", "us a record", "nothing new, s", "one new, s", "peak memory, MB")
    print(f"| {' | '.join(columns)} |\n|{'|'.join('-' * (len(name) + 1) + ':' for name in columns)}|", flush=True)
    for count in map(int, os.environ.get("RECORDS", "1000 10000 100000").split()):
        with tempfile.TemporaryDirectory() as results:
            store = Records(Path(results))
            for number in range(count):
                copy(templates, number, store.folder)
            nothing = timed(store)
            same = timed(store)
            copy(templates, count, store.folder)
            one = timed(store)
            lines = sum(1 for _ in (store.results / "footprint.csv").open()) - 1
            assert lines == count + 1, f"{lines} rows of {count + 1} records"
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
        figures = (
            f"{count:,}", f"{nothing:.2f}", f"{nothing / count * 1e6:.0f}", f"{same:.3f}", f"{one:.3f}", f"{peak:.0f}"
        )  # fmt: skip
        cells = (f"{text:>{len(name)}}" for text, name in zip(figures, columns, strict=True))
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
