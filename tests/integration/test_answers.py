"""Questions that real records answer, asked as a user asks them: diff, fits, show, compare."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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
    found.environment |= {"HARNESS_RESULTS": str(RESULTS)}
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
        (("diff", "torch", "torch==9"), ("there is no record of torch==9", "harness measure torch==9")),
        (("diff", "torch=2.3.0", "torch"), ("did you mean torch==2.3.0?",)),
        (("fits", "250MB", "pandas"), ("there is no record of pandas", "harness measure pandas")),
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
