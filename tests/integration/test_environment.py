"""Environments: requests locked together, from the index, from carried wheels or from these alone, and installed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.engines import venv
from harness.engines.owner import Owners
from harness.engines.sandbox import Engine, Limits, Sandbox
from harness.errors import EnvironmentLacksError, HarnessError, MeasurementError, SkippedError, UnsupportedError
from harness.job import Target, parse_request
from harness.packages import environment
from harness.packages import tools as toolbox
from harness.packages.carried import Carried
from harness.packages.environment import Shop
from harness.packages.index import Index, Reach
from harness.packages.lock import Lock, LockStore
from harness.packages.wheelhouse import Wheelhouse
from harness.progress import Silent
from tests.conftest import HERE
from tests.support.loopback import UPLOADED, LoopbackIndex
from tests.support.wheels import build_wheel, wheel_with_path

# docker-py leaves the socket of each attached container to the garbage collector
pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

AS_OF = datetime(2024, 6, 1, tzinfo=UTC)
LATER = datetime(2024, 7, 1, tzinfo=UTC)


@pytest.fixture
def shop(engine: Engine, tmp_path: Path, tools: Path, index: LoopbackIndex) -> Shop:
    (tmp_path / "cache" / "tools").symlink_to(tools)
    work = tmp_path / "cache" / "work"
    client = Index(Reach(index_url=index.url))
    return Shop(engine, client, tmp_path / "cache", work, LockStore(tmp_path / "locks"), Silent())


@pytest.fixture
def alone(tmp_path: Path, tools: Path, index: LoopbackIndex) -> Iterator[Shop]:
    """For what needs no sandbox: locks alone."""
    with Owners(tmp_path / "cache").enroll() as owner:
        (tmp_path / "cache" / "tools").symlink_to(tools)
        client = Index(Reach(index_url=index.url))
        locks = LockStore(tmp_path / "locks")
        yield Shop(venv.VenvEngine(owner), client, tmp_path / "cache", owner.folder, locks, Silent())


@pytest.fixture
def built(tmp_path: Path) -> Callable[..., Path]:
    """Makes wheels, not yet on the index or in a folder that is carried."""
    return lambda *arguments, **options: build_wheel(tmp_path / "built", *arguments, **options)


def carried(shop: Shop, folder: Path, *wheels: Path, offline: bool = False) -> Shop:
    folder.mkdir(exist_ok=True)
    for wheel in wheels:
        shutil.copy(wheel, folder)
    return replace(shop, carried=Carried.at(folder), offline=offline)


def prepared(shop: Shop, target: Target, sandbox: Sandbox, *requests: str) -> Lock:
    found = environment.prepare([parse_request(one) for one in requests], target, AS_OF, sandbox, shop)
    assert found.installed_bytes > 0
    return found.lock


def locked(shop: Shop, *requests: str) -> dict[str, str]:
    """Name -> version of what these resolve to together."""
    lock = environment.lock([parse_request(one) for one in requests], HERE, AS_OF, shop)
    return {wheel.name: wheel.version for wheel in lock.wheels}


def failure(kind: type[HarnessError], shop: Shop, *requests: str) -> HarnessError:
    with pytest.raises(kind) as caught:
        locked(shop, *requests)
    assert type(caught.value) is kind
    assert "://" not in caught.value.message + caught.value.tip
    return caught.value


def run(sandbox: Sandbox, program: str) -> str:
    """What a program prints that the environment's own interpreter runs."""
    done = sandbox.run([f"{sandbox.root}/env/bin/python", "-I", "-B", "-c", program], limits=Limits(seconds=60))
    assert (done.ended, done.exit_status) == ("exited", 0), done.stderr.decode()
    return done.stdout.decode().strip()


def test_requests_share_one_environment_that_can_be_used(
    shop: Shop, target: Target, index: LoopbackIndex, built: Callable[..., Path]
) -> None:
    index.add(built("shared", "1.0"))
    index.add(built("shared", "2.0"))
    index.add(built("one", requires=["shared"], files={"one.py": b"import shared\n"}))
    index.add(built("two", requires=["shared<2"], files={"two.py": b"import shared\n"}))
    with shop.engine.open(target) as sandbox:
        lock = prepared(shop, target, sandbox, "one", "two==1.0")
        assert {wheel.name: wheel.version for wheel in lock.wheels} == {"one": "1.0", "two": "1.0", "shared": "1.0"}
        assert run(sandbox, "import one, two; print(one.shared.__file__ == two.shared.__file__)") == "True"
        assert run(sandbox, "import one, os; print(os.path.exists(one.__cached__))") == "True"
        assert run(sandbox, "import os; print(os.path.exists('/mnt/wheels'))") == "False"
    assert shop.locks.by_sha256(lock.sha256) == lock and lock.resolver.startswith("uv ")


