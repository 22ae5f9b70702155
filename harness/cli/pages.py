"""Answers as a person reads them: a record, a difference, a comparison, what fits. On standard output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.archive import compare
from harness.archive.budgets import MEANINGS, Limit, Verdict
from harness.archive.compare import Delta, Difference, Part
from harness.cli.render import count, day, megabytes, print_table, seconds
from harness.job import iso_instant
from harness.record import Environment, Figures, Record, Sample, median, spread

NAMED_PARTS = 4
"""How many distributions a headline names; the rest is summed up."""
LISTED = 10
"""How many lines a ledger shows of each kind; the rest is summed up."""
BAR_CHARS = 20
NAME_CHARS = 44

LABELS: Mapping[str, str] = {
    "wheel_bytes": "its own wheel",
    "download_bytes": "download",
    "unpacked_bytes": "unpacked wheels",
    "installed_bytes": "installed",
    "bytecode_bytes": "bytecode, on top",
    "allocated_bytes": "allocated on disk",
    "image_bytes": "image, with its base",
    "distributions": "distributions",
    "install_seconds": "install, offline",
    "unpack_seconds": "unpacking",
    "bytecode_seconds": "compiling bytecode",
    "download_seconds": "download (the network's)",
    "resolve_seconds": "resolving (the network's)",
    "import_first_seconds": "import, first",
    "import_cold_seconds": "import, cold cache",
    "import_warm_seconds": "import, warm",
    "import_cpu_seconds": "import, CPU time",
    "import_rss_bytes": "import, memory",
    "import_modules": "modules imported",
    "import_touched_bytes": "touched by import",
    "import_resident_bytes": "resident after import",
}


def plain(text: str) -> str:
    """One line without control characters: measured code wrote some of it, and a terminal obeys them."""
    return "".join(c if c.isprintable() else " " for c in text)


def short(text: str, chars: int) -> str:
    """At most so many characters, the middle left out: both ends of a path or an identifier tell something."""
    text = plain(text)
    if len(text) <= chars:
        return text
    head = (chars - 3) // 3
    return f"{text[:head]}...{text[head + 3 - chars :]}"


def label(figure: str) -> str:
    return LABELS.get(figure, figure)


def value(figure: str, amount: float | None) -> str:
    """A figure with its unit, humanised; `-` where there is none."""
    if amount is None:
        return "-"
    if figure.endswith("_bytes"):
        return megabytes(amount)
    return seconds(amount) if figure.endswith("_seconds") else f"{amount:,.0f}"


def signed(figure: str, amount: float) -> str:
    """A difference, always with its sign."""
    return f"{'-' if amount < 0 else '+'}{value(figure, abs(amount))}"


def title(record: Record) -> str:
    """`torch[extra] 2.3.0`."""
    extras = f"[{','.join(record.extras)}]" if record.extras else ""
    return plain(f"{record.framework}{extras} {record.version}")


def build(record: Record) -> str:
    """What a figure holds for: `cp311 linux_x86_64, pypi`."""
    return plain(f"cp{record.python.replace('.', '')} {record.platform}, {record.variant}")


def outcome(record: Record) -> str:
    """`ok`, or `failed in import: ...`."""
    return record.status if record.status == "ok" else plain(f"{record.status} in {record.phase}: {record.reason}")


def _say(console: Console, text: str = "", style: str = "") -> None:
    """A line that a terminal gets wrapped, and a pipe whole."""
    console.print(Text(text, style=style), soft_wrap=not console.is_terminal)


def _heading(console: Console, text: str) -> None:
    _say(console)
    _say(console, text, "bold")


def _table(console: Console, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Markdown, as everywhere here. A column whose name begins with `>` is aligned to the right."""
    table = Table(box=MARKDOWN)
    for name in columns:
        number = name.startswith(">")  # and a number is not to be broken into two lines
        table.add_column(name.lstrip(">"), justify="right" if number else "left", no_wrap=number, overflow="fold")
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))
    print_table(table, console)


def _reasons(console: Console, missing: Iterable[tuple[str, str]]) -> None:
    """Why figures are missing: one line a reason."""
    by_reason: dict[str, list[str]] = {}
    for figure, reason in missing:
        by_reason.setdefault(reason, []).append(label(figure))
    for reason, figures in by_reason.items():
        names = "every figure" if len(figures) == len(Figures.model_fields) else "; ".join(figures)
        _say(console, plain(f"no figure for {names}: {reason}"), "yellow")


# diff


