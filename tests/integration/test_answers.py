"""Questions that real records, and forecasts, answer, asked as a user asks them: diff, fits, show, compare."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.archive.store import Forecasts
from tests.support.forecasts import forecast, unsupported, wheel
from tests.support.program import REPOSITORY, Ended, Program
from tests.unit.test_compare import record

pytestmark = pytest.mark.integration

RESULTS = REPOSITORY / "tests" / "data" / "results"  # as they once were: the repository's own grow
ATTRIBUTED = ("installed_bytes", "bytecode_bytes", "download_bytes")
FAILED = "onnxruntime-1.17.1-cp311-linux_x86_64-pypi-20261123T110000Z-docker-pip-20261123T114945Z-89e706"
UNSUPPORTED = "jax-0.12.0.1-cp311-linux_x86_64-pypi-20261123T160000Z-docker-pip-20261123T160811Z-afa832"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The harness, with real records to read."""
    found = Program(tmp_path)
    found.results.symlink_to(RESULTS)
    found.environment |= {"HARNESS_RESULTS": str(found.results)}
    return found


def answer(program: Program, *arguments: str, status: int = 0) -> str:
    ended = program.run(*arguments)
    assert (ended.status, ended.told) == (status, []), ended.stderr
    return ended.stdout


def refused(ended: Ended, *words: str) -> None:
    assert ended.status == 2 and ended.stdout == ""
    assert 1 <= len(ended.told) <= 2 and len(ended.stderr.splitlines()) == len(ended.told)
    for word in words:
        assert word in ended.stderr


def of(framework: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(RESULTS.glob(f"records/{framework}/*.json"))]


def test_diff_attributes_every_byte(program: Program) -> None:
    told = json.loads(answer(program, "diff", "onnxruntime-gpu==1.17.1", "onnxruntime-gpu", "--json"))
    differences = {line["figure"]: line["difference"] for line in told["figures"]}
    for figure in ATTRIBUTED:
        assert sum(part[f"{figure}_difference"] for part in told["distributions"]) == differences[figure] != 0
    before, after = (told[side]["record_id"] for side in ("before", "after"))
    sizes = {one["record_id"]: one["figures"]["installed_bytes"] for one in of("onnxruntime-gpu")}
    assert sizes[after] - sizes[before] == differences["installed_bytes"]


def test_diff_says_the_same_in_words(program: Program) -> None:
    page = answer(program, "diff", "torch==2.3.0", "torch==2.15.0")
    assert "+429.7 MB installed: nvidia-cudnn-cu12 gone -1,183.5 MB, nvidia-cudnn-cu13 new 888.8 MB" in page
    assert "| sum of 40 " in page and " +429,721,951 |" in page
    assert "Times of different machines, days or loads are not comparable" in page


def test_diff_of_a_failed_record_compares_the_sizes_that_it_kept(program: Program) -> None:
    page = answer(program, "diff", "onnxruntime==1.17.1", FAILED)
    assert "the second failed in import: ImportError" in page
    assert "-4.25 MB installed:" in page
    assert "import, warm" in page and "not reached: failed in import (the second)" in page


def test_diff_of_a_record_without_sizes_says_why(program: Program) -> None:
    page = answer(program, "diff", UNSUPPORTED, "jax")
    assert "installed: not reached: unsupported in resolve (the first)" in page


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("250MB",), 0),
        (("250MB", "onnxruntime"), 0),
        (("250MB", "torch"), 3),
        (("250MB", "onnxruntime", "torch"), 3),
        (("250MB", UNSUPPORTED), 1),
        (("250MB", UNSUPPORTED, "torch"), 3),
        (("aws-lambda-zip", "openvino"), 0),
        (("250MB", "openvino"), 3),
        (("250MB", "openvino", "--of", "installed-without-bytecode"), 0),
        (("100MB", "openvino", "--of", "download"), 0),
        (("google-cloud-run", "torch"), 0),
    ],
)
def test_fits_exits_with_3_where_a_named_framework_does_not_fit(
    program: Program, arguments: tuple[str, ...], status: int
) -> None:
    answer(program, "fits", *arguments, status=status)


