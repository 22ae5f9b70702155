"""HTML and MyST that show what somebody else wrote. Everything that a record says is text here, never markup."""

from __future__ import annotations

import html
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"


@dataclass(frozen=True)
class Cell:
    """One cell of a table."""

    html: str
    """Already escaped."""
    order: float | int | None = None
    """What a figure is sorted by: bytes, seconds or a count. None: it has no figure."""
    number: bool = False
    """Whether it stands in a column of figures."""
    ordered: bool = False
    """Whether `order` sorts a column of something else, such as versions."""


Row = list[Cell | str]
"""Cells of a table; a plain one is HTML, already escaped."""


def text(value: object) -> str:
    """`value` as text of a page: one line, printable, escaped; safe within a MyST fence too."""
    line = " ".join(str(value).split())
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)
    return html.escape(shown).replace("`", "&#96;")


def escape(value: object) -> str:
    """`value` as text of a MyST page, outside of a fence."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", html.unescape(text(value)))


def link(to: str, label: str, *, of: str = "") -> str:
    """A link; `of` completes its name for those who hear it without the table around it."""
    hidden = f'<span class="unseen"> {text(of)}</span>' if of else ""
    return f'<a href="{text(to)}">{label}{hidden}</a>'


def table(
    head: Row,
    rows: Sequence[Row],
    *,
    caption: str,
    name: str = "",
    kind: str = "",
    sortable: bool = False,
    filtered: str = "",
) -> str:
    """A table that scrolls inside of its own container. The first cell of each row is its heading.

    Args:
        caption: what the table shows; told to a screen reader as the name of the container too.
        name: its id, where a script or a test looks for it.
        kind: a class of its container.
        sortable: whether `overview.js` lets it be sorted by its heads, on a page that has that script.
        filtered: what a row of it is, where it can be filtered too.
    """
    box, looks = f"scroll {kind}".rstrip(), "docutils figures" + (" sortable" if sortable else "")
    attributes = _attribute("id", name) + _attribute("data-filter", filtered)
    lines = [
        f'<div class="{box}" role="region" tabindex="0" aria-label="{text(caption)}">',
        f'<table class="{looks}"{attributes}><caption>{text(caption)}</caption>',
        "<thead><tr>" + "".join(_cell(cell, "col") for cell in head) + "</tr></thead>",
        "<tbody>",
        *("<tr>" + _cell(row[0], "row") + "".join(_cell(cell) for cell in row[1:]) + "</tr>" for row in rows),
        "</tbody></table></div>",
    ]
    return "\n".join(lines)


def _attribute(name: str, value: str) -> str:
    return f' {name}="{text(value)}"' if value else ""


def _cell(cell: Cell | str, scope: str = "") -> str:
    one = cell if isinstance(cell, Cell) else Cell(cell)
    tag = "th" if scope else "td"
    attributes = f' scope="{scope}"' if scope else ""
    if one.number or one.ordered:
        attributes += f' class="{"number" if one.number else "ordered"}"'
        if scope != "col":
            attributes += f' data-order="{"" if one.order is None else one.order}"'
    return f"<{tag}{attributes}>{one.html}</{tag}>"


def raw(markup: str) -> str:
    """HTML within a MyST page."""
    assert "```" not in markup  # `text` leaves none
    return f"```{{raw}} html\n{markup}\n```\n"


def inline_svg(svg: str, *, prefix: str, label: str, marks: Mapping[str, str]) -> str:
    """A chart's SVG as a part of a page that may hold others: its ids are its own, its style stays inside.

    Args:
        prefix: begins every id; two pictures of one page must not share any.
        label: its text alternative.
        marks: id of a mark -> what its link is called.
    """
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", XLINK)
    root = ET.fromstring(svg)  # noqa: S314  # a chart of our own
    for one in [child for child in root if child.tag == f"{{{SVG}}}metadata"]:
        root.remove(one)
    for name in ("width", "height"):  # the page decides; viewBox keeps the proportions
        root.attrib.pop(name, None)
    _name_links(root, marks)
    for one in root.iter():
        one.attrib.pop("target", None)  # a link of the page like the others: no new window
        for name, value in one.attrib.items():
            if name == "id":
                one.set(name, prefix + value)
            elif name in ("href", f"{{{XLINK}}}href") and value.startswith("#"):
                one.set(name, f"#{prefix}{value[1:]}")
            elif "url(#" in value:
                one.set(name, value.replace("url(#", f"url(#{prefix}"))
        if one.tag == f"{{{SVG}}}style":  # matplotlib writes `*{...}`, which would reach every other picture
            one.text = re.sub(r"(^|\})\s*\*", rf"\1#{prefix}picture *", one.text or "")
    root.set("id", f"{prefix}picture")
    root.set("role", "group")  # not `img`: its links are to be reached
    root.set("aria-label", label)
    return ET.tostring(root, encoding="unicode")


def _name_links(root: ET.Element, marks: Mapping[str, str]) -> None:
    """A mark's link has no text of its own: give it the name of its record."""
    for one in root.iter():
        own = marks.get(one.get("id", ""))
        for child in one:
            name = own or marks.get(child.get("id", ""))
            link = one if one.tag == f"{{{SVG}}}a" else child if child.tag == f"{{{SVG}}}a" else None
            if name and link is not None:
                link.set("aria-label", name)
