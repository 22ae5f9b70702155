"""The site's generated part: whole, escaped, the same each time, and nothing missing shown as zero."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.archive.store import Records
from harness.cli.main import cli
from harness.documents.footprint import Record
from harness.documents.forecast import Forecast
from harness.documents.inference import Inference
from harness.documents.kinds import INFERENCE, RECORD
from harness.documents.providers import ProviderLine
from harness.errors import InputError, MeasurementError, RegressionError
from harness.report import site, units
from harness.report.pages import api, forecast_section, inference_page, markup, pieces, reference, start_page
from harness.report.publish import publish
from tests.support.inferences import group, inference, model, report, rounds
from tests.support.releases import FORECAST_AT, history, release, sized

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / "results" / "published"
VENDORED = (REPOSITORY / "docs" / "_static" / "vendor", REPOSITORY / "tests" / "browser" / "vendor")
HAND_WRITTEN = sorted(
    page
    for page in (REPOSITORY / "docs").glob("**/*.md")
    if not {"_generated", "frameworks", "documents"} & set(page.parts) and page.parent.name != "inference"
)
SVG = (
    '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    ' width="9pt" height="9pt" viewBox="0 0 9 9"><metadata>x</metadata>'
    '<defs><style type="text/css">*{{stroke-linejoin: round}}</style>'
    '<clipPath id="clip"><path d="M0 0"/></clipPath></defs>'
    '<g clip-path="url(#clip)">{marks}</g></svg>'
)
HOSTILE = "</p><script>alert(1)</script> ``` {raw} html\n\n'\"&<b> \u202e\x07"


@dataclass(frozen=True)
class Picture:
    name: str
    title: str
    alt: str
    framework: str | None


def draw(
    records: Sequence[Record],
    forecasts: Sequence[Forecast],
    inferences: Sequence[Inference],
    folder: Path,
    link: Callable[[Record | Inference], str],
) -> list[Picture]:
    """Two charts, and two of forecasts where there are some, as far as the site looks at them."""
    folder.mkdir(parents=True)
    marks = "".join(
        f'<a xlink:href="{link(one)}" target="_blank"><path id="mark-decision-{one.record_id}" d="M0 0"/></a>'
        for one in records
    )
    charts = [Picture("decision", "Decide", "what is seen", None), Picture("inside-torch", "In", "torch seen", "torch")]
    if forecasts:
        charts += [Picture(f"forecast-{name}", name, f"{name} foreseen", name) for name in ("torch", "jaxlib")]
        charts.append(Picture("forecast-all", "All", "all foreseen", None))
    for chart in charts:
        for scheme in ("light", "dark"):
            (folder / f"{chart.name}-{scheme}.svg").write_text(SVG.format(marks=marks))
    return charts


@pytest.fixture(scope="module")
def records() -> list[Record]:
    def invalid(path: Path, why: str) -> None:
        pytest.fail(f"{path}: {why}")

    return list(Records(RESULTS).all(invalid))


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "conf.py").touch()
    return folder


def changed(record: Record, **changes: Any) -> Record:
    """The record with other values, read as if it came from a file."""
    return RECORD.parse(json.dumps(json.loads(record.to_json()) | changes))


def of(records: Sequence[Record], framework: str, version: str, status: str = "ok") -> Record:
    return next(one for one in records if (one.framework, one.version, one.status) == (framework, version, status))


def written(docs: Path) -> dict[str, bytes]:
    return {path.relative_to(docs).as_posix(): path.read_bytes() for path in docs.rglob("*") if path.is_file()}


class Reader(HTMLParser):
    """What a browser would make of a page: its elements, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.said = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)

    def handle_data(self, data: str) -> None:
        self.said += data


# Pages


def test_every_record_is_in_the_site_byte_for_byte(records: list[Record], docs: Path) -> None:
    told = site.write(records, docs=docs, results=RESULTS, draw=draw)
    assert told.records == len(records) and told.left_out == ()
    for one in records:
        original = RESULTS / "records" / one.framework / f"{one.record_id}.json"
        assert (docs / "_generated" / "public" / pieces.place(one)).read_bytes() == original.read_bytes()


def test_there_is_a_page_for_each_framework_and_all_are_listed(records: list[Record], docs: Path) -> None:
    site.write(records, docs=docs, results=RESULTS, draw=draw)
    names = {one.framework for one in records}
    pages = {path.stem for path in (docs / "frameworks").glob("*.md")}
    assert pages == names | {"index"}
    listed = (docs / "frameworks" / "index.md").read_text()
    assert all(f"\n{name}\n" in listed for name in names)


