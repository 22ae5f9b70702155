"""What a forecast is planned to weigh, and how it is held against a measurement: pure functions over plain values."""

from __future__ import annotations

import platform as machine
import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.tags import compatible_tags, cpython_tags, sys_tags
from packaging.utils import parse_wheel_filename

from harness.documents.base import Environment, FileLine, LockedWheel
from harness.documents.footprint import DistributionLine, Duplicates, Figures, Ledger, Record
from harness.job import PLATFORMS as NAMES
from harness.job import Target, parse_request
from harness.packages.directory import Entry
from harness.packages.index import File, Project
from harness.packages.platforms import GLIBC, PLATFORMS, choose, may_take, tags, takes_python
from harness.stages.forecast import Ask, matrix, one, releases
from harness.stages.verify import installed, verify

DAY = datetime(2024, 1, 1, 15, 30, tzinfo=UTC)
LATE = datetime(2026, 1, 1, tzinfo=UTC)
LINUX = Target((3, 11), "linux_x86_64")


def wheel(name: str, day: int = 0, *, requires_python: str | None = None) -> File:
    return File(
        filename=name,
        version=parse_wheel_filename(name)[1],
        url=f"https://example.org/{name}",
        sha256="0" * 64,
        size=1,
        upload_time=DAY + timedelta(days=day),
        yanked=False,
        requires_python=requires_python,
    )


def project(*files: File) -> Project:
    return Project("top", files, frozenset(file.version for file in files), DAY)


def asked(
    of: Project, text: str = "top", *, as_of: datetime = LATE, pre: bool = False, target: Target = LINUX
) -> list[Ask]:
    return releases(of, parse_request(text), target, "pypi", as_of, "wheel", pre=pre)


def test_every_platform_that_can_be_asked_for_is_known() -> None:
    assert tuple(PLATFORMS) == NAMES


@pytest.mark.skipif(machine.libc_ver() != ("glibc", f"2.{GLIBC}"), reason="another C library than the target's")
def test_tags_are_those_of_an_installer_on_such_a_machine() -> None:
    here = Target((sys.version_info[0], sys.version_info[1]), f"linux_{machine.machine()}")
    assert list(tags(here)) == [str(tag) for tag in sys_tags()]


@pytest.mark.parametrize(
    ("platform", "takes", "leaves"),
    [
        ("linux_x86_64", "manylinux_2_28_x86_64", "manylinux_2_28_aarch64"),
        ("linux_x86_64", "manylinux1_x86_64", "musllinux_1_1_x86_64"),
        ("linux_aarch64", "manylinux2014_aarch64", "manylinux1_aarch64"),
        ("macos_arm64", "macosx_11_0_universal2", "macosx_11_0_x86_64"),
        ("windows_x86_64", "win_amd64", "win_arm64"),
    ],
)
def test_a_platform_takes_its_own(platform: str, takes: str, leaves: str) -> None:
    found = tags(Target((3, 12), platform))
    assert f"cp312-cp312-{takes}" in found and f"cp39-abi3-{takes}" in found
    assert not any(tag.endswith(leaves) for tag in found) and "py3-none-any" in found


# What packaging, which pip has inside, says of a machine with glibc 2.36.
HERE = ["linux_x86_64", *(f"manylinux_2_{minor}_x86_64" for minor in range(36, 4, -1))]
HERE += [f"manylinux{year}_x86_64" for year in (2014, 2010, 1)]
PYTHON_TAGS = ("py3", "py2.py3", "py37", "py39", "py311", "py312", "py4", "cp39", "cp311", "cp312", "pp311")
ABI_TAGS = ("none", "abi3", "cp311", "cp312", "cp311t")
PLATFORM_TAGS = ("any", "linux_x86_64", "manylinux_2_28_x86_64", "manylinux_2_17_x86_64.manylinux2014_x86_64")
PLATFORM_TAGS += ("manylinux_2_36_x86_64", "musllinux_1_2_x86_64", "manylinux_2_28_aarch64", "win_amd64")


