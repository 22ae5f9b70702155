"""Which base image serves: what is there, then a registry, then Debian packages; else what would help."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.engines import images
from harness.errors import EnvironmentLacksError
from harness.job import Target
from tests.support.refusal import refused


class Unreachable:
    """An engine without images, in front of a registry that does not answer."""

    def __init__(self, *there: str) -> None:
        self.there = there
        self.pulled: list[str] = []

    def has(self, reference: str) -> bool:
        return reference in self.there

    def pull(self, reference: str) -> None:
        self.pulled.append(reference)
        raise EnvironmentLacksError(f"{reference} cannot be pulled (no route)")

    def load(self, archive: Path, repository: str, tag: str) -> None:
        raise AssertionError("nothing was built")


def test_what_is_there_serves_and_no_registry_is_asked() -> None:
    for source in ("registry", "debian"):
        base = images.bases()["3.11"]
        reference = base.registry if source == "registry" else base.debian_tag
        store = Unreachable(reference)
        assert images.ensure(store, Target((3, 11))) == (reference, source)
        assert store.pulled == []


def test_a_python_that_debian_lacks_names_the_registry_and_the_pythons_there_are() -> None:
    store = Unreachable()
    error = refused(EnvironmentLacksError, images.ensure, store, Target((3, 12)))
    assert store.pulled == [images.bases()["3.12"].registry]
    assert "cannot be pulled (no route)" in error.message
    assert "docker pull python:3.12" in error.tip and "3.9, 3.11 or 3.13" in error.tip


def test_without_registry_and_mmdebstrap_both_commands_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    error = refused(EnvironmentLacksError, images.ensure, Unreachable(), Target((3, 11)))
    assert "docker pull python:3.11" in error.tip and "apt-get install mmdebstrap" in error.tip


def test_a_base_with_a_compiler_is_another_image_from_either_source() -> None:
    plain = images.bases()["3.11"]
    base = plain.with_compiler()
    assert base.registry != plain.registry and base.debian_tag != plain.debian_tag
    for reference, source in ((base.registry, "registry"), (base.debian_tag, "debian")):
        store = Unreachable(reference, plain.registry, plain.debian_tag)
        assert images.ensure(store, Target((3, 11)), compiler=True) == (reference, source)


def test_every_python_has_a_base_with_a_compiler() -> None:
    for version, base in images.bases().items():
        assert base.with_compiler().registry.startswith(f"python:{version}-") and "slim" not in base.registry_compiler
