"""The one door to matplotlib: a sheet of paper that is written from top to bottom, in points.

Charts of rows need no axes: every mark has its figure beside it. So a sheet is one coordinate system, in points
from its upper left corner, as long as what was put on it. `plot` opens real axes on it for those that need them.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.artist import Artist as Artist
from matplotlib.axes import Axes as Axes
from matplotlib.axis import Axis
from matplotlib.collections import Collection, PatchCollection
from matplotlib.figure import Figure as Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.lines import Line2D as Line2D
from matplotlib.patches import Circle, Patch, Rectangle
from matplotlib.text import Annotation as Annotation
from matplotlib.textpath import text_to_path
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator
from matplotlib.transforms import Bbox as Bbox
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from harness.documents.footprint import Record
from harness.documents.forecast import Forecast
from harness.documents.inference import Inference
from harness.report.drawing.style import BODY, FONT, MARGIN, SMALL, TITLE, WIDTH, Theme

INCH = 72.0
LEADING = 1.35
"""Distance of lines, in letter heights."""
PIXELS_PER_INCH = 144  # two pixels a point: no edge falls between them
COLOURS = 128
"""Of a PNG: letters with smooth edges need no more, and a repository keeps them all."""
HAIR = 0.8
"""Points; the least that is seen."""
SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": [FONT],
    "svg.fonttype": "none",  # text stays text: searched, selected, read aloud
    "svg.hashsalt": "harness",  # else ids in the file differ each time
    "text.hinting": "none",  # letters are as wide on paper as they were measured
    "text.parse_math": False,  # a dollar sign in a failure's reason is one
    "axes.unicode_minus": False,
}
MANIFOLD = 1e4
"""From a log scale's start to its end; beyond, only powers of ten have room."""
FEWEST = 3
"""Ticks of a log scale, if it can have as many."""
DAY_SECONDS = 86_400
MONTHS = (1, 2, 3, 6, 12, 24, 60, 120, 240)
"""From one mark of a scale of time to the next."""
MOST_MONTHS, MOST_YEARS = 6, 8
"""Marks that a scale of time has room for, by what they are named after."""
Shown = Record | Inference
"""What was measured, and has a file to lead to."""
Link = Callable[[Shown], str]
Shape = tuple[Patch, str]
"""And its colour."""
Edges = tuple[float, float]
Scale = Literal["log", "linear", "time"]


@dataclass(frozen=True)
class Spot:
    """How a key shows a round mark: filled for what was measured, a ring for what was not."""

    colour: str
    filled: bool


