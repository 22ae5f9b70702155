"""The imports probe on real interpreters: what it samples, and that measured code can neither hang it nor lie to it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.environments import Root

pytestmark = pytest.mark.integration

FORGED = 123_456_789
"""A figure that no real import of a test has."""


def failure(document: dict[str, Any]) -> tuple[str, str]:
    assert document["failure"] is not None, document
    return document["failure"]["kind"], document["failure"]["detail"]


def assert_nothing_forged(document: dict[str, Any]) -> None:
    """No sample carries a figure that the measured code made up."""
    for name in ("bare", "first", "warm", "cold"):
        for sample in document[name]:
            assert 0 < sample["seconds"] < 60
            assert sample["modules"] != FORGED and sample["rss_bytes"] < FORGED * 1024


def test_an_import_is_sampled_bare_and_warm_in_turns_and_cold(root: Root) -> None:
    root.write("tiny/__init__.py", "import time; time.sleep(0.15)\nblock = b'x' * 50_000_000\nimport tiny.part\n")
    root.write("tiny/part.py")
    document = root.imports("tiny", "--repeats", "3", "--cold-repeats", "2")
    assert document["failure"] is None
    assert len(document["bare"]) == len(document["warm"]) == 3
    assert len(document["cold"]) == 2 or document["cached_share"] > 0.02  # a file system that evicts nothing
    for bare, warm in zip(document["bare"], document["warm"], strict=True):
        assert bare["seconds"] > 0 and warm["seconds"] >= 0.15
        assert warm["modules"] >= bare["modules"] + 2
        assert warm["rss_bytes"] >= bare["rss_bytes"] + 40_000_000
        assert warm["cpu_seconds"] < warm["seconds"]


def test_the_first_import_is_sampled_apart(root: Root) -> None:
    root.write("tiny.py")
    document = root.imports("tiny", "--first")
    assert (len(document["bare"]), len(document["first"]), document["warm"]) == (3, 1, [])
    assert not list(root.site.rglob("*.pyc"))  # the probe itself leaves no bytecode behind


def test_the_tree_of_imports_names_the_heavy_module(root: Root) -> None:
    root.write("tiny/__init__.py", "import tiny.heavy\n")
    root.write("tiny/heavy.py", "import time; time.sleep(0.1)\n")
    tree = root.imports("tiny")["importtime"]
    assert tree["by_own"][0]["module"] == "tiny.heavy" and tree["by_own"][0]["microseconds"] >= 100_000
    assert {"tiny", "tiny.heavy"} <= {line["module"] for line in tree["by_cumulative"]}
    assert tree["modules"] >= 2


def test_a_module_that_its_own_parent_imported_is_listed_once(root: Root) -> None:
    """`import tiny.core.engine` waits for `tiny`, which imports it: -X importtime tells it twice."""
    root.write("entry.py", "import tiny.core.engine\n")
    root.write("tiny/__init__.py", "import tiny.core.engine\n")
    root.write("tiny/core/__init__.py", "")
    root.write("tiny/core/engine.py", "import time; time.sleep(0.05)\n")
    tree = root.imports("entry")["importtime"]
    modules = [line["module"] for line in tree["by_cumulative"]]
    assert "tiny.core.engine" in modules and len(modules) == len(set(modules))


def test_touched_bytes_are_of_installed_files_that_the_import_opened_or_mapped(root: Root, tmp_path: Path) -> None:
    code = "import os; here = os.path.dirname(__file__)\nopen(here + '/weights').read(); open('OUTSIDE').read()\n"
    outside = tmp_path / "outside.txt"
    outside.write_bytes(bytes(10_000))
    source = root.write("tiny/__init__.py", code.replace("OUTSIDE", str(outside)))
    root.write("tiny/weights", bytes(70_000))
    root.write("tiny/unused", bytes(900_000))
    touched = root.imports("tiny")["touched"]
    assert touched["files"] == 2
    assert touched["bytes"] == 70_000 + source.stat().st_size
    assert touched["resident_bytes"] == 0


def test_a_mapped_file_counts_with_its_resident_pages(root: Root) -> None:
    code = "import mmap\nfile = open(__file__[:-11] + 'data.bin', 'rb')\nview = mmap.mmap(file.fileno(), 0, prot=1)\n"
    code += "view[:4096]\n"
    root.write("tiny/__init__.py", code)
    root.write("tiny/data.bin", os.urandom(4 * 2**20))
    touched = root.imports("tiny")["touched"]
    assert touched["bytes"] == 4 * 2**20 + len(code)
    assert 4096 <= touched["resident_bytes"] <= 4 * 2**20


def test_a_pth_file_does_not_cost_the_bare_start(root: Root) -> None:
    root.write("tiny.py")
    before = root.imports("tiny")
    root.write("heavy.pth", "import decimal, fractions, json\n")
    after = root.imports("tiny")
    assert {run["modules"] for run in after["bare"]} == {run["modules"] for run in before["bare"]}
    assert after["warm"][0]["modules"] >= before["warm"][0]["modules"] + 3


FAILING = {
    "segfault": ("import ctypes; ctypes.string_at(0)", "crash", "crash SIGSEGV"),
    "abort": ("import os; os.abort()", "crash", "crash SIGABRT"),
    "real-time-signal": ("import os; os.kill(os.getpid(), 40)", "crash", "crash signal 40"),
    "kills-itself": ("import os; os.kill(os.getpid(), 9)", "crash", "crash SIGKILL"),
    "exits-0": ("import os; os._exit(0)", "early-exit", "exited 0"),
    "sys-exit": ("raise SystemExit", "early-exit", "exited 0"),
    "exits-3": ("import os; os._exit(3)", "error", "exit status 3"),
    "import-error": ("from math import no_such", "error", "ImportError: cannot import name 'no_such' from 'math'"),
    "exception": ("raise RuntimeError('numpy 2 is not\\nsupported')", "error", "supported"),
    "not-utf-8": ("import os; os.write(2, b'\\xff\\xfe bad\\n'); os._exit(1)", "error", "bad"),
    "closes-its-descriptors": ("import os; os.closerange(3, 64)", "error", "Bad file descriptor"),
    "closes-all-and-exits-0": ("import os, time; os.closerange(0, 64); time.sleep(0.3); os._exit(0)", "early-exit", ""),
}


@pytest.mark.parametrize(("code", "kind", "detail"), FAILING.values(), ids=FAILING)
def test_an_import_that_fails_says_how(root: Root, code: str, kind: str, detail: str) -> None:
    root.write("tiny.py", code + "\n")
    found, told = failure(root.imports("tiny"))
    assert found == kind
    assert detail in told and "\n" not in told


def test_a_package_that_is_not_there_is_an_error(root: Root) -> None:
    assert failure(root.imports("nowhere")) == ("error", "ModuleNotFoundError: No module named 'nowhere'")


def test_200_megabytes_of_output_are_drained_and_the_import_is_ok(root: Root) -> None:
    root.write(
        "tiny.py", "import os\nfor _ in range(20):\n    os.write(1, bytes(5_000_000)); os.write(2, bytes(5_000_000))\n"
    )
    document = root.imports("tiny", "--repeats", "1", "--cold-repeats", "0")
    assert document["failure"] is None
    assert len(document["warm"]) == 1


WRITES = (
    "import os\nfor fd in range(1, 21):\n    try:\n        os.write(fd, {line})\n    except OSError:\n        pass\n"
)
FORGERIES = {
    "result-on-standard-output": 'print(\'{"failure": null, "warm": [{"seconds": 0.001}]}\', flush=True)\n',
    "line-everywhere": WRITES.format(line=rf"b'{'0' * 32} 1 {FORGED} {FORGED}\n'"),
    "fragment-everywhere": WRITES.format(line=f"b'{FORGED}'"),
    "line-everywhere-and-exit-0": WRITES.format(line=rf"b'{'0' * 32} 1 {FORGED} {FORGED}\n'") + "os._exit(0)\n",
    "17-megabytes-everywhere": WRITES.format(line=f"b'{FORGED}' * 2_000_000"),
    "another-nonce": "import posix\nposix.read = lambda fd, size: b'0' * 32\n",
    "answer-is-no-number": "import posix\nw = posix.write\nposix.write = lambda fd, data: w(fd, data[:33] + b'x\\n')\n",
}


@pytest.mark.parametrize("code", FORGERIES.values(), ids=FORGERIES)
def test_a_result_of_the_imports_own_making_is_never_taken(root: Root, code: str) -> None:
    root.write("tiny.py", code)
    document = root.imports("tiny", "--repeats", "1", "--cold-repeats", "0", "--timeout", "20")
    assert document["failure"] is None or document["failure"]["kind"] == "forged"
    assert_nothing_forged(document)


def test_an_import_that_hangs_is_ended_at_the_time_limit(root: Root) -> None:
    root.write("tiny.py", "import time; time.sleep(600)\n")
    started = time.monotonic()
    kind, detail = failure(root.imports("tiny", "--timeout", "1"))
    assert (kind, detail) == ("timeout", "the import was still running at the time limit")
    assert time.monotonic() - started < 5


def test_an_import_that_closes_everything_and_hangs_is_ended_too(root: Root) -> None:
    root.write("tiny.py", "import os, time; os.closerange(0, 64); time.sleep(600)\n")
    assert failure(root.imports("tiny", "--timeout", "1"))[0] == "timeout"


def test_a_thread_that_never_ends_does_not_keep_the_probe_waiting(root: Root) -> None:
    root.write("tiny.py", "import threading, time\nthreading.Thread(target=time.sleep, args=[600]).start()\n")
    assert root.imports("tiny", "--timeout", "20")["failure"] is None


def test_an_import_that_ignores_signals_and_prints_for_ever_is_ended_too(root: Root) -> None:
    root.write(
        "tiny.py", "import signal, os\nsignal.signal(15, signal.SIG_IGN)\nwhile True: os.write(1, bytes(1000))\n"
    )
    started = time.monotonic()
    assert failure(root.imports("tiny", "--timeout", "1"))[0] == "timeout"
    assert time.monotonic() - started < 5


def test_an_import_that_takes_more_memory_than_its_limit_is_ended(root: Root) -> None:
    root.write("tiny.py", "import time\nhoard = []\nwhile True: hoard.append(b'x' * 20_000_000); time.sleep(0.01)\n")
    kind, detail = failure(root.imports("tiny", "--memory", "200000000", "--timeout", "30"))
    assert kind == "oom" and "memory" in detail


def test_a_memory_limit_that_is_kept_changes_nothing(root: Root) -> None:
    root.write("tiny.py")
    assert root.imports("tiny", "--memory", "200000000")["failure"] is None


CHILDREN = {
    "holding-the-output": "subprocess.Popen(['sleep', '60'])\n",
    "holding-every-pipe": "subprocess.Popen(['sleep', '60'], close_fds=False)\n",
    "in-a-session-of-its-own": "subprocess.Popen(['sleep', '60'], close_fds=False, start_new_session=True)\n",
}
LEFT_BEHIND = (
    "import os, subprocess\nfor fd in range(3, 12):\n    try: os.set_inheritable(fd, True)\n    except OSError: pass\n"
)


@pytest.fixture
def children(root: Root) -> Any:
    """The pids that the measured code noted; whoever of them still lives is ended."""
    noted = root.path / "pids"
    yield noted
    for pid in noted.read_text().split():
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            continue


@pytest.mark.parametrize("ending", ["", "os._exit(0)\n"], ids=["import-goes-on", "import-exits"])
@pytest.mark.parametrize("child", CHILDREN.values(), ids=CHILDREN)
def test_a_process_left_behind_does_not_hang_the_probe(root: Root, children: Path, child: str, ending: str) -> None:
    noted = f"open({str(children)!r}, 'a').write(f'{{child.pid}} ')\n"
    root.write("tiny.py", LEFT_BEHIND + "child = " + child + noted + ending)
    started = time.monotonic()
    document = root.imports("tiny", "--repeats", "1", "--cold-repeats", "0", "--timeout", "20")
    assert time.monotonic() - started < 10
    if ending:
        assert failure(document)[0] == "early-exit"
    else:
        assert document["failure"] is None


def test_what_an_ordinary_child_does_ends_with_the_import(root: Root, children: Path) -> None:
    code = "import subprocess\nchild = subprocess.Popen(['sleep', '60'])\n"
    root.write("tiny.py", code + f"open({str(children)!r}, 'a').write(f'{{child.pid}} ')\n")
    root.imports("tiny", "--repeats", "1", "--cold-repeats", "0")
    for pid in children.read_text().split():
        deadline = time.monotonic() + 5
        while _is_running(int(pid)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not _is_running(int(pid))


def _is_running(pid: int) -> bool:
    """Whether it still is, and not as a zombie that nobody has collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
