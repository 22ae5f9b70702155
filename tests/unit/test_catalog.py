"""The names that the catalog has, and those that only look like them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.catalogs.frameworks import edits, load
from harness.errors import InputError
from tests.support.refusal import refused

CATALOG = load()
WORDS = st.text("abc-", max_size=6)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("trch", "torch"),
        ("torhc", "torch"),
        ("troch", "torch"),
        ("pytorch", "torch"),
        ("tensorfow", "tensorflow"),
        ("tensorflwo", "tensorflow"),
        ("onnx-runtime", "onnxruntime"),
        ("onxruntime-gpu", "onnxruntime-gpu"),
        ("open-vino", "openvino"),
        ("jaxx", "jax"),
    ],
)
def test_a_slip_of_the_keys_is_refused(typed: str, meant: str) -> None:
    error = refused(InputError, CATALOG.check_names, ["torch", typed])
    assert error.message == f"{typed!r} is not in the catalog"
    assert error.tip.startswith(f"did you mean {meant}? (--anyway")
    assert CATALOG.check_names([typed], anyway=True) == [typed]


def test_what_the_catalog_has_is_no_slip_of_something_else() -> None:
    assert CATALOG.check_names(CATALOG.frameworks) == []


def test_other_names_are_told_and_taken() -> None:
    assert CATALOG.check_names(["polars", "torch", "scikit-learn"]) == ["polars", "scikit-learn"]


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [("", "", 0), ("torch", "torch", 0), ("trch", "torch", 1), ("ab", "ba", 1), ("", "abc", 3), ("abcd", "badc", 2)],
)
def test_edits(one: str, other: str, count: int) -> None:
    assert edits(one, other) == count == edits(other, one)


@given(WORDS, WORDS, st.sampled_from("abcd"), st.integers(0, 6))
def test_edits_are_counted(one: str, other: str, letter: str, at: int) -> None:
    assert (edits(one, other) == 0) == (one == other)
    assert abs(len(one) - len(other)) <= edits(one, other) == edits(other, one) <= max(len(one), len(other))
    assert edits(one[:at] + letter + one[at:], one) == 1