def headline(found: Difference) -> str:
    """`+612.3 MB installed: nvidia-cudnn-cu12 +571.9 MB, triton new 168.1 MB, 5 others -2.1 MB`."""
    delta = found.delta("installed_bytes")
    if delta.difference is None:
        return f"installed: {delta.why_not}"
    parts = [part for part in found.parts if part.difference("installed_bytes")]
    named, others = parts[:NAMED_PARTS], parts[NAMED_PARTS:]
    if len(others) == 1:  # "1 other" would be no shorter than its name
        named, others = parts, []
    told = [_in_headline(part) for part in named]
    if others:
        rest = sum(part.difference("installed_bytes") for part in others)
        told.append(f"{count(len(others), 'other')} {signed('installed_bytes', rest)}")
    total = "same size" if not delta.difference else signed("installed_bytes", delta.difference)
    return f"{total} installed" + (f": {', '.join(told)}" if told else "")


def _in_headline(part: Part) -> str:
    difference = part.difference("installed_bytes")
    if part.change == "added":
        return f"{part.name} new {megabytes(difference)}"
    return f"{part.name} {'gone ' if part.change == 'removed' else ''}{signed('installed_bytes', difference)}"


def difference(found: Difference, console: Console) -> None:
    """Headline, figures, distributions, circumstances."""
    before, after = found.before, found.after
    _say(console, f"{title(before)} -> {title(after)}", "bold")
    for side, record in (("first", before), ("second", after)):
        _say(console, f"{side}: {plain(record.record_id)}")
        if record.status != "ok":
            _say(console, f"the {side} {outcome(record)}", "red")
    _say(console)
    _say(console, plain(headline(found)), "bold")
    _heading(console, "figures")
    known = [delta for delta in found.deltas if (delta.before, delta.after) != (None, None)]
    _table(console, ("figure", ">first", ">second", ">difference", ">"), (_delta(delta) for delta in known))
    _reasons(console, ((delta.figure, delta.why_not) for delta in found.deltas if delta.why_not))
    if found.parts:
        _distributions(found, console)
    _circumstances(found, console)
    if found.modules:
        _heading(console, "newly expensive to import")
        _table(
            console,
            ("module", ">own time", ">before"),
            ((one.module, _ms(one.microseconds), f"< {_ms(one.below_microseconds)}") for one in found.modules),
        )


def _delta(delta: Delta) -> tuple[str, ...]:
    before, after = value(delta.figure, delta.before), value(delta.figure, delta.after)
    if delta.difference is None:
        return label(delta.figure), before, after, "no figure" if "-" in (before, after) else "not comparable", ""
    relative = f"x {delta.after / delta.before:.2f}" if delta.before and delta.after else ""
    return label(delta.figure), before, after, signed(delta.figure, delta.difference), relative


def _distributions(found: Difference, console: Console) -> None:
    _heading(console, "distributions, in bytes")
    rows: list[tuple[str, ...]] = [
        (_changed(part), *_signed(map(part.difference, compare.ATTRIBUTED))) for part in found.parts
    ]
    totals = (sum(part.difference(figure) for part in found.parts) for figure in compare.ATTRIBUTED)
    rows.append((f"sum of {len(found.parts)}", *_signed(totals)))
    _table(console, ("distribution", ">installed", ">bytecode", ">download"), rows)
    for figure in compare.ATTRIBUTED:
        if rest := found.unattributed(figure):
            _say(console, f"{label(figure)}: {rest:+,} bytes belong to no distribution", "yellow")


def _changed(part: Part) -> str:
    """`triton 2.3.0 added`, `numpy 1.26.4 -> 2.0.0`."""
    before, after = (side.version if side else "" for side in (part.before, part.after))
    if part.before is None or part.after is None:
        return f"{part.name} {before or after} {part.change}"
    return f"{part.name} {before}" if before == after else f"{part.name} {before or '-'} -> {after or '-'}"


def _signed(amounts: Iterable[int]) -> list[str]:
    return [f"{amount:+,}" for amount in amounts]


def _circumstances(found: Difference, console: Console) -> None:
    if not found.circumstances:
        return
    _heading(console, "what else differs")
    _table(
        console,
        ("", "first", "second"),
        ((one.name, short(one.before, NAME_CHARS), short(one.after, NAME_CHARS)) for one in found.circumstances),
    )
    _say(console, "Times of different machines, days or loads are not comparable; sizes are.")


def _ms(microseconds: int) -> str:
    return f"{microseconds / 1000:,.1f} ms"


# fits


def limits(known: Mapping[str, Limit], console: Console) -> None:
    """The named limits with their sources."""
    rows = ((name, _limit(one), MEANINGS[one.of]) for name, one in known.items())
    _table(console, ("limit", ">bytes", "of"), rows)
    _say(console)
    for name, one in known.items():
        _say(console, f"{name}: {one.title}")
        _say(console, f"  {one.source} (checked {one.checked})", "dim")


