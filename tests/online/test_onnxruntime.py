"""A real framework from the default index: what is true of tiny wheels is true of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.program import Program

pytestmark = [pytest.mark.online, pytest.mark.integration]

ONNXRUNTIME = "onnxruntime==1.17.1"
THEN = ("--as-of", "2024-04-25")
# As of then, there are wheels for these; this interpreter's wheel is what the venv engine can take.
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
SIZES = ("wheel_bytes", "download_bytes", "unpacked_bytes", "installed_bytes", "distributions")
WHEEL_BYTES_CP311_X86_64 = 6_793_440


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


@pytest.mark.engine
def test_both_engines_find_the_same_sizes(online: Program) -> None:
    in_container, in_folder = (measured(online, engine) for engine in ("docker", "venv"))
    for name in SIZES:
        assert in_container["figures"][name] == in_folder["figures"][name] > 0, name
    assert in_container["lock_sha256"] == in_folder["lock_sha256"]
    assert {"numpy", "onnxruntime"} < {line["name"] for line in in_folder["ledger"]["distributions"]}


def test_it_weighs_what_it_weighed_then(online: Program) -> None:
    ended = online.measure(ONNXRUNTIME, *THEN, "--engine", "venv")
    assert ended.status == 0, ended.stderr
    found = online.records[-1]
    if (found["python"], found["platform"]) == ("3.11", "linux_x86_64"):
        assert found["figures"]["wheel_bytes"] == WHEEL_BYTES_CP311_X86_64
    assert found["figures"]["import_warm_seconds"] > 0 and found["figures"]["import_modules"] > 100
    assert found["figures"]["bytecode_bytes"] > 0.3 * found["figures"]["installed_bytes"]
    assert sum(line["bytes"] for line in found["ledger"]["distributions"]) == found["figures"]["installed_bytes"]


def test_with_todays_numpy_its_import_fails_and_its_sizes_are_kept(online: Program) -> None:
    """Built for numpy 1, and free to be resolved with numpy 2: a real failed row."""
    ended = online.measure(ONNXRUNTIME, "--engine", "venv")
    assert ended.status == 1, ended.stderr
    (failed,) = [row for row in online.rows if row["status"] == "failed"]
    assert (failed["framework"], failed["phase"]) == ("onnxruntime", "import")
    assert failed["reason"].startswith(("ImportError", "AttributeError", "numpy", "RuntimeError")), failed["reason"]
    for name in (*SIZES, "bytecode_bytes", "install_seconds"):
        assert int(float(failed[name])) > 0, name
    assert failed["import_warm_seconds"] == ""
