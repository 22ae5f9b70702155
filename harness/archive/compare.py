"""Compare: a replay with what it replays, two records or forecasts part by part, several records side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from harness.archive.circumstances import Circumstance, circumstances
from harness.archive.weighed import Weighed, figure_of, is_comparable, method, missing, shared_figures
from harness.documents.base import LockedWheel
from harness.documents.footprint import DistributionLine, Figures, ModuleLine, Record
from harness.documents.forecast import Forecast, ForecastWheel

EXACT = (
    "wheel_bytes",
    "download_bytes",
    "unpacked_bytes",
    "installed_bytes",
    "bytecode_bytes",
    "distributions",
    "import_modules",
)
"""Figures that a replay must meet to the byte. Not `allocated_bytes`, which the file system decides, and
not `image_bytes`, which holds the base image's size."""
TIMES = tuple(name for name in Figures.model_fields if name.endswith("_seconds"))
MACHINE_BOUND = (*TIMES, "import_rss_bytes")
"""Figures that another machine changes by itself."""
ATTRIBUTED = ("installed_bytes", "bytecode_bytes", "download_bytes")
"""Figures of records that are sums over distributions."""
WEIGHED_ATTRIBUTED = ("unpacked_bytes", "download_bytes")
"""The same where one of the two is a forecast."""
SIDE_BY_SIDE = (
    "wheel_bytes",
    "distributions",
    "download_bytes",
    "installed_bytes",
    "bytecode_bytes",
    "image_bytes",
    "install_seconds",
    "import_first_seconds",
    "import_cold_seconds",
    "import_warm_seconds",
    "import_rss_bytes",
    "import_touched_bytes",
    "import_modules",
)
"""What several records are compared by; in each, less is better."""

Value = float | int | None
Change = Literal["added", "removed", "grown", "shrunk", "same size"]
Found = TypeVar("Found", DistributionLine, LockedWheel | ForecastWheel)


@dataclass(frozen=True)
class Line:
    """One figure, twice."""

    figure: str
    before: Value
    after: Value
    exact: bool

    @property
    def equal(self) -> bool:
        return self.before == self.after


@dataclass(frozen=True)
class Replay:
    """What a replay found."""

    lines: tuple[Line, ...]
    same_outcome: bool
    """Whether status, phase and reason are the same."""

    @property
    def faithful(self) -> bool:
        return self.same_outcome and all(line.equal for line in self.lines if line.exact)


def replay(before: Record, after: Record) -> Replay:
    """Sizes must be equal, times stand side by side."""
    exact = EXACT if before.environment.python == after.environment.python else EXACT[:4] + EXACT[5:6]
    lines = [Line(n, getattr(before.figures, n), getattr(after.figures, n), True) for n in exact]
    lines += [Line(n, getattr(before.figures, n), getattr(after.figures, n), False) for n in TIMES]
    same = (before.status, before.phase, before.reason) == (after.status, after.phase, after.reason)
    return Replay(tuple(line for line in lines if (line.before, line.after) != (None, None)), same)


@dataclass(frozen=True)
class Share:
    """What one distribution has of each attributed figure."""

    version: str
    bytes: Mapping[str, int]


@dataclass(frozen=True)
class Part:
    """One distribution that is not the same in both."""

    name: str
    before: Share | None
    """None: it is not in the first."""
    after: Share | None
    """None: it is not in the second."""
    leading: str
    """The figure by which it has grown or shrunk."""

    def difference(self, figure: str) -> int:
        """What it adds to the difference of one of the attributed figures, in bytes; nothing where it is not there."""
        before, after = (side.bytes[figure] if side else 0 for side in (self.before, self.after))
        return after - before

    @property
    def change(self) -> Change:
        if self.before is None:
            return "added"
        if self.after is None:
            return "removed"
        difference = self.difference(self.leading)
        return "grown" if difference > 0 else "shrunk" if difference < 0 else "same size"


@dataclass(frozen=True)
class Delta:
    """One figure of two records or forecasts."""

    figure: str
    before: Value
    after: Value
    why_not: str = ""
    """Why there is no difference: a figure is missing, or the two cannot be compared."""

    @property
    def difference(self) -> Value:
        if self.why_not or self.before is None or self.after is None:
            return None
        return self.after - self.before if isinstance(self.after, int) else round(self.after - self.before, 6)


@dataclass(frozen=True)
class NewlyExpensive:
    """A module among the heaviest of the second import that was not among those of the first."""

    module: str
    microseconds: int
    """Its own time, under `-X importtime`."""
    below_microseconds: int
    """What it took at most in the first import: the least of the heaviest there."""


@dataclass(frozen=True)
class Difference:
    """Everything that differs between two records, two forecasts, or one of each."""

    before: Weighed
    after: Weighed
    deltas: tuple[Delta, ...]
    attributed: tuple[str, ...]
    """Figures that the parts are the difference of; the first of them leads."""
    parts: tuple[Part, ...]
    """The largest change first. Empty where nothing can be attributed: a ledger is missing, dependencies were not
    weighed, or the methods differ."""
    circumstances: tuple[Circumstance, ...]
    modules: tuple[NewlyExpensive, ...]

    def delta(self, figure: str) -> Delta:
        (found,) = (one for one in self.deltas if one.figure == figure)
        return found

    @property
    def leading(self) -> str:
        """The figure that says most of all that both have."""
        if isinstance(self.before, Record) and isinstance(self.after, Record):
            return ATTRIBUTED[0]
        weights = (WEIGHED_ATTRIBUTED[0], "wheel_unpacked_bytes", "wheel_bytes")
        return next((one for one in weights if self.delta(one).difference is not None), weights[0])

    def unattributed(self, figure: str) -> int | None:
        """What the parts leave of a figure's difference, in bytes: 0. None where there is no difference.

        Anything else means that a ledger does not sum to its record's total.
        """
        difference = self.delta(figure).difference
        return None if difference is None else int(difference) - sum(part.difference(figure) for part in self.parts)


