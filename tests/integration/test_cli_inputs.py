"""What must be refused at the door, through the command line and through make: exit 2, in one or two lines.

FAULTS.md, "Inputs". Nothing reaches a shell here: programs are started with lists of arguments.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli.main import MAKE_VARIABLES, cli
from harness.errors import InputError
from tests.conftest import HERE
from tests.support.loopback import LoopbackIndex
from tests.support.program import REPOSITORY, Ended, Program
from tests.support.wheels import build_wheel

pytestmark = pytest.mark.integration

FIRST_UPLOAD = datetime(2024, 2, 3, tzinfo=UTC)
# Drops root's licence to write anywhere, so that a folder's mode counts.
AS_A_USER = ("setpriv", "--bounding-set=-dac_override") if os.geteuid() == 0 else ()


@dataclass(frozen=True)
class Refusal:
    """Something typed for FRAMEWORK, and what the answer must name."""

    text: str
    says: str
    tip: str = ""
    asks_the_index: bool = False


REFUSALS = {
    "empty": Refusal("", "no framework given", "torch==2.3.0"),
    "blanks": Refusal("   ", "no framework given"),
    "single equals sign": Refusal("torch=2.3.0", "'torch=2.3.0' is not name==version", "did you mean torch==2.3.0?"),
    "no version": Refusal("torch==", "'torch==' is not name==version"),
    "wildcard x": Refusal("torch==2.x", "names many versions", "give the exact version"),
    "wildcard star": Refusal("torch==2.3.*", "names many versions", "give the exact version"),
    "at least": Refusal("torch>=2", "'torch>=2' is not name==version", "torch==2"),
    "arbitrary equality": Refusal("torch===2.3.0", "is not name==version", "did you mean torch==2.3.0?"),
    "two clauses": Refusal("torch==2.3.0,!=2.3.0", "more than one version clause"),
    "version not there": Refusal("torch==99999.0", "torch has no version 99999.0", "2.3.0", asks_the_index=True),
    "misspelt": Refusal("torhc==2.3.0", "'torhc' is not in the catalog", "did you mean torch? (--anyway"),
    "misspelt beyond a slip": Refusal(
        "onnx-run-times", "no distribution 'onnx-run-times'", "did you mean onnxruntime?", asks_the_index=True
    ),
    "shell command": Refusal("torch; rm -rf /", "'torch; rm -rf /' is an address or a path"),
    "shell command, touch": Refusal("torch; touch injected", "'torch; touch injected' is not name==version"),
    "make function": Refusal("$(shell touch injected)", "'$(shell touch injected)' is not name==version"),
    "make function, id": Refusal("$(shell id)", "'$(shell id)' is not name==version"),
    "command substitution": Refusal("torch==$(touch injected)", "'$(touch injected)' is not a version"),
    "back-ticks": Refusal("`touch injected`", "'`touch injected`' is not name==version"),
    "quotes": Refusal("torch==1'; touch injected; '", "is not a version"),
    "file address": Refusal("torch @ file:///etc/passwd", "address or a path; only releases on an index"),
    "git address": Refusal("git+https://example.org/torch.git", "address or a path"),
    "path": Refusal("../../etc", "'../../etc' is an address or a path"),
    "requirements file": Refusal("-r /etc/passwd", "-r"),
    "index option": Refusal("--index-url=http://example.org", "framework"),
    "second line": Refusal("torch==2.3.0\ntensorflow==2.16.1", "has a control character in it"),
    "Cyrillic letters": Refusal("t\u043erch==2.3.0", "U+043E (CYRILLIC SMALL LETTER O)"),
    "Arabic digits": Refusal("torch==\u0662.\u0663", "U+0662 (ARABIC-INDIC DIGIT TWO)"),
    "300 characters": Refusal("torch" * 60, "a request of 300 characters"),
    "marker": Refusal("torch==2.3.0; python_version<'3.12'", "has an environment marker", "PYTHON="),
    "unknown extra": Refusal("torch[wings]==2.3.0", "torch 2.3.0 has no extra 'wings'", "opt", asks_the_index=True),
    "HTML": Refusal("<script>==1", "'<script>==1' is not name==version"),
    "local version": Refusal("torch==2.3.0+cpu", "local version 'cpu'", "VARIANT=", asks_the_index=True),
}

# Option of the command line, variable of make, value, what the answer must name. Where there is no
# variable, make has nothing that could be typed.
OPTIONS = {
    "as-of empty": ("--as-of", "AS_OF", "", "the as-of date is empty"),
    "as-of month 13": ("--as-of", "AS_OF", "2024-13-01", "'2024-13-01' is not a day of the calendar"),
    "as-of word": ("--as-of", "AS_OF", "yesterday", "'yesterday' is not a date"),
    "as-of future": ("--as-of", "AS_OF", "2999-01-01", "'2999-01-01' is in the future"),
    "as-of without zone": ("--as-of", "AS_OF", "2024-04-25T12:00:00", "names no time zone"),
    "as-of injection": ("--as-of", "AS_OF", "$(shell touch injected)", "'$(shell touch injected)' is not a date"),
    "as-of before the first release": ("--as-of", "AS_OF", "2024-02-02", "torch had no release before"),
    "python 3.99": ("--python", "PYTHON", "3.99", "Python '3.99' cannot be measured"),
    "python empty": ("--python", "PYTHON", "", "Python '' cannot be measured"),
    "repeats 0": ("--repeats", "REPEATS", "0", "repeats '0' is not a whole number from 1"),
    "repeats -1": ("--repeats", "REPEATS", "-1", "repeats '-1' is not a whole number from 1"),
    "repeats 1e9": ("--repeats", "REPEATS", "1e9", "repeats '1e9' is not a whole number from 1"),
    "repeats nan": ("--repeats", "REPEATS", "nan", "repeats 'nan' is not a whole number from 1"),
    "timeout 0": ("--timeout", "TIMEOUT", "0", "timeout '0' is not a number of seconds"),
    "timeout nan": ("--timeout", "TIMEOUT", "nan", "timeout 'nan' is not a number of seconds"),
    "memory lots": ("--memory", "MEMORY", "lots", "memory 'lots' is not a size"),
    "memory too little": ("--memory", "MEMORY", "1MB", "is less than 64 MiB"),
    "engine": ("--engine", "ENGINE", "podman; touch injected", "engine 'podman; touch injected' is not one of"),
    "installer": ("--installer", "INSTALLER", "conda", "installer 'conda' is not one of pip, uv"),
    "import package": ("--import", "IMPORT", "os; print(1)", "is not the name of an import package"),
    "variant": ("--variant", "VARIANT", "tpu", "torch has no variant 'tpu'"),
    "variant without its index": ("--variant", "VARIANT", "cpu", "an index of their own, 'pytorch-cpu'"),
    "index": ("--index-url", "", "file:///srv/wheels", "is not an http or https address"),
    "catalog": ("--catalog", "", "/nowhere/catalog.toml", "there is no catalog /nowhere/catalog.toml"),
}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackIndex]:
    """An index with a project called torch."""
    folder = tmp_path_factory.mktemp("wheels")
    with LoopbackIndex() as index:
        for version in ("2.2.0", "2.3.0", "2.4.0rc1"):
            index.add(build_wheel(folder, "torch", version, extras={"opt": []}), upload_time=FIRST_UPLOAD)
        yield index


@pytest.fixture
def door(tmp_path: Path, shelf: LoopbackIndex) -> Program:
    """A program that never comes to need the sandbox's tools."""
    shelf.requests.clear()
    return Program(tmp_path, index_url=shelf.url)