def test_a_page_names_every_record_of_its_framework_and_its_locks(records: list[Record], docs: Path) -> None:
    site.write(records, docs=docs, results=RESULTS, draw=draw)
    for one in records:
        page = (docs / "frameworks" / f"{one.framework}.md").read_text()
        assert f'href="../{pieces.place(one)}"' in page
        if one.lock_sha256:
            (lock,) = (docs / "_generated" / "public" / "locks").glob(f"*-{one.lock_sha256[:12]}")
            assert f'href="../locks/{lock.name}/pylock.toml"' in page
            assert (lock / "requirements.txt").is_file()


def test_a_build_without_any_figure_is_told_before_those_that_have_some(records: list[Record], docs: Path) -> None:
    site.write(records, docs=docs, results=RESULTS, draw=draw)
    page = (docs / "frameworks" / "jax.md").read_text()
    unsupported = next(one for one in records if one.framework == "jax" and one.status == "unsupported")
    assert 0 < page.index(markup.text(unsupported.reason)) < page.index("## Current figures")
    current = page[page.index("## Current figures") : page.index("## Ledger")]
    assert pieces.place(unsupported) not in current and "cp313" in current and "cp311" not in current


def test_the_same_records_give_the_same_bytes(records: list[Record], docs: Path, tmp_path: Path) -> None:
    other = shutil.copytree(docs, tmp_path / "other")
    site.write(records, docs=docs, results=RESULTS, draw=draw)
    site.write(list(reversed(records)), docs=other, results=RESULTS, draw=draw)
    site.write(list(reversed(records)), docs=other, results=RESULTS, draw=draw)
    differing = {path for path, content in written(docs).items() if written(other)[path] != content}
    # the stand-in for charts draws in the order that it is given
    assert {path for path in differing if "chart" not in path and "decision" not in path} == set()


def test_what_is_gone_from_the_records_is_gone_from_the_site(records: list[Record], docs: Path) -> None:
    site.write(records, docs=docs, results=RESULTS, draw=draw)
    site.write([one for one in records if one.framework != "jax"], docs=docs, results=RESULTS, draw=draw)
    assert not [path for path in written(docs) if "jax" in path.split("/")[-1]]


def test_a_folder_that_is_not_the_sites_is_left_alone(records: list[Record], tmp_path: Path) -> None:
    (tmp_path / "frameworks").mkdir()
    with pytest.raises(InputError, match=r"conf\.py"):
        site.write(records, docs=tmp_path, results=RESULTS, draw=draw)
    assert (tmp_path / "frameworks").is_dir()


def test_no_record_is_told(docs: Path) -> None:
    with pytest.raises(InputError, match="no record"):
        site.write([], docs=docs, results=RESULTS, draw=draw)


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "..", "", "<script>", "a\nb", "index"])
def test_a_name_that_no_file_may_have_is_left_out(records: list[Record], docs: Path, name: str) -> None:
    odd = changed(records[0], framework=name)
    before = set(docs.parent.rglob("*"))
    told = site.write([odd, records[1]], docs=docs, results=RESULTS, draw=draw)
    assert told.left_out == (odd.record_id,) and told.records == 1
    assert {path for path in docs.parent.rglob("*") if docs not in path.parents} <= before


def test_a_lock_named_by_nonsense_is_not_looked_for(records: list[Record], tmp_path: Path) -> None:
    assert (
        site.publish_locks([changed(records[0], lock_sha256="*" * 12)], [RESULTS / "locks"], tmp_path / "locks") == {}
    )


# Forecasts


def forecast_part(docs: Path, framework: str) -> str:
    """Of a framework's page what is below the heading `Forecast`."""
    return (docs / "frameworks" / f"{framework}.md").read_text().partition("\n## Forecast\n")[2]


def rows_of(part: str, table: str) -> list[list[str]]:
    """The cells of a table's body, as a browser would show them."""
    (body,) = re.findall(rf'id="{table}".*?<tbody>(.*?)</tbody>', part, re.DOTALL)
    rows = re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    return [[Reader(cell).said for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)] for row in rows]


def test_a_framework_has_a_section_of_forecasts_apart_from_what_was_measured(records: list[Record], docs: Path) -> None:
    told = site.write(records, forecasts=history("torch", 3), docs=docs, results=RESULTS, draw=draw)
    assert told.forecasts == 3
    page = (docs / "frameworks" / "torch.md").read_text()
    measured, _, forecast = page.partition("\n## Forecast\n")
    assert "Forecast 2026-11-23, not measured" in forecast
    assert "charts/forecast-torch-light.svg" in forecast and "inside-torch" not in forecast
    assert "charts/inside-torch-light.svg" in measured and "forecast" not in measured
    assert forecast.count('class="scroll forecast"') == forecast.count("<table") == 1
    assert "## Forecast" not in (docs / "frameworks" / "jax.md").read_text()


