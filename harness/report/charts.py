"""Every chart, drawn from records, forecasts and inference records and written into a folder, offline."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from packaging.version import Version

from harness.archive import releases, select, timed
from harness.catalogs.frameworks import DEFAULT_VARIANT
from harness.documents.footprint import Record
from harness.documents.forecast import Forecast
from harness.documents.inference import Inference
from harness.errors import InputError
from harness.files import replacing
from harness.progress import Progress, Silent
from harness.report import words
from harness.report.drawing import (
    decision,
    first_answer,
    forecast,
    forecast_all,
    history,
    imports,
    inside,
    latency,
    peak_memory,
    ratio,
    size_latency,
    sizes,
    touched,
)
from harness.report.drawing.plan import Chart as Chart
from harness.report.drawing.plan import Plan
from harness.report.drawing.sheet import Link, settings, to_bytes
from harness.report.drawing.style import THEMES

FORMATS = ("svg", "png")
INFERENCE_KINDS = ("latency", "ratio", "first-answer", "peak-memory", "size-latency")
"""First words of the names of charts of inference records."""
WEIGHED_KINDS = ("decision", "sizes", "inside", "touched", "import-times", "modules", "history", "tutorial", "forecast")
KINDS = (*WEIGHED_KINDS, *INFERENCE_KINDS)
"""First words of the names of all charts, today's and those of earlier records and forecasts."""
TUTORIAL_AS_OF = datetime(2024, 4, 26, tzinfo=UTC)
TUTORIAL = {("torch", "2.3.0"), ("tensorflow", "2.16.1"), ("onnxruntime-gpu", "1.17.1")}
"""What the tutorial of 2024-04-25 installed; the newest releases of that day."""
_OWN = re.compile(rf"(?:{'|'.join(KINDS)})(?:-[a-z0-9-]+)?-(?:light|dark)\.(?:svg|png)")


def write_all(
    records: Sequence[Record],
    folder: Path,
    *,
    forecasts: Sequence[Forecast] = (),
    inferences: Sequence[Inference] = (),
    progress: Progress | None = None,
    link: Link | None = None,
) -> list[Chart]:
    """Draw every chart that there is enough for, as `<name>-light.svg`, `-dark.svg`, `-light.png`, `-dark.png`.

    The same ones always give the same bytes. Charts that an earlier call wrote and that no longer exist are removed.

    Args:
        link: the address that a record's mark leads to; without it marks lead nowhere.

    Raises:
        InputError: the folder cannot be written to.
    """
    progress = progress or Silent()
    written: dict[str, Chart] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with settings():
            for plan in plans(records, forecasts, inferences):
                chart = plan.chart
                progress.phase("chart", chart.name)
                for theme in THEMES:
                    figure = plan.draw(theme, link)
                    for kind in FORMATS:
                        name = f"{chart.name}-{theme.name}.{kind}"
                        _write(folder / name, to_bytes(figure, kind, title=chart.title, alt=chart.alt))
                        written[name] = chart
        for old in sorted(folder.iterdir()):
            if old.name not in written and _OWN.fullmatch(old.name):
                old.unlink()
    except OSError as error:
        raise InputError(
            f"charts cannot be written to {folder}: {error.strerror}", tip="free or fix it, or choose another folder"
        ) from None
    return list(dict.fromkeys(written.values()))


def plans(
    records: Sequence[Record], forecasts: Sequence[Forecast] = (), inferences: Sequence[Inference] = ()
) -> Iterator[Plan]:
    """Every chart that these can fill; forecasts and inference records have charts of their own."""
    yield from _measured(records)
    histories = releases.leading(forecasts, records)
    yield from filter(None, (forecast.plan(one, records) for one in histories))
    yield from filter(None, [forecast_all.plan(histories)])
    yield from _timed(inferences)


def _measured(records: Sequence[Record]) -> Iterator[Plan]:
    current = select.current(records)
    if not current:
        return
    yield decision.plan(current)
    yield sizes.plan(current)
    yield inside.plan(current)
    yield touched.plan(current)
    yield imports.plan(current)
    for _, mine in groupby(current, key=lambda one: one.framework):
        newest = max(mine, key=_preferred)
        yield from filter(None, (inside.plan_one(newest), imports.plan_modules(newest)))
    for _, mine in groupby(current, key=lambda one: one.framework):
        versions = [select.history(records, select.build(one)) for one in mine]
        if longer := [found for found in versions if len(found) > 1]:
            yield history.plan(longer)
    if lesson := [one for one in select.as_of(records, TUTORIAL_AS_OF) if (one.framework, one.version) in TUTORIAL]:
        yield sizes.plan(lesson, name="tutorial", title=f"The tutorial's frameworks as of {words.day(TUTORIAL_AS_OF)}")


def _timed(inferences: Sequence[Inference]) -> Iterator[Plan]:
    """Five charts for each machine, track and number of threads: these are never mixed."""
    known = {one.record_id: one for one in inferences}
    for field in timed.fields(inferences):
        yield from filter(
            None,
            (
                latency.plan(field),
                ratio.plan(field, known),
                first_answer.plan(field),
                peak_memory.plan(field),
                size_latency.plan(field, known),
            ),
        )


def _preferred(record: Record) -> tuple[bool, bool, Version, tuple[int, ...]]:
    """Of a framework's builds the one that its own charts show: measured, as the index has it, newest."""
    python = tuple(int(part) for part in record.python.split(".") if part.isdigit())
    plain = record.variant == DEFAULT_VARIANT and not record.extras
    return record.ledger is not None, plain, select.version_of(record), python


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all: a reader sees the old picture or the new one."""
    with replacing(path, "wb") as file:
        file.write(data)