@pytest.fixture(scope="module", autouse=True)
def _make_is_set_up() -> None:
    """Where make's own virtual environment is missing or old, set it up before a test counts what make says."""
    subprocess.run(["make", "--silent", ".venv/bin/harness"], cwd=REPOSITORY, capture_output=True, timeout=600)


def refused(ended: Ended, says: str, tip: str = "") -> None:
    """It said so in one line, perhaps with a tip in another, and printed nothing else."""
    assert "Traceback" not in ended.stderr and ended.stdout == ""
    assert [line.split(":")[0] for line in ended.told] in (["error"], ["error", "tip"]), ended.stderr
    assert says in ended.told[0]
    assert tip in ended.told[-1]
    assert all(len(line) < 300 for line in ended.told)


def refused_by_make(ended: Ended, says: str, tip: str = "") -> None:
    assert ended.status == 2  # whatever the program's status: so make's own line has to tell it
    assert "Error 2" in ended.stderr.splitlines()[-1], ended.stderr
    refused(ended, says, tip)


def nothing_started(program: Program, index: LoopbackIndex, *, asked: bool = False) -> None:
    """No record, no lock, no cache, no file by an injected command; no request where none was needed."""
    assert not list(program.results.glob("records/*/*")) and not list(program.results.glob("locks/*"))
    assert not list(program.results.glob("*.csv"))
    assert not list(program.cache.iterdir())
    assert not (program.folder / "injected").exists() and not (REPOSITORY / "injected").exists()
    assert bool(index.requests) == asked