def test_releases_are_listed_newest_first_with_their_sizes_and_what_sorts_them(docs: Path) -> None:
    site.write([], forecasts=[*history("jaxlib", 11, every=30)], docs=docs, results=RESULTS, draw=draw)
    part = forecast_part(docs, "jaxlib")
    rows = rows_of(part, "forecast-releases")
    assert [row[0] for row in rows] == [f"1.{n}.0" for n in reversed(range(11))]
    assert rows[0] == ["1.10.0", "2026-11-22", "85.7 MB", "200 MB", "300 MB", "600 MB"]
    orders = re.findall(r'<th scope="row" class="ordered" data-order="(\d+)">', part)
    assert [int(order) for order in orders] == list(reversed(range(11)))


def test_what_came_to_nothing_says_why_and_has_no_figure(docs: Path) -> None:
    forecasts = [
        release("jaxlib", "1.0", FORECAST_AT, scope="wheel", warnings=("jaxlib 1.0 was yanked",)),
        release("jaxlib", "1.0", FORECAST_AT, status="failed", reason="no set of versions fits"),
        release("jaxlib", "2.0", None, status="unsupported", reason="no wheel of jaxlib==2.0"),
        release("jaxlib", "0.9", FORECAST_AT - timedelta(days=400), as_of=FORECAST_AT),
    ]
    site.write([], forecasts=forecasts, docs=docs, results=RESULTS, draw=draw)
    newest, middle, oldest = rows_of(forecast_part(docs, "jaxlib"), "forecast-releases")
    assert newest[0] == "2.0unsupported in lock: no wheel of jaxlib==2.0"
    assert all(cell.startswith(units.NONE) for cell in newest[1:])
    assert middle[0] == "1.0failed in lock: no set of versions fitsjaxlib 1.0 was yanked"
    assert middle[2] == "2.00 MB" and middle[5] == f"{units.NONE} none: failed: no set of versions fits"
    assert oldest[5] == "9.00 MBas of 2026-11-23T18:00:00Z"


def test_targets_stand_in_a_table_of_pythons_and_platforms(docs: Path) -> None:
    forecasts = [
        release("jaxlib", "1.0", FORECAST_AT, python=python, platform=platform, scope="wheel", figures=sized(size))
        for python, platform, size in (("3.9", "linux_x86_64", 30), ("3.10", "windows_x86_64", 60))
    ]
    gone = {"status": "unsupported", "reason": "no wheel of jaxlib==1.0 for cp310 linux_x86_64", "scope": "wheel"}
    forecasts.append(release("jaxlib", "1.0", None, python="3.10", **gone))
    site.write([], forecasts=forecasts, docs=docs, results=RESULTS, draw=draw)
    part = forecast_part(docs, "jaxlib")
    assert rows_of(part, "forecast-targets") == [
        ["CPython 3.9", "4.29 MB10.0 MB unpacked", f"{units.NONE} none: not forecast"],
        ["CPython 3.10", "no wheel", "8.57 MB20.0 MB unpacked"],
    ]
    assert 'title="no wheel of jaxlib==1.0 for cp310 linux_x86_64"' in part


def test_a_framework_that_was_only_forecast_has_a_page_and_stands_in_a_list_of_its_own(
    records: list[Record], docs: Path
) -> None:
    told = site.write(records, forecasts=history("jaxlib", 2), docs=docs, results=RESULTS, draw=draw)
    assert "jaxlib" in told.frameworks
    page = (docs / "frameworks" / "jaxlib.md").read_text()
    assert "Nothing of it was measured yet." in page and "## Records" not in page
    measured, _, only = (docs / "frameworks" / "index.md").read_text().partition("## Forecast only")
    assert "torch.html" in measured and "jaxlib" not in measured
    assert "jaxlib.html" in only and "510 MB" in only and "\njaxlib\n" in only


def test_the_start_page_has_pictures_of_forecasts_under_a_heading_of_their_own(
    records: list[Record], docs: Path
) -> None:
    site.write(records, forecasts=history("torch", 2), docs=docs, results=RESULTS, draw=draw)
    charts = (docs / "_generated" / "charts.md").read_text()
    assert 0 < charts.index("### Forecast, not measured") < charts.index("forecast-all-light.svg")
    site.write(records, docs=docs, results=RESULTS, draw=draw)
    assert "orecast" not in (docs / "_generated" / "charts.md").read_text()


