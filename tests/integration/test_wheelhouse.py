"""The wheelhouse: whatever goes wrong on the way or on the disk, only the right bytes stand under the final name."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import EnvironmentLacksError, IndexUnavailableError, MeasurementError
from harness.packages import index as client
from harness.packages.index import ATTEMPTS, Index, Reach
from harness.packages.lock import Locked
from harness.packages.wheelhouse import Fetched, Wheelhouse
from tests.support.loopback import ALTERED, SHORT, STALL, TRUNCATED, UPLOADED, Entry, LoopbackIndex, status
from tests.support.refusal import Failure, refused
from tests.support.wheels import build_wheel

pytestmark = pytest.mark.integration

WHEEL_BYTES = 3 * 2**20


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses between attempts, a tenth as long."""
    monkeypatch.setattr(client, "BACKOFF_SECONDS", client.BACKOFF_SECONDS / 10)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheels"), "tiny", files={"tiny/data": os.urandom(WHEEL_BYTES)})


@pytest.fixture
def entry(index: LoopbackIndex, wheel: Path) -> Entry:
    return index.add(wheel)


def locked(entry: Entry) -> Locked:
    """What a lock says of a file on the index."""
    name, version = entry.filename.split("-")[:2]
    return Locked(name, version, entry.filename, entry.sha256, len(entry.data), UPLOADED)


def house_in(folder: Path, index: LoopbackIndex, **options: float) -> Wheelhouse:
    return Wheelhouse(folder, Index(Reach(index_url=index.url), **options))


@pytest.fixture
def house(tmp_path: Path, index: LoopbackIndex) -> Iterator[Wheelhouse]:
    with house_in(tmp_path / "cache", index) as opened:
        yield opened


def told(index: LoopbackIndex, kind: type[Failure], house: Wheelhouse, *wheels: Locked) -> Failure:
    """The error of a fetch, which tells nothing of where the index is."""
    error = refused(kind, house.fetch, wheels)
    for text in (error.message, error.tip.replace(str(house.folder), "")):
        assert str(index.host) not in text and f":{index.port}" not in text and "://" not in text
    return error


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


class Told:
    """Notes what a download tells of its progress."""

    def __init__(self) -> None:
        self.received: list[tuple[int, int]] = []

    def phase(self, name: str, detail: str = "") -> None: ...
    def note(self, text: str) -> None: ...
    def transfer(self, received: int, total: int) -> None:
        self.received.append((received, total))


def test_a_wheel_is_downloaded_once_and_verified(house: Wheelhouse, index: LoopbackIndex, entry: Entry) -> None:
    fetched = house.fetch([locked(entry)])
    paths, downloaded = fetched.paths, fetched.downloaded_bytes
    (path,) = paths.values()
    assert path.name == entry.filename and path.read_bytes() == entry.data
    assert downloaded == len(entry.data)
    assert house.fetch([locked(entry)]) == Fetched(paths, downloaded_bytes=0, seconds=0.0)
    assert index.count(index.file(entry.filename)) == 1
    assert files_in(house.folder) == [entry.filename]


def test_wheels_already_there_need_no_index(house: Wheelhouse, index: LoopbackIndex, entry: Entry) -> None:
    house.fetch([locked(entry)])
    index.close()
    with house_in(house.folder.parent, index) as other:
        assert other.fetch([locked(entry)]).downloaded_bytes == 0


def test_many_wheels_are_fetched_and_the_progress_adds_up(
    house: Wheelhouse, index: LoopbackIndex, tmp_path: Path
) -> None:
    wheels = [locked(index.add(build_wheel(tmp_path, f"tiny{number}"))) for number in range(20)]
    progress = Told()
    fetched = house.fetch(wheels, progress)
    paths, downloaded = fetched.paths, fetched.downloaded_bytes
    total = sum(wheel.size for wheel in wheels)
    assert all(hashlib.sha256(paths[wheel].read_bytes()).hexdigest() == wheel.sha256 for wheel in wheels)
    assert downloaded == total and progress.received[-1] == (total, total)


