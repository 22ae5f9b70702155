"""A wheel's central directory, read from the wheel's end alone: right or refused, whatever the bytes."""

from __future__ import annotations

import io
import os
import struct
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from harness.documents.forecast import LISTED_FILES
from harness.errors import MeasurementError
from harness.packages.directory import (
    LONGEST_DIRECTORY_BYTES,
    Entry,
    NeedMore,
    Place,
    locate,
    read,
    summarise,
    type_of,
)
from harness.packages.wheel import look
from harness.probes import ledger
from tests.support import wheels
from tests.support.archives import File, archive, field_of, path_field, zip64_field
from tests.support.refusal import refused

NAME = "tiny-1.0-py3-none-any.whl"
RECORD = "tiny-1.0.dist-info/RECORD"
TOO_BIG = 0xFFFFFFFF

# An example is a whole archive: how long it takes tells of the machine.
fuzz = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def peek(data: bytes, tail: int | None = None) -> tuple[Place, list[Entry]]:
    """The directory's place and the files, from the last `tail` bytes and what is asked for beyond."""
    begin = 0 if tail is None else max(len(data) - tail, 0)
    try:
        place = locate(data[begin:], len(data), name=NAME)
    except NeedMore as more:
        assert 0 <= more.start < begin
        place = locate(data[more.start :], len(data), name=NAME)  # it never asks twice
    return place, read(data[place.offset :][: place.size], place, name=NAME, size=len(data))


def outcome(data: bytes, tail: int | None = None) -> tuple[Place, list[Entry]] | str:
    """What `peek` returns, or why it refuses."""
    try:
        return peek(data, tail)
    except MeasurementError as error:
        assert error.message.startswith(NAME) and len(error.message) <= 500
        assert error.message.isascii() and error.message.isprintable()
        return error.message


def by_zipfile(data: bytes) -> list[Entry]:
    """What Python's own reader, with which pip unpacks, makes of the same bytes."""
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        return [Entry(entry.filename, entry.file_size) for entry in opened.infolist() if not entry.is_dir()]


def assert_right_or_refused(data: bytes) -> None:
    """Whatever is not refused, zipfile reads too, and reads alike."""
    found = outcome(data)
    event("refused" if isinstance(found, str) else "read")  # among the statistics of `make fuzz`
    if not isinstance(found, str):
        assert found[1] == by_zipfile(data)


class Stream(io.RawIOBase):
    """A sink that cannot seek: what is written to it has sizes behind the data."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += data
        return len(data)


@contextmanager
def zip64_beyond(size: int, files: int) -> Iterator[None]:
    """Let zipfile write small archives as it writes huge ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zipfile, "ZIP64_LIMIT", size)
        patch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", files)
        yield


PARTS = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\:"), min_size=1, max_size=8
).filter(lambda part: part not in (".", ".."))
PATHS = st.lists(PARTS, min_size=1, max_size=3).map("/".join)
PLAIN_COMMENTS = (st.binary(max_size=30) | st.integers(0, 0xFFFF).map(bytes)).filter(lambda text: b"PK" not in text)
COMMENTS = PLAIN_COMMENTS | st.binary(max_size=30).map(lambda text: b"PK\5\6" + text)


@st.composite
def written(draw: st.DrawFn, comments: st.SearchStrategy[bytes] = COMMENTS) -> bytes:
    """A wheel in order, written in any of the ways that zipfile has."""
    paths = draw(st.lists(PATHS, unique=True, max_size=4))
    sink = draw(st.sampled_from([Stream, io.BytesIO]))()
    limits = draw(st.sampled_from([(2**31 - 1, 2**16 - 1), (5, 2)]))
    with zip64_beyond(*limits), zipfile.ZipFile(sink, "w") as opened:
        opened.comment = draw(comments)
        for path in [*paths, RECORD]:
            entry = zipfile.ZipInfo(path + draw(st.sampled_from(["", "", "", "/"])) * (path != RECORD))
            entry.compress_type = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
            entry.extra = draw(st.sampled_from([b"", field_of(0x5455, b"\3\0\0\0\0"), b"\0"]))
            entry.comment = draw(st.binary(max_size=3))
            content = b"" if entry.is_dir() else draw(st.binary(max_size=40) | st.integers(0, 4000).map(bytes))
            with opened.open(entry, "w", force_zip64=limits[0] == 5 or draw(st.booleans())) as writer:
                writer.write(content)
    return bytes(sink.data) if isinstance(sink, Stream) else sink.getvalue()