class Sheet:
    """One chart being drawn in one theme."""

    def __init__(self, name: str, theme: Theme, link: Link | None) -> None:
        self.name, self.theme, self.link = name, theme, link
        self.left, self.right = MARGIN, WIDTH - MARGIN
        self.y = MARGIN
        """How far down it is written, in points."""
        self.figure = Figure(figsize=(WIDTH / INCH, 1), dpi=PIXELS_PER_INCH, facecolor=theme.background)
        self._page = self.figure.add_axes((0, 0, 1, 1))
        self._page.set_axis_off()
        self._page.set_xlim(0, WIDTH)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = BODY,
        colour: str | None = None,
        bold: bool = False,
        align: str = "left",
        cut: bool = False,
        mark: Shown | None = None,
    ) -> None:
        """One line whose middle is at `y`; it may cut the guide lines below it."""
        written = self._page.text(
            x,
            y,
            plain(text),
            fontsize=size,
            color=colour or self.theme.text,
            fontweight="bold" if bold else "normal",
            ha=align,
            va="center_baseline",
            bbox={"facecolor": self.theme.background, "edgecolor": "none", "pad": 0.8} if cut else None,
        )
        if mark is not None:
            self.stands_for(written, mark)

    def paragraph(
        self,
        text: str,
        *,
        x: float | None = None,
        size: float = BODY,
        colour: str | None = None,
        bold: bool = False,
        lines: int = 9,
        mark: Shown | None = None,
    ) -> None:
        """As many lines as it takes, to the right edge; the last of `lines` ends with an ellipsis."""
        x = self.left if x is None else x
        wrapped = wrap(text, self.right - x, size=size, bold=bold, lines=lines)
        if mark is not None:  # one text of several lines, so that the record has one mark
            middle = self.y + len(wrapped) * size * LEADING / 2
            written = self._page.text(
                x, middle, "\n".join(wrapped), fontsize=size, color=colour or self.theme.text, va="center"
            )
            self.stands_for(written, mark)
            self.y += len(wrapped) * size * LEADING
            return
        for line in wrapped:
            self.text(x, self.y + size * LEADING / 2, line, size=size, colour=colour, bold=bold)
            self.y += size * LEADING

    def heading(self, title: str, subtitle: str = "") -> None:
        self.paragraph(title, size=TITLE, bold=True)
        if subtitle:
            self.y += 2
            self.paragraph(subtitle, colour=self.theme.muted)
        self.y += 6

    def caption(self, text: str) -> None:
        self.y += 8
        self.paragraph(text, size=SMALL, colour=self.theme.muted)

    def key(self, entries: Iterable[tuple[str, str | Spot]], *, x: float | None = None, size: float = BODY) -> None:
        """Names beside squares of their colours, or beside spots, in as many lines as it takes."""
        start = self.left if x is None else x
        at, first = start, True
        for name, look in entries:
            name = fit(name, self.right - start - size * 1.3, size=size)
            needed = size * 1.3 + width(name, size=size)
            if not first and at + needed > self.right:
                self.y += size * LEADING
                at = start
            middle = self.y + size * LEADING / 2
            self._page.add_patch(_swatch(look, at, middle, size * 0.8))
            self.text(at + size * 1.2, middle, name, size=size, colour=self.theme.muted)
            at, first = at + needed + size * 1.2, False
        self.y += size * LEADING

    def mark(self, record: Shown, shapes: Sequence[Shape], *, rim: float = 0.0) -> None:
        """Bars and dots that together stand for a record; a rim keeps neighbours apart."""
        collection = PatchCollection(
            [patch for patch, _ in shapes],
            facecolors=[colour for _, colour in shapes],
            edgecolors=self.theme.background,
            linewidths=rim,
            zorder=2,
        )
        self.stands_for(collection, record)
        self._page.add_collection(collection, autolim=False)

    def line(self, start: tuple[float, float], end: tuple[float, float], colour: str, *, weight: float = 0.6) -> None:
        self._page.plot(
            [start[0], end[0]], [start[1], end[1]], color=colour, linewidth=weight, solid_capstyle="butt", zorder=0.5
        )

    def tick(self, x: float, y: float, colour: str, *, height: float = 9.0) -> None:
        """A short upright line, such as a median among its samples."""
        self._page.plot(
            [x, x], [y - height / 2, y + height / 2], color=colour, linewidth=1.6, solid_capstyle="butt", zorder=3
        )

    def stands_for(self, artist: Artist, one: Shown | Forecast) -> None:
        """Give a mark the id and the link that a page finds it by; a forecast has no page to lead to."""
        artist.set_gid(mark_id(self.name, one))
        if self.link is None or isinstance(one, Forecast):
            return
        if isinstance(artist, Collection):  # one address for each of its shapes
            artist.set_urls([self.link(one)])
        else:
            artist.set_url(self.link(one))

    def plot(
        self, across: Edges, down: Edges, *, x: Edges, y: Edges, scales: tuple[Scale, Scale] = ("log", "log")
    ) -> Axes:
        """Real axes between four edges, with scales from `x[0]` to `x[1]` and so on; only after `finish`.

        On a scale of time a place is a `day`.
        """
        height = self.figure.get_figheight() * INCH
        axes = self.figure.add_axes(
            (across[0] / WIDTH, 1 - down[1] / height, (across[1] - across[0]) / WIDTH, (down[1] - down[0]) / height),
            facecolor=self.theme.background,
            xscale="log" if scales[0] == "log" else "linear",
            yscale="log" if scales[1] == "log" else "linear",
            xlim=x,
            ylim=y,
        )
        for axis, scale in zip((axes.xaxis, axes.yaxis), scales, strict=True):
            _ticks(axis, scale)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set(color=self.theme.muted, zorder=4)
        axes.tick_params(colors=self.theme.muted, labelsize=BODY)
        axes.grid(color=self.theme.faint, linewidth=0.6)
        axes.set_axisbelow(True)
        return axes

    def finish(self) -> Figure:
        """Cut the sheet below what is written on it."""
        height = math.ceil(self.y + MARGIN)
        self.figure.set_size_inches(WIDTH / INCH, height / INCH)
        self._page.set_ylim(height, 0)
        return self.figure


def _swatch(look: str | Spot, left: float, middle: float, size: float) -> Patch:
    if isinstance(look, Spot):
        face = look.colour if look.filled else "none"
        return Circle((left + size / 2, middle), size / 2, facecolor=face, edgecolor=look.colour)
    return Rectangle((left, middle - size / 2), size, size, facecolor=look, edgecolor="none")