def test_a_lock_is_used_again_and_its_wheels_too(
    shop: Shop, target: Target, index: LoopbackIndex, built: Callable[..., Path]
) -> None:
    index.add(built("one"))
    with shop.engine.open(target) as sandbox:
        lock = prepared(shop, target, sandbox, "one")
    index.close()
    with shop.engine.open(target) as sandbox:
        assert prepared(shop, target, sandbox, "one") == lock
        run(sandbox, "import one")


def test_carried_wheels_alone_install_without_any_index(
    shop: Shop, target: Target, tmp_path: Path, index: LoopbackIndex, built: Callable[..., Path]
) -> None:
    index.add(built("one", "3.0"))
    wheels = [built("one", "1.0+cpu", requires=["two"]), built("one", "2.0", tag="cp39-cp39-linux_x86_64")]
    offline = carried(shop, tmp_path / "folder", *wheels, built("two", "5.0"), offline=True)
    seen = len(index.requests)
    with offline.engine.open(target) as sandbox:
        lock = prepared(offline, target, sandbox, "one")
        run(sandbox, "import one, two")
    assert {wheel.name: wheel.version for wheel in lock.wheels} == {"one": "1.0+cpu", "two": "5.0"}
    assert all(wheel.carried for wheel in lock.wheels)
    assert len(index.requests) == seen
    (text,) = [path.read_text() for path in (tmp_path / "locks").glob("*/pylock.toml")]
    assert str(tmp_path) not in text and "://" not in text


def test_a_malformed_wheel_is_refused_before_anything_is_unpacked(
    shop: Shop, target: Target, tmp_path: Path, index: LoopbackIndex
) -> None:
    index.add(wheel_with_path(tmp_path / "built", "../climbed.py"))
    with shop.engine.open(target) as sandbox:
        with pytest.raises(MeasurementError, match="climbs out"):
            prepared(shop, target, sandbox, "malformed")
        done = sandbox.run(["ls", sandbox.root], limits=Limits(seconds=60))
        assert done.stdout == b""


def test_the_date_holds_for_all_that_the_index_gives(
    alone: Shop, index: LoopbackIndex, built: Callable[..., Path]
) -> None:
    for name in ("one", "two"):
        index.add(built(name, "1.0", requires=["two"] if name == "one" else []), upload_time=UPLOADED)
        index.add(built(name, "2.0"), upload_time=LATER)
    assert locked(alone, "one") == {"one": "1.0", "two": "1.0"}


def test_a_carried_build_is_chosen_for_its_own_request_whatever_the_date(
    alone: Shop, tmp_path: Path, index: LoopbackIndex, built: Callable[..., Path]
) -> None:
    index.add(built("torch", "2.0", requires=["numpy"]))
    index.add(built("torch", "3.0", requires=["numpy"]))
    index.add(built("numpy", "1.0"))
    shop = carried(alone, tmp_path / "folder", built("torch", "2.0+cpu", requires=["numpy"]), built("numpy", "9.0"))
    assert locked(shop, "torch") == {"torch": "2.0+cpu", "numpy": "1.0"}
    assert locked(shop, "torch==2.0") == {"torch": "2.0+cpu", "numpy": "1.0"}
    assert locked(shop, "torch==3.0") == {"torch": "3.0", "numpy": "1.0"}
    assert locked(shop, "torch", "numpy") == {"torch": "2.0+cpu", "numpy": "9.0"}
    assert locked(alone, "torch") == {"torch": "3.0", "numpy": "1.0"}


def test_a_build_that_was_made_again_is_the_one_that_is_installed(
    shop: Shop, engine: Engine, target: Target, tmp_path: Path, built: Callable[..., Path]
) -> None:
    """The same name and version, other bytes: the lock of the older one is not used again."""
    found = []
    for number, value in enumerate((b"1", b"2", b"1")):
        wheel = built("one", "1.0+cpu", {"one.py": b"print(%s)" % value})
        carries = carried(shop, tmp_path / f"folder-{number}", wheel)
        with engine.open(target) as sandbox:
            found.append(prepared(carries, target, sandbox, "one"))
            told = sandbox.run([f"{sandbox.root}/env/bin/python", "-c", "import one"], limits=Limits())
            assert told.stdout.strip() == value
    assert found[0].sha256 == found[2].sha256 != found[1].sha256


