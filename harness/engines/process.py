"""The one door to processes of this machine."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Finished:
    """How a process ended."""

    exit_status: int
    """As a shell would say it: 128 + n for signal n."""
    stdout: bytes
    stderr: bytes
    timed_out: bool
    truncated: bool
    seconds: float


def run(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    seconds: float = 60.0,
    output_bytes: int = 2**20,
    folder: Path | None = None,
) -> Finished:
    """Run `argv` in a session of its own, and kill the whole session at the end in every case.

    Output past `output_bytes` a stream is read and dropped, so that a process that prints without
    end fills neither a pipe nor the memory.

    Raises:
        OSError: it could not be started.
    """
    started = time.monotonic()
    process = subprocess.Popen(
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environment) if environment is not None else None,
        cwd=folder,
        start_new_session=True,
    )
    assert process.stdout is not None and process.stderr is not None
    kept = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    out, err = kept.values()
    timed_out = truncated = False
    try:
        with selectors.DefaultSelector() as selector:
            for stream in kept:
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select(0.2):
                    chunk = os.read(key.fd, 65536)
                    if not chunk:
                        selector.unregister(key.fd)
                        continue
                    room = output_bytes - len(kept[key.fd])
                    kept[key.fd] += chunk[:room]
                    truncated = truncated or len(chunk) > room
                if process.poll() is not None:
                    break
                if time.monotonic() - started > seconds:
                    timed_out = True
                    break
            if not timed_out:
                _drain(selector, kept, output_bytes)
    finally:
        _kill_session(process.pid)
        status = process.wait()
        process.stdout.close()
        process.stderr.close()
    return Finished(
        exit_status=status if status >= 0 else 128 - status,
        stdout=bytes(out),
        stderr=bytes(err),
        timed_out=timed_out,
        truncated=truncated,
        seconds=time.monotonic() - started,
    )


def _drain(selector: selectors.BaseSelector, kept: Mapping[int, bytearray], most: int) -> None:
    """What an ended process left in its pipes; a grandchild that holds them open is not waited for."""
    while selector.get_map():
        ready = selector.select(0.05)
        if not ready:
            return
        for key, _ in ready:
            chunk = os.read(key.fd, 65536)
            if not chunk:
                selector.unregister(key.fd)
            kept[key.fd] += chunk[: max(0, most - len(kept[key.fd]))]


def _kill_session(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
