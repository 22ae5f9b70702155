"""The site's generated part: records and charts in, MyST pages and files to publish out.

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
from harness.record import Record
from harness.report.pages import api, framework_page, reference, start_page
from harness.report.pages.pieces import Chart, pictures, place

_SAFE = re.compile(r"(?!index$)[A-Za-z0-9][A-Za-z0-9._+-]*")
"""What a file may be called; `index` is the list of all frameworks."""
Draw = Callable[[Sequence[Record], Path, Callable[[Record], str]], Sequence[Chart]]
"""Draws the charts of records into a folder; a mark links to where the last argument says its record is."""


@dataclass(frozen=True)
class Written:
    """What was written."""

    frameworks: tuple[str, ...]
    records: int
    charts: int
    left_out: tuple[str, ...] = field(default=())
    """Ids of records that cannot be published, because a name of theirs is none that a file may have."""


def write(records: Iterable[Record], *, docs: Path, results: Path, draw: Draw) -> Written:
    """Write everything that the site's pages take from records.

    Args:
        docs: the folder of the site's sources; `_generated/` and `frameworks/` in it are replaced.
        results: where the locks and `datapackage.json` are.

    Raises:
        InputError: `docs` is no such folder or cannot be written to, or there is no record.
    """
    if not (docs / "conf.py").is_file():
        raise InputError(f"{docs} has no conf.py: it is not the folder of the site's sources")
    everything = list(records)
    known = [one for one in everything if _publishable(one)]
    if not known:
        raise InputError("there is no record to show", tip="measure something: make measure FRAMEWORK=onnxruntime")
    generated, pages = docs / "_generated", docs / "frameworks"
    for folder in (generated, pages):
        shutil.rmtree(folder, ignore_errors=True)
    public = generated / "public"
    charts = draw(known, public / "charts", place)
    locks = publish_locks(known, results / "locks", public / "locks")
    for one in known:
        _write(public / place(one), one.to_json())
    for path, document in api.documents(known, place).items():
        _write(public / path, document)
    _write(generated / "answer.md", start_page.answer(known))
    _write(generated / "decision.html", start_page.decision(known, charts, public / "charts"))
    _write(generated / "table.html", start_page.overview(known))
    _write(generated / "charts.md", pictures(charts, None, root="", but=(start_page.DECISION,)))
    for name, piece in reference.pieces(results / "datapackage.json").items():
        _write(generated / name, piece)
    names = sorted({one.framework for one in known})
    for name in names:
        _write(pages / f"{name}.md", framework_page.page(name, known, charts, locks))
    _write(pages / "index.md", framework_page.index(names, api.headline(known)))
    left = tuple(one.record_id for one in everything if not _publishable(one))
    return Written(tuple(names), len(known), len(charts), left)


def _publishable(record: Record) -> bool:
    return bool(_SAFE.fullmatch(record.framework) and _SAFE.fullmatch(record.record_id))


def _write(path: Path, content: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}", tip="free or fix its folder") from None


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
