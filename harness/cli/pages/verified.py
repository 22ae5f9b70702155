"""A forecast held against its measurement."""

from __future__ import annotations

from collections.abc import Iterable

from harness.cli.pages.layout import heading, say, table
from harness.cli.pages.words import plain, short
from harness.cli.render import Page, count
from harness.stages.verify import Account, Checked, Verified

NAME_CHARS = 28


def verified(found: Verified, whose: str, console: Page) -> None:
    """Of each distribution what was forecast, what was measured, and every file between the two."""
    record = found.record
    say(console, f"{plain(record.record_id)} ({whose})", "bold")
    say(console)
    rows = [_checked(one) for one in found.distributions]
    installed = record.figures.installed_bytes or 0
    written = sum(account.difference for one in found.distributions for account in one.accounts)
    rows.append(
        (f"sum of {len(rows)}", f"{found.forecast_bytes:,}", f"{written:+,}", f"{installed:,}", f"{found.rest_bytes:,}")
    )
    table(console, ("distribution", ">forecast", ">by installer", ">measured", ">rest"), rows)
    heading(console, "what the installer wrote")
    accounts = [account for one in found.distributions for account in one.accounts]
    table(console, ("files", ">how many", ">wheel", ">installed", ">difference"), _kinds(accounts))
    for one in found.distributions:
        if one.rest_bytes or one.rest_files:
            say(console, f"{one.name}: {one.rest_files:+} files, {one.rest_bytes:+,} bytes unaccounted for", "red")
        if not one.directory_agrees:
            say(console, f"{one.name}: the wheel that was downloaded unpacks to another size", "red")
    if found.unowned_bytes:
        say(console, f"{found.unowned_bytes:,} installed bytes belong to no distribution of the lock", "red")
    for filename in found.other_wheels:
        say(console, f"only one of the two locks has {filename}", "red")
    if not found.other_wheels:
        say(console, f"uv, which forecasts, locks the same {count(len(found.distributions), 'wheel')} as pip did.")
    if found.holds:
        say(console, "Every byte is accounted for: the forecast was right.", "green")


def _checked(one: Checked) -> tuple[str, ...]:
    written = sum(account.difference for account in one.accounts)
    name = short(one.name, NAME_CHARS - 4)
    return name, f"{one.forecast_bytes:,}", f"{written:+,}", f"{one.measured_bytes:,}", f"{one.rest_bytes:,}"


def _kinds(accounts: Iterable[Account]) -> list[tuple[str, ...]]:
    """Files that an installer writes for every distribution, by their name; scripts one by one."""
    kinds: dict[str, list[Account]] = {}
    for one in accounts:
        name = one.path.rsplit("/", 1)[-1] if ".dist-info/" in one.path else one.path.split("/site-packages/")[-1]
        known = one.forecast_bytes is not None
        how = "" if not known else ", rewritten" if one.installed_bytes is not None else ", another's"
        kinds.setdefault(f"{name}{how}", []).append(one)
    return [
        (
            short(name, NAME_CHARS),
            str(len(some)),
            f"{sum(one.forecast_bytes or 0 for one in some):,}",
            f"{sum(one.installed_bytes or 0 for one in some):,}",
            f"{sum(one.difference for one in some):+,}",
        )
        for name, some in sorted(kinds.items())
    ]
