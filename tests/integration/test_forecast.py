"""A forecast, from a real index over HTTP: right, or refused; cheap; and never made without being asked for."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.packages import peek
from tests.support.loopback import UPLOADED, Fault, LoopbackIndex, status
from tests.support.program import Ended, Program
from tests.support.wheels import bomb, build_wheel, wheel_with_path

pytestmark = pytest.mark.integration

BIG = 3 * peek.TAIL_BYTES
LINUX, MAC, WINDOWS = "manylinux_2_17_x86_64", "macosx_11_0_arm64", "win_amd64"


def noise(size: int) -> bytes:
    """Bytes that no compression makes smaller."""
    import random

    return random.Random(size).randbytes(size)


def forecast(program: Program, *arguments: str, **environment: str) -> Ended:
    return program.run(
        *("forecast", "--platform", "linux_x86_64", "--as-of", "2025-01-01", "--results", str(program.results)),
        *arguments,
        environment=environment,
    )


def told(program: Program, *arguments: str) -> dict[str, Any]:
    ended = forecast(program, "--json", *arguments)
    assert ended.status in (0, 1), ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def rows(program: Program) -> list[dict[str, str]]:
    with (program.results / "forecast.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def unpacked(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        return sum(entry.file_size for entry in archive.infolist())


@pytest.fixture
def closure(index: LoopbackIndex, tmp_path: Path) -> dict[str, Path]:
    """A framework with two dependencies, one of which is for other systems only."""
    made = {
        "top": build_wheel(
            tmp_path / "w",
            "top",
            files={"top/__init__.py": b"x = 1\n" * 500, "top/libtop.so": noise(BIG)},
            requires=["leaf>=1", "for-macs; sys_platform == 'darwin'"],
        ),
        "leaf": build_wheel(tmp_path / "w", "leaf", "1.5", files={"leaf.py": b"y = 2\n" * 90}),
        "for-macs": build_wheel(tmp_path / "w", "for-macs", files={"for_macs.py": b""}),
    }
    for path in made.values():
        index.add(path)
    return made


def test_a_closure_is_weighed_without_a_download(
    program: Program, index: LoopbackIndex, closure: dict[str, Path]
) -> None:
    found = told(program, "top==1.0")
    (one,) = found["forecasts"]
    wheels = [closure["leaf"], closure["top"]]
    assert one["status"] == "ok" and one["stage"] == "forecast" and one["scope"] == "closure"
    assert [wheel["filename"] for wheel in one["wheels"]] == [path.name for path in wheels]
    assert one["figures"]["wheel_bytes"] == closure["top"].stat().st_size
    assert one["figures"]["download_bytes"] == sum(path.stat().st_size for path in wheels)
    assert one["figures"]["unpacked_bytes"] == sum(map(unpacked, wheels))
    assert sum(line["bytes"] for line in one["types"]) == one["figures"]["unpacked_bytes"]
    assert one["largest"][0] == {"path": "top/libtop.so", "distribution": "top", "bytes": BIG}
    moved = found["cost"]["moved_bytes"]
    assert 0 < moved < 0.5 * found["cost"]["spared_bytes"] == 0.5 * one["figures"]["download_bytes"]
    assert not list(program.cache.glob("wheels/**/top-*.whl"))
    (row,) = rows(program)
    assert row["record_id"] == one["record_id"] and row["unpacked_bytes"] == str(one["figures"]["unpacked_bytes"])


def test_another_platform_has_another_closure(program: Program, closure: dict[str, Path]) -> None:
    (one,) = told(program, "top==1.0", "--platform", "macos_arm64")["forecasts"]
    assert [wheel["name"] for wheel in one["wheels"]] == ["for-macs", "leaf", "top"]
    assert one["platform"] == "macos_arm64"


def test_directories_are_kept_for_ever(program: Program, index: LoopbackIndex, closure: dict[str, Path]) -> None:
    first = told(program, "top==1.0")
    asked = index.counts[index.file(closure["top"].name)]
    again = told(program, "top==1.0")
    assert asked == 1 and index.counts[index.file(closure["top"].name)] == 1
    assert again["cost"]["cached"] == 2 and first["cost"]["cached"] == 0
    assert again["forecasts"][0]["record_id"] == first["forecasts"][0]["record_id"]
    assert len(rows(program)) == 1


@pytest.mark.parametrize("harm", ["cut", "flipped", "emptied"])
def test_a_harmed_cache_is_not_believed(
    program: Program, index: LoopbackIndex, closure: dict[str, Path], harm: str
) -> None:
    first = told(program, "top==1.0")
    for path in program.cache.glob("directories/*/*"):
        data = bytearray(path.read_bytes())
        if harm == "flipped":
            data[data.index(b"unpacked_bytes") + 17] ^= 1
        path.write_bytes(b"" if harm == "emptied" else bytes(data) if harm == "flipped" else bytes(data[:40]))
    again = told(program, "top==1.0")
    assert again["cost"]["cached"] == 0
    assert again["forecasts"][0]["figures"] == first["forecasts"][0]["figures"]


def test_a_directory_longer_than_the_first_look(program: Program, index: LoopbackIndex, tmp_path: Path) -> None:
    files = {f"many/{number:05}_{'x' * 90}.py": b"" for number in range(2_000)}
    path = build_wheel(tmp_path, "many", files={"many/__init__.py": b"", "many/blob": noise(BIG), **files})
    index.add(path)
    (one,) = told(program, "many==1.0")["forecasts"]
    assert one["figures"]["wheel_files"] == len(zipfile.ZipFile(path).infolist())
    assert one["figures"]["wheel_unpacked_bytes"] == unpacked(path)
    assert index.counts[index.file(path.name)] == 2


# History


@pytest.fixture
def history(index: LoopbackIndex, tmp_path: Path) -> list[Path]:
    """Four finals of `top`, one of them for another Python only, a pre-release, and a dependency that grew later."""
    made = []
    for number, version in enumerate(("1.0", "1.1", "1.2rc1", "1.2")):
        path = build_wheel(
            tmp_path / "w", "top", version, files={"top.py": b"#" * 1000 * (number + 1)}, requires=["leaf"]
        )
        index.add(path, upload_time=UPLOADED + timedelta(days=30 * number))
        made.append(path)
    index.add(
        build_wheel(tmp_path / "w", "top", "1.3", files={"top.py": b""}, tag="cp39-cp39-win_amd64"),
        upload_time=UPLOADED + timedelta(days=200),
    )
    index.add(build_wheel(tmp_path / "w", "leaf", "1.0", files={"leaf.py": b"1"}), upload_time=UPLOADED)
    index.add(
        build_wheel(tmp_path / "w", "leaf", "2.0", files={"leaf.py": b"2" * 5000}),
        upload_time=UPLOADED + timedelta(days=40),
    )
    return made


def test_every_final_release_with_a_wheel_is_a_row(program: Program, history: list[Path]) -> None:
    found = told(program, "top", "--releases")["forecasts"]
    assert [one["version"] for one in found] == ["1.0", "1.1", "1.2"]
    assert [one["figures"]["wheel_unpacked_bytes"] for one in found] == [
        unpacked(path) for path in history if "rc" not in path.name
    ]
    assert {one["scope"] for one in found} == {"wheel"}
    assert all(one["figures"]["download_bytes"] is None for one in found)
    assert [one["uploaded_at"][:10] for one in found] == ["2024-01-01", "2024-01-31", "2024-03-31"]


def test_pre_releases_are_asked_for(program: Program, history: list[Path]) -> None:
    found = told(program, "top", "--releases", "--pre")["forecasts"]
    assert [one["version"] for one in found] == ["1.0", "1.1", "1.2rc1", "1.2"]


def test_each_release_is_locked_as_of_its_own_day(program: Program, history: list[Path]) -> None:
    found = told(program, "top", "--releases", "--with-deps")["forecasts"]
    leaves = [wheel["version"] for one in found for wheel in one["wheels"] if wheel["name"] == "leaf"]
    assert leaves == ["1.0", "1.0", "2.0"]
    assert [one["as_of"] for one in found] == ["2024-01-02T00:00:00Z", "2024-02-01T00:00:00Z", "2024-04-01T00:00:00Z"]


def test_a_history_as_of_a_day_knows_no_later_release(program: Program, history: list[Path]) -> None:
    found = told(program, "top", "--releases", "--as-of", "2024-02-15")["forecasts"]
    assert [one["version"] for one in found] == ["1.0", "1.1"]


def test_a_release_that_could_not_be_installed_on_its_day_is_a_row(
    program: Program, index: LoopbackIndex, tmp_path: Path
) -> None:
    index.add(build_wheel(tmp_path, "top", requires=["late==1.0"]))
    index.add(build_wheel(tmp_path, "late"), upload_time=UPLOADED + timedelta(days=3))
    ended = forecast(program, "top", "--releases", "--with-deps")
    assert ended.status == 1
    (row,) = rows(program)
    assert (row["status"], row["phase"]) == ("failed", "lock") and "late" in row["reason"]
    assert row["unpacked_bytes"] == "" and int(row["wheel_bytes"]) > 0, "what was reached is kept"


def test_all_of_the_catalog_in_one_command(
    program: Program, index: LoopbackIndex, history: list[Path], tmp_path: Path
) -> None:
    catalog = tmp_path / "catalog.toml"
    catalog.write_text('[framework.top]\nimport = "top"\n[framework.leaf]\nimport = "leaf"\n')
    found = told(program, "--all", "--releases", "--catalog", str(catalog))["forecasts"]
    assert [(one["framework"], one["version"]) for one in found] == [
        *(("top", version) for version in ("1.0", "1.1", "1.2")),
        *(("leaf", version) for version in ("1.0", "2.0")),
    ]


# Platforms


def test_the_matrix_tells_where_there_is_a_wheel(program: Program, index: LoopbackIndex, tmp_path: Path) -> None:
    for number, tag in enumerate(
        (f"cp311-cp311-{LINUX}", f"cp312-cp312-{LINUX}", f"cp312-cp312-{MAC}", f"cp39-abi3-{WINDOWS}")
    ):
        index.add(build_wheel(tmp_path, "top", files={"top.py": b"#" * (number + 1)}, tag=tag))
    ended = forecast(program, "--platforms", "top==1.0")
    assert ended.status == 0, ended.stderr
    there = {(row["python"], row["platform"]) for row in rows(program) if row["status"] == "ok"}
    assert there == {
        *((f"3.{minor}", "windows_x86_64") for minor in range(9, 15)),
        ("3.11", "linux_x86_64"),
        ("3.12", "linux_x86_64"),
        ("3.12", "macos_arm64"),
    }
    assert len(rows(program)) == 24
    assert {row["status"] for row in rows(program)} == {"ok", "unsupported"}
    assert "no wheel" in ended.stdout and "macos_arm64" in ended.stdout


def test_requires_python_keeps_a_wheel_from_a_target(program: Program, index: LoopbackIndex, tmp_path: Path) -> None:
    index.add(build_wheel(tmp_path, "top", requires_python=">=3.12"))
    forecast(program, "--platforms", "top==1.0")
    assert {row["python"] for row in rows(program) if row["status"] == "ok"} == {"3.12", "3.13", "3.14"}


# Refused, or asked for


def test_without_range_requests_nothing_is_downloaded(
    program: Program, closure: dict[str, Path], index: LoopbackIndex
) -> None:
    index.ranges = False
    ended = forecast(program, "top==1.0")
    assert ended.status == 1
    (row,) = rows(program)
    assert (row["status"], row["phase"], row["reason"]) == ("unsupported", "peek", "no range requests")
    assert not list(program.cache.glob("wheels/**/top-*.whl"))


def test_a_download_is_made_when_asked_for(program: Program, closure: dict[str, Path], index: LoopbackIndex) -> None:
    by_range = told(program, "top==1.0")["forecasts"][0]
    for path in program.cache.glob("directories/*/*"):
        path.unlink()
    index.ranges = False
    downloaded = told(program, "top==1.0", "--allow-download")["forecasts"][0]
    assert downloaded["figures"] == by_range["figures"] and downloaded["record_id"] == by_range["record_id"]
    assert list(program.cache.glob("wheels/**/top-*.whl"))


LIES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a byte longer": (lambda data: data + b"\0", "has not the"),
    "a byte shorter": (lambda data: data[:-1], "has not the"),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_index_that_lies_about_a_size_is_refused(
    program: Program, index: LoopbackIndex, closure: dict[str, Path], lie: str
) -> None:
    change, says = LIES[lie]
    index.spoil(index.file(closure["top"].name), Fault(body=change))
    forecast(program, "top==1.0")
    (row,) = rows(program)
    assert row["status"] == "failed" and says in row["reason"]


MALFORMED: dict[str, Callable[[Path], Path]] = {
    "climbs out": lambda folder: wheel_with_path(folder, "../climbed.py"),
    "is a bomb": bomb,
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_wheel_that_measuring_would_refuse_is_refused(
    program: Program, index: LoopbackIndex, tmp_path: Path, kind: str
) -> None:
    index.add(MALFORMED[kind](tmp_path))
    forecast(program, "malformed==1.0")
    (row,) = rows(program)
    assert (row["status"], row["phase"]) == ("failed", "peek"), row
    assert row["unpacked_bytes"] == "" and "malformed" in row["reason"]


@pytest.mark.parametrize("times", [1, 2])
def test_an_index_in_trouble_is_asked_again(
    program: Program, index: LoopbackIndex, closure: dict[str, Path], times: int
) -> None:
    index.spoil(index.file(closure["top"].name), status(503), times=times)
    (one,) = told(program, "top==1.0")["forecasts"]
    assert one["status"] == "ok"


def test_a_body_that_breaks_off_is_asked_for_again(
    program: Program, index: LoopbackIndex, closure: dict[str, Path]
) -> None:
    index.spoil(index.file(closure["top"].name), Fault(cut=True), times=1)
    (one,) = told(program, "top==1.0")["forecasts"]
    assert one["status"] == "ok"
    assert index.counts[index.file(closure["top"].name)] == 2


def test_one_wheel_that_cannot_be_had_does_not_stop_the_others(
    program: Program, index: LoopbackIndex, history: list[Path]
) -> None:
    index.spoil(index.file(history[1].name), status(403))
    ended = forecast(program, "top", "--releases")
    assert ended.status == 1
    assert [(row["version"], row["status"]) for row in rows(program)] == [
        ("1.0", "ok"),
        ("1.1", "failed"),
        ("1.2", "ok"),
    ]


def test_no_address_is_told(program: Program, index: LoopbackIndex, history: list[Path]) -> None:
    index.spoil(index.file(history[1].name), status(403))
    ended = forecast(program, "top", "--releases", "--with-deps")
    assert not re.search(r"https?://|127\.0\.0\.1", ended.stdout + (program.results / "forecast.csv").read_text())


INPUTS = {
    "two questions": (["top", "--releases", "--platforms"], "two questions"),
    "all of what is named": (["top", "--releases", "--all"], "frameworks are named"),
    "all without releases": (["--all"], "belongs to --releases"),
    "pre without releases": (["top", "--pre"], "belongs to --releases"),
    "no framework": ([], "no framework given"),
    "odd platform": (["top", "--platform", "beos"], "platform 'beos' is not one of"),
    "odd Python": (["top", "--python", "3.99"], "cannot be measured"),
    "unknown variant": (["top", "--variant", "gold"], "no variant 'gold'"),
    "future": (["top", "--as-of", "2999-01-01"], "in the future"),
    "misspelt": (["torhc"], "did you mean torch?"),
}


@pytest.mark.parametrize("kind", INPUTS)
def test_what_cannot_be_meant_is_refused(program: Program, kind: str) -> None:
    arguments, says = INPUTS[kind]
    ended = program.run("forecast", "--results", str(program.results), *arguments)
    assert ended.status == 2 and says in " ".join(ended.told), ended.stderr
    assert "Traceback" not in ended.stderr and not (program.results / "forecast.csv").exists()


def test_make_hands_its_words_over(program: Program, history: list[Path]) -> None:
    ended = program.make("forecast", "FRAMEWORK=top", "RELEASES=1", "DEPS=1", "PLATFORM=linux_x86_64")
    assert ended.status == 0, ended.stderr
    assert [row["scope"] for row in rows(program)] == ["closure"] * 3
    refused = program.make("forecast", "FRAMEWORK=top", "RELEASES=maybe")
    assert "neither yes nor no" in refused.stderr


# Verified against a measurement


@pytest.fixture
def installable(index: LoopbackIndex, tmp_path: Path) -> str:
    """Scripts of both kinds, data files, and a file that two distributions claim."""
    top = build_wheel(
        tmp_path / "w",
        "top",
        files={
            "top/__init__.py": b"x = 1\n" * 500,
            "shared/one.py": b"1\n",
            "top-1.0.data/scripts/old-style": b"#!python\nprint(1)\n",
            "top-1.0.data/data/share/top/table.csv": b"a,b\n",
            "top-1.0.data/purelib/top_extra.py": b"",
        },
        requires=["leaf"],
        scripts={"top-tool": "top:main"},
    )
    leaf = build_wheel(tmp_path / "w", "leaf", files={"leaf.py": b"y = 2\n", "shared/one.py": b"1\n"})
    for path in (top, leaf):
        index.add(path)
    return "top==1.0"


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_every_byte_between_forecast_and_installation_is_accounted_for(
    program: Program, engine_name: str, installable: str, installer: str
) -> None:
    measured = program.measure(installable, "--engine", engine_name, "--installer", installer)
    assert measured.status == 0, measured.stderr
    ended = program.run("verify-forecast", program.record["record_id"], "--results", str(program.results), "--json")
    found = json.loads(ended.stdout)
    assert ended.status == 0 and found["holds"] is True, found
    assert found["rest_bytes"] == 0 and found["other_wheels"] == []
    top = next(one for one in found["distributions"] if one["name"] == "top")
    accounted = {Path(one["path"]).name for one in top["accounts"]}
    assert {"INSTALLER", "RECORD", "top-tool", "old-style", "one.py"} <= accounted
    assert "every byte is accounted for" in (
        program.run("verify-forecast", program.record["record_id"], "--results", str(program.results)).stdout.lower()
    )


def test_a_published_record_is_verified_against_its_published_lock(program: Program, installable: str) -> None:
    assert program.measure(installable, "--engine", "venv", "--publish").status == 0
    (path,) = program.results.glob("published/records/*/*.json")
    ended = program.run("verify-forecast", path.stem, "--results", str(program.results))
    assert ended.status == 0, ended.stderr
    assert ended.stdout.startswith(f"{path.stem} (published)\n")


def test_a_record_that_is_not_what_was_forecast_is_told(program: Program, installable: str) -> None:
    assert program.measure(installable, "--engine", "venv").status == 0
    (path,) = program.record_files
    record = json.loads(path.read_text())
    record["ledger"]["distributions"][0]["bytes"] += 7
    path.write_text(json.dumps(record))
    ended = program.run("verify-forecast", str(path), "--results", str(program.results))
    assert ended.status == 3 and "+7 bytes unaccounted for" in ended.stdout


def test_a_record_that_lists_nothing_cannot_be_verified(program: Program, installable: str) -> None:
    assert program.measure(installable, "--engine", "venv").status == 0
    (path,) = program.record_files
    record = json.loads(path.read_text())
    record["ledger"]["written"] = None
    path.write_text(json.dumps(record))
    ended = program.run("verify-forecast", str(path), "--results", str(program.results))
    assert ended.status == 2 and "does not list what its installer wrote" in ended.stderr
