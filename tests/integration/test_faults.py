"""What goes wrong around a measurement: killed, interrupted, two at once, an engine that goes away.

FAULTS.md, "Faults". Each is done for real; afterwards the records are whole, nothing of a dead run is
left, nothing of a living one is touched, and the same command works.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pytest
from docker.errors import NotFound

from harness.archive.store import Records
from harness.engines import venv
from harness.engines.docker import LABEL, DockerEngine
from harness.engines.owner import Owners
from harness.job import Job, parse_request
from harness.packages.index import Index, Reach
from harness.packages.lock import LockStore
from harness.progress import Silent
from harness.stages import footprint
from tests.conftest import HERE, IN_CONTAINERS
from tests.support.containers import Leftovers, Wire, leftovers
from tests.support.loopback import GARBAGE, STALL, Fault, LoopbackIndex, status
from tests.support.program import Program, Running, eventually
from tests.support.wheels import build_wheel

pytestmark = pytest.mark.integration

SLEEPY = b"import time\ntime.sleep(0.6)\n"
JOB = ("sleepy==1.0", "--as-of", "2024-06-01")
AS_OF = datetime(2024, 6, 1, tzinfo=UTC)


@pytest.fixture
def shelf(index: LoopbackIndex, tmp_path: Path) -> LoopbackIndex:
    """`sleepy` needs `base`, and takes its time to be imported; `quick` does not."""
    index.add(build_wheel(tmp_path, "sleepy", files={"sleepy.py": SLEEPY}, requires=["base"]))
    index.add(build_wheel(tmp_path, "base"))
    index.add(build_wheel(tmp_path, "quick"))
    return index


@pytest.fixture
def engine_left(engine_name: str) -> Iterator[Leftovers | None]:
    """What is on the container engine; None for the engine that needs none."""
    if engine_name == "venv":
        yield None
        return
    with leftovers() as found:
        yield found


def owners_of(program: Program) -> set[str]:
    return {path.stem for path in program.cache.glob("owners/*.lock")}


def short_paths(program: Program) -> list[Path]:
    """The links in /tmp that lead into this program's sandboxes."""
    sandboxes = str(program.cache)
    links = (link for folder in Path("/tmp").glob("fh-*") for link in folder.glob("*") if link.is_symlink())
    return [link for link in links if os.readlink(link).startswith(sandboxes)]


def processes_of(program: Program) -> list[str]:
    """Command lines of what still runs in this program's sandboxes."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(program.cache) in command or any(str(link) in command for link in short_paths(program)):
            found.append(command)
    return found


def unfinished(program: Program) -> list[str]:
    """Whatever an interrupted run could have left on disk."""
    work = [str(path) for path in program.cache.glob("work/*/*")]
    strays = [*program.cache.rglob("gathered-*"), *program.cache.rglob("part-*"), *program.results.rglob(".*-*")]
    return [*work, *map(str, strays), *map(str, short_paths(program))]


def wait_until_busy(program: Program, running: Running, engine: Leftovers | None) -> str:
    """The owner's name, once something of it runs in a sandbox."""
    (owner,) = owners_of(program) - {"live"}
    if engine is None:
        eventually(lambda: list(program.cache.glob(f"work/{owner}/sandbox-*")))
        eventually(lambda: processes_of(program))
    else:
        eventually(lambda: engine.containers(owner))
    return owner


