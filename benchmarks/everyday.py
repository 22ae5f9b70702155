"""What does measuring cost beside what a user would do anyway?

In one run: `docker build` with a plain `pip install` (the everyday way, which tells one number),
a cold `harness measure` with pip and with uv (no lock, no wheel; base image and tools are set up, as
they are once a machine), and a warm one (locked and downloaded) beside the bare sum of its own
installation and imports.

PAUSE=120 waits that many seconds after each way: ext4 without a journal creates files slowly for a
minute or more after many were deleted (`recently_deleted` in fs/ext4/ialloc.c), and each way deletes
what it made, so that the later ways would pay for the earlier ones.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time

import docker

from harness.engines import docker as containers
from harness.engines import images
from harness.job import Target, parse_request
from harness.packages.index import Reach

DOCKERFILE = """\
FROM {base}
COPY ca.pem /ca.pem
ENV PIP_CERT={cert}
RUN python3 -m venv /env && /env/bin/pip install --no-cache-dir {framework}
"""


def everyday(client: docker.DockerClient, framework: str) -> float:
    """Seconds of `docker build` around a plain `pip install`."""
    base, _ = images.ensure(containers.Images(client), Target((3, 11)))
    bundle = Reach.from_environment(os.environ, None).ca_bundle
    files = {
        "Dockerfile": DOCKERFILE.format(base=base, cert="/ca.pem" if bundle else "", framework=framework).encode(),
        "ca.pem": bundle.read_bytes() if bundle else b"",
    }
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    context.seek(0)
    started = time.monotonic()
    image, _ = client.images.build(fileobj=context, custom_context=True, nocache=True, rm=True, forcerm=True)
    seconds = time.monotonic() - started
    client.images.remove(image.id, force=True)
    return seconds


def measured(framework: str, cache: str, *options: str) -> tuple[float, dict[str, object]]:
    """Seconds of a whole `harness measure`, start of the program included, and its record."""
    command = [sys.executable, "-m", "harness", "measure", framework, "--engine", "docker", "--json", *options]
    started = time.monotonic()
    environment = {**os.environ, "XDG_CACHE_HOME": cache, "HARNESS_RESULTS": f"{cache}/results"}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    seconds = time.monotonic() - started
    (record,) = json.loads(done.stdout)
    return seconds, record


def prepare(cache: str) -> None:
    """Set up the tools, by measuring something tiny with each installer."""
    for installer in ("pip", "uv"):
        measured("six==1.16.0", cache, "--installer", installer, "--repeats", "1")


def bare_sum(record: dict[str, object]) -> float:
    """Seconds of the installation and of every timed interpreter, as the record has them."""
    figures, samples = record["figures"], record["samples"]
    assert isinstance(figures, dict) and isinstance(samples, dict)
    starts = sum(float(sample["seconds"]) for runs in samples.values() for sample in runs)
    return float(figures["install_seconds"]) + starts


def main() -> None:
    framework = str(parse_request(os.environ.get("FRAMEWORK") or "torch==2.3.0"))
    client = containers.connect()
    if client is None:
        sys.exit("error: this benchmark needs a container engine")
    pause = float(os.environ.get("PAUSE") or 0)
    print(f"{framework}, {os.cpu_count()} cores, {pause:.0f} s of pause after each way\n", flush=True)
    daily = everyday(client, framework)
    print(f"| {'way':<44} | {'seconds':>8} | {'ratio':>6} | reach |")
    print(f"|{'-' * 46}|{'-' * 10}|{'-' * 8}|-------|")

    def row(name: str, seconds: float, base: float, reach: str = "") -> None:
        print(f"| {name:<44} | {seconds:8.1f} | {seconds / base:6.2f} | {reach:>5} |", flush=True)

    row("docker build, plain pip install", daily, daily)
    with tempfile.TemporaryDirectory() as cache:
        prepare(cache)
        time.sleep(pause)
        cold, _ = measured(framework, cache, "--installer", "pip")
        row("harness measure, cold, pip", cold, daily, "0.80")
        time.sleep(pause)
        warm, record = measured(framework, cache, "--installer", "pip")
    with tempfile.TemporaryDirectory() as cache:
        prepare(cache)
        time.sleep(pause)
        fast, _ = measured(framework, cache, "--installer", "uv")
        row("harness measure, cold, uv", fast, daily, "0.50")
    bare = bare_sum(record)
    row("bare sum of a warm one's install and imports", bare, bare)
    row("harness measure, warm, pip", warm, bare, "1.15")


if __name__ == "__main__":
    main()
