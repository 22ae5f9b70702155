"""The site, built once from the repository's own records, and a real Chromium that may reach nothing else."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

from harness.archive.store import Records
from harness.documents.footprint import Record
from tests.support.promise import lacks

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / "results" / "published"

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@cache
def chromium() -> str | None:
    """The browser of this machine; none is downloaded."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test that needs Chromium is skipped without one, or fails where one was promised."""
    if item.get_closest_marker("browser") is not None and not chromium():
        lacks("there is no Chromium", promised_by="HARNESS_REQUIRE_BROWSER")


def build(results: Path, place: Path) -> Path:
    """The site of some results, built as `make docs` does."""
    docs = place / "docs"
    shutil.copytree(REPOSITORY / "docs", docs, ignore=shutil.ignore_patterns("_generated", "frameworks"))
    run = functools.partial(subprocess.run, check=True, cwd=REPOSITORY, timeout=300)
    run([sys.executable, "-m", "harness", "site", "--quiet", "--results", str(results), "--docs", str(docs)])
    run(
        [
            sys.executable,
            "-m",
            "sphinx",
            "-q",
            "-W",
            "-n",
            "-b",
            "html",
            "-d",
            str(place / "doctrees"),
            str(docs),
            str(place / "site"),
        ]
    )
    return place / "site"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the repository's own records."""
    return build(RESULTS, tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def records() -> list[Record]:
    """The repository's own records."""

    def invalid(path: Path, why: str) -> None:
        pytest.fail(f"{path}: {why}")

    return list(Records(RESULTS).all(invalid))


@pytest.fixture(scope="session")
def served(site: Path) -> Iterator[str]:
    """The site's address on a loopback server."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *parts: object) -> None: ...

    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(params=["file", "http"])
def root(request: pytest.FixtureRequest, site: Path) -> str:
    """The site's address, without a slash at its end: from a folder, and from a server."""
    return site.as_uri() if request.param == "file" else str(request.getfixturevalue("served"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless; without a sandbox of its own only where it could not have one."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=chromium(), args=arguments)
        yield found
        found.close()


@dataclass
class Window:
    """A page, and what it must not do."""

    page: Page
    left: list[str] = field(default_factory=list)
    """Requests to anywhere but the site."""
    errors: list[str] = field(default_factory=list)
    """What scripts threw, what the console complained about, and what could not be loaded."""


Open = Callable[..., Window]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Opens an address in a new context; everything that is not below `within` is refused and noted."""
    contexts: list[BrowserContext] = []

    def opened(address: str, *, within: str, width: int = 1280, scheme: str = "light", scripts: bool = True) -> Window:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
            java_script_enabled=scripts,
            reduced_motion="reduce",
        )
        contexts.append(context)
        window = Window(context.new_page())

        def pass_or_refuse(route: Route) -> None:
            if route.request.url.startswith((f"{within}/", "data:")):
                route.continue_()
            else:
                window.left.append(route.request.url)
                route.abort()

        context.route("**/*", pass_or_refuse)
        window.page.on("pageerror", lambda error: window.errors.append(str(error)))
        window.page.on(
            "console", lambda said: window.errors.append(said.text) if said.type in ("error", "warning") else None
        )
        window.page.on("requestfailed", lambda request: window.errors.append(f"not loaded: {request.url}"))
        window.page.on(
            "response",
            lambda answer: window.errors.append(f"{answer.status}: {answer.url}") if answer.status >= 400 else None,
        )
        window.page.goto(address, wait_until="load")
        return window

    yield opened
    for context in contexts:
        context.close()
