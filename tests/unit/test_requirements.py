"""What wheels require and do not get, from their METADATA; and what of it is odd and harmless."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from harness.job import Target, parse_request
from harness.packages import requirements
from harness.packages.lock import Locked
from harness.packages.requirements import Checked
from harness.packages.wheel import Wheel

ANY = ("py3-none-any",)
HERE = (Target((3, 11)), "3.11.2")


def check(asked: str, **wheels: Sequence[str]) -> Checked:
    """`name_1_0=[requirements]`."""
    looked = {}
    for key, requires in wheels.items():
        name, _, version = key.partition("_")
        locked = Locked(name, version.replace("_", "."), f"{name}.whl", "0" * 64, 1, None)
        looked[locked] = Wheel(1, (name,), (), tuple(requires), ANY)
    return requirements.check(parse_request(asked), looked, *HERE)


@pytest.mark.parametrize(
    ("requires", "unmet"),
    [
        (["base"], ()),
        (["base>=1,<3"], ()),
        (["Ba_Se"], ("tiny 1.0 requires ba-se, which is missing",)),
        (["gone===1\x1b]0"], ("tiny 1.0 requires gone===1\\x1b]0, which is missing",)),
        (["base>=3"], ("tiny 1.0 requires base>=3, and base is 2.0rc1",)),
        (["base>=1"], ()),  # a pre-release that was chosen is one that is there
        (["gone"], ("tiny 1.0 requires gone, which is missing",)),
        (["gone>=2; python_version < '3.10'"], ()),
        (["gone>=2; python_full_version < '3.11.3'"], ("tiny 1.0 requires gone>=2, which is missing",)),
        (["gone; sys_platform == 'win32'", "gone; platform_machine == 'aarch64'"], ()),
        (["gone; extra == 'more'"], ()),
        (["gone; extra == 'cuda'"], ("tiny 1.0 requires gone, which is missing",)),
        (
            ["gone", "lost", "gone"],
            ("tiny 1.0 requires gone, which is missing", "tiny 1.0 requires lost, which is missing"),
        ),
    ],
)
def test_what_is_missing_or_of_another_version(requires: Sequence[str], unmet: Sequence[str]) -> None:
    found = check("tiny[cuda]==1.0", tiny_1_0=requires, base_2_0rc1=())
    assert found == Checked(tuple(unmet), ())


def test_extras_are_asked_for_by_requirements_too() -> None:
    wheels = {"tiny_1_0": ["base[fast]"], "base_1_0": ["self-made; extra == 'other'", "gone; extra == 'fast'"]}
    assert check("tiny==1.0", **wheels).unmet == ("base 1.0 requires gone, which is missing",)
    loop = {"tiny_1_0": ["tiny[all]; extra == 'cuda'", "gone; extra == 'all'"]}
    assert check("tiny[cuda]==1.0", **loop).unmet == ("tiny 1.0 requires gone, which is missing",)


def test_what_is_no_requirement_is_odd_and_costs_nothing() -> None:
    found = check("tiny==1.0", tiny_1_0=["base (>=1.0.*, ==", "base"], base_1_0=())
    assert found.unmet == ()
    assert found.odd == ("tiny 1.0 requires 'base (>=1.0.*, ==', which is no valid requirement",)


@pytest.mark.parametrize(
    ("told", "odd"),
    [
        ("py3-none-any", ()),
        ("py2.py3-none-any", ()),
        ("cp311-cp311-linux_x86_64", ()),  # as torch 2.0.1 has, whose filename says manylinux1
        ("cp39-cp39-linux_x86_64", ("tiny 1.0 is for another platform or Python by its WHEEL file",)),
        ("py2-none-macosx_10_10_universal2", ("tiny 1.0 is for another platform or Python by its WHEEL file",)),
        ("", ("tiny 1.0 names no tag in its WHEEL file",)),
    ],
)
def test_tags_that_the_target_does_not_take_are_odd(told: str, odd: Sequence[str]) -> None:
    locked = Locked("tiny", "1.0", "tiny.whl", "0" * 64, 1, None)
    wheel = Wheel(1, ("tiny",), (), (), (told,) if told else ())
    found = requirements.check(parse_request("tiny==1.0"), {locked: wheel}, *HERE)
    assert found.unmet == ()
    assert len(found.odd) == len(odd) and all(map(str.startswith, found.odd, odd))


def test_a_tag_that_stands_for_millions_is_not_unfolded() -> None:
    many = ".".join(f"x{number}" for number in range(150))
    locked = Locked("tiny", "1.0", "tiny.whl", "0" * 64, 1, None)
    wheel = Wheel(1, ("tiny",), (), (), (f"{many}-{many}-{many}",))
    started = time.monotonic()
    found = requirements.check(parse_request("tiny==1.0"), {locked: wheel}, *HERE)
    assert time.monotonic() - started < 1
    assert found.odd[0].startswith("tiny 1.0 is for another platform or Python by its WHEEL file")


def test_a_long_chain_of_extras_is_followed_once() -> None:
    chain = [f"tiny[a{number + 1}]; extra == 'a{number}'" for number in range(300)]
    started = time.monotonic()
    assert check("tiny[a0]==1.0", tiny_1_0=[*chain, "gone; extra == 'a300'"]).unmet == (
        "tiny 1.0 requires gone, which is missing",
    )
    assert time.monotonic() - started < 5


def test_oddities_are_bounded() -> None:
    found = check("tiny==1.0", tiny_1_0=["!!"] * 20_000, base_1_0=["(" * 5_000, "x" * 20_000])
    assert len(found.odd) == requirements.MOST_ODD + 1 and max(map(len, found.odd)) <= requirements.SHOWN_CHARS