@fuzz
@given(written(PLAIN_COMMENTS), st.integers(0, 1000) | st.integers(0, 70_000))
def test_what_zipfile_writes_is_read_from_any_tail_as_zipfile_reads_it(data: bytes, tail: int) -> None:
    assert peek(data, tail)[1] == by_zipfile(data)


@fuzz
@given(written())
def test_a_comment_that_looks_like_an_end_record_is_taken_for_one_as_by_zipfile_or_refused(data: bytes) -> None:
    assert_right_or_refused(data)


def mostly(usual: Any, others: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 11).flatmap(lambda die: others if die == 0 else st.just(usual))


NUMBERS_16 = st.sampled_from([0, 1, 2, 3, 7, 0x7FFF, 0xFFFE, 0xFFFF]) | st.integers(0, 0xFFFF)
NUMBERS_32 = st.integers(0, 300) | st.sampled_from([2**31 - 1, 2**31, TOO_BIG - 1, TOO_BIG]) | st.integers(0, TOO_BIG)
NUMBERS_64 = NUMBERS_32 | st.sampled_from([2**32, 2**63, 2**64 - 1])
FIELDS = st.one_of(
    st.builds(field_of, st.sampled_from([1, 0x7075, 0x5455]) | NUMBERS_16, st.binary(max_size=28)),
    st.lists(st.integers(0, 99) | NUMBERS_64, max_size=4).map(lambda numbers: zip64_field(*numbers)),
    st.text(max_size=3).map(path_field),
    st.binary(max_size=5),
)


def some_of(**fields: st.SearchStrategy[int]) -> st.SearchStrategy[Mapping[str, int]]:
    """At most one of these numbers."""
    return mostly({}, st.one_of([st.fixed_dictionaries({name: values}) for name, values in fields.items()]))


FILES = st.builds(
    File,
    path=mostly("tiny/a.py", st.text(max_size=6) | st.binary(max_size=6)) | PATHS,
    unpacked=st.integers(0, 50) | mostly(7, NUMBERS_32),
    packed=mostly(None, NUMBERS_32),
    offset=mostly(None, NUMBERS_32),
    method=mostly(0, st.sampled_from([8, 12, 14]) | NUMBERS_16) | st.just(8),
    flags=mostly(0, NUMBERS_16) | st.just(8),
    needs=mostly(20, NUMBERS_16),
    disk=mostly(0, NUMBERS_16),
    extra=mostly(b"", st.lists(FIELDS, max_size=3).map(b"".join)),
    comment=mostly(b"", st.binary(max_size=3)),
    signature=mostly(b"PK\1\2", st.binary(min_size=4, max_size=4)),
    lengths=some_of(path=NUMBERS_16, extra=NUMBERS_16, comment=NUMBERS_16),
)


@st.composite
def forged(draw: st.DrawFn) -> bytes:
    """A wheel of which a few numbers are not what they should be."""
    files = draw(st.lists(FILES, max_size=3))
    files.insert(draw(st.integers(0, len(files))), File(RECORD))
    needed = sum(file.local_bytes for file in files)
    ends = {"disk": NUMBERS_16, "first_disk": NUMBERS_16, "entries_here": NUMBERS_16, "entries": NUMBERS_16}
    ends |= {"length": NUMBERS_32, "offset": NUMBERS_32}
    return archive(
        *files,
        body=min(needed, 5000) if needed > 5000 else draw(mostly(needed, st.integers(0, 300))),
        gap=draw(mostly(b"", st.binary(max_size=30))),
        comment=draw(mostly(b"", COMMENTS)),
        wide=draw(st.booleans()),
        end=draw(some_of(**ends, comment=NUMBERS_16)),
        record=draw(
            some_of(bytes=NUMBERS_64, disk=NUMBERS_32, entries=NUMBERS_64, length=NUMBERS_64, offset=NUMBERS_64)
        ),
        locator=draw(some_of(disk=NUMBERS_32, record=NUMBERS_64, disks=NUMBERS_32)),
    )


@fuzz
@given(forged())
def test_a_wheel_with_wrong_numbers_is_refused_or_read_as_zipfile_reads_it(data: bytes) -> None:
    assert_right_or_refused(data)