def test_tables_are_in_the_site_byte_for_byte_and_a_forecast_leads_to_its_own(
    records: list[Record], docs: Path, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    results.mkdir()
    for name in ("datapackage.json", "footprint.csv"):
        shutil.copy(RESULTS / name, results)
    (results / "forecast.csv").write_text("record_id\nx\n")
    site.write(records, forecasts=history("torch", 2), docs=docs, results=results, draw=draw)
    public = docs / "_generated" / "public" / "tables"
    assert {path.name: path.read_bytes() for path in public.iterdir()} == {
        path.name: path.read_bytes() for path in results.iterdir()
    }
    assert 'href="../tables/forecast.csv"' in forecast_part(docs, "torch")


def test_forecasts_in_any_order_give_the_same_bytes(records: list[Record], docs: Path, tmp_path: Path) -> None:
    other = shutil.copytree(docs, tmp_path / "other")
    forecasts = [*history("torch", 4), *history("torch", 3, python="3.12"), *history("jaxlib", 2)]
    site.write(records, forecasts=forecasts, docs=docs, results=RESULTS, draw=draw)
    site.write(records, forecasts=reversed(forecasts), docs=other, results=RESULTS, draw=draw)
    assert written(docs) == written(other)


def test_a_forecast_of_a_name_that_no_file_may_have_is_left_out(records: list[Record], docs: Path) -> None:
    odd = release("../../evil", "1.0", FORECAST_AT)
    told = site.write(records, forecasts=[odd], docs=docs, results=RESULTS, draw=draw)
    assert told.left_out == (odd.record_id,) and told.forecasts == 0


def test_what_a_forecast_says_is_text(docs: Path) -> None:
    evil = {"version": HOSTILE, "platform": HOSTILE, "variant": HOSTILE, "warnings": (HOSTILE,), "scope": "wheel"}
    forecasts = [
        release("jaxlib", **{"uploaded_at": FORECAST_AT} | evil),
        release(
            "jaxlib",
            **{"uploaded_at": None, "status": "failed", "phase": HOSTILE, "reason": HOSTILE, "python": "4"} | evil,
        ),
    ]
    site.write([], forecasts=forecasts, docs=docs, results=RESULTS, draw=draw)
    for name in ("jaxlib", "index"):
        page = (docs / "frameworks" / f"{name}.md").read_text()
        reader = Reader(page.replace(forecast_section.SORTING, ""))
        assert "script" not in reader.elements and "b" not in reader.elements
        assert "<script>alert(1)</script>" in reader.said
        fences = re.findall(r"`{3,}.*", page)
        assert all(re.fullmatch(r"```(\{raw\} html|\{toctree\})?", fence) for fence in fences)


# Inference


def timed_part(docs: Path) -> str:
    return (docs / "inference" / "index.md").read_text()


def gpu(**changed: Any) -> Inference:
    """One that ran on a GPU."""
    provider = "CUDAExecutionProvider"
    fields: dict[str, Any] = {"device": "gpu", "ep_requested": provider, "ep_actual": provider, "record_id": "on-gpu"}
    return inference(**{"runtime": "onnxruntime-gpu", "gpu": {"name": "NVIDIA X"}} | fields | changed)


def test_without_inference_records_there_is_no_page_and_no_word_of_it(records: list[Record], docs: Path) -> None:
    site.write(records, inferences=[inference()], docs=docs, results=RESULTS, draw=draw)
    assert timed_part(docs)
    told = site.write(records, docs=docs, results=RESULTS, draw=draw)
    assert told.inferences == 0 and not (docs / "inference").exists()
    assert "Runnable" not in (docs / "_generated" / "table.html").read_text()
    assert "inference/index" not in (docs / "frameworks" / "onnxruntime.md").read_text()


def test_the_newest_timing_of_each_is_a_row_with_its_figures_and_its_record(docs: Path) -> None:
    made = group({"onnxruntime": 0.03, "openvino": 0.015})
    made[1] = made[1].model_copy(update={"precision": "bf16", "ep_actual": "CPU", "ep_requested": "CPU"})
    older = made[1].model_copy(update={"version": "1.0.0", "record_id": "older"})
    told = site.write([], inferences=[*made, older], docs=docs, results=RESULTS, draw=draw)
    assert told.inferences == 3
    anchor, other = rows_of(timed_part(docs), "inference")
    assert anchor[1] == "onnxruntime 1.32.0computed in f32" and anchor[2] == "strict-f321 thread"
    assert anchor[4] == "1.00" and anchor[8] == "CPU67 of 67 nodes"
    assert other[1].startswith("openvino 1.32.0computed in bf16")
    assert re.fullmatch(r"1[45]\.\d ms", other[3]) and re.fullmatch(r"0\.[45]\d", other[4])
    assert "MB" in other[6] and other[7] == "7e-07"
    for one in (*made, older):
        published = docs / "_generated" / "public" / pieces.place(one)
        assert INFERENCE.parse(published.read_text()) == one
    assert f'href="../{pieces.place(made[0])}"' in timed_part(docs)


def test_a_timing_that_came_to_nothing_says_why_and_has_no_figure(docs: Path) -> None:
    skipped = gpu(ep_actual=None, status="skipped", phase="engine", reason="no GPU: none answers", gpu={})
    site.write([], inferences=[skipped], docs=docs, results=RESULTS, draw=draw)
    (row,) = rows_of(timed_part(docs), "inference")
    assert "skipped in engine: no GPU: none answers" in row[1]
    assert all(cell.startswith(f"{units.NONE} none: skipped: no GPU") for cell in row[3:])


def test_what_ran_on_a_device_tells_both_of_its_times(docs: Path) -> None:
    bound = [one.model_copy(update={"device_run_seconds": (0.002,) * 5}) for one in rounds(0.003)]
    site.write([], inferences=[gpu(taken=bound)], docs=docs, results=RESULTS, draw=draw)
    (row,) = rows_of(timed_part(docs), "inference")
    assert re.fullmatch(r"(2\.9\d|3\.0\d) ms2\.00 ms on the device", row[3]) and "NVIDIA X" in row[8]


def test_an_installation_is_said_to_run_a_model_only_where_a_record_shows_it(records: list[Record], docs: Path) -> None:
    wanted = {"onnxruntime": "1.32.0", "onnxruntime-gpu": "1.31.1"}
    shown = [one for one in records if wanted.get(one.framework) == one.version and one.status == "ok"]
    on_cpu = inference()
    skipped = gpu(version="1.31.1", ep_actual=None, status="skipped", phase="engine", reason="no GPU", gpu={})
    on_the_wrong_one = inference(runtime="onnxruntime-gpu", version="1.31.1", record_id="fell-back")

    def told(*inferences: Inference) -> dict[str, str]:
        rows = rows_of(start_page.overview(shown, inferences), "overview")
        return {row[0].split()[0]: row[-1] for row in rows}

    assert set(told(on_cpu)) == set(wanted)
    known = told(on_cpu, skipped, on_the_wrong_one)
    assert known["onnxruntime"].startswith("on CPU") and known["onnxruntime-gpu"] == "not shown"
    proven = told(gpu(version="1.31.1"), skipped, on_the_wrong_one)
    assert proven["onnxruntime"] == "not shown" and proven["onnxruntime-gpu"].startswith("on GPU")
    builds = api.footprint(shown, [on_cpu, skipped, on_the_wrong_one], pieces.place)["builds"]
    listed = {one["framework"]: (one["runnable"], one["runnable_record"]) for one in builds}
    assert listed == {"onnxruntime": ("on CPU", pieces.place(on_cpu)), "onnxruntime-gpu": ("not shown", None)}


def test_a_framework_that_was_timed_leads_to_the_page(records: list[Record], docs: Path) -> None:
    site.write(records, inferences=[inference()], docs=docs, results=RESULTS, draw=draw)
    assert "[Inference](../inference/index.md)" in (docs / "frameworks" / "onnxruntime.md").read_text()
    assert "[Inference](" not in (docs / "frameworks" / "torch.md").read_text()


def test_providers_are_told_by_what_they_ran_and_the_last_report_counts(docs: Path) -> None:
    old = report([ProviderLine(provider="CPUExecutionProvider", reason="not tried")], record_id="old")
    new = report(measured_at=old.measured_at + timedelta(days=1))
    site.write([], reports=[new, old], docs=docs, results=RESULTS, draw=draw)
    ran, created, untried = rows_of(timed_part(docs), "providers")
    assert ran[1:6] == ["CPUExecutionProvider", "CPU Intel", "yes", "yes", "3 nodes"]
    assert created[1:6] == ["CUDAExecutionProviderno CUDA driver", units.NONE, "yes", "no", units.NONE]
    assert untried[1:6] == ["AzureExecutionProvidernot tried", units.NONE, "yes", units.NONE, units.NONE]


def test_timings_in_any_order_give_the_same_bytes(docs: Path, tmp_path: Path) -> None:
    other = shutil.copytree(docs, tmp_path / "other")
    made = [*group({"onnxruntime": 0.03, "openvino": 0.015}), gpu()]
    site.write([], inferences=made, docs=docs, results=RESULTS, draw=draw)
    site.write([], inferences=reversed(made), docs=other, results=RESULTS, draw=draw)
    assert written(docs) == written(other)


def test_a_model_of_a_name_that_no_file_may_have_is_left_out(docs: Path) -> None:
    odd = inference(model=model("../../evil"), record_id="evil")
    told = site.write([], inferences=[odd, inference()], docs=docs, results=RESULTS, draw=draw)
    assert told.left_out == ("evil",) and told.inferences == 1


def test_what_a_timing_and_a_report_say_is_text(docs: Path) -> None:
    evil = {"version": HOSTILE, "runtime": HOSTILE, "warnings": (HOSTILE,), "engine": HOSTILE}
    made = [
        inference(**evil, ep_actual=HOSTILE, record_id="one"),
        inference(**evil, record_id="two", status="failed", phase=HOSTILE, reason=HOSTILE, threads=2),
    ]
    line = ProviderLine(provider=HOSTILE, device=HOSTILE, reason=HOSTILE)
    site.write([], inferences=made, reports=[report([line], **evil)], docs=docs, results=RESULTS, draw=draw)
    reader = Reader(timed_part(docs).replace(inference_page.SORTING, ""))
    assert "script" not in reader.elements and "b" not in reader.elements
    assert "<script>alert(1)</script>" in reader.said
    fences = re.findall(r"`{3,}.*", timed_part(docs))
    assert all(re.fullmatch(r"```(\{raw\} html)?", fence) for fence in fences)


# What a record says is text


def test_pages_escape_what_they_show(records: list[Record], docs: Path) -> None:
    ended = next(one for one in records if one.status != "ok")
    evil = changed(ended, reason=HOSTILE, phase=HOSTILE, version=HOSTILE, variant=HOSTILE, warnings=[HOSTILE])
    site.write([evil], docs=docs, results=RESULTS, draw=draw)
    for name in (
        "_generated/answer.md",
        "_generated/table.html",
        f"frameworks/{evil.framework}.md",
        "frameworks/index.md",
    ):
        page = (docs / name).read_text()
        reader = Reader(page)
        assert "script" not in reader.elements and "b" not in reader.elements, name
        assert "<script>alert(1)</script>" in reader.said, name
        fences = re.findall(r"`{3,}.*", page)
        assert all(re.fullmatch(r"```(\{raw\} html|\{toctree\})?", fence) for fence in fences), name


@given(st.text())
def test_text_is_one_line_without_markup(value: str) -> None:
    shown = markup.text(value)
    assert not set(shown) & set("<>`\"'\n\r")
    assert shown.isprintable()


@given(st.text(st.characters(categories=("L", "N", "P", "S"))))
def test_text_says_what_was_said(value: str) -> None:
    assert Reader(f"<p>{markup.text(value)}</p>").said == value


# Figures


def test_what_has_no_figure_is_told_with_its_reason_and_never_as_zero(records: list[Record]) -> None:
    unsupported = next(one for one in records if one.status == "unsupported")
    table = start_page.overview([unsupported])
    assert str(unsupported.reason).replace(">", "&gt;") in table
    cells = re.findall(r'<td class="number" data-order="([^"]*)">(.*?)</td>', table)
    assert len(cells) == len(pieces.OVERVIEW)
    assert all(order == "" and units.NONE in shown for order, shown in cells)


def test_a_failed_row_keeps_the_figures_that_it_reached(records: list[Record]) -> None:
    failed = next(one for one in records if one.status == "failed")
    table = start_page.overview([failed])
    assert f'data-order="{failed.figures.installed_bytes}"' in table
    assert "<strong" in table and "failed" in table


def test_figures_of_other_methods_are_marked(records: list[Record]) -> None:
    one = records[0]
    assert "other methods" not in start_page.overview([one])
    assert "other methods: sizes 0, times 0" in start_page.overview([changed(one, methods={"sizes": 0, "times": 0})])


def test_rows_are_the_newest_record_of_each_job(records: list[Record]) -> None:
    one = records[0]
    again = changed(one, record_id="again", measured_at=(one.measured_at + timedelta(days=1)).isoformat())
    table = start_page.overview([one, again])
    assert pieces.place(again) in table and pieces.place(one) not in table


@pytest.mark.parametrize(
    ("figure", "value", "shown"),
    [
        ("installed_bytes", 5_457_002_295, "5,457 MB"),
        ("installed_bytes", 6_790_000, "6.79 MB"),
        ("installed_bytes", 67_300, "67.3 kB"),
        ("installed_bytes", 87, "87 B"),
        ("installed_bytes", None, "\N{EN DASH}"),
        ("import_warm_seconds", None, "\N{EN DASH}"),
        ("distributions", 1089, "1,089"),
    ],
)
def test_figures_are_shown_for_people(figure: str, value: float | None, shown: str) -> None:
    assert units.shower(figure)(value) == shown


@given(st.floats(min_value=1e-9, max_value=1))
def test_a_share_that_is_not_nothing_does_not_read_as_nothing(part: float) -> None:
    assert units.share(part) != "0.0%"


# Pictures within a page


def test_two_pictures_of_a_page_share_neither_ids_nor_style() -> None:
    marks = '<a xlink:href="records/x.json" target="_blank"><path id="mark-decision-x" d="M0 0"/></a>'
    shown = [
        markup.inline_svg(
            SVG.format(marks=marks), prefix=prefix, label="seen", marks={"mark-decision-x": "x 1.0: 5 MB"}
        )
        for prefix in ("light-", "dark-")
    ]
    first, second = (set(re.findall(r'id="([^"]+)"', one)) for one in shown)
    assert "light-mark-decision-x" in first and not first & second
    assert 'clip-path="url(#light-clip)"' in shown[0]
    assert "#light-picture *{" in shown[0]
    assert 'xlink:href="records/x.json"' in shown[0] and "_blank" not in shown[0]
    assert 'aria-label="x 1.0: 5 MB"' in shown[0] and 'aria-label="seen"' in shown[0]
    assert "<metadata" not in shown[0] and "width=" not in shown[0]


# JSON and badges


def test_the_json_has_every_current_build_with_its_record(records: list[Record]) -> None:
    document = json.loads(api.documents(records, [], pieces.place)["api/footprint.json"])
    assert document["schema_version"] == api.SCHEMA_VERSION
    builds = {(one["framework"], one["version"], one["python"]) for one in document["builds"]}
    assert ("torch", "2.15.0", "3.11") in builds and ("torch", "2.3.0", "3.11") not in builds
    for one in document["builds"]:
        assert set(one) == set(api.BUILD)
        assert one["record"] == f"records/{one['framework']}/{one['record_id']}.json"
        assert one["as_of"].endswith("Z") and one["measured_at"].endswith("Z")


def test_the_json_has_null_where_there_is_no_figure(records: list[Record]) -> None:
    unsupported = next(one for one in records if one.status == "unsupported")
    (build,) = json.loads(api.documents([unsupported], [], pieces.place)["api/footprint.json"])["builds"]
    assert build["status"] == "unsupported" and build["reason"] == unsupported.reason
    assert set(build["figures"].values()) == {None}


def test_a_badge_tells_size_and_import(records: list[Record]) -> None:
    one = of(records, "onnxruntime", "1.17.1")
    figures = {"installed_bytes": 112_568_946, "import_warm_seconds": 0.10}
    assert api.badge(changed(one, figures=figures)) == {
        "schemaVersion": 1,
        "label": "onnxruntime 1.17.1",
        "message": "113 MB installed, 0.10 s import",
        "color": "blue",
    }


def test_a_badge_of_a_failure_has_no_figures(records: list[Record]) -> None:
    failed = next(one for one in records if one.status == "failed")
    assert api.badge(failed)["message"] == f"failed in {failed.phase}"
    assert api.badge(failed)["color"] == "red"


def test_there_is_a_badge_for_each_framework(records: list[Record]) -> None:
    badges = {Path(path).stem for path in api.documents(records, [], pieces.place) if path.startswith("api/badges/")}
    assert badges == {one.framework for one in records}


def test_an_older_version_does_not_stand_in_for_a_newer_one_that_failed(records: list[Record]) -> None:
    works = of(records, "torch", "2.3.0")
    fails = changed(works, record_id="f", version="2.4.0", status="failed", phase="import", reason="it did")
    assert api.headline([works, fails])["torch"] == fails


def test_of_several_builds_of_a_version_one_that_works_stands_for_it(records: list[Record]) -> None:
    works = of(records, "torch", "2.3.0")
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    fails = changed(
        works, record_id="f", python="3.14", status="failed", phase="import", reason="it did", measured_at=later
    )
    assert api.headline([works, fails])["torch"] == works


# The reference


def test_the_reference_has_every_key_of_a_record() -> None:
    made = reference.schema_tables(RECORD.schema())
    for name in (*RECORD.schema()["properties"], *RECORD.schema()["$defs"]["Figures"]["properties"]):
        assert f">{name}</code>" in made


def test_the_reference_has_every_exit_code() -> None:
    made = reference.exit_codes()
    for one in (InputError, RegressionError, MeasurementError):
        assert f'<code class="whole">{one.exit_code}</code></th><td>{one.__name__}</td>' in made
    assert [code for code in ("0", "1", "2", "3", "4", "130") if f">{code}</code>" not in made] == []


def test_the_reference_has_every_column(tmp_path: Path) -> None:
    described = RESULTS / "datapackage.json"
    made = reference.columns(described)
    for resource in json.loads(described.read_text())["resources"]:
        assert all(f">{field['name']}</code>" in made for field in resource["schema"]["fields"])
    with pytest.raises(InputError, match="datapackage"):
        reference.columns(tmp_path / "datapackage.json")


@pytest.mark.parametrize("page", HAND_WRITTEN, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_pages_name_only_commands_and_targets_that_exist(page: Path) -> None:
    said = page.read_text()
    commands = set(re.findall(r"(?:^|`|/)harness ([a-z-]+)", said, re.MULTILINE))
    targets = set(re.findall(r"(?:^|`)(?:[A-Z]+=\S+ )?make ([a-z-]+)", said, re.MULTILINE))
    assert commands <= set(cli.commands)
    assert targets <= set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))


