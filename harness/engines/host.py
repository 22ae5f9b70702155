"""What this machine is: everything about it that could explain a difference between two records."""

from __future__ import annotations

import hmac
import os
import platform
import re
from functools import cache
from pathlib import Path
from typing import Any

import harness
from harness.engines import process


def environment() -> dict[str, Any]:
    """The machine's part of a record's environment; what cannot be read is None."""
    return {
        "harness_version": harness.__version__,
        "harness_commit": commit(),
        "kernel": f"{platform.system()} {platform.release()}",
        "cpu_model": cpu_model(),
        "cpu_count": len(os.sched_getaffinity(0)),
        "cpu_governor": _read(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        "load_1m": load_1m(),
        "memory_bytes": memory_bytes(),
        "host_id": host_id(),
    }


MACHINE_ID = Path("/etc/machine-id")


def host_id(machine_id: Path = MACHINE_ID) -> str | None:
    """Twelve hexadecimal digits that name this machine to its own records; None where it has no machine-id.

    Hashed, as the machine-id must not be told itself, and with the machine's name, as copies of one disk image have
    one machine-id. https://www.freedesktop.org/software/systemd/man/latest/machine-id.html
    """
    told = _read(machine_id)
    if not told or not re.fullmatch(r"[0-9a-f]{32}", told):
        return None
    return hmac.new(bytes.fromhex(told), b"footprint-harness " + platform.node().encode(), "sha256").hexdigest()[:12]


def load_1m() -> float:
    """Processes that ran or waited to, on the average of the last minute."""
    return round(os.getloadavg()[0], 2)


def cpu_model() -> str | None:
    match = re.search(r"^model name\s*:\s*(.+)$", _read(Path("/proc/cpuinfo")) or "", re.MULTILINE)
    return match[1] if match else platform.processor() or None


def physical_cpus() -> tuple[int, ...]:
    """One logical CPU of each physical core that this process may use, in order."""
    seen, found = set(), []
    for cpu in sorted(os.sched_getaffinity(0)):
        topology = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology")
        core = (_read(topology / "physical_package_id"), _read(topology / "core_id"))
        if None in core or core not in seen:  # a machine that does not tell has a core for each
            seen.add(core)
            found.append(cpu)
    return tuple(found)


def memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def usual_memory_limit() -> int:
    """Three quarters of the machine's memory: what one run may use where nobody says."""
    return memory_bytes() * 3 // 4


@cache
def commit() -> str | None:
    """The harness's own commit, with `+` behind it where its code was changed since; None outside a checkout."""
    folder = Path(harness.__file__).resolve().parent
    if not (folder.parent / ".git").exists():
        return None
    try:
        head = process.run(["git", "rev-parse", "--short=12", "HEAD"], folder=folder, seconds=10)
        changed = process.run(["git", "status", "--porcelain", "--", ".", "../images"], folder=folder, seconds=10)
    except OSError:
        return None
    if head.exit_status != 0:
        return None
    return head.stdout.decode().strip() + ("+" if changed.stdout.strip() else "")


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
