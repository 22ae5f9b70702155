"""What else differs between two records or forecasts, and could explain that their figures do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from harness.archive.weighed import Weighed, is_whole, method, told_at
from harness.documents.footprint import Record
from harness.documents.forecast import Forecast
from harness.job import iso_instant


@dataclass(frozen=True)
class Circumstance:
    """Something other than the framework that differs, and could explain a difference."""

    name: str
    before: str
    after: str


MEASURED: tuple[tuple[str, Callable[[Record], object]], ...] = (
    ("variant", lambda one: one.variant),
    ("extras", lambda one: ", ".join(one.extras)),
    ("platform", lambda one: one.platform),
    ("import package", lambda one: one.import_package),
    ("as of", lambda one: iso_instant(one.as_of)),
    ("Python", lambda one: one.environment.python or one.python),
    ("installer", lambda one: one.environment.installer or one.installer),
    ("engine", lambda one: one.engine),
    ("base image", lambda one: one.environment.image_digest),
    ("CPU model", lambda one: one.environment.cpu_model),
    ("CPU count", lambda one: one.environment.cpu_count),
    ("kernel", lambda one: one.environment.kernel),
    ("day of measurement", lambda one: one.measured_at.date()),
    ("harness", lambda one: one.environment.harness_version),
    ("methods", lambda one: " ".join(f"{name}:{version}" for name, version in sorted(one.methods.items()))),
)
"""Of two records. What is told where it differs; most of it moves times, some of it sizes."""

WEIGHED: tuple[tuple[str, Callable[[Weighed], object]], ...] = (
    ("what it is", lambda one: "forecast, not measured" if isinstance(one, Forecast) else "measured"),
    ("what was weighed", lambda one: "all that it needs" if is_whole(one) else "its own wheel"),
    ("variant", lambda one: one.variant),
    ("extras", lambda one: ", ".join(one.extras)),
    ("platform", lambda one: one.platform),
    ("as of", lambda one: iso_instant(one.as_of)),
    ("Python", lambda one: one.python),
    ("resolver", lambda one: (one.resolver or "none") if isinstance(one, Forecast) else one.environment.resolver),
    ("day", lambda one: told_at(one).date()),
    ("harness", lambda one: one.harness_version if isinstance(one, Forecast) else one.environment.harness_version),
    ("method of sizes", lambda one: method("sizes", one)),
)
"""Of two, one of which is a forecast: nothing ran, so that the machine does not matter."""


def circumstances(before: Weighed, after: Weighed) -> Iterable[Circumstance]:
    """Everything of this kind that differs."""
    if isinstance(before, Record) and isinstance(after, Record):
        pairs = [(name, read(before), read(after)) for name, read in MEASURED]
    else:
        pairs = [(name, read(before), read(after)) for name, read in WEIGHED]
    for name, first, second in pairs:
        if str(first or "unknown") != str(second or "unknown"):
            yield Circumstance(name, str(first or "unknown"), str(second or "unknown"))
