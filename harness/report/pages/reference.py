"""The reference's generated pieces: what the program itself knows of its files and exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness import errors
from harness.documents.kinds import KINDS, Kind
from harness.report.pages import api
from harness.report.pages.markup import Row, raw, table, text


def pieces(datapackage: Path) -> dict[str, str]:
    """File name -> MyST."""
    return {
        "columns.md": columns(datapackage),
        "exit-codes.md": exit_codes(),
        "api.md": _rows("Keys of each build in footprint.json", ("Key", "Meaning"), api.BUILD.items()),
    }


def pages() -> dict[str, str]:
    """File name -> MyST: a page for each kind of document."""
    return {f"{kind.schema_name}.md": _page(kind) for kind in KINDS.values()}


def _page(kind: Kind[Any]) -> str:
    schema = f'<a href="../{kind.schema_name}.schema.json">JSON Schema</a>'
    return (
        f"# {kind.title}\n\n{kind.about}\n\n"
        f"The {schema} is published with this site; what follows is made from it. A key that this list does not have "
        f"is refused, and so is a newer `schema_version`.\n\n{schema_tables(kind.schema())}\n"
    )


def _rows(caption: str, head: tuple[str, ...], rows: Any) -> str:
    shown: list[Row] = [
        [f'<code class="whole">{text(name)}</code>', *(_coded(one) for one in rest)] for name, *rest in rows
    ]
    return raw(table(list(head), shown, caption=caption))


def _coded(value: object) -> str:
    """Text whose `code` is shown as such."""
    parts = str(value).split("`")
    return "".join(f"<code>{text(part)}</code>" if odd % 2 else _spaced(part) for odd, part in enumerate(parts))


def _spaced(part: str) -> str:
    """Text that keeps the blanks at its ends, where code stands beside it."""
    return (" " if part[:1].isspace() else "") + text(part) + (" " if part[-1:].isspace() else "")


def schema_tables(schema: Mapping[str, Any]) -> str:
    """One section a model of a JSON Schema, its own first."""
    models = {
        str(schema["title"]): schema,
        **{name: one for name, one in schema["$defs"].items() if "properties" in one},
    }
    sections = []
    for name, model in models.items():
        fields = [(key, _type(one), one.get("description", "")) for key, one in model["properties"].items()]
        heads = ("Key", "Type", "Meaning") if any(one[2] for one in fields) else ("Key", "Type")
        rows = [one[: len(heads)] for one in fields]
        said = " ".join(model.get("description", "").split())
        about = raw(f"<p>{_coded(said)}</p>") if said else ""
        sections.append(f"## {name}\n\n{about}\n" + _rows(f"Keys of {name}", heads, rows))
    return "\n\n".join(sections)


def _type(one: Mapping[str, Any]) -> str:
    """`integer or null`, `list of DistributionLine`."""
    if "$ref" in one:
        return str(one["$ref"]).rpartition("/")[2]
    if "anyOf" in one:
        return " or ".join(dict.fromkeys(_type(each) for each in one["anyOf"]))
    if "const" in one:
        return f"always `{one['const']}`"
    if "enum" in one:
        return " or ".join(f"`{each}`" for each in one["enum"])
    kind = str(one.get("type", "any"))
    if kind == "array":
        return f"list of {_type(one.get('items', {}))}"
    if kind == "object" and isinstance(one.get("additionalProperties"), dict):
        return f"object of {_type(one['additionalProperties'])}"
    return f"{kind}, {one['format']}" if "format" in one else kind


def columns(datapackage: Path) -> str:
    """The columns of each CSV table, from its Data Package descriptor.

    Raises:
        InputError: there is no such descriptor.
    """
    try:
        described = json.loads(datapackage.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise errors.InputError(f"there is no {datapackage}", tip="make the tables first: make tables") from None
    sections = []
    for resource in described["resources"]:
        fields = resource["schema"]["fields"]
        keys = [key for key in ("type", "unit", "description") if any(key in one for one in fields)]
        rows = [(one["name"], *(one.get(key, "") for key in keys)) for one in fields]
        heads = ("Column", *(key.capitalize() for key in keys))
        sections.append(_rows(f"Columns of {resource['path']}", heads, rows))
    return "\n\n".join(sections)


def exit_codes() -> str:
    """Every error of the program by its exit code. Those of one measurement are told by its row instead."""
    rows = [
        ("0", "", "Done."),
        *sorted((str(one.exit_code), one.__name__, _first_sentence(one)) for one in _family(errors.HarnessError)),
        ("130", "KeyboardInterrupt", "Interrupted; nothing is left behind."),
    ]
    return _rows("Exit codes", ("Code", "Error", "Meaning"), rows)


def _family(of: type[errors.HarnessError]) -> Iterator[type[errors.HarnessError]]:
    for child in of.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            if child is not errors.MeasurementError:
                yield from _family(child)


def _first_sentence(of: type[errors.HarnessError]) -> str:
    return " ".join((of.__doc__ or "").split("\n\n")[0].split())
