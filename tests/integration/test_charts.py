"""Charts: what they show, that it can be read, and that the same records and forecasts give the same bytes."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib", reason="charts are drawn by the `report` extra")
pytest.importorskip("adjustText", reason="charts are drawn by the `report` extra")

from harness.archive import select
from harness.archive.store import Forecasts, Inferences, Records
from harness.documents.base import Environment
from harness.documents.footprint import Record
from harness.documents.forecast import Forecast
from harness.documents.inference import Inference
from harness.errors import InputError
from harness.report import charts, words
from harness.report.drawing import latency, style
from harness.report.drawing.labels import apart
from harness.report.drawing.plan import Plan
from harness.report.drawing.sheet import Figure, fit, mark_id, settings, to_bytes, width, wrap
from tests.support.inferences import group, inference, rounds
from tests.support.releases import FORECAST_AT, history, release, sized

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}"


@cache
def real() -> tuple[Record, ...]:
    """The repository's own."""

    def invalid(path: Path, why: str) -> None:
        raise AssertionError(f"{path}: {why}")

    return tuple(Records(REPOSITORY / "results" / "published").all(invalid))


def like(record: Record, **changes: Any) -> Record:
    """A record that differs in some fields."""
    return Record.model_validate(record.model_dump() | changes)


def ok() -> list[Record]:
    return [one for one in real() if one.status == "ok"]


def renamed(number: int, name: str, **changes: Any) -> list[Record]:
    """As many frameworks as wanted, with the figures of measured ones."""
    of = itertools.islice(itertools.cycle(ok()), number)
    return [like(one, framework=f"{name}{n}", record_id=f"{name}-{n}", **changes) for n, one in enumerate(of)]


def scaled(record: Record, factor: float) -> Record:
    figures = record.figures.model_dump()
    figures["installed_bytes"] = int(figures["installed_bytes"] * factor)
    figures["import_warm_seconds"] *= factor
    return like(record, figures=figures)


def crowd() -> list[Record]:
    """More frameworks at nearly the same place than labels find room for."""
    return [scaled(like(ok()[0], framework=f"runtime-{n}", record_id=f"r-{n}"), 1 + n / 20) for n in range(30)]


def failed(reason: str, **changes: Any) -> Record:
    return like(
        ok()[0], status="failed", phase="import", reason=reason, samples={}, import_tree=None, **changes
    ).model_copy(update={"figures": ok()[0].figures.model_copy(update=dict.fromkeys(TIMED))})


TIMED = (
    "import_first_seconds",
    "import_cold_seconds",
    "import_warm_seconds",
    "import_touched_bytes",
)
HOSTILE = "$x^2$ <script>&\x00\x1b[31m \u4e2d\u6587 \U0001f600 " + "and so on " * 60
LONG = "a-very-long-name-that-somebody-gave-a-framework-without-a-thought-of-charts-"