# Operation, where, and with what: overwrite, insert, delete, cut off, copy from elsewhere.
EDITS = st.tuples(
    st.sampled_from(["write", "insert", "delete", "cut", "copy"]),
    st.integers(0, 2**16),
    st.binary(min_size=1, max_size=8)
    | st.sampled_from([b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\1\2", b"\xff" * 2, b"\xff" * 4, b"\xff" * 8, b"\0" * 4]),
)


def edited(data: bytes, edits: list[tuple[str, int, bytes]]) -> bytes:
    for kind, where, what in edits:
        at = len(data) - where % (len(data) + 1)  # most of what is read lies at the end
        if kind == "write":
            data = data[:at] + what + data[at + len(what) :]
        elif kind == "insert":
            data = data[:at] + what + data[at:]
        elif kind == "delete":
            data = data[:at] + data[at + len(what) :]
        elif kind == "cut":
            data = data[:at]
        else:
            start = int.from_bytes(what, "little") % (len(data) + 1)
            data = data[:at] + data[start : start + where % 200] + data[at:]
    return data


@fuzz
@given(written() | forged(), st.lists(EDITS, min_size=1, max_size=2))
def test_a_wheel_with_wrong_bytes_is_refused_or_read_as_zipfile_reads_it(
    data: bytes, edits: list[tuple[str, int, bytes]]
) -> None:
    assert_right_or_refused(edited(data, edits))


@fuzz
@given(written() | forged(), st.lists(EDITS, max_size=2), st.integers(0, 400) | st.integers(0, 70_000))
def test_the_answer_is_the_same_from_every_tail(data: bytes, edits: list[tuple[str, int, bytes]], tail: int) -> None:
    data = edited(data, edits)
    assert outcome(data, tail) == outcome(data)


SIGNED = st.lists(st.binary(max_size=40) | st.sampled_from([b"PK\1\2", b"PK\5\6", b"PK\6\6", b"PK\6\7"])).map(b"".join)


@fuzz
@given(SIGNED, st.integers(0, 200) | st.integers(0, 2**65))
def test_any_bytes_as_a_tail_give_a_place_or_a_refusal(tail: bytes, before: int) -> None:
    try:
        place = locate(tail, before + len(tail), name=NAME)
    except NeedMore as more:
        assert 0 <= more.start < before
    except MeasurementError as error:
        assert error.message.startswith(NAME)
    else:
        assert 0 <= place.offset <= place.offset + place.size <= before + len(tail) - 22


@fuzz
@given(SIGNED | st.lists(FILES, max_size=3).map(lambda files: b"".join(file.header(0) for file in files)), st.data())
def test_any_bytes_as_a_directory_give_files_or_a_refusal(data: bytes, drawn: st.DataObject) -> None:
    numbers = st.integers(0, 3) | NUMBERS_64
    place = Place(drawn.draw(numbers), drawn.draw(st.just(len(data)) | numbers), drawn.draw(numbers))
    try:
        read(data, place, name=NAME, size=drawn.draw(st.just(place.offset + place.size) | numbers))
    except MeasurementError as error:
        assert error.message.startswith(NAME) and len(error.message) <= 500
        assert error.message.isascii() and error.message.isprintable()


# What is read: oddities that a wheel may have.

GOOD = File("tiny/a.py", 100, 40, method=8)
OTHER = File("tiny/b.py", 30)
END = File(RECORD)
ALL_ELSEWHERE = {"entries_here": 0xFFFF, "entries": 0xFFFF, "length": TOO_BIG, "offset": TOO_BIG}
ODD: dict[str, tuple[bytes, dict[str, int]]] = {
    "plain": (archive(GOOD, OTHER, END), {"tiny/a.py": 100, "tiny/b.py": 30}),
    "only-a-record": (archive(END), {}),
    "folders": (archive(File("tiny/"), GOOD, File("x/", 0, 2, method=8), END), {"tiny/a.py": 100}),
    "empty-deflated": (archive(File("a", 0, 2, method=8), File("b", 0, 0, method=8), END), {"a": 0, "b": 0}),
    "best-of-deflate": (archive(File("a", 1032 * 50, 50, method=8), END), {"a": 51_600}),
    "bzip2-and-lzma": (
        archive(File("a", 90, 9, method=12, needs=46), File("b", 90, 9, method=14, needs=63), END),
        {"a": 90, "b": 90},
    ),
    "sizes-behind-the-data": (archive(File("a", 9, flags=8), END, body=30 + 1 + 9 + 16 + 30 + len(RECORD)), {"a": 9}),
    "local-extra-fields": (archive(GOOD, END, body=5000), {"tiny/a.py": 100}),
    "not-in-the-order-of-the-data": (archive(File("a", 9, offset=30 + len(RECORD)), File(RECORD, offset=0)), {"a": 9}),
    "utf-8": (archive(File("\u0434/\u65e5\U0001f600", 1), END), {"\u0434/\u65e5\U0001f600": 1}),
    "cp437": (archive(File(b"caf\x82/\xff", 1), END), {"caf\xe9/\xa0": 1}),
    "unicode-path-that-agrees": (archive(File("\xe9", 1, extra=path_field("\xe9")), END), {"\xe9": 1}),
    "times-and-owners": (
        archive(File("a", 1, extra=field_of(0x5455, bytes(5)) + field_of(0x7875, bytes(11))), END),
        {"a": 1},
    ),
    "padding-behind-extra-fields": (archive(File("a", 1, extra=field_of(0x5455, b"") + b"\0\0\0"), END), {"a": 1}),
    "comments-of-files": (archive(File("a", 1, comment=b"PK\1\2" * 9), END), {"a": 1}),
    "long-comment": (archive(File("a", 1), END, comment=b"." * 0xFFFF), {"a": 1}),
    "comment-with-other-signatures": (archive(File("a", 1), END, comment=b"PK\1\2PK\3\4PK\6\6PK\6\7"), {"a": 1}),
    "zip64": (archive(GOOD, END, wide=True), {"tiny/a.py": 100}),
    "zip64-with-comment": (archive(GOOD, END, wide=True, comment=b"." * 0xFFFF), {"tiny/a.py": 100}),
    "zip64-alone-tells": (archive(GOOD, END, wide=True, end=ALL_ELSEWHERE), {"tiny/a.py": 100}),
    "zip64-sizes": (
        archive(File("a", TOO_BIG, TOO_BIG, offset=0, extra=zip64_field(70, 70)), File(RECORD, offset=101), body=5000),
        {"a": 70},
    ),
    "zip64-size-and-offset": (
        archive(
            END, File("a", TOO_BIG, 9, offset=TOO_BIG, method=8, extra=b"UT\0\0" + zip64_field(70, 1000)), body=5000
        ),
        {"a": 70},
    ),
}


@pytest.mark.parametrize(("data", "files"), ODD.values(), ids=ODD)
def test_what_is_odd_and_clear_is_read(data: bytes, files: dict[str, int]) -> None:
    expected = files | {RECORD: 0}
    for tail in (None, 0, 22, 100, 0xFFFF + 22):
        assert {entry.path: entry.bytes for entry in peek(data, tail)[1]} == expected
    assert {entry.path: entry.bytes for entry in by_zipfile(data)} == expected


def test_files_beyond_4_gib_are_read_from_a_real_archive(tmp_path: Path) -> None:
    path = tmp_path / NAME
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr(RECORD, b"")
        opened.start_dir = 5 * 2**30  # a hole, which takes no disk
        opened.writestr("tiny/a.py", b"x" * 1000, zipfile.ZIP_DEFLATED)
    size = path.stat().st_size
    assert size > 5 * 2**30
    with path.open("rb") as file:
        file.seek(-1000, os.SEEK_END)
        tail = file.read()
    place = locate(tail, size, name=NAME)
    assert place.offset > 5 * 2**30
    files = read(tail[place.offset - size :][: place.size], place, name=NAME, size=size)
    assert files == [Entry(RECORD, 0), Entry("tiny/a.py", 1000)]


def test_what_deflate_can_do_at_best_is_believed(tmp_path: Path) -> None:
    for level in range(1, 10):
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as opened:
            opened.writestr(RECORD, bytes(5 * 2**20))
        assert peek(sink.getvalue())[1] == [Entry(RECORD, 5 * 2**20)]
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    assert 5 * 2**20 / len(packed.compress(bytes(5 * 2**20)) + packed.flush()) > 1000


def test_as_many_files_as_an_end_record_can_count_are_read_without_zip64() -> None:
    files = [END, *(File(f"{number:x}") for number in range(0xFFFF - 1))]
    assert len(peek(archive(*files))[1]) == 0xFFFF


# What is refused.

BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "no end record"),
    "too-short": (b"PK\5\6" + bytes(17), "no end record"),
    "markup": (b"<!DOCTYPE html><title>Sign in</title>" * 50, "no end record"),
    "only-local-headers": (b"PK\3\4" + bytes(70_000), "no end record"),
    "end-breaks-off": (archive(END)[:-1], "end record breaks off"),
    "end-invalid": (archive(END) + b"PK\5\6" + bytes(8), "end record breaks off"),
    "bytes-behind": (archive(END) + b"x", "does not end where its comment does"),
    "comment-too-short": (archive(END, comment=b"abc")[:-1], "does not end where its comment does"),
    "comment-too-long": (archive(END, comment=b"abc", end={"comment": 2}), "does not end where its comment does"),
    "end-in-a-comment": (archive(END, comment=b"PK\5\6" + bytes(40)), "does not end where its comment does"),
    "archive-in-a-comment": (archive(END, comment=archive(END)), "not end where its end record begins"),
    "bytes-before": (b"#!/bin/sh\n" + archive(END), "not end where its end record begins"),
    "bytes-before-that-are-accounted-for": (
        archive(File("a", 1, offset=10), File(RECORD, offset=50), body=500),
        "begins with 10 bytes that belong to no file",
    ),
    "bytes-between": (archive(END, gap=b"PK\5\5\0\0"), "not end where its end record begins"),
    "bytes-between-zip64": (archive(END, gap=b"12345678", wide=True), "not end where its end record begins"),
    "offset-too-low": (archive(END, end={"offset": 1}), "not end where its end record begins"),
    "offset-too-high": (archive(END, end={"offset": 2**31}), "not end where its end record begins"),
    "length-too-low": (archive(END, end={"length": 46}), "not end where its end record begins"),
    "length-too-high": (archive(END, end={"length": 10**9}), "not end where its end record begins"),
    "second-disk": (archive(END, end={"disk": 1}), "split over several files"),
    "directory-on-another-disk": (archive(END, end={"first_disk": 1}), "split over several files"),
    "entries-on-another-disk": (archive(END, end={"entries": 2}), "split over several files"),
    "file-on-another-disk": (archive(File("a", disk=1), END), "'a' lies in another file"),
    "file-on-a-disk-that-zip64-tells": (archive(File("a", disk=0xFFFF), END), "'a' lies in another file"),
    "too-few-entries": (archive(GOOD, END, end={"entries": 1, "entries_here": 1}), "has 2 entries, and should have 1"),
    "too-many-entries": (
        archive(File("a" * 99), END, end={"entries": 3, "entries_here": 3}),
        "has 2 entries, and should have 3",
    ),
    "impossibly-many-entries": (
        archive(GOOD, END, end={"entries": 9, "entries_here": 9}),
        "of 126 bytes cannot hold 9 entries",
    ),
    "zip64-second-disk": (archive(END, wide=True, record={"disk": 1}), "end records disagree"),
    "zip64-several-disks": (archive(END, wide=True, locator={"disks": 2}), "split over several files"),
    "zip64-record-on-another-disk": (archive(END, wide=True, locator={"disk": 1}), "split over several files"),
    "zip64-record-elsewhere": (archive(END, wide=True, locator={"record": 0}), "is not where it should be"),
    "zip64-record-longer": (archive(END, wide=True, record={"bytes": 50}), "is not where it should be"),
    "zip64-counts-disagree": (archive(END, wide=True, end={"entries": 2}), "two end records disagree"),
    "zip64-offsets-disagree": (archive(END, wide=True, record={"offset": 1}), "two end records disagree"),
    "zip64-offset-wrong": (
        archive(END, wide=True, record={"offset": 2**63}, end=ALL_ELSEWHERE),
        "not end where its end record begins",
    ),
    "zip64-too-many-entries": (
        archive(END, wide=True, record={"entries": 2**63, "entries_here": 2**63}, end=ALL_ELSEWHERE),
        "cannot hold 9223372036854775808 entries",
    ),
    "zip64-locator-alone": (
        struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1) + archive(),
        "Zip64 end record is not where it should be",
    ),
    "zip64-record-missing": (
        bytes(56) + struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1) + archive(),
        "Zip64 end record is not where it should be",
    ),
    "encrypted": (archive(File("a", 12, flags=1), END), "'a' is encrypted"),
    "encrypted-strongly": (archive(File("a", 12, flags=0x41), END), "'a' is encrypted"),
    "directory-masked": (archive(File("a", 12, flags=0x2000), END), "'a' is encrypted"),
    "patched": (archive(File("a", 12, flags=0x20), END), "'a' is encrypted, or a patch"),
    "deflate64": (archive(File("a", 12, 9, method=9), END), "'a' is compressed in a way that pip does not read (9)"),
    "zstandard": (archive(File("a", 12, 9, method=93), END), "in a way that pip does not read (93)"),
    "newer-format": (archive(File("a", needs=64), END), "'a' needs version 6.4 of the format"),
    "stored-in-less": (
        archive(File("a", 10**6, 10), END),
        "'a' is said to be 1000000 bytes long, and to be stored in 10",
    ),
    "stored-in-more": (archive(File("a", 10, 99), END), "'a' is said to be 10 bytes long, and to be stored in 99"),
    "more-than-deflate-can": (
        archive(File("a", 1032 * 50 + 1, 50, method=8), END),
        "'a' is said to be 51601 bytes long, which 50 cannot unpack to",
    ),
    "something-from-nothing": (archive(File("a", 1, 0, method=8), END), "'a' is said to be 1 bytes long, which 0"),
    "folder-with-bytes": (archive(File("a/", 5), END), "'a/' is a folder, and is said to be 5 bytes long"),
    "larger-than-the-wheel": (archive(File("a", 5000), END, body=4000), "is said to take more bytes than there are"),
    "one-over-the-other": (archive(File("a", 50), File(RECORD, offset=80)), "'a' is said to take more bytes"),
    "one-for-all": (archive(File("a", 9), File("b", 9, offset=0), END), "is said to take more bytes"),
    "into-the-directory": (archive(END, File("a", 500, offset=55), body=400), "'a' is said to take more bytes"),
    "at-the-directory": (archive(END, File("a", offset=300), body=300), "'a' is said to take more bytes"),
    "beyond-the-file": (archive(END, File("a", offset=2**31), body=300), "is said to take more bytes"),
    "zip64-beyond-the-file": (
        archive(END, File("a", TOO_BIG, TOO_BIG, offset=100, extra=zip64_field(2**63, 2**63)), body=300),
        "'a' is said to take more bytes",
    ),
    "bomb": (
        archive(File("a", 2**31, 2**21, method=8), END, body=2**21 + 500),
        "unpacks to 1024 times its size",
    ),
    "bomb-of-another-method": (archive(File("a", 2**31, 9, method=12), END), "times its size"),
    "directory-breaks-off": (archive(File("a", lengths={"comment": 9}), END, body=99), "something else than files"),
    "last-entry-over-the-end": (archive(END, File("a", lengths={"comment": 9})), "directory breaks off"),
    "path-over-the-end": (archive(END, File("a", lengths={"path": 0xFFFF})), "directory breaks off"),
    "bytes-left-over": (archive(END, File("a", lengths={"path": 0})), "directory breaks off"),
    "bytes-left-over-as-long-as-an-entry": (
        archive(END, File("a" * 99, lengths={"path": 0})),
        "holds something else than files",
    ),
    "other-signature": (archive(END, File("a", signature=b"PK\5\5")), "holds something else than files"),
    "extra-field-breaks-off": (archive(File("a", extra=b"UT\5\0abcd"), END), "'a' has an extra field that breaks off"),
    "zip64-field-missing": (
        archive(File("a", TOO_BIG, TOO_BIG), END, body=999),
        "'a' has no Zip64 field, and needs one",
    ),
    "zip64-field-too-short": (
        archive(File("a", TOO_BIG, TOO_BIG, extra=zip64_field(1)), END, body=999),
        "'a' has a Zip64 field that does not fit",
    ),
    "zip64-field-too-long": (
        archive(File("a", 1, 1, offset=TOO_BIG, extra=zip64_field(1, 1, 0)), END, body=999),
        "'a' has a Zip64 field that does not fit",
    ),
    "zip64-field-twice": (
        archive(File("a", TOO_BIG, TOO_BIG, extra=zip64_field(TOO_BIG, 9) + zip64_field(9, 9)), END, body=999),
        "'a' has a Zip64 field that does not fit",
    ),
    "zip64-field-not-needed": (
        archive(File("a", 1, extra=zip64_field(5, 5)), END),
        "has a Zip64 field that does not fit",
    ),
    "unicode-path-of-another": (
        archive(File(b"a", extra=path_field("b")), END),
        "'a' has another name in its Unicode path field",
    ),
    "unicode-path-too-short": (archive(File("a", extra=field_of(0x7075, b"\1")), END), "'a' has another name"),
    "not-utf-8": (archive(File(b"caf\x82", flags=1 << 11), END), r"'caf\x82' is not UTF-8"),
    "surrogate": (archive(File(b"\xed\xa0\x80", flags=1 << 11), END), "is not UTF-8"),
    "no-path": (archive(File(""), END), "names a bad path: ''"),
    "nul": (archive(File("a.py\0.txt"), END), r"names a bad path: 'a.py\x00.txt'"),
    "nul-before-a-record": (archive(File(RECORD + "\0x")), "names a bad path"),
    "newline": (archive(File("a\nb"), END), r"names a bad path: 'a\nb'"),
    "escape": (archive(File("a\x1b[2J"), END), "names a bad path"),
    "parent": (archive(File("tiny/../../x"), END), "climbs out of its folder: 'tiny/../../x'"),
    "absolute": (archive(File("/etc/passwd"), END), "climbs out of its folder"),
    "backslash": (archive(File("..\\x"), END), "climbs out of its folder"),
    "backslash-in-cp437": (archive(File(b"\x82\\x"), END), "climbs out of its folder"),
    "drive": (archive(File("C:x"), END), "climbs out of its folder"),
    "twice": (archive(GOOD, File("tiny/a.py"), END), "the same path twice: 'tiny/a.py'"),
    "twice-in-two-encodings": (archive(File(b"caf\x82"), File("caf\xe9"), END), "the same path twice"),
    "long-path": (archive(File("/" + "\U0001f600" * 9999), END), "climbs out of its folder"),
    "no-files": (archive(), "has 0 RECORD files"),
    "no-record": (archive(GOOD), "has 0 RECORD files"),
    "no-record-at-the-top": (archive(File(f"tiny/{RECORD}"), File(".dist-info/RECORD")), "has 0 RECORD files"),
    "two-records": (archive(END, File("other-1.0.dist-info/RECORD")), "has 2 RECORD files"),
}


