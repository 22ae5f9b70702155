"""The site's generated part: records, forecasts and charts in, MyST pages and files to publish out.

Sphinx builds the rest. What is written lies in two folders below `docs/` that git ignores: `_generated/` (pieces
that pages include, and `public/`, which is copied into the site as it is) and `frameworks/` (a page each).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import InputError
from harness.forecast import Forecast
from harness.record import Record, parse_record
from harness.report.pages import api, framework_page, reference, start_page
from harness.report.pages.pieces import Chart, place

_SAFE = re.compile(r"(?!index$)[A-Za-z0-9][A-Za-z0-9._+-]*")
"""What a file may be called; `index` is the list of all frameworks."""
Draw = Callable[[Sequence[Record], Sequence[Forecast], Path, Callable[[Record], str]], Sequence[Chart]]
"""Draws charts into a folder; the mark of a record links to where the last argument says that it is."""


@dataclass(frozen=True)
class Written:
    """What was written."""

    frameworks: tuple[str, ...]
    records: int
    forecasts: int
    charts: int
    left_out: tuple[str, ...] = field(default=())
    """Ids of records and forecasts that cannot be published, because a name of theirs is none that a file may have."""


def write(
    records: Iterable[Record], *, docs: Path, results: Path, draw: Draw, forecasts: Iterable[Forecast] = ()
) -> Written:
    """Write everything that the site's pages take from records and forecasts.

    Args:
        docs: the folder of the site's sources; `_generated/` and `frameworks/` in it are replaced.
        results: where the locks, the tables and `datapackage.json` are.

    Raises:
        InputError: `docs` is no such folder or cannot be written to, or there is neither a record nor a forecast.
    """
    if not (docs / "conf.py").is_file():
        raise InputError(f"{docs} has no conf.py: it is not the folder of the site's sources")
    everything, expected = list(records), list(forecasts)
    known = [one for one in everything if _publishable(one)]
    foreseen = [one for one in expected if _publishable(one)]
    if not known and not foreseen:
        raise InputError(
            "there is no record to show, and no forecast",
            tip="measure something: make measure FRAMEWORK=onnxruntime, or make forecast FRAMEWORK=onnxruntime",
        )
    generated, pages = docs / "_generated", docs / "frameworks"
    for folder in (generated, pages):
        shutil.rmtree(folder, ignore_errors=True)
    public = generated / "public"
    charts = draw(known, foreseen, public / "charts", place)
    tables = publish_tables(results, public / "tables")
    locks = publish_locks(known, results / "locks", public / "locks")
    for one in known:
        _write(public / place(one), _original(one, results))
    for path, document in api.documents(known, place).items():
        _write(public / path, document)
    _write(generated / "answer.md", start_page.answer(known))
    _write(generated / "decision.html", start_page.decision(known, charts, public / "charts"))
    _write(generated / "table.html", start_page.overview(known))
    _write(generated / "charts.md", start_page.charts(charts))
    for name, piece in reference.pieces(results / "datapackage.json").items():
        _write(generated / name, piece)
    names = sorted({one.framework for one in known} | {one.framework for one in foreseen})
    for name in names:
        _write(pages / f"{name}.md", framework_page.page(name, known, foreseen, charts, locks, tables))
    _write(pages / "index.md", framework_page.index(api.headline(known), foreseen))
    left = [one.record_id for one in everything if not _publishable(one)]
    left += [one.record_id for one in expected if not _publishable(one)]
    return Written(tuple(names), len(known), len(foreseen), len(charts), tuple(left))


def _publishable(one: Record | Forecast) -> bool:
    files = (one.framework,) if isinstance(one, Forecast) else (one.framework, one.record_id)
    return all(map(_SAFE.fullmatch, files))


def _original(record: Record, results: Path) -> str:
    """A record's own file, byte for byte: an earlier harness may have written it otherwise."""
    try:
        text = (results / place(record)).read_text(encoding="utf-8")
        return text if parse_record(text) == record else record.to_json()
    except (OSError, UnicodeDecodeError, InputError):
        return record.to_json()


def _write(path: Path, content: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}", tip="free or fix its folder") from None


def publish_tables(results: Path, public: Path) -> dict[str, str]:
    """Copy the tables and their description. Returns a table's name -> its file in the site, from its root."""
    found = {}
    for name in ("datapackage.json", "footprint.csv", "forecast.csv"):
        if (results / name).is_file():
            _write(public / name, (results / name).read_text(encoding="utf-8"))
            found[name.partition(".")[0]] = f"{public.name}/{name}"
    return found


def publish_locks(records: Iterable[Record], source: Path, public: Path) -> dict[str, str]:
    """Copy the locks that records name. Returns sha256 -> the lock's folder in the site, from its root."""
    found = {}
    for sha256 in sorted({one.lock_sha256 for one in records if one.lock_sha256}):
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            continue
        for folder in (path.parent for path in source.glob(f"*-{sha256[:12]}/pylock.toml")):
            for name in ("pylock.toml", "requirements.txt"):
                _write(public / folder.name / name, (folder / name).read_text(encoding="utf-8"))
            found[sha256] = f"{public.name}/{folder.name}"
    return found
