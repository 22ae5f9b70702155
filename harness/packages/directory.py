"""A wheel's central directory: which files it has and how large they are, from its last bytes alone.

Pure functions over bytes that somebody else has fetched. A directory is believed where it agrees with itself and no two
readers could understand it differently; anything else is refused, even where Python's zipfile, with which pip unpacks,
shrugs. Whether the files do unpack to what the directory says, only the rest of the wheel can tell.
https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import heapq
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter

from harness.documents.forecast import LISTED_FILES
from harness.errors import MeasurementError
from harness.packages.wheel import find_info, refuse_bad_paths, refuse_bomb, shown

LONGEST_DIRECTORY_BYTES = 64 * 2**20
"""None beyond this is read; that of torch, with its 12,000 files, has 1.2 MB."""

_END = struct.Struct("<4s4H2LH")
_LOCATOR64 = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_BEFORE_END = _LOCATOR64.size + _END64.size
_HEADER = struct.Struct("<4s2xBx2H8x2L4H6xL")
_FIELD = struct.Struct("<2H")
_LOCAL_HEADER_BYTES = 30
_LONGEST_COMMENT_BYTES = 0xFFFF

_ELSEWHERE = 0xFFFFFFFF  # a size or an offset that only the Zip64 field tells
_ZIP64_FIELD = 0x0001
_PATH_FIELD = 0x7075

_NEWEST_FORMAT = 63  # zipfile opens nothing that needs a newer one
_REFUSED = 1 << 0 | 1 << 5 | 1 << 6 | 1 << 13  # encrypted, a patch, strongly encrypted, local headers masked
_UTF8 = 1 << 11
_STORED = 0
_DEFLATED = 8
_METHODS = (_STORED, _DEFLATED, 12, 14)  # the last two: bzip2 and LZMA
_DEFLATE_RATIO = 1032  # at best two bits stand for 258 bytes, so nothing exceeds it

_Header = tuple[str, int, int, int]  # path, uncompressed bytes, and offsets from which and up to which it lies at least

_LIBRARY = re.compile(r"\.so(\.\d+)*$")


@dataclass(frozen=True)
class Place:
    """Where the central directory lies in the file."""

    offset: int
    size: int
    """Bytes of it."""
    entries: int
    """Files and folders in it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the wheel; folders are left out."""

    path: str
    bytes: int
    """Uncompressed."""


@dataclass(frozen=True)
class Contents:
    """A directory, summed up."""

    files: int
    unpacked_bytes: int
    """Sum of the uncompressed sizes."""
    types: tuple[tuple[str, int, int], ...]
    """Each type with its files and bytes, the heaviest first; they sum to the two above."""
    largest: tuple[tuple[str, int], ...]
    """Path and bytes of the largest files."""


class NeedMore(Exception):  # noqa: N818 - a request, no failure
    """What the archive ends with begins before the given tail. A tail from `start` on is enough to find the directory.

    Attributes:
        start: an offset in the file, before the tail.
    """

    def __init__(self, start: int) -> None:
        super().__init__(start)
        self.start = start


def locate(tail: bytes, size: int, *, name: str) -> Place:
    """Find the central directory. It may lie before the tail; the answer is the same for every tail.

    Args:
        tail: the last bytes of a file, as many as there are at hand.
        size: bytes of the whole file.
        name: the wheel's filename, for messages.

    Raises:
        NeedMore: the records that the archive ends with begin before the tail.
        MeasurementError: it is no zip file, or one that contradicts itself.
    """
    begin = size - len(tail)
    if begin < 0:
        raise _unreadable(name, f"it is longer than {size} bytes")
    at = _find_end(tail, size, name)
    end = begin + at
    _, *told, comment_bytes = _END.unpack_from(tail, at)
    if at + _END.size + comment_bytes != len(tail):
        raise _unreadable(name, "it does not end where its comment does")
    if end >= _LOCATOR64.size:
        if at < _LOCATOR64.size:
            raise NeedMore(max(end - _BEFORE_END, 0))
        if tail.startswith(b"PK\6\7", at - _LOCATOR64.size):
            end -= _BEFORE_END
            if begin > end >= 0:
                raise NeedMore(end)
            told = _read_zip64(tail, at, end, told, name)
    disk, first_disk, entries_here, entries, length, offset = told
    if disk or first_disk or entries_here != entries:
        raise _unreadable(name, "it is split over several files")
    # What lies before an archive shifts it; zipfile makes up for that, other readers do not.
    if offset + length != end:
        raise _unreadable(name, "its directory does not end where its end record begins")
    if entries * _HEADER.size > length:
        raise _unreadable(name, f"its directory of {length} bytes cannot hold {entries} entries")
    if length > LONGEST_DIRECTORY_BYTES:
        raise _unreadable(name, f"its directory of {length} bytes is longer than that of any wheel")
    return Place(offset, length, entries)


def read(directory: bytes, place: Place, *, name: str, size: int) -> list[Entry]:
    """The files of a wheel, in the directory's order.

    Args:
        directory: exactly the bytes of `place`.
        name: the wheel's filename, for messages.
        size: bytes of the whole file.

    Raises:
        MeasurementError: it contradicts itself, lies about sizes, could harm whoever unpacks it, or is no wheel's.
    """
    if len(directory) != place.size or place.offset + place.size > size:
        raise _unreadable(name, f"its directory does not have {place.size} bytes")
    headers = list(_headers(directory, name))
    paths = [path for path, _, _, _ in headers]
    if len(paths) != place.entries:
        raise _unreadable(name, f"its directory has {len(paths)} entries, and should have {place.entries}")
    refuse_bad_paths(name, paths)
    _refuse_overlaps(name, headers, place)
    refuse_bomb(name, sum(unpacked for _, unpacked, _, _ in headers), size)
    find_info(name, paths)
    entries = []
    for path, unpacked, _, _ in headers:
        if not path.endswith("/"):
            entries.append(Entry(path, unpacked))
        elif unpacked:
            raise _unreadable(name, f"{shown(path)} is a folder, and is said to be {unpacked} bytes long")
    return entries


def summarise(entries: Sequence[Entry]) -> Contents:
    """Totals, what they are made of by type, and the largest files; ties are in the order of names."""
    types: dict[str, list[int]] = {}
    for entry in entries:
        tally = types.setdefault(type_of(entry.path), [0, 0])
        tally[0] += 1
        tally[1] += entry.bytes
    return Contents(
        files=len(entries),
        unpacked_bytes=sum(entry.bytes for entry in entries),
        types=tuple(
            (kind, files, size)
            for kind, (files, size) in sorted(types.items(), key=lambda item: (-item[1][1], item[0]))
        ),
        largest=tuple(
            (entry.path, entry.bytes)
            for entry in heapq.nsmallest(LISTED_FILES, entries, key=lambda entry: (-entry.bytes, entry.path))
        ),
    )


def type_of(path: str) -> str:
    """`.so` for `libx.so.12`, `.py`, ..., `(none)`: as in an installation's ledger, which a standalone probe makes."""
    name = path.rpartition("/")[2].lower()
    if ".so" in name and _LIBRARY.search(name):
        return ".so"
    stem, dot, suffix = name.rpartition(".")
    return dot + suffix if stem.strip(".") else "(none)"


