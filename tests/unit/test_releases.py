"""Which forecasts make a history, of which build, and which targets one version was forecast for."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness.archive import releases, select
from harness.archive.releases import History
from harness.documents.footprint import Figures
from harness.documents.forecast import Forecast
from tests.support.releases import FORECAST_AT, history, release, sized
from tests.unit.test_compare import record


def day(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}T12:00:00+00:00")


def only(*forecasts: Forecast) -> History:
    (found,) = releases.histories(forecasts)
    return found


def versions(found: History, figure: str = "unpacked_bytes") -> list[str]:
    return [point.version for point in found.points(figure)]


def test_points_are_in_the_order_of_upload_and_versions_are_compared_as_versions() -> None:
    found = only(
        release("torch", "2.10.0", day("2026-01-21")),
        release("torch", "2.9.0", day("2025-10-15")),
        release("torch", "2.9.2", day("2026-03-01")),
    )
    assert versions(found) == ["2.9.0", "2.10.0", "2.9.2"]
    assert [one.version for one in found.releases] == ["2.9.0", "2.9.2", "2.10.0"]
    assert [point.leads for point in found.points("unpacked_bytes")] == [True, True, False]
    assert [[point.version for point in run] for run in found.runs("unpacked_bytes")] == [["2.9.0", "2.10.0"]]


def test_a_closure_tells_of_the_own_wheel_too_and_a_forecast_of_the_wheel_where_there_is_none() -> None:
    both = only(release("torch", "1.0", day("2026-01-01"), scope="wheel"), release("torch", "1.0", day("2026-01-01")))
    (one,) = both.releases
    assert one.forecasts == (one.closure,) and one.wheel is one.closure
    failed = release("torch", "1.0", day("2026-01-01"), status="failed")
    (other,) = only(release("torch", "1.0", day("2026-01-01"), scope="wheel"), failed).releases
    assert other.figure("wheel_bytes") == 2_000_000 and other.figure("unpacked_bytes") is None
    assert other.closure == failed and len(other.forecasts) == 2


def test_a_line_bridges_no_release_without_a_figure_and_no_change_of_method() -> None:
    made = history("torch", 6)
    made[2] = release("torch", "1.2.0", made[2].uploaded_at, status="failed")
    made[4] = made[4].model_copy(update={"method_version": 2})
    made[5] = made[5].model_copy(update={"method_version": 2})
    runs = only(*made).runs("unpacked_bytes")
    assert [[point.version for point in run] for run in runs] == [["1.0.0", "1.1.0"], ["1.3.0"], ["1.4.0", "1.5.0"]]


def test_a_closure_of_another_day_is_no_point_of_the_history_but_its_own_wheel_is() -> None:
    late = release("torch", "1.0", day("2026-01-01"), as_of=FORECAST_AT)
    assert versions(only(late)) == [] and versions(only(late), "wheel_bytes") == ["1.0"]
    punctual = release("torch", "1.0", day("2026-01-01"), figures=sized(7))
    assert [point.value for point in only(late, punctual).points("unpacked_bytes")] == [7_000_000]


def test_of_two_forecasts_of_one_release_the_newest_that_came_to_something_counts() -> None:
    first = release("torch", "1.0", day("2026-01-01"), figures=sized(1))
    again = release("torch", "1.0", day("2026-01-01"), figures=sized(2), forecast_at=FORECAST_AT + timedelta(days=1))
    failed = release("torch", "1.0", day("2026-01-01"), status="failed", forecast_at=FORECAST_AT + timedelta(days=2))
    for order in itertools.permutations((first, again, failed)):
        assert [point.value for point in only(*order).points("unpacked_bytes")] == [2_000_000]


def test_what_has_no_day_of_upload_has_no_place_in_time() -> None:
    assert versions(only(release("torch", "1.0", None))) == []


def test_a_framework_is_shown_in_its_default_build_and_then_in_the_one_with_most_releases() -> None:
    def chosen(*forecasts: Forecast) -> tuple[str, str, str]:
        (found,) = releases.leading(forecasts, [])
        _, variant, _, python, platform = found.build
        return variant, python, platform

    default = history("torch", 2, python="3.12")
    assert chosen(*default, *history("torch", 9, variant="cpu")) == ("pypi", "3.12", "linux_x86_64")
    assert chosen(*default, *history("torch", 9, extras=("opt",))) == ("pypi", "3.12", "linux_x86_64")
    assert chosen(*default, *history("torch", 3, python="3.9")) == ("pypi", "3.9", "linux_x86_64")
    assert chosen(*default, *history("torch", 2, platform="macos_arm64")) == ("pypi", "3.12", "linux_x86_64")


def test_of_builds_with_as_many_releases_the_one_that_was_measured_is_shown() -> None:
    forecasts = [*history("torch", 2, python="3.12"), *history("torch", 2, python="3.11")]
    assert [one.build[3] for one in releases.leading(forecasts, [])] == ["3.12"]
    one = record(framework="torch", python="3.11", platform="linux_x86_64", variant="pypi")
    assert [one.build[3] for one in releases.leading(forecasts, [one])] == ["3.11"]


def test_a_measurement_stands_beside_its_release_if_it_worked_and_is_of_the_same_build() -> None:
    found = only(release("torch", "2.3.0", day("2024-04-24")), release("torch", "2.4.0", day("2024-07-24")))
    _, variant, _, python, platform = found.build
    same: dict[str, Any] = {"framework": "torch", "variant": variant, "python": python, "platform": platform}
    same |= {"figures": Figures(installed_bytes=5_027_280_344)}
    works = record(record_id="works", version="2.3.0", **same)
    others = [
        record(record_id="failed", version="2.4.0", status="failed", phase="import", reason="no", **same),
        record(record_id="elsewhere", version="2.3.0", **same | {"python": "3.13"}),
        record(record_id="later", version="2.3.0", as_of=works.as_of + timedelta(days=700), **same),
        record(record_id="unknown", version="9.9", **same),
    ]
    others.append(record(record_id="sizeless", version="2.4.0", **same | {"figures": Figures()}))
    ((at, one),) = releases.measured(found, [*others, works])
    assert (at.version, one.record_id) == ("2.3.0", "works")


def test_targets_are_those_of_the_newest_version_that_has_several() -> None:
    made = [
        release("torch", "3.0", day("2026-05-01"), scope="wheel"),
        release("torch", "2.0", day("2026-01-01")),
        release("torch", "2.0", day("2026-01-01"), python="3.12", scope="wheel"),
        release("torch", "2.0", None, python="3.13", scope="wheel", status="unsupported", reason="no wheel"),
        release("torch", "1.0", day("2025-01-01"), scope="wheel"),
        release("torch", "1.0", day("2025-01-01"), platform="macos_arm64", scope="wheel"),
    ]
    found = releases.targets(made)
    assert found is not None and found.version == "2.0"
    assert {target: one.status for target, one in found.of.items()} == {
        ("3.11", "linux_x86_64"): "ok",
        ("3.12", "linux_x86_64"): "ok",
        ("3.13", "linux_x86_64"): "unsupported",
    }
    assert releases.targets(made[:2]) is None


@given(st.permutations([*history("torch", 3), *history("torch", 3, scope="wheel"), *history("jax", 2, python="3.9")]))
def test_the_order_of_forecasts_does_not_matter(forecasts: list[Forecast]) -> None:
    expected = releases.histories(sorted(forecasts, key=lambda one: one.record_id))
    assert releases.histories(forecasts) == expected
    assert [select.build(one.source) for one in expected[0].points("wheel_bytes")] == [expected[0].build] * 2