@pytest.mark.parametrize("name", REFUSALS)
def test_command_line_refuses_the_framework(name: str, door: Program, shelf: LoopbackIndex) -> None:
    refusal = REFUSALS[name]
    ended = door.run("measure", "--results", str(door.results), "--quiet", refusal.text)
    assert ended.status == 2
    refused(ended, refusal.says, refusal.tip)
    assert ended.stderr.splitlines() == ended.told
    nothing_started(door, shelf, asked=refusal.asks_the_index)


@pytest.mark.parametrize("name", REFUSALS)
def test_make_refuses_the_framework(name: str, door: Program, shelf: LoopbackIndex) -> None:
    refusal = REFUSALS[name]
    refused_by_make(door.make("measure", f"FRAMEWORK={refusal.text}"), refusal.says, refusal.tip)
    nothing_started(door, shelf, asked=refusal.asks_the_index)


@pytest.mark.parametrize("name", ["make function", "back-ticks", "quotes", "version not there"])
def test_make_takes_no_framework_from_the_environment(name: str, door: Program, shelf: LoopbackIndex) -> None:
    """Only what is typed counts: neither expanded nor measured."""
    ended = door.make("measure", environment={"FRAMEWORK": REFUSALS[name].text})
    refused_by_make(ended, "no framework given")
    nothing_started(door, shelf)


def test_no_framework_at_all(door: Program, shelf: LoopbackIndex) -> None:
    ended = door.run("measure")
    assert ended.status == 2
    refused(ended, "no framework given", "torch==2.3.0")
    refused_by_make(door.make("measure"), "no framework given", "torch==2.3.0")
    nothing_started(door, shelf)


@pytest.mark.parametrize("command", ["measure", "sweep"])
def test_a_strangers_package_needs_to_be_meant(command: str, program: Program, index: LoopbackIndex) -> None:
    """One of that name is on the index, and would be installed and imported."""
    index.add(build_wheel(program.folder / "wheels", "trch"))
    index.add(build_wheel(program.folder / "wheels", "tiny"))
    name = ["--framework=trch"] if command == "sweep" else ["trch"]
    here = ("--results", str(program.results), "--engine=venv", f"--python={HERE.python_version}", "--repeats=1")
    ended = program.run(command, *name, *here)
    assert ended.status == 2
    refused(ended, "'trch' is not in the catalog", "did you mean torch? (--anyway")
    assert program.records == [] and index.requests == []
    ended = program.run(command, *name, *here, "--anyway")
    assert ended.status == 0, ended.stderr
    assert "trch is not in the catalog" in ended.stderr and program.record["status"] == "ok"
    other = ["--framework=tiny"] if command == "sweep" else ["tiny"]
    ended = program.run(command, *other, *here)
    assert ended.status == 0 and "tiny is not in the catalog" in ended.stderr


def test_a_forecast_installs_nothing_and_only_hints(program: Program, index: LoopbackIndex) -> None:
    index.add(build_wheel(program.folder / "wheels", "trch"))
    ended = program.run("forecast", "trch", "--results", str(program.results))
    assert "trch is not in the catalog: did you mean torch?" in ended.stderr


def test_nul_is_refused(tmp_path: Path) -> None:
    """No process can be started with one, so this is the command line inside of this process."""
    with pytest.raises(ValueError, match="null byte"):
        subprocess.run(["make", "measure", "FRAMEWORK=torch\0==2.3.0"])
    ended = CliRunner().invoke(cli, ["measure", "--results", str(tmp_path / "results"), "torch\0==2.3.0"])
    assert isinstance(ended.exception, InputError) and "has a control character in it" in ended.exception.message
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("name", OPTIONS)
def test_command_line_refuses_the_option(name: str, door: Program, shelf: LoopbackIndex) -> None:
    option, _, value, says = OPTIONS[name]
    ended = door.run("measure", "--results", str(door.results), "--quiet", "torch==2.3.0", f"{option}={value}")
    assert ended.status == 2
    refused(ended, says)
    nothing_started(door, shelf, asked="torch had no release" in says)


@pytest.mark.parametrize("name", [name for name, (_, variable, *_) in OPTIONS.items() if variable])
def test_make_refuses_the_option(name: str, door: Program, shelf: LoopbackIndex) -> None:
    _, variable, value, says = OPTIONS[name]
    refused_by_make(door.make("measure", "FRAMEWORK=torch==2.3.0", f"{variable}={value}"), says)
    nothing_started(door, shelf, asked="torch had no release" in says)


