"""Choose among inference records: the newest of each cell, those of one machine and track, and what they prove."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from harness.archive.weighed import as_version
from harness.documents.footprint import Record
from harness.documents.inference import METHOD, Inference

Machine = tuple[str, str, str, str]
"""CPU model with its count, engine, Python and platform: what times must have in common to be set side by side."""


@dataclass(frozen=True)
class Field:
    """What may be drawn as one picture: one machine, one track, one number of threads; of each cell the newest."""

    machine: Machine
    main: bool
    """Whether it is the machine with most records."""
    track: str
    threads: int
    models: tuple[tuple[Inference, ...], ...]
    """Of each model, by name, its records: the anchor first, the others by name."""

    @property
    def inferences(self) -> tuple[Inference, ...]:
        return tuple(one for mine in self.models for one in mine)


def machine(one: Inference) -> Machine:
    """On what it ran."""
    told = one.environment
    count = "" if told.cpu_count is None else f", {told.cpu_count} cores"
    return f"{told.cpu_model or 'an unknown CPU'}{count}", one.engine, one.python, one.platform


def current(inferences: Iterable[Inference]) -> list[Inference]:
    """Of each runtime on each machine, model, track and number of threads the highest version, measured last.

    Where a model of one name was exported anew, only the bytes that were run last count: others are another model.
    """
    found: dict[tuple[object, ...], Inference] = {}
    everything = list(inferences)
    newest: dict[tuple[Machine, str], Inference] = {}
    for one in everything:
        key = (machine(one), one.model.name)
        if key not in newest or _when(newest[key]) < _when(one):
            newest[key] = one
    for one in everything:
        if one.model.sha256 != newest[machine(one), one.model.name].model.sha256:
            continue
        cell = (machine(one), one.model.name, one.track, one.threads, one.runtime, one.spinning)
        if cell not in found or _rank(found[cell]) < _rank(one):
            found[cell] = one
    return sorted(found.values(), key=place)


def place(one: Inference) -> tuple[object, ...]:
    """To sort by: the anchor before the others of its group."""
    anchor = one.anchor == one.record_id
    group = (one.model.name, one.track, one.threads)
    return (*group, not anchor, one.runtime, one.spinning, as_version(one.version), machine(one), *_when(one))


def fields(inferences: Iterable[Inference]) -> list[Field]:
    """Everything that is current, apart by machine, track and threads; the machine with most records first.

    Records of other methods are left to the table: they must not be drawn beside today's.
    """
    of: dict[Machine, list[Inference]] = defaultdict(list)
    for one in current(inferences):
        if one.method_version == METHOD:
            of[machine(one)].append(one)
    found = []
    for number, (where, mine) in enumerate(sorted(of.items(), key=lambda item: (-len(item[1]), item[0]))):
        for track, threads in sorted({(one.track, one.threads) for one in mine}):
            alike = [one for one in mine if (one.track, one.threads) == (track, threads)]
            names = sorted({one.model.name for one in alike})
            models = tuple(tuple(one for one in alike if one.model.name == name) for name in names)
            found.append(Field(where, number == 0, track, threads, models))
    return found


def ratios(one: Inference, known: Mapping[str, Inference]) -> dict[int, float]:
    """Round -> the median run over the anchor's of the same round, where both have one.

    Args:
        known: records by their ids; the anchor is among them, or there is no ratio.
    """
    anchor = known.get(one.anchor or "")
    if anchor is None:
        return {}
    theirs = medians(anchor)
    return {number: value / theirs[number] for number, value in medians(one).items() if theirs.get(number)}


def medians(one: Inference) -> dict[int, float]:
    """Round -> its median run, seconds."""
    return {each.round: median(each.run_seconds) for each in one.rounds if each.run_seconds}


def first_answer(one: Inference) -> float | None:
    """Seconds from the start of the runtime's import to the first answer; None where a part is missing."""
    figures = one.figures
    parts = (figures.import_seconds, figures.load_seconds, figures.first_run_seconds)
    return None if None in parts else sum(part for part in parts if part is not None)


def proof(record: Record, inferences: Iterable[Inference]) -> Inference | None:
    """What shows that an installation runs a model: the newest that is ok of the same distribution, version and target.

    What is installed for a GPU is shown on one only: running on the CPU does not show that it does what it is for.
    Such is an installation with NVIDIA's libraries, and a distribution that was asked to run on a GPU, well or not.
    """
    own = [one for one in inferences if one.distribution == record.framework]
    for_gpu = any(wheel.name.startswith("nvidia-") for wheel in record.wheels)
    device = "gpu" if for_gpu or any(one.device == "gpu" for one in own) else "cpu"
    built = (record.version, record.python, record.platform)
    ran = [one for one in own if one.status == "ok" and one.device == device]
    return max((one for one in ran if (one.version, one.python, one.platform) == built), key=_when, default=None)


def proven(shown: Inference | None) -> str:
    """In words what a proof comes to."""
    return "not shown" if shown is None else f"on {shown.device.upper()}"


def drawable(mine: Sequence[Inference]) -> list[Inference]:
    """Those whose times may be set beside others': of a wrong answer, or of none, no time counts."""
    return [one for one in mine if one.status == "ok" and one.figures.latency_p50_seconds is not None]


def _when(one: Inference) -> tuple[object, ...]:
    return one.measured_at, one.record_id


def _rank(one: Inference) -> tuple[object, ...]:
    return as_version(one.version), *_when(one)
