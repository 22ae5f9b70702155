"""Compare records: a replay with what it replays, two records part by part, several side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from harness.job import iso_instant
from harness.record import DistributionLine, Figures, LockedWheel, ModuleLine, Record

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
"""Figures that are sums over distributions."""
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
Found = TypeVar("Found", DistributionLine, LockedWheel)


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
    """What one distribution has of each attributed figure; zero where it is not there."""

    version: str
    installed_bytes: int
    bytecode_bytes: int
    download_bytes: int


NOTHING = Share("", 0, 0, 0)


@dataclass(frozen=True)
class Part:
    """One distribution that is not the same in both records."""

    name: str
    before: Share | None
    """None: it is not in the first record."""
    after: Share | None
    """None: it is not in the second record."""

    def difference(self, figure: str) -> int:
        """What it adds to the difference of one of the `ATTRIBUTED` figures, in bytes."""
        after, before = self.after or NOTHING, self.before or NOTHING
        return int(getattr(after, figure)) - int(getattr(before, figure))

    @property
    def change(self) -> Change:
        if self.before is None:
            return "added"
        if self.after is None:
            return "removed"
        difference = self.difference("installed_bytes")
        return "grown" if difference > 0 else "shrunk" if difference < 0 else "same size"


@dataclass(frozen=True)
class Delta:
    """One figure of two records."""

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
class Circumstance:
    """Something other than the framework that differs, and could explain a difference."""

    name: str
    before: str
    after: str


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
    """Everything that differs between two records."""

    before: Record
    after: Record
    deltas: tuple[Delta, ...]
    parts: tuple[Part, ...]
    """The largest change first. Empty where a ledger is missing or the methods differ."""
    circumstances: tuple[Circumstance, ...]
    modules: tuple[NewlyExpensive, ...]

    def delta(self, figure: str) -> Delta:
        (found,) = (one for one in self.deltas if one.figure == figure)
        return found

    def unattributed(self, figure: str) -> int | None:
        """What the parts leave of a figure's difference, in bytes: 0. None where there is no difference.

        Anything else means that a ledger does not sum to its record's total.
        """
        difference = self.delta(figure).difference
        return None if difference is None else int(difference) - sum(part.difference(figure) for part in self.parts)


def diff(before: Record, after: Record) -> Difference:
    """What changed from one record to another, attributed to distributions.

    Figures of different method versions, and times of different machines, are shown and not subtracted.
    """
    circumstances = tuple(_circumstances(before, after))
    other_machine = [one.name for one in circumstances if one.name in ("engine", "CPU model")]
    deltas = tuple(_delta(figure, before, after, other_machine) for figure in Figures.model_fields)
    attributable = before.ledger is not None and after.ledger is not None and _same_method("sizes", before, after)
    parts = _parts(before, after) if attributable else []
    return Difference(before, after, deltas, tuple(parts), circumstances, tuple(_modules(before, after)))


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


def missing(record: Record, figure: str) -> str:
    """Why a record has no such figure."""
    return record.absent.get(figure) or f"not measured by harness {record.environment.harness_version}"


def _same_method(name: str, before: Record, after: Record) -> bool:
    return before.methods.get(name) == after.methods.get(name)


def _delta(figure: str, before: Record, after: Record, other_machine: Sequence[str]) -> Delta:
    first, second = getattr(before.figures, figure), getattr(after.figures, figure)
    name = family(figure)
    why = ""
    if first is None or second is None:
        first_why, second_why = missing(before, figure), missing(after, figure)
        if first is None and second is None and first_why == second_why:
            why = f"{first_why} (both)"
        else:
            told = ((first, f"{first_why} (the first)"), (second, f"{second_why} (the second)"))
            why = "; ".join(reason for value, reason in told if value is None)
    elif not _same_method(name, before, after):
        versions = f"{before.methods.get(name, 'none')} and {after.methods.get(name, 'none')}"
        why = f"not comparable: method versions of {name} are {versions}"
    elif figure in MACHINE_BOUND and other_machine:
        why = f"not comparable: another {' and '.join(other_machine)}"
    return Delta(figure, first, second, why)


def _parts(before: Record, after: Record) -> list[Part]:
    first, second = _shares(before), _shares(after)
    parts = [Part(name, first.get(name), second.get(name)) for name in sorted(first | second)]
    return sorted(
        (part for part in parts if part.before != part.after),
        key=lambda part: (-abs(part.difference("installed_bytes")), part.name),
    )


def _shares(record: Record) -> dict[str, Share]:
    """Every distribution of a record; one that is locked and installs nothing counts too."""
    lines = _by_name(record.ledger.distributions if record.ledger else ())
    wheels = _by_name(record.wheels)
    found = {}
    for name in lines.keys() | wheels.keys():
        installed, locked = lines.get(name, []), wheels.get(name, [])
        versions = [one.version for one in locked] + [one.version for one in installed]
        found[name] = Share(
            version=", ".join(dict.fromkeys(filter(None, versions))),
            installed_bytes=sum(one.bytes for one in installed),
            bytecode_bytes=sum(one.bytecode_bytes for one in installed),
            download_bytes=sum(one.bytes for one in locked),
        )
    return found


def _by_name(lines: Iterable[Found]) -> dict[str, list[Found]]:
    found: dict[str, list[Found]] = {}
    for line in lines:
        found.setdefault(line.name, []).append(line)
    return found


CIRCUMSTANCES: tuple[tuple[str, Callable[[Record], object]], ...] = (
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
"""What is told where it differs; most of it moves times, some of it sizes."""


def _circumstances(before: Record, after: Record) -> Iterable[Circumstance]:
    for name, read in CIRCUMSTANCES:
        first, second = (str(read(one) or "unknown") for one in (before, after))
        if first != second:
            yield Circumstance(name, first, second)


def _modules(before: Record, after: Record) -> Iterable[NewlyExpensive]:
    """Only the heaviest modules are recorded, so that one not among them is known to be lighter than the least."""
    if before.import_tree is None or after.import_tree is None or not _same_method("times", before, after):
        return
    first: tuple[ModuleLine, ...] = before.import_tree.by_own
    floor = min((line.microseconds for line in first), default=0)
    known = {line.module for line in first}
    for line in after.import_tree.by_own:
        if line.module not in known and line.microseconds > floor:
            yield NewlyExpensive(line.module, line.microseconds, floor)