def test_fits_judges_every_current_build_the_smallest_first(program: Program) -> None:
    told = json.loads(answer(program, "fits", "250MB", "--json"))
    verdicts = told["verdicts"]
    sizes = [one["bytes"] for one in verdicts if one["bytes"] is not None]
    assert sizes == sorted(sizes) and len(sizes) > 5
    assert {one["framework"]: one["fits"] for one in verdicts if one["bytes"]}["torch"] is False
    missing = [one for one in verdicts if one["bytes"] is None]
    assert [(one["framework"], one["fits"]) for one in missing] == [("jax", None)]
    assert "unsupported in resolve" in missing[0]["why_not"]


def test_fits_says_what_is_counted(program: Program) -> None:
    page = answer(program, "fits", "250MB")
    assert page.startswith("the size given: 250.0 MB (250,000,000 bytes); counted: installed, with bytecode")
    assert "openvino 2026.4.1 would fit without its bytecode: 241.2 MB" in page


@pytest.mark.parametrize("arguments", [("fits",), ("fits", "--list")])
def test_fits_lists_the_limits_with_their_sources(program: Program, arguments: tuple[str, ...]) -> None:
    page = answer(program, *arguments)
    known = json.loads(answer(program, *arguments, "--json"))
    assert "aws-lambda-zip" in known and all(name in page and one["source"] in page for name, one in known.items())


def test_show_begins_with_what_went_wrong(program: Program) -> None:
    lines = answer(program, "show", FAILED).splitlines()
    assert lines[0] == "onnxruntime 1.17.1"
    assert lines[1].startswith("failed in import: ImportError")


def test_show_tells_all_of_a_record(program: Program) -> None:
    page = answer(program, "show", "jax")
    raw = next(one for one in of("jax") if one["status"] == "ok")
    for line in raw["ledger"]["distributions"]:
        assert f"| {line['name']} {line['version']} " in page and f" {line['bytes']:,} |" in page
    for module in raw["import_tree"]["by_own"] + raw["import_tree"]["by_cumulative"][:10]:
        assert f"| {module['module']} " in page
    assert raw["lock_sha256"] in page and raw["environment"]["kernel"] in page
    assert " ".join(f"{one['seconds']:.3f}" for one in raw["samples"]["warm"]) in page
    assert "wheels were in the wheelhouse already" in page


def test_show_prints_the_record_itself_as_json(program: Program) -> None:
    (raw,) = (one for one in of("onnxruntime") if one["record_id"] == FAILED)
    raw["ledger"].setdefault("written", None)  # what the harness of that day did not list
    raw["environment"] |= {"host_id": None, "alone_from": None, "alone_until": None}
    assert json.loads(answer(program, "show", FAILED, "--json")) == raw


def test_compare_marks_the_best_and_never_shows_zero_for_missing(program: Program) -> None:
    page = answer(program, "compare", "onnxruntime", "openvino", UNSUPPORTED)
    installed = next(line for line in page.splitlines() if line.startswith("| installed "))
    assert [cell.strip() for cell in installed.split("|")[2:-1]] == ["* 135.0 MB", "241.2 MB", "-"]
    status = next(line for line in page.splitlines() if line.startswith("| status "))
    assert [cell.strip() for cell in status.split("|")[2:-1]] == ["ok", "ok", "unsupported"]
    assert "unsupported in resolve: no wheel of jax==0.12.0.1 for cp311 linux_x86_64" in page


def test_compare_as_markdown_csv_and_json(program: Program) -> None:
    table = answer(program, "compare", "--format", "markdown").split("\n\n")[0].splitlines()
    frameworks = json.loads(answer(program, "compare", "--format", "json"))["records"]
    assert {line.count(" |") for line in table} == {len(frameworks) + 1}
    rows = list(csv.DictReader(io.StringIO(answer(program, "compare", "--format", "csv"))))
    assert sorted(row["record_id"] for row in rows) == sorted(one["record_id"] for one in frameworks)
    assert {one["runnable"] for one in frameworks} == {"not shown"} and "runnable" in "".join(table)
    (unsupported,) = (row for row in rows if row["status"] == "unsupported")
    assert unsupported["installed_bytes"] == "" and unsupported["reason"]
    assert answer(program, "compare", "--json") == answer(program, "compare", "--format", "json")