def test_a_broken_transfer_is_taken_back_from_the_progress(
    house: Wheelhouse, index: LoopbackIndex, entry: Entry
) -> None:
    index.spoil(index.file(entry.filename), SHORT, times=1)
    progress = Told()
    house.fetch([locked(entry)], progress)
    assert progress.received[-1] == (len(entry.data), len(entry.data))
    assert max(received for received, _ in progress.received) == len(entry.data)


@pytest.mark.parametrize("fault", [SHORT, TRUNCATED], ids=["short", "truncated"])
def test_a_short_wheel_is_fetched_again(house: Wheelhouse, index: LoopbackIndex, entry: Entry, fault: object) -> None:
    index.spoil(index.file(entry.filename), fault, times=2)  # type: ignore[arg-type]
    paths = house.fetch([locked(entry)]).paths
    assert paths[locked(entry)].read_bytes() == entry.data
    assert index.count(index.file(entry.filename)) == 3
    assert files_in(house.folder) == [entry.filename]


def test_a_wheel_that_stays_short_leaves_nothing(house: Wheelhouse, index: LoopbackIndex, entry: Entry) -> None:
    index.spoil(index.file(entry.filename), TRUNCATED)
    assert "came short" in told(index, IndexUnavailableError, house, locked(entry)).message
    assert index.count(index.file(entry.filename)) == ATTEMPTS
    assert files_in(house.folder) == []


def test_an_altered_wheel_is_not_fetched_again_but_set_aside_and_both_hashes_shown(
    house: Wheelhouse, index: LoopbackIndex, entry: Entry
) -> None:
    index.spoil(index.file(entry.filename), ALTERED)
    came = hashlib.sha256(entry.data[:-1] + bytes([entry.data[-1] ^ 1])).hexdigest()
    error = told(index, MeasurementError, house, locked(entry))
    assert entry.sha256 in error.message and came in error.message and entry.filename in error.message
    assert index.count(index.file(entry.filename)) == 1
    (aside,) = [path for path in house.folder.rglob("*") if path.is_file()]
    assert aside.name != entry.filename and str(aside) in error.tip
    assert hashlib.sha256(aside.read_bytes()).hexdigest() == came
    index.heal(index.file(entry.filename))
    paths = house.fetch([locked(entry)]).paths
    assert paths[locked(entry)].read_bytes() == entry.data


