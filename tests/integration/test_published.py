"""A user's own results beside what the project publishes: readers find both and say which, writers keep them apart."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.archive.store import PUBLISHED, Forecasts, Nights, Records
from harness.cli.main import cli
from harness.documents.footprint import Record
from tests.conftest import HERE
from tests.support.forecasts import forecast
from tests.support.loopback import LoopbackIndex
from tests.support.program import REPOSITORY, Ended, Program
from tests.support.wheels import build_wheel
from tests.unit.test_nights import night

pytestmark = pytest.mark.integration

JOB = ("--as-of=2024-06-01", f"--python={HERE.python_version}", "--engine=venv")


@pytest.fixture(scope="module")
def kept(new_program: Callable[[str], Program], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """tiny 1.0, measured and published, and tiny 1.1, measured by a user; not to be changed."""
    wheels = tmp_path_factory.mktemp("wheels")
    with LoopbackIndex() as index:
        for version in ("1.0", "1.1"):
            index.add(build_wheel(wheels, "tiny", version))
        program = new_program(index.url)
        for arguments in (("tiny==1.0", "--publish"), ("tiny==1.1",)):
            ended = program.measure(*JOB, *arguments)
            assert ended.status == 0, ended.stderr
        program.environment |= {"HARNESS_RESULTS": str(program.results), "COLUMNS": "200"}
        yield program


@pytest.fixture
def program(kept: Program, tmp_path: Path) -> Program:
    """The same, in a folder of the test's own."""
    found = Program(tmp_path)
    shutil.copytree(kept.results, found.results)
    found.environment |= {"HARNESS_RESULTS": str(found.results), "COLUMNS": "200"}
    return found


def only(folder: Path) -> Path:
    """The one record below a place."""
    (path,) = folder.glob("records/*/*.json")
    return path


def answer(program: Program, *arguments: str) -> str:
    ended = program.run(*arguments)
    assert (ended.status, ended.told) == (0, []), ended.stderr
    return ended.stdout


def refused(ended: Ended, *words: str) -> None:
    assert (ended.status, ended.stdout) == (2, "")
    for word in words:
        assert word in ended.stderr


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def versions(table: Path) -> list[str]:
    with table.open(newline="") as file:
        return [row["version"] for row in csv.DictReader(file)]


