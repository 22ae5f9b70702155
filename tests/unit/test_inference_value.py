"""The inference record and the provider report: parsed strictly, derived from their rounds, kept on shelves, chosen."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.archive import timed
from harness.archive.store import Inferences, ProviderReports, Records
from harness.documents.base import Environment, LockedWheel
from harness.documents.inference import (
    Inference,
    Round,
    figures_of,
    last_quantile,
)
from harness.documents.kinds import INFERENCE, PROVIDERS
from harness.documents.providers import lines_of
from harness.errors import InputError
from tests.support.inferences import WHEN, group, inference, model, report, rounds
from tests.support.refusal import refused
from tests.unit.test_compare import record


def later(one: Inference, **changed: Any) -> Inference:
    """The same, measured again."""
    fields = {"record_id": one.record_id + "-later", "measured_at": WHEN + timedelta(days=1), **changed}
    return one.model_copy(update=fields)


def test_a_record_is_read_as_it_was_written() -> None:
    one = inference()
    assert INFERENCE.parse(one.to_json()) == one
    assert INFERENCE.parse(one.to_json()).to_json() == one.to_json()


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "failed"},
        {"status": "ok", "phase": "run", "reason": "it crashed"},
        {"stage": "footprint"},
        {"track": "fast"},
        {"precision": "int8"},
        {"threads": -1},
        {"measured_at": "2026-11-23"},
        {"device": "gpu", "ep_requested": "CUDAExecutionProvider", "ep_actual": "CPUExecutionProvider"},
        {"device": "gpu", "ep_requested": "CUDAExecutionProvider", "ep_actual": None},
        {"figures": {"latency_p50_seconds": -0.1}},
        {"latency": 1},
    ],
    ids=str,
)
def test_what_is_no_inference_record_is_refused(changed: dict[str, Any]) -> None:
    whole = json.loads(inference().to_json())
    refused(InputError, INFERENCE.parse, json.dumps(whole | changed))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"schema_version": 1}', b"NaN"])
def test_what_is_no_document_is_refused(text: bytes) -> None:
    refused(InputError, INFERENCE.parse, text)
    refused(InputError, PROVIDERS.parse, text)


def test_one_of_a_newer_schema_asks_for_an_upgrade() -> None:
    newer = json.dumps(json.loads(inference().to_json()) | {"schema_version": 2})
    assert refused(InputError, INFERENCE.parse, newer).tip == "upgrade footprint-harness"
    newer = json.dumps(json.loads(report().to_json()) | {"schema_version": 2})
    assert refused(InputError, PROVIDERS.parse, newer).tip == "upgrade footprint-harness"


def test_every_figure_has_its_meaning_in_the_schema() -> None:
    figures = INFERENCE.schema()["$defs"]["Figures"]["properties"]
    assert {name for name, one in figures.items() if not one.get("description")} == set()


# its figures


def timed_round(number: int, *seconds: float, **changed: Any) -> Round:
    usual = {"import_seconds": 0.1, "load_seconds": 0.2, "first_run_seconds": 0.3, "warmup_runs": 10}
    return Round(round=number, place=0, run_seconds=seconds, **usual | changed)


def test_medians_are_taken_within_a_round_first() -> None:
    """One round of many quick runs must not outweigh the others."""
    taken = [timed_round(0, *[1.0] * 99), timed_round(1, 3.0), timed_round(2, 5.0)]
    found = figures_of(taken, [])
    assert found["latency_p50_seconds"] == 3.0 and found["latency_min_seconds"] == 1.0 and found["runs"] == 101
    assert "ratio_to_anchor" not in found


def test_ratios_are_taken_within_a_round() -> None:
    """A machine that got slower in the middle does not show."""
    anchor = [timed_round(0, 1.0), timed_round(1, 4.0), timed_round(2, 1.0)]
    twice = [timed_round(0, 2.0), timed_round(1, 8.0), timed_round(2, 2.0), timed_round(3, 9.0)]
    assert figures_of(twice, anchor)["ratio_to_anchor"] == 2.0
    assert figures_of(anchor, anchor)["ratio_to_anchor"] == 1.0


def test_the_slowest_hundredth_needs_a_thousand_runs() -> None:
    short, long = rounds(runs=199), rounds(runs=200)
    assert "latency_p99_seconds" not in figures_of(short, short)
    assert figures_of(long, long)["latency_p99_seconds"] > figures_of(long, long)["latency_p90_seconds"]


def test_no_round_gives_no_figure_and_never_a_zero() -> None:
    assert figures_of([], []) == {}
    assert "latency_cv" not in figures_of([timed_round(0, 1.0)], [])
    assert "rss_peak_bytes" not in figures_of([timed_round(0, 1.0)], [])


@pytest.mark.parametrize(("parts", "share"), [(2, 0.5), (10, 0.9), (100, 0.99)])
@given(values=st.lists(st.floats(0, 100), min_size=1, max_size=50))
def test_a_quantile_is_that_of_numpy(parts: int, share: float, values: list[float]) -> None:
    assert last_quantile(values, parts) == pytest.approx(numpy.quantile(values, share))


# provider reports


def test_a_report_is_read_as_it_was_written() -> None:
    assert PROVIDERS.parse(report().to_json()) == report()


def test_a_report_has_a_line_and_what_ran_no_node_says_why() -> None:
    whole = json.loads(report().to_json())
    refused(InputError, PROVIDERS.parse, json.dumps(whole | {"providers": []}))
    for line in ({"ran_nodes": 0}, {"ran_nodes": None}, {"ran_nodes": 3, "reason": "it did"}):
        refused(InputError, PROVIDERS.parse, json.dumps(whole | {"providers": [{"provider": "CPU", **line}]}))


def test_lines_tell_what_was_offered_created_and_ran() -> None:
    found = {
        "version": "1.32.0",
        "offered": ["AzureExecutionProvider", "CPUExecutionProvider", "CUDAExecutionProvider"],
        "devices": [{"ep": "CPUExecutionProvider", "name": "Xeon", "type": "CPU"}],
        "tried": [
            {"provider": "CUDAExecutionProvider", "created": False, "ran_nodes": 0, "reason": "libcuda.so: not found"},
            {"provider": "DnnlExecutionProvider", "created": True, "ran_nodes": 0, "reason": ""},
            {"provider": "CPUExecutionProvider", "created": True, "ran_nodes": 3, "reason": ""},
        ],
    }
    cuda, dnnl, cpu, azure = lines_of(found)
    assert (cuda.offered, cuda.created, cuda.ran_nodes, cuda.reason) == (True, False, None, "libcuda.so: not found")
    assert (dnnl.offered, dnnl.created, dnnl.ran_nodes, dnnl.reason) == (False, True, 0, "it ran no node")
    assert (cpu.device, cpu.created, cpu.ran_nodes, cpu.reason) == ("CPU Xeon", True, 3, None)
    assert (azure.offered, azure.created, azure.ran_nodes, azure.reason) == (True, None, None, "not tried")


# their shelves


def test_each_lies_where_its_subject_and_its_id_say(tmp_path: Path) -> None:
    shelf, one = Inferences(tmp_path), inference()
    path = shelf.add(one)
    assert path == tmp_path / "inference" / "mobilenet_v2" / f"{one.record_id}.json"
    assert shelf.read(str(path)) == shelf.read(one.record_id) == one
    reports = ProviderReports(tmp_path)
    assert reports.add(report()) == tmp_path / "providers" / "onnxruntime" / "onnxruntime-1.32.0-cp311.json"
    assert reports.read("onnxruntime-1.32.0-cp311") == report()


def test_one_handed_in_for_another_kind_is_told_apart(tmp_path: Path) -> None:
    store, shelf = Records(tmp_path), Inferences(tmp_path)
    measured, timed_one = store.add(record()), shelf.add(inference())
    assert "is an inference record, not a record" in refused(InputError, store.read, str(timed_one)).message
    assert "is a record, not an inference record" in refused(InputError, shelf.read, measured.stem).message
    told = ProviderReports(tmp_path).add(report())
    assert "is a provider report, not a record" in refused(InputError, store.read, str(told)).message


# what is chosen


def test_the_last_of_the_highest_version_stands_for_a_runtime() -> None:
    old, new = inference(version="1.9.0"), inference(version="1.10.0")
    again = later(new)
    assert timed.current([again, later(old), new, old]) == [again]


def test_tracks_threads_spinning_and_machines_stand_apart() -> None:
    other = Environment(harness_version="0.1.0", cpu_model="AMD EPYC", cpu_count=64)
    apart = [
        inference(),
        inference(track="vendor-default"),
        inference(threads=2),
        inference(spinning=True),
        inference(environment=other, record_id="elsewhere"),
    ]
    assert {one.record_id for one in timed.current(apart)} == {one.record_id for one in apart}
    fields = timed.fields(apart)
    assert [(one.main, one.track, one.threads) for one in fields] == [
        (True, "strict-f32", 1),
        (True, "strict-f32", 2),
        (True, "vendor-default", 1),
        (False, "strict-f32", 1),
    ]
    assert [one.spinning for one in fields[0].inferences] == [False, True]


def test_a_model_that_was_exported_anew_is_another_model() -> None:
    before = inference()
    after = later(inference(runtime="openvino"), model=model(sha256="f" * 64))
    assert timed.current([before, after]) == [after]


def test_records_of_other_methods_are_not_drawn_beside_those_of_today() -> None:
    one, other = inference(), inference(runtime="openvino", method_version=2)
    (field,) = timed.fields([one, other])
    assert field.inferences == (one,) and other in timed.current([one, other])


def test_the_anchor_stands_first() -> None:
    made = group({"zeta": 0.03, "alpha": 0.02, "beta": 0.01})
    assert [one.runtime for one in timed.current(reversed(made))] == ["zeta", "alpha", "beta"]


def test_ratios_are_those_that_the_figure_is_the_median_of() -> None:
    anchor, other = group({"onnxruntime": 0.03, "openvino": 0.015})
    found = timed.ratios(other, {anchor.record_id: anchor})
    assert sorted(found) == [0, 1, 2, 3, 4]
    assert sorted(found.values())[2] == pytest.approx(other.figures.ratio_to_anchor)
    assert timed.ratios(other, {}) == {}


def test_the_time_to_a_first_answer_has_all_its_parts_or_is_none() -> None:
    one = inference()
    figures = one.figures
    assert timed.first_answer(one) == pytest.approx(
        (figures.import_seconds or 0) + (figures.load_seconds or 0) + (figures.first_run_seconds or 0)
    )
    partial = one.model_copy(update={"figures": figures.model_copy(update={"load_seconds": None})})
    assert timed.first_answer(partial) is None


# what shows that an installation runs a model

CUDA = {"device": "gpu", "ep_requested": "CUDAExecutionProvider", "ep_actual": "CUDAExecutionProvider"}
RAN: dict[str, Any] = {"distribution": "torch", "version": "2.3.0"}
BUILT: dict[str, Any] = {"framework": "torch", "version": "2.3.0", "python": "3.11", "platform": "linux_x86_64"}


def test_a_build_runs_a_model_where_a_record_of_it_is_ok() -> None:
    built = record(**BUILT)
    shown = inference(**RAN)
    assert timed.proof(built, [shown]) == shown
    assert timed.proof(built, []) is None
    assert timed.proof(built, [inference(**RAN, status="failed", phase="run", reason="it crashed")]) is None
    for changed in ({"version": "2.3.1"}, {"python": "3.12"}, {"platform": "linux_aarch64"}, {"distribution": "jax"}):
        assert timed.proof(built, [inference(**RAN | changed)]) is None


def test_a_build_for_a_gpu_is_shown_by_a_gpu_only() -> None:
    built = record(**BUILT)
    skipped = inference(**RAN, **CUDA | {"ep_actual": None}, status="skipped", phase="engine", reason="no GPU")
    assert timed.proof(built, [inference(**RAN), skipped]) is None
    libraries = (LockedWheel(name="nvidia-cublas-cu12", version="12.1", bytes=1),)
    assert timed.proof(record(**BUILT, wheels=libraries), [inference(**RAN)]) is None
    proven = inference(**RAN, **CUDA, record_id="proven")
    assert timed.proof(record(**BUILT, wheels=libraries), [inference(**RAN), proven]) == proven
    assert timed.proof(built, [inference(**RAN), skipped, proven]) == proven
