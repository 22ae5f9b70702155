"""What is locked together, and which carried wheel answers a request."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from packaging.version import Version

from harness.errors import InputError
from harness.job import Target, parse_request
from harness.packages.carried import Carried
from harness.packages.environment import answer
from harness.packages.lock import CombinedRequest, Lock, Locked, LockStore, parse_pylock
from tests.support.refusal import refused

TARGET = Target((3, 11))
AS_OF = datetime(2026, 11, 23, tzinfo=UTC)
TORCH = Locked("torch", "2.13.0+cpu", "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl", "a1" * 32, 190, None)
NUMPY = Locked("numpy", "2.4.6", "numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl", "b2" * 32, 18, AS_OF)
LOCK = Lock((NUMPY, TORCH), "uv 0.9")


def together(*requests: str, **changed: str) -> CombinedRequest:
    return replace(CombinedRequest(tuple(map(parse_request, requests)), TARGET, AS_OF), **changed)


def carry(folder: Path, *names: str) -> Carried:
    for name in names:
        (folder / name).write_bytes(name.encode())
    return Carried.at(folder)


def test_requests_in_one_environment_name_one_lock() -> None:
    asked = together("onnxruntime", "onnxruntime-ep-openvino==1.8.1")
    assert asked.lock_key == ("onnxruntime_onnxruntime-ep-openvino-1.8.1-cp311-linux_x86_64-pypi-20261123T000000Z")
    assert together("onnxruntime-gpu[cudnn,cuda]").lock_key.startswith("onnxruntime-gpu+cuda+cudnn-cp311-")


def test_whatever_a_resolution_depends_on_parts_keys() -> None:
    asked = [
        together("torch"),
        together("torch", "numpy"),
        together("torch==2.13.0"),
        together("torch==2.13.0+cpu"),
        together("torch[opt]"),
        together("torch", variant="offline"),
        replace(together("torch"), target=Target((3, 13))),
        replace(together("torch"), as_of=datetime(2026, 11, 22, tzinfo=UTC)),
    ]
    assert len({one.lock_key for one in asked}) == len(asked)


def test_a_key_of_many_requests_is_a_name_that_a_file_can_have() -> None:
    names = [f"distribution-{number}" for number in range(40)]
    first, second = together(*names), together(*names, "one-more")
    assert max(len(first.lock_key), len(second.lock_key)) < 200
    assert first.lock_key != second.lock_key
    assert first.lock_key.startswith("distribution-0_and-39-more-")


def test_a_lock_with_a_carried_wheel_is_read_back_and_names_no_place(tmp_path: Path) -> None:
    asked = together("torch==2.13.0+cpu", "numpy")
    store = LockStore(tmp_path)
    place = store.add(asked, LOCK)
    assert store.find(asked) == store.by_sha256(LOCK.sha256) == LOCK
    text = (place / "pylock.toml").read_text()
    assert "://" not in text and str(tmp_path) not in text
    assert 'request = "torch==2.13.0+cpu numpy"' in text and text.count("carried = true") == 1
    assert hashlib.sha256((place / "requirements.txt").read_bytes()).hexdigest() == LOCK.sha256


def test_only_a_carried_wheel_may_lack_its_upload_time() -> None:
    text = LOCK.to_pylock(together("torch"))
    refused(InputError, parse_pylock, text.replace("carried = true", "carried = false"))
    assert parse_pylock(text).of("torch").carried and not parse_pylock(text).of("numpy").carried


def test_a_bare_request_is_answered_by_the_newest_final_wheel_that_fits(tmp_path: Path) -> None:
    carried = carry(
        tmp_path,
        "torch-2.12.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl",
        "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl",
        "torch-2.13.1+cpu-cp312-cp312-manylinux_2_28_x86_64.whl",
        "torch-2.14.0.dev1-cp311-cp311-linux_x86_64.whl",
        "torchvision-9.0-py3-none-any.whl",
    )
    found = answer(parse_request("torch"), TARGET, carried)
    assert found is not None and found.version == Version("2.13.0+cpu") and found.upload_time is None
    assert found.sha256 == hashlib.sha256(found.filename.encode()).hexdigest()


@pytest.mark.parametrize(
    ("request_", "version"),
    [
        ("torch==2.13.0", "2.13.0+cpu"),
        ("torch==2.13.0+cpu", "2.13.0+cpu"),
        ("torch==2.13.0+cu130", None),
        ("torch==2.12.0", None),
        ("torch==2.14.0.dev1", "2.14.0.dev1"),
        ("Torch[opt]", "2.13.0+cpu"),
        ("numpy", None),
    ],
)
def test_a_version_is_answered_by_its_local_build_and_by_nothing_else(
    tmp_path: Path, request_: str, version: str | None
) -> None:
    carried = carry(tmp_path, TORCH.filename, "torch-2.14.0.dev1-cp311-cp311-linux_x86_64.whl")
    found = answer(parse_request(request_), TARGET, carried)
    assert (str(found.version) if found else None) == version


def test_a_pre_release_answers_where_there_is_nothing_else(tmp_path: Path) -> None:
    found = answer(parse_request("torch"), TARGET, carry(tmp_path, "torch-2.14.0.dev1-cp311-cp311-linux_x86_64.whl"))
    assert found is not None and found.version == Version("2.14.0.dev1")


def test_a_wheel_is_found_by_name_and_hash_together(tmp_path: Path) -> None:
    carried = carry(tmp_path, TORCH.filename)
    right = hashlib.sha256(TORCH.filename.encode()).hexdigest()
    assert carried.find(TORCH.filename, right) == tmp_path / TORCH.filename
    assert carried.find(TORCH.filename, "0" * 64) is None
    assert carried.find(NUMPY.filename, right) is None


def test_what_is_no_wheel_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "folder-1.0-py3-none-any.whl").mkdir()
    carried = carry(tmp_path, TORCH.filename, "torch-2.13.0.tar.gz", "odd.whl", "readme.txt")
    assert [path.name for path in carried.paths] == [TORCH.filename]


def test_a_folder_without_wheels_is_refused_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    empty = tmp_path / "empty"
    empty.mkdir()
    for place in (tmp_path / "nowhere", file, empty):
        assert place.name in refused(InputError, Carried.at, place).message
