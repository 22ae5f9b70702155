"""Whole measurements, from a loopback index to the table, of tiny wheels that the tests make."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.documents.footprint import Figures
from harness.documents.kinds import ENVIRONMENT, RECORD
from tests.support.loopback import LoopbackIndex
from tests.support.program import Ended, Program
from tests.support.wheels import build_wheel, wheel_with_path

pytestmark = pytest.mark.integration

AS_OF = ("--as-of", "2024-06-01")
IN_MARCH = datetime(2024, 3, 1, tzinfo=UTC)
IN_MAY = datetime(2024, 5, 1, tzinfo=UTC)
CODE = b"VALUE = 1\n" * 500
TINY = {
    "tiny_package/__init__.py": b"import tiny_base\nfrom tiny_package import slow\n",
    "tiny_package/slow.py": b"import time\ntime.sleep(0.1)\n",
    "tiny_package/data.py": CODE,
    "tiny_package/copy_of_data.py": CODE,
    "tiny_package/weights.bin": bytes(range(256)) * 64,
}
SIZES = (
    "wheel_bytes",
    "download_bytes",
    "unpacked_bytes",
    "installed_bytes",
    "bytecode_bytes",
    "distributions",
    "import_modules",
)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wheels")


@pytest.fixture(scope="module")
def shelf(wheels: Path) -> Iterator[LoopbackIndex]:
    """An index with `tiny`, which needs `tiny-base`, and which the catalog does not know."""
    with LoopbackIndex() as index:
        index.add(build_wheel(wheels, "tiny-base", "1.0", scripts={"tiny-tool": "tiny_base:main"}))
        for version, uploaded in (("1.0", None), ("1.1", IN_MARCH), ("1.2", IN_MAY)):
            wheel = build_wheel(
                wheels,
                "tiny",
                version,
                files=TINY,
                requires=["tiny-base>=1"],
                top_level=["_tiny", "tiny_package"],
            )
            index.add(wheel, **({"upload_time": uploaded} if uploaded else {}))
        yield index


@dataclass(frozen=True)
class Measured:
    """A measurement of `tiny==1.0` that several tests look at."""

    program: Program
    ended: Ended
    record: dict[str, Any]
    row: dict[str, str]
    replay_of: Path


@pytest.fixture(scope="module")
def measured(engine_name: str, shelf: LoopbackIndex, new_program: Callable[[str], Program]) -> Measured:
    program = new_program(shelf.url)
    ended = program.measure("tiny==1.0", *AS_OF, "--engine", engine_name)
    assert ended.status == 0, ended.stderr
    (row,) = program.rows
    return Measured(program, ended, program.record, row, program.record_files[0])


def figures(record: dict[str, Any]) -> dict[str, Any]:
    return dict(record["figures"])


def sizes(record: dict[str, Any]) -> dict[str, int]:
    return {name: record["figures"][name] for name in SIZES}


def test_every_column_is_filled_or_its_absence_explained(measured: Measured) -> None:
    record, row = measured.record, measured.row
    table = RECORD.table
    assert table is not None and tuple(row) == tuple(table.columns)
    keys = [name for name, path in table.columns.items() if name == path and name != "lock_sha256"]
    assert record["status"] == "ok" and row["status"] == "ok"
    assert {name for name in keys if not row[name]} == {"extras", "phase", "reason"}
    assert [name for name in Figures.model_fields if not row[name] and not record["absent"].get(name)] == []
    assert [name for name in Figures.model_fields if row[name] and name in record["absent"]] == []
    origin = {*ENVIRONMENT, "lock_sha256", "method_version"} - {"image_digest"}
    assert not [name for name in origin if not row[name]]
    assert set(record["absent"]) <= {"image_bytes", "import_cold_seconds"}, record["absent"]
    assert bool(row["image_bytes"]) == bool(row["image_digest"]) == (record["engine"] == "docker")


def test_figures_are_those_of_the_files(measured: Measured, wheels: Path) -> None:
    found = figures(measured.record)
    paths = [wheels / "tiny-1.0-py3-none-any.whl", wheels / "tiny_base-1.0-py3-none-any.whl"]
    assert found["wheel_bytes"] == paths[0].stat().st_size
    assert found["download_bytes"] == sum(path.stat().st_size for path in paths)
    assert found["unpacked_bytes"] > sum(len(data) for data in TINY.values())
    assert found["distributions"] == 2
    assert found["installed_bytes"] > found["unpacked_bytes"]  # the console script, INSTALLER, ...
    assert found["bytecode_bytes"] > 0 and found["allocated_bytes"] >= found["installed_bytes"]
    assert found["install_seconds"] == pytest.approx(found["unpack_seconds"] + found["bytecode_seconds"], abs=1e-3)
    assert found["import_modules"] == 3 and found["import_warm_seconds"] > 0.05
    assert 0 < found["import_touched_bytes"] <= found["installed_bytes"] + found["bytecode_bytes"]


def test_ledger_sums_to_the_whole(measured: Measured) -> None:
    ledger, found = measured.record["ledger"], figures(measured.record)
    for part in ("distributions", "types"):
        assert sum(line["bytes"] for line in ledger[part]) == found["installed_bytes"]
        assert sum(line["files"] for line in ledger[part]) == ledger["files"]
    assert [line["name"] for line in ledger["distributions"]] == ["tiny", "tiny-base"]
    assert sum(line["bytecode_bytes"] for line in ledger["distributions"]) == found["bytecode_bytes"]
    assert ledger["largest"][0]["path"].endswith("tiny_package/weights.bin")
    twice = ledger["duplicates"]["largest"][0]
    assert twice["bytes"] == len(CODE)
    assert [Path(path).name for path in twice["paths"]] == ["copy_of_data.py", "data.py"]


def test_import_package_of_an_uncatalogued_distribution_is_read_from_its_wheel(measured: Measured) -> None:
    assert measured.row["import_package"] == "tiny_package"
    assert "tiny_package.slow" in [line["module"] for line in measured.record["import_tree"]["by_own"]]


def test_locks_are_the_requirements_file_and_name_no_host(measured: Measured, shelf: LoopbackIndex) -> None:
    (folder,) = measured.program.results.glob("locks/*")
    requirements = (folder / "requirements.txt").read_bytes()
    assert hashlib.sha256(requirements).hexdigest() == measured.record["lock_sha256"] == measured.row["lock_sha256"]
    everything = requirements + (folder / "pylock.toml").read_bytes() + measured.replay_of.read_bytes()
    assert shelf.host.encode() not in everything and b"://" not in everything


def test_the_table_is_on_standard_output_and_the_phases_are_not(measured: Measured) -> None:
    out, err = measured.ended.stdout, measured.ended.stderr
    for line in ("tiny 1.0", "installer (its own wheel)", "import, warm", "tiny-base 1.0"):
        assert line in out
    phases = " ".join(line.split()[2] for line in err.splitlines() if " s  " in line)
    assert phases == "plan engine resolve download install ledger import bytecode import record"


def test_bytecode_of_what_starts_with_the_interpreter_is_no_installed_byte(
    engine_name: str, program: Program, index: LoopbackIndex, tmp_path: Path
) -> None:
    """As setuptools does: every start of the environment's interpreter imports a module."""
    files = {"starter.pth": b"import starter_hook\n", "starter_hook.py": b"HOOKED = True\n", "starter.py": b""}
    index.add(build_wheel(tmp_path, "starter", files=files))
    ended = program.measure("starter==1.0", *AS_OF, "--engine", engine_name, "--repeats", "1")
    assert ended.status == 0, ended.stderr
    assert ".pyc" not in {line["name"] for line in program.record["ledger"]["types"]}
    assert program.record["figures"]["bytecode_bytes"] > 0