@pytest.mark.parametrize("phase", ["resolve", "install", "import"])
def test_sigkill(
    phase: str, engine_name: str, engine_left: Leftovers | None, program: Program, shelf: LoopbackIndex
) -> None:
    assert program.measure("quick==1.0", "--engine", engine_name).status == 0
    before = {path: path.read_bytes() for path in program.record_files}
    if phase == "resolve":
        shelf.spoil(shelf.page("base"), STALL)
    with program.measuring(*JOB, "--engine", engine_name) as running:
        running.reach(phase)
        dead = wait_until_busy(program, running, engine_left)
        running.signal(signal.SIGKILL)
        assert running.end().status == -signal.SIGKILL
    shelf.heal(shelf.page("base"))
    assert {path: path.read_bytes() for path in program.record_files} == before
    assert len(program.rows) == 1 and dead in owners_of(program)
    eventually(lambda: not processes_of(program))

    with Owners(program.cache).enroll() as living:
        sandbox = living.folder / "sandbox-cafe"
        sandbox.mkdir()
        if engine_left is None:
            assert unfinished(program)
            ended = program.measure(*JOB, "--engine", engine_name)
        else:
            assert engine_left.of(dead)
            with engine_left.volume_of(living.name) as living_volume, engine_left.volume_of("0" * 16) as strange_volume:
                ended = program.measure(*JOB, "--engine", engine_name)
                assert engine_left.of(dead) == []
                assert engine_left.volumes(living.name) == [living_volume]  # it lives
                assert engine_left.volumes("0" * 16) == [strange_volume]  # it may live elsewhere
        assert ended.status == 0, ended.stderr
        assert "leftovers of runs that were killed" in ended.stderr
        assert sandbox.is_dir()
        sandbox.rmdir()
    assert unfinished(program) == []
    assert [(row["framework"], row["status"]) for row in program.rows] == [("quick", "ok"), ("sleepy", "ok")]
    assert all(path.read_bytes() == content for path, content in before.items())


def test_interrupted_once_leaves_nothing_behind(
    engine_name: str, engine_left: Leftovers | None, program: Program, shelf: LoopbackIndex
) -> None:
    with program.measuring(*JOB, "--engine", engine_name) as running:
        running.reach("import")
        owner = wait_until_busy(program, running, engine_left)
        running.signal(signal.SIGINT)
        ended = running.end()
    assert ended.status == 130
    assert "Traceback" not in ended.stderr and ended.stdout == ""
    assert ended.stderr.splitlines()[-1].startswith("interrupted: nothing was left behind")
    assert program.records == []
    assert unfinished(program) == [] and owners_of(program) == set()
    assert engine_left is None or engine_left.of(owner) == []
    eventually(lambda: not processes_of(program))


@pytest.mark.parametrize("numbers", [(signal.SIGTERM,), (signal.SIGINT, signal.SIGINT)])
def test_terminated_or_interrupted_twice(
    numbers: tuple[signal.Signals, ...], program: Program, shelf: LoopbackIndex
) -> None:
    with program.measuring(*JOB, "--engine", "venv") as running:
        running.reach("import")
        wait_until_busy(program, running, None)
        for number in numbers:
            running.signal(number)
        ended = running.end()
    assert ended.status == 130 and "Traceback" not in ended.stderr
    assert program.records == []
    eventually(lambda: not processes_of(program))
    assert program.measure("quick==1.0", "--engine", "venv").status == 0
    assert unfinished(program) == []


def test_two_at_once_in_one_results_folder(engine_name: str, program: Program, shelf: LoopbackIndex) -> None:
    with (
        program.measuring(*JOB, "--engine", engine_name) as one,
        program.measuring(*JOB, "--engine", engine_name) as other,
    ):
        ended = [one.end(), other.end()]
    assert [run.status for run in ended] == [0, 0], [run.stderr for run in ended]
    assert "leftovers" not in ended[0].stderr + ended[1].stderr
    assert len(program.rows) == len(program.records) == 2
    assert len({row["record_id"] for row in program.rows}) == 2
    assert len({row["installed_bytes"] for row in program.rows}) == 1
    assert unfinished(program) == []


