"""Publish the JSON Schemas of all kinds: `python -m harness.documents.publish docs`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from harness.documents.kinds import KINDS


def schemas() -> dict[str, str]:
    """File name -> JSON Schema."""
    return {f"{kind.schema_name}.schema.json": json.dumps(kind.schema(), indent=1) + "\n" for kind in KINDS.values()}


def write(folder: Path) -> list[Path]:
    """Write them into a folder; returns the files."""
    found = []
    for name, text in schemas().items():
        found.append(folder / name)
        found[-1].write_text(text, encoding="utf-8")
    return found


if __name__ == "__main__":
    print(*write(Path(sys.argv[1])), sep="\n")