@pytest.mark.parametrize(
    "arguments", [("diff", "torch==2.3.0", "torch"), ("fits", "1GB"), ("show", "tensorflow"), ("compare",), ("fits",)]
)
def test_tables_fit_a_terminal_of_80_columns_and_a_pipe_gets_no_colours(
    program: Program, arguments: tuple[str, ...]
) -> None:
    del program.environment["NO_COLOR"]
    page = program.run(*arguments, environment={"COLUMNS": "80"})
    assert "\x1b" not in page.stdout + page.stderr
    tables = [line for line in page.stdout.splitlines() if line.startswith("|")]
    assert tables and max(map(len, tables)) <= 80


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("diff",), ("two records are compared",)),
        (("diff", "torch"), ("two records are compared",)),
        (
            ("diff", "torch", "torch==9"),
            ("there is no record or forecast of torch==9", "harness measure torch==9", "harness forecast torch==9"),
        ),
        (("diff", "torch=2.3.0", "torch"), ("did you mean torch==2.3.0?",)),
        (("fits", "250MB", "pandas"), ("there is no record or forecast of pandas", "harness measure pandas")),
        (("fits", "lots"), ("'lots' is not a size or a known limit", "aws-lambda-zip")),
        (("fits", "0"), ("a limit of 0 bytes",)),
        (("fits", "250MB", "--of", "weight"), ("--of 'weight' is not one of installed",)),
        (("show",), ("no record given",)),
        (("show", "../../etc/passwd"), ("there is no record",)),
        (("show", "$(touch injected)"), ("is not name==version",)),
        (("compare", "--format", "pdf"), ("format 'pdf' is not one of table, markdown, csv, json",)),
        (("compare", "torch", ""), ("no framework given",)),
    ],
)
def test_what_cannot_be_meant_is_refused(program: Program, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    refused(program.run(*arguments), *words)


def test_without_records_the_next_step_is_told(tmp_path: Path) -> None:
    program = Program(tmp_path)
    refused(program.run("compare", "--results", str(tmp_path / "nowhere")), "there is no record in", "harness measure")


def test_a_torn_record_is_told_and_left_out(tmp_path: Path) -> None:
    program = Program(tmp_path)
    folder = program.results / "records" / "torch"
    folder.mkdir(parents=True)
    (folder / "torch-1.json").write_text(record().to_json())
    (folder / "torch-2.json").write_text(record().to_json()[:100])
    ended = program.run("compare", "--json", "--results", str(program.results))
    assert ended.status == 0 and len(json.loads(ended.stdout)["records"]) == 1
    assert "left out, not a valid record: torch-2.json" in ended.stderr
    assert program.run("compare", "--quiet", "--results", str(program.results)).stderr == ""


def test_what_measured_code_wrote_does_not_reach_the_terminal_as_control_characters(tmp_path: Path) -> None:
    program = Program(tmp_path)
    folder = program.results / "records" / "torch"
    folder.mkdir(parents=True)
    hostile = record(status="failed", phase="import", reason="\x1b[2J\x1b]0;owned\x07[bold]boo[/bold] | x\r\n# y")
    (folder / "torch-1.json").write_text(hostile.to_json())
    for arguments in (["show", "torch"], ["compare"], ["fits", "1GB"], ["diff", "torch", "torch"]):
        ended = program.run(*arguments, "--results", str(program.results))
        assert ended.status == 0 and "[bold]boo[/bold]" in ended.stdout
        assert all(c.isprintable() for line in ended.stdout.split("\n") for c in line)


def test_answers_need_neither_an_engine_nor_an_index(program: Program) -> None:
    code = (
        "import sys\n"
        "from harness.cli.main import cli\n"
        "try:\n"
        "    cli(sys.argv[1:], standalone_mode=False)\n"
        "finally:\n"
        "    print(*sys.modules, sep='\\n', file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "compare", "--results", str(RESULTS)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and done.stdout
    loaded = set(done.stderr.split())
    assert "harness.archive.compare" in loaded
    assert {"harness.engines", "harness.packages", "docker", "requests", "pandas", "matplotlib"} & loaded == set()


def test_make_hands_over_what_was_typed(program: Program) -> None:
    assert program.make("fits", "LIMIT=250MB").stdout == answer(program, "fits", "250MB")
    assert program.make("fits", "LIMIT=250MB", "FRAMEWORK=torch").status == 2  # make's own: the recipe failed
    assert program.make("diff", "A=torch==2.3.0", "B=torch").stdout == answer(program, "diff", "torch==2.3.0", "torch")
    assert program.make("show", "RECORD=jax").stdout == answer(program, "show", "jax")
    table = program.make("compare", "FRAMEWORK=torch jax", "FORMAT=markdown").stdout
    assert table == answer(program, "compare", "torch", "jax", "--format", "markdown")


@pytest.mark.parametrize(
    "arguments",
    [
        ("fits", "LIMIT=$(shell touch injected)"),
        ("fits", "LIMIT=1GB; touch injected"),
        ("fits", "LIMIT="),
        ("diff", "A=`touch injected`", "B=torch"),
        ("diff", "A=torch", "B=$(touch injected)"),
        ("compare", "FORMAT='; touch injected; '"),
        ("show", "RECORD=$$(touch injected)"),
    ],
)
def test_make_runs_nothing_that_was_typed(program: Program, arguments: tuple[str, ...]) -> None:
    ended = program.make(*arguments)
    assert ended.status != 0 and ended.stdout == "" and ended.told
    assert not (REPOSITORY / "injected").exists() and not (program.folder / "injected").exists()


# forecasts

OLD = forecast([wheel("torch", 700_000_000, 1_500_000_000), wheel("numpy", 18_000_000, 60_000_000)], version="2.2.0")
SMALL = forecast([wheel("openvino", 58_000_000, 180_000_000)], framework="openvino", version="2026.3.0")
WHEEL = forecast([wheel("torch", 650_000_000, 1_400_000_000)], version="2.1.0", scope="wheel")
MAC = forecast([wheel("torch", 60_000_000, 240_000_000)], version="2.3.0", platform="macos_arm64")
NONE = unsupported(framework="jax", version="0.5.0")


@pytest.fixture
def forecasts(tmp_path: Path) -> Program:
    """The harness, with real records and forecasts beside them."""
    found = Program(tmp_path)
    shutil.copytree(RESULTS, found.results)
    found.environment |= {"HARNESS_RESULTS": str(found.results)}
    for one in (OLD, SMALL, WHEEL, MAC, NONE):
        Forecasts(found.results).add(one)
    return found


def test_diff_takes_the_record_where_there_is_one_and_the_forecast_where_there_is_none(forecasts: Program) -> None:
    told = json.loads(answer(forecasts, "diff", "torch==2.2.0", "torch==2.3.0", "--json"))
    before, after = told["before"], told["after"]
    assert (before["stage"], before["record_id"], before["scope"]) == ("forecast", OLD.record_id, "closure")
    assert (after["stage"], after["engine"]) == ("footprint", "docker")
    assert "forecast_at" in before and "measured_at" not in before and "measured_at" in after
    differences = {one["figure"]: one["difference"] for one in told["figures"]}
    for figure in ("unpacked_bytes", "download_bytes"):
        assert sum(part[f"{figure}_difference"] for part in told["distributions"]) == differences[figure] != 0
    assert differences["installed_bytes"] is differences["import_warm_seconds"] is None


def test_diff_says_which_is_forecast_wherever_it_shows_a_figure(forecasts: Program) -> None:
    page = answer(forecasts, "diff", "torch==2.2.0", "torch==2.3.0")
    assert f"first: {OLD.record_id} (forecast, yours)\n" in page
    assert "docker-pip-20261123T114749Z-1d8b8d (measured, yours)\n" in page
    told = "(first forecast, second measured)"
    assert f"+3,467.3 MB unpacked {told}: " in page
    assert [line for line in page.splitlines() if line.startswith(("figures", "distributions"))] == [
        f"figures {told}", f"distributions, in bytes {told}",
    ]  # fmt: skip
    assert "| what it is | forecast, not measured | measured " in page
    assert "all that is timed: a forecast does not tell it, only a measurement does (the first)" in page
    assert "Times of different machines" not in page


def test_diff_of_two_forecasts_names_no_figure_that_none_has(forecasts: Program) -> None:
    page = answer(forecasts, "diff", "torch==2.2.0", "torch==2.1.0")
    assert "-100.0 MB its own wheel, unpacked (forecast)\n" in page and "\nfigures (forecast)\n" in page
    assert "only its own wheel was forecast, not what it needs (the second)" in page
    assert "installed" not in page.replace("nothing was downloaded, installed or run", "")


def test_forecasts_only_where_that_is_asked_for(forecasts: Program) -> None:
    told = json.loads(answer(forecasts, "diff", "torch==2.2.0", "torch==2.3.0", "--json", "--forecast"))
    assert told["after"]["record_id"] == MAC.record_id
    told = json.loads(answer(forecasts, "fits", "3GB", "torch", "--of", "download", "--forecast", "--json"))
    assert [one["record_id"] for one in told["verdicts"]] == [MAC.record_id]
    assert forecasts.run("diff", "torch==2.2.0", "onnxruntime", "--forecast").status == 2


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("250MB", "torch==2.2.0"), 3),  # unpacked alone is too much
        (("250MB", "openvino==2026.3.0"), 1),  # its bytecode is not known
        (("250MB", "openvino==2026.3.0", "torch==2.2.0"), 3),
        (("250MB", "openvino==2026.3.0", "--of", "installed-without-bytecode"), 0),
        (("718MB", "torch==2.2.0", "--of", "download"), 0),
        (("717MB", "torch==2.2.0", "--of", "download"), 3),
        (("1GB", "torch==2.1.0", "--of", "download"), 1),
        (("1GB", "torch==2.1.0", "--of", "wheel"), 0),
        (("aws-lambda-image", "torch==2.2.0"), 1),
        (("250MB", "jax==0.5.0"), 1),
        (("250MB", "openvino==2026.3.0", "onnxruntime"), 1),
    ],
)
def test_fits_exits_alike_for_forecasts(forecasts: Program, arguments: tuple[str, ...], status: int) -> None:
    answer(forecasts, "fits", *arguments, status=status)


