"""What a chart is before it is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.documents.footprint import Record
from harness.documents.forecast import Forecast
from harness.documents.inference import Inference
from harness.report.drawing.sheet import Figure, Link, Sheet
from harness.report.drawing.style import Theme


@dataclass(frozen=True)
class Chart:
    """A picture for people: in two themes, as SVG and PNG."""

    name: str
    """File stem, such as `decision` or `inside-torch`."""
    title: str
    alt: str
    """Text alternative: what is seen, with the figures."""
    framework: str | None = None
    """Whose chart it is; None: of all."""


@dataclass(frozen=True)
class Plan:
    """A chart and how to draw it."""

    chart: Chart
    records: tuple[Record, ...]
    """Whom it shows; each has one mark."""
    put: Callable[[Sheet], Figure]
    """Writes it on an empty sheet and finishes that."""
    forecasts: tuple[Forecast, ...] = ()
    """Whom it draws beside them; each has one mark."""
    inferences: tuple[Inference, ...] = ()
    """Whose times it draws; each has one mark."""

    def draw(self, theme: Theme, link: Link | None = None) -> Figure:
        """The picture in one theme; inside of `sheet.settings`."""
        return self.put(Sheet(self.chart.name, theme, link))
