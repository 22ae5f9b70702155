"""The index client against an index that misbehaves: every way to fail is told apart, and none names a host."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from packaging.version import Version

from harness.errors import IndexUnavailableError, InputError, MeasurementError, NotOnIndexError
from harness.packages import index as client
from harness.packages.index import ATTEMPTS, File, Index, Reach
from tests.support.loopback import (
    ALTERED,
    GARBAGE,
    SHORT,
    STALL,
    TRUNCATED,
    UPLOADED,
    Fault,
    LoopbackIndex,
    status,
)
from tests.support.refusal import Failure, refused
from tests.support.wheels import build_wheel

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses between attempts, a tenth as long."""
    monkeypatch.setattr(client, "BACKOFF_SECONDS", client.BACKOFF_SECONDS / 10)


@pytest.fixture
def wheel(index: LoopbackIndex, tmp_path: Path) -> str:
    """The filename of a wheel on the index, large enough to be sent in several pieces."""
    path = build_wheel(tmp_path, "tiny", files={"tiny/data": os.urandom(3 * 2**20)}, extras={"fast": ["other"]})
    index.add(path)
    return path.name


def ask(index: LoopbackIndex, **options: float) -> Index:
    return Index(Reach(index_url=index.url), **options)


def told(index: LoopbackIndex, kind: type[Failure], call: Callable[..., object], *arguments: object) -> Failure:
    """The error of a call, which tells nothing of where the index is."""
    error = refused(kind, call, *arguments)
    for text in (error.message, error.tip):
        assert str(index.host) not in text and str(index.port) not in text and "://" not in text
    return error


# Pages.


def test_a_page_tells_all_of_its_wheels(index: LoopbackIndex, tmp_path: Path) -> None:
    entry = index.add(build_wheel(tmp_path, "Tiny_Name", "1.0", requires_python=">=3.9"))
    index.add(build_wheel(tmp_path, "Tiny_Name", "2.0rc1"), upload_time=datetime(2024, 5, 1, tzinfo=UTC), yanked="bad")
    index.add(("tiny_name-3.0.tar.gz", b"source"), upload_time=datetime(2023, 1, 1, tzinfo=UTC))
    project = ask(index).project("tiny.name")
    first, second = project.wheels
    assert (first.filename, first.version) == (entry.filename, Version("1.0"))
    assert (first.sha256, first.size) == (entry.sha256, len(entry.data))
    assert (first.upload_time, first.yanked, first.requires_python) == (UPLOADED, False, ">=3.9")
    assert second.yanked
    assert project.versions == {Version("1.0"), Version("2.0rc1"), Version("3.0")}
    assert project.first_upload == datetime(2023, 1, 1, tzinfo=UTC)


def test_the_date_is_kept_to_the_instant(index: LoopbackIndex, tmp_path: Path) -> None:
    index.add(build_wheel(tmp_path, "tiny"), upload_time=UPLOADED)
    project = ask(index).project("tiny")
    assert project.before(UPLOADED) == ()
    assert len(project.before(UPLOADED.replace(microsecond=1))) == 1


def test_a_page_is_asked_for_once(index: LoopbackIndex, wheel: str) -> None:
    client = ask(index)
    assert client.project("tiny") is client.project("Tiny")
    assert index.count(index.page("tiny")) == 1


def test_names_that_climb_out_are_left_out(index: LoopbackIndex, tmp_path: Path) -> None:
    data = build_wheel(tmp_path, "tiny").read_bytes()
    index.add(("tiny-1.0-1/../../../x-py3-none-any.whl", data))
    index.add(("tiny-1.0-py3-none-any.whl", data))
    assert [file.filename for file in ask(index).project("tiny").wheels] == ["tiny-1.0-py3-none-any.whl"]


def test_a_hash_that_is_none_counts_as_missing(index: LoopbackIndex, wheel: str) -> None:
    sha256 = ask(index).project("tiny").wheels[0].sha256
    index.spoil(index.page("tiny"), Fault(body=lambda page: page.replace(sha256.encode(), b"../../../etc")))
    assert ask(index).project("tiny").wheels[0].sha256 == ""