def test_second_run_reuses_the_lock_and_downloads_nothing(measured: Measured, shelf: LoopbackIndex) -> None:
    program = measured.program
    shelf.requests.clear()
    ended = program.measure("tiny==1.0", *AS_OF, "--engine", measured.record["engine"])
    assert ended.status == 0, ended.stderr
    assert {path for path in shelf.counts if path.startswith("/files/")} <= {
        shelf.file("tiny-1.0-py3-none-any.whl") + ".metadata"
    }
    again = program.records[-1]
    assert sizes(again) == sizes(measured.record)
    assert again["lock_sha256"] == measured.record["lock_sha256"]
    assert again["absent"]["resolve_seconds"] == "the job's lock was there already"
    assert again["absent"]["download_seconds"] == "wheels were in the wheelhouse already"
    assert len(list(program.results.glob("locks/*"))) == 1
    assert len(program.rows) == len(program.records) >= 2


def test_replay_is_faithful(measured: Measured) -> None:
    before = len(measured.program.records)
    arguments = ("replay", str(measured.replay_of), "--results", str(measured.program.results))
    ended = measured.program.run(*arguments, "--json", "--quiet")
    assert ended.status == 0, ended.stdout + ended.stderr
    told = json.loads(ended.stdout)
    assert told["faithful"] and told["same_outcome"] and ended.stderr == ""
    equal = {line["figure"]: (line["record"], line["replay"]) for line in told["figures"] if line["exact"]}
    assert set(equal) == set(SIZES) and all(one == other for one, other in equal.values())
    assert len(measured.program.records) == before


