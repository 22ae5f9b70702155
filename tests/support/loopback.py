"""A package index on this machine's loopback address that does what it is told, also badly.

Serves project pages (PEP 691 and 700 as JSON, PEP 503 as HTML), files with range requests, and their
metadata (PEP 658): all that pip asks for. A `Fault` on a path spoils its next answers.

    with LoopbackIndex() as index:
        index.add(build_wheel(folder, "tiny"))
        index.spoil(index.page("tiny"), status(500), times=2)
        ... index.url ... index.count(index.page("tiny"))
"""

from __future__ import annotations

import contextlib
import hashlib
import html
import io
import json
import re
import socket
import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "text/html; charset=utf-8"
FILE_TYPE = "application/octet-stream"
UPLOADED = datetime(2024, 1, 1, tzinfo=UTC)
"""When files were uploaded, unless a test says otherwise."""
STALL_SECONDS = 300.0
"""Longer than any client waits; the server's shutdown ends it earlier."""


@dataclass(frozen=True)
class Fault:
    """How an answer is spoiled."""

    status: int | None = None
    """Answer with this status, and with a short text as body."""
    headers: Mapping[str, str] = field(default_factory=dict)
    stall: bool = False
    """Accept the request, and say nothing until the shutdown."""
    short: bool = False
    """Announce the whole body, send half of it, and close."""
    cut: bool = False
    """Answer a range request in order, and close in the middle of its body."""
    body: Callable[[bytes], bytes] | None = None
    """Send this in the body's place, with a Content-Length that fits it."""


def status(code: int, **headers: str) -> Fault:
    return Fault(status=code, headers={name.replace("_", "-"): value for name, value in headers.items()})