@given(st.lists(st.tuples(*map(st.sampled_from, (PYTHON_TAGS, ABI_TAGS, PLATFORM_TAGS))), min_size=1, max_size=4))
def test_what_is_measured_and_what_is_forecast_are_chosen_alike(named: list[tuple[str, str, str]]) -> None:
    """`measure` refuses before it asks pip; neither may refuse what the other takes, nor what pip takes."""
    files = [wheel(f"top-1.0-{'-'.join(tag)}.whl") for tag in named]
    by_pip = {str(tag) for tag in [*cpython_tags((3, 11), platforms=HERE), *compatible_tags((3, 11), "cp311", HERE)]}
    fitting = [file for file in files if by_pip & {str(tag) for tag in parse_wheel_filename(file.filename)[3]}]
    assert [file for file in files if may_take(file, LINUX)] == fitting
    forecast = one(project(*files), parse_request("top==1.0"), LINUX, "pypi", LATE, "wheel").own
    assert forecast == choose(files, tags(LINUX)) and (forecast is not None) == bool(fitting)


@pytest.mark.parametrize(
    "filename",
    ["xformers-0.0.35-py39-none-manylinux_2_28_x86_64.whl", "array_record-0.4.0-py39-none-any.whl"],
)
def test_what_is_for_an_older_python_and_any_abi_fits(filename: str) -> None:
    assert may_take(wheel(filename), LINUX)


def test_a_newer_c_library_is_pips_to_judge() -> None:
    newer = wheel("top-1.0-cp311-cp311-manylinux_2_39_x86_64.whl")
    assert may_take(newer, LINUX) and choose([newer], tags(LINUX)) is None


def test_requires_python_holds_for_the_latest_patch() -> None:
    assert takes_python(wheel("top-1.0-py3-none-any.whl", requires_python=">=3.11.4"), LINUX)
    assert not takes_python(wheel("top-1.0-py3-none-any.whl", requires_python="<3.11"), LINUX)
    assert takes_python(wheel("top-1.0-py3-none-any.whl", requires_python="gibberish"), LINUX)


def test_releases_are_sorted_as_versions() -> None:
    names = ("1.10", "1.9", "1.2", "2.0rc1")
    of = project(*(wheel(f"top-{name}-py3-none-any.whl", day) for day, name in enumerate(names)))
    assert [str(ask.request.version) for ask in asked(of)] == ["1.2", "1.9", "1.10"]
    assert [str(ask.request.version) for ask in asked(of, pre=True)][-1] == "2.0rc1"


def test_a_release_counts_as_of_the_end_of_its_wheels_day() -> None:
    of = project(wheel("top-1.0-py3-none-any.whl", 0), wheel("top-1.0-cp311-cp311-manylinux_2_17_x86_64.whl", 9))
    (found,) = asked(of)
    assert found.own is not None and "cp311" in found.own.filename  # what an installer takes today
    assert found.as_of == datetime(2024, 1, 11, tzinfo=UTC)
    (earlier,) = asked(of, as_of=DAY + timedelta(days=2))
    assert earlier.own is not None and "any" in earlier.own.filename
    (today,) = asked(of, as_of=DAY + timedelta(days=9, minutes=1))
    assert today.as_of == DAY + timedelta(days=9, minutes=1), "no instant that has not come"


def test_releases_without_a_wheel_for_the_target_are_left_out() -> None:
    of = project(
        wheel("top-1.0-cp311-cp311-win_amd64.whl"),
        wheel("top-1.1-py3-none-any.whl", requires_python="<3.10"),
        wheel("top-1.2-py3-none-any.whl"),
    )
    assert [str(ask.request.version) for ask in asked(of)] == ["1.2"]


