"""What is told of how long is left."""

from __future__ import annotations

from harness.cli.progress import Pace


def test_each_phase_has_a_pace_of_its_own() -> None:
    pace = Pace()
    assert pace.told(2, 4, now=110, phase_started=100) == "2 of 4, 10 s left"
    assert pace.told(1, 4, now=210, phase_started=200) == "1 of 4, 30 s left"


def test_what_goes_on_counting_keeps_its_pace_over_phases() -> None:
    """`infer` counts its processes through all models: a new model is no new start."""
    pace = Pace()
    assert pace.told(50, 100, now=100, phase_started=0) == "50 of 100, 100 s left"
    assert pace.told(51, 100, now=102, phase_started=101) == "51 of 100, 98 s left"


def test_a_long_time_is_told_in_minutes() -> None:
    assert Pace().told(1, 481, now=15, phase_started=0) == "1 of 481, 120 min left"


def test_nothing_is_left_at_the_end_nor_told_at_the_start() -> None:
    pace = Pace()
    assert [pace.told(done, 3, now=9, phase_started=0) for done in (0, 3)] == ["0 of 3", "3 of 3"]