def _ticks(axis: Axis, scale: Scale) -> None:
    axis.set_minor_locator(NullLocator())
    if scale == "time":
        dates = _dates(*axis.get_view_interval())
        axis.set_major_locator(FixedLocator(list(dates)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: dates[value]))
        return
    if scale == "log":
        low, high = axis.get_view_interval()
        axis.set_major_locator(LogLocator(subs=_parts(low, high) if high / low < MANIFOLD else (1,)))
    else:
        axis.set_major_locator(MaxNLocator(10, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.12g}"))


def _parts(low: float, high: float) -> Sequence[float]:
    """Multiples of powers of ten, so many that some lie within a narrow range."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for parts in ((1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        if sum(low <= part * 10.0**power <= high for part in parts for power in powers) >= FEWEST:
            break
    return parts


def day(instant: datetime) -> float:
    """Its place on a scale of time: days since 1970, in UTC."""
    return instant.timestamp() / DAY_SECONDS


def _dates(low: float, high: float) -> dict[float, str]:
    """Where years begin between two days, or months; as many as their names find room."""
    first, last = (datetime.fromtimestamp(place * DAY_SECONDS, UTC) for place in (low, high))
    months = range(first.year * 12 + first.month, last.year * 12 + last.month)
    for step in MONTHS:
        found = {day(datetime(m // 12, m % 12 + 1, 1, tzinfo=UTC)): m for m in months if m % step == 0}
        if len(found) <= (MOST_MONTHS if step < 12 else MOST_YEARS):
            break
    return {place: str(m // 12) if step >= 12 else f"{m // 12}-{m % 12 + 1:02}" for place, m in found.items()}


def bar(start: float, end: float, middle: float, height: float, colour: str) -> Shape:
    """A bar from one place to another; a small figure is not an invisible one."""
    return Rectangle((start, middle - height / 2), max(end - start, HAIR), height), colour


def dot(x: float, y: float, radius: float, colour: str) -> Shape:
    return Circle((x, y), radius), colour


def mark_id(chart: str, one: Shown | Forecast) -> str:
    """The element of an SVG that stands for what was measured or forecast."""
    return f"mark-{chart}-{one.record_id}"


@contextmanager
def settings() -> Iterator[None]:
    """Everything is drawn and written inside of this, whatever the user's own settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)
        yield


def to_bytes(figure: Figure, kind: str, *, title: str, alt: str) -> bytes:
    """The picture as `svg` or `png`; the same figure gives the same bytes, whenever."""
    about = {"Title": plain(title), "Description": plain(alt)}
    undated = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}[kind]
    out = io.BytesIO()
    figure.savefig(out, format=kind, metadata={**about, **undated}, facecolor=figure.get_facecolor())
    return _fewer_colours(out, about) if kind == "png" else out.getvalue()


def _fewer_colours(picture: io.BytesIO, about: dict[str, str]) -> bytes:
    """A third of the bytes, and nobody sees a difference."""
    words = PngInfo()
    for key, text in about.items():
        words.add_itxt(key, text)
    out = io.BytesIO()
    with Image.open(picture) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(
            out, format="png", optimize=True, pnginfo=words, dpi=(PIXELS_PER_INCH, PIXELS_PER_INCH)
        )
    return out.getvalue()


def width(text: str, *, size: float = BODY, bold: bool = False) -> float:
    """Of a line, in points."""
    found, _, _ = text_to_path.get_text_width_height_descent(plain(text), _font(size, bold), ismath=False)
    return float(found)


def fit(text: str, room: float, *, size: float = BODY, bold: bool = False) -> str:
    """A name no longer than `room`: its middle gives way to an ellipsis, for names that begin alike often end apart."""
    if width(text, size=size, bold=bold) <= room:
        return text
    kept = _most(len(text), lambda n: width(_without_middle(text, n), size=size, bold=bold) <= room)
    return _without_middle(text, kept)


def _without_middle(text: str, kept: int) -> str:
    return f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"


def _most(high: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to `high` that fits, by halving; 0 if none does."""
    low = 0
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def wrap(text: str, room: float, *, size: float = BODY, bold: bool = False, lines: int = 9) -> list[str]:
    """Lines no longer than `room`; whatever does not go into `lines` of them gives way to an ellipsis."""
    found, words = [""], plain(text).split()
    for place, word in enumerate(words):
        longer = f"{found[-1]} {word}".strip()
        if width(longer, size=size, bold=bold) <= room or not found[-1]:
            found[-1] = longer
        elif len(found) == lines:
            found[-1] = " ".join([found[-1], *words[place:]])
            break
        else:
            found.append(word)
    return [_cut(line, room, size=size, bold=bold) for line in found]


def _cut(line: str, room: float, *, size: float, bold: bool) -> str:
    if width(line, size=size, bold=bold) <= room:
        return line
    return line[: _most(len(line), lambda n: width(line[:n] + "…", size=size, bold=bold) <= room)].rstrip() + "…"


def plain(text: str) -> str:
    """Printable characters that the font has; what measured code said may hold any others."""
    known = _characters()
    return "".join(
        c if c == "\n" or (c.isprintable() and ord(c) in known) else " " if c.isspace() else "?" for c in text
    )


@cache
def _font(size: float, bold: bool) -> FontProperties:
    return FontProperties(family=FONT, size=size, weight="bold" if bold else "normal")


@cache
def _characters() -> frozenset[int]:
    return frozenset(get_font(findfont(_font(BODY, False))).get_charmap())
