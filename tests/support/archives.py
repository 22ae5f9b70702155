"""Zip archives that no honest program writes: every number in their directory and at their end can be set."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

NONE: Mapping[str, int] = {}
UTF8 = 1 << 11


class File(NamedTuple):
    """One entry of a directory, in order unless told otherwise."""

    path: str | bytes
    """Text is marked as UTF-8, bytes are not."""
    unpacked: int = 0
    packed: int | None = None
    """None: as many as unpacked."""
    offset: int | None = None
    """None: behind the file before."""
    method: int = 0
    flags: int = 0
    needs: int = 20
    disk: int = 0
    extra: bytes = b""
    comment: bytes = b""
    signature: bytes = b"PK\1\2"
    lengths: Mapping[str, int] = NONE
    """Of `path`, `extra` and `comment`, where they are not what they should be."""

    @property
    def raw(self) -> bytes:
        return self.path if isinstance(self.path, bytes) else self.path.encode()

    @property
    def local_bytes(self) -> int:
        """What it takes in the archive: its local header and its data."""
        return 30 + len(self.raw) + (self.unpacked if self.packed is None else self.packed)

    def header(self, offset: int) -> bytes:
        raw, told = self.raw, self.lengths.get
        flags = self.flags | (0 if isinstance(self.path, bytes) else UTF8)
        packed = self.unpacked if self.packed is None else self.packed
        lengths = (told("path", len(raw)), told("extra", len(self.extra)), told("comment", len(self.comment)))
        numbers = (20, self.needs, flags, self.method, 0, 0, 0, packed, self.unpacked, *lengths, self.disk, 0, 0)
        placed = offset if self.offset is None else self.offset
        return struct.pack("<4s6H3L5H2L", self.signature, *numbers, placed) + raw + self.extra + self.comment


def archive(
    *files: File,
    body: int | None = None,
    gap: bytes = b"",
    comment: bytes = b"",
    wide: bool = False,
    end: Mapping[str, int] = NONE,
    record: Mapping[str, int] = NONE,
    locator: Mapping[str, int] = NONE,
) -> bytes:
    """An archive; the data of its files are left blank.

    Args:
        body: how many bytes lie before the directory; None: what the files need.
        gap: what lies between the directory and its end records.
        wide: with a Zip64 end record and its locator.
        end: what the end record tells, where that is not true; `record` and `locator` likewise.
    """
    headers, at = [], 0
    for file in files:
        headers.append(file.header(min(at, 0xFFFFFFFF)))
        at += file.local_bytes
    listed = b"".join(headers)
    blank = bytes(at if body is None else body)
    true = {"disk": 0, "first_disk": 0, "entries_here": len(files), "entries": len(files)}
    true |= {"length": len(listed), "offset": len(blank)}
    data = blank + listed + gap
    if wide:
        numbers = {"bytes": 44, "made": 45, "needs": 45} | true | record
        place = {"disk": 0, "record": len(data), "disks": 1} | locator
        data += struct.pack("<4sQ2H2L4Q", b"PK\6\6", *numbers.values())
        data += struct.pack("<4sLQL", b"PK\6\7", *place.values())
    told = true | {"comment": len(comment)} | end
    return data + struct.pack("<4s4H2LH", b"PK\5\6", *told.values()) + comment


def field_of(kind: int, data: bytes) -> bytes:
    """An extra field."""
    return struct.pack("<2H", kind, len(data)) + data


def zip64_field(*numbers: int) -> bytes:
    return field_of(1, struct.pack(f"<{len(numbers)}Q", *numbers))


def path_field(path: str) -> bytes:
    """Info-ZIP's Unicode path; nobody here compares its checksum."""
    return field_of(0x7075, struct.pack("<BL", 1, 0) + path.encode())
