"""The site's generated part: what is kept, and charts, in, MyST pages and files to publish out.

Sphinx builds the rest. What is written lies in folders below `docs/` that git ignores: `_generated/` (pieces that
pages include, and `public/`, which is copied into the site as it is), `frameworks/` (a page each), and `inference/`
(one page, where models were timed).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from harness.archive import datapackage
from harness.archive.store import LOCKS, Store, places
from harness.archive.tables import tabled, to_csv
from harness.documents.footprint import Record
from harness.documents.forecast import Forecast
from harness.documents.inference import Inference
from harness.documents.kinds import INFERENCE, RECORD
from harness.documents.providers import ProviderReport
from harness.errors import InputError
from harness.report.pages import api, framework_page, inference_page, reference, start_page
from harness.report.pages.pieces import Chart, place

_SAFE = re.compile(r"(?!index$)[A-Za-z0-9][A-Za-z0-9._+-]*")
"""What a file may be called; `index` is the list of all frameworks."""
DESCRIPTION = "datapackage.json"
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
    own: Mapping[str, int]
    """Of records, forecasts and inferences, how many are the user's own."""
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
    own: Container[str] = (),
) -> Written:
    """Write everything that the site's pages take from what is kept.

    Args:
        docs: the folder of the site's sources; `_generated/`, `frameworks/`, `inference/` and `documents/` in it are
            replaced.
        results: where the locks, the tables and `datapackage.json` are, or in its published place.
        own: ids of what is the user's own, and not published.

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
    for folder in (generated, pages, docs / "inference", docs / "documents"):
        shutil.rmtree(folder, ignore_errors=True)
    public = generated / "public"
    charts = draw(known, foreseen, timed, public / "charts", place)
    tables = publish_tables(places(results), public / "tables")
    measured: list[Record | Inference] = [*known, *timed]
    locks = publish_locks(measured, [one / LOCKS for one in places(results)], public / "locks")
    for record in measured:
        _write(public / place(record), _original(record, places(results)))
    for path, document in api.documents(known, timed, place).items():
        _write(public / path, document)
    _write(generated / "answer.md", start_page.answer(known))
    _write(generated / "decision.html", start_page.decision(known, charts, public / "charts"))
    _write(generated / "table.html", start_page.overview(known, timed, own))
    _write(generated / "charts.md", start_page.charts(charts))
    described = public / "tables" / DESCRIPTION if "datapackage" in tables else results / DESCRIPTION
    for name, piece in reference.pieces(described).items():
        _write(generated / name, piece)
    for name, page in reference.pages().items():
        _write(docs / "documents" / name, page)
    names = sorted({one.framework for one in known} | {one.framework for one in foreseen})
    for name in names:
        _write(pages / f"{name}.md", framework_page.page(name, known, foreseen, charts, locks, tables, timed, own))
    _write(pages / "index.md", framework_page.index(api.headline(known), foreseen))
    if timed or asked:
        _write(docs / "inference" / "index.md", inference_page.page(timed, asked, charts, locks, tables, own))
    told: list[Record | Forecast | Inference] = [*everything, *expected, *tried]
    left = [one.record_id for one in told if not _publishable(one)]
    shown: dict[str, Sequence[Record | Forecast | Inference]] = {
        "records": known,
        "forecasts": foreseen,
        "inferences": timed,
    }
    mine = {name: sum(one.record_id in own for one in those) for name, those in shown.items()}
    return Written(tuple(names), len(known), len(foreseen), len(timed), len(charts), mine, tuple(left))


def _publishable(one: Record | Forecast | Inference) -> bool:
    if isinstance(one, Inference):
        return all(map(_SAFE.fullmatch, (one.model.name, one.record_id)))
    files = (one.framework,) if isinstance(one, Forecast) else (one.framework, one.record_id)
    return all(map(_SAFE.fullmatch, files))


def _original(record: Record | Inference, kept: Iterable[Path]) -> str:
    """A record's own file, byte for byte: an earlier harness may have written it otherwise."""
    for folder in kept:
        try:
            text = (folder / place(record)).read_text(encoding="utf-8")
            parsed = INFERENCE.parse(text) if isinstance(record, Inference) else RECORD.parse(text)
        except (OSError, UnicodeDecodeError, InputError):
            continue
        if parsed == record:
            return text
    return record.to_json()


def _write(path: Path, content: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}", tip="free or fix its folder") from None


def publish_tables(kept: Sequence[Path], public: Path) -> dict[str, str]:
    """Copy the tables and their description; where two places have one, make one of both.

    Args:
        kept: the places that tables may be in, the user's own first.

    Returns:
        Name of a table -> its file in the site, from its root.
    """
    found = {}
    shown = []
    for kind in tabled():
        table = kind.table
        assert table is not None, kind
        if files := [one / table.file for one in kept if (one / table.file).is_file()]:
            both = Store(kept[0], kind, both=True).all() if len(files) > 1 else None
            text = None if both is None else to_csv(kind, both)
            _write(public / table.file, files[0].read_text(encoding="utf-8") if text is None else text)
            found[table.name] = f"{public.name}/{table.file}"
            shown.append(kind)
    if described := [one / DESCRIPTION for one in kept if (one / DESCRIPTION).is_file()]:
        text = described[0].read_text(encoding="utf-8") if len(described) == 1 else datapackage.to_json(shown)
        _write(public / DESCRIPTION, text)
        found[DESCRIPTION.partition(".")[0]] = f"{public.name}/{DESCRIPTION}"
    return found


def publish_locks(records: Iterable[Record | Inference], sources: Sequence[Path], public: Path) -> dict[str, str]:
    """Copy the locks that records name. Returns sha256 -> the lock's folder in the site, from its root."""
    found = {}
    for sha256 in sorted({one.lock_sha256 for one in records if one.lock_sha256}):
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            continue
        # what was asked for at several times can come to the same lock: one copy is enough
        copies = (path for one in sources for path in sorted(one.glob(f"*-{sha256[:12]}/pylock.toml")))
        for folder in (path.parent for path in islice(copies, 1)):
            for name in ("pylock.toml", "requirements.txt"):
                _write(public / folder.name / name, (folder / name).read_text(encoding="utf-8"))
            found[sha256] = f"{public.name}/{folder.name}"
    return found
