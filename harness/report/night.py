"""The summary of a night, in Markdown: what is new, what grew and because of what, what failed, how old the data is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from harness.archive.nights import Outcome, Row, ages
from harness.archive.series import SizeChange, TimeStep
from harness.documents.footprint import Record
from harness.documents.kinds import RECORD
from harness.documents.night import Night, Series
from harness.job import iso_instant
from harness.report import units, words

NAMED_PARTS = 5
"""Distributions that a change is attributed to by name; the rest is summed up."""
OLD_DAYS = 7
"""From this age on, data is marked as old."""
FIGURE = {
    "wheel_bytes": "its own wheel",
    "download_bytes": "download",
    "installed_bytes": "installed",
    "import_first_seconds": "first import",
    "import_warm_seconds": "warm import",
    "install_seconds": "installation",
}
SERIES: dict[Series, str] = {"release": "between releases", "night": "same version, newer dependencies"}


def headline(found: Outcome) -> str:
    """`12 of 12 rows: 10 ok, 1 failed, 1 unsupported; 1 regression`."""
    counts = [f"{len(found.ended(status))} {status}" for status in ("ok", "failed", "unsupported", "skipped")]
    told = f"{found.recorded} of {len(found.rows)} rows: " + ", ".join(
        one for one in counts if not one.startswith("0 ")
    )
    told = told.removesuffix(": ")
    if found.missing:
        told += f"; {len(found.missing)} missing"
    if found.left_out:
        told += f"; {len(found.left_out)} left out"
    if found.unsure:
        told += f"; {len(found.unsure)} to be measured a second time"
    if found.night.unplanned:
        told += f"; {len(found.night.unplanned)} not planned"
    count = found.regressions
    return told + (f"; {count} regression{'s' * (count != 1)}" if count else "; no regression")


def summary(found: Outcome, records: Sequence[Record], now: datetime, *, published: bool = True) -> str:
    """The whole page; links lead from its folder, `nights/` among the results, to the records.

    Args:
        published: whether the night is; one that is not is taken up again with another command.
    """
    night = found.night
    lines = [f"# Night of {night.as_of.date()}", "", f"**{headline(found)}.**", ""]
    since = "the first night" if night.since is None else f"releases since {iso_instant(night.since)}"
    lines += [
        f"As of {iso_instant(night.as_of)}, {since}; engine {night.engine}, installer {night.installer}, "
        f"harness {night.harness_version}" + (f" ({night.harness_commit})" if night.harness_commit else "") + ".",
    ]
    lines += _section(
        "Missing",
        (f"- {_job(row)}: {_text(row.failure) or 'no record, and no reason is known'}" for row in found.missing),
    )
    lines += _section("Not planned", (f"- {name}: {_text(why)}" for name, why in night.unplanned.items()))
    lines += _section("Sizes that changed", (_size(change) for change in found.sizes))
    lines += _section("Times that rose", (_time(step) for step in found.times))
    lines += _section(
        "Seems slower",
        (
            f"- {_link(one)}: {', '.join(FIGURE[figure] for figure in figures)}; a second measurement, without which "
            "nothing is told, is lacking: start the night again"
            for one, figures in found.unsure
        ),
    )
    bad = [one for status in ("failed", "unsupported", "skipped") for one in found.ended(status)]
    lines += _section(
        "Failed, unsupported and skipped",
        (f"- {_link(one)} {one.status} in {one.phase}: {_text(one.reason or '')}" for one in bad),
    )
    lines += _section("Left out", (f"- {_job(row)}: {row.left_out}" for row in found.left_out))
    lines += _section(
        "Earlier nights that lack rows",
        (
            f"- {one.as_of.date()}: {count} of {len(one.jobs)}; finish it with `{_command(one, published=published)}`"
            for one, count in found.unfinished
        ),
    )
    new = [row.record for row in found.rows if row.record is not None and "release" in row.job.series]
    lines += _table("New releases", new)
    again = [row.record for row in found.rows if row.record is not None and row.job.series == ("night",)]
    lines += _table("Newest releases with the dependencies of the night", again)
    lines += _ages(records, now)
    return "\n".join(lines).rstrip() + "\n"


def _command(night: Night, *, published: bool) -> str:
    """What takes a night up again."""
    told = ["harness", "nightly", *([] if published else ["--no-publish"]), "--as-of", iso_instant(night.as_of)]
    told += ["--engine", night.engine, "--installer", night.installer]
    told += [word for name in night.frameworks for word in ("--framework", name)]
    return " ".join(told + [word for version in night.pythons for word in ("--python", version)])


def _section(title: str, items: Iterable[str]) -> list[str]:
    told = list(items)
    return ["", f"## {title}", "", *told] if told else []


def _table(title: str, records: Sequence[Record]) -> list[str]:
    if not records:
        return []
    lines = ["", f"## {title}", "", "| | download | installed | warm import | |", "|---|--:|--:|--:|---|"]
    for one in records:
        figures = one.figures
        cells = (
            units.megabytes(figures.download_bytes),
            units.megabytes(figures.installed_bytes),
            units.seconds(figures.import_warm_seconds),
        )
        lines.append(f"| {_link(one)} | {' | '.join(cells)} | {one.status} |")
    return lines


def _ages(records: Sequence[Record], now: datetime) -> list[str]:
    told = ages(records)
    if not told:
        return []
    lines = ["", "## How old the data is", "", "| framework | last measured | age |", "|---|---|--:|"]
    for name, version, at in told:
        days = (now - at).total_seconds() / 86_400
        old = " (old)" if days >= OLD_DAYS else ""
        lines.append(f"| {name} {version} | {iso_instant(at)} | {days:.1f} days{old} |")
    return lines


def _size(change: SizeChange) -> str:
    """One line: how much, between what, and which distributions it comes from."""
    was = getattr(change.before.figures, change.figure)
    told = f"- {'grew' if change.bytes > 0 else 'shrank'}: {_link(change.before)} to {_link(change.after)}"
    told += f", {FIGURE[change.figure]} {_signed(change.bytes)} ({change.bytes / was:+.1%})" if was else ""
    told += f", {SERIES[change.series]}"
    if change.figure not in change.difference.attributed:
        return told
    parts = [(part, part.difference(change.figure)) for part in change.difference.parts]
    parts = sorted((one for one in parts if one[1]), key=lambda one: (-abs(one[1]), one[0].name))
    named = [f"{part.name} {_signed(size)}" for part, size in parts[:NAMED_PARTS]]
    if rest := parts[NAMED_PARTS:]:
        named.append(f"{len(rest)} other{'s' * (len(rest) > 1)} {_signed(sum(size for _, size in rest))}")
    return told + (f"; of which {', '.join(named)}" if named else "")


def _time(step: TimeStep) -> str:
    first, last = step.after[0], step.after[-1]
    told = (
        f"- {FIGURE[step.figure]} of {_link(last)}: {words.seconds(step.before_seconds)} to "
        f"{words.seconds(step.after_seconds)} ({step.share:+.0%}), over {len(step.before)} measurements before and "
        f"{len(step.after)} since {iso_instant(first.as_of)}, on the same host"
    )
    versions = step.before[-1].version, first.version
    return told + (f"; with it the version went from {versions[0]} to {versions[1]}" if len(set(versions)) > 1 else "")


def _signed(size: int) -> str:
    return f"{'+' if size > 0 else '-'}{units.megabytes(abs(size))}"


def _link(one: Record) -> str:
    """A record, as a link from where the summary lies."""
    extras = f"[{','.join(one.extras)}]" if one.extras else ""
    name = f"{one.framework}{extras} {one.version}".replace("[", "\\[").replace("]", "\\]")
    return f"[{name}](../../{RECORD.folder}/{one.framework}/{one.record_id}.json)"


def _job(row: Row) -> str:
    job = row.job
    return f"{job.framework} {job.version}, Python {job.python}, as of {iso_instant(job.as_of)}"


def _text(text: str) -> str:
    """What measured code said, as text that Markdown leaves alone, on one line."""
    readable = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>()#+!|~" else c for c in readable)
