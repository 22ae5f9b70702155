"""What does looking cost beside downloading?

In one run, each as a whole process, start of the program included: the history of a framework from nothing (cold) and
from kept directories (cached), five times each; the download of its newest wheel alone, which is what a user would do
to see inside; then every release of the whole catalog, cold and cached, with the time a wheel and the peak memory
beside those of the one framework.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.job import parse_request

RUNS = 5


@dataclass(frozen=True)
class Run:
    """One process."""

    seconds: float
    memory_bytes: int
    cost: dict[str, Any]
    rows: int


def forecast(cache: Path, *arguments: str) -> Run:
    """`harness forecast` with these arguments, as its user starts it."""
    command = [sys.executable, "-m", "harness", "forecast", "--json", "--quiet", *arguments]
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "HARNESS_RESULTS": str(cache / "results")}
    out = cache / "out.json"
    started = time.monotonic()
    with out.open("wb") as sink:
        process = subprocess.Popen(command, env=environment, stdout=sink)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        sys.exit(f"error: {' '.join(command)} ended with {process.returncode}")
    told = json.loads(out.read_text())
    return Run(seconds, usage.ru_maxrss * 1024, told["cost"], len(told["forecasts"]))


def forget(cache: Path) -> None:
    """Directories and results, so that the next run begins with nothing."""
    for place in (cache / "footprint-harness" / "directories", cache / "results"):
        shutil.rmtree(place, ignore_errors=True)


def download(folder: Path, framework: str) -> float:
    """Seconds of `pip download` of the newest wheel alone."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir", "--dest", str(folder)]
    started = time.monotonic()
    environment = {**os.environ, "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
    subprocess.run([*command, "--only-binary", ":all:", framework], env=environment, check=True)
    return time.monotonic() - started


def main() -> None:
    framework = str(parse_request(os.environ.get("FRAMEWORK") or "torch"))
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    ask = ("--releases", "--python", python)
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        cold, cached = [], []
        for _ in range(RUNS):
            forget(cache)
            cold.append(forecast(cache, framework, *ask))
            cached.append(forecast(cache, framework, *ask))
        wheels = Path(folder, "wheels")
        everyday = download(wheels, framework)
        size = sum(path.stat().st_size for path in wheels.iterdir())
        shutil.rmtree(wheels)
        forget(cache)
        all_cold, all_cached = (forecast(cache, "--all", *ask) for _ in range(2))
    first = cold[0]
    print(
        f"{framework}, {first.rows} releases for Python {python}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    print(f"median of {RUNS} runs; the others once\n")
    print(
        "| way                                  | wheels | seconds | ms a wheel | MB moved | of the bytes | peak MB |"
    )
    print(
        "|--------------------------------------|-------:|--------:|-----------:|---------:|-------------:|--------:|"
    )

    def row(name: str, runs: list[Run]) -> None:
        seconds = statistics.median(run.seconds for run in runs)
        cost, count = runs[0].cost, runs[0].cost["wheels"]
        print(
            f"| {name:<36} | {count:>6} | {seconds:7.2f} | {seconds / count * 1000:10.1f} "
            f"| {cost['moved_bytes'] / 1e6:8.1f} | {cost['moved_bytes'] / cost['spared_bytes']:12.3%} "
            f"| {max(run.memory_bytes for run in runs) / 1e6:7.0f} |"
        )

    row("forecast --releases, cold", cold)
    row("forecast --releases, cached", cached)
    alone = "pip download of the newest alone"
    figures = f"{everyday:7.2f} | {everyday * 1000:10.1f} | {size / 1e6:8.1f}"
    print(f"| {alone:<36} |      1 | {figures} |     100.000% |         |")
    row("forecast --releases --all, cold", [all_cold])
    row("forecast --releases --all, cached", [all_cached])
    print(f"\nreach: {framework} cold at most 3 s and 0.5 % of the bytes, cached at most 0.5 s")


if __name__ == "__main__":
    main()
