"""What is run, in which order, and what becomes of what processes tell; the sandbox says what a test wants."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.catalogs import runtimes as catalog
from harness.catalogs.runtimes import Runtime, parse_runtimes, parse_threads
from harness.documents.inference import (
    Inference,
    ModelFacts,
    Protocol,
    Round,
    Tensor,
    figures_of,
)
from harness.documents.kinds import INFERENCE
from harness.engines import slot
from harness.engines.sandbox import EngineFacts, Limits, Network, Outcome, Sandbox
from harness.errors import EngineLostError, InputError, UnsupportedError
from harness.job import Target
from harness.packages.environment import Prepared
from harness.packages.lock import Lock, Locked
from harness.progress import Silent
from harness.stages import export
from harness.stages.inference import Context, ModelFiles, Place, Settings, cells, measure, open_places, order

NOW = datetime(2026, 11, 23, tzinfo=UTC)
KNOWN = catalog.load()
ANCHOR = KNOWN["onnxruntime"]
TENSOR = Tensor(name="x", dtype="float32", shape=(1, 3))
FACTS = ModelFacts(
    name="tiny",
    sha256="ab" * 32,
    bytes=10,
    opset=20,
    ir_version=10,
    parameters=3,
    nodes=1,
    inputs=(TENSOR,),
    outputs=(TENSOR,),
    inputs_sha256="cd" * 32,
    reference_sha256="ef" * 32,
)
MODEL = ModelFiles(FACTS, Path("/models/tiny"))
PROTOCOL = Protocol(rounds=4, warmup_runs=1, warmup_seconds=0, runs=3, seconds=0)
Answer = Callable[[Mapping[str, str], int], dict[str, Any] | Outcome]


def told(*seconds: float, **changes: Any) -> dict[str, Any]:
    """What a process tells that went well."""
    return {
        "failure": None,
        "version": "1.0",
        "distribution": "onnxruntime",
        "import_seconds": 0.1,
        "load_seconds": 0.2,
        "first_run_seconds": 0.3,
        "warmup_runs": 10,
        "run_seconds": list(seconds or (1.0, 2.0, 3.0)),
        "device_run_seconds": [],
        "cpu_seconds": 6.0,
        "rss_peak_bytes": 1000,
        "vram_peak_bytes": None,
        "max_abs_error": 1e-6,
        "max_rel_error": 2e-6,
        "output_std": 1.0,
        "precision": "f32",
        "ep_requested": "CPUExecutionProvider",
        "ep_actual": "CPUExecutionProvider",
        "nodes": 5,
        "nodes_on_provider": 5,
        "assignment": {},
        "gpu": {},
        "warnings": [],
        **changes,
    }


class Scripted:
    """A sandbox whose processes answer what a test wants; it notes who ran."""

    root = "/mnt/fh-sandbox0/s"

    def __init__(self, name: str, answer: Answer, seen: list[str]) -> None:
        self.name, self.answer, self.seen = name, answer, seen
        self.limits: list[Limits] = []

    def expose(self, source: Path, name: str) -> str:
        return f"/mnt/{name}"

    def withdraw(self, name: str) -> None: ...

    def fetch(self, path: str, to: Path, *, most_bytes: int = 0) -> None:
        raise AssertionError("nothing is fetched")

    def run(
        self,
        argv: Sequence[str],
        *,
        limits: Limits,
        environment: Mapping[str, str] | None = None,
        network: Network = "none",
        writable: bool = False,
    ) -> Outcome:
        self.limits.append(limits)
        self.seen.append(self.name)
        arguments = {word: argv[i + 1] if i + 1 < len(argv) else "" for i, word in enumerate(argv)}
        found = self.answer(arguments, self.seen.count(self.name) - 1)
        return (
            found if isinstance(found, Outcome) else Outcome("exited", 0, json.dumps(found).encode(), b"", False, 0.1)
        )


class OnPaper:
    """An engine that nothing is opened with."""

    name = "venv"

    def facts(self, target: Target) -> EngineFacts:
        return EngineFacts()

    def stop_orphans(self) -> None: ...

    def has_gpu(self) -> bool:
        return False

    def with_compiler(self) -> OnPaper:
        return self

    @contextmanager
    def open(self, target: Target, *, keep: bool = False) -> Iterator[Any]:
        raise AssertionError("nothing is opened")
        yield


@pytest.fixture(autouse=True)
def host_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is timed on this machine meanwhile is not waited for."""
    monkeypatch.setattr(slot, "SHARED_MEMORY", tmp_path)


