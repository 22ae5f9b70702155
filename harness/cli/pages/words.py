"""Words and figures of records and forecasts: plain text, for every page alike."""

from __future__ import annotations

from collections.abc import Mapping

from harness.archive.weighed import Weighed
from harness.cli.render import megabytes, seconds

LABELS: Mapping[str, str] = {
    "wheel_bytes": "its own wheel",
    "wheel_unpacked_bytes": "its own, unpacked",
    "wheel_files": "files in its own",
    "download_bytes": "download",
    "unpacked_bytes": "unpacked wheels",
    "files": "files in wheels",
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


def title(one: Weighed) -> str:
    """`torch[extra] 2.3.0`."""
    extras = f"[{','.join(one.extras)}]" if one.extras else ""
    return plain(f"{one.framework}{extras} {one.version}")


def build(one: Weighed) -> str:
    """What a figure holds for: `cp311 linux_x86_64, pypi`."""
    return plain(f"cp{one.python.replace('.', '')} {one.platform}, {one.variant}")


def outcome(one: Weighed) -> str:
    """`ok`, or `failed in import: ...`."""
    return one.status if one.status == "ok" else plain(f"{one.status} in {one.phase}: {one.reason}")


def milliseconds(microseconds: int) -> str:
    return f"{microseconds / 1000:,.1f} ms"