def rows(page: str) -> dict[str, list[str]]:
    """Of a Markdown table each row by its first cell."""
    cells = ([cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("|"))
    return {first: rest for first, *rest in cells}


def test_what_is_measured_lies_in_one_place_with_its_lock_and_its_row(kept: Program) -> None:
    published = kept.results / PUBLISHED
    for place, version in ((kept.results, "1.1"), (published, "1.0")):
        record = json.loads(only(place).read_text())
        assert record["version"] == version
        assert len(list(place.glob("locks/*"))) == len(list(place.glob(f"locks/*-{record['lock_sha256'][:12]}"))) == 1
        assert versions(place / "footprint.csv") == [version]


def test_answers_are_of_both_and_say_whose_each_is(kept: Program) -> None:
    one, other = only(kept.results / PUBLISHED), only(kept.results)
    assert f"file      {one} (published)\n" in answer(kept, "show", "tiny==1.0")
    assert f"file      {other} (yours)\n" in answer(kept, "show", "tiny")
    assert f"file      {one} (published)\n" in answer(kept, "show", one.stem)
    page = answer(kept, "compare", "tiny==1.0", "tiny==1.1", "--format=markdown")
    assert rows(page)["whose"] == ["published", "yours"]
    page = answer(kept, "diff", "tiny==1.0", "tiny")
    assert f"first: {one.stem} (published)\nsecond: {other.stem} (yours)\n" in page
    page = answer(kept, "fits", "250MB", "tiny==1.0", "tiny==1.1")
    place = f"cp{HERE.python_version.replace('.', '')} {HERE.platform}, pypi"
    assert f"published: tiny 1.0, {place}; yours: tiny 1.1, {place}\n" in page
    assert "\npublished: all\n" in answer(kept, "fits", "250MB", "tiny==1.0")


def test_json_has_a_key_for_it_and_a_record_stays_as_it_is(kept: Program) -> None:
    told = json.loads(answer(kept, "compare", "tiny==1.0", "tiny==1.1", "--json"))
    assert [one["origin"] for one in told["records"]] == ["published", "own"]
    told = json.loads(answer(kept, "fits", "250MB", "tiny==1.0", "--json"))
    assert [one["origin"] for one in told["verdicts"]] == ["published"]
    told = json.loads(answer(kept, "diff", "tiny==1.0", "tiny", "--json"))
    assert (told["before"]["origin"], told["after"]["origin"]) == ("published", "own")
    assert json.loads(answer(kept, "show", "tiny==1.0", "--json")) == json.loads(
        only(kept.results / PUBLISHED).read_text()
    )


def test_a_file_of_neither_place_is_said_to_lie_elsewhere(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    shutil.copy(only(program.results), path)
    assert f"file      {path} (elsewhere)\n" in answer(program, "show", str(path))


def test_who_has_nothing_of_their_own_reads_what_is_published(program: Program) -> None:
    for name in ("records", "locks"):
        shutil.rmtree(program.results / name)
    assert "(published)\n" in answer(program, "show", "tiny")
    assert [one["version"] for one in json.loads(answer(program, "compare", "--json"))["records"]] == ["1.0"]


def test_a_document_in_both_places_counts_once_and_is_the_users_own(program: Program) -> None:
    source = only(program.results / PUBLISHED)
    shutil.copy(source, program.results / "records" / "tiny")
    found: list[Record] = list(Records(program.results, both=True).all())
    assert [one.version for one in found] == ["1.0", "1.1"]
    assert "(yours)\n" in answer(program, "show", "tiny==1.0")
    assert answer(program, "charts").endswith(" of 2 records, 1 of them yours\n"), "the other one is published"
    (program.results / "records" / "tiny" / source.name).write_text("{")
    assert "(published)\n" in program.run("show", "tiny==1.0").stdout, "an invalid one hides no other"


def test_a_table_has_the_rows_of_its_place_and_both_are_rebuilt(program: Program) -> None:
    own, published = program.results / "footprint.csv", program.results / PUBLISHED / "footprint.csv"
    for table in (own, published):
        table.unlink()
    assert answer(program, "tables") == f"{own}: 1 rows\n{published}: 1 rows\n"
    assert (versions(own), versions(published)) == (["1.1"], ["1.0"])


def test_charts_are_of_both_or_of_what_is_published(program: Program) -> None:
    assert "charts of 2 records, 1 of them yours\n" in answer(program, "charts")
    assert json.loads(answer(program, "charts", "--json"))["own"] == {"records": 1, "forecasts": 0, "inferences": 0}
    drawn = files(program.results / "charts")
    folder = program.results / PUBLISHED / "charts"
    assert not folder.exists()
    told = answer(program, "charts", "--publish")
    assert told.splitlines()[-1].startswith(f"{folder}: ") and told.endswith(" charts of 1 records\n")
    assert files(program.results / "charts") == drawn


def test_a_site_marks_what_is_not_published(program: Program, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "conf.py").touch()
    both = answer(program, "site", "--docs", str(docs))
    assert both.startswith(f"{docs}: 2 records, 1 of them yours, 1 frameworks, ")
    page = (docs / "frameworks" / "tiny.md").read_text()
    assert page.count("yours, not published") == 2  # its history, and its list of records
    public = docs / "_generated" / "public"
    assert versions(public / "tables" / "footprint.csv") == ["1.0", "1.1"]
    assert len(list(public.glob("records/tiny/*.json"))) == len(list(public.glob("locks/*/pylock.toml"))) == 2
    assert answer(program, "site", "--docs", str(docs), "--publish").startswith(f"{docs}: 1 records, 1 frameworks, ")
    assert not [path for path in docs.rglob("*") if path.is_file() and b"not published" in path.read_bytes()]
    assert (public / "tables" / "footprint.csv").read_bytes() == (
        program.results / PUBLISHED / "footprint.csv"
    ).read_bytes()


def test_a_published_record_is_replayed_from_its_published_lock(kept: Program) -> None:
    ended = kept.run("replay", only(kept.results / PUBLISHED).stem)
    assert ended.status == 0, ended.stderr
    assert "replay of tiny 1.0 (published)" in ended.stdout
    for place in (kept.results, kept.results / PUBLISHED):
        assert len(list(place.glob("records/*/*"))) == len(list(place.glob("locks/*"))) == 1


def planned(program: Program, *arguments: str) -> str:
    wanted = ["sweep", "--framework=tiny==1.0", "--framework=tiny==1.1", *JOB, "--plan", *arguments]
    return answer(program, *wanted)


def test_a_sweep_counts_the_records_of_its_own_place_alone(kept: Program) -> None:
    for place, arguments in ((kept.results, []), (kept.results / PUBLISHED, ["--publish"])):
        plan = json.loads(planned(kept, "--json", *arguments))
        assert [one["record"] for one in plan if one["record"]] == [only(place).stem]


def test_a_measurement_takes_no_lock_from_the_other_place(kept: Program, program: Program) -> None:
    program.environment |= {"HARNESS_INDEX_URL": kept.environment["HARNESS_INDEX_URL"]}
    (program.cache / "tools").symlink_to(kept.cache / "tools")
    assert program.measure(*JOB, "tiny==1.0").status == 0
    (new,) = program.results.glob("records/tiny/tiny-1.0-*.json")
    assert "resolve_seconds" not in json.loads(new.read_text())["absent"], "it was locked anew"
    assert len(list(program.results.glob("locks/*"))) == 2


@pytest.mark.parametrize("command", ["measure", "forecast", "infer", "providers", "sweep", "nightly", "charts", "site"])
def test_whoever_writes_can_publish_and_only_a_night_does_so_unasked(command: str) -> None:
    (option,) = (one for one in cli.commands[command].params if one.name == "publish")
    assert option.default is (command == "nightly")


def test_make_publishes(kept: Program, program: Program) -> None:
    program.environment |= {"HARNESS_INDEX_URL": kept.environment["HARNESS_INDEX_URL"]}
    (program.cache / "tools").symlink_to(kept.cache / "tools")
    ended = program.make("forecast", "FRAMEWORK=tiny==1.0", "AS_OF=2024-06-01", "PUBLISH=1")
    assert ended.status == 0, ended.stderr
    assert list(program.results.glob("published/forecasts/tiny/*.json"))
    assert not (program.results / "forecasts").exists()
    ended = program.make("forecast", "FRAMEWORK=tiny==1.0", "PUBLISH=maybe")
    assert "PUBLISH is 'maybe', which is neither yes nor no" in ended.stderr


# Publishing


def test_all_that_is_the_users_own_is_published_byte_for_byte(program: Program) -> None:
    own, published = program.results, program.results / PUBLISHED
    source, there = only(own), files(published / "records")
    (lock,) = own.glob("locks/*")
    told = answer(program, "publish-results")
    target = published / "records" / "tiny" / source.name
    assert target.read_bytes() == source.read_bytes()
    assert files(published / "locks" / lock.name) == files(lock)
    assert files(published / "records").items() >= there.items()
    assert sorted(versions(published / "footprint.csv")) == ["1.0", "1.1"]
    assert told.splitlines()[-3:] == [str(target), f"{published}: 1 new document", "next: make charts PUBLISH=1"]


def test_a_forecast_and_a_night_with_its_page_are_published(program: Program) -> None:
    foreseen, planned = forecast(lock_sha256="0" * 64), night()
    Forecasts(program.results).add(foreseen)
    shelf = Nights(program.results)
    shelf.add(planned)
    shelf.summary(planned).write_text("# Night\n")
    assert foreseen.lock_sha256, "which is kept nowhere"
    answer(program, "publish-results", foreseen.record_id, planned.record_id)
    published = program.results / PUBLISHED
    assert list(Forecasts(published).all()) == [foreseen] and list(Nights(published).all()) == [planned]
    assert Nights(published).summary(planned).read_text() == "# Night\n"
    assert versions(published / "footprint.csv") == ["1.0"] and versions(published / "forecast.csv") == ["2.3.0"]


def test_a_second_time_nothing_is_copied(program: Program) -> None:
    answer(program, "publish-results", "--quiet")
    published = program.results / PUBLISHED
    before = files(published)
    assert answer(program, "publish-results") == f"{published}: 0 new documents, 1 published before\n"
    told = json.loads(answer(program, "publish-results", "--json"))
    assert (told["documents"], told["others"], len(told["there"])) == ([], [], 1)
    assert files(published) == before


def test_what_is_published_is_never_replaced(program: Program) -> None:
    source = only(program.results)
    target = program.results / PUBLISHED / "records" / "tiny" / source.name
    target.write_text("somebody else's")
    answer(program, "publish-results", source.stem)
    assert target.read_text() == "somebody else's"


@pytest.mark.parametrize("how", ["path", "id", "request", "make"])
def test_one_is_published_by_its_path_its_id_or_what_it_measured(program: Program, how: str) -> None:
    source = only(program.results)
    name = {"path": str(source), "id": source.stem, "request": "tiny==1.1", "make": "tiny"}[how]
    if how == "make":
        assert program.make("publish-results", f"RECORD={name}").status == 0
    else:
        answer(program, "publish-results", name)
    assert (program.results / PUBLISHED / "records" / "tiny" / source.name).read_bytes() == source.read_bytes()


def test_nothing_to_publish_is_bad_input(program: Program) -> None:
    shutil.rmtree(program.results / "records")
    refused(program.run("publish-results", "--quiet"), "nothing of your own to publish", "make measure")
    refused(program.run("publish-results", "--quiet", "tiny"), "there is no record or forecast of tiny")


@pytest.mark.parametrize("spoil", [shutil.rmtree, lambda place: (place / "requirements.txt").write_text("other==1\n")])
def test_a_record_without_its_lock_is_not_published(program: Program, spoil: Callable[[Path], object]) -> None:
    (lock,) = program.results.glob("locks/*")
    spoil(lock)
    source = only(program.results)
    refused(program.run("publish-results", "--quiet", source.stem), "names the lock", "measure it again")
    ended = program.run("publish-results")
    assert ended.status == 1 and f"left out: {source.name}" in " ".join(ended.stderr.split())
    assert [path.name for path in (program.results / PUBLISHED / "records" / "tiny").iterdir()] != [source.name]


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", ".."])
def test_a_document_cannot_lead_out_of_the_published_place(program: Program, name: str) -> None:
    source = only(program.results)
    document = json.loads(source.read_text()) | {"record_id": name, "framework": name}
    source.write_text(json.dumps(document))
    before = files(program.folder)
    ended = program.run("publish-results", "--quiet", str(source))
    assert ended.status == 2 and "Traceback" not in ended.stderr
    assert files(program.folder) == before


# git


@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        ("records/torch/a.json", True),
        ("footprint.csv", True),
        ("locks/a/pylock.toml", True),
        ("charts/decision-light.svg", True),
        ("published/records/torch/a.json", False),
        ("published/locks/a/pylock.toml", False),
        ("published/nights/2026/a.md", False),
        ("published/footprint.csv", False),
        ("published/charts/decision-light.svg", False),
        ("published/.lock", True),
        ("published/nights/.lock", True),
        ("published/.footprint.index", True),
        ("published/.table-x", True),
    ],
)
def test_git_sees_what_is_published_and_nothing_else(program: Program, path: str, ignored: bool) -> None:
    ended = program.execute(["git", "check-ignore", "--quiet", "--no-index", f"results/{path}"], folder=REPOSITORY)
    assert ended.status == (0 if ignored else 1), ended.stderr