# Publishing


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "_static").mkdir(parents=True)
    (folder / "index.html").write_text("new")
    (folder / "_static" / "a.css").touch()
    return folder


def test_a_publication_is_the_site_and_a_marker(built: Path, tmp_path: Path) -> None:
    to = tmp_path / "new" / "public"
    assert publish(built, to) == 3
    assert {path.relative_to(to).as_posix() for path in to.rglob("*") if path.is_file()} == {
        ".nojekyll",
        "index.html",
        "_static/a.css",
    }


def test_an_earlier_publication_is_replaced_as_a_whole(built: Path, tmp_path: Path) -> None:
    to = tmp_path / "public"
    publish(built, to)
    (to / "old.html").touch()
    publish(built, to)
    assert not (to / "old.html").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["public", "site"]


def test_a_folder_of_somebody_else_is_refused(built: Path, tmp_path: Path) -> None:
    to = tmp_path / "home"
    to.mkdir()
    (to / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="not a publication"):
        publish(built, to)
    assert (to / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("to", ["site", "site/within", "site/index.html", "site/../site"])
def test_the_site_is_not_published_into_itself(built: Path, tmp_path: Path, to: str) -> None:
    with pytest.raises(InputError):
        publish(built, tmp_path / to)
    assert (built / "index.html").read_text() == "new"


def test_what_is_not_built_cannot_be_published(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no built site"):
        publish(tmp_path / "nowhere", tmp_path / "public")


def program(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        # without a home matplotlib says on standard error that it makes one
        env={"LANG": "C.UTF-8", "MPLCONFIGDIR": tempfile.gettempdir(), **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_publish_tells_what_it_wrote(built: Path, tmp_path: Path) -> None:
    done = program("publish", "--site", str(built), "--from-make", "--json", TO=str(tmp_path / "$(touch x) public"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"path": str(tmp_path / "$(touch x) public"), "files": 3}


@pytest.mark.parametrize("to", ["", " "])
def test_an_empty_folder_name_is_refused(built: Path, to: str) -> None:
    done = program("publish", "--site", str(built), "--from-make", TO=to)
    assert done.returncode == 2 and done.stderr.startswith("error: the folder to publish to is empty")


def test_site_without_records_is_bad_input(docs: Path, tmp_path: Path) -> None:
    done = program("site", "--docs", str(docs), "--results", str(tmp_path / "none"), "--quiet")
    assert done.returncode == 2 and done.stderr.startswith("error: there is no record to show")


# What was taken from others


@pytest.mark.parametrize("folder", VENDORED, ids=lambda folder: folder.parent.name)
def test_vendored_files_are_unmodified(folder: Path) -> None:
    rows = re.findall(r"^\| `([^`]+)` \|.*`([0-9a-f]{64})` \|$", (folder / "README.md").read_text(), re.MULTILINE)
    assert rows
    for name, sha256 in rows:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256, name
    scripts = {path.relative_to(folder).as_posix() for path in folder.rglob("*.js")}
    assert scripts == {name for name, _ in rows if name.endswith(".js")}
