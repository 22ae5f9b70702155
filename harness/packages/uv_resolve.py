"""Resolve for any target with uv, which needs neither the target's interpreter nor its machine.

What is measured is resolved by pip inside of the target (`resolve`); what is forecast is resolved here.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from packaging.pylock import Package, Pylock, PylockValidationError
from packaging.utils import parse_wheel_filename

from harness.engines import process
from harness.errors import IndexUnavailableError, MeasurementError, SkippedError, UnsupportedError
from harness.job import Request, Target, iso_instant
from harness.packages.index import File, Index, environment_for_tools
from harness.packages.platforms import PLATFORMS, choose, tags
from harness.packages.tools import Tools
from harness.packages.wheel import is_sha256, is_wheel_filename

RESOLVE_SECONDS = 300.0
OUTPUT_BYTES = 16 * 2**20
_NO_WHEEL = re.compile(r"no (usable )?wheels|no wheels with a matching|only has (source|wheels)")
_UNREACHED = re.compile(r"Failed to fetch|error sending request|Request failed|tcp connect|Connection reset")
_NOT_CARRIED = re.compile(r"Because (?:(\S+) was not found in the provided|there is no version of (\S+))")
_URL = re.compile(r"https?://\S+")


def resolve(
    requests: Sequence[Request],
    target: Target,
    as_of: datetime,
    *,
    index: Index | None,
    tools: Tools,
    cache: Path,
    work: Path,
    python: str | None = None,
    beside: Sequence[Path] = (),
) -> tuple[File, ...]:
    """The wheels of requests on a target as of an instant, by name: what an installer would choose for all together.

    Args:
        index: None: only wheels of `beside` may be chosen.
        cache: where uv keeps what it has read of the index.
        work: for what is unfinished.
        python: full version of the target's interpreter; default: its latest patch release.
        beside: wheels on disk that may be chosen too, whatever the date: no index tells when they were uploaded.

    Raises:
        SkippedError: without an index, something that is needed is not among the wheels on disk.
        UnsupportedError: no wheel fits the target.
        MeasurementError: the requirements conflict, or uv failed otherwise.
        IndexUnavailableError: the index failed underneath it.
    """
    platform = PLATFORMS[target.platform]
    where, environment = ["--no-index", "--offline"], dict[str, str]()
    if index is not None:
        reach = index.reach
        where = ["--default-index", reach.index_url] if reach.index_url else []
        environment = environment_for_tools(reach, str(reach.ca_bundle) if reach.ca_bundle else None)
    with tempfile.TemporaryDirectory(prefix="uv-", dir=work) as folder:
        wanted = Path(folder, "requirements.in")
        wanted.write_text("".join(f"{request}\n" for request in requests))
        # uv is shown these wheels and no others, since it would choose any that lies in the same folder
        shown = Path(folder, "beside")
        shown.mkdir()
        for path in beside:
            (shown / path.name).symlink_to(path)
        done = process.run(
            [
                *(str(tools.uv), "pip", "compile", str(wanted), "--format", "pylock.toml", "--no-header", "--quiet"),
                *("--python-version", python or f"{target.python_version}.99", "--python-platform", platform.uv),
                *(
                    "--python",
                    sys.executable,
                    "--only-binary",
                    ":all:",
                    "--exclude-newer",
                    iso_instant(as_of),
                    "--no-python-downloads",
                ),
                *("--no-config", "--cache-dir", str(cache / "uv"), "--color", "never"),
                *where,
                *(("--find-links", str(shown)) if beside else ()),
            ],
            environment={**environment, **dict(platform.environment), "PATH": os.defpath, "HOME": folder},
            seconds=RESOLVE_SECONDS,
            output_bytes=OUTPUT_BYTES,
        )
    if done.timed_out:
        raise MeasurementError(f"timeout: uv was still resolving after {RESOLVE_SECONDS:.0f} s")
    if done.exit_status != 0:
        raise _explain(done.stderr.decode("utf-8", "replace"), offline=index is None)
    return _read(done.stdout.decode("utf-8", "replace"), tags(target), {path.name: path for path in beside})


def _read(text: str, tags: Sequence[str], beside: Mapping[str, Path]) -> tuple[File, ...]:
    """The one wheel of each package that the target takes."""
    try:
        packages = Pylock.from_dict(tomllib.loads(text)).packages
        return tuple(_wheel(package, tags, beside) for package in sorted(packages, key=lambda one: one.name))
    except (tomllib.TOMLDecodeError, PylockValidationError, ValueError) as error:
        raise MeasurementError(f"what uv wrote is not a lock: {error}") from error


def _wheel(package: Package, tags: Sequence[str], beside: Mapping[str, Path]) -> File:
    files = []
    for wheel in package.wheels or ():
        name, sha256 = wheel.filename, wheel.hashes.get("sha256", "")
        if not wheel.url or not is_wheel_filename(name):
            continue
        size, local = wheel.size, wheel.url.startswith("file:")
        if local and name in beside:
            size = beside[name].stat().st_size
        if (wheel.upload_time is None and not local) or size is None or not is_sha256(sha256):
            raise MeasurementError(f"the index tells no sha256, no size or no upload time for {name}")
        files.append(
            File(
                filename=name,
                version=parse_wheel_filename(name)[1],
                url=wheel.url,
                sha256=sha256,
                size=size,
                upload_time=wheel.upload_time,
                yanked=False,  # uv takes no yanked file but the one that was asked for, whose page is known
                requires_python=None,
            )
        )
    # what lies on disk is there on purpose
    file = choose([file for file in files if file.url.startswith("file:")], tags) or choose(files, tags)
    if file is None:
        raise UnsupportedError(f"no wheel of {package.name}=={package.version} fits")
    return file


def _explain(output: str, *, offline: bool) -> Exception:
    """What uv's failure was; its words, without any address."""
    lines = [_URL.sub("(the index)", line.strip()) for line in output.splitlines() if line.strip()]
    told = next((line.removeprefix("cause: ") for line in lines if line.startswith("cause: Because")), "")
    if _UNREACHED.search(output):
        return IndexUnavailableError("the index cannot be reached by uv", tip="check the network or --index-url")
    if offline and (match := _NOT_CARRIED.search(told)):
        what = match[1] or match[2]
        return SkippedError(f"{what} is not among the carried wheels", tip="carry it too, or go without --offline")
    if told:
        brief = re.split(r",? we can conclude| and only the following versions", told)[0].removeprefix("Because ")
        brief = re.sub(r"\{[^}]*\}", "", brief)  # markers, which the target has decided
        if _NO_WHEEL.search(told):
            return UnsupportedError(f"no wheel: {brief}"[:500])
        return MeasurementError(f"dependency conflict: {brief}"[:500])
    return MeasurementError(f"uv failed: {(lines or ['no message'])[0]}"[:500])