def test_replay_of_an_altered_record_exits_3(measured: Measured, tmp_path: Path) -> None:
    document = json.loads(measured.replay_of.read_text())
    document["figures"]["installed_bytes"] += 1
    altered = tmp_path / "altered.json"
    altered.write_text(json.dumps(document))
    ended = measured.program.run("replay", str(altered), "--results", str(measured.program.results))
    assert ended.status == 3, ended.stderr
    (line,) = [line for line in ended.stdout.splitlines() if "DIFFERS" in line]
    assert "installed_bytes" in line and "NOT the same" in ended.stdout


@pytest.mark.engine
def test_sizes_are_the_same_in_both_engines(shelf: LoopbackIndex, new_program: Callable[[str], Program]) -> None:
    found, pythons = [], []
    for engine in ("docker", "venv"):
        program = new_program(shelf.url)
        ended = program.measure("tiny==1.0", *AS_OF, "--engine", engine)
        assert ended.status == 0, ended.stderr
        found.append(sizes(program.record))
        pythons.append(program.record["python"])
    if pythons[0] != pythons[1]:  # another Python's bytecode, and other modules loaded before the import
        for one in found:
            del one["bytecode_bytes"], one["import_modules"]
    assert found[0] == found[1]


def test_quiet_json_is_json_and_nothing_else(program: Program, index: LoopbackIndex, tmp_path: Path) -> None:
    index.add(build_wheel(tmp_path, "plain"))
    ended = program.measure("plain==1.0", "--engine", "venv", "--quiet", "--json", "--installer", "uv")
    assert ended.status == 0 and ended.stderr == ""
    (record,) = json.loads(ended.stdout)
    assert record == program.record
    assert record["environment"]["installer"].startswith("uv ") and record["installer"] == "uv"


def test_as_of_picks_the_release_of_its_day(shelf: LoopbackIndex, new_program: Callable[[str], Program]) -> None:
    program = new_program(shelf.url)
    ended = program.measure("tiny", "--as-of", "2024-04-01", "--engine", "venv")
    assert ended.status == 0, ended.stderr
    assert "the newest final release is 1.1" in ended.stderr
    assert (program.record["version"], program.record["as_of"]) == ("1.1", "2024-04-02T00:00:00Z")


def test_as_of_holds_for_dependencies_too(program: Program, index: LoopbackIndex, tmp_path: Path) -> None:
    index.add(build_wheel(tmp_path, "plain", requires=["base"]))
    for version, uploaded in (("1.0", IN_MARCH), ("2.0", IN_MAY)):
        index.add(build_wheel(tmp_path, "base", version), upload_time=uploaded)
    ended = program.measure("plain==1.0", "--as-of", "2024-04-01", "--engine", "venv")
    assert ended.status == 0, ended.stderr
    assert [(wheel["name"], wheel["version"]) for wheel in program.record["wheels"]] == [
        ("base", "1.0"),
        ("plain", "1.0"),
    ]


