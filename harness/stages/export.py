"""The export stage: the files that runtimes are timed with, made in a sandbox once and kept in the cache.

A model lies in `models/<name>-opset<N>-<start of its sha256>/` of the cache: the ONNX file, its inputs, the outputs
that are right, and a manifest. One that is there, whole, and made by the present scripts and pins is not made again.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from harness import probes
from harness.catalogs import models
from harness.catalogs.models import FILES, Manifest, Shares
from harness.documents.inference import ModelFacts
from harness.engines import images
from harness.engines.sandbox import Limits, Sandbox, probe
from harness.errors import EnvironmentLacksError, InputError, MeasurementError
from harness.job import Request, Target, parse_request
from harness.packages import environment
from harness.packages.environment import Shop
from harness.packages.lock import Lock
from harness.parsing import parse_choice
from harness.stages.inference import ModelFiles

Kit = Literal["exporter", "checker"]
"""What is installed: `exporter` has PyTorch, `checker` is what a user's own model needs. Pinned in images/exporter/."""

FILE_BYTES = 2**31 - 1
"""An ONNX file is one protobuf message, which cannot be larger."""
EXTERNAL_FILES = 1000
_SCRIPTS = ("export.py", "zoo.py")
_PIN = re.compile(r"^([A-Za-z0-9._-]+==[^\s;\\]+)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
# Nothing is looked for on a network that is not there, and nobody is told what is used.
_OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TRANSFORMERS_VERBOSITY": "error"}


def ensure(
    names: Sequence[str],
    *,
    opset: str,
    shop: Shop,
    target: Target,
    seed: int = 0,
    limits: Limits | None = None,
) -> tuple[ModelFiles, ...]:
    """Have models on disk: exported where they are not there yet; a user's own where it was taken in before.

    Args:
        names: where there are none, all of the zoo but the small ones.
        opset: which is asked for; the one that a file has stands in its manifest.

    Raises:
        InputError: there is no such model.
        MeasurementError: one could not be exported.
        EnvironmentLacksError: what exports could not be installed.
    """
    wanted = int(parse_choice(opset, name="opset", among=models.OPSETS))
    chosen = check_names(names, shop.cache)
    known, store = models.load(), ModelStore(shop.cache)
    own = {name: files for name in chosen if name not in known and (files := store.own(name)) is not None}
    made_by = recipe("exporter")
    there = own | {
        name: files
        for name in chosen
        if name not in own and (files := store.find(name, opset=wanted, seed=seed, made_by=made_by)) is not None
    }
    missing = [name for name in chosen if name not in there]
    if missing:
        with _exporter("exporter", shop, target, limits) as exporter:
            shop.progress.phase("export", f"{len(missing)} models" if len(missing) > 1 else missing[0])
            for done, name in enumerate(missing):
                shop.progress.step(done, len(missing))
                there[name] = _export(exporter, store, name, wanted, seed, known[name].tolerance)
            shop.progress.step(len(missing), len(missing))
    return tuple(there[name] for name in chosen)


def check_names(names: Sequence[str], cache: Path) -> tuple[str, ...]:
    """Names of models as they are meant, before anything starts; `my-net.onnx` is the user's own `my_net`.

    Raises:
        InputError: there is no such model, or it is named twice.
    """
    known, store = models.load(), ModelStore(cache)
    own = store.own_names(known)
    meant = [spelled if (spelled := models.own_name(name)) in own else name for name in names]
    return models.parse_names(meant, known, own=own)


def take_in(
    path: Path,
    shapes: Mapping[str, Sequence[int]],
    *,
    shop: Shop,
    target: Target,
    seed: int = 0,
    limits: Limits | None = None,
) -> ModelFiles:
    """Check a user's own model in a sandbox, fix its shapes, and put it beside those of the zoo.

    Args:
        shapes: of its inputs, by name; where it has dynamic axes, or says nothing of an input's shape.

    Raises:
        InputError: it is not there, corrupt, larger than 2 GB, has data outside of its folder or inputs without a
            fixed shape, or onnxruntime cannot run it.
        MeasurementError: checking it ran past a limit, or crashed.
    """
    name = check_file(path)
    known, store = models.load(), ModelStore(shop.cache)
    with _exporter("checker", shop, target, limits) as exporter:
        shop.progress.phase("check", name)
        arguments = ["--seed", str(seed), "file", "--path", exporter.sandbox.expose(path, "model.onnx")]
        try:
            for place, location in enumerate(_locations(exporter.run(*arguments, "--inspect"))):
                inside = exporter.sandbox.expose(models.external_path(location, path), f"external-{place}")
                arguments += ["--external", location, inside]
            for name_of_input, sizes in shapes.items():
                arguments += ["--shape", f"{name_of_input}={','.join(map(str, sizes))}"]
            told = exporter.run(*arguments)
        except InputError as error:
            raise InputError(f"{path.name!a} cannot be used: {error.message}", tip=error.tip) from None
        return _keep(exporter, store, told, models.usual_tolerance(known), name=name, source="file")


def check_file(path: Path) -> str:
    """What can be told of a user's own model without reading it; returns its name.

    Raises:
        InputError: it is not there, larger than 2 GB, or cannot be named.
    """
    try:
        size = path.stat().st_size if path.is_file() else None
    except (OSError, ValueError):  # ValueError: a null in its name
        size = None
    if size is None:
        raise InputError(f"there is no model {str(path)!a}", tip="name an ONNX file")
    if size > FILE_BYTES:
        raise InputError(f"{path.name!a} has {size / 1e9:.1f} GB; an ONNX file has at most 2")
    return models.name_of(path, models.load())


def _locations(told: Mapping[str, Any]) -> list[str]:
    """Which other files a model says that it is in."""
    found = told.get("external")
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise MeasurementError("export printed something other than its result")
    if len(found) > EXTERNAL_FILES:
        raise InputError(f"its external data are in {len(found)} files")
    return found


def _export(exporter: Exporter, store: ModelStore, name: str, opset: int, seed: int, tolerance: Shares) -> ModelFiles:
    """Make one model of the zoo."""
    started = time.monotonic()
    try:
        told = exporter.run("--seed", str(seed), "zoo", "--model", name, "--opset", str(opset))
        made = _keep(exporter, store, told, tolerance, name=name, source="zoo", seed=seed, requested_opset=opset)
    except MeasurementError as error:
        raise MeasurementError(f"{name} could not be exported: {error.message}", tip=error.tip) from error
    facts, seconds = made.facts, time.monotonic() - started
    exporter.shop.progress.note(
        f"{name}: opset {facts.opset}, {facts.bytes / 1e6:,.1f} MB, sha256 {facts.sha256[:12]}, {seconds:.0f} s"
    )
    if told.get("warning"):
        exporter.shop.progress.note(f"{name}: {told['warning']}")
    return made


def _keep(
    exporter: Exporter, store: ModelStore, told: Mapping[str, Any], tolerance: Shares, **fields: Any
) -> ModelFiles:
    """Bring a model's files out of the sandbox, describe them, and shelve them."""
    with store.unfinished(exporter.shop.work) as place:
        exporter.sandbox.fetch(f"{exporter.sandbox.root}/model", place)
        if {path.name for path in place.iterdir()} != set(FILES):
            raise MeasurementError("export left other files than a model's")
        sums = {file: _sha256(place / file) for file in FILES}
        described = {key: value for key, value in told.items() if key not in ("failure", "refused", "output_largest")}
        try:
            manifest = Manifest.model_validate(
                described
                | {"seed": None, "requested_opset": None}
                | fields
                | {
                    "sha256": sums["model.onnx"],
                    "inputs_sha256": sums["inputs.npz"],
                    "reference_sha256": sums["reference.npz"],
                    "bytes": (place / "model.onnx").stat().st_size,
                    "tolerance": models.tolerance_of(tolerance, float(told["output_largest"])),
                    "exporter_lock_sha256": exporter.lock.sha256,
                    "recipe_sha256": exporter.recipe,
                }
            )
        except (ValidationError, KeyError, TypeError, ValueError) as error:
            raise MeasurementError("export printed something other than its result") from error
        return store.add(manifest, place)


@dataclass(frozen=True)
class Exporter:
    """An open sandbox with a kit installed in it."""

    sandbox: Sandbox
    lock: Lock
    recipe: str
    shop: Shop
    limits: Limits

    def run(self, *arguments: str) -> dict[str, Any]:
        """Run the probe.

        Raises:
            InputError: it refuses the model.
            MeasurementError: it failed.
        """
        root = self.sandbox.root
        found = probe(
            self.sandbox,
            "export",
            ["--python", f"{root}/env/bin/python", "--out", f"{root}/model", *arguments],
            limits=self.limits,
            writable=True,
            environment=_OFFLINE,
        )
        if found.get("refused"):
            raise InputError(str(found["refused"]))
        if found.get("failure"):
            raise MeasurementError(str(found["failure"]))
        return found


@contextmanager
def _exporter(kit: Kit, shop: Shop, target: Target, limits: Limits | None) -> Iterator[Exporter]:
    right = pins(kit)
    with shop.engine.open(target) as sandbox:
        shop.progress.phase("install", f"the {kit}")
        lock = environment.prepare(tuple(right), target, as_of(kit), sandbox, shop).lock
        for wheel in lock.wheels:
            hashes = right.get(parse_request(f"{wheel.name}=={wheel.version}"))
            if hashes and wheel.sha256 not in hashes:
                raise EnvironmentLacksError(
                    f"{wheel.filename} is not a file that images/exporter/{kit}.txt pins: its sha256 is {wheel.sha256}",
                    tip="use an index that mirrors the public one",
                )
        yield Exporter(sandbox, lock, recipe(kit), shop, limits or Limits())


def pins(kit: Kit) -> dict[Request, frozenset[str]]:
    """What a kit consists of, and the sha256 of the files that each may be; none where the version alone is pinned."""
    locked = _pinned(f"{kit}.txt")
    asked = [parse_request(match[1]) for match in _PIN.finditer(_pinned(f"{kit}.in"))]
    starts = [*_PIN.finditer(locked)]
    ends = [match.start() for match in starts[1:]] + [len(locked)]
    found = {
        parse_request(match[1]): frozenset(_HASH.findall(locked[match.start() : end]))
        for match, end in zip(starts, ends, strict=True)
    }
    return {request: frozenset() for request in asked} | found


def as_of(kit: Kit) -> datetime:
    """The instant that a kit's pins are of: always the same, so that they always give the same lock."""
    match = re.search(r"^# as-of (\S+)$", _pinned(f"{kit}.in"), re.MULTILINE)
    assert match, kit
    return datetime.fromisoformat(match[1])


def recipe(kit: Kit) -> str:
    """The sha256 of all here that a model's bytes could depend on."""
    parts = [(probes.FOLDER / name).read_bytes() for name in _SCRIPTS]
    return hashlib.sha256(
        b"\0".join([*parts, _pinned(f"{kit}.in").encode(), _pinned(f"{kit}.txt").encode()])
    ).hexdigest()


def _pinned(name: str) -> str:
    return (images.folder() / "exporter" / name).read_text(encoding="utf-8")


class ModelStore:
    """`models/` of the cache."""

    def __init__(self, cache: Path) -> None:
        self.folder = cache / "models"

    def find(self, name: str, *, opset: int, seed: int, made_by: str) -> ModelFiles | None:
        """The newest export of a model of the zoo that was asked for like this, and is whole."""
        return self._newest(
            name,
            lambda one: (one.source, one.requested_opset, one.seed, one.recipe_sha256) == ("zoo", opset, seed, made_by),
        )

    def own_names(self, known: Collection[str]) -> list[str]:
        """Of the user's own models."""
        found = {path.parent.name.rpartition("-opset")[0] for path in self.folder.glob("*-opset*/manifest.json")}
        return [name for name in sorted(found.difference(known)) if self.own(name) is not None]

    def own(self, name: str) -> ModelFiles | None:
        """The user's own model that was taken in last under this name."""
        return self._newest(name, lambda one: one.source == "file") if models.is_name(name) else None

    def _newest(self, name: str, fits: Callable[[Manifest], bool]) -> ModelFiles | None:
        found = sorted(self.folder.glob(f"{name}-opset*/manifest.json"), key=lambda path: -path.stat().st_mtime_ns)
        for path in found:
            try:
                manifest = models.parse_manifest(path.read_bytes(), name=str(path))
            except (InputError, OSError):
                continue  # of an older harness, or invalid: made again
            if manifest.name == name and fits(manifest) and _whole(manifest, path.parent):
                return files_of(manifest, path.parent)
        return None

    @contextmanager
    def unfinished(self, work: Path) -> Iterator[Path]:
        """A path for files that are to be added, not there yet; what is left there is removed."""
        beside = Path(tempfile.mkdtemp(prefix="model-", dir=work))
        try:
            yield beside / "model"
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def add(self, manifest: Manifest, made: Path) -> ModelFiles:
        """Move a model's files to their place, in one step."""
        place = self.folder / manifest.folder
        (made / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
        self.folder.mkdir(parents=True, exist_ok=True)
        if place.exists():  # the same bytes; an older or altered manifest, inputs or reference go with it
            os.replace(place, made.with_name("before"))
        os.replace(made, place)
        return files_of(manifest, place)


def files_of(manifest: Manifest, folder: Path) -> ModelFiles:
    """A model as the stages know it."""
    facts = manifest.model_dump(include=set(ModelFacts.model_fields))
    return ModelFiles(ModelFacts.model_validate(facts), folder)


def _whole(manifest: Manifest, folder: Path) -> bool:
    """Whether the files are those that the manifest names."""
    sums = (manifest.sha256, manifest.inputs_sha256, manifest.reference_sha256)
    try:
        return all(_sha256(folder / name) == right for name, right in zip(FILES, sums, strict=True))
    except OSError:
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