def _find_end(tail: bytes, size: int, name: str) -> int:
    """Where in the tail the end record begins, chosen as zipfile does: the last bytes of the file, if they can be one
    without a comment; else the last that looks like one."""
    begin = size - len(tail)
    earliest = max(size - _END.size - _LONGEST_COMMENT_BYTES, 0)
    last = len(tail) - _END.size
    at = -1
    if last >= 0:
        has_no_comment = tail.startswith(b"PK\5\6", last) and tail.endswith(b"\0\0")
        at = last if has_no_comment else tail.rfind(b"PK\5\6", max(earliest - begin, 0))
    if at < 0 and begin > earliest:
        raise NeedMore(max(earliest - _BEFORE_END, 0))
    if at < 0:
        raise _unreadable(name, "it has no end record, as a zip file has")
    if at > last:
        raise _unreadable(name, "its end record breaks off")
    return at


def _read_zip64(tail: bytes, at: int, end: int, told: list[int], name: str) -> list[int]:
    """The end record's numbers, as the Zip64 end record at `end` has them, `told` being the former's."""
    _, disk, offset, disks = _LOCATOR64.unpack_from(tail, at - _LOCATOR64.size)
    if disk or disks > 1:
        raise _unreadable(name, "it is split over several files")
    # Longer records have what zipfile does not know of. It would also look where the locator does not say.
    if end < 0 or offset != end:
        raise _unreadable(name, "its Zip64 end record is not where it should be")
    signature, length, _, _, *wide = _END64.unpack_from(tail, at - _BEFORE_END)
    if signature != b"PK\6\6" or length != _END64.size - 12:
        raise _unreadable(name, "its Zip64 end record is not where it should be")
    for narrow, true, most in zip(told, wide, (0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, _ELSEWHERE, _ELSEWHERE), strict=True):
        if narrow not in (true, most):
            raise _unreadable(name, "its two end records disagree")
    return wide


