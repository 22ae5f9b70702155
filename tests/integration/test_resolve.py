"""What the index alone tells of a lock, before the resolver has spoken."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.job import Job, Request, Target, parse_request
from harness.packages.index import Index, Reach
from harness.packages.resolve import prefetch
from tests.support.loopback import UPLOADED, LoopbackIndex
from tests.support.wheels import build_wheel

pytestmark = pytest.mark.integration

AS_OF = UPLOADED.replace(year=UPLOADED.year + 1)


def foreseen(index: LoopbackIndex, request: str) -> list[str]:
    pinned: Request = parse_request(request)
    job = Job(pinned, Target((3, 11), "linux_x86_64"), "pypi", AS_OF, "pip", "venv")
    return [wheel.filename for wheel in prefetch(job, Index(Reach(index_url=index.url)))]


def test_the_own_wheel_and_exact_requirements_are_foreseen(index: LoopbackIndex, tmp_path: Path) -> None:
    requires = [
        "exact==1.0",
        "for-windows==1.0; sys_platform == 'win32'",
        "ranged>=1",
        "starred==1.*",
    ]
    index.add(build_wheel(tmp_path, "top", requires=requires, extras={"more": ["extra-only==1.0"]}))
    for name in ("exact", "for-windows", "ranged", "starred", "extra-only"):
        index.add(build_wheel(tmp_path, name))
    assert foreseen(index, "top==1.0") == ["top-1.0-py3-none-any.whl", "exact-1.0-py3-none-any.whl"]
    assert "extra_only-1.0-py3-none-any.whl" in foreseen(index, "top[more]==1.0")


def test_a_choice_between_wheels_is_left_to_the_resolver(index: LoopbackIndex, tmp_path: Path) -> None:
    index.add(build_wheel(tmp_path, "top", tag="cp311-cp311-manylinux_2_17_x86_64"))
    index.add(build_wheel(tmp_path, "top", tag="cp311-cp311-manylinux_2_28_x86_64"))
    assert foreseen(index, "top==1.0") == []


def test_wheels_for_others_are_not_mistaken(index: LoopbackIndex, tmp_path: Path) -> None:
    for tag in ("cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-manylinux_2_17_aarch64", "cp312-cp312-win_amd64"):
        index.add(build_wheel(tmp_path, "top", tag=tag))
    assert foreseen(index, "top==1.0") == ["top-1.0-cp311-cp311-manylinux_2_17_x86_64.whl"]