@pytest.mark.engine
@pytest.mark.parametrize("phase", ["resolve", "install", "import"])
def test_engine_that_stops_in_the_middle(phase: str, program: Program, shelf: LoopbackIndex) -> None:
    if phase == "resolve":
        shelf.spoil(shelf.page("base"), STALL)
    with leftovers() as left:
        with Wire() as wire:
            there = {"DOCKER_HOST": wire.host}
            with program.measuring(*JOB, "--engine", "docker", environment=there) as running:
                running.reach(phase)
                owner = wait_until_busy(program, running, left)
                wire.cut()
                ended = running.end()
            shelf.heal(shelf.page("base"))
            assert ended.status in (1, 4) and "Traceback" not in ended.stderr, ended.stderr
            (row,) = program.rows
            assert (row["status"], row["phase"]) == ("failed", phase)
            assert re.search("the container engine stopped answering", row["reason"])
            assert left.of(owner)  # nobody could remove it
            refused = program.measure(*JOB, "--engine", "docker", environment=there)
            assert refused.status == 4 and "no Docker API answers" in refused.told[0]
        ended = program.measure(*JOB, "--engine", "docker")
        assert ended.status == 0, ended.stderr
        assert left.of(owner) == []
    assert [row["status"] for row in program.rows] == ["failed", "ok"]
    assert unfinished(program) == [] and owners_of(program) == set()


@pytest.mark.engine
def test_container_that_somebody_removes_is_a_failed_row(program: Program, shelf: LoopbackIndex) -> None:
    with leftovers() as left:
        with program.measuring(*JOB, "quick==1.0", "--engine", "docker") as running:
            running.reach("import")
            owner = wait_until_busy(program, running, left)
            for container in left.containers(owner):
                left.client.api.remove_container(container, force=True)
            ended = running.end()
        assert left.of(owner) == []
    assert ended.status == 1 and "Traceback" not in ended.stderr, ended.stderr
    assert [(row["framework"], row["status"]) for row in program.rows] == [("sleepy", "failed"), ("quick", "ok")]


@pytest.mark.engine
def test_leftovers_wait_for_their_engine(program: Program, shelf: LoopbackIndex) -> None:
    """A run that finds no engine cannot remove a dead one's containers, and must not forget them either."""
    with leftovers() as left:
        with program.measuring(*JOB, "--engine", "docker") as running:
            running.reach("import")
            dead = wait_until_busy(program, running, left)
            running.signal(signal.SIGKILL)
            running.end()
        without = program.measure("quick==1.0", environment={"DOCKER_HOST": "unix:///nowhere/engine.sock"})
        assert without.status == 0 and "measuring with the venv engine" in without.stderr
        assert program.record["engine"] == "venv"
        assert left.of(dead)
        assert program.measure("quick==1.0", "--engine", "docker").status == 0
        assert left.of(dead) == []


@pytest.mark.engine
def test_what_a_killed_run_left_running_is_ended_before_anything_is_timed(tmp_path: Path) -> None:
    """Its lock was let go of when it was killed: whoever waited for the host goes on, beside a container of it."""
    owners = Owners(tmp_path)
    with owners.enroll() as owner, leftovers() as left:
        engine = DockerEngine(left.client, owner)
        (owners.folder / f"{'0' * 16}.lock").touch()
        image = str(engine.facts(IN_CONTAINERS).image)
        dead, mine = (
            left.client.containers.run(image, ["sleep", "60"], labels={LABEL: name}, detach=True)
            for name in ("0" * 16, owner.name)
        )
        try:
            engine.stop_orphans()
            assert left.containers("0" * 16) == []
            assert left.containers(owner.name) == [mine.id]
        finally:
            mine.remove(force=True)
            with contextlib.suppress(NotFound):
                dead.remove(force=True)


@pytest.mark.engine
def test_a_leftover_that_cannot_be_removed_hinders_nobody(program: Program, shelf: LoopbackIndex) -> None:
    """Somebody looks into a dead run's volume: it stays, the measurement goes on, and a later one removes it."""
    dead = "0" * 16
    (program.cache / "owners").mkdir(parents=True)
    (program.cache / "owners" / f"{dead}.lock").touch()
    with leftovers() as left, left.volume_of(dead) as volume:
        with left.container_with(volume):
            ended = program.measure("quick==1.0", "--engine", "docker")
            assert ended.status == 0 and "a leftover could not be removed" in ended.stderr, ended.stderr
            assert left.of(dead) and dead in owners_of(program)
        assert program.measure("quick==1.0", "--engine", "docker").status == 0
        assert left.of(dead) == [] and dead not in owners_of(program)


