"""Lines, headings and tables: the one place of these pages that knows what prints them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.pages.words import label, plain
from harness.cli.render import print_table


def say(console: Console, text: str = "", style: str = "") -> None:
    """A line that a terminal gets wrapped, and a pipe whole."""
    console.print(Text(text, style=style), soft_wrap=not console.is_terminal)


def heading(console: Console, text: str) -> None:
    say(console)
    say(console, text, "bold")


def table(console: Console, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Markdown, as everywhere here. A column whose name begins with `>` is aligned to the right.

    On a terminal a cell may have several lines; a pipe gets each row as one.
    """
    drawn = Table(box=MARKDOWN)
    for name in columns:
        number = name.startswith(">")  # and a number is not to be broken into two lines
        drawn.add_column(
            Text(name.removeprefix(">")), justify="right" if number else "left", no_wrap=number, overflow="fold"
        )
    for row in rows:
        lines = (cell.split("\n") if console.is_terminal else [cell] for cell in row)
        drawn.add_row(*(Text("\n".join(map(plain, each))) for each in lines))
    print_table(drawn, console)


def reasons(console: Console, missing: Iterable[tuple[str, str]], *, of: int) -> None:
    """Why figures are missing, of so many: one line a reason."""
    by_reason: dict[str, list[str]] = {}
    for figure, reason in missing:
        by_reason.setdefault(reason, []).append(label(figure))
    for reason, figures in by_reason.items():
        names = "every figure" if len(figures) == of else "; ".join(figures)
        say(console, plain(f"no figure for {names}: {reason}"), "yellow")
