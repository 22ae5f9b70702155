"""What runtimes offer, what could be created here, and what really ran."""

from __future__ import annotations

from collections.abc import Sequence

from harness.cli.pages.layout import say, table
from harness.cli.pages.words import plain
from harness.cli.render import Page
from harness.documents.providers import ProviderLine, ProviderReport


def offers(found: Sequence[ProviderReport], console: Page) -> None:
    """A table for each runtime."""
    for one in found:
        say(console, plain(f"{one.runtime} {one.version}".strip()), "bold")
        say(console)
        table(
            console, ("provider", "offered", "created", ">nodes run", "device"), (_row(line) for line in one.providers)
        )
        for line in one.providers:
            if line.reason:
                say(console, plain(f"{line.provider}: {line.reason}"), "yellow")
        for warning in one.warnings:
            say(console, plain(warning), "yellow")
        say(console)


def _row(line: ProviderLine) -> tuple[str, ...]:
    ran = "-" if line.ran_nodes is None else str(line.ran_nodes)
    return line.provider.removesuffix("ExecutionProvider"), _yes(line.offered), _yes(line.created), ran, line.device


def _yes(value: bool | None) -> str:
    return {True: "yes", False: "no", None: "-"}[value]