def test_clock_set_back_overwrites_nothing(
    shelf: LoopbackIndex, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two measurements within one second of a clock that was set back an hour in between: two records,
    and durations that no clock can turn negative."""

    class SetBack(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return next(times).replace(tzinfo=tz)

    now = datetime(2026, 10, 25, 3, 0, 0)
    times = (at for at in (now, now - timedelta(hours=1), now) for _ in range(2))  # twice a measurement
    monkeypatch.setattr(footprint, "datetime", SetBack)
    monkeypatch.setattr("time.time", lambda: next(ticks))
    ticks = itertools.count(10**9, -60)
    store = Records(tmp_path / "records-of-the-clock")
    store.prepare()
    one = Job(parse_request("quick==1.0"), HERE, "pypi", AS_OF, "pip", "venv", "quick")
    with Owners(program.cache).enroll() as owner:
        workshop = footprint.Workshop(
            engine=venv.VenvEngine(owner),
            index=Index(Reach(index_url=shelf.url)),
            cache=program.cache,
            work=owner.folder,
            locks=LockStore(store.results / "locks"),
            progress=Silent(),
        )
        written = [store.add(footprint.measure(one, workshop, footprint.Settings(repeats=1))) for _ in range(3)]
    assert len(set(written)) == 3
    for path in written:
        record = store.read(str(path))
        assert record.status == "ok", record.reason
        assert record.figures.install_seconds and record.figures.install_seconds > 0
        samples = record.samples.model_dump()
        assert all(one["seconds"] > 0 for runs in samples.values() for one in runs)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (None, "the index cannot be reached"),
        (status(503), "the index answered HTTP 503"),
        (GARBAGE, "what answered is not a package index"),
    ],
    ids=["closed", "503", "garbage"],
)
def test_index_that_fails_is_said_to(fault: Fault | None, says: str, program: Program, shelf: LoopbackIndex) -> None:
    if fault is None:
        shelf.close()
    else:
        shelf.spoil(shelf.page("quick"), fault)
    ended = program.measure("quick==1.0", "--engine", "venv")
    assert ended.status == 4 and "Traceback" not in ended.stderr, ended.stderr
    assert says in ended.told[0] and "run the same again" in ended.told[1]
    assert program.records == []
    if fault is not None:
        shelf.heal(shelf.page("quick"))
        assert program.measure("quick==1.0", "--engine", "venv").status == 0


def test_index_that_fails_under_a_dependency_is_a_failed_row(program: Program, shelf: LoopbackIndex) -> None:
    shelf.spoil(shelf.page("base"), status(404))
    shelf.add(build_wheel(program.folder, "dateless"), upload_time=None)
    ended = program.measure("sleepy==1.0", "dateless==1.0", "quick==1.0", "--engine", "venv")
    assert ended.status == 1, ended.stderr
    rows = {row["framework"]: row for row in program.rows}
    assert {name: (row["status"], row["phase"]) for name, row in rows.items()} == {
        "sleepy": ("failed", "resolve"),
        "dateless": ("failed", "resolve"),
        "quick": ("ok", ""),
    }
    assert rows["sleepy"]["reason"] == "base, which it needs, is not on the index"
    assert "the index tells no upload times for dateless" in rows["dateless"]["reason"]


def test_torn_records_are_set_aside_and_the_table_rebuilt(program: Program, index: LoopbackIndex) -> None:
    index.add(build_wheel(program.folder, "quick"))
    assert program.measure("quick==1.0", "--engine", "venv").status == 0
    table = (program.results / "footprint.csv").read_bytes()
    (good,) = program.record_files
    whole = good.read_bytes()
    cuts = [0, 1, 2, len(whole) // 3, len(whole) // 2, len(whole) - 3]
    spoiled = {f"cut-at-{offset}.json": whole[:offset] for offset in cuts}
    spoiled |= {
        "newer.json": whole.replace(b'"schema_version":1', b'"schema_version":2'),
        "negative.json": re.sub(rb'"wheel_bytes":\d+', b'"wheel_bytes":-1', whole, count=1),
        "nan.json": re.sub(rb'"install_seconds":[0-9.]+', b'"install_seconds":NaN', whole, count=1),
        "utf16.json": whole.decode().encode("utf-16"),
        "merge.json": b"<<<<<<< HEAD\n" + whole + b"=======\n>>>>>>> theirs\n",
        "binary.json": bytes(range(256)),
    }
    for name, content in spoiled.items():
        assert content != whole
        (good.parent / name).write_bytes(content)
    for torn_table in (b"", table[: len(table) // 2], None):
        if torn_table is None:
            (program.results / "footprint.csv").unlink()
        else:
            (program.results / "footprint.csv").write_bytes(torn_table)
        ended = program.run("tables", "--results", str(program.results))
        assert ended.status == 0, ended.stderr
        assert (program.results / "footprint.csv").read_bytes() == table
        warned = {line.split(": ")[1] for line in ended.stderr.splitlines() if "not a valid record" in line}
        assert warned == set(spoiled)
    assert "has schema 2; this harness knows up to 1" in ended.stderr
    assert good.read_bytes() == whole
    assert all((good.parent / name).read_bytes() == content for name, content in spoiled.items())
    replayed = program.run("replay", str(good.parent / "newer.json"), "--results", str(program.results))
    assert replayed.status == 2 and "upgrade footprint-harness" in replayed.told[1]
    assert program.measure("quick==1.0", "--engine", "venv").status == 0
    assert len(program.rows) == 2


# Looks around from inside of an import, and tells what it found in the one line that a failed row keeps.
SPY = """
import os, socket
found = {"uid": os.getuid()}
def attempt(name, action):
    try:
        found[name] = "allowed", action()
    except OSError as error:
        found[name] = type(error).__name__
attempt("index", lambda: socket.create_connection(("127.0.0.1", %d), 3).close())
attempt("outside", lambda: socket.create_connection(("192.0.2.1", 80), 3).close())
attempt("slash", lambda: open("/written", "w").close())
attempt("etc", lambda: open("/etc/written", "w").close())
attempt("site", lambda: open(__file__ + "x", "w").close())
attempt("own", lambda: open(__file__, "a").close())
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
found["caps"] = max(int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"))
found["nnp"] = status.get("NoNewPrivs", "?").strip()
found["variables"] = sorted(name for name in os.environ if "SECRET" in name or name.startswith(("PYTHON", "HARNESS")))
raise RuntimeError(found)
"""


def spied(program: Program, index: LoopbackIndex, engine: str) -> dict[str, object]:
    index.add(build_wheel(program.folder, "spy", files={"spy.py": (SPY % index.port).encode()}))
    secrets = {"SECRET_TOKEN": "x", "PYTHONPATH": str(program.folder), "AWS_SECRET": "x"}
    ended = program.measure("spy==1.0", "--engine", engine, environment=secrets)
    assert ended.status == 1, ended.stderr
    match = re.fullmatch(r"RuntimeError: (\{.*\})", program.record["reason"])
    assert match, program.record["reason"]
    return dict(eval(match[1], {"__builtins__": {}}))


@pytest.mark.engine
def test_measured_code_in_a_container_can_do_nothing(program: Program, index: LoopbackIndex) -> None:
    found = spied(program, index, "docker")
    assert found.pop("index") == "ConnectionRefusedError"  # the loopback of a network of its own
    assert found.pop("outside") == "OSError"
    assert {name: found.pop(name) for name in ("slash", "etc", "site", "own")} == dict.fromkeys(
        ("slash", "etc", "site", "own"), "OSError"
    )
    assert found == {"uid": 65534, "caps": 0, "nnp": "1", "variables": []}
    assert program.record["environment"]["network_isolated"] is True


def test_measured_code_in_a_folder_is_told_nothing(program: Program, index: LoopbackIndex) -> None:
    """No hardening worth the name, which the record says; but no secrets, and no network where the kernel helps."""
    found = spied(program, index, "venv")
    assert found["variables"] == []
    reached = [name for name in ("index", "outside") if isinstance(found[name], tuple)]
    assert bool(reached) == (not program.record["environment"]["network_isolated"])
