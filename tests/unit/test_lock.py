"""Locks: read back as written, found again, and refused when altered."""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from packaging.pylock import Pylock

from harness.errors import InputError
from harness.job import Job, Target, parse_request
from harness.packages.lock import Lock, Locked, LockStore, parse_pylock
from tests.support.refusal import refused

UPLOADED = datetime(2024, 4, 24, 21, 13, 14, 987654, tzinfo=UTC)
TORCH = Locked("torch", "2.3.0+cpu", "torch-2.3.0+cpu-cp311-cp311-linux_x86_64.whl", "a1" * 32, 190_000_000, UPLOADED)
NUMPY = Locked("numpy", "1.26.4", "numpy-1.26.4-cp311-cp311-manylinux_2_17_x86_64.whl", "b2" * 32, 18_000_000, UPLOADED)
JOB = Job(
    parse_request("torch[opt]==2.3.0+cpu"), Target((3, 11)), "cpu", datetime(2024, 4, 26, tzinfo=UTC), "pip", "venv"
)
LOCK = Lock((NUMPY, TORCH), "pip 26.0, pip-tools 7.6.2")


def test_a_lock_is_read_back_as_it_was_written() -> None:
    lock = Lock((NUMPY, replace(TORCH, yanked=True)), "pip 26.0")
    assert parse_pylock(lock.to_pylock(JOB)) == lock


def test_an_empty_lock_is_read_back_too() -> None:
    assert parse_pylock(Lock(()).to_pylock(JOB)) == Lock(())


def test_a_lock_is_the_same_text_whatever_the_order_of_its_wheels() -> None:
    other = Lock((TORCH, NUMPY), LOCK.resolver)
    assert other.to_pylock(JOB) == LOCK.to_pylock(JOB)
    assert (other.requirements, other.sha256) == (LOCK.requirements, LOCK.sha256)


def test_requirements_are_pinned_and_hashed_one_a_line() -> None:
    assert LOCK.requirements == (
        f"numpy==1.26.4 --hash=sha256:{'b2' * 32}\ntorch==2.3.0+cpu --hash=sha256:{'a1' * 32}\n"
    )


def test_the_sha256_is_that_of_the_requirements_file(tmp_path: Path) -> None:
    place = LockStore(tmp_path).add(JOB, LOCK)
    assert hashlib.sha256((place / "requirements.txt").read_bytes()).hexdigest() == LOCK.sha256


def test_sizes_add_up_and_a_wheel_is_found_by_name() -> None:
    assert LOCK.download_bytes == 208_000_000
    assert LOCK.of("torch") is TORCH
    with pytest.raises(KeyError):
        LOCK.of("jax")


def test_the_pylock_is_one_for_other_tools_and_says_what_was_asked() -> None:
    raw = tomllib.loads(LOCK.to_pylock(JOB))
    document = Pylock.from_dict(raw)
    document.validate()
    assert str(document.requires_python) == "==3.11.*"
    assert raw["tool"]["footprint-harness"] == {
        "request": "torch[opt]==2.3.0+cpu",
        "target": "cp311 linux_x86_64",
        "variant": "cpu",
        "as-of": "2024-04-26T00:00:00Z",
        "resolver": "pip 26.0, pip-tools 7.6.2",
    }


def test_a_lock_names_no_host() -> None:
    for text in (LOCK.to_pylock(JOB), LOCK.requirements):
        assert "://" not in text and not re.search(r"\burl\b|\bindex\b", text)


def _without(pattern: str) -> Callable[[str], str]:
    return lambda text: re.sub(pattern, "", text, flags=re.MULTILINE)


