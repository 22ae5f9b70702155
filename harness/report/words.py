"""What charts say: names, figures with their units, captions. Pure text."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from harness.archive import select
from harness.documents.footprint import Record
from harness.documents.forecast import Forecast
from harness.documents.inference import Inference
from harness.job import iso_instant

MEGABYTE = "1 MB = 10\N{SUPERSCRIPT SIX} bytes."
SEVERAL = 3
"""More different values than this are counted in a caption, not listed."""


def megabytes(value: float) -> str:
    """`5,457 MB`, `96.4 MB`, `0.33 MB`: MB of 10^6 bytes, never below two significant digits."""
    return f"{megabytes_number(value)} MB"


def megabytes_number(value: float) -> str:
    size = value / 1e6
    return f"{size:,.0f}" if size >= 99.95 else f"{size:.1f}" if size >= 9.995 else f"{size:.2f}"


def seconds(value: float) -> str:
    """`4.48 s`, `0.048 s`: two significant digits at least."""
    if value >= 0.1 or value == 0:
        return f"{value:.2f} s"
    return f"{value:.3f} s" if value >= 0.01 else f"{value:.4f} s"


def milliseconds(seconds: float) -> str:
    """`28.4 ms`, `5.13 ms`, `0.87 ms`, `1,204 ms`: three significant digits, two below one."""
    value = seconds * 1000
    return f"{value:,.0f} ms" if value >= 99.95 else f"{value:.1f} ms" if value >= 9.995 else f"{value:.2f} ms"


def ratio(value: float) -> str:
    """`0.24`, `1.83`, `12.4`, `150`."""
    return f"{value:,.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def percent(share: float) -> str:
    """`55 %`, `0.4 %`; what is there is never 0 %."""
    parts = share * 100
    return f"{parts:.0f} %" if parts >= 9.95 else f"{parts:.1f} %" if parts >= 0.05 or not share else "< 0.1 %"


def outcome(one: Record | Forecast | Inference) -> str:
    """`failed: ImportError`; empty where all went well. A reason may quote what measured code printed."""
    if one.status == "ok":
        return ""
    readable = "".join(c if c.isprintable() else " " for c in one.reason or "")
    return f"{one.status}: {' '.join(readable.split())}"


def stem(framework: str) -> str:
    """A framework's name as a part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", framework.lower()).strip("-") or "unnamed"


def names(records: Sequence[Record]) -> dict[str, tuple[str, str]]:
    """Of each record, by its id, what a chart calls it: the framework, and its version with whatever sets it apart.

    What most of the records share is left to the caption.
    """
    usual = {part: _most_common(getattr(one, part) for one in records) for part in ("variant", "python", "platform")}
    same: dict[tuple[str, tuple[str, ...], str], list[Record]] = defaultdict(list)
    for one in records:
        same[one.framework, one.extras, one.version].append(one)
    found = {}
    for (framework, extras, version), alike in same.items():
        differs = {part for part, _ in _traits(alike[0]) if len({getattr(one, part) for one in alike}) > 1}
        for one in alike:
            unusual = {part for part, value in usual.items() if getattr(one, part) != value}
            apart = [text for part, text in _traits(one) if part in differs | unusual]
            found[one.record_id] = (
                framework + (f"[{','.join(extras)}]" if extras else ""),
                ", ".join([version, *apart]),
            )
    return found


def _traits(record: Record) -> tuple[tuple[str, str], ...]:
    """What sets records of one version apart, as a field and how it is told."""
    return (
        ("variant", record.variant),
        ("python", f"Python {record.python}"),
        ("platform", record.platform),
        ("as_of", f"as of {day(record.as_of)}"),
        ("engine", record.engine),
        ("installer", record.installer),
    )


def _most_common(values: Iterable[str]) -> str:
    return min(Counter(values).items(), key=lambda item: (-item[1], item[0]), default=("", 0))[0]


def full_name(name: tuple[str, str]) -> str:
    """`jax 0.12.0.1 (Python 3.13)`."""
    version, _, rest = name[1].partition(", ")
    return f"{name[0]} {version}" + (f" ({rest})" if rest else "")


def day(as_of: datetime) -> str:
    """The day that a date stood for, where it ends one; else the instant."""
    if (as_of.hour, as_of.minute, as_of.second) == (0, 0, 0):
        return str((as_of - timedelta(days=1)).date())
    return iso_instant(as_of)