def diff(before: Weighed, after: Weighed) -> Difference:
    """What changed from one record or forecast to another, attributed to distributions.

    Figures of different method versions, and times of different machines, are shown and not subtracted.
    """
    others = tuple(circumstances(before, after))
    other_machine = [one.name for one in others if one.name in ("engine", "CPU model")]
    deltas = tuple(_delta(figure, before, after, other_machine) for figure in shared_figures(before, after))
    attributed = _attributed(before, after)
    parts = tuple(_parts(before, after, attributed)) if attributed else ()
    return Difference(before, after, deltas, attributed, parts, others, tuple(_modules(before, after)))


def family(figure: str) -> str:
    """The metric family that defines a figure, a key of `record.METHODS`: what is only seen while it runs is timed."""
    return "times" if figure.endswith("_seconds") or figure.startswith("import_") else "sizes"


def best(records: Sequence[Record], figure: str) -> tuple[int, ...]:
    """Places of the records with the least value; none where the values cannot be compared or are all alike.

    Only what works can be best: a record that is not ok does not take part.
    """
    found = {i: getattr(one.figures, figure) for i, one in enumerate(records) if one.status == "ok"}
    found = {i: value for i, value in found.items() if value is not None}
    taking_part = [records[i] for i in found]
    alike = {one.methods.get(family(figure)) for one in taking_part}
    machines = {(one.engine, one.environment.cpu_model) for one in taking_part}
    if len(set(found.values())) < 2 or len(alike) > 1 or (family(figure) == "times" and len(machines) > 1):
        return ()
    return tuple(i for i, value in found.items() if value == min(found.values()))


def _delta(figure: str, before: Weighed, after: Weighed, other_machine: Sequence[str]) -> Delta:
    first, second = figure_of(before, figure), figure_of(after, figure)
    name = family(figure)
    why = ""
    if first is None or second is None:
        first_why, second_why = missing(before, figure), missing(after, figure)
        if first is None and second is None and first_why == second_why:
            why = f"{first_why} (both)"
        else:
            told = ((first, f"{first_why} (the first)"), (second, f"{second_why} (the second)"))
            why = "; ".join(reason for value, reason in told if value is None)
    elif not is_comparable(name, before, after):
        versions = " and ".join(str(method(name, one) or "none") for one in (before, after))
        why = f"not comparable: method versions of {name} are {versions}"
    elif figure in MACHINE_BOUND and other_machine:
        why = f"not comparable: another {' and '.join(other_machine)}"
    return Delta(figure, first, second, why)


def _attributed(before: Weighed, after: Weighed) -> tuple[str, ...]:
    """The figures whose difference can be told as a sum over distributions."""
    both = (before, after)
    if not is_comparable("sizes", before, after):
        return ()
    if isinstance(before, Record) and isinstance(after, Record):
        return ATTRIBUTED if before.ledger is not None and after.ledger is not None else ()
    told = all(wheel.unpacked_bytes is not None for one in both for wheel in one.wheels)
    known = all(figure_of(one, figure) is not None for one in both for figure in WEIGHED_ATTRIBUTED)
    return WEIGHED_ATTRIBUTED if told and known else ()


def _parts(before: Weighed, after: Weighed, figures: Sequence[str]) -> list[Part]:
    first, second = _shares(before, figures), _shares(after, figures)
    parts = [Part(name, first.get(name), second.get(name), figures[0]) for name in sorted(first | second)]
    return sorted(
        (part for part in parts if part.before != part.after),
        key=lambda part: (-abs(part.difference(part.leading)), part.name),
    )


def _shares(one: Weighed, figures: Sequence[str]) -> dict[str, Share]:
    """Every distribution of a record or forecast; one that is locked and installs nothing counts too."""
    ledger = one.ledger if isinstance(one, Record) and set(figures) == set(ATTRIBUTED) else None
    listed: Sequence[LockedWheel | ForecastWheel] = one.wheels
    lines, wheels = _by_name(ledger.distributions if ledger else ()), _by_name(listed)
    found = {}
    for name in lines.keys() | wheels.keys():
        installed, locked = lines.get(name, []), wheels.get(name, [])
        versions = [each.version for each in locked] + [each.version for each in installed]
        amounts = {
            "installed_bytes": sum(each.bytes for each in installed),
            "bytecode_bytes": sum(each.bytecode_bytes for each in installed),
            "download_bytes": sum(each.bytes for each in locked),
            "unpacked_bytes": sum(each.unpacked_bytes or 0 for each in locked),
        }
        version = ", ".join(dict.fromkeys(filter(None, versions)))
        found[name] = Share(version, {figure: amounts[figure] for figure in figures})
    return found


def _by_name(lines: Iterable[Found]) -> dict[str, list[Found]]:
    found: dict[str, list[Found]] = {}
    for line in lines:
        found.setdefault(line.name, []).append(line)
    return found


def _modules(before: Weighed, after: Weighed) -> Iterable[NewlyExpensive]:
    """Only the heaviest modules are recorded, so that one not among them is known to be lighter than the least."""
    if isinstance(before, Forecast) or isinstance(after, Forecast) or not is_comparable("times", before, after):
        return
    if before.import_tree is None or after.import_tree is None:
        return
    first: tuple[ModuleLine, ...] = before.import_tree.by_own
    floor = min((line.microseconds for line in first), default=0)
    known = {line.module for line in first}
    for line in after.import_tree.by_own:
        if line.module not in known and line.microseconds > floor:
            yield NewlyExpensive(line.module, line.microseconds, floor)
