"""What a night plans, asked of a real index: nothing that was released is ever lost between two nights."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.archive.store import Nights, Records
from harness.catalogs.frameworks import load
from harness.documents.night import Night
from harness.fleet.planning import Planner, plan_night
from harness.progress import Silent
from tests.conftest import HERE, PLATFORM
from tests.support.loopback import LoopbackIndex
from tests.support.wheels import build_wheel

pytestmark = pytest.mark.integration

CATALOG = '[framework.tiny]\nimport = "tiny"\n[framework.other]\nimport = "other"\n'


def on(day: int, hour: int = 12) -> datetime:
    return datetime(2024, 3, day, hour, tzinfo=UTC)


class Series:
    """A small catalog, an index, and nights that are planned and never measured."""

    def __init__(self, index: LoopbackIndex, folder: Path) -> None:
        self.index, self.folder = index, folder
        (folder / "catalog.toml").write_text(CATALOG)
        for name in ("tiny", "other"):
            self.release(name, "1.0", on(1))

    def release(self, name: str, version: str, at: datetime, **more: Any) -> None:
        self.index.add(build_wheel(self.folder / "wheels", name, version, **more), upload_time=at)

    def plan(self, day: int, *frameworks: str, pythons: Sequence[tuple[int, int]] = (HERE.python,)) -> Night:
        store = Records(self.folder / "results")
        catalog = load(self.folder / "catalog.toml")
        planner = Planner(catalog, store, "venv", PLATFORM, self.index.url, Silent())
        night = plan_night(planner, frameworks, pythons, "pip", on(day, 0), on(day, 2))
        Nights(store.results).add(night)
        return night


@pytest.fixture
def series(index: LoopbackIndex, tmp_path: Path) -> Series:
    return Series(index, tmp_path)


def released(night: Night) -> list[tuple[str, str, int]]:
    """Of the series of releases: framework, version, day of March as of which it is measured."""
    return sorted((one.framework, one.version, one.as_of.day) for one in night.jobs if "release" in one.series)


def test_releases_since_the_last_night_each_as_of_its_own_day(series: Series) -> None:
    assert released(series.plan(5)) == [("other", "1.0", 2), ("tiny", "1.0", 2)]
    series.release("other", "1.1", on(6))
    series.release("other", "1.2", on(8))
    night = series.plan(11)
    assert released(night) == [("other", "1.1", 7), ("other", "1.2", 9)]
    assert sorted((one.framework, one.version) for one in night.jobs if "night" in one.series) == [
        ("other", "1.2"),
        ("tiny", "1.0"),
    ]


def test_a_night_of_one_framework_takes_nothing_from_the_others(series: Series) -> None:
    series.plan(5)
    series.release("other", "1.1", on(5))
    assert released(series.plan(6, "tiny")) == []
    assert released(series.plan(7)) == [("other", "1.1", 6)]


def test_a_framework_that_could_not_be_planned_is_made_up_for(series: Series) -> None:
    series.plan(5)
    (series.folder / "catalog.toml").write_text(CATALOG.replace("framework.other", "framework.ghost"))
    assert list(series.plan(6).unplanned) == ["ghost"]
    (series.folder / "catalog.toml").write_text(CATALOG)
    series.release("other", "1.1", on(5))
    assert released(series.plan(7)) == [("other", "1.1", 6)]


def test_a_wheel_that_comes_after_those_of_other_platforms_is_no_lesser_release(series: Series) -> None:
    series.plan(5)
    series.release("tiny", "1.1", on(5, 23), tag="py3-none-win_amd64")
    assert released(series.plan(6)) == [("tiny", "1.1", 6)]  # a row that says that there is none for this platform
    series.release("tiny", "1.1", on(6, 1), tag="py3-none-manylinux_2_17_x86_64")
    assert released(series.plan(7)) == [("tiny", "1.1", 7)]
    assert released(series.plan(8)) == []
