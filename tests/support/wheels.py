"""Tiny real wheels, made on the spot; the same arguments always give the same bytes. And malformed ones."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

MALFORMED_NAME = "malformed-1.0-py3-none-any.whl"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def build_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    files: Mapping[str, bytes] | None = None,
    *,
    requires: Sequence[str] = (),
    extras: Mapping[str, Sequence[str]] | None = None,
    tag: str = "py3-none-any",
    build: str = "",
    requires_python: str | None = None,
    scripts: Mapping[str, str] | None = None,
    top_level: Sequence[str] | None = None,
    tag_lines: str | None = None,
) -> Path:
    """Write a wheel that any installer takes.

    Args:
        files: path inside the wheel -> content; None: one empty import package called like the distribution.
        requires: requirements of everybody.
        extras: extra -> its requirements.
        tag: one or several tags, `py2.py3-none-any` for example.
        build: build number, with its leading digit.
        scripts: console scripts, name -> `module:function`.
        top_level: content of `top_level.txt`; None: no such file.
        tag_lines: what stands for the tags in `WHEEL`; None: those of the filename.
    """
    escaped = name.replace("-", "_")
    info = f"{escaped}-{version}.dist-info"
    content = dict(files) if files is not None else {f"{escaped.lower()}/__init__.py": b""}
    content[f"{info}/METADATA"] = _metadata(name, version, requires, extras or {}, requires_python).encode()
    content[f"{info}/WHEEL"] = _wheel(tag, build, tag_lines).encode()
    if scripts:
        lines = "".join(f"{script} = {target}\n" for script, target in scripts.items())
        content[f"{info}/entry_points.txt"] = f"[console_scripts]\n{lines}".encode()
    if top_level is not None:
        content[f"{info}/top_level.txt"] = "".join(f"{line}\n" for line in top_level).encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{'-'.join(filter(None, (escaped, version, build, tag)))}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        _put(archive, content.items())
        _put(archive, [(f"{info}/RECORD", record_of(content, f"{info}/RECORD"))])
    return path


def record_of(files: Mapping[str, bytes], record: str) -> bytes:
    """A RECORD of these files, with sha256 and size of each but its own."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        writer.writerow((path, f"sha256={digest}", len(data)))
    writer.writerow((record, "", ""))
    return out.getvalue().encode()


def wheel_with_path(folder: Path, path: str) -> Path:
    """A wheel that is in order but for one path, which may be anything that a zip file can hold."""
    return build_wheel(folder, "malformed", files={"malformed.py": b"", path: b"climbed\n"})


def wheel_with_path_twice(folder: Path) -> Path:
    path = build_wheel(folder, "malformed", files={"malformed.py": b""})
    return _append(path, "malformed.py", b"import os\n")


def wheel_with_two_records(folder: Path) -> Path:
    path = build_wheel(folder, "malformed")
    return _append(path, "other-1.0.dist-info/RECORD", b"")


def wheel_without_record(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / MALFORMED_NAME
    with zipfile.ZipFile(path, "w") as archive:
        _put(archive, [("malformed.py", b"")])
    return path


def bomb(folder: Path, mebibytes: int = 110) -> Path:
    """A wheel of zeros that unpacks to about a thousand times its size; written as a stream."""
    path = build_wheel(folder, "malformed")
    with zipfile.ZipFile(path, "a") as archive, archive.open(_entry("malformed/zeros"), "w") as sink:
        for _ in range(mebibytes):
            sink.write(bytes(2**20))
    return path


def _append(path: Path, name: str, data: bytes) -> Path:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # zipfile warns of duplicate names: that is the point
        with zipfile.ZipFile(path, "a") as archive:
            _put(archive, [(name, data)])
    return path


def _put(archive: zipfile.ZipFile, files: Iterable[tuple[str, bytes]]) -> None:
    for path, data in files:
        archive.writestr(_entry(path), data)


def _entry(path: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(path, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o100644 << 16
    return entry


def _metadata(
    name: str,
    version: str,
    requires: Sequence[str],
    extras: Mapping[str, Sequence[str]],
    requires_python: str | None,
) -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Python: {requires_python}"] if requires_python else []
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    for extra, requirements in extras.items():
        lines.append(f"Provides-Extra: {extra}")
        for requirement in requirements:
            wanted, _, marker = requirement.partition(";")
            joined = f'({marker.strip()}) and extra == "{extra}"' if marker else f'extra == "{extra}"'
            lines.append(f"Requires-Dist: {wanted.strip()}; {joined}")
    return "\n".join(lines) + "\n"


def _wheel(tag: str, build: str, tag_lines: str | None) -> str:
    pythons, abis, platforms = (part.split(".") for part in tag.split("-"))
    lines = ["Wheel-Version: 1.0", "Generator: tests", "Root-Is-Purelib: true"]
    lines += [f"Build: {build}"] if build else []
    tags = [f"Tag: {python}-{abi}-{platform}" for python in pythons for abi in abis for platform in platforms]
    lines += tags if tag_lines is None else [tag_lines]
    return "\n".join(lines) + "\n"
