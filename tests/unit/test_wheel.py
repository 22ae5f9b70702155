"""What a wheel tells before anything of it runs, and which wheels are refused."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import MeasurementError
from harness.packages.wheel import (
    METADATA_BYTES,
    is_sha256,
    is_wheel_filename,
    look,
    provided_extras,
    refuse_bad_paths,
    refuse_bomb,
)
from tests.support import wheels
from tests.support.refusal import refused
from tests.support.wheels import build_wheel


def test_unpacked_bytes_are_the_sum_of_what_it_unpacks_to(tmp_path: Path) -> None:
    path = build_wheel(tmp_path, "tiny", files={"tiny/__init__.py": b"x = 1\n" * 1000, "tiny/data": bytes(5000)})
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "unpacked")
    found = sum(file.stat().st_size for file in (tmp_path / "unpacked").rglob("*") if file.is_file())
    assert look(path).unpacked_bytes == found > 11_000
    assert path.stat().st_size < found


def test_the_same_wheel_is_built_twice_to_the_byte(tmp_path: Path) -> None:
    one, two = (build_wheel(tmp_path / name, "tiny", requires=["other>=1"]) for name in "ab")
    assert one.read_bytes() == two.read_bytes()


TOP_LEVELS = {
    "called-like-the-distribution-first": (["aaa/__init__.py", "tiny/__init__.py"], None, ("tiny", "aaa")),
    "private-last": (["_tiny_native/__init__.py", "zebra/__init__.py"], None, ("zebra", "_tiny_native")),
    "module": (["tiny.py"], None, ("tiny",)),
    "extension-module": (["tiny.cpython-311-x86_64-linux-gnu.so"], None, ("tiny",)),
    "namespace-package": (["google/protobuf/__init__.py"], None, ("google",)),
    "folders-of-libraries-are-none": (
        ["tiny.libs/libx.so.1", "tiny/__init__.py", "tiny-1.0.data/data/x"],
        None,
        ("tiny",),
    ),
    "top-level-txt-is-believed": (["tiny/__init__.py", "tests/__init__.py"], ["tiny"], ("tiny",)),
    "what-cannot-be-imported-is-dropped": (["tiny.py"], ["tiny", "no-name", "../etc", "t\u043ery"], ("tiny",)),
    "none": (["share/data.bin"], None, ()),
}


@pytest.mark.parametrize(("paths", "listed", "expected"), TOP_LEVELS.values(), ids=TOP_LEVELS)
def test_import_packages_are_guessed(
    tmp_path: Path, paths: list[str], listed: list[str] | None, expected: tuple[str, ...]
) -> None:
    path = build_wheel(tmp_path, "tiny", files=dict.fromkeys(paths, b""), top_level=listed)
    assert look(path).top_level == expected


def test_extras_are_read_and_normalised(tmp_path: Path) -> None:
    path = build_wheel(tmp_path, "tiny", extras={"CUDA_12": ["other>=1"], "all": []})
    assert look(path).extras == ("cuda-12", "all")
    assert provided_extras("Metadata-Version: 2.1\nName: tiny\n\nProvides-Extra: in-the-description\n") == ()


MALFORMED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "parent": (lambda f: wheels.wheel_with_path(f, "../outside.py"), "climbs out of its folder: '../outside.py'"),
    "parent-inside": (lambda f: wheels.wheel_with_path(f, "malformed/../../x"), "climbs out of its folder"),
    "absolute": (lambda f: wheels.wheel_with_path(f, "/etc/cron.d/x"), "climbs out of its folder: '/etc/cron.d/x'"),
    "backslash": (lambda f: wheels.wheel_with_path(f, "..\\outside.py"), r"climbs out of its folder: '..\\outside.py'"),
    "drive": (lambda f: wheels.wheel_with_path(f, "C:outside.py"), "climbs out of its folder: 'C:outside.py'"),
    "control-character": (lambda f: wheels.wheel_with_path(f, "a\x1b[2Jb.py"), r"names a bad path: 'a\x1b[2Jb.py'"),
    "newline": (lambda f: wheels.wheel_with_path(f, "a\nb.py"), r"names a bad path: 'a\nb.py'"),
    "path-twice": (wheels.wheel_with_path_twice, "has the same path twice: 'malformed.py'"),
    "two-records": (wheels.wheel_with_two_records, "has 2 RECORD files"),
    "no-record": (wheels.wheel_without_record, "has 0 RECORD files"),
}


@pytest.mark.parametrize(("build", "message"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_wheel_is_refused_and_named(tmp_path: Path, build: Callable[[Path], Path], message: str) -> None:
    path = build(tmp_path)
    error = refused(MeasurementError, look, path)
    assert error.message.startswith(path.name) and message in error.message
    assert error.status == "failed"


BAD_SCRIPTS = {
    "parent": "[console_scripts]\n../../../tmp/x = tiny:main\n",
    "absolute": "[console_scripts]\n/tmp/x = tiny:main\n",
    "a-folder-below": "[console_scripts]\nsub/x = tiny:main\n",
    "backslash": "[console_scripts]\n..\\x = tiny:main\n",
    "the-folder-itself": "[console_scripts]\n.. = tiny:main\n",
    "gui": "[gui_scripts]\n../x = tiny:main\n",
    "second-section": "[other]\na = b\n\n[console_scripts]\nfine = tiny:main\n[gui_scripts]\n../x=tiny:main\n",
    "section-spelt-otherwise": "[ Console_Scripts ]\n../x = tiny:main\n",
    "indented": "[console_scripts]\nfine = tiny:main\n  ../x = tiny:main\n",
    "colon-separates": "[console_scripts]\n../x : tiny\n",
    "colon-in-the-name": "[console_scripts]\na:../x = tiny:main\n",
    # not one reader takes all of these for a script of that name, but each of them is taken so by one
    "text-after-the-header": "[console_scripts] x\n../x = tiny:main\n",
    "comment-after-the-header": "[console_scripts] ; x\n../x = tiny:main\n",
    "text-after-another-header": "[console_scripts]\n[other] x\n../x = tiny:main\n",
    "semicolon": "[console_scripts]\n;/../x = tiny:main\n",
}
ODD_BLANKS = {
    "control-character": "[console_scripts]\na\x08b = tiny:main\n",
    "blank-in-the-header": "[\xa0console_scripts\xa0]\n../x = tiny:main\n",
    "vertical-tab": "[\x0bconsole_scripts]\n../x = tiny:main\n",
    "form-feed": "[console_scripts]\n#\x0c[other]\n../x = tiny:main\n",
    "carriage-return": "[console_scripts]\n#\r[other]\n../x = tiny:main\n",
    "line-separator": "[console_scripts]\nx = tiny:main\u2028[other]\n../x = tiny:main\n",
    "next-line": "[console_scripts]\nx = tiny:main\x85[other]\n../x = tiny:main\n",
}


@pytest.mark.parametrize("entry_points", BAD_SCRIPTS.values(), ids=BAD_SCRIPTS)
def test_a_script_that_would_be_written_elsewhere_is_refused(tmp_path: Path, entry_points: str) -> None:
    """pip before 26.1.2 writes it there (CVE-2026-8643)."""
    path = build_wheel(
        tmp_path, "tiny", files={"tiny.py": b"", "tiny-1.0.dist-info/entry_points.txt": entry_points.encode()}
    )
    error = refused(MeasurementError, look, path)
    assert error.message.startswith(f"{path.name} has a script that climbs out of its folder: ")


@pytest.mark.parametrize("entry_points", ODD_BLANKS.values(), ids=ODD_BLANKS)
def test_what_installers_read_differently_is_refused(tmp_path: Path, entry_points: str) -> None:
    files = {"tiny.py": b"", "tiny-1.0.dist-info/entry_points.txt": entry_points.encode()}
    error = refused(MeasurementError, look, build_wheel(tmp_path, "tiny", files=files))
    assert "in its entry_points.txt, which installers read differently" in error.message


@pytest.mark.parametrize(
    "entry_points",
    [
        "",
        "\ufeff[console_scripts]\r\ntiny = tiny:main\r\n\r\n[mime.types]\r\na/b = tiny:Json\r\n",
        "[other]\nx\xa0y = tiny:main\n",
        "[console_scripts]\ntiny = tiny:main\ntiny-3.11 = tiny.sub:main [extra]\n# ../x = tiny:main\n",
        "[mime.types]\napplication/json = tiny:Json\n",  # names of other groups are no files
        "no section = ../x\n",
    ],
)
def test_ordinary_entry_points_are_fine(tmp_path: Path, entry_points: str) -> None:
    files = {"tiny.py": b"", "tiny-1.0.dist-info/entry_points.txt": entry_points.encode()}
    assert look(build_wheel(tmp_path, "tiny", files=files)).top_level == ("tiny",)


@given(st.lists(st.text("aC/\\.:\n\0\x1f\x7f \xe9", max_size=5), max_size=4))
def test_paths_judged_at_once_are_judged_as_one_by_one(paths: list[str]) -> None:
    def complaint(paths: list[str]) -> str:
        try:
            refuse_bad_paths("x.whl", paths)
        except MeasurementError as error:
            return error.message
        return ""

    one_by_one = [*paths, "\xa0"]  # nothing is wrong with it, but it does not print
    assert complaint(paths) == complaint(one_by_one)


def test_what_unpacks_to_more_than_a_hundred_times_its_size_is_a_bomb() -> None:
    refused(MeasurementError, refuse_bomb, "x.whl", 150 * 2**20, 2**20)
    refuse_bomb("x.whl", 198 * 2**20, 2 * 2**20)
    refuse_bomb("x.whl", 99 * 2**20, 1)  # too little to harm


def test_a_bomb_is_a_real_one_and_quickly_refused(tmp_path: Path) -> None:
    path = wheels.bomb(tmp_path)
    assert path.stat().st_size < 2**20
    assert re.search(r"unpacks to (9|10)\d\d times", refused(MeasurementError, look, path).message)


def test_zeros_below_the_limit_are_no_bomb(tmp_path: Path) -> None:
    assert look(wheels.bomb(tmp_path, mebibytes=20)).unpacked_bytes > 20 * 2**20


def _tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def _corrupt_metadata(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo("tiny-1.0.dist-info/METADATA")
    data = bytearray(path.read_bytes())
    start = entry.header_offset + 30 + len(entry.filename)
    data[start : start + entry.compress_size] = b"\xff" * entry.compress_size
    path.write_bytes(data)


def _encrypt_metadata(path: Path) -> None:
    """Set the flag that says so, in the local header and in the central directory."""
    data = bytearray(path.read_bytes())
    for signature, flags, name in ((b"PK\3\4", 6, 30), (b"PK\1\2", 8, 46)):
        for match in re.finditer(re.escape(signature), bytes(data)):
            if bytes(data[match.start() + name :]).startswith(b"tiny-1.0.dist-info/METADATA"):
                data[match.start() + flags] |= 1
    path.write_bytes(data)


UNREADABLE = {
    "empty": lambda path: path.write_bytes(b""),
    "markup": lambda path: path.write_bytes(b"<!DOCTYPE html><title>Sign in</title>" * 50),
    "invalid": _tear,
    "corrupt-metadata": _corrupt_metadata,
    "encrypted-metadata": _encrypt_metadata,
    "missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize("spoil", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_refused_and_named(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    path = build_wheel(tmp_path, "tiny")
    spoil(path)
    error = refused(MeasurementError, look, path)
    assert error.message.startswith("tiny-1.0-py3-none-any.whl is not a readable wheel")


def test_metadata_too_long_to_be_meant_is_not_read(tmp_path: Path) -> None:
    path = build_wheel(tmp_path, "tiny", top_level=["x" * METADATA_BYTES])
    assert "top_level.txt is" in refused(MeasurementError, look, path).message


def test_a_wrong_byte_anywhere_is_told_or_harmless(tmp_path: Path) -> None:
    path = build_wheel(tmp_path, "tiny", top_level=["tiny"], extras={"a": []})
    whole = path.read_bytes()
    for offset in range(0, len(whole), 3):
        path.write_bytes(whole[:offset] + bytes([whole[offset] ^ 0xFF]) + whole[offset + 1 :])
        try:
            look(path)
        except MeasurementError as error:
            assert error.message.isprintable(), offset


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("torch-2.3.0-cp311-cp311-linux_x86_64.whl", True),
        ("torch-2.3.0+cpu-1build-cp311-cp311-manylinux1_x86_64.manylinux2014_x86_64.whl", True),
        ("torch-2.3.0.tar.gz", False),
        ("torch-latest-py3-none-any.whl", False),
        ("../torch-2.3.0-py3-none-any.whl", False),
        ("torch-2.3.0-1/../../x-py3-none-any.whl", False),
        ("torch-2.3.0-1\n-py3-none-any.whl", False),
    ],
)
def test_a_wheel_filename_names_a_wheel_and_no_other_place(name: str, fits: bool) -> None:
    assert is_wheel_filename(name) is fits


@pytest.mark.parametrize(
    ("text", "fits"), [("0a" * 32, True), ("0A" * 32, False), ("0a" * 31, False), ("", False), ("/" + "0" * 63, False)]
)
def test_a_sha256_is_64_hexadecimal_digits(text: str, fits: bool) -> None:
    assert is_sha256(text) is fits
