"""The package index: project pages (PEP 503, 691, 700), metadata and files. The only module that speaks HTTP."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import requests
import urllib3
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version
from pypi_simple import (
    PYPI_SIMPLE_ENDPOINT,
    DistributionPackage,
    NoSuchProjectError,
    ProjectPage,
    PyPISimple,
    UnsupportedContentTypeError,
    UnsupportedRepoVersionError,
)
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from harness.errors import IndexUnavailableError, InputError, MeasurementError, NotOnIndexError, UnsupportedError
from harness.packages.wheel import is_sha256, is_wheel_filename

ATTEMPTS = 4
CONNECTIONS = 16
CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
BACKOFF_SECONDS = 0.4
LONGEST_PAUSE_SECONDS = 30.0
_TRANSIENT = (429, 500, 502, 503, 504)
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


@dataclass(frozen=True)
class Reach:
    """How this machine reaches an index. All that is ever taken from its environment."""

    index_url: str | None = None
    """None: the library's own default."""
    ca_bundle: Path | None = None
    proxies: Mapping[str, str] | None = None
    """Environment variables, as they were."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], index_url: str | None) -> Reach:
        """Read the CA bundle and the proxies; no `PIP_*` index setting and no pip.conf counts.

        Raises:
            InputError: the index is not an http(s) address, or the CA bundle is not there.
        """
        if index_url is not None and urlsplit(index_url).scheme not in ("http", "https"):
            raise InputError(f"the index {index_url!r} is not an http or https address")
        bundle = next(
            (environ[key] for key in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE") if environ.get(key)), ""
        )
        if bundle and not Path(bundle).is_file():
            raise InputError(
                f"the CA bundle {bundle!r} is not a file", tip="mend SSL_CERT_FILE, PIP_CERT or REQUESTS_CA_BUNDLE"
            )
        proxies = {key: value for key, value in environ.items() if key.lower() in _PROXIES and value}
        return cls(index_url=index_url, ca_bundle=Path(bundle) if bundle else None, proxies=proxies)

    @property
    def is_local(self) -> bool:
        """Whether the index is on this machine, where a container cannot see it without the host's network."""
        host = urlsplit(self.index_url or "").hostname or ""
        return host == "localhost" or host.startswith("127.") or host == "::1"


@dataclass(frozen=True)
class File:
    """One wheel on a project page."""

    filename: str
    version: Version
    url: str
    sha256: str
    size: int | None
    upload_time: datetime | None
    yanked: bool
    requires_python: str | None


@dataclass(frozen=True)
class Project:
    """What an index offers of one project."""

    name: str
    wheels: tuple[File, ...]
    versions: frozenset[Version]
    """Of every file, wheel or not."""
    first_upload: datetime | None

    @property
    def tells_upload_times(self) -> bool:
        return all(wheel.upload_time is not None for wheel in self.wheels)

    def before(self, instant: datetime) -> tuple[File, ...]:
        """The wheels uploaded before `instant`.

        Raises:
            MeasurementError: the index tells no upload times, so that no date can be kept.
        """
        if not self.tells_upload_times:
            raise MeasurementError(
                f"the index tells no upload times for {self.name} (PEP 700), so the as-of date cannot be kept",
                tip="use an index that does",
            )
        return tuple(wheel for wheel in self.wheels if wheel.upload_time is not None and wheel.upload_time < instant)


