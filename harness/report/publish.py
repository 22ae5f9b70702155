"""Put the built site where a static host takes it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from harness.errors import InputError

MARKER = ".nojekyll"
"""Tells GitHub Pages to serve folders that begin with an underscore. Here also: this folder is a publication.
https://github.blog/news-insights/bypassing-jekyll-on-github-pages/"""


def publish(site: Path, to: Path) -> int:
    """Copy the built site to `to`, as a whole: what an earlier publication left there goes.

    Returns:
        how many files there are now.

    Raises:
        InputError: the site is not built, or `to` holds something that is not a publication.
    """
    if not (site / "index.html").is_file():
        raise InputError(f"{site} holds no built site", tip="build it: make docs")
    if to.resolve() == site.resolve() or site.resolve() in to.resolve().parents:
        raise InputError(f"{to} is within the built site itself", tip="choose another folder: TO=build/public")
    if to.exists() and not to.is_dir():
        raise InputError(f"{to} is not a folder")
    if to.is_dir() and any(to.iterdir()) and not (to / MARKER).is_file():
        raise InputError(
            f"{to} is not empty, and not a publication of this site", tip="choose an empty or a new folder"
        )
    beside = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        shutil.copytree(site, beside, ignore=shutil.ignore_patterns(".doctrees", ".buildinfo*"))
        (beside / MARKER).touch()
        shutil.rmtree(to, ignore_errors=True)
        beside.rename(to)
    except OSError as error:
        raise InputError(f"the site cannot be written to {to}: {error.strerror}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return sum(1 for path in to.rglob("*") if path.is_file())