SPOILED: dict[str, Callable[[str], str]] = {
    "empty": lambda text: "",
    "invalid": lambda text: text[: len(text) // 2],
    "merge-markers": lambda text: f"<<<<<<< ours\n{text}=======\n>>>>>>> theirs\n",
    "not-toml": lambda text: "numpy==1.26.4\n",
    "newer": lambda text: text.replace('lock-version = "1.0"', 'lock-version = "2.0"'),
    "no-size": _without(r"^size = .*$"),
    "no-upload-time": _without(r"^upload-time = .*$"),
    "no-hash": lambda text: text.replace("sha256 =", "sha512 ="),
    "size-is-text": lambda text: text.replace("18000000", '"18000000"'),
    "negative-size": lambda text: text.replace("size = 18000000", "size = -1"),
    "hash-climbs-out": lambda text: text.replace("b2" * 32, "../../../../etc"),
    "hash-too-short": lambda text: text.replace("b2" * 32, "b2"),
    "filename-is-no-wheel": lambda text: text.replace(NUMPY.filename, "numpy-1.26.4.tar.gz"),
    "filename-climbs-out": lambda text: text.replace(NUMPY.filename, "numpy-1.26.4-1/../../x-py3-none-any.whl"),
    "tool-is-text": lambda text: (
        re.sub(r"\[tool\.footprint-harness\]\n(?:.+\n)*", "", text) + '[tool]\nfootprint-harness = "x"\n'
    ),
    "an-sdist": lambda text: text.replace("[[packages.wheels]]", "[packages.sdist]"),
    "utf-16": lambda text: text.encode("utf-16").decode("latin-1"),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_what_is_no_lock_of_ours_is_refused_with_its_name(spoil: Callable[[str], str]) -> None:
    text = LOCK.to_pylock(JOB)
    spoiled = spoil(text)
    assert spoiled != text
    error = refused(InputError, parse_pylock, spoiled, name="some/pylock.toml")
    assert "some/pylock.toml" in error.message


def test_a_lock_torn_anywhere_is_refused_or_whole() -> None:
    text = LOCK.to_pylock(JOB)
    for length in range(len(text)):
        try:
            found = parse_pylock(text[:length])
        except InputError:
            continue
        assert set(found.wheels) <= set(LOCK.wheels), length


def test_a_stored_lock_is_found_for_its_job_and_by_its_sha256(tmp_path: Path) -> None:
    store = LockStore(tmp_path / "locks")
    assert store.find(JOB) is None
    place = store.add(JOB, LOCK)
    assert place.name == f"{JOB.lock_key}-{LOCK.sha256[:12]}"
    assert sorted(path.name for path in place.iterdir()) == ["pylock.toml", "requirements.txt"]
    assert store.find(JOB) == store.by_sha256(LOCK.sha256) == LOCK


def test_installer_and_engine_do_not_part_locks_but_all_else_does(tmp_path: Path) -> None:
    store = LockStore(tmp_path)
    store.add(JOB, LOCK)
    assert store.find(replace(JOB, installer="uv", engine="docker")) == LOCK
    assert store.find(replace(JOB, variant="cuda12")) is None
    assert store.find(replace(JOB, target=Target((3, 12)))) is None
    assert store.find(replace(JOB, as_of=datetime(2024, 4, 27, tzinfo=UTC))) is None
    assert store.find(replace(JOB, request=parse_request("torch==2.3.0+cpu"))) is None


def test_a_second_lock_of_a_job_stands_beside_the_first_and_the_newest_is_found(tmp_path: Path) -> None:
    store = LockStore(tmp_path)
    relocked = Lock((NUMPY,), "uv 0.9")
    os.utime(store.add(JOB, LOCK) / "pylock.toml", (1_000_000, 1_000_000))
    store.add(JOB, relocked)
    assert store.find(JOB) == relocked
    assert store.by_sha256(LOCK.sha256) == LOCK


def test_adding_the_same_lock_twice_changes_nothing(tmp_path: Path) -> None:
    store = LockStore(tmp_path)
    assert store.add(JOB, LOCK) == store.add(JOB, LOCK)
    assert len(list(tmp_path.iterdir())) == 1


def test_an_altered_lock_is_refused_by_its_sha256(tmp_path: Path) -> None:
    store = LockStore(tmp_path)
    place = store.add(JOB, LOCK)
    (place / "pylock.toml").write_text(LOCK.to_pylock(JOB).replace("1.26.4", "1.26.3"))
    error = refused(InputError, store.by_sha256, LOCK.sha256)
    assert "was altered" in error.message and LOCK.sha256 in error.message


def test_a_lock_of_another_place_is_found_by_its_sha256_and_not_for_a_new_measurement(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    place = LockStore(other).add(JOB, LOCK)
    store = LockStore(own, other)
    assert store.by_sha256(LOCK.sha256) == LOCK
    assert store.find(JOB) is None
    assert store.add(JOB, LOCK) == place and not own.exists()
    for spoilt in ("not a lock", LOCK.to_pylock(JOB).replace("1.26.4", "1.26.3")):
        (LockStore(own).add(JOB, LOCK) / "pylock.toml").write_text(spoilt)
        assert store.by_sha256(LOCK.sha256) == LOCK


def test_a_lock_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "no lock with sha256 0000" in refused(InputError, LockStore(tmp_path).by_sha256, "0" * 64).message


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"\x00" * 100, "\ufefflock".encode("utf-16")], ids=["bytes", "nul", "utf-16"]
)
def test_a_stored_lock_that_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    store = LockStore(tmp_path)
    (store.add(JOB, LOCK) / "pylock.toml").write_bytes(content)
    refused(InputError, store.find, JOB)
    refused(InputError, store.by_sha256, LOCK.sha256)
