"""Forecasts: one, a history, a matrix of targets; and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.cli.pages.layout import heading, say, table
from harness.cli.pages.words import build, outcome, plain, short, title
from harness.cli.render import Page, count, day, megabytes
from harness.documents.forecast import Forecast

NAME_CHARS = 34
PATH_CHARS = 52
NOTE = "Forecast from the index's own figures and the wheels' central directories; nothing was installed."


@dataclass(frozen=True)
class Moved:
    """What forecasts cost, and what they spared."""

    seconds: float
    moved_bytes: int
    """That came over the wire, but for what uv read to lock."""
    spared_bytes: int
    """What a download of every wheel that was weighed would have been."""
    wheels: int
    """Different ones."""
    cached: int
    """Of them, those whose directory was in the cache."""


def forecasts(found: Sequence[Forecast], console: Page) -> None:
    """Each on a page of its own."""
    for one in found:
        _one(one, console)
        say(console)
    say(console, NOTE, "dim")


def _one(one: Forecast, console: Page) -> None:
    say(console, f"{title(one)}: a forecast, not a measurement", "bold")
    say(console, f"{build(one)}, as of {day(one.as_of)}")
    if one.status != "ok":
        say(console, outcome(one), "red")
        return
    for warning in one.warnings:
        say(console, f"warning: {plain(warning)}", "yellow")
    say(console)
    ordered = sorted(one.wheels, key=lambda wheel: (-wheel.unpacked_bytes, wheel.name))
    rows = [
        (
            short(f"{wheel.name} {wheel.version}", NAME_CHARS),
            megabytes(wheel.bytes),
            megabytes(wheel.unpacked_bytes),
            f"{wheel.files:,}",
        )
        for wheel in ordered
    ]
    rows.append(
        (
            f"sum of {len(ordered)}",
            megabytes(sum(wheel.bytes for wheel in ordered)),
            megabytes(sum(wheel.unpacked_bytes for wheel in ordered)),
            f"{sum(wheel.files for wheel in ordered):,}",
        )
    )
    table(console, ("distribution", ">download", ">unpacked", ">files"), rows)
    heading(console, "by type of file")
    table(
        console,
        ("type", ">unpacked", ">files"),
        ((line.name, megabytes(line.bytes), f"{line.files:,}") for line in one.types),
    )
    heading(console, "largest files")
    table(
        console,
        ("file", ">unpacked"),
        ((short(line.path, PATH_CHARS), megabytes(line.bytes)) for line in one.largest),
    )


def releases(found: Sequence[Forecast], console: Page) -> None:
    """The history of each framework, oldest release first."""
    for framework in dict.fromkeys(one.framework for one in found):
        mine = [one for one in found if one.framework == framework]
        first = mine[0]
        say(console, f"{framework}: {count(len(mine), 'release')}, forecast, not measured", "bold")
        say(console, build(first))
        say(console)
        closure = any(one.scope == "closure" for one in mine)
        columns = ["version", "uploaded", ">wheel", ">unpacked"]
        columns += [">with deps", ">unpacked", ">wheels"] if closure else [">files"]
        table(console, columns, (_release(one, closure=closure) for one in mine))
        for one in mine:
            if one.status != "ok":
                say(console, f"{title(one)}: {outcome(one)}", "red")
        say(console)
    say(console, NOTE, "dim")


def _release(one: Forecast, *, closure: bool) -> tuple[str, ...]:
    figures = one.figures
    uploaded = str(one.uploaded_at.date()) if one.uploaded_at else "-"
    version = one.version + (" yanked" if any("yanked" in warning for warning in one.warnings) else "")
    row = (version, uploaded, megabytes(figures.wheel_bytes), megabytes(figures.wheel_unpacked_bytes))
    if closure:
        return (
            *row,
            megabytes(figures.download_bytes),
            megabytes(figures.unpacked_bytes),
            _number(figures.distributions),
        )
    return (*row, _number(figures.wheel_files))


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def matrix(found: Sequence[Forecast], console: Page) -> None:
    """Python down, platforms across: the wheel's size and what it unpacks to."""
    for of in dict.fromkeys(title(one) for one in found):
        mine = {(one.python, one.platform): one for one in found if title(one) == of}
        platforms = list(dict.fromkeys(platform for _, platform in mine))
        say(console, f"{of}: wheel -> unpacked, in MB; forecast, not measured", "bold")
        say(console)
        rows = (
            (f"cp{python.replace('.', '')}", *(_cell(mine[python, platform]) for platform in platforms))
            for python in dict.fromkeys(python for python, _ in mine)
        )
        table(console, ("", *(f">{platform}" for platform in platforms)), rows)
        for one in mine.values():
            if one.status == "failed":
                say(console, f"{build(one)}: {outcome(one)}", "red")
        say(console)
    say(console, NOTE, "dim")


def _cell(one: Forecast) -> str:
    if one.status != "ok":
        return "no wheel" if one.phase == "lock" and one.scope == "wheel" else one.status
    figures = one.figures
    sizes = (
        (figures.download_bytes, figures.unpacked_bytes)
        if one.scope == "closure"
        else (figures.wheel_bytes, figures.wheel_unpacked_bytes)
    )
    return " -> ".join(megabytes(size).removesuffix(" MB") for size in sizes)


def cost(moved: Moved, console: Page) -> None:
    """What it took, beside what a download would have been."""
    share = f" ({moved.moved_bytes / moved.spared_bytes:.2%})" if moved.spared_bytes else ""
    say(
        console,
        f"{count(moved.wheels, 'wheel')} in {moved.seconds:.1f} s, {moved.cached} of them from the cache: "
        f"{megabytes(moved.moved_bytes)} moved instead of {megabytes(moved.spared_bytes)}{share}",
    )
