"""What is asked for: requests, targets, dates and jobs. Pure values, strictly parsed.

Nothing here touches a network, a file or an engine, so that a malformed request is
refused before anything starts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from harness.errors import InputError
from harness.parsing import quoted

MAX_REQUEST_CHARS = 200
PLATFORMS = ("linux_x86_64", "linux_aarch64", "macos_arm64", "windows_x86_64")
EXAMPLE = "for example torch==2.3.0"
Python = tuple[int, int]
"""A CPython version: major, minor."""
PYTHONS: tuple[Python, ...] = tuple((3, minor) for minor in range(9, 15))
"""The versions that can be measured."""
DEFAULT_PYTHON: Python = (3, 11)
"""What wheels are chosen for where nobody says."""
INSTALLERS = ("pip", "uv")

# PEP 508 names, ASCII only. https://packaging.python.org/en/latest/specifications/name-normalization/
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_REQUEST = re.compile(rf"(?P<name>{_NAME})(?:\[(?P<extras>[^\]]*)\])?(?:==(?P<version>[^=].*))?", re.ASCII)
_IMPORT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*", re.ASCII)


@dataclass(frozen=True, order=True)
class Request:
    """`name[extras]==version`: what somebody asked to have measured."""

    name: str
    """Canonical distribution name (PEP 503)."""
    version: Version | None = None
    """Exactly this version; None means the newest final release as of the date."""
    extras: tuple[str, ...] = ()
    """Canonical names of extras, sorted."""

    def __str__(self) -> str:
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.name}{extras}" + (f"=={self.version}" if self.version else "")


@dataclass(frozen=True, order=True)
class Target:
    """The interpreter and platform that wheels are chosen for."""

    python: Python
    platform: str = "linux_x86_64"

    @property
    def python_version(self) -> str:
        return f"{self.python[0]}.{self.python[1]}"

    @property
    def tag(self) -> str:
        """The CPython tag, such as `cp311`."""
        return f"cp{self.python[0]}{self.python[1]}"

    def __str__(self) -> str:
        return f"{self.tag} {self.platform}"


@dataclass(frozen=True)
class Job:
    """One thing to measure. Its `key` names its lock, its `slug` its records."""

    request: Request
    """Always with a version: planning has pinned it."""
    target: Target
    variant: str
    as_of: datetime
    """Instant in UTC; only files uploaded before it take part in resolution."""
    installer: str
    engine: str
    import_package: str | None = None
    """What is imported; None: read from the framework's own wheel."""

    @property
    def lock_key(self) -> str:
        """Names what a resolution depends on: not the installer, not the engine."""
        extras = "+" + "+".join(self.request.extras) if self.request.extras else ""
        return "-".join(
            (
                f"{self.request.name}{extras}-{self.request.version}",
                self.target.tag,
                self.target.platform,
                self.variant,
                compact_instant(self.as_of),
            )
        )

    @property
    def slug(self) -> str:
        return f"{self.lock_key}-{self.engine}-{self.installer}"

    def fields(self) -> dict[str, Any]:
        """What it is, as every document about it says: names and values of its fields."""
        return {
            "framework": self.request.name,
            "version": str(self.request.version),
            "variant": self.variant,
            "extras": self.request.extras,
            "python": self.target.python_version,
            "platform": self.target.platform,
            "as_of": self.as_of,
            "engine": self.engine,
            "installer": self.installer,
        }


