"""What a machine may lack, unless it was promised."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def lacks(what: str, *, promised_by: str) -> NoReturn:
    """Skip the test; fail it where the environment variable `promised_by` is 1, as in CI."""
    if os.environ.get(promised_by) == "1":
        pytest.fail(f"{what}, and {promised_by}=1 says that it must not be so", pytrace=False)
    pytest.skip(what)
