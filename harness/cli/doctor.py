"""`harness doctor`: what this machine can measure, and what to do about the rest."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import click

from harness.archive.store import Records
from harness.catalogs.frameworks import DEFAULT, load
from harness.engines import docker, host, images, venv
from harness.engines.interpreters import Interpreters
from harness.engines.owner import Owner, Owners
from harness.errors import HarnessError
from harness.packages.index import Index, Reach, cache_folder

TORCH_BYTES = 12 * 10**9
"""Wheels, environment and image of the largest framework, with room to spare."""


@dataclass(frozen=True)
class Check:
    """One thing looked at."""

    what: str
    verdict: Literal["ok", "note", "missing"]
    found: str
    tip: str = ""


def doctor(index_url: str | None, catalog_file: Path | None, results: str, as_json: bool, quiet: bool) -> int:  # noqa: ARG001
    """Print every check; 0 where something can be measured, 4 where nothing can."""
    checks = []
    for check in examine(index_url, catalog_file, results):
        checks.append(check)
        if not as_json:
            mark = {"ok": click.style("ok     ", fg="green"), "note": click.style("note   ", fg="yellow")}.get(
                check.verdict, click.style("missing", fg="red")
            )
            click.echo(f"{mark} {check.what:<16} {check.found}", color=False if "NO_COLOR" in os.environ else None)
            if check.tip:
                click.echo(f"{'':<25}-> {check.tip}")
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks], indent=1))
    return 4 if any(check.verdict == "missing" for check in checks) else 0


def examine(index_url: str | None, catalog_file: Path | None, results: str) -> Iterator[Check]:
    """Look at everything that measuring needs."""
    yield Check(
        "machine",
        "ok",
        f"{host.cpu_model()}, {len(os.sched_getaffinity(0))} cores, {host.memory_bytes() / 2**30:.0f} GiB, "
        f"Python {sys.version.split()[0]}",
    )
    yield _index(index_url)
    yield _catalog(catalog_file)
    yield _results(results)
    yield _disk(cache_folder())
    yield from _containers()
    yield from _venv()


def _index(url: str | None) -> Check:
    try:
        index = Index(Reach.from_environment(os.environ, url))
        page = index.project("pip")
    except HarnessError as error:
        return Check("package index", "missing", error.message, error.tip)
    if not page.tells_upload_times:
        return Check("package index", "missing", "answers, without upload times (PEP 700)", "use one that tells them")
    return Check("package index", "ok", "answers, with upload times")


def _catalog(path: Path | None) -> Check:
    try:
        return Check("catalog", "ok", f"{len(load(path or DEFAULT).frameworks)} frameworks")
    except HarnessError as error:
        return Check("catalog", "missing", error.message, error.tip)


def _results(results: str) -> Check:
    try:
        Records(Path(results)).prepare()
    except HarnessError as error:
        return Check("results", "missing", error.message, error.tip)
    return Check("results", "ok", f"{results} can be written to")


def _disk(cache: Path) -> Check:
    place = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if free < TORCH_BYTES:
        return Check(
            "disk",
            "note",
            f"{free / 1e9:.1f} GB free in {place}; the largest frameworks need {TORCH_BYTES / 1e9:.0f}",
            "make room, or set XDG_CACHE_HOME",
        )
    return Check("disk", "ok", f"{free / 1e9:.1f} GB free in {place}")


def _containers() -> Iterator[Check]:
    client = docker.connect()
    if client is None:
        yield Check(
            "docker",
            "note",
            "no Docker API answers: the venv engine serves",
            "start Docker or Podman, or set DOCKER_HOST",
        )
        return
    version = client.version()
    yield Check("docker", "ok", f"engine {version['Version']}, API {version['ApiVersion']}, {client.info()['Driver']}")
    store = docker.Images(client)
    for python, base in images.bases().items():
        if store.has(base.registry):
            yield Check(f"image {python}", "ok", base.registry)
        elif base.debian and store.has(base.debian_tag):
            yield Check(f"image {python}", "ok", f"{base.debian_tag}, of Debian packages")
        elif base.debian and shutil.which("mmdebstrap"):
            yield Check(f"image {python}", "note", "not here yet: pulled, or built from Debian packages, when needed")
        else:
            need = "apt-get install mmdebstrap, or " if base.debian else ""
            yield Check(f"image {python}", "note", "not here yet", f"{need}docker pull {base.registry}")


def _venv() -> Iterator[Check]:
    present = reversed(Interpreters(cache_folder()).present())
    found = [f"{major}.{minor}" for major, minor in present]
    yield Check("venv", "ok" if found else "missing", "Python " + ", ".join(found) if found else "no interpreter found")
    isolated = venv.VenvEngine(Owner("doctor", Owners(cache_folder()), cache_folder())).isolates_network
    yield Check(
        "venv isolation",
        "ok" if isolated else "note",
        "measured code gets no network" if isolated else "measured code can reach the network",
        "" if isolated else "this kernel lets no user make a network namespace; records say so. Use docker",
    )
