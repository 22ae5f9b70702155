"""The ledger: every installed byte has one owner and one type, and the parts sum to the whole."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from tests.support.environments import Root


def bytes_of(lines: list[dict[str, Any]]) -> dict[str, int]:
    return {line["name"]: line["bytes"] for line in lines}


def assert_parts_sum_to_the_total(ledger: dict[str, Any]) -> None:
    for lines in (ledger["distributions"], ledger["types"]):
        assert sum(line["bytes"] for line in lines) == ledger["total"]["bytes"]
        assert sum(line["files"] for line in lines) == ledger["total"]["files"]


def test_every_file_belongs_to_the_distribution_whose_record_names_it(root: Root) -> None:
    root.install("Tiny_Name", {"tiny/__init__.py": b"x" * 100, "../../../bin/tiny": b"y" * 50}, "1.2")
    root.install("other", {"other.py": b"z" * 10})
    ledger = root.ledger()
    owned = {line["name"]: line for line in ledger["distributions"]}
    assert set(owned) == {"tiny-name", "other"}
    assert (owned["tiny-name"]["version"], owned["tiny-name"]["files"]) == ("1.2", 4)
    assert owned["tiny-name"]["bytes"] == 150 + sum(f.stat().st_size for f in root.site.glob("Tiny_Name-1.2*/*"))
    assert_parts_sum_to_the_total(ledger)


def test_the_total_is_what_the_file_system_says(root: Root) -> None:
    root.install("tiny", {"tiny/data": bytes(100_000), "tiny/__init__.py": b""})
    files = [path for path in root.site.rglob("*") if path.is_file()]
    total = root.ledger()["total"]
    assert total["files"] == len(files)
    assert total["bytes"] == sum(path.stat().st_size for path in files)
    assert total["allocated"] == sum(path.stat().st_blocks * 512 for path in files)


def test_what_was_there_before_does_not_count(root: Root) -> None:
    assert root.ledger()["total"] == {"files": 0, "bytes": 0, "allocated": 0}


def test_a_namespace_folder_is_shared_file_by_file(root: Root) -> None:
    root.install("nvidia-cublas", {"nvidia/cublas/lib/libcublas.so.12": b"a" * 4000})
    root.install("nvidia-cudnn", {"nvidia/cudnn/lib/libcudnn.so.9.1.0": b"b" * 3000})
    ledger = root.ledger()
    owners = {os.path.basename(line["path"]): line["distribution"] for line in ledger["largest"]}
    assert owners["libcublas.so.12"] == "nvidia-cublas"
    assert owners["libcudnn.so.9.1.0"] == "nvidia-cudnn"
    assert_parts_sum_to_the_total(ledger)


def test_what_no_record_names_is_unowned_and_still_counted(root: Root) -> None:
    root.install("tiny", {"tiny.py": b""})
    root.write("stray/file", b"s" * 77)
    ledger = root.ledger()
    assert bytes_of(ledger["distributions"])["(unowned)"] == 77
    assert_parts_sum_to_the_total(ledger)


def test_a_distribution_without_a_record_owns_nothing(root: Root) -> None:
    root.write("ghost-1.0.dist-info/METADATA", "Name: ghost\n")
    assert set(bytes_of(root.ledger()["distributions"])) == {"(unowned)"}


def test_a_file_of_two_records_goes_to_the_first_and_is_told_of(root: Root) -> None:
    root.install("zebra", {"shared.py": b"s" * 500, "zebra.py": b""})
    root.install("ant", {"shared.py": b"s" * 500})
    ledger = root.ledger()
    assert ledger["contested"] == 1
    (shared,) = [line for line in ledger["largest"] if line["path"].endswith("shared.py")]
    assert shared["distribution"] == "ant"
    assert_parts_sum_to_the_total(ledger)


def test_types_are_suffixes_and_a_versioned_library_is_a_library(root: Root) -> None:
    files = {
        "t/libx.so.12": b"1" * 10,
        "t/liby.so": b"2" * 20,
        "t/z.cpython-311-x86_64-linux-gnu.so": b"3" * 30,
        "t/UPPER.PY": b"4" * 5,
        "t/LICENSE": b"5" * 7,
        "t/.hidden": b"6" * 3,
        "t/sofa.so.txt": b"7" * 2,
    }
    root.install("tiny", files)
    types = bytes_of(root.ledger()["types"])
    assert types[".so"] == 60
    assert (types[".py"], types[".txt"]) == (5, 2)
    info = sum(path.stat().st_size for path in root.site.glob("*.dist-info/*"))
    assert types["(none)"] == 7 + 3 + info


def test_rare_types_are_put_together_so_that_types_sum_to_the_total(root: Root) -> None:
    root.install("tiny", {f"t/file.kind{number}": b"x" * (number + 1) for number in range(30)})
    ledger = root.ledger()
    assert "(other)" in bytes_of(ledger["types"])
    assert len(ledger["types"]) < 30
    assert_parts_sum_to_the_total(ledger)


def test_identical_files_are_found_and_what_one_copy_would_save(root: Root) -> None:
    root.install("one", {"one/lib.so": b"same" * 250, "one/copy.so": b"same" * 250, "one/empty": b""})
    root.install("two", {"two/lib.so": b"same" * 250, "two/other.so": b"else" * 250, "two/empty": b""})
    found = root.ledger()["duplicates"]
    assert (found["groups"], found["bytes"]) == (1, 2000)
    assert found["largest"][0]["copies"] == 3
    assert found["largest"][0]["bytes"] == 2000


def test_a_hard_link_is_counted_once(root: Root) -> None:
    root.install("tiny", {"tiny/one.bin": b"x" * 5000})
    before = root.ledger()["total"]
    os.link(root.site / "tiny/one.bin", root.site / "tiny/two.bin")
    ledger = root.ledger()
    assert ledger["total"] == before
    assert_parts_sum_to_the_total(ledger)


def test_a_symbolic_link_counts_as_itself_and_is_not_followed(root: Root) -> None:
    root.install("tiny", {"tiny/libx.so.1": b"x" * 5000})
    before = root.ledger()["total"]["bytes"]
    (root.site / "tiny/libx.so").symlink_to("libx.so.1")
    (root.site / "tiny/nowhere").symlink_to("/nonexistent")
    ledger = root.ledger()
    assert ledger["total"]["bytes"] == before + len("libx.so.1") + len("/nonexistent")
    assert_parts_sum_to_the_total(ledger)


def test_bytecode_is_counted_apart_and_belongs_to_whose_source_it_is(root: Root) -> None:
    root.install("tiny", {"tiny/__init__.py": b"x = 1\n", "tiny/part.py": b"y = 2\n"})
    root.install("other", {"other.py": b"z = 3\n"})
    root.write("stray.py", b"w = 4\n")
    after = root.files()
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(root.site)], check=True)
    caches = {path.name.split(".")[0]: path.stat().st_size for path in root.site.rglob("*.pyc")}
    ledger = root.ledger("--bytecode", after=after)
    assert bytes_of(ledger["distributions"]) == {
        "tiny": caches["__init__"] + caches["part"],
        "other": caches["other"],
        "(unowned)": caches["stray"],
    }
    assert set(bytes_of(ledger["types"])) == {".pyc"}
    assert ledger["total"]["files"] == 4
    assert_parts_sum_to_the_total(ledger)
    assert_parts_sum_to_the_total(root.ledger(after=after))


def test_bytecode_that_was_shipped_is_no_added_bytecode(root: Root) -> None:
    root.install("tiny", {"tiny/__pycache__/x.cpython-311.pyc": b"shipped", "tiny/legacy.pyc": b"shipped too"})
    assert root.ledger("--bytecode")["total"]["files"] == 0


@pytest.mark.parametrize(
    "record",
    [b"\xff\xfe not,utf-8\n", b'"' + b"x" * 200_000 + b'",sha256=x,1\n', b"lonely\n\n,\n"],
    ids=["not-utf-8", "field-too-long", "columns-missing"],
)
def test_a_broken_record_owns_nothing_and_hurts_nobody(root: Root, record: bytes) -> None:
    root.install("tiny", {"tiny.py": b"x" * 100})
    root.write("broken-1.0.dist-info/RECORD", record)
    ledger = root.ledger()
    assert set(bytes_of(ledger["distributions"])) == {"tiny", "(unowned)"}
    assert_parts_sum_to_the_total(ledger)


def test_names_in_any_script_are_listed(root: Root) -> None:
    root.install("tiny", {"tiny/\u0434\u0430\u043d\u043d\u044b\u0435.\u0442\u0435\u043a\u0441\u0442": b"x" * 900})
    assert root.ledger()["largest"][0]["path"].endswith(
        "\u0434\u0430\u043d\u043d\u044b\u0435.\u0442\u0435\u043a\u0441\u0442"
    )