CASES: dict[str, Callable[[], Sequence[Record]]] = {
    "real": real,
    "one": lambda: ok()[:1],
    "one that came to nothing": lambda: [one for one in real() if one.figures.wheel_bytes is None][:1],
    "three": lambda: ok()[:3],
    "twelve": lambda: renamed(12, "runtime-"),
    "crowd": crowd,
    "long names": lambda: renamed(
        4, LONG, version="2026.12.31.4+cu131.with.a.long.local.version", extras=("all", "cuda12", "everything")
    ),
    "a failure with a hostile reason": lambda: [
        *ok()[:2],
        failed(HOSTILE, framework="unlucky", record_id="unlucky"),
    ],
    "a history with another method": lambda: [
        like(ok()[0], version=f"1.{n}.0", record_id=f"v-{n}", methods={"sizes": 1 + n // 3, "times": 1})
        for n in range(6)
    ],
    "builds": lambda: [
        like(ok()[0], version=version, variant=variant, record_id=f"{variant}-{version}")
        for variant in ("cpu", "pypi")
        for version in ("1.0", "2.0")
    ],
}


def day(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}T12:00:00+00:00")


def zigzag(framework: str, releases: int, every: float) -> list[Forecast]:
    """Sizes that leave labels little room."""
    return [
        one.model_copy(update={"figures": one.figures.model_copy(update=sized(400 + 300 * (n % 3)))})
        for n, one in enumerate(history(framework, releases, every=every))
    ]


def of_torch() -> list[Forecast]:
    """Two of them were measured too, and weigh what they did."""
    return [
        release("torch", "2.2.0", day("2024-01-30"), figures=sized(4850)),
        release("torch", "2.3.0", day("2024-04-24"), figures=sized(5027.26)),
        release("torch", "2.2.3", day("2024-05-02"), figures=sized(4851)),
        release("torch", "2.4.0", day("2024-07-24"), figures=sized(5950)),
        release("torch", "2.15.0", day("2026-11-18"), figures=sized(5456.99)),
    ]


FORESEEN: dict[str, Callable[[], Sequence[Forecast]]] = {
    "torch": of_torch,
    "many": lambda: [one for n in range(20) for one in history(f"runtime-{n}", 4, first=100 * 1.3**n, every=200)],
    "crowded": lambda: [*zigzag("torch", 60, 9), *history("jax", 60, every=2, step=0)],
    "two releases within an hour": lambda: history("torch", 2, every=0.04),
    "two releases in thirty years": lambda: history("torch", 2, every=10_000),
    "own wheels only": lambda: [one for name in ("a", "b") for one in history(name, 9, scope="wheel")],
    "tiny beside huge": lambda: [*history("small", 5, first=0.001, step=0.0001), *history("large", 5, first=90_000)],
    "nothing in them": lambda: history("torch", 3, figures={"wheel_bytes": 0, "unpacked_bytes": 0}),
    "long names": lambda: [
        release(LONG + name, f"{year}.12.31.4+cu131.with.a.long.local.version", day(f"{year}-12-31"))
        for name in "ab"
        for year in range(2021, 2026)
    ],
    "failures": lambda: [
        *history("torch", 8),
        *(
            release("torch", f"2.{n}.0", FORECAST_AT, status="failed", reason=f"{n} {HOSTILE}" if n % 2 else "no lock")
            for n in range(20)
        ),
    ],
    "other methods": lambda: [
        one.model_copy(update={"method_version": 1 + n // 3}) for n, one in enumerate(history("torch", 9))
    ],
}


@pytest.fixture(autouse=True, scope="module")
def drawing() -> Iterator[None]:
    with settings():
        yield


@dataclass(frozen=True)
class Picture:
    """A chart as it was drawn, and as it was written."""

    chart: charts.Chart
    records: tuple[Record, ...]
    forecasts: tuple[Forecast, ...]
    figure: Figure
    svg: ET.Element

    @property
    def said(self) -> str:
        """All of its text."""
        return " ".join("".join(text.itertext()) for text in self.svg.iter(f"{SVG}text"))


def picture(plan: Plan) -> Picture:
    figure = plan.draw(style.LIGHT, link=lambda one: f"records/{one.record_id}.html")
    data = to_bytes(figure, "svg", title=plan.chart.title, alt=plan.chart.alt)
    return Picture(plan.chart, plan.records, plan.forecasts, figure, ET.fromstring(data))


def one_of(records: Sequence[Record], kind: str, forecasts: Sequence[Forecast] = ()) -> Picture:
    (plan,) = [plan for plan in charts.plans(records, forecasts) if plan.chart.name.startswith(kind)]
    return picture(plan)


def foreseen(forecasts: Sequence[Forecast]) -> list[Plan]:
    """The charts of forecasts beside the repository's records."""
    return [one for one in charts.plans(real(), forecasts) if one.chart.name.startswith("forecast-")]


@pytest.fixture(scope="module", params=[*CASES, *(f"forecast: {name}" for name in FORESEEN)])
def pictures(request: pytest.FixtureRequest) -> list[Picture]:
    if request.param.startswith("forecast: "):
        drawn = foreseen(FORESEEN[request.param.removeprefix("forecast: ")]())
        return [picture(plan) for plan in drawn[:1] + drawn[-1:]]
    found = list(charts.plans(CASES[request.param]()))
    if request.param == "twelve":  # their own charts are like those of the others
        found = [plan for plan in found if plan.chart.framework is None]
    if request.param == "crowd":
        found = [plan for plan in found if plan.chart.name == "decision"]
    return [picture(plan) for plan in found]


def texts(figure: Figure) -> list[tuple[str, Any]]:
    """Everything that is written and seen, with the boxes that it covers."""
    figure.draw_without_rendering()
    found = [text for axes in figure.axes for text in axes.texts]
    for axis in (axis for axes in figure.axes if axes.axison for axis in (axes.xaxis, axes.yaxis)):
        low, high = axis.get_view_interval()
        found += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    return [(one.get_text(), one.get_window_extent()) for one in found if one.get_text().strip()]


def test_no_text_covers_another_or_leaves_the_sheet(pictures: list[Picture]) -> None:
    for shown in pictures:
        figure = shown.figure
        found = texts(figure)
        assert found
        for (one, box), (other, its) in itertools.combinations(found, 2):
            across = min(box.x1, its.x1) - max(box.x0, its.x0)
            down = min(box.y1, its.y1) - max(box.y0, its.y0)
            assert across <= 1 or down <= 2.5, f"{shown.chart.name}: {one!r} covers {other!r}"  # pixels
        for text, box in found:
            assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1, f"{shown.chart.name}: {text!r} is cut off"
            assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1, f"{shown.chart.name}: {text!r} is cut off"


def test_every_record_has_one_mark_that_leads_to_it_and_every_forecast_one_that_leads_nowhere(
    pictures: list[Picture],
) -> None:
    for shown in pictures:
        name = shown.chart.name
        marks = {one.get("id", ""): one for one in shown.svg.iter() if one.get("id", "").startswith(f"mark-{name}-")}
        leads = {mark: {one.get(f"{XLINK}href") for one in svg.iter(f"{SVG}a")} for mark, svg in marks.items()}
        records = {mark_id(name, one): {f"records/{one.record_id}.html"} for one in shown.records}
        assert leads == records | {mark_id(name, one): set() for one in shown.forecasts}
        ids = [one.get("id") for one in shown.svg.iter() if one.get("id")]
        assert len(ids) == len(set(ids))


def test_a_failure_is_told_where_its_figures_would_be(pictures: list[Picture]) -> None:
    for shown in pictures:
        said = shown.said
        for one in shown.records:
            if one.status != "ok":
                begin = " ".join(words.outcome(one).split()[:3])
                assert begin.split(" \u4e2d")[0] in said
                assert words.outcome(one) in shown.chart.alt


def test_a_picture_has_a_text_alternative_with_the_figures(pictures: list[Picture]) -> None:
    for shown in pictures:
        assert shown.svg.findtext(f"{SVG}title")
        assert len(shown.chart.alt) > len(shown.chart.title)
        assert shown.chart.alt.isprintable()
        assert re.search(r"\d (MB|B|s|%)", shown.chart.alt) or all(
            one.figures.wheel_bytes is None for one in (*shown.records, *shown.forecasts)
        )


def test_text_is_text_in_a_font_that_any_browser_has(pictures: list[Picture]) -> None:
    for shown in pictures:
        found = [text.get("style", "") for text in shown.svg.iter(f"{SVG}text")]
        assert found and all("sans-serif" in one for one in found)


def test_charts_of_the_real_records() -> None:
    names = {plan.chart.name: plan for plan in charts.plans(real())}
    assert {"decision", "sizes", "inside", "touched", "import-times", "tutorial"} <= set(names)
    current = select.current(real())
    for name in ("decision", "sizes", "inside", "touched", "import-times"):
        assert {one.record_id for one in names[name].records} == {one.record_id for one in current}
    for framework in {one.framework for one in current if one.status == "ok"}:
        assert names[f"inside-{framework}"].chart.framework == framework
        assert names[f"modules-{framework}"].chart.framework == framework
    assert [f"{one.framework} {one.version}" for one in names["tutorial"].records] == [
        "torch 2.3.0",
        "tensorflow 2.16.1",
        "onnxruntime-gpu 1.17.1",
    ]


def test_a_history_needs_two_versions_and_keeps_methods_apart() -> None:
    records = CASES["a history with another method"]()
    assert not [one for one in charts.plans(records[:1]) if one.chart.name.startswith("history")]
    plan = one_of(records, "history")
    assert [one.version for one in plan.records] == [f"1.{n}.0" for n in range(6)]
    said = plan.said
    assert said.count("measured by other methods (sizes 2, times 1)") == 1
    assert said.index("1.2.0") < said.index("other methods") < said.index("1.3.0")


def test_what_was_not_measured_is_not_drawn_as_zero() -> None:
    record = failed("out of memory")
    plan = one_of([record], "import-times")
    assert "failed: out of memory" in plan.said
    assert " 0 s" not in plan.said and "0.00 s" not in plan.said


# Forecasts


def rings(shown: Picture) -> list[list[str]]:
    """How the shapes of each forecast's mark are filled."""
    ids = {mark_id(shown.chart.name, one) for one in shown.forecasts}
    marks = [one for one in shown.svg.iter() if one.get("id", "") in ids]
    return [list(looks(mark)) for mark in marks]


def looks(mark: ET.Element) -> Iterator[str]:
    """Of each shape of a mark: matplotlib writes few ones as paths, many as uses of one path."""
    defined = {one for defs in mark.iter(f"{SVG}defs") for one in defs}
    for one in mark.iter():
        if one.tag in (f"{SVG}path", f"{SVG}use") and one not in defined:
            yield one.get("style", "")


def test_a_forecast_is_drawn_as_rings_and_said_to_be_none_measured() -> None:
    plans = foreseen([*of_torch(), *history("jax", 4)])
    assert [plan.chart.name for plan in plans] == ["forecast-jax", "forecast-torch", "forecast-all"]
    for shown in map(picture, plans):
        assert "forecast" in shown.chart.title.lower()
        for said in (shown.said, shown.chart.alt):
            assert "Forecast 2026-11-23, not measured" in said
        drawn = rings(shown)
        assert len(drawn) == len(shown.forecasts)
        assert all(style.startswith("fill: #ffffff; stroke: #") for mark in drawn for style in mark)


def test_measurements_stand_among_forecasts_as_filled_dots() -> None:
    shown = one_of(real(), "forecast-torch", of_torch())
    assert sorted(one.version for one in shown.records) == ["2.15.0", "2.3.0"]
    assert "measured: installed" in shown.said
    assert "2.3.0 measured: 5,027 MB installed" in shown.chart.alt
    (mark,) = [one for one in shown.svg.iter() if one.get("id") == mark_id("forecast-torch", shown.records[0])]
    assert list(looks(mark)) == [f"fill: {style.LIGHT.series[0]}"]
    alone = one_of([], "forecast-torch", of_torch())
    assert alone.records == () and "measured: installed" not in alone.said


def test_the_newest_and_the_heaviest_are_labelled_with_version_and_size() -> None:
    said = one_of(real(), "forecast-torch", of_torch()).said
    assert "2.15.0: 5,457 MB" in said and "2.4.0: 5,950 MB" in said
    assert "2.2.0" in said  # where the uppermost line begins
    assert "late releases of older branches" in said


def test_releases_without_a_figure_are_counted_with_their_reasons_and_not_drawn() -> None:
    made = [
        *history("torch", 3),
        *(
            release("torch", f"2.{n}.0", FORECAST_AT, status="unsupported", reason=f"no wheel: torch>=2.{n}.0 wants x")
            for n in range(5)
        ),
        release("torch", "3.0.0", FORECAST_AT, status="failed", reason="no lock"),
        release("torch", "3.1.0", day("2026-01-01"), as_of=FORECAST_AT),
        release("torch", "3.2.0", None),
    ]
    shown = one_of([], "forecast-torch", made)
    assert {one.version for one in shown.forecasts} == {"1.0.0", "1.1.0", "1.2.0", "3.1.0"}
    for told in (
        "5 releases (2.0.0, 2.1.0, 2.2.0 and 2 more): all wheels, unsupported: no wheel: torch wants x",
        "1 release (3.0.0): all wheels, failed: no lock",
        "1 release (3.1.0): dependencies are as of another day",
        "1 release (3.2.0): the index tells no time of upload",
    ):
        assert told in shown.said and told in shown.chart.alt
    assert sum(map(len, rings(shown))) == 3 * 4 + 2


def test_lines_break_where_the_method_changes() -> None:
    shown = one_of([], "forecast-torch", FORESEEN["other methods"]())
    assert "Lines break before 1.3.0: forecast by another method (2)" in shown.said
    assert "Lines break before 1.6.0: forecast by another method (3)" in shown.said
    assert "9 releases: from 560 MB (1.6.0" in shown.chart.alt  # not from those of other methods


def test_all_frameworks_are_drawn_where_two_have_three_releases() -> None:
    def drawn(*forecasts: Forecast) -> bool:
        return any(plan.chart.name == "forecast-all" for plan in charts.plans([], forecasts))

    assert drawn(*history("torch", 3), *history("jax", 3))
    assert not drawn(*history("torch", 3), *history("jax", 2))
    assert not drawn(*history("torch", 9))


def test_of_all_frameworks_each_line_says_whose_it_is_and_when_it_is_of_the_own_wheel_only() -> None:
    shown = one_of([], "forecast-all", [*history("torch", 3), *history("jaxlib", 4, scope="wheel")])
    assert shown.chart.framework is None
    assert "torch 1.2.0: 520 MB" in shown.said
    assert "jaxlib 1.3.0: own wheel, 177 MB" in shown.said


def test_more_frameworks_than_lines_can_be_told_apart_are_named() -> None:
    shown = one_of([], "forecast-all", FORESEEN["many"]())
    assert "runtime-19" in shown.said and "Not in the picture, lighter than these: runtime-3, runtime-2" in shown.said
    assert len({one.framework for one in shown.forecasts}) == 16


def test_one_release_makes_no_history() -> None:
    assert list(charts.plans([], history("torch", 1))) == []
    assert [plan.chart.name for plan in charts.plans([], history("torch", 2))] == ["forecast-torch"]


def test_forecasts_have_charts_of_their_own_only() -> None:
    alone = [plan.chart for plan in charts.plans(real())]
    both = [plan.chart for plan in charts.plans(real(), of_torch())]
    assert [one for one in both if not one.name.startswith("forecast-")] == alone


def test_labels_of_ends_keep_their_order_and_their_distance() -> None:
    wanted, heights = [10.0, 11.0, 12.0, 90.0], [20.0] * 4
    middles = apart(wanted, heights, 0, 100)
    assert middles == [10.0, 30.0, 50.0, 90.0]
    assert apart([50.0, 50.0], [20.0, 20.0], 0, 100) == [40.0, 60.0]
    assert apart([99.0], [20.0], 0, 100) == [90.0]
    assert apart([], [], 0, 100) == []


# Inference


def timings(**changed: Any) -> list[Inference]:
    """Two models on three runtimes and one that is missing; the defaults of a vendor compute in less than f32."""
    made = []
    for name, seconds in (("mobilenet_v2", 0.005), ("bert_base_128", 0.08)):
        runtimes = {"onnxruntime": seconds, "openvino": seconds * 0.9, "torch": seconds * 1.6}
        found = group(runtimes, name=name, **changed)
        if changed.get("track") == "vendor-default":
            found[1] = found[1].model_copy(update={"precision": "bf16"})
        gone = {"model": found[0].model, "runtime": "onnxruntime-gpu", "distribution": "onnxruntime-gpu"}
        gone |= {"status": "skipped", "phase": "engine", "reason": "no GPU: no NVIDIA runtime answers"}
        made += [*found, inference(anchor=found[0], **gone | changed)]
    return made


def wrong(reason: str, **changed: Any) -> Inference:
    """One that ran, and whose answer is not the reference's."""
    return inference(status="failed", phase="compare", reason=reason, taken=rounds(0.001), **changed)


TIMED_CASES: dict[str, Callable[[], Sequence[Inference]]] = {
    "one track": timings,
    "tracks and threads": lambda: [
        *timings(),
        *timings(track="vendor-default"),
        *timings(threads=2),
        *timings(track="vendor-default", threads=2),
    ],
    "the anchor alone": lambda: [inference()],
    "equal to the nanosecond": lambda: [inference([one]) for one in rounds(count=1, runs=1)],
    "twenty rounds of slow runs": lambda: [inference(rounds(9.5, count=20, runs=3))],
    "microseconds beside seconds": lambda: group({"onnxruntime": 0.00002, "torch": 3.0}),
    "long names": lambda: group({LONG + "1": 0.02, LONG + "2": 0.02}, name=LONG, version="1.2.3+cu131.long"),
    "a crowd": lambda: group({f"runtime-{n}": 0.02 + n / 10_000 for n in range(12)}, distribution="torch"),
    "a wrong answer with a hostile reason": lambda: [*timings(), wrong(HOSTILE, runtime="hasty")],
}


def timed_plans(inferences: Sequence[Inference]) -> dict[str, Plan]:
    return {plan.chart.name: plan for plan in charts.plans((), (), inferences)}


@pytest.mark.parametrize("case", TIMED_CASES)
def test_charts_of_timings_can_be_read_and_every_record_drawn_has_one_mark(case: str) -> None:
    inferences = TIMED_CASES[case]()
    plans = timed_plans(inferences)
    assert plans
    shown = [picture(plan) for plan in plans.values()]
    test_no_text_covers_another_or_leaves_the_sheet(shown)
    for plan, seen_one in zip(plans.values(), shown, strict=True):
        name = plan.chart.name
        ids = [one.get("id", "") for one in seen_one.svg.iter() if one.get("id", "").startswith(f"mark-{name}-")]
        assert sorted(ids) == sorted(mark_id(name, one) for one in plan.inferences) and plan.inferences
        assert all(one.status == "ok" for one in plan.inferences)


def test_tracks_and_threads_have_charts_of_their_own() -> None:
    plans = timed_plans(TIMED_CASES["tracks and threads"]())
    assert len(plans) == 5 * 4
    for kind in charts.INFERENCE_KINDS:
        for track in ("strict-f32", "vendor-default"):
            for threads in (1, 2):
                of = {(one.track, one.threads) for one in plans[f"{kind}-{track}-t{threads}"].inferences}
                assert of == {(track, threads)}


def test_what_did_not_compute_in_f32_says_so_in_each_of_its_charts() -> None:
    made = timings(track="vendor-default")
    plans = timed_plans(made)
    assert len(plans) == 5
    for plan in plans.values():
        shown = picture(plan)
        assert "computed in bf16" in shown.said.replace("\n", " ") and "(computed in bf16)" in shown.chart.alt
    assert not any("bf16" in plan.chart.alt for plan in timed_plans(timings()).values())


def test_what_came_to_nothing_is_told_once_with_its_reason_and_never_drawn() -> None:
    made = [*timings(), wrong("numeric: off by 3", runtime="hasty")]
    for plan in timed_plans(made).values():
        said = picture(plan).said
        assert "onnxruntime-gpu 1.32.0, all models: skipped: no GPU" in said and said.count("no GPU") == 1
        assert "hasty 1.32.0, mobilenet_v2: failed: numeric: off by 3" in said
        assert "1.00 ms" not in said and "no GPU" in plan.chart.alt


def test_an_anchor_has_no_ratio_to_itself_and_a_ratio_needs_its_anchor() -> None:
    made = timings()
    plan = timed_plans(made)["ratio-strict-f32-t1"]
    assert {one.runtime for one in plan.inferences} == {"openvino", "torch"}
    assert "The anchor is onnxruntime 1.32.0" in picture(plan).said
    assert re.search(r"mobilenet_v2 on openvino 1\.32\.0: 0\.\d\d times the anchor's", plan.chart.alt)
    without = [one for one in made if one.runtime != "onnxruntime"]
    assert "ratio-strict-f32-t1" not in timed_plans(without)
    assert not any(name.startswith("ratio") for name in timed_plans([inference()]))


def test_a_size_is_that_of_the_same_lock_or_told_to_be_missing() -> None:
    made = timings()
    unweighed = [weighing(one, None) for one in made]
    lock = next(one.lock_sha256 for one in made if one.runtime == "openvino")
    one_of_them = [weighing(one, 7 * 10**8) if one.lock_sha256 == lock else one for one in unweighed]
    plan = timed_plans(one_of_them)["size-latency-strict-f32-t1"]
    assert {one.runtime for one in plan.inferences} == {"openvino"}
    assert "openvino 1.32.0: 700 MB installed" in plan.chart.alt
    assert "onnxruntime 1.32.0, all models: the environment of onnxruntime 1.32.0 was not weighed" in picture(plan).said
    earlier = weighing(one_of_them[0].model_copy(update={"record_id": "earlier", "track": "vendor-default"}), 5 * 10**8)
    assert (
        "onnxruntime 1.32.0: 500 MB installed"
        in timed_plans([*unweighed, earlier])["size-latency-strict-f32-t1"].chart.alt
    )
    assert not any(name.startswith("size") for name in timed_plans(unweighed))


def weighing(one: Inference, size: int | None) -> Inference:
    return one.model_copy(update={"figures": one.figures.model_copy(update={"installed_bytes": size})})


def test_machines_stand_apart_and_the_one_with_most_records_has_the_plain_names() -> None:
    elsewhere = Environment(harness_version="0.1.0", cpu_model="AMD EPYC", cpu_count=64)
    other = inference(environment=elsewhere, record_id="other")
    names = set(timed_plans([*timings(), other]))
    assert {"latency-strict-f32-t1", "latency-strict-f32-t1-amd-epyc-64-cores-docker-3-11-linux-x86-64"} <= names


def test_every_run_is_covered_by_a_band_and_bands_are_few() -> None:
    places = [1.0, 1.5, 1.2, 9.0, 20.0, 20.3]
    found = list(latency.bands(places))
    assert len(found) == 3
    assert all(any(low <= place <= high for low, high in found) for place in places)
    assert len(list(latency.bands(n / 1000 for n in range(100_000)))) == 1


@pytest.mark.parametrize(
    ("value", "told"), [(0.0284, "28.4 ms"), (0.00513, "5.13 ms"), (0.00087, "0.87 ms"), (1.204, "1,204 ms")]
)
def test_latencies_are_told_in_milliseconds(value: float, told: str) -> None:
    assert words.milliseconds(value) == told


def test_timings_alone_are_drawn_and_give_the_same_bytes(tmp_path: Path) -> None:
    shelf = Inferences(tmp_path)
    for one in timings():
        shelf.add(one)
    (shelf.folder / "mobilenet_v2" / "invalid.json").write_text("{")
    done = program("charts", "--results", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(": 5 charts of 0 records, 8 inference records, all of them yours\n")
    assert "left out, no valid inference record: invalid.json" in done.stderr
    before = {path.name: path.read_bytes() for path in (tmp_path / "charts").iterdir()}
    assert {name.rpartition("-")[0] for name in before} == {f"{kind}-strict-f32-t1" for kind in charts.INFERENCE_KINDS}
    charts.write_all([], tmp_path / "charts", inferences=list(reversed(timings())))
    assert {path.name: path.read_bytes() for path in (tmp_path / "charts").iterdir()} == before
    charts.write_all([], tmp_path / "charts")
    assert list((tmp_path / "charts").iterdir()) == []


# Files


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        env={"LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_folder_that_has_forecasts_only_is_drawn_too(tmp_path: Path) -> None:
    shelf = Forecasts(tmp_path)
    for one in history("torch", 2):
        shelf.add(one)
    invalid = shelf.folder / "torch" / "invalid.json"
    invalid.write_text("{")
    done = program("charts", "--results", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(": 1 charts of 0 records, 2 forecasts, all of them yours\n")
    assert "left out, no valid forecast: invalid.json" in done.stderr
    assert {path.name for path in (tmp_path / "charts").iterdir()} == {
        f"forecast-torch-{theme}.{kind}" for theme in ("light", "dark") for kind in ("svg", "png")
    }


def test_a_folder_that_has_neither_is_bad_input_and_says_what_to_do(tmp_path: Path) -> None:
    done = program("charts", "--results", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no record in") and "harness forecast" in done.stderr


def test_the_same_input_gives_the_same_bytes_and_old_charts_go(tmp_path: Path) -> None:
    records = [ok()[0], failed("no more memory", framework="unlucky", record_id="unlucky")]
    forecasts = [*of_torch(), *history("jax", 3, every=99)]
    first = charts.write_all(records, tmp_path, forecasts=forecasts)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == {f"{one.name}-{t}.{k}" for one in first for t in ("light", "dark") for k in ("svg", "png")}
    (tmp_path / "inside-gone-light.svg").write_text("of a framework that no longer has records")
    (tmp_path / "forecast-gone-dark.png").write_text("of one that no longer has forecasts")
    (tmp_path / "notes.md").write_text("somebody's own")
    assert charts.write_all(list(reversed(records)), tmp_path, forecasts=list(reversed(forecasts))) == first
    assert "forecast-all" in {one.name for one in first}
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert after.pop("notes.md") == b"somebody's own"
    assert after == before
    assert all(data.startswith(b"\x89PNG") for name, data in before.items() if name.endswith(".png"))


def test_a_name_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    charts.write_all([like(ok()[0], framework="../../evil/name")], tmp_path / "charts")
    assert [path.name for path in tmp_path.iterdir()] == ["charts"]
    assert (tmp_path / "charts" / "inside-evil-name-light.svg").is_file()


def test_no_records_no_charts(tmp_path: Path) -> None:
    (tmp_path / "sizes-dark.png").write_bytes(b"old")
    assert charts.write_all([], tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "charts").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        charts.write_all(ok()[:1], tmp_path / "charts")


@pytest.mark.parametrize("theme", style.THEMES, ids=lambda theme: theme.name)
def test_colours_stand_out_from_their_background(theme: style.Theme) -> None:
    assert style.contrast("#ffffff", "#000000") == pytest.approx(21)
    for colour in (theme.text, theme.muted):
        assert style.contrast(colour, theme.background) >= 4.5, colour
    for colour in (*theme.series, theme.rest):
        assert style.contrast(colour, theme.background) >= 3, colour


# What somebody sees who lacks one kind of cone: Machado, Oliveira and Fernandes (2009), severity 1, linear RGB.
# https://www.inf.ufrgs.br/~oliveira/pubs_files/CVD_Simulation/CVD_Simulation.html
SEES = {
    "all colours": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "no green": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "no blue": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def seen(colour: str, matrix: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """A colour in Oklab, where equal distances look equally different. https://bottosson.github.io/posts/oklab/"""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    r, g, b = (min(1.0, max(0.0, sum(m * c for m, c in zip(row, linear, strict=True)))) for row in matrix)
    l = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3)  # noqa: E741
    m = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3)
    s = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3)
    return (
        0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s,
        1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
        0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s,
    )


@pytest.mark.parametrize("matrix", SEES.values(), ids=SEES)
@pytest.mark.parametrize("theme", style.THEMES, ids=lambda theme: theme.name)
def test_colours_can_be_told_apart_by_every_kind_of_eye(theme: style.Theme, matrix: Sequence[Sequence[float]]) -> None:
    for one, other in itertools.combinations(theme.series, 2):
        distance = sum((a - b) ** 2 for a, b in zip(seen(one, matrix), seen(other, matrix), strict=True)) ** 0.5
        assert distance > 0.06, (one, other, distance)


def test_names_tell_apart_what_is_alike() -> None:
    twice = [like(ok()[0], record_id="a"), like(ok()[0], record_id="b", python="3.13")]
    names = [words.full_name(name) for name in words.names(twice).values()]
    assert names == ["ai-edge-litert 2.3.0 (Python 3.11)", "ai-edge-litert 2.3.0 (Python 3.13)"]
    assert words.full_name(words.names(twice[:1])["a"]) == "ai-edge-litert 2.3.0"


def test_caption_tells_when_where_and_with_what() -> None:
    told = words.caption([one for one in ok() if one.framework == "torch" and one.version == "2.3.0"])
    assert told.startswith("Measured 2026-11-23 on AMD EPYC, 2 cores; docker Engine 20.10.24")
    assert "Python 3.11.2; pip 26.0.1; linux_x86_64. Releases as of 2024-04-25." in told


@pytest.mark.parametrize(
    ("value", "told"),
    [(5_457_002_295, "5,457 MB"), (96_410_000, "96.4 MB"), (3_466_959, "3.47 MB"), (9_996_000, "10.0 MB")],
)
def test_sizes_have_a_unit_and_enough_digits(value: int, told: str) -> None:
    assert words.megabytes(value) == told


def test_names_lose_their_middle_and_sentences_their_end() -> None:
    name = fit(LONG + "7", 100)
    assert width(name) <= 100
    assert name.startswith("a-very") and name.endswith("7") and "…" in name
    lines = wrap("word " * 100, 120, lines=2)
    assert len(lines) == 2 and lines[1].endswith("…")
    assert all(width(line) <= 120 for line in lines)