# Target of make, what is typed there, what the answer must name.
INFERENCE = {
    "model": ("infer", "MODEL=$(shell touch injected)", "'$(shell'"),
    "model, back-ticks": ("models", "MODEL=`touch injected`", "'`touch'"),
    "runtime": ("infer", "RUNTIME=onnxruntime; touch injected", "'onnxruntime;'"),
    "threads": ("infer", "THREADS=$(shell touch injected)", "'$(shell'"),
    "track": ("infer", "TRACK=$(shell touch injected)", "'$(shell touch injected)'"),
    "rounds": ("infer", "ROUNDS=$(shell touch injected)", "'$(shell touch injected)'"),
    "wheelhouse": ("infer", "WHEELHOUSE=$(shell touch injected)", "'$(shell touch injected)'"),
    "opset": ("models", "OPSET=$(shell touch injected)", "'$(shell touch injected)'"),
    "provider": ("providers", "RUNTIME=$(shell touch injected)", "'$(shell'"),
}


@pytest.mark.parametrize("name", INFERENCE)
def test_make_refuses_what_is_to_be_timed(name: str, door: Program, shelf: LoopbackIndex) -> None:
    target, typed, says = INFERENCE[name]
    refused_by_make(door.make(target, typed, "ENGINE=venv"), says)
    nothing_started(door, shelf)


def test_make_hands_on_every_variable_that_the_program_takes() -> None:
    """One that the Makefile does not know would be expanded by make, and be taken from the environment."""
    told = re.search(r"^VARIABLES := ((?:.*\\\n)*.*)", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert told and set(MAKE_VARIABLES) <= set(told[1].replace("\\\n", " ").split())


def test_unknown_option(door: Program, shelf: LoopbackIndex) -> None:
    ended = door.run("measure", "torch==2.3.0", "--no-such-option")
    assert ended.status == 2
    refused(ended, "--no-such-option", "harness measure --help")
    nothing_started(door, shelf)


def make_file(place: Path) -> None:
    place.write_text("mine\n")


def make_link_loop(place: Path) -> None:
    place.symlink_to(place)


def make_read_only(place: Path) -> None:
    place.mkdir()
    place.chmod(0o555)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (make_file, "Not a directory"),
        (make_link_loop, ""),
        (make_read_only, "Permission denied"),
    ],
    ids=["a file", "a link loop", "not writable"],
)
def test_results_folder_that_cannot_be_one_is_refused_before_measuring(
    spoil: Callable[[Path], None], says: str, door: Program, shelf: LoopbackIndex
) -> None:
    spoil(door.results)
    arguments = ("measure", "--results", str(door.results), "--quiet", "torch==2.3.0")
    ended = door.run(*arguments, before=AS_A_USER)
    assert ended.status == 2
    refused(ended, "cannot be written to", "--results")
    assert says in ended.stderr
    through_make = door.execute(
        [*AS_A_USER, "make", "measure", "FRAMEWORK=torch==2.3.0", f"RESULTS={door.results}"], folder=REPOSITORY
    )
    refused_by_make(through_make, "cannot be written to", "--results")
    assert not shelf.requests and not list(door.cache.iterdir())


def test_spelling_is_normalised_and_a_named_prerelease_allowed(
    tmp_path: Path, tools: Path, shelf: LoopbackIndex
) -> None:
    program = Program(tmp_path, index_url=shelf.url, tools=tools)
    ended = program.make(
        "measure", "FRAMEWORK=Torch == 2.3  torch==2.4.0rc1", "AS_OF=2024-04-25", "ENGINE=venv", "REPEATS=1"
    )
    assert ended.status == 0, ended.stderr
    assert [(row["framework"], row["version"], row["status"]) for row in program.rows] == [
        ("torch", "2.3.0", "ok"),
        ("torch", "2.4.0rc1", "ok"),
    ]


def test_bare_name_is_the_newest_final_release_and_says_which(
    tmp_path: Path, tools: Path, shelf: LoopbackIndex
) -> None:
    program = Program(tmp_path, index_url=shelf.url, tools=tools)
    ended = program.measure("torch", "--as-of", "2024-04-25", "--engine", "venv")
    assert ended.status == 0, ended.stderr
    assert "torch: the newest final release is 2.3.0" in ended.stderr
    assert program.record["version"] == "2.3.0"
