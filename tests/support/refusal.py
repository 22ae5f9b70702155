"""What every error owes to whoever reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from harness.errors import HarnessError

Failure = TypeVar("Failure", bound=HarnessError)


def refused(kind: type[Failure], call: Callable[..., Any], *arguments: Any, **options: Any) -> Failure:
    """Call it, and return the error: of exactly this class, with a message and a tip that print on one line each."""
    with pytest.raises(kind) as caught:
        call(*arguments, **options)
    error = caught.value
    assert type(error) is kind
    assert error.message and len(error.message) <= 500
    for line in (error.message, error.tip):
        assert line.isascii() and (line.isprintable() or not line), ascii(line)
    return error
