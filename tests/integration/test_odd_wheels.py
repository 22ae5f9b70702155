"""Wheels that are odd and harmless are measured; what is not harmless is refused before anything unpacks it."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from harness.documents.footprint import Record
from harness.engines.owner import Owners
from harness.engines.venv import VenvEngine
from harness.job import Job, parse_request
from harness.packages.index import Index, Reach
from harness.packages.lock import Lock, LockStore
from harness.packages.resolve import locked
from harness.progress import Silent
from harness.stages import footprint
from tests.conftest import HERE
from tests.support.loopback import UPLOADED, LoopbackIndex
from tests.support.program import Program
from tests.support.wheels import build_wheel

pytestmark = pytest.mark.integration

ON_HERE = f"--python={HERE.python_version}"
TAGS = {
    "of-another-platform": ("Tag: cp27-none-win32", "is for another platform or Python by its WHEEL file"),
    "empty": ("Tag: ", "names no tag in its WHEEL file"),
    "behind-a-blank-line": ("\nTag: py3-none-any", "names no tag in its WHEEL file"),
}


@pytest.mark.parametrize(("tag_lines", "warning"), TAGS.values(), ids=TAGS)
@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_what_pip_check_refuses_and_pip_installs_is_measured(
    tag_lines: str, warning: str, installer: str, program: Program, index: LoopbackIndex, tmp_path: Path
) -> None:
    index.add(build_wheel(tmp_path, "tiny", tag_lines=tag_lines))
    ended = program.measure("tiny", "--engine=venv", ON_HERE, f"--installer={installer}")
    assert ended.status == 0, ended.stderr
    record = program.record
    assert record["status"] == "ok" and record["figures"]["installed_bytes"] > 0
    assert [one for one in record["warnings"] if warning in one], record["warnings"]


def measured(program: Program, index: LoopbackIndex, *requires: str, source: bytes = b"") -> Record:
    """A lock without what `tiny` requires, measured."""
    index.add(build_wheel(program.folder, "tiny", files={"tiny.py": source}, requires=requires))
    reach = Index(Reach(index_url=index.url))
    lock = Lock((locked("tiny", reach.project("tiny").wheels[0]),))
    job = Job(parse_request("tiny==1.0"), HERE, "pypi", UPLOADED, "pip", "venv", "tiny")
    with Owners(program.cache).enroll() as owner:
        engine, locks = VenvEngine(owner), LockStore(program.results / "locks")
        workshop = footprint.Workshop(engine, reach, program.cache, owner.folder, locks, Silent())
        return footprint.measure(job, workshop, footprint.Settings(repeats=1), lock=lock)


def test_an_incomplete_lock_is_told_last_and_costs_no_figure(program: Program, index: LoopbackIndex) -> None:
    record = measured(program, index, "gone>=2", "absent; python_version < '3'")
    assert (record.status, record.phase) == ("failed", "check")
    assert record.reason == "tiny 1.0 requires gone>=2, which is missing"
    missing = {name for name, value in record.figures if value is None}
    assert missing <= {"resolve_seconds", "image_bytes", "download_seconds"}


def test_a_folded_requirement_is_one(program: Program, index: LoopbackIndex) -> None:
    assert measured(program, index, "\n gone>=1").reason == "tiny 1.0 requires gone>=1, which is missing"


def test_what_is_missing_is_told_rather_than_the_import_that_fails_for_it(
    program: Program, index: LoopbackIndex
) -> None:
    record = measured(program, index, "gone", source=b"import gone\n")
    assert (record.phase, record.reason) == ("check", "tiny 1.0 requires gone, which is missing")
    assert record.figures.installed_bytes and record.figures.bytecode_bytes


def test_a_script_that_climbs_out_leaves_no_file(
    engine_name: str, program: Program, index: LoopbackIndex, tmp_path: Path
) -> None:
    """CVE-2026-8643: pip before 26.1.2 creates it, on this machine under venv, before any package code runs."""
    escaped = f"harness-escaped-{secrets.token_hex(4)}"
    script = f"{'../' * 30}tmp/{escaped}"
    index.add(build_wheel(tmp_path, "climber", scripts={"fine": "climber:main", script: "climber:main"}))
    python = [ON_HERE] if engine_name == "venv" else []
    ended = program.measure("climber", f"--engine={engine_name}", *python)
    assert ended.status == 1, ended.stderr
    assert (program.record["status"], program.record["phase"]) == ("failed", "download")
    assert "climber-1.0-py3-none-any.whl has a script that climbs out of its folder" in program.record["reason"]
    assert not Path("/tmp", escaped).exists()