@pytest.mark.parametrize(("data", "message"), BAD.values(), ids=BAD)
def test_what_contradicts_itself_or_lies_is_refused_and_named(data: bytes, message: str) -> None:
    error = refused(MeasurementError, peek, data)
    assert error.message.startswith(NAME) and message in error.message
    assert error.status == "failed"
    for tail in (0, 21, 22, 97, 98, 0xFFFF):
        assert outcome(data, tail) == error.message


def test_a_file_longer_than_its_index_says_is_refused() -> None:
    data = archive(END)
    assert "longer than" in refused(MeasurementError, locate, data, len(data) - 1, name=NAME).message


def test_a_directory_longer_than_any_is_not_even_asked_for() -> None:
    length = LONGEST_DIRECTORY_BYTES + 1
    end = bytes(100) + archive(end={"length": length})
    assert "longer than that of any wheel" in refused(MeasurementError, locate, end, length + 22, name=NAME).message
    end = bytes(100) + archive(end={"length": length - 1})
    assert locate(end, length - 1 + 22, name=NAME) == Place(0, LONGEST_DIRECTORY_BYTES, 0)


def test_a_directory_that_came_short_is_refused() -> None:
    data = archive(GOOD, END)
    place = locate(data, len(data), name=NAME)
    raw = data[place.offset :][: place.size]
    for wrong in (raw[:-1], raw + b"\0", b""):
        assert "does not have" in refused(MeasurementError, read, wrong, place, name=NAME, size=len(data)).message
    assert "does not have" in refused(MeasurementError, read, raw, place, name=NAME, size=len(raw)).message


