"""Races: who runs with whom, on what machine, and when one is done."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.archive.store import Inferences
from harness.catalogs import runtimes
from harness.catalogs.runtimes import Runtime
from harness.documents.inference import TRACKS
from harness.errors import InputError
from harness.fleet import matrix
from harness.fleet.matrix import Matrix
from harness.fleet.races import Race, key_of, line_up
from harness.job import Target

KNOWN = runtimes.load()
ANCHOR = next(iter(KNOWN.values()))
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
TODAY = datetime(2026, 11, 25, tzinfo=UTC)


def chosen(*names: str) -> tuple[Runtime, ...]:
    return runtimes.parse_runtimes(names, KNOWN)


def race(*names: str, **changed: Any) -> Race:
    fields: dict[str, Any] = {
        "model": "mobilenet_v2",
        "runtimes": chosen(*names),
        "tracks": TRACKS,
        "threads": (1, 2),
        "target": Target((3, 11)),
        "as_of": TODAY,
        "engine": "docker",
        "opset": "20",
    }
    return Race(**fields | changed)


def test_runtimes_for_a_cpu_run_together_and_each_for_a_gpu_by_itself() -> None:
    found = line_up(chosen("openvino", "onnxruntime-gpu", "torch"), ANCHOR)
    assert [[one.name for one in together] for together in found] == [
        ["onnxruntime", "openvino", "torch"],
        ["onnxruntime", "onnxruntime-gpu"],
    ]


def test_the_anchor_alone_is_a_race_and_no_companion_of_a_gpu_s_is_left_over() -> None:
    assert [[one.name for one in together] for together in line_up(chosen("onnxruntime"), ANCHOR)] == [["onnxruntime"]]
    assert [[one.name for one in together] for together in line_up(chosen("onnxruntime-gpu"), ANCHOR)] == [
        ["onnxruntime", "onnxruntime-gpu"]
    ]


def test_a_race_with_a_runtime_for_a_gpu_needs_one() -> None:
    assert race("onnxruntime", "openvino").needs == {"docker"}
    assert race("onnxruntime", "onnxruntime-gpu").needs == {"docker", "gpu"}
    assert race("onnxruntime", engine="venv").needs == set()


def test_a_race_knows_every_row_that_it_is_to_have() -> None:
    assert len(race("onnxruntime", "openvino").row_keys()) == len(TRACKS) * 2 * 2
    spinning = race("onnxruntime", "openvino", spinning=True).row_keys()
    assert len(set(spinning)) == len(spinning) == len(TRACKS) * 2 * 3


def test_published_records_are_rows_of_a_race() -> None:
    """What a race looks for is what records have."""
    records = list(Inferences(Path(__file__).resolve().parents[2] / "results" / "published").all())
    one = next(record for record in records if record.runtime == "openvino" and not record.spinning)
    like = race(
        "onnxruntime",
        "openvino",
        model=one.model.name,
        tracks=(one.track,),
        threads=(one.threads,),
        as_of=one.as_of,
        engine=one.engine,
    )
    assert key_of(one) in like.row_keys()


def test_every_model_on_every_python_and_day() -> None:
    asked = Matrix.model_validate(
        {"model": ["mobilenet_v2", "resnet_50"], "python": ["3.11", "3.13"], "as_of": ["2026-11-01"]}
    )
    found = matrix.heats(asked, NOW, TODAY)
    assert [(one.model, one.python) for one in found] == [
        ("mobilenet_v2", (3, 11)),
        ("mobilenet_v2", (3, 13)),
        ("resnet_50", (3, 11)),
        ("resnet_50", (3, 13)),
    ]


@pytest.mark.parametrize(
    ("axes", "told"),
    [
        ({"model": ["mobilenet_v2"], "framework": ["torch"]}, "framework is for frameworks, and models are named"),
        ({"model": ["mobilenet_v2"], "installer": ["uv"]}, "installer is for frameworks"),
    ],
)
def test_models_and_frameworks_are_not_mixed(axes: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        matrix.heats(Matrix.model_validate(axes), NOW, TODAY)


def test_what_is_for_models_is_refused_without_one() -> None:
    with pytest.raises(InputError, match="runtime is for models"):
        matrix.combine(Matrix.model_validate({"framework": ["torch"], "runtime": ["openvino"]}), NOW, TODAY)