def test_variant_comes_from_its_own_index(program: Program, index: LoopbackIndex, tmp_path: Path) -> None:
    index.add(build_wheel(tmp_path, "torch", "2.3.0"))
    with LoopbackIndex() as cpu:
        for version in ("2.2.0+cpu", "2.3.0+cpu"):
            cpu.add(build_wheel(tmp_path, "torch", version))
        there = {"HARNESS_INDEX_PYTORCH_CPU": cpu.url}
        arguments = ("--variant", "cpu", *AS_OF, "--engine", "venv")
        for request in ("torch==2.2.0", "torch"):
            ended = program.measure(request, *arguments, environment=there)
            assert ended.status == 0, ended.stderr
        refused = program.measure("torch==2.4.0", *arguments, environment=there)
        assert refused.status == 2 and "nearest: 2.3.0+cpu" in refused.told[1]
    assert [(row["version"], row["variant"]) for row in program.rows] == [("2.2.0+cpu", "cpu"), ("2.3.0+cpu", "cpu")]
    assert index.requests == []


def test_yanked_release_is_measured_and_flagged(program: Program, index: LoopbackIndex, tmp_path: Path) -> None:
    index.add(build_wheel(tmp_path, "plain", "1.0"))
    index.add(build_wheel(tmp_path, "plain", "1.1"), yanked="broken on Mondays")
    ended = program.measure("plain==1.1", "--engine", "venv")
    assert ended.status == 0, ended.stderr
    assert [wheel["yanked"] for wheel in program.record["wheels"]] == [True]
    assert "plain 1.1 was yanked" in program.record["warnings"] and "plain 1.1 was yanked" in ended.stdout


def test_what_no_installer_could_take_is_unsupported_and_the_rest_is_measured(
    program: Program, index: LoopbackIndex, tmp_path: Path
) -> None:
    index.add(("source-only-1.0.tar.gz", b"not looked into"))
    index.add(build_wheel(tmp_path, "old-python", tag="cp27-cp27mu-manylinux1_x86_64"))
    index.add(build_wheel(tmp_path, "other-system", tag="py3-none-win_amd64"))
    index.add(build_wheel(tmp_path, "needs-newer", requires_python=">=3.99"))
    index.add(build_wheel(tmp_path, "needs-source", requires=["source-only"]))
    index.add(build_wheel(tmp_path, "quarrel", requires=["left", "right"]))
    index.add(build_wheel(tmp_path, "left", requires=["base<2"]))
    index.add(build_wheel(tmp_path, "right", requires=["base>=2"]))
    for version in ("1.0", "2.0"):
        index.add(build_wheel(tmp_path, "base", version))
    names = ("source-only", "old-python", "other-system", "needs-newer", "needs-source", "quarrel")
    ended = program.measure(*(f"{name}==1.0" for name in names), "base==2.0", "--engine", "venv")
    assert ended.status == 1, ended.stderr
    found = {row["framework"]: row for row in program.rows}
    expected = {
        "source-only": ("unsupported", "no wheel: source-only==1.0 was released as a source distribution only"),
        "old-python": ("unsupported", "there are wheels for cp27"),
        "other-system": ("unsupported", "there are wheels for win_amd64"),
        "needs-newer": ("unsupported", "its wheels want Python >=3.99"),
        "needs-source": ("unsupported", "no wheel: source-only, which it needs, has source distributions only"),
        "quarrel": ("failed", "dependency conflict: "),
        "base": ("ok", ""),
    }
    for name, (status, reason) in expected.items():
        assert found[name]["status"] == status and reason in found[name]["reason"], found[name]
        assert (found[name]["phase"] == "resolve") == (status != "ok")
        assert (found[name]["installed_bytes"] == "") == (status != "ok")
    assert "base<2" in found["quarrel"]["reason"] and "base>=2" in found["quarrel"]["reason"]
    for record in program.records:
        assert all(record["absent"][name] for name, value in record["figures"].items() if value is None)


IMPORTS = {
    "raises": (b"raise ValueError('no such luck')\n", "ValueError: no such luck"),
    "segfaults": (b"import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", "crash SIGSEGV"),
    "exits-early": (b"import os\nos._exit(0)\n", "exited 0 before the import was done"),
    "hangs": (b"import time\ntime.sleep(3600)\n", "timeout: the import was still running after 20 s"),
    "hogs": (b"hoard = bytearray(2**30)\nhoard[::4096] = b'x' * 2**18\n", "oom: the import needed more than 256 MiB"),
    "forges": (b"import os, sys\nos.write(int(sys.argv[3]), b'0 1 1 1\\n')\n", "a result of its own making"),
}