WHEELS: dict[str, Callable[[Path], Path]] = {
    "in-order": lambda folder: wheels.build_wheel(folder, "tiny", files={"tiny/a.py": b"x" * 999, "tiny/b.so.1": b""}),
    "parent": lambda folder: wheels.wheel_with_path(folder, "../outside.py"),
    "drive": lambda folder: wheels.wheel_with_path(folder, "C:outside.py"),
    "newline": lambda folder: wheels.wheel_with_path(folder, "a\nb.py"),
    "path-twice": wheels.wheel_with_path_twice,
    "two-records": wheels.wheel_with_two_records,
    "no-record": wheels.wheel_without_record,
    "bomb": wheels.bomb,
    "zeros-below-the-limit": lambda folder: wheels.bomb(folder, mebibytes=20),
}


@pytest.mark.parametrize("build", WHEELS.values(), ids=WHEELS)
def test_a_wheel_is_told_and_refused_as_when_it_lies_on_the_disk(tmp_path: Path, build: Callable[[Path], Path]) -> None:
    path = build(tmp_path)
    data = path.read_bytes()

    def unpacked_by_directory() -> int:
        place = locate(data[-100:], len(data), name=path.name)
        raw = data[place.offset :][: place.size]
        return summarise(read(raw, place, name=path.name, size=len(data))).unpacked_bytes

    try:
        unpacked = look(path).unpacked_bytes
    except MeasurementError as error:
        assert refused(MeasurementError, unpacked_by_directory).message == error.message
    else:
        assert unpacked_by_directory() == unpacked