class Index:
    """A client with one connection pool; pages are asked for once a process."""

    def __init__(self, reach: Reach, *, read_seconds: float = READ_SECONDS) -> None:
        self.reach = reach
        self._timeout = (CONNECT_SECONDS, read_seconds)
        session = _Counting()
        session.trust_env = False  # nothing ambient: no netrc, no REQUESTS_* beyond what `reach` holds
        session.verify = str(reach.ca_bundle) if reach.ca_bundle else True
        session.proxies = _proxies(reach)
        retry = _Retry(
            total=ATTEMPTS - 1, status_forcelist=_TRANSIENT, backoff_factor=BACKOFF_SECONDS, raise_on_status=False
        )
        adapter = HTTPAdapter(max_retries=retry, pool_connections=CONNECTIONS, pool_maxsize=CONNECTIONS)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        self._session = session
        self._client = PyPISimple(reach.index_url or PYPI_SIMPLE_ENDPOINT, session=session)
        self._pages: dict[str, Project] = {}
        self._lock = threading.Lock()

    def project(self, name: str) -> Project:
        """The page of `name`.

        Raises:
            NotOnIndexError: the index does not have it.
            IndexUnavailableError: it did not answer usefully, after retries.
        """
        name = canonicalize_name(name)
        with self._lock:
            if name in self._pages:
                return self._pages[name]
        with _told(f"the page of {name}"):
            try:
                page = self._page(name)
            except NoSuchProjectError:
                raise NotOnIndexError(f"{name} is not on the index") from None
        project = _project(name, page.packages)
        with self._lock:
            self._pages[name] = project
        return project

    def find(self, filename: str, sha256: str) -> File:
        """A wheel by its name and hash.

        Raises:
            IndexUnavailableError: the index no longer has it.
        """
        for file in self.project(parse_wheel_filename(filename)[0]).wheels:
            if (file.filename, file.sha256) == (filename, sha256):
                return file
        raise IndexUnavailableError(
            f"the index no longer has {filename} with sha256 {sha256[:12]}...",
            tip="use an index that has it, or lock again with --relock",
        )

    def _page(self, name: str) -> ProjectPage:
        """A page; one that came garbled or short is asked for again, which the adapter does not do."""
        for attempt in range(1, ATTEMPTS):
            try:
                return self._client.get_project_page(name, timeout=self._timeout)
            except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError, ValueError):
                time.sleep(BACKOFF_SECONDS * 2**attempt)
        return self._client.get_project_page(name, timeout=self._timeout)

    def metadata(self, file: File) -> bytes | None:
        """The wheel's METADATA (PEP 658), or None where the index does not serve it apart.

        Raises:
            IndexUnavailableError: it did not answer usefully, after retries.
        """
        with _told(f"the metadata of {file.filename}"):
            answer = self._session.get(file.url + ".metadata", timeout=self._timeout)
            if answer.status_code in (403, 404):
                return None
            answer.raise_for_status()
            return answer.content

    @property
    def moved_bytes(self) -> int:
        """What came over the wire so far, bodies only: pages, metadata, ranges and files."""
        return self._session.moved_bytes

    def read(self, file: File, start: int) -> bytes:
        """The file from byte `start` to its end, by one range request.

        Raises:
            UnsupportedError: the index answers no range requests; nothing was downloaded.
            MeasurementError: the file has not the size that its page tells.
            IndexUnavailableError: it did not answer usefully, after retries.
        """
        return self.read_range(file, start, _size(file))

    def read_range(self, file: File, start: int, stop: int) -> bytes:
        """Bytes `start` to `stop`, the latter not included; raises as `read` does."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._range(file, start, stop)
            except IndexUnavailableError as error:
                # the adapter has asked again for whatever came before the body
                if attempt == ATTEMPTS or not isinstance(error, _BrokeOffError):
                    raise
                time.sleep(BACKOFF_SECONDS * 2**attempt)
        raise AssertionError("unreachable")

    def _range(self, file: File, start: int, stop: int) -> bytes:
        headers = {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
        with _told(f"a part of {file.filename}"):
            answer = self._session.get(file.url, headers=headers, stream=True, timeout=self._timeout)
        with answer:  # a body that nobody reads is not fetched
            if answer.status_code == 200:
                raise UnsupportedError("no range requests")
            told = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.headers.get("Content-Range", ""))
            if answer.status_code == 416 or (told and int(told[3]) != file.size):
                raise MeasurementError(f"{file.filename} has not the {file.size:,} bytes that its page tells")
            with _told(f"a part of {file.filename}"):
                answer.raise_for_status()
            if answer.status_code != 206 or told is None or (int(told[1]), int(told[2])) != (start, stop - 1):
                raise UnsupportedError("no range requests: what answers one is not the part that was asked for")
            try:
                with _told(f"a part of {file.filename}"):
                    # never more than what was asked for, whatever it announces
                    data = b"".join(_at_most(answer.iter_content(2**20), stop - start))
            except IndexUnavailableError as error:
                raise _BrokeOffError(error.message, tip=error.tip) from error
            finally:
                self._session.count(answer)
        if len(data) != stop - start:
            raise _BrokeOffError(f"the index broke off, asked for a part of {file.filename}", tip="run the same again")
        return data

    def download(self, file: File, sink: IO[bytes], arrived: Callable[[int], None]) -> None:
        """Write the file to `sink`, telling each chunk's size; a broken transfer starts again.

        `arrived` is told a negative number when bytes have to be fetched once more.

        Raises:
            IndexUnavailableError: it could not be had whole, after retries.
        """
        for attempt in range(1, ATTEMPTS + 1):
            with _told(file.filename):  # until the body begins, the adapter asks again where that could help
                answer = self._session.get(file.url, stream=True, timeout=self._timeout)
                if not answer.ok:
                    answer.close()
                answer.raise_for_status()
            received = 0
            try:
                with _told(file.filename), answer:
                    for chunk in answer.iter_content(2**20):
                        sink.write(chunk)
                        received += len(chunk)
                        arrived(len(chunk))
                    self._session.count(answer)
                if file.size is not None and received < file.size:
                    raise IndexUnavailableError(
                        f"{file.filename} came short: {received} of {file.size} bytes", tip="run the same again"
                    )
                return
            except IndexUnavailableError:
                if attempt == ATTEMPTS:
                    raise
                arrived(-received)
                sink.seek(0)
                sink.truncate()
                time.sleep(BACKOFF_SECONDS * 2**attempt)


class _BrokeOffError(IndexUnavailableError):
    """In the middle of a body: worth another try."""


def _at_most(chunks: Iterable[bytes], most: int) -> Iterator[bytes]:
    """The chunks, until they are more than `most` bytes together."""
    received = 0
    for chunk in chunks:
        received += len(chunk)
        yield chunk
        if received > most:
            return


def _size(file: File) -> int:
    if file.size is None:
        raise MeasurementError(f"the index tells no size for {file.filename} (PEP 700)", tip="use an index that does")
    return file.size


class _Counting(requests.Session):
    """Counts the bytes that came over the wire."""

    def __init__(self) -> None:
        super().__init__()
        self.moved_bytes = 0
        self._counting = threading.Lock()

    def send(self, request: requests.PreparedRequest, **arguments: Any) -> requests.Response:
        answer = super().send(request, **arguments)
        # a redirection is followed inside of `send`, by another `send`, which has counted
        if not arguments.get("stream") and not answer.history:
            self.count(answer)
        return answer

    def count(self, answer: requests.Response) -> None:
        """Of a streamed answer: call it once what is wanted of its body was read."""
        with self._counting:
            self.moved_bytes += answer.raw.tell()


class _Retry(Retry):
    def get_retry_after(self, response: urllib3.BaseHTTPResponse) -> float | None:
        """What a busy index asks for, but never an hour of silence."""
        asked = super().get_retry_after(response)
        return None if asked is None else min(asked, LONGEST_PAUSE_SECONDS)


class _told:  # noqa: N801 - reads as a statement
    """Turn what the HTTP libraries raise into this program's errors, without any host's name."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or not isinstance(
            error,
            (
                requests.RequestException,
                urllib3.exceptions.HTTPError,
                ValueError,
                UnsupportedContentTypeError,
                UnsupportedRepoVersionError,
            ),
        ):
            return
        raise IndexUnavailableError(f"{self._say(error)}, asked for {self.what}", tip=self._tip(error)) from error

    def _say(self, error: BaseException) -> str:
        if isinstance(error, requests.HTTPError) and error.response is not None:
            return f"the index answered HTTP {error.response.status_code}"
        if isinstance(error, requests.exceptions.SSLError):
            return "the index's certificate is not trusted"
        if isinstance(error, requests.exceptions.ProxyError):
            return "the proxy refused"
        if isinstance(error, (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError)) or "timed out" in str(
            error
        ):
            return "the index stalled"
        if isinstance(error, requests.exceptions.ConnectionError):
            return "the index cannot be reached"
        if isinstance(error, (requests.exceptions.ChunkedEncodingError, urllib3.exceptions.HTTPError)):
            return "the index broke off"
        if isinstance(
            error, (UnsupportedContentTypeError, UnsupportedRepoVersionError, json.JSONDecodeError, ValueError)
        ):
            return "what answered is not a package index (no Simple API)"
        return f"the index failed ({type(error).__name__})"

    def _tip(self, error: BaseException) -> str:
        if isinstance(error, requests.exceptions.SSLError):
            return "set SSL_CERT_FILE to your CA bundle"
        return "check the network or --index-url, then run the same again"