def test_a_page_in_html_is_read_too(index: LoopbackIndex, wheel: str) -> None:
    index.html_only = True
    (file,) = ask(index).project("tiny").wheels
    assert (file.filename, len(file.sha256)) == (wheel, 64)
    assert (file.size, file.upload_time) == (None, None)


@pytest.mark.parametrize("html_only", [True, False], ids=["html", "json"])
def test_without_upload_times_no_date_can_be_kept(index: LoopbackIndex, tmp_path: Path, html_only: bool) -> None:
    index.html_only = html_only
    index.add(build_wheel(tmp_path, "tiny"), upload_time=None)
    project = ask(index).project("tiny")
    assert not project.tells_upload_times
    error = told(index, MeasurementError, project.before, datetime(2024, 4, 26, tzinfo=UTC))
    assert "upload times" in error.message and "tiny" in error.message


def test_one_file_without_upload_time_is_enough(index: LoopbackIndex, tmp_path: Path) -> None:
    index.add(build_wheel(tmp_path, "tiny", "1.0"))
    index.add(build_wheel(tmp_path, "tiny", "2.0"), upload_time=None)
    told(index, MeasurementError, ask(index).project("tiny").before, datetime(2030, 1, 1, tzinfo=UTC))


# Pages of an index that fails.


def test_what_is_not_on_the_index_is_asked_for_once(index: LoopbackIndex) -> None:
    error = told(index, NotOnIndexError, ask(index).project, "torhc")
    assert error.message == "torhc is not on the index" and error.exit_code == 2
    assert index.count(index.page("torhc")) == 1


@pytest.mark.parametrize(
    "fault",
    [status(429), status(500), status(503), SHORT, GARBAGE],
    ids=["429", "500", "503", "short", "garbage"],
)
def test_an_index_that_recovers_is_no_failure(index: LoopbackIndex, wheel: str, fault: Fault) -> None:
    index.spoil(index.page("tiny"), fault, times=2)
    assert len(ask(index).project("tiny").wheels) == 1
    assert index.count(index.page("tiny")) == 3


FAILING = {
    "429": (status(429), "the index answered HTTP 429"),
    "500": (status(500), "the index answered HTTP 500"),
    "503": (status(503), "the index answered HTTP 503"),
    "short": (SHORT, "the index broke off"),
    "garbage": (GARBAGE, "what answered is not a package index"),
    "truncated": (TRUNCATED, "what answered is not a package index"),
    "another-shape": (Fault(body=lambda page: b'{"files": 3}'), "what answered is not a package index"),
}


@pytest.mark.parametrize(("fault", "message"), FAILING.values(), ids=FAILING)
def test_an_index_that_fails_for_good_is_told_of(index: LoopbackIndex, wheel: str, fault: Fault, message: str) -> None:
    index.spoil(index.page("tiny"), fault)
    error = told(index, IndexUnavailableError, ask(index).project, "tiny")
    assert error.message.startswith(message) and "the page of tiny" in error.message
    assert "run the same again" in error.tip and error.exit_code == 4
    assert index.count(index.page("tiny")) == ATTEMPTS


def test_a_refusal_is_not_asked_for_again(index: LoopbackIndex, wheel: str) -> None:
    index.spoil(index.page("tiny"), status(403))
    assert "HTTP 403" in told(index, IndexUnavailableError, ask(index).project, "tiny").message
    assert index.count(index.page("tiny")) == 1


def test_a_page_of_another_kind_is_no_index(index: LoopbackIndex, wheel: str) -> None:
    index.spoil(index.page("tiny"), status(200))
    error = told(index, IndexUnavailableError, ask(index).project, "tiny")
    assert "not a package index" in error.message


def test_an_index_that_stalls_is_told_of(index: LoopbackIndex, wheel: str) -> None:
    index.spoil(index.page("tiny"), STALL)
    started = time.monotonic()
    error = told(index, IndexUnavailableError, ask(index, read_seconds=0.2).project, "tiny")
    assert error.message == "the index stalled, asked for the page of tiny"
    assert time.monotonic() - started < 5
    assert index.count(index.page("tiny")) == ATTEMPTS