STALL = Fault(stall=True)
SHORT = Fault(short=True)
TRUNCATED = Fault(body=lambda data: data[: len(data) // 2])
"""Half of the body, with a Content-Length that fits the half."""
GARBAGE = Fault(body=lambda data: b'{"meta": {"api-version": "1.1"}, "na')
ALTERED = Fault(body=lambda data: data[:-1] + bytes([data[-1] ^ 1]))


@dataclass(frozen=True)
class Entry:
    """One file of a project, as its page lists it."""

    filename: str
    data: bytes
    upload_time: datetime | None
    yanked: bool | str
    requires_python: str | None
    metadata: bytes | None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Seen:
    """One request that came."""

    method: str
    path: str
    headers: Mapping[str, str]


class LoopbackIndex:
    """A context manager; `url` is what `--index-url` takes."""

    def __init__(self, *, ranges: bool = True, metadata: bool = True, html_only: bool = False) -> None:
        self.ranges, self.metadata, self.html_only = ranges, metadata, html_only
        self.requests: list[Seen] = []
        self._projects: dict[str, list[Entry]] = {}
        self._faults: dict[str, tuple[Fault, float]] = {}
        self._lock = threading.Lock()
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.index = self
        self.host, self.port = self._server.server_address[0], self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> LoopbackIndex:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop: from now on the port is closed. May be called twice."""
        if self.closing.is_set():
            return
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/simple/"

    def add(
        self,
        file: Path | tuple[str, bytes],
        *,
        upload_time: datetime | None = UPLOADED,
        yanked: bool | str = False,
    ) -> Entry:
        """Offer a wheel, or a source distribution; either as a file or as (filename, content)."""
        name, data = (file.name, file.read_bytes()) if isinstance(file, Path) else file
        metadata = _metadata(data) if name.endswith(".whl") else None
        requires_python = BytesHeaderParser().parsebytes(metadata)["Requires-Python"] if metadata else None
        entry = Entry(name, data, upload_time, yanked, requires_python, metadata)
        project = parse_wheel_filename(name)[0] if name.endswith(".whl") else parse_sdist_filename(name)[0]
        with self._lock:
            self._projects.setdefault(canonicalize_name(project), []).append(entry)
        return entry

    def page(self, name: str) -> str:
        """The path of a project's page."""
        return f"/simple/{canonicalize_name(name)}/"

    def file(self, filename: str) -> str:
        """The path of a file."""
        return f"/files/{quote(filename)}"

    def spoil(self, path: str, fault: Fault, *, times: float = float("inf")) -> None:
        """Spoil the next `times` answers for `path`, or all of them."""
        with self._lock:
            self._faults[path] = (fault, times)

    def heal(self, path: str) -> None:
        with self._lock:
            self._faults.pop(path, None)

    def count(self, path: str) -> int:
        """How often `path` was asked for."""
        return self.counts[path]

    @property
    def counts(self) -> Counter[str]:
        with self._lock:
            return Counter(seen.path for seen in self.requests)

    # What the handler asks for.

    def note(self, seen: Seen) -> Fault | None:
        """Count a request; returns the fault of its answer."""
        with self._lock:
            self.requests.append(seen)
            fault, times = self._faults.get(seen.path, (None, 0))
            if fault is None or times <= 0:
                return None
            self._faults[seen.path] = (fault, times - 1)
            return fault

    def find(self, path: str, accept: str) -> tuple[str, bytes] | None:
        """Content type and body of what stands at `path`."""
        with self._lock:
            projects = {name: list(entries) for name, entries in self._projects.items()}
        if match := re.fullmatch(r"/simple/([^/]+)/", path):
            entries = projects.get(canonicalize_name(match[1]))
            if entries is None:
                return None
            if self.html_only or JSON_TYPE not in accept:
                return HTML_TYPE, self._page_html(match[1], entries)
            return JSON_TYPE, self._page_json(match[1], entries)
        name = unquote(path.removeprefix("/files/"))
        for entry in (entry for entries in projects.values() for entry in entries):
            if name == entry.filename:
                return FILE_TYPE, entry.data
            if name == f"{entry.filename}.metadata" and self.metadata and entry.metadata is not None:
                return FILE_TYPE, entry.metadata
        return None

    def _page_json(self, name: str, entries: list[Entry]) -> bytes:
        files = []
        for entry in entries:
            file: dict[str, object] = {
                "filename": entry.filename,
                "url": f"../../files/{quote(entry.filename)}",
                "hashes": {"sha256": entry.sha256},
                "size": len(entry.data),
                "yanked": entry.yanked,
            }
            if entry.upload_time is not None:
                file["upload-time"] = entry.upload_time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            if entry.requires_python is not None:
                file["requires-python"] = entry.requires_python
            if self.metadata and entry.metadata is not None:
                file["core-metadata"] = {"sha256": hashlib.sha256(entry.metadata).hexdigest()}
            files.append(file)
        page = {
            "meta": {"api-version": "1.1"},
            "name": canonicalize_name(name),
            "versions": sorted({_version(entry.filename) for entry in entries}),
            "files": files,
        }
        return json.dumps(page).encode()

    def _page_html(self, name: str, entries: list[Entry]) -> bytes:
        anchors = []
        for entry in entries:
            attributes = f'href="../../files/{quote(entry.filename)}#sha256={entry.sha256}"'
            if entry.requires_python is not None:
                attributes += f' data-requires-python="{html.escape(entry.requires_python)}"'
            if entry.yanked is not False:
                attributes += f' data-yanked="{html.escape(entry.yanked if isinstance(entry.yanked, str) else "")}"'
            anchors.append(f"<a {attributes}>{html.escape(entry.filename)}</a><br>")
        head = f"<!DOCTYPE html><html><head><title>{html.escape(name)}</title></head><body>"
        return f"{head}{''.join(anchors)}</body></html>".encode()


class _Server(ThreadingHTTPServer):
    index: LoopbackIndex
    daemon_threads = True
    block_on_close = False

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self._open: dict[socket.socket, threading.Thread] = {}

    def process_request_thread(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        self._open[request] = threading.current_thread()
        super().process_request_thread(request, client_address)
        self._open.pop(request, None)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients go away whenever they like; nothing to say."""

    def server_close(self) -> None:
        """Close what keep-alive holds open too, so that nothing outlives the test."""
        super().server_close()
        for request, thread in list(self._open.items()):
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)
            thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        index = self.server.index
        path = urlsplit(self.path).path
        fault = index.note(Seen(self.command, path, dict(self.headers))) or Fault()
        if fault.stall:
            index.closing.wait(STALL_SECONDS)
            self.close_connection = True
            return
        if fault.status is not None:
            self._send(fault.status, "text/plain", b"spoiled by the test\n", dict(fault.headers))
            return
        found = index.find(path, self.headers.get("Accept", ""))
        if found is None:
            self._send(404, "text/plain", b"not found\n")
            return
        kind, body = found
        if fault.body is not None:
            body = fault.body(body)
        if fault.short:
            self._send(200, kind, body, announced=len(body), sent=len(body) // 2)
        elif index.ranges and kind == FILE_TYPE:
            self._send_range(kind, body, cut=fault.cut)
        else:
            self._send(200, kind, body)

    def _send_range(self, kind: str, body: bytes, *, cut: bool = False) -> None:
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if wanted is None or not any(wanted.groups()):
            self._send(200, kind, body, {"Accept-Ranges": "bytes"})
            return
        if wanted[1]:
            first, last = int(wanted[1]), min(int(wanted[2] or len(body)), len(body) - 1)
        else:
            first, last = max(0, len(body) - int(wanted[2])), len(body) - 1
        if first > last:
            self._send(416, "text/plain", b"", {"Content-Range": f"bytes */{len(body)}"})
            return
        place = {"Accept-Ranges": "bytes", "Content-Range": f"bytes {first}-{last}/{len(body)}"}
        part = body[first : last + 1]
        self._send(206, kind, part, place, announced=len(part), sent=len(part) // 2 if cut else None)

    def _send(
        self,
        code: int,
        kind: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        announced: int | None = None,
        sent: int | None = None,
    ) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if announced is None else announced))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:sent])
        if sent is not None:
            self.close_connection = True


def _metadata(wheel: bytes) -> bytes | None:
    """A wheel's METADATA; None where it has none, or is no wheel."""
    try:
        with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
            for name in archive.namelist():
                if re.fullmatch(r"[^/]+\.dist-info/METADATA", name):
                    return archive.read(name)
    except zipfile.BadZipFile:
        pass
    return None


def _version(filename: str) -> str:
    return str((parse_wheel_filename if filename.endswith(".whl") else parse_sdist_filename)(filename)[1])
