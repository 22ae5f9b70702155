"""What a wheel on disk tells by its central directory, before anything of it is run or unpacked."""

from __future__ import annotations

import lzma
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion

from harness.errors import MeasurementError

BOMB_RATIO = 100
"""Real wheels unpack to a few times their size; deflate's limit, which bombs come near, is 1032."""
BOMB_BYTES = 100 * 2**20
METADATA_BYTES = 8 * 2**20
SHOWN_CHARS = 200
_RECORD = ".dist-info/RECORD"
_SCRIPTS = ("console_scripts", "gui_scripts")
# Control characters, and what some take for a blank or for the end of a line: str.splitlines() and str.strip() do.
_ODD_BLANK = re.compile(r"[\0-\x08\x0b-\x1f\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff]")


@dataclass(frozen=True)
class Wheel:
    """One wheel file, looked into."""

    unpacked_bytes: int
    """Sum of the uncompressed sizes in the central directory."""
    top_level: tuple[str, ...]
    """Import packages that it brings, best guess first."""
    extras: tuple[str, ...]
    requires: tuple[str, ...] = ()
    """The lines of `Requires-Dist`, unfolded."""
    tags: tuple[str, ...] = ()
    """Those that its WHEEL file names, compressed as they are: `py2.py3-none-any`."""