CONTEXT = Context(Target((3, 11)), NOW, OnPaper(), Silent())


def lock_of(runtime: Runtime) -> Lock:
    name = runtime.distribution
    return Lock((Locked(name, "1.0", f"{name.replace('-', '_')}-1.0-py3-none-any.whl", "0" * 64, 5, NOW),))


def ran(answers: Mapping[str, Answer], *, protocol: Protocol = PROTOCOL) -> tuple[list[Inference], list[str]]:
    """The records of one group, and who ran in which order."""
    seen: list[str] = []
    places = {name: Place(KNOWN[name], lock_of(KNOWN[name]), Scripted(name, answers[name], seen)) for name in answers}
    groups = cells([MODEL], [KNOWN[name] for name in answers], ANCHOR, ("strict-f32",), (1,))
    return list(measure(groups, places, CONTEXT, Settings(protocol))), seen


def well(*seconds: float, **changes: Any) -> Answer:
    return lambda arguments, number: told(*seconds, **changes)


def test_models_are_built_by_the_transformers_that_built_them_for_the_exporter() -> None:
    """Another one could name the parts of a model otherwise, and numbers go where names say."""
    pinned = {request.name: request for request in export.pins("exporter")}
    for runtime in KNOWN.values():
        assert all(one == pinned["transformers"] for one in runtime.requires if one.name == "transformers")


def test_every_group_has_the_anchor_first() -> None:
    groups = cells([MODEL], [KNOWN["openvino"]], ANCHOR, ("strict-f32", "vendor-default"), (1, 2))
    assert [[cell.runtime.name for cell in group] for group in groups] == [["onnxruntime", "openvino"]] * 4
    assert {(group[0].track, group[0].threads) for group in groups} == {
        (track, threads) for track in ("strict-f32", "vendor-default") for threads in (1, 2)
    }


def test_tracks_never_share_a_group() -> None:
    groups = cells([MODEL], list(KNOWN.values()), ANCHOR, ("strict-f32", "vendor-default"), (1, 2))
    assert all(len({(cell.track, cell.threads, cell.model) for cell in group}) == 1 for group in groups)


@given(st.integers(1, 6), st.integers(1, 12))
def test_each_round_runs_everybody_once(size: int, rounds: int) -> None:
    group = cells([MODEL], list(KNOWN.values())[:size], ANCHOR, ("strict-f32",), (1,))[0]
    orders = [order(group, number) for number in range(rounds)]
    assert all(Counter(one) == Counter(group) for one in orders)
    assert all(one == list(reversed(other)) for one, other in pairwise(orders))


def test_runtimes_take_turns() -> None:
    _, seen = ran({"onnxruntime": well(), "openvino": well()})
    assert seen == ["onnxruntime", "openvino", "openvino", "onnxruntime"] * 2


def test_ratios_are_taken_within_a_round() -> None:
    """A machine that becomes three times as slow in the middle changes no ratio."""

    def drifting(factor: float) -> Answer:
        return lambda arguments, number: told(*(factor * (1 if number < 2 else 3) * s for s in (1.0, 1.1, 0.9)))

    (anchor, other), _ = ran({"onnxruntime": drifting(1), "openvino": drifting(0.5)})
    assert anchor.figures.ratio_to_anchor == 1
    assert other.figures.ratio_to_anchor == pytest.approx(0.5)
    assert other.anchor == anchor.record_id and other.figures.latency_p50_seconds == pytest.approx(1.0)
    assert INFERENCE.parse(other.to_json()) == other