def _headers(directory: bytes, name: str) -> Iterator[_Header]:
    """What the directory says, entry by entry."""
    at, end = 0, len(directory)
    while at < end:
        if at + _HEADER.size > end:
            raise _unreadable(name, "its directory breaks off")
        signature, needs, flags, method, packed, unpacked, path_bytes, extra_bytes, comment_bytes, disk, offset = (
            _HEADER.unpack_from(directory, at)
        )
        if signature != b"PK\1\2":
            raise _unreadable(name, "its directory holds something else than files")
        path_start = at + _HEADER.size
        extra_start = path_start + path_bytes
        extra_end = extra_start + extra_bytes
        at = extra_end + comment_bytes
        if at > end:
            raise _unreadable(name, "its directory breaks off")
        raw = directory[path_start:extra_start]
        path = raw.decode("ascii") if raw.isascii() else _decoded(raw, flags, name)
        if extra_bytes or unpacked == _ELSEWHERE or packed == _ELSEWHERE or offset == _ELSEWHERE:
            extra = directory[extra_start:extra_end]
            unpacked, packed, offset = _widened(extra, (unpacked, packed, offset), path, name)
        # Most files are plainly in order; only the others are worth a call.
        if (
            method != _DEFLATED
            or unpacked > _DEFLATE_RATIO * packed
            or needs > _NEWEST_FORMAT
            or flags & _REFUSED
            or disk
        ):
            _refuse_lies(name, path, needs, flags, method, packed, unpacked, disk)
        # A local header has an extra field of its own, of which only it tells.
        yield path, unpacked, offset, offset + _LOCAL_HEADER_BYTES + path_bytes + packed


def _decoded(raw: bytes, flags: int, name: str) -> str:
    """The path as zipfile reads it."""
    try:
        return raw.decode("utf-8" if flags & _UTF8 else "cp437")
    except UnicodeDecodeError:
        raise _unreadable(name, f"{shown(raw.decode('latin-1'))} is not UTF-8, as it says") from None


def _widened(extra: bytes, narrow: tuple[int, int, int], path: str, name: str) -> tuple[int, int, int]:
    """Sizes and offset, with those that only the Zip64 field tells."""
    needed = narrow.count(_ELSEWHERE)
    wide: list[int] | None = None
    at = 0
    while at + _FIELD.size <= len(extra):  # less than that at the end is padding, as for zipfile
        kind, length = _FIELD.unpack_from(extra, at)
        start = at + _FIELD.size
        at = start + length
        if at > len(extra):
            raise _unreadable(name, f"{shown(path)} has an extra field that breaks off")
        if kind == _ZIP64_FIELD:
            if wide is not None or length != 8 * needed:  # readers differ in what more than is needed means
                raise _unreadable(name, f"{shown(path)} has a Zip64 field that does not fit")
            wide = list(struct.unpack_from(f"<{needed}Q", extra, start))
        elif kind == _PATH_FIELD and extra[start + 5 : at] != path.encode():  # after a version and a checksum
            raise _unreadable(name, f"{shown(path)} has another name in its Unicode path field")
    if wide is None:
        if needed:
            raise _unreadable(name, f"{shown(path)} has no Zip64 field, and needs one")
        return narrow
    unpacked, packed, offset = (wide.pop(0) if number == _ELSEWHERE else number for number in narrow)
    return unpacked, packed, offset


def _refuse_lies(
    name: str, path: str, needs: int, flags: int, method: int, packed: int, unpacked: int, disk: int
) -> None:
    """What cannot be true of one file, or what pip cannot read."""
    if needs > _NEWEST_FORMAT:
        lie = f"needs version {needs / 10} of the format"
    elif flags & _REFUSED:
        lie = "is encrypted, or a patch"
    elif disk:
        lie = "lies in another file"
    elif method not in _METHODS:
        lie = f"is compressed in a way that pip does not read ({method})"
    elif method == _STORED and packed != unpacked:
        lie = f"is said to be {unpacked} bytes long, and to be stored in {packed}"
    elif method == _DEFLATED and unpacked > _DEFLATE_RATIO * packed:
        lie = f"is said to be {unpacked} bytes long, which {packed} cannot unpack to"
    else:
        return
    raise _unreadable(name, f"{shown(path)} {lie}")


def _refuse_overlaps(name: str, headers: list[_Header], place: Place) -> None:
    """Each file has bytes of its own, from the start of the wheel to its directory."""
    ordered = sorted(headers, key=itemgetter(2))
    if ordered and ordered[0][2]:
        raise _unreadable(name, f"it begins with {ordered[0][2]} bytes that belong to no file")
    for (path, _, _, stop), (_, _, start, _) in pairwise([*ordered, ("", 0, place.offset, 0)]):
        if stop > start:
            raise _unreadable(name, f"{shown(path)} is said to take more bytes than there are for it")


def _unreadable(name: str, why: str) -> MeasurementError:
    return MeasurementError(f"{name} is not a readable wheel: {why}")
