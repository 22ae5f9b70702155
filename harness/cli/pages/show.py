"""`harness show`: all of one record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.archive.weighed import missing
from harness.cli.pages.layout import heading, reasons, say, table
from harness.cli.pages.words import build, label, milliseconds, outcome, plain, short, title, value
from harness.cli.render import Page, count, day
from harness.documents.base import Environment
from harness.documents.footprint import Figures, Record, Sample, median, spread
from harness.job import iso_instant

LISTED = 10
"""How many lines a ledger shows of each kind; the rest is summed up."""
BAR_CHARS = 20


def page(record: Record, path: Path, whose: str, console: Page) -> None:
    """All of one record.

    Args:
        path: its file.
        whose: whose it is.
    """
    say(console, title(record), "bold")
    if record.status != "ok":
        say(console, outcome(record), "bold red")
    machine = record.environment
    for name, text in (
        ("record", record.record_id),
        ("file", f"{path} ({whose})"),
        ("target", build(record)),
        ("import", record.import_package or "unknown"),
        ("as of", day(record.as_of)),
        ("measured", iso_instant(record.measured_at)),
        ("engine", f"{record.engine}, {machine.engine_version or 'version unknown'}"),
        ("installer", machine.installer or record.installer),
        ("machine", f"{machine.cpu_model or 'unknown CPU'}, {machine.cpu_count or 'unknown'} CPUs, {machine.kernel}"),
        ("lock", record.lock_sha256 or "none: it was not reached"),
    ):
        say(console, f"{name:<10}{plain(text)}")
    for warning in record.warnings:
        say(console, f"warning: {plain(warning)}", "yellow")
    _figures(record, console)
    if record.ledger:
        _ledger(record, console)
    _import_tree(record, console)
    _samples(record, console)
    _environment(record.environment, console)


def _figures(record: Record, console: Page) -> None:
    heading(console, "figures")
    amounts = {figure: getattr(record.figures, figure) for figure in Figures.model_fields}
    known = {figure: amount for figure, amount in amounts.items() if amount is not None}
    if known:
        rows = (
            (label(name), value(name, one), f"{one:,}" if name.endswith("_bytes") else "")
            for name, one in known.items()
        )
        table(console, ("figure", ">", ">bytes"), rows)
    reasons(console, ((figure, missing(record, figure)) for figure in amounts if figure not in known), of=len(amounts))


def _ledger(record: Record, console: Page) -> None:
    ledger = record.ledger
    assert ledger is not None
    total = record.figures.installed_bytes or 0
    heading(console, f"whose the {total:,} installed bytes are")
    wholes = [(f"{one.name} {one.version}", one.bytes, one.files) for one in ledger.distributions]
    table(console, ("distribution", ">bytes", ">share", "", ">files"), _shares(wholes, total))
    if ledger.contested:
        say(
            console,
            f"{count(ledger.contested, 'file')} claimed by two distributions; the first in the alphabet has them",
        )
    heading(console, "file types")
    table(
        console,
        ("type", ">bytes", ">share", "", ">files"),
        _shares([(one.name, one.bytes, one.files) for one in ledger.types], total),
    )
    heading(console, "largest files")
    rows = ((_inside(one.path), one.distribution, f"{one.bytes:,}") for one in ledger.largest)
    table(console, ("file", "distribution", ">bytes"), rows)
    twice = ledger.duplicates
    heading(console, "duplicates")
    say(console, f"{count(twice.groups, 'group')} of identical files; single copies would save {twice.bytes:,} bytes")
    if twice.largest:
        copies = (
            (_inside(one.paths[0] if one.paths else ""), str(one.copies), f"{one.bytes:,}") for one in twice.largest
        )
        table(console, ("one of them", ">copies", ">bytes saved"), copies)


def _shares(lines: Sequence[tuple[str, int, int]], total: int) -> Iterable[tuple[str, ...]]:
    """The heaviest lines with their bars, and the others as one, so that the shares sum to 100 %."""
    heaviest = sorted(lines, key=lambda line: -line[1])
    shown, others = heaviest[:LISTED], heaviest[LISTED:]
    if others:
        rest = (f"{len(others)} more", sum(line[1] for line in others), sum(line[2] for line in others))
        shown = [*shown, rest]
    for name, size, files in shown:
        share = size / total if total else 0.0
        yield short(name, 30), f"{size:,}", f"{share:.1%}", "#" * round(share * BAR_CHARS), f"{files:,}"


def _inside(path: str) -> str:
    """A path without the folder that nearly all have in common."""
    return path.split("/site-packages/", 1)[-1]


def _import_tree(record: Record, console: Page) -> None:
    tree = record.import_tree
    if tree is None:
        return
    heading(console, f"heaviest of {count(tree.modules, 'imported module')}, traced: slower than the times above")
    own = [(one.module, milliseconds(one.microseconds)) for one in tree.by_own[:LISTED]]
    cumulative = [(one.module, milliseconds(one.microseconds)) for one in tree.by_cumulative[:LISTED]]
    table(console, ("by its own time", ">"), own)
    say(console)
    table(console, ("with what it imports", ">"), cumulative)


def _samples(record: Record, console: Page) -> None:
    taken: dict[str, tuple[Sample, ...]] = {
        name: getattr(record.samples, name) for name in type(record.samples).model_fields
    }
    if not any(taken.values()):
        return
    heading(console, "samples: interpreters from start to end, in seconds")
    rows = []
    for name, runs in taken.items():
        if runs:
            times = [run.seconds for run in runs]
            noise = f"{spread(times):.1%}" if len(times) > 2 else "-"
            rows.append(
                (name.replace("_", ", "), f"{median(times):.3f}", noise, " ".join(f"{one:.3f}" for one in times))
            )
    table(console, ("", ">median", ">spread", "each"), rows)


def _environment(environment: Environment, console: Page) -> None:
    heading(console, "environment")
    for name, what in environment.model_dump(mode="json").items():
        text = ", ".join(map(str, what)) if isinstance(what, list) else "unknown" if what is None else str(what)
        say(console, f"{name:<19}{plain(text)}")