@pytest.mark.parametrize(
    ("answer", "status", "phase", "reason"),
    [
        (
            well(failure={"phase": "compare", "kind": "numeric", "detail": "off by 0.1"}),
            "failed",
            "compare",
            "numeric: off by 0.1",
        ),
        (well(failure={"phase": "load", "kind": "skipped", "detail": "no GPU"}), "skipped", "load", "no GPU"),
        (
            well(failure={"phase": "load", "kind": "unsupported", "detail": "no port of this model"}),
            "unsupported",
            "load",
            "no port of this model",
        ),
        (well(failure={"phase": "run", "kind": "crash SIGSEGV", "detail": ""}), "failed", "run", "crash SIGSEGV"),
        (well(precision="bf16"), "failed", "compare", "numeric: it computed in bf16 where f32 was forced"),
        (
            lambda arguments, number: Outcome("timeout", 137, b"", b"", False, 9.0),
            "failed",
            "run",
            "timeout: infer took longer than",
        ),
        (lambda arguments, number: Outcome("oom", 137, b"", b"", False, 9.0), "failed", "run", "oom: infer needed"),
    ],
)
def test_a_failure_ends_one_row_and_no_other(answer: Answer, status: str, phase: str, reason: str) -> None:
    (anchor, other), seen = ran({"onnxruntime": well(), "openvino": answer})
    assert (other.status, other.phase) == (status, phase) and (other.reason or "").startswith(reason), other.reason
    assert seen.count("openvino") == 1, "what failed is not asked again"
    assert anchor.status == "ok" and len(anchor.rounds) == 4


def test_a_failure_keeps_what_was_reached() -> None:
    wrong = well(failure={"phase": "compare", "kind": "numeric", "detail": ""}, max_abs_error=0.5, max_rel_error=0.25)
    (_, other), _ = ran({"onnxruntime": well(), "openvino": wrong})
    assert other.figures.max_abs_error == 0.5 and other.figures.latency_p50_seconds == 2.0


def test_a_place_that_could_not_be_set_up_is_a_row() -> None:
    groups = cells([MODEL], [KNOWN["onnxruntime-gpu"]], ANCHOR, ("strict-f32",), (1,))
    places = {
        "onnxruntime": Place(ANCHOR, lock_of(ANCHOR), Scripted("onnxruntime", well(), [])),
        "onnxruntime-gpu": Place(KNOWN["onnxruntime-gpu"], failure=UnsupportedError("no wheel"), phase="lock"),
    }
    _, failed = measure(groups, places, CONTEXT, Settings(PROTOCOL))
    assert (failed.status, failed.phase, failed.reason, failed.version) == ("unsupported", "lock", "no wheel", "")
    assert failed.figures.latency_p50_seconds is None
    assert failed.absent["latency_p50_seconds"] == "not reached: unsupported in lock"


@pytest.mark.parametrize(
    ("error", "phase", "reason"),
    [
        (EngineLostError("the engine stopped answering"), "engine", "the engine stopped answering"),
        (OSError(28, "No space left on device"), "run", "OSError: No space left on device"),
    ],
)
def test_what_the_machine_does_ends_a_row_and_keeps_the_finished_rounds(
    error: Exception, phase: str, reason: str
) -> None:
    def lost(arguments: Mapping[str, str], number: int) -> dict[str, Any]:
        if number == 2:
            raise error
        return told(1.0)

    (anchor, other), _ = ran({"onnxruntime": well(), "openvino": lost})
    assert (other.status, other.phase, other.reason) == ("failed", phase, reason) and len(other.rounds) == 2
    assert anchor.status == "ok" and len(anchor.rounds) == 4