def verdicts(found: Sequence[Verdict], limit: Limit, console: Console) -> None:
    """Which records fit, the smallest first."""
    size = "no limit" if limit.bytes is None else f"{megabytes(limit.bytes)} ({_limit(limit)} bytes)"
    _say(console, f"{limit.title}: {size}; counted: {MEANINGS[limit.of]}", "bold")
    if limit.source:
        _say(console, f"{limit.source} (checked {limit.checked})", "dim")
    _say(console)
    one_platform = len({one.record.platform for one in found}) == 1
    rows = []
    for one in found:
        told = {True: "fits", False: "too big", None: "no figure"}[one.fits]
        spare = "-" if one.spare_bytes is None else signed("_bytes", one.spare_bytes)
        target = f"cp{one.record.python.replace('.', '')} {one.record.variant}"
        where = target if one_platform else f"{target} {one.record.platform}"
        rows.append((title(one.record), where, megabytes(one.bytes), told, spare))
    _table(console, ("framework", "build", ">size", "", ">to spare"), rows)
    for one in found:
        if one.without_bytecode_bytes is not None:
            _say(
                console, f"{title(one.record)} would fit without its bytecode: {megabytes(one.without_bytecode_bytes)}"
            )
        if one.record.status != "ok":
            _say(console, f"{title(one.record)}, {build(one.record)}: {outcome(one.record)}", "red")
        elif one.why_not:
            _say(console, plain(f"{title(one.record)}, {build(one.record)}: no figure: {one.why_not}"), "yellow")


def _limit(limit: Limit) -> str:
    return "no limit" if limit.bytes is None else f"{limit.bytes:,}"


# compare