def caption(records: Sequence[Record]) -> str:
    """When, where and with what the records were measured."""
    installers = [one.environment.installer or one.installer for one in records]
    return (
        f"{_where(records)}; {_listed(installers, 'installers')}; "
        f"{_listed([one.platform for one in records], 'platforms')}. "
        f"Releases as of {_listed([day(one.as_of) for one in records], 'dates')}. {MEGABYTE}"
    )


def inference_caption(inferences: Sequence[Inference]) -> str:
    """When, where and how models were timed."""
    protocols = [one.protocol for one in inferences]

    def least(name: str, unit: str = "") -> str:
        return " or ".join(f"{value:,g}{unit}" for value in sorted({getattr(one, name) for one in protocols}))

    gpus = [one.gpu["name"] for one in inferences if "name" in one.gpu]
    return (
        f"{_where(inferences)}; {_listed([one.platform for one in inferences], 'platforms')}"
        f"{'; ' + _listed(gpus, 'GPUs') if gpus else ''}. "
        f"{least('rounds')} rounds, in each a fresh process of every runtime, by turns; at least "
        f"{least('warmup_runs')} runs and {least('warmup_seconds', ' s')} of warm-up, then at least {least('runs')} "
        f"runs and {least('seconds', ' s')}. From host memory to host memory."
    )


def _where(measured: Sequence[Record] | Sequence[Inference]) -> str:
    machines = [f"{_model(one)}{_cores(one)}" for one in measured]
    engines = [
        " ".join(filter(None, (one.engine, (one.environment.engine_version or "").split(" (")[0]))) for one in measured
    ]
    pythons = [one.environment.python or one.python for one in measured]
    return (
        f"Measured {_days(one.measured_at for one in measured)} on {_listed(machines, 'machines')}; "
        f"{_listed(engines, 'engines')}; Python {_listed(pythons, 'versions')}"
    )


def forecast_when(forecasts: Iterable[Forecast]) -> str:
    """That they are forecasts, from what, and of which day."""
    days = _days(one.forecast_at for one in forecasts)
    return f"Forecast {days}, not measured: from the central directories of wheels in an index."


def forecast_targets(forecasts: Iterable[Forecast]) -> str:
    """What wheels were chosen for."""
    listed = _listed((target(select.build(one)) for one in forecasts), "targets")
    return f"Nothing was downloaded or installed for a forecast. {listed}."


def target(build: select.Build) -> str:
    """`CPython 3.11, linux_x86_64, pypi`."""
    _, variant, extras, python, platform = build
    return f"CPython {python}, {platform}, {with_extras(variant, extras)}"


def with_extras(name: str, extras: Sequence[str]) -> str:
    """`torch[opt-einsum]`."""
    return name + (f"[{','.join(extras)}]" if extras else "")


def _days(instants: Iterable[datetime]) -> str:
    """One day, or the first and the last."""
    days = sorted({str(one.date()) for one in instants})
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


def _model(record: Record | Inference) -> str:
    return record.environment.cpu_model or "an unknown CPU"


def _cores(record: Record | Inference) -> str:
    count = record.environment.cpu_count
    return "" if count is None else f", {count} core" + ("" if count == 1 else "s")


def _listed(values: Iterable[str], many: str) -> str:
    """Different values, most frequent first; only their number where they are too many to list.

    A value that only begins another is one that a record did not get to tell in full.
    """
    told = Counter(values)
    whole = {one: times for one, times in told.items() if not any(o != one and o.startswith(one) for o in told)}
    found = [value for value, _ in sorted(whole.items(), key=lambda item: (-item[1], item[0]))]
    return " and ".join(found) if len(found) <= SEVERAL else f"{len(found)} {many}"


def first_of(values: Sequence[str]) -> str:
    """`1.13.0, 1.13.1, 2.0.0 and 4 more`."""
    more = f" and {len(values) - SEVERAL} more" if len(values) > SEVERAL else ""
    return ", ".join(values[:SEVERAL]) + more


def listing(parts: Iterable[str]) -> str:
    """Sentences of a text alternative."""
    return " ".join(f"{part.rstrip('.')}." for part in parts if part)
