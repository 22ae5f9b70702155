"""`harness fits`: the limits that are known, and what fits one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.archive.budgets import Verdict
from harness.archive.weighed import Weighed, word
from harness.catalogs.limits import MEANINGS, Limit
from harness.cli.pages.layout import say, table
from harness.cli.pages.words import build, outcome, plain, signed, title
from harness.cli.render import Page, count, megabytes
from harness.documents.forecast import Forecast


def limits(known: Mapping[str, Limit], console: Page) -> None:
    """The named limits with their sources."""
    rows = ((name, _limit(one), MEANINGS[one.of]) for name, one in known.items())
    table(console, ("limit", ">bytes", "of"), rows)
    say(console)
    for name, one in known.items():
        say(console, f"{name}: {one.title}")
        say(console, f"  {one.source} (checked {one.checked})", "dim")


def verdicts(found: Sequence[Verdict], whose: Sequence[str], limit: Limit, console: Page) -> None:
    """Which records and forecasts fit, the smallest first.

    Args:
        whose: of each, whose it is.
    """
    size = "no limit" if limit.bytes is None else f"{megabytes(limit.bytes)} ({_limit(limit)} bytes)"
    say(console, f"{limit.title}: {size}; counted: {MEANINGS[limit.of]}", "bold")
    if limit.source:
        say(console, f"{limit.source} (checked {limit.checked})", "dim")
    say(console)
    one_platform = len({one.weighed.platform for one in found}) == 1
    # what was measured has no need to say so where all was
    forecast = any(isinstance(one.weighed, Forecast) for one in found)
    rows = (_row(one, one_platform=one_platform, forecast=forecast) for one in found)
    table(console, ("framework", "build", ">size", "", ">to spare"), rows)
    say(console, _whose([_named(one.weighed) for one in found], whose))
    for counted in dict.fromkeys(one.counted for one in found if one.counted):
        say(console, f"counted: {counted}")
    _notes(found, console)


def _whose(names: Sequence[str], whose: Sequence[str]) -> str:
    """Below the table, which fills 80 columns: `yours: torch 2.3.0, cp311 linux_x86_64; the others: published`."""
    of = {word: [name for name, one in zip(names, whose, strict=True) if one == word] for word in dict.fromkeys(whose)}
    *few, most = sorted(of, key=lambda word: len(of[word]))
    told = [f"{word}: {', '.join(of[word])}" for word in few]
    rest = f"the others: {most}" if few and len(of[most]) > 2 else f"{most}: {', '.join(of[most]) if few else 'all'}"
    return "; ".join((*told, rest))


def _row(one: Verdict, *, one_platform: bool, forecast: bool) -> tuple[str, ...]:
    weighed = one.weighed
    unknown = "no figure" if one.at_least_bytes is None else "unknown"
    told = {True: "fits", False: "too big", None: unknown}[one.fits]
    size = megabytes(one.bytes) if one.at_least_bytes is None else f"> {megabytes(one.at_least_bytes)}"
    spare = "-" if one.spare_bytes is None else signed("_bytes", one.spare_bytes)
    name = f"{title(weighed)} ({word(weighed)})" if forecast else title(weighed)
    target = f"cp{weighed.python.replace('.', '')} {weighed.variant}"
    return name, target if one_platform else f"{target} {weighed.platform}", size, told, spare


def _notes(found: Sequence[Verdict], console: Page) -> None:
    """What stands behind the verdicts; of many forecasts with one reason, one line."""
    alike: dict[str, list[Weighed]] = {}
    for one in found:
        weighed = one.weighed
        if one.without_bytecode_bytes is not None:
            say(console, f"{title(weighed)} would fit without its bytecode: {megabytes(one.without_bytecode_bytes)}")
        if weighed.status != "ok":
            say(console, f"{_named(weighed)}: {outcome(weighed)}", "red")
        elif isinstance(weighed, Forecast) and one.fits is None:
            alike.setdefault(one.why_not, []).append(weighed)
        elif one.why_not and one.fits is None:
            say(console, plain(f"{_named(weighed)}: no figure: {one.why_not}"), "yellow")
    for why, those in alike.items():
        whose = _named(those[0]) if len(those) == 1 else count(len(those), "forecast")
        say(console, plain(f"{whose}: cannot be told: {why}"), "yellow")


def _named(one: Weighed) -> str:
    forecast = " (forecast)" if isinstance(one, Forecast) else ""
    return f"{title(one)}{forecast}, {build(one)}"


def _limit(limit: Limit) -> str:
    return "no limit" if limit.bytes is None else f"{limit.bytes:,}"