@pytest.mark.parametrize("offset", [0, WHEEL_BYTES // 2, -1], ids=["first", "middle", "last"])
def test_a_byte_flipped_on_the_disk_is_found_and_the_wheel_fetched_again(
    house: Wheelhouse, index: LoopbackIndex, entry: Entry, offset: int
) -> None:
    (path,) = house.fetch([locked(entry)]).paths.values()
    data = bytearray(entry.data)
    data[offset] ^= 1
    path.write_bytes(data)
    fetched = house.fetch([locked(entry)])
    paths, downloaded = fetched.paths, fetched.downloaded_bytes
    assert downloaded == len(entry.data)
    assert paths[locked(entry)].read_bytes() == entry.data
    assert index.count(index.file(entry.filename)) == 2


def test_a_wheel_truncated_on_the_disk_is_fetched_again(house: Wheelhouse, index: LoopbackIndex, entry: Entry) -> None:
    (path,) = house.fetch([locked(entry)]).paths.values()
    os.truncate(path, 100)
    house.fetch([locked(entry)])
    assert path.read_bytes() == entry.data


def test_another_file_under_the_same_name_is_not_the_locked_one(
    house: Wheelhouse, index: LoopbackIndex, entry: Entry
) -> None:
    other = replace(locked(entry), sha256="0" * 64)
    error = told(index, IndexUnavailableError, house, other)
    assert "no longer has" in error.message and "--relock" in error.tip
    assert index.count(index.file(entry.filename)) == 0


@pytest.mark.parametrize(
    ("fault", "message"),
    [(status(404), "HTTP 404"), (status(500), "HTTP 500"), (STALL, "stalled")],
    ids=["404", "500", "stall"],
)
def test_one_wheel_that_cannot_be_had_fails_the_fetch_and_what_came_is_kept(
    tmp_path: Path, index: LoopbackIndex, entry: Entry, fault: object, message: str
) -> None:
    good = locked(index.add(build_wheel(tmp_path, "good")))
    house = house_in(tmp_path / "cache", index, read_seconds=0.3)
    house.fetch([good])
    index.spoil(index.file(entry.filename), fault)  # type: ignore[arg-type]
    assert message in told(index, IndexUnavailableError, house, good, locked(entry)).message
    assert files_in(house.folder) == [good.filename]
    index.heal(index.file(entry.filename))
    assert house.fetch([good, locked(entry)]).downloaded_bytes == len(entry.data)
    assert index.count(index.file(good.filename)) == 1


def test_wheels_are_gathered_in_one_flat_folder_which_goes_again(
    house: Wheelhouse, index: LoopbackIndex, entry: Entry, tmp_path: Path
) -> None:
    wheels = [locked(entry), locked(index.add(build_wheel(tmp_path, "second")))]
    house.fetch(wheels)
    with house.gathered(wheels) as folder:
        assert files_in(folder) == sorted(wheel.filename for wheel in wheels)
        assert (folder / entry.filename).read_bytes() == entry.data
    assert not folder.exists()
    assert files_in(house.folder) == sorted(wheel.filename for wheel in wheels)


# A disk that is full.


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of its own, of 2 MiB unless a test says otherwise."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", getattr(request, "param", "size=2m"), "tmpfs", str(place)]
    mount = subprocess.run(command, capture_output=True, text=True, check=False)
    if mount.returncode != 0:
        pytest.skip(f"no small disk can be made here: {mount.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_disk_too_small_is_told_before_anything_is_downloaded(
    small_disk: Path, index: LoopbackIndex, entry: Entry
) -> None:
    house = house_in(small_disk, index)
    error = told(index, EnvironmentLacksError, house, locked(entry))
    assert "the disk is full" in error.message and "XDG_CACHE_HOME" in error.tip
    assert index.count(index.file(entry.filename)) == 0


def test_a_disk_that_fills_up_under_way_leaves_nothing_under_the_final_name(
    small_disk: Path, index: LoopbackIndex, entry: Entry
) -> None:
    house = house_in(small_disk, index)
    smaller = replace(locked(entry), size=1000)  # so that it seems to have room
    error = told(index, EnvironmentLacksError, house, smaller)
    assert "the disk is full" in error.message and entry.filename in error.message and error.exit_code == 4
    assert files_in(small_disk) == []
    assert index.count(index.file(entry.filename)) == 1


@pytest.mark.parametrize("small_disk", [f"size=20m,nr_inodes={count}" for count in (2, 3, 4)], indirect=True)
def test_a_disk_that_takes_no_more_files_is_full_too(small_disk: Path, index: LoopbackIndex, entry: Entry) -> None:
    error = told(index, EnvironmentLacksError, house_in(small_disk, index), locked(entry))
    assert "the disk is full" in error.message
    assert files_in(small_disk) == []


def test_what_was_begun_is_downloaded_once(house: Wheelhouse, index: LoopbackIndex, entry: Entry) -> None:
    house.begin([locked(entry)])
    fetched = house.fetch([locked(entry)])
    assert fetched.downloaded_bytes == len(entry.data) and fetched.seconds > 0
    assert index.count(index.file(entry.filename)) == 1


def test_what_was_begun_in_vain_fails_no_fetch(house: Wheelhouse, index: LoopbackIndex, entry: Entry) -> None:
    house.begin([replace(locked(entry), filename="gone-1.0-py3-none-any.whl")])
    assert house.fetch([locked(entry)]).downloaded_bytes == len(entry.data)


def test_a_closed_wheelhouse_leaves_nothing_unfinished(tmp_path: Path, index: LoopbackIndex) -> None:
    wheels = [locked(index.add(build_wheel(tmp_path, f"tiny{number}"))) for number in range(30)]
    with house_in(tmp_path / "cache", index) as house:
        house.begin(wheels)
    assert all(name.startswith("tiny") for name in files_in(house.folder))