def test_fits_without_names_is_about_what_was_measured_unless_forecasts_are_asked_for(forecasts: Program) -> None:
    measured = json.loads(answer(forecasts, "fits", "250MB", "--json"))["verdicts"]
    assert {one["stage"] for one in measured} == {"footprint"} and len(measured) > 5
    told = json.loads(answer(forecasts, "fits", "250MB", "--forecast", "--json"))["verdicts"]
    assert [one["record_id"] for one in told] == [one.record_id for one in (SMALL, MAC, OLD, NONE)]
    assert [one["fits"] for one in told] == [None, None, False, None]
    assert {one["stage"] for one in told} == {"forecast"}


def test_fits_says_which_is_forecast_and_what_was_counted(forecasts: Program) -> None:
    forecasts.environment |= {"COLUMNS": "120"}
    page = answer(forecasts, "fits", "250MB", "openvino==2026.3.0", "torch", "jax==0.5.0", status=3)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows] == [
        "framework", "openvino 2026.3.0 (forecast)", "torch 2.15.0 (measured)", "jax 0.5.0 (forecast)",
    ]  # fmt: skip
    assert rows[1][2:] == ["> 180.0 MB", "unknown", "-"]
    assert "counted: unpacked, forecast: all but what the installer writes itself" in page
    assert "openvino 2026.3.0 (forecast), cp311 linux_x86_64, pypi: cannot be told: bytecode_bytes: " in page
    assert "jax 0.5.0 (forecast), cp311 linux_x86_64, pypi: unsupported in lock: no wheel" in page
    assert "(measured)" not in answer(forecasts, "fits", "250MB"), "where all is measured, none has to say so"


