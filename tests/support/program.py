"""The harness as its user starts it: a process of its own, with a home folder of its own."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 180.0
# What reaching the default index and the container engine needs on this machine; nothing else comes along.
_PASSED_ON = re.compile(
    r"PATH|DOCKER_HOST|SSL_CERT_FILE|REQUESTS_CA_BUNDLE|PIP_CERT|(https?|no|all)_proxy", re.IGNORECASE
)


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def told(self) -> list[str]:
        """What it said when it gave up: the lines of its error and its tip."""
        return [line for line in self.stderr.splitlines() if line.startswith(("error:", "tip:"))]


class Program:
    """`harness`, with results, cache and home below one folder."""

    def __init__(self, folder: Path, *, index_url: str | None = None, tools: Path | None = None) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.results = folder / "results"
        self.cache = self.home / ".cache" / "footprint-harness"
        self.cache.mkdir(parents=True, exist_ok=True)
        if tools is not None:
            (self.cache / "tools").symlink_to(tools)
        self.environment = {name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)}
        self.environment |= {"HOME": str(self.home), "LANG": "C.UTF-8", "NO_COLOR": "1"}
        self.environment["UV_PYTHON_DOWNLOADS"] = "never"  # what is here will do: no test is about the network
        if index_url is not None:
            self.environment["HARNESS_INDEX_URL"] = index_url

    def run(self, *arguments: str, environment: Mapping[str, str] | None = None, before: Sequence[str] = ()) -> Ended:
        """Run `harness` with these arguments, behind the command `before`."""
        return self.execute([*before, sys.executable, "-m", "harness", *arguments], environment=environment)

    def measure(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Ended:
        """Run `harness measure`, with one warm and one cold import."""
        return self.run(*self._measuring(arguments), environment=environment)

    def make(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Ended:
        """Run `make` in the repository; its results still go below this program's folder."""
        command = ["make", "--no-print-directory", *arguments, f"RESULTS={self.results}"]
        return self.execute(command, environment=environment, folder=REPOSITORY)

    def execute(
        self, argv: Sequence[str], *, environment: Mapping[str, str] | None = None, folder: Path | None = None
    ) -> Ended:
        done = subprocess.run(
            list(argv),
            env=self.environment | dict(environment or {}),
            cwd=folder or self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def measuring(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Running]:
        """A `harness measure` that is still running, and is killed at the end of the block if need be."""
        process = subprocess.Popen(
            [sys.executable, "-m", "harness", *self._measuring(arguments)],
            env=self.environment | dict(environment or {}),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                yield Running(process)
            finally:
                process.kill()

    def _measuring(self, arguments: Sequence[str]) -> list[str]:
        return ["measure", "--results", str(self.results), "--repeats", "1", *arguments]

    @property
    def record_files(self) -> list[Path]:
        return sorted(self.results.glob("records/*/*.json"))

    @property
    def records(self) -> list[dict[str, Any]]:
        """Every record there is, oldest first."""
        found = [json.loads(path.read_text()) for path in self.record_files]
        return sorted(found, key=lambda record: (record["measured_at"], record["record_id"]))

    @property
    def record(self) -> dict[str, Any]:
        """The only record there is."""
        (record,) = self.records
        return record

    @property
    def rows(self) -> list[dict[str, str]]:
        """`footprint.csv`."""
        with (self.results / "footprint.csv").open(newline="") as file:
            return list(csv.DictReader(file))


class Running:
    """A run that has not ended yet; its lines on standard error tell where it is."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []

    def reach(self, phase: str) -> None:
        """Wait until a phase begins."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if re.match(rf"\s*[0-9.]+ s  {phase}\b", line):
                return
        raise AssertionError(f"it ended before {phase}:\n{''.join(self.lines)}")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> Ended:
        """Wait for the end."""
        out, err = self.process.communicate(timeout=PATIENCE_SECONDS)
        return Ended(self.process.returncode, out, "".join(self.lines) + err)


def eventually(found: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Ask until the answer is true, and give it."""
    deadline = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < deadline, f"still {answer!r} after {seconds:.0f} s"
        time.sleep(0.02)
    return answer