class Described(Protocol):
    """A document about one job: it says what the job was, as `Job.fields` does."""

    @property
    def framework(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def variant(self) -> str: ...
    @property
    def extras(self) -> tuple[str, ...]: ...
    @property
    def python(self) -> str: ...
    @property
    def platform(self) -> str: ...
    @property
    def as_of(self) -> datetime: ...
    @property
    def engine(self) -> str: ...
    @property
    def installer(self) -> str: ...
    @property
    def import_package(self) -> str | None: ...


def job_of(one: Described) -> Job:
    """The job that a document is about.

    Raises:
        InputError: its name, version, extras or Python can be no job's.
    """
    extras = f"[{','.join(one.extras)}]" if one.extras else ""
    return Job(
        request=parse_request(f"{one.framework}{extras}=={one.version}"),
        target=Target(parse_python(one.python), one.platform),
        variant=one.variant,
        as_of=one.as_of,
        installer=one.installer,
        engine=one.engine,
        import_package=one.import_package,
    )


def compact_instant(instant: datetime) -> str:
    """`20240426T000000Z`, sortable and safe in a file's name."""
    return instant.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def iso_instant(instant: datetime) -> str:
    """`2024-04-26T00:00:00Z`."""
    return instant.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def parse_request(text: str) -> Request:
    """Parse one `name[extras]==version`.

    Raises:
        InputError: for anything else; the message says what was wrong with it.
    """
    shown = quoted(text)
    if not text.strip():
        raise InputError("no framework given", tip=f"name one, {EXAMPLE}")
    if len(text) > MAX_REQUEST_CHARS:
        raise InputError(f"a request of {len(text)} characters: {shown}", tip=f"write name==version, {EXAMPLE}")
    if not text.isascii():
        odd = next(c for c in text if not c.isascii())
        raise InputError(
            f"{shown} has a character that no package name or version has: "
            f"U+{ord(odd):04X} ({unicodedata.name(odd, 'unnamed')})",
            tip="type it in ASCII letters and digits",
        )
    if any(ord(c) < 32 or ord(c) == 127 for c in text.strip(" ")):
        raise InputError(f"{shown} has a control character in it", tip="give one request a word, separated by blanks")
    compact = re.sub(r"\s*(==+)\s*", r"\1", text.strip())
    if compact.startswith("-"):
        raise InputError(f"{shown} is an option, not a framework", tip=f"write name==version, {EXAMPLE}")
    if "@" in compact or "://" in compact or "/" in compact or "\\" in compact:
        raise InputError(
            f"{shown} is an address or a path; only releases on an index are measured",
            tip=f"write name==version, {EXAMPLE}",
        )
    if ";" in compact and re.search(r";\s*(python_|sys_|platform_|os_name|extra\b|implementation_)", compact):
        raise InputError(f"{shown} has an environment marker", tip="the target decides: use PYTHON= and VARIANT=")
    match = _REQUEST.fullmatch(compact)
    if match is None:
        raise InputError(f"{shown} is not name==version", tip=_suggest_spelling(compact))
    return Request(
        name=canonicalize_name(match["name"]),
        version=_parse_version(match["version"], shown),
        extras=_parse_extras(match["extras"], shown),
    )


def _parse_version(text: str | None, shown: str) -> Version | None:
    if text is None:
        return None
    if "*" in text or re.search(r"[.]x\b", text):
        raise InputError(f"{shown} names many versions; one is measured at a time", tip="give the exact version")
    if "," in text:
        raise InputError(f"{shown} has more than one version clause", tip="give the exact version")
    try:
        return Version(text)
    except InvalidVersion:
        raise InputError(f"{shown}: {quoted(text)} is not a version", tip=f"give an exact one, {EXAMPLE}") from None


def _parse_extras(text: str | None, shown: str) -> tuple[str, ...]:
    if text is None:
        return ()
    extras = [extra.strip() for extra in text.split(",")]
    for extra in extras:
        if not re.fullmatch(_NAME, extra, re.ASCII):
            raise InputError(f"{shown}: {quoted(extra)} is not the name of an extra", tip="write name[extra]==version")
    return tuple(sorted({canonicalize_name(extra) for extra in extras}))


def _suggest_spelling(text: str) -> str:
    """The likeliest thing that was meant, as a tip."""
    match = re.match(rf"({_NAME}(?:\[[^\]]*\])?)\s*(===|~=|!=|>=|<=|=|>|<)\s*([0-9][A-Za-z0-9.+!-]*)?$", text, re.ASCII)
    if match and match[3]:
        return f"did you mean {match[1]}=={match[3]}?"
    return f"write name==version, {EXAMPLE}"


def split_requests(text: str) -> list[str]:
    """Split what `make measure FRAMEWORK="a==1 b==2"` hands over; blanks around `==` do not split.

    Raises:
        InputError: where the text spans lines or holds control characters.
    """
    if any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise InputError(f"{quoted(text)} has a control character in it", tip="separate frameworks with blanks")
    # "torch == 2.3" is one request, "torch==2.3 jax" two; anything with an address, marker
    # or foreign letter in it stays whole, so that the error can show it whole.
    joined = re.sub(r" *(=+) *", r"\1", text.strip())
    if not text.isascii() or re.search(r"[;@$`|&<>!~'\"]", joined):
        return [text]
    return re.findall(r"(?:[^\s\[]|\[[^\]]*\]?)+", joined) or [text]


def parse_requests(texts: Sequence[str]) -> tuple[Request, ...]:
    """Parse several, dropping repetitions.

    Raises:
        InputError: at the first that cannot be meant, or where there is none.
    """
    if not texts:
        raise InputError("no framework given", tip=f"name one, {EXAMPLE}")
    return tuple(dict.fromkeys(parse_request(text) for text in texts))


def parse_python(text: str) -> Python:
    """`3.11` (a patch level is refused: the base image decides it).

    Raises:
        InputError: where this is no CPython version that the harness knows how to measure.
    """
    match = re.fullmatch(r"(?:cp)?3\.?([0-9]{1,2})", text.strip(), re.ASCII)
    if match is None or (3, int(match[1])) not in PYTHONS:
        known = f"{PYTHONS[0][0]}.{PYTHONS[0][1]} to {PYTHONS[-1][0]}.{PYTHONS[-1][1]}"
        raise InputError(f"Python {quoted(text)} cannot be measured", tip=f"use {known}, for example PYTHON=3.11")
    return (3, int(match[1]))


def default_as_of(now: datetime) -> datetime:
    """The last full hour: what "today" means here.

    An instant in the past, so that the same resolution can be had again tomorrow, and one that
    stays the same for a while, so that a second run finds the first one's lock.
    """
    return now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def parse_as_of(text: str, now: datetime) -> datetime:
    """A bare date means the end of that day, UTC; an instant must name its zone.

    Returns:
        the first instant that no longer counts, in UTC.

    Raises:
        InputError: for an empty, malformed or future date.
    """
    shown = quoted(text)
    stripped = text.strip()
    tip = "write a date such as 2024-04-25, or an instant such as 2024-04-25T12:00:00Z"
    if not stripped:
        raise InputError("the as-of date is empty", tip=tip + "; leave it out for the newest")
    if not stripped.isascii():
        raise InputError(f"{shown} is not a date", tip=tip)
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", stripped, re.ASCII):
        try:
            day = date.fromisoformat(stripped)
        except ValueError:
            raise InputError(f"{shown} is not a day of the calendar", tip=tip) from None
        if day == now.astimezone(UTC).date():
            return default_as_of(now)
        if day > now.astimezone(UTC).date():
            raise InputError(f"{shown} is in the future", tip="give a day that has come")
        return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    try:
        instant = datetime.fromisoformat(stripped) if "T" in stripped else None
    except ValueError:
        instant = None
    if instant is None:
        raise InputError(f"{shown} is not a date", tip=tip)
    if instant.tzinfo is None:
        raise InputError(f"{shown} names no time zone", tip="end it with Z for UTC")
    if instant > now:
        raise InputError(f"{shown} is in the future", tip="give an instant that has passed")
    try:
        return instant.astimezone(UTC).replace(microsecond=0)
    except OverflowError:  # the first day of the calendar, east of Greenwich
        raise InputError(f"{shown} is not a date", tip=tip) from None


def parse_import_package(text: str) -> str:
    """A dotted Python identifier.

    Raises:
        InputError: otherwise.
    """
    if not _IMPORT.fullmatch(text):
        raise InputError(f"{quoted(text)} is not the name of an import package", tip="for example sklearn")
    return text
