"""`harness verify-forecast`: hold a forecast against a record, file by file."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from harness import job
from harness.archive.store import LOCKS, ORIGINS, Origin, Records
from harness.catalogs.frameworks import DEFAULT, load
from harness.cli import progress as looks
from harness.cli.forecast import open_workshop
from harness.cli.pages import verified
from harness.cli.pages.forecasts import Moved, cost
from harness.cli.render import Page
from harness.errors import InputError
from harness.packages import uv_resolve
from harness.packages.lock import LockStore
from harness.packages.sources import index_for
from harness.stages import verify


def verify_forecast(
    record: str | None, index_url: str | None, catalog_file: Path | None, results: str, as_json: bool, quiet: bool
) -> int:
    """Hold a forecast against a record; 0 where every byte is accounted for, 3 where not."""
    if not record:
        raise InputError("no record given", tip="name one by its path or id, see results/records/")
    store = Records(Path(results), both=True)
    measured = store.read(record)
    if measured.lock_sha256 is None or measured.ledger is None:
        raise InputError(f"{measured.record_id} has no ledger: it ended in {measured.phase}", tip="measure it again")
    if measured.ledger.written is None:
        raise InputError(
            f"{measured.record_id} does not list what its installer wrote; harness "
            f"{measured.environment.harness_version} did not yet",
            tip="measure it again",
        )
    lock = LockStore(*(place / LOCKS for place in store.places)).by_sha256(measured.lock_sha256)
    build = load(catalog_file or DEFAULT).variant(measured.framework, measured.variant)
    index = index_for(build.index, index_url)
    asked = job.job_of(measured)
    started = time.monotonic()
    with looks.choose(quiet=quiet) as shows, open_workshop(index, shows, download=False) as workshop:
        shows.phase("lock", "with uv")
        chosen = uv_resolve.resolve(
            (asked.request,),
            asked.target,
            measured.as_of,
            index=index,
            tools=workshop.uv,
            cache=workshop.cache,
            work=workshop.work,
            python=measured.environment.python,
        )
        at_hand = {(file.filename, file.sha256): file for file in chosen}
        locked = {(wheel.filename, wheel.sha256) for wheel in lock.wheels}
        differing = sorted(filename for filename, _ in at_hand.keys() ^ locked)
        shows.phase("peek", f"{len(lock.wheels)} wheels")
        files = {
            wheel.name: at_hand.get((wheel.filename, wheel.sha256)) or index.find(wheel.filename, wheel.sha256)
            for wheel in lock.wheels
        }
        entries = {}
        for done, (name, file) in enumerate(files.items(), 1):
            entries[name] = workshop.peek.entries(file)
            shows.step(done, len(files))
        found = verify.verify(measured, entries, differing)
        moved = Moved(
            round(time.monotonic() - started, 3),
            index.moved_bytes,
            lock.download_bytes,
            len(lock.wheels),
            len(lock.wheels) - len(workshop.peek.fetched),
        )
    if as_json:
        click.echo(json.dumps(_told(found, store.origin(measured), moved), indent=1))
    else:
        console = Page()
        verified.verified(found, ORIGINS[store.origin(measured)], console)
        cost(moved, console)
    return 0 if found.holds else 3


def _told(found: verify.Verified, origin: Origin | None, moved: Moved) -> dict[str, Any]:
    return {
        "record_id": found.record.record_id,
        "origin": origin,
        "holds": found.holds,
        "forecast_bytes": found.forecast_bytes,
        "installed_bytes": found.record.figures.installed_bytes,
        "rest_bytes": found.rest_bytes,
        "other_wheels": list(found.other_wheels),
        "distributions": [
            asdict(one) | {"rest_files": one.rest_files, "rest_bytes": one.rest_bytes} for one in found.distributions
        ],
        "cost": asdict(moved),
    }
