"""DESIGN.md, "The way through the house": who may import whom, what only one module may know, and what stays light."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from harness.archive import select, timed
from harness.archive.store import Inferences, Records
from harness.cli import render
from harness.documents import publish
from harness.report import words

REPOSITORY = Path(__file__).resolve().parents[2]
TUTORIAL = datetime(2024, 4, 26, tzinfo=UTC)
PACKAGE = REPOSITORY / "harness"
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
PROBES = [name for name in MODULES if name.startswith("probes/") and name != "probes/__init__.py"]
ORDINARY = [name for name in MODULES if name not in PROBES]

# From the ground up; whoever stands on a floor knows those below it and its neighbours in the same folder.
# `probes` as a package only says where its scripts lie.
FLOORS = (
    {"__init__"},
    {"errors"},
    {"files", "parsing", "progress", "probes"},
    {"job"},
    {"documents"},
    {"catalogs"},
    {"engines"},
    {"packages"},
    {"stages"},
    {"archive"},
    {"report"},
    {"fleet"},
    {"cli"},
    {"__main__"},
)
ARCHIVE_KNOWS = {
    "__init__",
    "errors",
    "files",
    "parsing",
    "job",
    "documents",
    "catalogs",
    "progress",
    "archive",
}

# One door for each outside thing (STYLE.md, 2). No door at all: nobody may.
DOORS = {
    "docker": {"engines/docker.py"},
    "subprocess": {"engines/process.py"},
    "requests": {"packages/index.py", "engines/docker.py"},  # the docker SDK raises what requests raises
    "urllib3": {"packages/index.py"},
    "pypi_simple": {"packages/index.py"},
    "rich": {
        "cli/commands.py",
        "cli/render.py",
        "cli/progress.py",
        "cli/boards.py",
        "cli/pages/layout.py",
    },
    "click": {
        "cli/charts.py",
        "cli/main.py",
        "cli/commands.py",
        "cli/doctor.py",
        "cli/answers.py",
        "cli/site.py",
        "cli/publish_results.py",
        "cli/forecast.py",
        "cli/verify.py",
        "cli/providers.py",
        "cli/infer.py",
        "cli/export.py",
        "cli/sweep.py",
        "cli/nightly.py",
        "cli/pages/plans.py",
    },
    "matplotlib": {"report/drawing/sheet.py"},
    "PIL": {"report/drawing/sheet.py"},  # matplotlib's own way to write PNG
    "adjustText": {"report/drawing/labels.py"},
    "distributed": {"fleet/cluster.py", "fleet/executors/dask.py"},
    "asv": {"archive/series.py"},
    "urllib.request": set(),
    "http": set(),
    "socket": set(),
    "pickle": set(),
}

# What a probe's own sandbox has beside the standard library: tools, or the runtime that it runs.
SANDBOX_HAS = {
    "probes/resolve.py": {"packaging"},
    "probes/worker.py": {"numpy"},
    "probes/precision.py": {"numpy"},
    "probes/zoo.py": {"numpy", "torch", "transformers"},
    "probes/ports.py": {"numpy"},
    "probes/export.py": {"numpy", "torch", "onnx", "onnxruntime"},
    "probes/adapters/onnxruntime.py": {"numpy", "onnxruntime"},
    "probes/adapters/onnxruntime_openvino.py": {"onnxruntime_ep_openvino"},
    "probes/adapters/openvino.py": {"openvino"},
    "probes/adapters/jax.py": {"jax", "numpy"},
    "probes/adapters/tensorflow.py": {"numpy", "tensorflow"},
    "probes/adapters/torch.py": {"numpy", "torch"},
    "probes/adapters/torch_compiled.py": {"torch"},
}


@cache
def imports(module: str) -> frozenset[str]:
    """Everything that a module imports, by its full name; inside of functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((PACKAGE / module).read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            found |= {str(node.module), *(f"{node.module}.{name.name}" for name in node.names)}
    return frozenset(found)


def own_imports(module: str) -> set[str]:
    """The parts of the harness that a module imports: folders and modules of its first level."""
    known = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    found = {name.split(".")[1] for name in imports(module) if name.startswith("harness.")}
    return found & known


def part(module: str) -> str:
    return module.split("/")[0].removesuffix(".py")


def floor(name: str) -> int:
    (found,) = [height for height, names in enumerate(FLOORS) if name in names]
    return found


@pytest.mark.parametrize("module", ORDINARY)
def test_nobody_knows_what_stands_above(module: str) -> None:
    height = floor(part(module))
    assert {name for name in own_imports(module) if floor(name) >= height and name != part(module)} == set()


@pytest.mark.parametrize("module", [name for name in ORDINARY if part(name) in ("archive", "report")])
def test_archive_and_report_know_records_only(module: str) -> None:
    assert own_imports(module) <= ARCHIVE_KNOWS | {"report"}


@pytest.mark.parametrize("module", PROBES)
def test_probes_import_the_standard_library_each_other_and_what_their_sandbox_has(module: str) -> None:
    siblings = {part(name.removeprefix("probes/")) for name in PROBES}
    allowed = sys.stdlib_module_names | siblings | SANDBOX_HAS.get(module, set())
    assert {name.split(".")[0] for name in imports(module)} <= allowed


@pytest.mark.parametrize("outside", DOORS)
def test_one_door_for_each_outside_thing(outside: str) -> None:
    users = {
        module
        for module in ORDINARY
        if any(name == outside or name.startswith(f"{outside}.") for name in imports(module))
    }
    assert users <= DOORS[outside]


@pytest.mark.parametrize("module", ORDINARY)
def test_nobody_starts_a_process_past_the_door(module: str) -> None:
    used = {
        node.attr
        for node in ast.walk(ast.parse((PACKAGE / module).read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os"
    }
    assert {name for name in used if name in ("system", "popen", "fork") or name.startswith(("exec", "spawn"))} == set()


def harness_help() -> str:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "--help"], env={"LANG": "C.UTF-8"}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and done.stderr == ""
    return done.stdout


MOST_MODULES = 150
"""That `--help` may load: some 115 are the interpreter's and click's. Counted, since a busy machine is slow."""


def test_help_is_instant_and_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from harness.cli.main import cli\n"
        "cli(['--help'], standalone_mode=False)\n"
        "print(*sys.modules, sep='\\n', file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert len(done.stderr.split()) < MOST_MODULES
    loaded = {name.split(".")[0] for name in done.stderr.split()}
    assert "harness" in loaded
    assert loaded & {"rich", "pydantic", "docker", "requests", "urllib3", "packaging", "asyncio", "matplotlib"} == set()


def test_readme_shows_the_help_that_there_is() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    block = re.search(r"<!-- harness --help -->\n+```[a-z]*\n(.*?)```", readme, re.DOTALL)
    assert block, "README.md has no block after <!-- harness --help -->"
    assert block[1].strip() == harness_help().strip()


def test_published_schemas_are_the_present_ones() -> None:
    published = {path.name: path.read_text() for path in (REPOSITORY / "docs").glob("*.schema.json")}
    assert published == publish.schemas(), "run `make schema`"


@pytest.mark.parametrize("which", ["current", "tutorial"])
def test_readme_tables_are_the_records(which: str) -> None:
    """Every figure in README.md's tables is that of a committed record."""
    records = list(Records(REPOSITORY / "results" / "published").all(lambda path, why: pytest.fail(f"{path}: {why}")))
    readme = (REPOSITORY / "README.md").read_text()
    block = re.search(rf"<!-- results table: {which} -->\n((?:\|.*\n)+)", readme)
    assert block, f"README.md has no table {which}"
    shown = [tuple(cell.strip() for cell in line.strip("|\n").split("|")) for line in block[1].splitlines()[2:]]
    chosen = select.current(records) if which == "current" else select.as_of(records, TUTORIAL)
    expected = []
    for one in sorted((r for r in chosen if r.status == "ok"), key=lambda r: r.figures.installed_bytes or 0):
        figures = one.figures
        assert figures.installed_bytes is not None and figures.bytecode_bytes is not None
        python = "" if one.python == "3.11" else f" (Python {one.python})"
        sizes = (figures.wheel_bytes, figures.download_bytes, figures.installed_bytes)
        sizes += (figures.installed_bytes + figures.bytecode_bytes, figures.import_touched_bytes)
        times = (figures.import_cold_seconds, figures.import_warm_seconds)
        expected.append(
            (f"{one.framework} {one.version}{python}", *map(render.megabytes, sizes), *map(render.seconds, times))
        )
    assert shown == expected


def test_readme_latencies_are_the_records() -> None:
    """The anchor's milliseconds and everybody's ratio to it, of one thread in f32."""
    found = list(Inferences(REPOSITORY / "results" / "published").all(lambda path, why: pytest.fail(f"{path}: {why}")))
    (field,) = [one for one in timed.fields(found) if one.main and (one.track, one.threads) == ("strict-f32", 1)]
    block = re.search(r"<!-- results table: latency -->\n((?:\|.*\n)+)", (REPOSITORY / "README.md").read_text())
    assert block, "README.md has no table latency"
    head, _, *shown = ([cell.strip() for cell in line.strip("|\n").split("|")] for line in block[1].splitlines())
    expected = []
    for mine in field.models:
        by_runtime = {one.runtime: one for one in mine if not one.spinning}
        cells = [words.milliseconds(by_runtime[head[1]].figures.latency_p50_seconds or 0)]
        for name in head[2:]:
            one = by_runtime.get(name)
            ratio = None if one is None else one.figures.ratio_to_anchor
            cells.append("-" if one is None else one.status if ratio is None else f"x {ratio:.2f}")
        expected.append([mine[0].model.name, *cells])
    assert shown == expected