def test_a_place_that_the_machine_has_no_room_for_is_a_row() -> None:
    def full(runtime: Runtime, sandbox: Sandbox) -> Prepared:
        raise OSError(28, "No space left on device")

    class Opening(OnPaper):
        @contextmanager
        def open(self, target: Target, *, keep: bool = False) -> Iterator[Scripted]:
            yield Scripted("onnxruntime", well(), [])

    context = replace(CONTEXT, engine=Opening())
    with ExitStack() as stack:
        place = open_places([ANCHOR], stack, context, full)["onnxruntime"]
    assert place.phase == "install" and place.failure is not None
    assert place.failure.reason == "OSError: No space left on device" and place.facts == EngineFacts()


def test_rounds_that_vary_too_much_are_warned_of() -> None:
    def wild(arguments: Mapping[str, str], number: int) -> dict[str, Any]:
        return told(1.0 + number % 2)

    (anchor, other), _ = ran({"onnxruntime": well(), "openvino": wild})
    assert other.warnings == ("noisy: the medians of its rounds vary by 38%",) and anchor.warnings == ()


def test_a_process_gets_as_many_cores_as_threads() -> None:
    seen: list[str] = []
    sandbox = Scripted("onnxruntime", well(), seen)
    groups = cells([MODEL], [], ANCHOR, ("strict-f32",), (1,))
    list(measure(groups, {"onnxruntime": Place(ANCHOR, lock_of(ANCHOR), sandbox)}, CONTEXT, Settings(PROTOCOL)))
    assert all(len(limits.cpus or ()) == 1 and not limits.gpu for limits in sandbox.limits)


def test_no_hundredth_of_too_few_runs() -> None:
    few = [one_round(0, [1.0] * 100)]
    many = [one_round(number, [1.0] * 250) for number in range(4)]
    assert "latency_p99_seconds" not in figures_of(few, few)
    assert figures_of(many, many)["latency_p99_seconds"] == 1.0


def one_round(number: int, seconds: Sequence[float]) -> Round:
    return Round(
        round=number,
        place=0,
        import_seconds=0,
        load_seconds=0,
        first_run_seconds=0,
        warmup_runs=1,
        run_seconds=tuple(seconds),
    )


def test_a_gpu_row_that_is_ok_was_proven_there() -> None:
    (anchor,), _ = ran({"onnxruntime": well()})
    with pytest.raises(ValueError, match="names the provider that ran there"):
        Inference.model_validate({**anchor.model_dump(), "device": "gpu", "ep_requested": "CUDAExecutionProvider"})


# Words


def test_the_first_runtime_of_the_catalog_is_the_anchor() -> None:
    assert next(iter(KNOWN)) == "onnxruntime"


def test_a_version_pins_the_distribution_it_is_of() -> None:
    (found,) = parse_runtimes(["onnxruntime-ep-openvino==1.8.1"], KNOWN)
    assert [str(one) for one in found.requires] == ["onnxruntime", "onnxruntime-ep-openvino==1.8.1"]


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["onnxruntim"], "there is no runtime"),
        (["openvino", "openvino==1.0"], "named twice"),
        (["onnxruntime-gpu[cuda]"], "extras are the catalog's"),
        (["openvino>=1"], "is not name==version"),
    ],
)
def test_runtimes_that_cannot_be_meant(texts: list[str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        parse_runtimes(texts, KNOWN)


def test_threads() -> None:
    assert parse_threads("1,all", 4) == (1, 4)
    assert parse_threads("all,4 2", 4) == (2, 4)
    for text in ("", "0", "5", "-1", "1.5", "many", "\u0662"):
        with pytest.raises(InputError):
            parse_threads(text, 4)


@pytest.mark.parametrize(
    "text",
    ["", "[runtime.x]\nadapter = 1", "[runtime.x]\nadaptor = 'x'", "[other]", "not toml", "[runtime]\n"],
)
def test_a_broken_catalog_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "runtimes.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"runtimes\.toml"):
        catalog.load(path)
