"""The site's generated part: what is kept, and charts, in, MyST pages and files to publish out.

Sphinx builds the rest. What is written lies in folders below `docs/` that git ignores: `_generated/` (pieces that
pages include, and `public/`, which is copied into the site as it is), `frameworks/` (a page each), and `inference/`
(one page, where models were timed).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import InputError
from harness.forecast import Forecast
from harness.inference import Inference, parse_inference
from harness.providers import ProviderReport
from harness.record import Record, parse_record
from harness.report.pages import api, framework_page, inference_page, reference, start_page
from harness.report.pages.pieces import Chart, place

_SAFE = re.compile(r"(?!index$)[A-Za-z0-9][A-Za-z0-9._+-]*")
"""What a file may be called; `index` is the list of all frameworks."""
Place = Callable[[Record | Inference], str]
Draw = Callable[[Sequence[Record], Sequence[Forecast], Sequence[Inference], Path, Place], Sequence[Chart]]
"""Draws charts into a folder; the mark of a record links to where the last argument says that it is."""


@dataclass(frozen=True)
class Written:
    """What was written."""

    frameworks: tuple[str, ...]
    records: int
    forecasts: int
    inferences: int
    charts: int
    left_out: tuple[str, ...] = field(default=())
    """Ids of whatever cannot be published, because a name of theirs is none that a file may have."""


def write(
    records: Iterable[Record],
    *,
    docs: Path,
    results: Path,
    draw: Draw,
    forecasts: Iterable[Forecast] = (),
    inferences: Iterable[Inference] = (),
    reports: Iterable[ProviderReport] = (),
) -> Written:
    """Write everything that the site's pages take from what is kept.

    Args:
        docs: the folder of the site's sources; `_generated/`, `frameworks/` and `inference/` in it are replaced.
        results: where the locks, the tables and `datapackage.json` are.

    Raises:
        InputError: `docs` is no such folder or cannot be written to, or there is nothing to show.
    """
    if not (docs / "conf.py").is_file():
        raise InputError(f"{docs} has no conf.py: it is not the folder of the site's sources")
    everything, expected, tried = list(records), list(forecasts), list(inferences)
    known = [one for one in everything if _publishable(one)]
    foreseen = [one for one in expected if _publishable(one)]
    timed, asked = [one for one in tried if _publishable(one)], list(reports)
    if not known and not foreseen and not timed and not asked:
        raise InputError(
            "there is no record to show, and no forecast",
            tip="measure something: make measure FRAMEWORK=onnxruntime, or make forecast FRAMEWORK=onnxruntime",
        )
    generated, pages = docs / "_generated", docs / "frameworks"
    for folder in (generated, pages, docs / "inference"):
        shutil.rmtree(folder, ignore_errors=True)
    public = generated / "public"
    charts = draw(known, foreseen, timed, public / "charts", place)
    tables = publish_tables(results, public / "tables")
    measured: list[Record | Inference] = [*known, *timed]
    locks = publish_locks(measured, results / "locks", public / "locks")
    for record in measured:
        _write(public / place(record), _original(record, results))
    for path, document in api.documents(known, timed, place).items():
        _write(public / path, document)
    _write(generated / "answer.md", start_page.answer(known))
    _write(generated / "decision.html", start_page.decision(known, charts, public / "charts"))
    _write(generated / "table.html", start_page.overview(known, timed))
    _write(generated / "charts.md", start_page.charts(charts))
    for name, piece in reference.pieces(results / "datapackage.json").items():
        _write(generated / name, piece)
    names = sorted({one.framework for one in known} | {one.framework for one in foreseen})
    for name in names:
        _write(pages / f"{name}.md", framework_page.page(name, known, foreseen, charts, locks, tables, timed))
    _write(pages / "index.md", framework_page.index(api.headline(known), foreseen))
    if timed or asked:
        _write(docs / "inference" / "index.md", inference_page.page(timed, asked, charts, locks, tables))
    told: list[Record | Forecast | Inference] = [*everything, *expected, *tried]
    left = [one.record_id for one in told if not _publishable(one)]
    return Written(tuple(names), len(known), len(foreseen), len(timed), len(charts), tuple(left))


def _publishable(one: Record | Forecast | Inference) -> bool:
    if isinstance(one, Inference):
        return all(map(_SAFE.fullmatch, (one.model.name, one.record_id)))
    files = (one.framework,) if isinstance(one, Forecast) else (one.framework, one.record_id)
    return all(map(_SAFE.fullmatch, files))


def _original(record: Record | Inference, results: Path) -> str:
    """A record's own file, byte for byte: an earlier harness may have written it otherwise."""
    try:
        text = (results / place(record)).read_text(encoding="utf-8")
        parsed = parse_inference(text) if isinstance(record, Inference) else parse_record(text)
        return text if parsed == record else record.to_json()
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
    for name in ("datapackage.json", "footprint.csv", "forecast.csv", "inference.csv", "providers.csv"):
        if (results / name).is_file():
            _write(public / name, (results / name).read_text(encoding="utf-8"))
            found[name.partition(".")[0]] = f"{public.name}/{name}"
    return found


def publish_locks(records: Iterable[Record | Inference], source: Path, public: Path) -> dict[str, str]:
    """Copy the locks that records name. Returns sha256 -> the lock's folder in the site, from its root."""
    found = {}
    for sha256 in sorted({one.lock_sha256 for one in records if one.lock_sha256}):
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            continue
        # what was asked for at several times can come to the same lock: one copy is enough
        for folder in sorted(path.parent for path in source.glob(f"*-{sha256[:12]}/pylock.toml"))[:1]:
            for name in ("pylock.toml", "requirements.txt"):
                _write(public / folder.name / name, (folder / name).read_text(encoding="utf-8"))
            found[sha256] = f"{public.name}/{folder.name}"
    return found