def test_a_target_without_a_wheel_says_why() -> None:
    of = project(wheel("top-1.0-cp311-cp311-win_amd64.whl"), wheel("top-1.0-py3-none-any.whl", requires_python="<3.10"))
    request = parse_request("top==1.0")
    windows, linux = matrix(of, request, [Target((3, 11), "windows_x86_64"), LINUX], "pypi", LATE, "wheel")
    assert windows.own is not None and windows.as_of == linux.as_of == datetime(2024, 1, 2, tzinfo=UTC)
    assert linux.own is None and "it wants Python <3.10" in linux.why_not
    nothing = one(of, parse_request("top==2.0"), LINUX, "pypi", LATE, "closure")
    assert nothing.own is None and "source distribution only" in nothing.why_not


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 400)), min_size=1, max_size=20))
def test_a_history_never_looks_past_its_date(uploads: list[tuple[int, int]]) -> None:
    of = project(*(wheel(f"top-1.{minor}-py3-none-any.whl", day) for minor, day in dict(uploads).items()))
    until = DAY + timedelta(days=200)
    found = asked(of, as_of=until)
    assert all(ask.own and ask.own.upload_time and ask.own.upload_time < ask.as_of <= until for ask in found)
    assert {str(ask.request.version) for ask in found} == {
        f"1.{minor}" for minor, day in dict(uploads).items() if day < 200
    }


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("torch/lib/libtorch.so", "lib/python3.11/site-packages/torch/lib/libtorch.so"),
        ("top-1.0.data/purelib/a.py", "lib/python3.11/site-packages/a.py"),
        ("top-1.0.data/scripts/run", "bin/run"),
        ("top-1.0.data/data/share/x", "share/x"),
        ("top-1.0.data/headers/x.h", "include/site/python3.11/top/x.h"),
    ],
)
def test_where_a_wheels_file_comes_to_lie(path: str, place: str) -> None:
    assert installed(path, "lib/python3.11/site-packages", "3.11", "top") == place


SITE = "lib/python3.11/site-packages"
FILES = {
    "top": [Entry("top.py", 100), Entry("both.py", 7), Entry("top-1.0.dist-info/RECORD", 50)],
    "leaf": [Entry("leaf.py", 30), Entry("both.py", 7), Entry("leaf-1.0.dist-info/RECORD", 40)],
}


def record(*, top_bytes: int = 100 + 55 + 4 + 200, leaf_bytes: int = 30 + 7 + 44) -> Record:
    def line(path: str, distribution: str, size: int) -> FileLine:
        return FileLine(path=path, distribution=distribution, bytes=size)

    return Record(
        record_id="top-1",
        measured_at=DAY,
        framework="top",
        version="1.0",
        variant="pypi",
        import_package="top",
        python="3.11",
        platform="linux_x86_64",
        as_of=DAY,
        engine="venv",
        installer="pip",
        status="ok",
        figures=Figures(installed_bytes=top_bytes + leaf_bytes),
        wheels=(
            LockedWheel(name="leaf", version="1.0", bytes=9, unpacked_bytes=77),
            LockedWheel(name="top", version="1.0", bytes=9, unpacked_bytes=157),
        ),
        ledger=Ledger(
            distributions=(
                DistributionLine(name="top", version="1.0", files=4, bytes=top_bytes),
                DistributionLine(name="leaf", version="1.0", files=3, bytes=leaf_bytes),
            ),
            types=(),
            largest=(),
            duplicates=Duplicates(groups=0, bytes=0, largest=()),
            files=7,
            contested=1,
            written=(
                line(f"{SITE}/top-1.0.dist-info/RECORD", "top", 55),
                line(f"{SITE}/top-1.0.dist-info/INSTALLER", "top", 4),
                line("bin/top", "top", 200),
                line(f"{SITE}/leaf-1.0.dist-info/RECORD", "leaf", 44),
            ),
        ),
        environment=Environment(harness_version="0"),
    )


def test_the_forecast_and_what_the_installer_wrote_make_the_measurement() -> None:
    found = verify(record(), FILES)
    assert found.holds and found.rest_bytes == 0
    top = found.distributions[0]
    assert {(one.path, one.difference) for one in top.accounts} == {
        (f"{SITE}/top-1.0.dist-info/RECORD", 5),
        (f"{SITE}/top-1.0.dist-info/INSTALLER", 4),
        ("bin/top", 200),
        (f"{SITE}/both.py", -7),  # leaf comes first in the alphabet: the ledger gives it the file
    }


@pytest.mark.parametrize("off", [-1, 1, 1000])
def test_a_byte_that_nothing_accounts_for_is_told(off: int) -> None:
    found = verify(record(leaf_bytes=81 + off), FILES)
    assert not found.holds and found.rest_bytes == abs(off)


def test_a_file_that_nothing_accounts_for_is_told() -> None:
    found = verify(record(), {**FILES, "leaf": [*FILES["leaf"], Entry("empty.py", 0)]})
    assert found.rest_bytes == 0 and not found.holds


def test_another_lock_is_another_forecast() -> None:
    assert not verify(record(), FILES, ["leaf-2.0-py3-none-any.whl"]).holds