def test_a_closed_index_is_told_of(index: LoopbackIndex, wheel: str) -> None:
    index.close()
    error = told(index, IndexUnavailableError, ask(index).project, "tiny")
    assert error.message == "the index cannot be reached, asked for the page of tiny"


def test_a_failure_is_not_remembered(index: LoopbackIndex, wheel: str) -> None:
    client = ask(index)
    index.spoil(index.page("tiny"), status(403), times=1)
    told(index, IndexUnavailableError, client.project, "tiny")
    assert client.project("tiny").wheels


def test_a_busy_index_is_waited_for_but_not_for_hours(
    index: LoopbackIndex, wheel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.spoil(index.page("tiny"), status(429, Retry_After="1"), times=1)
    started = time.monotonic()
    assert ask(index).project("tiny").wheels
    assert time.monotonic() - started >= 1
    monkeypatch.setattr("harness.packages.index.LONGEST_PAUSE_SECONDS", 0.1)
    index.spoil(index.page("tiny"), status(429, Retry_After="7200"), times=1)
    started = time.monotonic()
    assert ask(index).project("tiny").wheels
    assert time.monotonic() - started < 5


# Metadata and files.


def the_file(index: LoopbackIndex, **options: float) -> tuple[Index, File]:
    client = ask(index, **options)
    return client, client.project("tiny").wheels[0]


def test_metadata_is_had_without_the_wheel(index: LoopbackIndex, wheel: str) -> None:
    client, file = the_file(index)
    assert b"Provides-Extra: fast" in (client.metadata(file) or b"")
    assert index.count(index.file(wheel)) == 0


def test_an_index_that_serves_no_metadata_says_none(index: LoopbackIndex, wheel: str) -> None:
    index.metadata = False
    client, file = the_file(index)
    assert client.metadata(file) is None


def test_metadata_that_fails_is_no_missing_metadata(index: LoopbackIndex, wheel: str) -> None:
    client, file = the_file(index)
    index.spoil(index.file(wheel) + ".metadata", status(500))
    assert "the metadata of tiny-1.0" in told(index, IndexUnavailableError, client.metadata, file).message


def download(client: Index, file: File) -> tuple[bytes, list[int]]:
    sink, steps = io.BytesIO(), list[int]()
    client.download(file, sink, steps.append)
    return sink.getvalue(), steps


def test_a_download_is_the_file_and_its_steps_add_up(index: LoopbackIndex, wheel: str) -> None:
    client, file = the_file(index)
    data, steps = download(client, file)
    assert sum(steps) == len(data) == file.size
    assert len(steps) > 1


@pytest.mark.parametrize("fault", [SHORT, TRUNCATED, status(500)], ids=["short", "truncated", "500"])
def test_a_download_that_came_short_starts_again(index: LoopbackIndex, wheel: str, fault: Fault) -> None:
    client, file = the_file(index)
    index.spoil(index.file(wheel), fault, times=2)
    data, steps = download(client, file)
    assert sum(steps) == len(data) == file.size
    assert index.count(index.file(wheel)) == 3


BROKEN = {
    "short": (SHORT, ("broke off", "came short"), ATTEMPTS),
    "truncated": (TRUNCATED, ("came short",), ATTEMPTS),
    "500": (status(500), ("the index answered HTTP 500",), ATTEMPTS),
    "404": (status(404), ("the index answered HTTP 404",), 1),
    "403": (status(403), ("the index answered HTTP 403",), 1),
    "stall": (STALL, ("the index stalled",), ATTEMPTS),
}


@pytest.mark.parametrize(("fault", "messages", "requests"), BROKEN.values(), ids=BROKEN)
def test_a_download_that_fails_for_good_is_told_of(
    index: LoopbackIndex, wheel: str, fault: Fault, messages: tuple[str, ...], requests: int
) -> None:
    client, file = the_file(index, read_seconds=0.3)
    index.spoil(index.file(wheel), fault)
    error = told(index, IndexUnavailableError, download, client, file)
    assert any(message in error.message for message in messages) and wheel in error.message
    assert index.count(index.file(wheel)) == requests


def test_altered_bytes_are_not_the_clients_to_judge(index: LoopbackIndex, wheel: str) -> None:
    client, file = the_file(index)
    index.spoil(index.file(wheel), ALTERED)
    assert len(download(client, file)[0]) == file.size
    assert index.count(index.file(wheel)) == 1


# Reach: what counts of this machine's configuration.


def test_ambient_configuration_changes_nothing(
    index: LoopbackIndex, wheel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LoopbackIndex() as other:
        home = tmp_path / "home"
        (home / ".config" / "pip").mkdir(parents=True)
        configuration = f"[global]\nindex-url = {other.url}\nextra-index-url = {other.url}\n"
        (home / ".config" / "pip" / "pip.conf").write_text(configuration)
        (home / ".netrc").write_text(f"machine {index.host}\nlogin somebody\npassword secret\n")
        (home / ".netrc").chmod(0o600)
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setenv("NETRC", str(home / ".netrc"))
        monkeypatch.setenv("PIP_CONFIG_FILE", str(home / ".config" / "pip" / "pip.conf"))
        for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "UV_INDEX_URL", "UV_DEFAULT_INDEX"):
            monkeypatch.setenv(name, other.url)
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://{other.host}:{other.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        client = ask(index)
        download(client, client.project("tiny").wheels[0])
        assert other.counts == {}
    assert not any("Authorization" in seen.headers for seen in index.requests)


def test_reach_takes_the_bundle_and_the_proxies_and_nothing_else(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.touch()
    environ = {
        "PIP_INDEX_URL": "http://elsewhere.invalid/simple",
        "PIP_CERT": str(bundle),
        "HTTPS_PROXY": "http://proxy.invalid:3128",
        "no_proxy": "localhost",
        "http_proxy": "",
        "PATH": "/bin",
    }
    reach = Reach.from_environment(environ, None)
    assert reach.index_url is None
    assert reach.ca_bundle == bundle
    assert reach.proxies == {"HTTPS_PROXY": "http://proxy.invalid:3128", "no_proxy": "localhost"}


def test_a_proxy_that_was_named_is_used_but_for_what_no_proxy_names(index: LoopbackIndex, wheel: str) -> None:
    with LoopbackIndex() as proxy:
        address = f"http://{proxy.host}:{proxy.port}"
        behind = Index(Reach.from_environment({"HTTP_PROXY": address}, index.url))
        told(index, NotOnIndexError, behind.project, "tiny")  # the proxy answered: it knows no such page
        assert proxy.counts.total() == 1 and index.counts == {}
        beside = Index(Reach.from_environment({"HTTP_PROXY": address, "NO_PROXY": str(index.host)}, index.url))
        assert beside.project("tiny").wheels
        assert proxy.counts.total() == 1


def test_a_proxy_that_is_closed_is_told_apart(index: LoopbackIndex, wheel: str) -> None:
    with LoopbackIndex() as proxy:
        address = f"http://{proxy.host}:{proxy.port}"
    client = Index(Reach.from_environment({"http_proxy": address}, index.url))
    error = told(index, IndexUnavailableError, client.project, "tiny")
    assert "proxy" in error.message and str(proxy.port) not in error.message


@pytest.mark.parametrize("address", ["file:///srv/wheels", "/srv/wheels", "", "ftp://example.invalid/simple"])
def test_an_index_is_an_http_address(address: str) -> None:
    assert "http" in refused(InputError, Reach.from_environment, {}, address).message


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("http://localhost:3141/simple", True),
        ("http://127.0.0.53/simple", True),
        ("http://[::1]:80/simple", True),
        ("https://example.invalid/simple", False),
        (None, False),
    ],
)
def test_an_index_on_this_machine_is_known_as_one(address: str | None, local: bool) -> None:
    assert Reach(index_url=address).is_local is local
