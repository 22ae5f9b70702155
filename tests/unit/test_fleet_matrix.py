"""A sweep's matrix: what it means, and what it refuses before anything starts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InputError
from harness.fleet import matrix
from harness.fleet.matrix import Matrix

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
TODAY = datetime(2026, 11, 25, tzinfo=UTC)
FILE = """
framework = ["onnxruntime==1.17.1", "openvino"]
python = ["3.11", "3.13"]
as-of = ["2024-04-25", "2026-11-01"]
installer = ["pip", "uv"]

[[exclude]]
framework = "onnxruntime==1.17.1"
python = "3.13"
"""


def combine(**axes: Any) -> list[matrix.Combination]:
    return matrix.combine(Matrix.model_validate(axes), NOW, TODAY)


def test_every_combination_but_what_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "matrix.toml"
    path.write_text(FILE)
    found = matrix.combine(matrix.read(path), NOW, TODAY)
    assert len(found) == 2 * 2 * 2 * 2 - 4
    assert {(one.request.name, one.python) for one in found} == {
        ("onnxruntime", (3, 11)),
        ("openvino", (3, 11)),
        ("openvino", (3, 13)),
    }


def test_what_is_not_named_is_usual() -> None:
    (one,) = combine(framework=["torch"])
    assert (one.variant, one.python, one.as_of, one.installer) == ("pypi", None, TODAY, "pip")


def test_what_means_the_same_is_one() -> None:
    assert len(combine(framework=["Torch", "torch"], python=["3.11", "cp311"])) == 1


@pytest.mark.parametrize(
    ("axes", "told"),
    [
        ({}, "no framework given"),
        ({"framework": ["torch==2.*"]}, "many versions"),
        ({"framework": ["torch"], "python": ["3.7"]}, "cannot be measured"),
        ({"framework": ["torch"], "as_of": ["2027-01-01"]}, "in the future"),
        ({"framework": ["torch"], "installer": ["conda"]}, "not one of pip, uv"),
        ({"framework": ["torch"], "exclude": [{"framework": "torhc"}]}, "no combination is"),
        ({"framework": ["torch"], "exclude": [{"framework": "torch"}]}, "every combination is left out"),
        ({"framework": [f"p{number}" for number in range(400)], "variant": ["v"] * 300}, "120,000 combinations"),
    ],
)
def test_what_cannot_be_meant_is_refused(axes: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        combine(**axes)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("framework = [", "is not TOML"),
        ('framwork = ["torch"]', "framwork: Extra inputs"),
        ('framework = "torch"', "framework: Input should be a valid list"),
        ("framework = [1]", "framework.0: Input should be a valid string"),
        ('[[exclude]]\nos = "linux"', "exclude.0.os: Extra inputs"),
    ],
)
def test_a_file_that_is_no_matrix_is_refused(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "matrix.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=told):
        matrix.read(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no matrix"):
        matrix.read(tmp_path / "none.toml")
