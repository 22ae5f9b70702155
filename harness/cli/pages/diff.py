"""`harness diff`: what changed between two records or forecasts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.archive.compare import Delta, Difference, Part, family
from harness.archive.weighed import word
from harness.cli.pages.layout import heading, reasons, say, table
from harness.cli.pages.words import label, milliseconds, outcome, plain, short, signed, title, value
from harness.cli.render import Page, count, megabytes
from harness.documents.forecast import Forecast

NAMED_PARTS = 4
"""How many distributions a headline names; the rest is summed up."""
NAME_CHARS = 44
WEIGHTS: Mapping[str, str] = {
    "installed_bytes": "installed",
    "bytecode_bytes": "bytecode",
    "download_bytes": "download",
    "unpacked_bytes": "unpacked",
    "wheel_unpacked_bytes": "its own wheel, unpacked",
    "wheel_bytes": "its own wheel",
}
"""Figures that a headline or the table of distributions is about, in a word."""

TIMED = "all that is timed"
"""What a forecast is set beside a record without."""


def headline(found: Difference) -> str:
    """`+612.3 MB installed: nvidia-cudnn-cu12 +571.9 MB, triton new 168.1 MB, 5 others -2.1 MB`."""
    figure = found.leading
    delta, what = found.delta(figure), WEIGHTS[figure] + _forecast(found)
    if delta.difference is None:
        return f"{what}: {delta.why_not}"
    parts = [part for part in found.parts if part.difference(figure)]
    named, others = parts[:NAMED_PARTS], parts[NAMED_PARTS:]
    if len(others) == 1:  # "1 other" would be no shorter than its name
        named, others = parts, []
    told = [_in_headline(part, figure) for part in named]
    if others:
        rest = sum(part.difference(figure) for part in others)
        told.append(f"{count(len(others), 'other')} {signed(figure, rest)}")
    total = "same size" if not delta.difference else signed(figure, delta.difference)
    return f"{total} {what}" + (f": {', '.join(told)}" if told else "")


def _forecast(found: Difference) -> str:
    """Which of the figures are forecast; nothing where both were measured."""
    words = word(found.before), word(found.after)
    if words == ("measured", "measured"):
        return ""
    return " (forecast)" if words[0] == words[1] else f" (first {words[0]}, second {words[1]})"


def _in_headline(part: Part, figure: str) -> str:
    difference = part.difference(figure)
    if part.change == "added":
        return f"{part.name} new {megabytes(difference)}"
    return f"{part.name} {'gone ' if part.change == 'removed' else ''}{signed(figure, difference)}"


def difference(found: Difference, first: str, second: str, console: Page) -> None:
    """Headline, figures, distributions, circumstances.

    Args:
        first, second: whose each side is.
    """
    before, after = found.before, found.after
    told = _forecast(found)
    say(console, f"{title(before)} -> {title(after)}", "bold")
    for side, one, whose in (("first", before, first), ("second", after, second)):
        say(console, f"{side}: {plain(one.record_id)} ({f'{word(one)}, ' if told else ''}{whose})")
        if one.status != "ok":
            say(console, f"the {side} {outcome(one)}", "red")
    say(console)
    say(console, plain(headline(found)), "bold")
    heading(console, f"figures{told}")
    shown = [delta for delta in found.deltas if not told or family(delta.figure) == "sizes"]
    known = [delta for delta in shown if (delta.before, delta.after) != (None, None)]
    table(console, ("figure", ">first", ">second", ">difference", ">"), (_delta(delta) for delta in known))
    missing = [(delta.figure, delta.why_not) for delta in shown if delta.why_not]
    if len(shown) < len(found.deltas):  # one line for all, whatever is known of them where they were measured
        missing.append((TIMED, found.delta("installed_bytes").why_not))
    reasons(console, missing, of=len(found.deltas))
    if found.parts:
        _distributions(found, console)
    _circumstances(found, console)
    if told:
        say(console, "A forecast is what the index tells: nothing was downloaded, installed or run.")
    if found.modules:
        heading(console, "newly expensive to import")
        rows = (
            (one.module, milliseconds(one.microseconds), f"< {milliseconds(one.below_microseconds)}")
            for one in found.modules
        )
        table(console, ("module", ">own time", ">before"), rows)


def _delta(delta: Delta) -> tuple[str, ...]:
    before, after = value(delta.figure, delta.before), value(delta.figure, delta.after)
    if delta.difference is None:
        return label(delta.figure), before, after, "no figure" if "-" in (before, after) else "not comparable", ""
    relative = f"x {delta.after / delta.before:.2f}" if delta.before and delta.after else ""
    return label(delta.figure), before, after, signed(delta.figure, delta.difference), relative


def _distributions(found: Difference, console: Page) -> None:
    figures = found.attributed
    heading(console, f"distributions, in bytes{_forecast(found)}")
    rows: list[tuple[str, ...]] = [(_changed(part), *_signed(map(part.difference, figures))) for part in found.parts]
    totals = (sum(part.difference(figure) for part in found.parts) for figure in figures)
    rows.append((f"sum of {len(found.parts)}", *_signed(totals)))
    table(console, ("distribution", *(f">{WEIGHTS[figure]}" for figure in figures)), rows)
    for figure in figures:
        if rest := found.unattributed(figure):
            say(console, f"{label(figure)}: {rest:+,} bytes belong to no distribution", "yellow")


def _changed(part: Part) -> str:
    """`triton 2.3.0 added`, `numpy 1.26.4 -> 2.0.0`."""
    before, after = (side.version if side else "" for side in (part.before, part.after))
    if part.before is None or part.after is None:
        return f"{part.name} {before or after} {part.change}"
    return f"{part.name} {before}" if before == after else f"{part.name} {before or '-'} -> {after or '-'}"


def _signed(amounts: Iterable[int]) -> list[str]:
    return [f"{amount:+,}" for amount in amounts]


def _circumstances(found: Difference, console: Page) -> None:
    if not found.circumstances:
        return
    heading(console, "what else differs")
    table(
        console,
        ("", "first", "second"),
        ((one.name, short(one.before, NAME_CHARS), short(one.after, NAME_CHARS)) for one in found.circumstances),
    )
    if not (isinstance(found.before, Forecast) or isinstance(found.after, Forecast)):
        say(console, "Times of different machines, days or loads are not comparable; sizes are.")
