"""Forecasts as the harness makes them, for tests that need some."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from harness.archive.store import identified
from harness.documents.forecast import Forecast, ForecastFigures, ForecastWheel

WHEN = datetime(2026, 11, 23, tzinfo=UTC)


def wheel(name: str, size: int = 10, unpacked: int = 30, version: str = "1") -> ForecastWheel:
    """One wheel, by what the index tells."""
    return ForecastWheel(
        name=name,
        version=version,
        filename=f"{name}-{version}-py3-none-any.whl",
        sha256="0" * 64,
        bytes=size,
        unpacked_bytes=unpacked,
        files=2,
        uploaded_at=WHEN,
    )


def forecast(wheels: Sequence[ForecastWheel] = (wheel("torch"),), **changed: Any) -> Forecast:
    """A forecast whose figures are the sums of its wheels, as every forecast's are."""
    framework, scope = changed.get("framework", "torch"), changed.get("scope", "closure")
    figures = ForecastFigures()
    if own := next((one for one in wheels if one.name == framework), None):
        figures = ForecastFigures(wheel_bytes=own.bytes, wheel_unpacked_bytes=own.unpacked_bytes, wheel_files=own.files)
    if own and scope == "closure":
        sums = {
            "download_bytes": sum(one.bytes for one in wheels),
            "unpacked_bytes": sum(one.unpacked_bytes for one in wheels),
            "files": sum(one.files for one in wheels),
            "distributions": len(wheels),
        }
        figures = figures.model_copy(update=sums)
    fields: dict[str, Any] = {
        "forecast_at": WHEN,
        "framework": "torch",
        "version": "2.3.0",
        "variant": "pypi",
        "python": "3.11",
        "platform": "linux_x86_64",
        "as_of": datetime(2024, 4, 26, tzinfo=UTC),
        "scope": scope,
        "status": "ok",
        "figures": figures,
        "wheels": tuple(wheels),
        "resolver": "uv 0.9" if scope == "closure" else None,
        "harness_version": "0.1.0",
    }
    return identified(Forecast(**fields | changed))


def unsupported(**changed: Any) -> Forecast:
    """A forecast that tells only why there is none."""
    return forecast((), status="unsupported", phase="lock", reason="no wheel", **changed)
