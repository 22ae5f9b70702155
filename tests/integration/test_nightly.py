"""Nights of tiny wheels, through the whole program: planned once, finished by the next start, loud where rows lack."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.archive.store import PUBLISHED
from tests.conftest import HERE
from tests.support.loopback import LoopbackIndex
from tests.support.program import Ended, Program, eventually
from tests.support.wheels import build_wheel

pytestmark = pytest.mark.integration

CATALOG = """
[framework.tiny]
import = "tiny"
[framework.other]
import = "other"
"""
MB = 1_000_000


def on(day: int, hour: int = 12) -> datetime:
    return datetime(2024, 3, day, hour, tzinfo=UTC)


class Nights:
    """A small catalog, an index that gets releases, and nights of March 2024."""

    def __init__(self, program: Program, index: LoopbackIndex, folder: Path) -> None:
        self.results = program.results
        program.results = program.results / PUBLISHED  # a night publishes, unless told otherwise
        self.program, self.index, self.folder = program, index, folder
        self.catalog = folder / "catalog.toml"
        self.catalog.write_text(CATALOG)
        self.release("base", "1.0", on(1), MB)
        self.release("tiny", "1.0", on(1), MB, requires=["base"])
        self.release("other", "1.0", on(1), MB)

    def release(self, name: str, version: str, at: datetime, size: int, **more: Any) -> None:
        """A version with so much incompressible data; importing it takes a while, so that a night can be killed."""
        data = {
            f"{name}/__init__.py": b"import time\ntime.sleep(0.1)\n",
            f"{name}/data.bin": random.Random(name + version).randbytes(size),
        }
        self.index.add(build_wheel(self.folder / "wheels", name, version, files=data, **more), upload_time=at)

    def command(self, day: int, *arguments: str) -> list[str]:
        usual = ["--engine=venv", "--installer=uv", "--repeats=1", f"--python={HERE.python_version}", "--no-charts"]
        place = [f"--catalog={self.catalog}", f"--results={self.results}", f"--as-of=2024-03-{day - 1:02}"]
        return ["nightly", *usual, *place, *arguments]

    def night(self, day: int, *arguments: str) -> Ended:
        """The night that begins on a day: as of the end of the day before it."""
        return self.program.run(*self.command(day, *arguments))

    def begun(self, day: int) -> subprocess.Popen[bytes]:
        """The same, under way."""
        return subprocess.Popen(
            [sys.executable, "-m", "harness", *self.command(day)],
            env=self.program.environment,
            cwd=self.program.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def told(self, day: int, *arguments: str) -> dict[str, Any]:
        ended = self.night(day, "--json", *arguments)
        assert ended.stdout, ended.stderr
        found: dict[str, Any] = json.loads(ended.stdout)
        assert found["exit_status"] == ended.status
        return found


@pytest.fixture
def nights(program: Program, index: LoopbackIndex, tmp_path: Path) -> Nights:
    return Nights(program, index, tmp_path)


def versions(program: Program, ids: Sequence[str]) -> list[tuple[str, str, str]]:
    found = {one["record_id"]: one for one in program.records}
    return sorted((found[one]["framework"], found[one]["version"], found[one]["as_of"][:10]) for one in ids)


def test_the_first_night_measures_each_newest_release_in_both_series(nights: Nights) -> None:
    told = nights.told(5)
    assert (told["expected"], told["recorded"], told["exit_status"]) == (4, 4, 0)
    assert versions(nights.program, told["records"]) == [
        ("other", "1.0", "2024-03-02"),  # with the dependencies of the day of its release
        ("other", "1.0", "2024-03-05"),  # with those of the night
        ("tiny", "1.0", "2024-03-02"),
        ("tiny", "1.0", "2024-03-05"),
    ]


def test_the_same_night_again_does_nothing(nights: Nights) -> None:
    first = nights.told(5)
    again = nights.told(5)
    assert again == first
    assert len(nights.program.records) == 4


def test_a_new_release_is_found_and_its_growth_is_attributed(nights: Nights) -> None:
    assert nights.night(5).status == 0
    nights.release("tiny", "1.1", on(5, 23), MB, requires=["base", "extra"])
    nights.release("extra", "1.0", on(1), 3 * MB)
    ended = nights.night(6)
    assert ended.status == 3, ended.stderr
    assert "2 of 2 rows: 2 ok; 2 regressions" in ended.stdout
    (line,) = [one for one in ended.stdout.splitlines() if "installed +" in one]
    assert "tiny 1.0" in line and "tiny 1.1" in line
    assert "between releases; of which extra +3.00 MB" in line
    # both series of 1.1 begin with the one record of the night after its release
    assert [one["as_of"][:10] for one in nights.program.records if one["version"] == "1.1"] == ["2024-03-06"]


def test_a_dependency_that_grew_overnight_is_found_without_a_release(nights: Nights) -> None:
    assert nights.night(5).status == 0
    nights.release("base", "1.1", on(5), 4 * MB)
    told = nights.told(6)
    assert told["exit_status"] == 3
    (change,) = [one for one in told["sizes"] if one["figure"] == "installed_bytes"]
    assert change["series"] == "night"
    assert set(change["parts"]) == {"base"}
    assert 2.9 * MB < change["bytes"] < 3.1 * MB


def test_a_night_that_is_killed_is_finished_by_the_next_start(nights: Nights) -> None:
    with nights.begun(5) as process:
        eventually(lambda: len(nights.program.record_files) >= 2, 120)
        process.send_signal(signal.SIGKILL)
    had = {path: path.read_bytes() for path in nights.program.record_files}
    assert 2 <= len(had) < 4
    told = nights.told(5)
    assert (told["expected"], told["recorded"], told["exit_status"]) == (4, 4, 0)
    assert {path: path.read_bytes() for path in had} == had, "what was recorded is as it was"
    assert len(nights.program.records) == 4


def test_a_night_that_is_never_finished_is_named_by_the_next(nights: Nights) -> None:
    told = nights.told(5, "--max-download=1500kB")
    assert (told["recorded"] < 4, told["exit_status"]) == (True, 3)
    assert told["left_out"]
    ended = nights.night(6)
    assert "Earlier nights that lack rows" in ended.stdout
    again = f"--as-of 2024-03-05T00:00:00Z --engine venv --installer uv --python {HERE.python_version}"
    assert f"`harness nightly {again}`" in ended.stdout
    assert nights.told(5)["recorded"] == 4


def test_a_framework_that_is_not_on_the_index_fails_the_night(nights: Nights) -> None:
    nights.catalog.write_text(CATALOG + '[framework.ghost]\nimport = "ghost"\n')
    told = nights.told(5)
    assert told["exit_status"] == 1
    assert list(told["unplanned"]) == ["ghost"]
    assert told["recorded"] == 4


def test_an_index_that_is_away_plans_nothing(nights: Nights) -> None:
    nights.index.close()
    ended = nights.night(5)
    assert ended.status == 4
    assert not list(nights.program.results.glob("nights/*/*.json"))


def test_a_second_night_leaves_clearly_or_waits(nights: Nights) -> None:
    with nights.begun(5) as process:
        eventually(lambda: list(nights.program.results.glob("nights/*/*.json")), 60)
        second = nights.night(5)
        assert second.status == 4
        assert second.told == [
            f"error: a night is under way in {nights.program.results}: process {process.pid}",
            "tip: let it end, or add --wait",
        ]
        waited = nights.night(5, "--wait")
        assert process.wait(60) == 0
    assert waited.status == 0, waited.stderr
    assert len(nights.program.records) == 4


def test_a_night_begins_at_midnight(nights: Nights) -> None:
    ended = nights.program.run(*nights.command(5)[:-1], "--as-of=2024-03-04T12:00:00Z")
    assert (ended.status, ended.told[0]) == (2, "error: a night begins at midnight, UTC, not at 2024-03-04T12:00:00Z")


def test_the_summary_is_kept_and_its_links_lead_to_records(nights: Nights) -> None:
    ended = nights.night(5)
    (page,) = nights.program.results.glob("nights/2024/*.md")
    assert page.read_text() == ended.stdout
    links = [one.split(")")[0] for one in ended.stdout.split("](")[1:]]
    assert len(links) == 4
    assert all((page.parent / link).is_file() for link in links)


def test_a_night_of_ones_own_is_planned_and_measured_beside_the_published_one(nights: Nights) -> None:
    assert nights.told(5)["recorded"] == 4
    published = {path: path.read_bytes() for path in nights.program.record_files}
    told = nights.told(5, "--no-publish", "--max-download=1500kB")
    own = list(nights.results.glob("records/*/*.json"))
    assert 0 < len(own) == told["recorded"] < 4, "what is published is still to be measured"
    assert {path: path.read_bytes() for path in nights.program.record_files} == published
    assert told["summary"].startswith(f"{nights.results}/nights/2024/")
    assert "`harness nightly --no-publish --as-of" in nights.night(6, "--no-publish", "--max-download=1kB").stdout