def _proxies(reach: Reach) -> dict[str, str]:
    """By scheme, as requests takes them; none where NO_PROXY names the index."""
    given = {key.lower(): value for key, value in (reach.proxies or {}).items()}
    if requests.utils.should_bypass_proxies(
        reach.index_url or PYPI_SIMPLE_ENDPOINT, no_proxy=given.get("no_proxy", "")
    ):
        return {}
    both = given.get("all_proxy")
    found = {scheme: given.get(f"{scheme}_proxy") or both for scheme in ("http", "https")}
    return {scheme: proxy for scheme, proxy in found.items() if proxy}


def _project(name: str, packages: list[DistributionPackage]) -> Project:
    wheels, versions, uploads = [], set(), []
    for package in packages:
        if package.upload_time is not None:
            uploads.append(_utc(package.upload_time))
        if package.version is not None:
            try:
                versions.add(Version(package.version))
            except InvalidVersion:
                continue  # ancient releases, which no installer takes either
        if not package.filename.endswith(".whl"):
            continue
        if not is_wheel_filename(package.filename):
            continue
        _, version, _, _ = parse_wheel_filename(package.filename)
        sha256 = package.digests.get("sha256", "")
        wheels.append(
            File(
                filename=package.filename,
                version=version,
                url=package.url.split("#")[0],
                sha256=sha256 if is_sha256(sha256) else "",
                size=package.size,
                upload_time=_utc(package.upload_time) if package.upload_time else None,
                yanked=package.is_yanked,
                requires_python=package.requires_python,
            )
        )
    return Project(
        name=name,
        wheels=tuple(wheels),
        versions=frozenset(versions),
        first_upload=min(uploads, default=None),
    )


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def environment_for_tools(reach: Reach, ca_inside: str | None) -> dict[str, str]:
    """The variables with which pip inside a sandbox reaches the same index."""
    found = dict(reach.proxies or {})
    if ca_inside:
        found |= {"PIP_CERT": ca_inside, "SSL_CERT_FILE": ca_inside, "REQUESTS_CA_BUNDLE": ca_inside}
    return found


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where wheels, tools and sandboxes live: below XDG_CACHE_HOME, as the user's other caches."""
    home = environ.get("XDG_CACHE_HOME") or os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".cache")
    return Path(home).absolute() / "footprint-harness"
