"""A real framework from the default index: what is true of tiny wheels is true of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.program import Program

pytestmark = [pytest.mark.online, pytest.mark.integration]

# This interpreter's, since no other need be here.
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
OLD = "onnxruntime==1.17.1"  # built for numpy 1, and up to Python 3.12
HAS_OLD = sys.version_info < (3, 13)
ONNXRUNTIME, DAY = (OLD, "2024-04-25") if HAS_OLD else ("onnxruntime==1.32.0", "2026-11-23")
THEN = ("--as-of", DAY)
SIZES = ("wheel_bytes", "download_bytes", "unpacked_bytes", "installed_bytes", "distributions")
WHEEL_BYTES_CP311_X86_64 = 6_787_425


@pytest.fixture(scope="module")
def online(tmp_path_factory: pytest.TempPathFactory, tools: Path) -> Program:
    """With the index that this machine is configured for, and one cache and results folder for all."""
    return Program(tmp_path_factory.mktemp("online"), index_url=os.environ.get("HARNESS_INDEX_URL"), tools=tools)


def measured(program: Program, engine: str) -> dict[str, Any]:
    before = len(program.records)
    ended = program.measure(ONNXRUNTIME, *THEN, "--engine", engine, "--python", PYTHON)
    assert ended.status == 0, ended.stderr
    assert len(program.records) == before + 1
    (record,) = [record for record in program.records if record["engine"] == engine]
    return record


@pytest.fixture(scope="module")
def in_folder(online: Program) -> dict[str, Any]:
    return measured(online, "venv")


def test_it_weighs_what_it_weighed_then(in_folder: dict[str, Any]) -> None:
    found = in_folder["figures"]
    if (in_folder["version"], in_folder["python"], in_folder["platform"]) == ("1.17.1", "3.11", "linux_x86_64"):
        assert found["wheel_bytes"] == WHEEL_BYTES_CP311_X86_64
    assert found["import_warm_seconds"] > 0 and found["import_modules"] > 100
    assert found["bytecode_bytes"] > (0.3 if HAS_OLD else 0.1) * found["installed_bytes"]
    assert sum(line["bytes"] for line in in_folder["ledger"]["distributions"]) == found["installed_bytes"]
    assert {"numpy", "onnxruntime"} < {line["name"] for line in in_folder["ledger"]["distributions"]}


@pytest.mark.engine
def test_both_engines_find_the_same_sizes(online: Program, in_folder: dict[str, Any]) -> None:
    in_container = measured(online, "docker")
    for name in SIZES:
        assert in_container["figures"][name] == in_folder["figures"][name] > 0, name
    assert in_container["lock_sha256"] == in_folder["lock_sha256"]


def test_with_todays_numpy_its_import_fails_and_its_sizes_are_kept(online: Program) -> None:
    """Built for numpy 1, and free to be resolved with numpy 2: a real failed row."""
    if not HAS_OLD:
        pytest.skip(f"{OLD} has no wheel for Python {PYTHON}")
    ended = online.measure(OLD, "--engine", "venv", "--python", PYTHON)
    assert ended.status == 1, ended.stderr
    (failed,) = [row for row in online.rows if row["status"] == "failed"]
    assert (failed["framework"], failed["phase"]) == ("onnxruntime", "import")
    assert "ImportError" in failed["reason"], failed["reason"]
    (record,) = [record for record in online.records if record["record_id"] == failed["record_id"]]
    (numpy,) = [wheel["version"] for wheel in record["wheels"] if wheel["name"] == "numpy"]
    assert int(numpy.split(".")[0]) >= 2
    for name in (*SIZES, "bytecode_bytes", "install_seconds"):
        assert int(float(failed[name])) > 0, name
    assert failed["import_warm_seconds"] == ""
