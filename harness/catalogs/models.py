"""Models: the zoo's catalog, and the manifest that lies beside each exported file. Reads text; otherwise pure."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.documents.base import Bytes, Count, Seconds
from harness.errors import InputError

DEFAULT = Path(__file__).with_name("models.toml")
OPSETS = ("20", "17")
"""That are exported; the file's own is recorded."""
FILES = ("model.onnx", "inputs.npz", "reference.npz")
"""Of every model, beside its manifest."""
MAX_SEED = 2**32 - 1
_DIMENSIONS = 16
_NAME = r"^[a-z0-9][a-z0-9_]*$"
_Share = Annotated[float, Field(gt=0, lt=1)]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Shares(_Value):
    """The largest error that counts as right in each track, as a share of the outputs' largest magnitude."""

    strict_f32: _Share = Field(alias="strict-f32")
    vendor_default: _Share = Field(alias="vendor-default")


class ZooModel(_Value):
    """One model of the zoo."""

    about: str = ""
    small: bool = False
    """For tests: not built where no model is named."""
    tolerance: Shares


class Limit(_Value):
    """What an error may be at most; past either, the answer is wrong."""

    abs: Seconds
    """In units of the output."""
    rel: Seconds
    """As a share of the reference's largest magnitude."""


class Tolerance(_Value):
    """One limit for each track."""

    strict_f32: Limit = Field(alias="strict-f32")
    vendor_default: Limit = Field(alias="vendor-default")


class Tensor(_Value):
    name: str
    dtype: str
    shape: tuple[int, ...]


class Manifest(_Value):
    """What an exported model is. `inference.ModelFacts` takes its first part."""

    name: str = Field(pattern=_NAME, max_length=80)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of `model.onnx`."""
    bytes: Bytes
    opset: Count
    """Of the default domain, as the file has it."""
    ir_version: Count
    parameters: Count
    """Numbers in all initializers."""
    nodes: Count
    operators: dict[str, int]
    """How many nodes of each, those inside of others included."""
    other_types: tuple[str, ...]
    """Formats other than f32 in its weights, and operators that make some: what its reference was computed in too."""
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    inputs_sha256: str
    reference_sha256: str
    exporter_lock_sha256: str | None
    exporter: dict[str, str]
    """Versions of what made the files."""
    source: Literal["zoo", "file"]
    seed: int | None
    """Of the weights and inputs; of a user's own model null: its weights have none."""
    tolerance: Tolerance
    requested_opset: Count | None
    """Null for a user's own model."""
    recipe_sha256: str
    """Of the scripts and pins that made it: with others it is made again."""
    output_std: Seconds
    """Standard deviation of the first output."""
    check_error: Seconds
    """Largest absolute difference between onnxruntime's plain CPU kernels and the reference."""
    warning: str = ""

    @property
    def folder(self) -> str:
        return f"{self.name}-opset{self.opset}-{self.sha256[:12]}"

    def to_json(self) -> str:
        return self.model_dump_json(by_alias=True, indent=1) + "\n"


def parse_manifest(text: str | bytes, *, name: str = "manifest") -> Manifest:
    """Read and check a manifest.

    Raises:
        InputError: it is not one.
    """
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        raise InputError(f"{name} is not a model's manifest: {_first(error)}", tip="export the model again") from None


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a model's folder.

    Raises:
        InputError: there is none that can be read.
    """
    path = folder / "manifest.json"
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", tip="export the model again") from None
    return parse_manifest(text, name=str(path))


def load(path: Path = DEFAULT) -> dict[str, ZooModel]:
    """Read and check the catalog of the zoo.

    Raises:
        InputError: it is missing, not TOML, or has a wrong or unknown key.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"the models in {path} cannot be read: {error}") from None
    entries, usual = raw.pop("model", {}), raw.pop("tolerance", {})
    if raw or not isinstance(entries, dict) or not entries:
        raise InputError(f"{path}: unknown key {next(iter(raw), 'model')!r}", tip="every entry is a [model.NAME]")
    found = {}
    for name, told in entries.items():
        try:
            found[name] = ZooModel.model_validate({"tolerance": usual} | told)
        except (ValidationError, TypeError) as error:
            why = _first(error) if isinstance(error, ValidationError) else "it is no table"
            raise InputError(f"{path}: {name}: {why}") from None
    return found