# Types and sums.


def test_types_and_largest_files_are_sorted_and_sum_to_the_total() -> None:
    sizes = {"t/libx.so.12": 10, "t/b.PY": 7, "t/a.py": 3, "t/LICENSE": 10, "t/.hidden": 0, "t/c.txt": 10}
    told = summarise([Entry(path, size) for path, size in sizes.items()])
    assert told.types == (("(none)", 2, 10), (".py", 2, 10), (".so", 1, 10), (".txt", 1, 10))
    assert told.largest[:4] == (("t/LICENSE", 10), ("t/c.txt", 10), ("t/libx.so.12", 10), ("t/b.PY", 7))
    assert (told.files, told.unpacked_bytes) == (6, 40)


@given(st.lists(st.builds(Entry, PATHS, st.integers(0, 2**40)), max_size=40, unique_by=lambda entry: entry.path))
def test_the_parts_sum_to_the_total_whatever_the_files(entries: list[Entry]) -> None:
    told = summarise(entries)
    assert sum(files for _, files, _ in told.types) == told.files == len(entries)
    assert sum(size for _, _, size in told.types) == told.unpacked_bytes
    assert list(told.types) == sorted(told.types, key=lambda line: (-line[2], line[0]))
    largest = sorted(((entry.path, entry.bytes) for entry in entries), key=lambda line: (-line[1], line[0]))
    assert list(told.largest) == largest[:LISTED_FILES]