def test_imports_that_fail_keep_their_sizes_and_stop_nobody_else(
    engine_name: str, program: Program, index: LoopbackIndex, tmp_path: Path
) -> None:
    for name, (code, _) in IMPORTS.items():
        index.add(build_wheel(tmp_path, name, files={f"{name.replace('-', '_')}/__init__.py": code}))
    index.add(
        build_wheel(tmp_path, "chatters", files={"chatters.py": b"for _ in range(2**10):\n    print('{}' * 2**19)\n"})
    )
    index.add(wheel_with_path(tmp_path, "../../climbed.py"))
    names = [*IMPORTS, "malformed", "chatters"]
    ended = program.measure(
        *(f"{name}==1.0" for name in names),
        "--engine",
        engine_name,
        "--timeout",
        "20",
        "--memory",
        "256MiB",
        "--repeats",
        "1",
    )
    assert ended.status == 1, ended.stderr
    rows = {row["framework"]: row for row in program.rows}
    assert sorted(rows) == sorted(names)
    for name, (_, reason) in IMPORTS.items():
        row = rows[name]
        assert (row["status"], row["phase"]) == ("failed", "import") and reason in row["reason"], row
        for figure in ("wheel_bytes", "unpacked_bytes", "installed_bytes", "bytecode_bytes", "install_seconds"):
            assert row[figure], (name, figure)
        assert row["import_warm_seconds"] == ""
        assert reason in ended.stdout
    assert (rows["malformed"]["status"], rows["malformed"]["phase"]) == ("failed", "download")
    assert "malformed-1.0-py3-none-any.whl climbs out of its folder: '../../climbed.py'" in rows["malformed"]["reason"]
    assert rows["malformed"]["installed_bytes"] == "" and rows["malformed"]["wheel_bytes"]
    assert rows["chatters"]["status"] == "ok"  # a gigabyte that it prints is no result, and no hindrance
    assert not list(tmp_path.rglob("climbed.py"))


def test_nothing_ambient_changes_a_lock(
    engine_name: str, program: Program, index: LoopbackIndex, tmp_path: Path
) -> None:
    index.add(build_wheel(tmp_path / "good", "plain", requires=["base"]))
    index.add(build_wheel(tmp_path / "good", "base", "1.0"))
    decoys = tmp_path / "decoys"
    with LoopbackIndex() as other:
        other.add(build_wheel(decoys, "base", "9.0"))
        (program.home / ".config" / "pip").mkdir(parents=True)
        settings = f"[global]\nextra-index-url = {other.url}\nfind-links = {decoys}\npre = true\n"
        (program.home / ".config" / "pip" / "pip.conf").write_text(settings)
        (program.home / ".pip").mkdir()
        (program.home / ".pip" / "pip.conf").write_text(settings)
        shadow = tmp_path / "shadow"
        shadow.mkdir()
        (shadow / "base.py").write_text("raise RuntimeError('from PYTHONPATH')\n")
        ambient = {
            "PIP_EXTRA_INDEX_URL": other.url,
            "PIP_INDEX_URL": other.url,
            "PIP_FIND_LINKS": str(decoys),
            "PIP_CONFIG_FILE": str(program.home / ".pip" / "pip.conf"),
            "PIP_PRE": "1",
            "PIP_NO_DEPS": "1",
            "PIP_CONSTRAINT": str(tmp_path / "missing.txt"),
            "UV_INDEX_URL": other.url,
            "UV_EXTRA_INDEX_URL": other.url,
            "PYTHONPATH": str(shadow),
            "PYTHONSTARTUP": str(shadow / "base.py"),
        }
        ended = program.measure("plain==1.0", *AS_OF, "--engine", engine_name, environment=ambient)
        assert ended.status == 0, ended.stderr
        assert other.requests == []
    assert [(wheel["name"], wheel["version"]) for wheel in program.record["wheels"]] == [
        ("base", "1.0"),
        ("plain", "1.0"),
    ]