def parse_names(texts: Sequence[str], known: Mapping[str, ZooModel], *, own: Collection[str] = ()) -> tuple[str, ...]:
    """Names of models, each once; where there are none, all of the zoo but the small ones.

    Args:
        own: names of the user's own models.

    Raises:
        InputError: there is no such model, or it is named twice.
    """
    for place, text in enumerate(texts):
        if text not in known and text not in own:
            there = [*known, *own]
            near = difflib.get_close_matches(text, there, n=1)
            raise InputError(
                f"there is no model {text[:80]!a}",
                tip=f"did you mean {near[0]}?" if near else f"there are: {', '.join(there)}",
            )
        if text in texts[:place]:
            raise InputError(f"the model {text} is named twice")
    return tuple(texts) or tuple(name for name, model in known.items() if not model.small)


def parse_shapes(texts: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """`name=1,3,224,224`: shapes of a model's inputs, by name.

    Raises:
        InputError: one is not written like that, or an input is named twice.
    """
    found: dict[str, tuple[int, ...]] = {}
    for text in texts:
        name, equals, sizes = text.rpartition("=")
        parts = sizes.split(",")
        if not equals or not name or len(parts) > _DIMENSIONS or not all(map(_is_size, parts)):
            raise InputError(f"the shape {text[:120]!a} is not one", tip="write for example --shape input=1,3,224,224")
        if name in found:
            raise InputError(f"the input {name[:80]!a} has two shapes")
        found[name] = tuple(map(int, parts))
    return found


def _is_size(text: str) -> bool:
    return re.fullmatch(r"[1-9][0-9]{0,9}", text, re.ASCII) is not None


def is_name(text: str) -> bool:
    """Whether a model can be called so."""
    return len(text) <= 80 and re.match(_NAME, text, re.ASCII) is not None and not text.endswith("\n")


def own_name(text: str) -> str:
    """What a user's own model is called, whose file has this name; the text itself where nothing is left of it."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower().removesuffix(".onnx")).strip("_")[:80].strip("_") or text


def name_of(path: Path, known: Mapping[str, ZooModel]) -> str:
    """What a user's own model is called: its file's name, in small letters, digits and underscores.

    Raises:
        InputError: nothing is left of it, or a model of the zoo has that name.
    """
    name = own_name(path.name)
    if not is_name(name):
        raise InputError(f"{path.name!a} has no letters to name the model by", tip="rename the file")
    if name in known:
        raise InputError(f"{name} is a model of the zoo", tip="rename the file")
    return name


def external_path(location: str, model: Path) -> Path:
    """Where external data of a model lie.

    Raises:
        InputError: outside of the model's folder, by its name or through a link, or not there.
    """
    parts = PurePosixPath(location).parts
    folder = model.resolve().parent
    place = (folder / location).resolve() if location.isprintable() else folder
    if not parts or location.startswith("/") or ".." in parts or not place.is_relative_to(folder):
        raise InputError(
            f"its external data leave its folder: {location[:120]!a}",
            tip="save the model with its data in one file: onnx.save(model, path, save_as_external_data=False)",
        )
    if not place.is_file():
        raise InputError(f"its external data are not there: {location[:120]!a}")
    return place


def tolerance_of(shares: Shares, largest: float) -> Tolerance:
    """Limits for outputs whose largest magnitude is `largest`."""

    def limit(share: float) -> Limit:
        return Limit(abs=float(f"{share * largest:.4g}"), rel=share)

    return Tolerance(strict_f32=limit(shares.strict_f32), vendor_default=limit(shares.vendor_default))


def usual_tolerance(known: Mapping[str, ZooModel]) -> Shares:
    """For a model that the catalog does not know: the widest that it has."""
    every = [model.tolerance for model in known.values()]
    return Shares(
        strict_f32=max(one.strict_f32 for one in every), vendor_default=max(one.vendor_default for one in every)
    )


def _first(error: ValidationError) -> str:
    first: Any = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