@given(st.text(max_size=12) | st.text("so./1x\nSO\u0661", max_size=12) | st.from_regex(r"[a-z./]*\.so[.0-9]*\Z"))
def test_a_type_is_that_of_the_ledger(path: str) -> None:
    assert type_of(path) == ledger.type_of(path)


# Cost.


def directory_of(files: int, extra: bytes = b"") -> tuple[bytes, Place, int]:
    """A long directory, its place, and the size of its wheel."""
    listed = [
        File(f"torch/include/{number // 100}/file_{number}.h", 9, 9, 200 * number, 8, extra=extra)
        for number in range(files)
    ]
    raw = b"".join(file.header(0) for file in [*listed, File(RECORD, offset=200 * files)])
    return raw, Place(200 * (files + 1), len(raw), files + 1), 200 * (files + 1) + len(raw)


@pytest.mark.parametrize(
    ("files", "extra"), [(100_000, b""), (40, field_of(0x5455, b"") * 16_383)], ids=["many-files", "many-extra-fields"]
)
def test_a_long_directory_costs_no_more_than_its_length(files: int, extra: bytes) -> None:
    raw, place, size = directory_of(files, extra)
    started = time.process_time()
    told = summarise(read(raw, place, name=NAME, size=size))
    assert time.process_time() - started < 2
    assert (told.files, told.unpacked_bytes) == (files + 1, 9 * files)


def test_a_directory_takes_memory_as_it_is_long() -> None:
    raw, place, size = directory_of(10_000)
    tracemalloc.start()
    try:
        read(raw, place, name=NAME, size=size)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * len(raw)