def test_a_carried_build_comes_before_the_same_version_of_the_index(
    alone: Shop, tmp_path: Path, index: LoopbackIndex, built: Callable[..., Path]
) -> None:
    index.add(built("one", tag=f"{HERE.tag}-{HERE.tag}-manylinux_2_17_{os.uname().machine}"))
    own = built("one")
    shop = carried(alone, tmp_path / "folder", own)
    (wheel,) = environment.lock([parse_request("one")], HERE, AS_OF, shop).wheels
    assert wheel.filename == own.name and wheel.carried


def test_a_carried_wheel_for_another_python_leaves_the_request_to_the_index(
    alone: Shop, tmp_path: Path, index: LoopbackIndex, built: Callable[..., Path]
) -> None:
    index.add(built("one", "1.0"))
    shop = carried(alone, tmp_path / "folder", built("one", "2.0", tag="cp27-cp27mu-linux_x86_64"))
    assert locked(shop, "one") == {"one": "1.0"}


def test_what_was_asked_for_by_its_version_is_told_to_be_yanked(
    alone: Shop, index: LoopbackIndex, built: Callable[..., Path]
) -> None:
    index.add(built("one"), yanked="broken")
    (wheel,) = environment.lock([parse_request("one==1.0")], HERE, AS_OF, alone).wheels
    assert wheel.yanked


def test_requests_that_cannot_go_together_say_so(alone: Shop, index: LoopbackIndex, built: Callable[..., Path]) -> None:
    index.add(built("shared", "1.0"))
    index.add(built("shared", "2.0"))
    index.add(built("one", requires=["shared<2"]))
    index.add(built("two", requires=["shared>=2"]))
    assert "dependency conflict" in failure(MeasurementError, alone, "one", "two").message


def test_offline_what_is_not_carried_is_skipped_by_its_name(
    alone: Shop, tmp_path: Path, index: LoopbackIndex, built: Callable[..., Path]
) -> None:
    index.add(built("two"))
    other = built("three", tag="cp27-cp27mu-linux_x86_64")
    shop = carried(alone, tmp_path / "folder", built("one", requires=["two"]), other, offline=True)
    assert failure(SkippedError, shop, "one").message == "two is not among the carried wheels"
    assert "one==2.0" in failure(SkippedError, shop, "one==2.0").message
    assert "no wheel" in failure(UnsupportedError, shop, "three").message


def test_a_carried_wheel_is_copied_and_verified(
    alone: Shop, tmp_path: Path, index: LoopbackIndex, built: Callable[..., Path]
) -> None:
    shop = carried(alone, tmp_path / "folder", built("one", "1.0+cpu"))
    lock = environment.lock([parse_request("one")], HERE, AS_OF, shop)
    (file,) = (tmp_path / "folder").iterdir()
    with Wheelhouse(shop.cache, shop.source, shop.work, shop.carried) as house:
        (path,) = house.fetch(lock.wheels).paths.values()
    right = path.read_bytes()
    file.write_bytes(b"altered")
    assert path.read_bytes() == right, "what happens to the user's file happens to no other"
    shutil.rmtree(shop.cache / "wheels")
    with (
        Wheelhouse(shop.cache, shop.source, shop.work, shop.carried) as house,
        pytest.raises(MeasurementError, match="is not the file that the lock names"),
    ):
        house.fetch(lock.wheels)


@pytest.mark.parametrize("offline", [False, True])
def test_a_lock_whose_carried_wheel_is_gone_says_to_carry_it_again(
    alone: Shop, tmp_path: Path, index: LoopbackIndex, built: Callable[..., Path], offline: bool
) -> None:
    index.add(built("one", "1.0"))
    shop = carried(alone, tmp_path / "folder", built("one", "1.0+cpu"))
    lock = environment.lock([parse_request("one")], HERE, AS_OF, shop)
    source = None if offline else shop.index
    with Wheelhouse(shop.cache, source, shop.work) as house, pytest.raises(SkippedError) as caught:
        house.fetch(lock.wheels)
    assert "one-1.0+cpu" in caught.value.message and "carr" in caught.value.message
    assert "://" not in caught.value.message + caught.value.tip


def test_tools_are_taken_from_the_carried_wheels_too(tmp_path: Path, tools: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for wheel in tools.parent.glob("wheels/*/*/uv-*.whl"):
        shutil.copy(wheel, folder)
    (tmp_path / "work").mkdir()

    def prepare(name: str) -> toolbox.Tools:
        return toolbox.prepare(
            name,
            HERE,
            cache=tmp_path / "cache",
            work=tmp_path / "work",
            index=None,
            engine=None,
            progress=Silent(),
            carried=Carried.at(folder),
        )

    assert os.access(prepare("uv").uv, os.X_OK)
    with pytest.raises(EnvironmentLacksError, match="is among the carried ones") as caught:
        prepare("pip")
    assert "images/tools/pip.txt" in caught.value.tip
