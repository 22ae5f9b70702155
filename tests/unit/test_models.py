"""Models: the zoo's catalog, names and shapes as they are typed, manifests, and where external data may lie."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness.catalogs import models
from harness.documents.inference import ModelFacts
from harness.errors import InputError
from harness.probes import zoo
from harness.stages import export

KNOWN = models.load()
SMALL = ("mobilenet_v2_small", "bert_tiny")
MANIFEST = {
    "name": "tiny",
    "sha256": "a" * 64,
    "bytes": 100,
    "opset": 18,
    "ir_version": 10,
    "parameters": 8,
    "nodes": 1,
    "operators": {"MatMul": 1},
    "other_types": [],
    "inputs": [{"name": "x", "dtype": "float32", "shape": [1, 4]}],
    "outputs": [{"name": "y", "dtype": "float32", "shape": [1, 2]}],
    "inputs_sha256": "b" * 64,
    "reference_sha256": "c" * 64,
    "exporter_lock_sha256": None,
    "exporter": {},
    "source": "file",
    "seed": None,
    "tolerance": {"strict-f32": {"abs": 1e-4, "rel": 1e-4}, "vendor-default": {"abs": 0.1, "rel": 0.1}},
    "requested_opset": None,
    "recipe_sha256": "d" * 64,
    "output_std": 1.0,
    "check_error": 0.0,
}


def test_a_model_of_ones_own_is_meant_by_its_files_name_too() -> None:
    assert [models.own_name(text) for text in ("my-model.onnx", "My Model", "my_model")] == ["my_model"] * 3
    assert models.own_name("--") == "--"


def test_every_model_of_the_catalog_can_be_built() -> None:
    assert list(KNOWN) == list(zoo.MODELS)
    assert tuple(name for name, model in KNOWN.items() if model.small) == SMALL


def test_no_name_stands_for_all_but_the_small_ones() -> None:
    assert set(models.parse_names([], KNOWN)) == KNOWN.keys() - set(SMALL)
    assert models.parse_names(["bert_tiny", "mine"], KNOWN, own=["mine"]) == ("bert_tiny", "mine")


@pytest.mark.parametrize(
    "names", [["mobilnet_v2"], [""], ["bert_tiny", "bert_tiny"], ["../bert_tiny"], ["bert_tiny\n"], ["Bert_tiny"]]
)
def test_other_names_are_refused(names: list[str]) -> None:
    with pytest.raises(InputError):
        models.parse_names(names, KNOWN)


def test_a_name_that_is_nearly_right_is_guessed() -> None:
    with pytest.raises(InputError) as error:
        models.parse_names(["resnet50"], KNOWN)
    assert error.value.tip == "did you mean resnet_50?"


def test_strict_tolerance_tells_f32_from_lower_precision() -> None:
    for model in KNOWN.values():
        assert 1e-5 <= model.tolerance.strict_f32 < 2**-11  # TF32 rounds to 11 bits
        assert model.tolerance.vendor_default > 2**-8  # bf16 to 8


def test_absolute_tolerance_is_in_units_of_the_output() -> None:
    shares = KNOWN["bert_tiny"].tolerance
    found = models.tolerance_of(shares, 200.0)
    assert found.strict_f32.abs == pytest.approx(200 * shares.strict_f32)
    assert found.strict_f32.rel == shares.strict_f32


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[model.x]\nabout = 'no tolerance'",
        "[tolerance]\nstrict-f32 = 2\nvendor-default = 0.1\n[model.x]",
        "[tolerance]\nstrict-f32 = 1e-4\nvendor-default = 0.1\n[model.x]\ncolour = 'blue'",
        "[models.x]",
        "[tolerance]\nmodel = 1",
        "not TOML",
        "[model]\nx = 1",
    ],
)
def test_a_catalog_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(str(path))):
        models.load(path)


def test_shapes_are_read() -> None:
    assert models.parse_shapes(["x=1,3,224,224", "a=b=7"]) == {"x": (1, 3, 224, 224), "a=b": (7,)}


@pytest.mark.parametrize(
    "text",
    ["", "x", "x=", "=1", "x=0", "x=-1", "x=1,", "x=1.5", "x=1 2", "x=\u0661", "x=99999999999", f"x={'1,' * 16}1"],
)
def test_other_shapes_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        models.parse_shapes([text])


def test_two_shapes_of_one_input_are_refused() -> None:
    with pytest.raises(InputError):
        models.parse_shapes(["x=1", "x=2"])


@pytest.mark.parametrize(
    ("file", "name"), [("My Model-v2.onnx", "my_model_v2"), ("net", "net"), ("a.b.ONNX", "a_b"), ("__x__.onnx", "x")]
)
def test_a_model_of_ones_own_is_named_by_its_file(file: str, name: str) -> None:
    assert models.name_of(Path("/somewhere") / file, KNOWN) == name


@pytest.mark.parametrize("file", ["\u043c\u043e\u0434\u0435\u043b\u044c.onnx", ".onnx", "resnet-50.onnx"])
def test_a_file_without_a_name_of_its_own_is_refused(file: str) -> None:
    with pytest.raises(InputError):
        models.name_of(Path(file), KNOWN)


def test_a_manifest_survives_its_file() -> None:
    manifest = models.Manifest.model_validate(MANIFEST)
    assert models.parse_manifest(manifest.to_json()) == manifest
    assert manifest.folder == "tiny-opset18-aaaaaaaaaaaa"
    facts = export.files_of(manifest, Path("there")).facts
    assert isinstance(facts, ModelFacts) and facts.sha256 == manifest.sha256 and facts.opset == 18


@pytest.mark.parametrize(
    "change", [{"name": "../x"}, {"sha256": "no"}, {"bytes": -1}, {"source": "hub"}, {"extra": 1}, {"output_std": -1}]
)
def test_a_manifest_that_is_none_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(InputError):
        models.parse_manifest(json.dumps(MANIFEST | change))


def test_external_data_in_the_folder_are_found(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "w.bin").write_bytes(b"1")
    found = models.external_path("weights/w.bin", tmp_path / "model.onnx")
    assert found == (tmp_path / "weights" / "w.bin").resolve()


@pytest.mark.parametrize(
    "location", ["", "/etc/passwd", "../outside", "inside/../../outside", "link", "folder-link/outside", "gone", "a\0b"]
)
def test_external_data_elsewhere_are_refused(location: str, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"1")
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "folder-link").symlink_to(tmp_path)
    with pytest.raises(InputError):
        models.external_path(location, folder / "model.onnx")


@pytest.mark.parametrize("kit", ["exporter", "checker"])
def test_pins_are_exact(kit: export.Kit) -> None:
    pins = export.pins(kit)
    assert all(request.version is not None for request in pins)
    # torch alone may be one of several builds of its version
    assert {request.name for request, hashes in pins.items() if not hashes} == (
        {"torch"} if kit == "exporter" else set()
    )
    assert export.as_of(kit).tzinfo is not None


def test_both_kits_have_the_same_versions() -> None:
    assert export.pins("checker").items() <= export.pins("exporter").items()