@pytest.mark.parametrize("command", [("show",), ("compare", "torch"), ("replay",)])
@pytest.mark.parametrize("name", [OLD.record_id, f"results/forecasts/torch/{OLD.record_id}.json"])
def test_what_shows_measurements_refuses_a_forecast(forecasts: Program, command: tuple[str, ...], name: str) -> None:
    refused(forecasts.run(*command, name), "is a forecast, not a record", "harness diff")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "torch==2.2.0"), ("there is no record of torch==2.2.0", "harness measure torch==2.2.0")),
        (("diff", "torch", "torch==9", "--forecast"), ("there is no forecast of", "harness forecast torch==9")),
        (("fits", "250MB", "torhc", "--forecast"), ("did you mean torch?",)),
        (("diff", "torch", "nowhere.json", "--forecast"), ("there is no forecast 'nowhere.json'",)),
    ],
)
def test_what_is_not_there_is_told_with_how_to_have_it(
    forecasts: Program, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    refused(forecasts.run(*arguments), *words)


def test_where_nothing_was_measured_forecasts_are_mentioned(tmp_path: Path) -> None:
    program = Program(tmp_path)
    results = ("--results", str(program.results))
    refused(program.run("fits", "250MB", "--forecast", *results), "there is no forecast", "harness forecast torch")
    Forecasts(program.results).add(OLD)
    refused(program.run("fits", "250MB", *results), "there is no record in", "harness measure", "--forecast")
    assert answer(program, "fits", "2GB", "--of", "download", "--forecast", *results)


@pytest.mark.parametrize(
    "arguments",
    [
        ("diff", "torch==2.2.0", "torch"),
        ("diff", "torch==2.2.0", "jax==0.5.0"),
        ("diff", "torch==2.1.0", "torch==2.3.0", "--forecast"),
        ("fits", "250MB", "--forecast"),
        ("fits", "1GB", "--forecast", "--of", "download"),
        ("fits", "1GB", "torch", "onnxruntime-gpu", "torch==2.2.0", "openvino==2026.3.0", MAC.record_id),
    ],
)
def test_tables_with_forecasts_fit_a_terminal_of_80_columns(forecasts: Program, arguments: tuple[str, ...]) -> None:
    page = forecasts.run(*arguments, environment={"COLUMNS": "80"})
    tables = [line for line in page.stdout.splitlines() if line.startswith("|")]
    assert tables and max(map(len, tables)) <= 80
    assert "forecast" in page.stdout
    whole = ("linux_x86_64", "onnxruntime-gpu", "2026.3.0")
    broken = {word[:end] for word in whole for end in range(6, len(word))} - {"onnxruntime"}
    assert not broken & set(re.split(r"[\s|(),;:]+", page.stdout)), "no word is broken"


def test_a_torn_forecast_is_told_and_left_out(forecasts: Program) -> None:
    path = forecasts.results / "forecasts" / "torch" / f"{OLD.record_id}.json"
    path.write_bytes(path.read_bytes()[:100])
    ended = forecasts.run("fits", "1GB", "--forecast", "--json")
    assert OLD.record_id not in {one["record_id"] for one in json.loads(ended.stdout)["verdicts"]}
    assert f"left out, not a valid forecast: {path.name}" in ended.stderr


def test_what_an_index_told_does_not_reach_the_terminal_as_control_characters(forecasts: Program) -> None:
    hostile = "\x1b[2J\x1b]0;owned\x07[bold]boo[/bold] | x\r\n# y"
    Forecasts(forecasts.results).add(unsupported(version="2.0.0").model_copy(update={"reason": hostile}))
    for arguments in (["fits", "1GB", "--forecast", "torch==2.0.0"], ["diff", "torch==2.0.0", "torch"]):
        ended = forecasts.run(*arguments)
        assert ended.status in (0, 1) and "[bold]boo[/bold]" in ended.stdout
        assert all(c.isprintable() for line in ended.stdout.split("\n") for c in line)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, strict=True))


