"""Files that are whole or not there: a reader sees the old one or the new one, whatever happens to who writes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

MODE = 0o644
Put = Callable[[str, Path], None]
"""Puts a finished file, by its path, into its place."""


def link(beside: str, path: Path) -> None:
    """Put a file in its place, unless one is there.

    Raises:
        FileExistsError: one is.
    """
    os.link(beside, path)
    os.unlink(beside)


@contextmanager
def replacing(path: Path, mode: str = "w", *, put: Put = os.replace, sync: bool = False) -> Iterator[IO[Any]]:
    """Write a file beside `path`, and put it there once it is whole.

    Args:
        mode: `w` for UTF-8 text with line ends as they are, or `wb`.
        put: how it gets there.
        sync: have it on the disk first, so that a power cut leaves no empty file behind.

    Raises:
        OSError: it cannot be written, or put.
    """
    fd, beside = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        text = {"encoding": "utf-8", "newline": ""} if "b" not in mode else {}
        with os.fdopen(fd, mode, **text) as file:  # type: ignore[call-overload]
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(beside, MODE)
        put(beside, path)
    except BaseException:
        with suppress(FileNotFoundError):  # an interrupt may come when it is in its place already
            os.unlink(beside)
        raise
