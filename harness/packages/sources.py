"""Where wheels come from: the index of a variant, as this machine reaches it."""

from __future__ import annotations

import os

from harness.errors import InputError
from harness.packages.index import Index, Reach


def index_for(name: str | None, url: str | None) -> Index:
    """The index that a variant's builds come from.

    Raises:
        InputError: the variant needs one that is not configured.
    """
    if name is not None:
        variable = "HARNESS_INDEX_" + name.upper().replace("-", "_")
        url = os.environ.get(variable)
        if not url:
            raise InputError(
                f"this variant's wheels are on an index of their own, {name!r}",
                tip=f"set {variable} to its address, as its project's installation page gives it",
            )
    return Index(Reach.from_environment(os.environ, url))