def test_tables_are_made_of_both(forecasts: Program) -> None:
    footprint, forecast_table = forecasts.results / "footprint.csv", forecasts.results / "forecast.csv"
    told = json.loads(answer(forecasts, "tables", "--json"))
    assert (told["path"], told["rows"]) == (str(footprint), len(rows(footprint)))
    assert told["tables"][1] == {"path": str(forecast_table), "rows": 5}
    assert [row["record_id"] for row in rows(forecast_table)] == [
        one.record_id for one in (NONE, SMALL, OLD, WHEEL, MAC)
    ]
    assert answer(forecasts, "tables") == f"{footprint}: {told['rows']} rows\n{forecast_table}: 5 rows\n"


def test_where_nothing_was_forecast_there_is_no_table_of_it(tmp_path: Path) -> None:
    program = Program(tmp_path)
    shutil.copytree(RESULTS, program.results)
    told = json.loads(answer(program, "tables", "--json", "--results", str(program.results)))
    assert [Path(one["path"]).name for one in told["tables"]] == ["footprint.csv"]
    assert not list(program.results.glob("forecast*"))


def test_make_asks_for_forecasts_only(forecasts: Program) -> None:
    made = forecasts.make("fits", "LIMIT=250MB", "FORECAST=1")
    assert made.stdout == answer(forecasts, "fits", "250MB", "--forecast")
    made = forecasts.make("diff", "A=torch==2.2.0", "B=torch==2.3.0", "FORECAST=1")
    assert made.stdout == answer(forecasts, "diff", "torch==2.2.0", "torch==2.3.0", "--forecast")