def look(path: Path) -> Wheel:
    """Read a wheel's directory, and refuse what could harm whoever unpacks it.

    Raises:
        MeasurementError: it climbs out of its folder, is a bomb, has not exactly one RECORD, has a bad
            path or a bad name for a script, or is no zip file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            refuse_bad_paths(path.name, names)
            unpacked = sum(entry.file_size for entry in entries)
            refuse_bomb(path.name, unpacked, path.stat().st_size)
            info = find_info(path.name, names)
            refuse_bad_scripts(path.name, _read(archive, f"{info}/entry_points.txt"))
            metadata = HeaderParser().parsestr(_read(archive, f"{info}/METADATA"))
            wheel = HeaderParser().parsestr(_read(archive, f"{info}/WHEEL"))
            top_level = _read(archive, f"{info}/top_level.txt").split()
    # RuntimeError: encrypted, or compressed in a way that this Python lacks
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, OSError, ValueError) as error:
        raise MeasurementError(f"{path.name} is not a readable wheel: {str(error) or 'it breaks off'}") from error
    return Wheel(
        unpacked_bytes=unpacked,
        top_level=_rank(path.name, top_level or _top_level_of(names)),
        extras=_extras(metadata),
        requires=tuple(" ".join(line.split()) for line in metadata.get_all("Requires-Dist", [])),
        tags=tuple(filter(None, (line.strip() for line in wheel.get_all("Tag", [])))),
    )


def provided_extras(metadata: str) -> tuple[str, ...]:
    """The extras that a METADATA document offers, canonical."""
    return _extras(HeaderParser().parsestr(metadata))


def _extras(metadata: Message) -> tuple[str, ...]:
    return tuple(canonicalize_name(extra) for extra in metadata.get_all("Provides-Extra", []))


def is_wheel_filename(name: str) -> bool:
    """Whether this names a wheel, and no place elsewhere: packaging lets a build number hold slashes."""
    try:
        parse_wheel_filename(name)
    except (InvalidWheelFilename, InvalidVersion):
        return False
    return re.fullmatch(r"[A-Za-z0-9._+!-]+", name, re.ASCII) is not None


def is_sha256(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{64}", text, re.ASCII) is not None


def refuse_bad_paths(name: str, paths: Sequence[str]) -> None:
    """Refuse a wheel, called `name`, for a path that leads out of its folder, is no path, or is there twice.

    Raises:
        MeasurementError: it has one.
    """
    if _are_plain(paths):
        return
    seen = set()
    for path in paths:
        if path.startswith("/") or "\\" in path or ".." in path.split("/") or re.match(r"[A-Za-z]:", path):
            raise MeasurementError(f"{name} climbs out of its folder: {shown(path)}")
        if not path or re.search(r"[\0-\x1f]", path):
            raise MeasurementError(f"{name} names a bad path: {shown(path)}")
        if path in seen:
            raise MeasurementError(f"{name} has the same path twice: {shown(path)}")
        seen.add(path)


def refuse_bad_scripts(name: str, entry_points: str) -> None:
    """Refuse a wheel, called `name`, for a console script that would be written outside of `bin`.

    pip before 26.1.2 writes it there (CVE-2026-8643), and so do some versions of uv. Installers differ in how they read
    the file, so what separates lines and what is a blank must be plain, and a line counts for every section that one of
    them could take it for. https://packaging.python.org/en/latest/specifications/entry-points/

    Raises:
        MeasurementError: it has one, or a character that installers read differently.
    """
    text = entry_points.removeprefix("\ufeff").replace("\r\n", "\n")
    if not any(section in text.casefold() for section in _SCRIPTS):
        return
    if odd := _ODD_BLANK.search(text):
        raise MeasurementError(f"{name} has {odd[0]!a} in its entry_points.txt, which installers read differently")
    sections: set[str] = set()
    for line in map(str.strip, text.split("\n")):
        if header := re.match(r"\[\s*([^\]]*?)\s*\](.*)", line):
            sections = {header[1].casefold()} | (sections if header[2] else set())
        if sections.isdisjoint(_SCRIPTS) or line.startswith("#"):
            continue
        for script in (line.partition("=")[0].strip(), re.split("[=:]", line)[0].strip()):
            if script in (".", "..") or "/" in script or "\\" in script:
                raise MeasurementError(f"{name} has a script that climbs out of its folder: {shown(script)}")


def refuse_bomb(name: str, unpacked_bytes: int, size: int) -> None:
    """Refuse a wheel of `size` bytes that unpacks to far more than a real one does.

    Raises:
        MeasurementError: it does.
    """
    if unpacked_bytes > BOMB_BYTES and unpacked_bytes > BOMB_RATIO * size:
        raise MeasurementError(f"{name} unpacks to {unpacked_bytes / size:.0f} times its size")


def find_info(name: str, paths: Iterable[str]) -> str:
    """The `.dist-info` folder of a wheel: the one that has a RECORD.

    Raises:
        MeasurementError: none has, or several have.
    """
    records = [path for path in paths if path.endswith(_RECORD) and path.count("/") == 1 and path != _RECORD]
    if len(records) != 1:
        raise MeasurementError(f"{name} has {len(records)} RECORD files; a wheel has one")
    return posixpath.dirname(records[0])


def shown(path: str) -> str:
    """A path for a message: printable ASCII, and short."""
    text = ascii(path)
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}..."


def _are_plain(paths: Sequence[str]) -> bool:
    """Whether no path is bad, found out for all of them at once: a wheel may have 100,000."""
    unique = set(paths)
    joined = "\\".join(["", *paths, ""])  # what no path may have separates them
    return (
        len(unique) == len(paths)
        and "" not in unique
        and joined.count("\\") == len(paths) + 1
        and joined.isprintable()
        and not any(text in joined for text in ("\\/", "..", ":"))
    )


def _read(archive: zipfile.ZipFile, name: str) -> str:
    try:
        entry = archive.getinfo(name)
    except KeyError:
        return ""
    if entry.file_size > METADATA_BYTES:
        raise MeasurementError(f"{name} is {entry.file_size} bytes long")
    return archive.read(entry).decode("utf-8", "replace")


def _top_level_of(names: list[str]) -> list[str]:
    """Packages and modules at the top of a wheel that has no top_level.txt."""
    found = []
    for name in names:
        first, _, rest = name.partition("/")
        if first.endswith((".dist-info", ".data", ".libs")):
            continue
        if not rest:
            module = re.fullmatch(r"(\w+?)(\.[\w-]+)*\.(py|so|pyd)", first)
            found += [module[1]] if module else []
        elif rest == "__init__.py" or rest.endswith((".py", ".so")):
            found.append(first)
    return list(dict.fromkeys(found))


def _rank(filename: str, packages: list[str]) -> tuple[str, ...]:
    """The package that is called like the distribution first, private ones last."""
    wanted = canonicalize_name(parse_wheel_filename(filename)[0])
    names = [name for name in dict.fromkeys(packages) if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII)]
    return tuple(sorted(names, key=lambda name: (canonicalize_name(name) != wanted, name.startswith("_"), name)))