def comparison(records: Sequence[Record], console: Console) -> None:
    """Side by side, as many columns at a time as the terminal has room for."""
    first = max(len(label(figure)) for figure in compare.SIDE_BY_SIDE) + 4
    columns = _columns(records)
    width = max(15, *(len(line) for column in columns for line in column[0].split("\n"))) + 3
    at_once = max(1, (console.width - first) // width)
    for start in range(0, len(records), at_once):
        if start:
            _say(console)
        shown = columns[start : start + at_once]
        table = Table(box=MARKDOWN)
        table.add_column("")
        for head, _ in shown:
            table.add_column(Text(head), justify="right")
        for i, name in enumerate(["status", *map(label, compare.SIDE_BY_SIDE)]):
            table.add_row(name, *(Text(cells[i]) for _, cells in shown))
        print_table(table, console)
    _say(console)
    for note in _notes(records):
        _say(console, note)


def markdown(records: Sequence[Record]) -> str:
    """One Markdown table, however wide, and its notes."""
    columns = _columns(records)
    rows = [["", *(head.replace("\n", "<br>") for head, _ in columns)], ["---", *("---:" for _ in columns)]]
    for i, name in enumerate(["status", *map(label, compare.SIDE_BY_SIDE)]):
        rows.append([name, *(cells[i] for _, cells in columns)])
    lines = ["| " + " | ".join(_escaped(cell) for cell in row) + " |" for row in rows]
    return "\n".join([*lines, "", *(f"- {_escaped(note)}" for note in _notes(records))])


def _columns(records: Sequence[Record]) -> list[tuple[str, list[str]]]:
    """Of each record its heading and its cells."""
    marked = {figure: compare.best(records, figure) for figure in compare.SIDE_BY_SIDE}
    columns = []
    for i, record in enumerate(records):
        cells: list[str] = [record.status]
        for figure in compare.SIDE_BY_SIDE:
            cell = value(figure, getattr(record.figures, figure))
            cells.append(f"* {cell}" if i in marked[figure] else cell)
        head = plain(f"cp{record.python.replace('.', '')} {record.variant}")
        columns.append((f"{plain(record.framework)}\n{plain(record.version)}\n{head}", cells))
    return columns


def _notes(records: Sequence[Record]) -> list[str]:
    notes = ["* is the least of its row among those that are ok; - means no figure"]
    notes += [f"{title(one)}, {build(one)}: {outcome(one)}" for one in records if one.status != "ok"]
    for figure in compare.SIDE_BY_SIDE:
        for one in records:
            if one.status == "ok" and getattr(one.figures, figure) is None:
                notes.append(plain(f"{title(one)}, {label(figure)}: {compare.missing(one, figure)}"))
    machines = {(one.engine, one.environment.cpu_model, one.measured_at.date()) for one in records}
    if len(machines) > 1:
        notes.append("measured on different machines, engines or days: their times are not comparable")
    return notes


def _escaped(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("|", "\\|").replace("* ", "\\* ")


# show


def page(record: Record, console: Console) -> None:
    """All of one record."""
    _say(console, title(record), "bold")
    if record.status != "ok":
        _say(console, outcome(record), "bold red")
    machine = record.environment
    for name, text in (
        ("record", record.record_id),
        ("target", build(record)),
        ("import", record.import_package or "unknown"),
        ("as of", day(record.as_of)),
        ("measured", iso_instant(record.measured_at)),
        ("engine", f"{record.engine}, {machine.engine_version or 'version unknown'}"),
        ("installer", machine.installer or record.installer),
        ("machine", f"{machine.cpu_model or 'unknown CPU'}, {machine.cpu_count or 'unknown'} CPUs, {machine.kernel}"),
        ("lock", record.lock_sha256 or "none: it was not reached"),
    ):
        _say(console, f"{name:<10}{plain(text)}")
    for warning in record.warnings:
        _say(console, f"warning: {plain(warning)}", "yellow")
    _figures(record, console)
    if record.ledger:
        _ledger(record, console)
    _import_tree(record, console)
    _samples(record, console)
    _environment(record.environment, console)


def _figures(record: Record, console: Console) -> None:
    _heading(console, "figures")
    amounts = {figure: getattr(record.figures, figure) for figure in Figures.model_fields}
    known = {figure: amount for figure, amount in amounts.items() if amount is not None}
    if known:
        rows = (
            (label(name), value(name, one), f"{one:,}" if name.endswith("_bytes") else "")
            for name, one in known.items()
        )
        _table(console, ("figure", ">", ">bytes"), rows)
    _reasons(console, ((figure, compare.missing(record, figure)) for figure in amounts if figure not in known))


def _ledger(record: Record, console: Console) -> None:
    ledger = record.ledger
    assert ledger is not None
    total = record.figures.installed_bytes or 0
    _heading(console, f"whose the {total:,} installed bytes are")
    wholes = [(f"{one.name} {one.version}", one.bytes, one.files) for one in ledger.distributions]
    _table(console, ("distribution", ">bytes", ">share", "", ">files"), _shares(wholes, total))
    if ledger.contested:
        _say(
            console,
            f"{count(ledger.contested, 'file')} claimed by two distributions; the first in the alphabet has them",
        )
    _heading(console, "file types")
    _table(
        console,
        ("type", ">bytes", ">share", "", ">files"),
        _shares([(one.name, one.bytes, one.files) for one in ledger.types], total),
    )
    _heading(console, "largest files")
    rows = ((_inside(one.path), one.distribution, f"{one.bytes:,}") for one in ledger.largest)
    _table(console, ("file", "distribution", ">bytes"), rows)
    twice = ledger.duplicates
    _heading(console, "duplicates")
    _say(console, f"{count(twice.groups, 'group')} of identical files; single copies would save {twice.bytes:,} bytes")
    if twice.largest:
        copies = (
            (_inside(one.paths[0] if one.paths else ""), str(one.copies), f"{one.bytes:,}") for one in twice.largest
        )
        _table(console, ("one of them", ">copies", ">bytes saved"), copies)


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


def _import_tree(record: Record, console: Console) -> None:
    tree = record.import_tree
    if tree is None:
        return
    _heading(console, f"heaviest of {count(tree.modules, 'imported module')}, traced: slower than the times above")
    own = [(one.module, _ms(one.microseconds)) for one in tree.by_own[:LISTED]]
    cumulative = [(one.module, _ms(one.microseconds)) for one in tree.by_cumulative[:LISTED]]
    _table(console, ("by its own time", ">"), own)
    _say(console)
    _table(console, ("with what it imports", ">"), cumulative)


def _samples(record: Record, console: Console) -> None:
    taken: dict[str, tuple[Sample, ...]] = {
        name: getattr(record.samples, name) for name in type(record.samples).model_fields
    }
    if not any(taken.values()):
        return
    _heading(console, "samples: interpreters from start to end, in seconds")
    rows = []
    for name, runs in taken.items():
        if runs:
            times = [run.seconds for run in runs]
            noise = f"{spread(times):.1%}" if len(times) > 2 else "-"
            rows.append(
                (name.replace("_", ", "), f"{median(times):.3f}", noise, " ".join(f"{one:.3f}" for one in times))
            )
    _table(console, ("", ">median", ">spread", "each"), rows)


def _environment(environment: Environment, console: Console) -> None:
    _heading(console, "environment")
    for name, what in environment.model_dump(mode="json").items():
        text = ", ".join(map(str, what)) if isinstance(what, list) else "unknown" if what is None else str(what)
        _say(console, f"{name:<19}{plain(text)}")
