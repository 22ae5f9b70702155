"""Releases as a package index tells of them over the years: for what draws, shows and chooses among them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from harness.documents.forecast import Forecast, ForecastFigures
from tests.support.forecasts import forecast

FORECAST_AT = datetime(2026, 11, 23, 18, tzinfo=UTC)
SIZES = {"wheel_bytes": 2_000_000, "wheel_unpacked_bytes": 5_000_000}
SIZES_OF_ALL = {"download_bytes": 3_000_000, "unpacked_bytes": 9_000_000}


def release(framework: str, version: str, uploaded_at: datetime | None, **changed: Any) -> Forecast:
    """A closure as of the end of the day of upload; of `scope` wheel, only that. A mapping will do for `figures`."""
    day = (uploaded_at or FORECAST_AT).replace(hour=0, minute=0, second=0, microsecond=0)
    alone = changed.get("scope") == "wheel"
    fields: dict[str, Any] = {
        "forecast_at": FORECAST_AT,
        "framework": framework,
        "version": version,
        "uploaded_at": uploaded_at,
        "as_of": day + timedelta(days=1),
        "figures": SIZES if alone else SIZES | SIZES_OF_ALL,
    }
    if changed.get("status", "ok") != "ok":
        fields |= {"phase": "lock", "reason": "no lock", "figures": {}}
    fields |= changed
    return forecast((), **fields | {"figures": ForecastFigures(**fields["figures"])})


def sized(megabytes: float, *, scope: str = "closure") -> dict[str, int]:
    """Figures of a release that weighs so much unpacked, with whatever else is weighed in proportion."""
    whole = int(megabytes * 1e6)
    own = {"wheel_bytes": whole // 7, "wheel_unpacked_bytes": whole // 3}
    return own if scope == "wheel" else own | {"download_bytes": whole // 2, "unpacked_bytes": whole}


def history(
    framework: str, releases: int, *, first: float = 500, step: float = 10, every: float = 45, **changed: Any
) -> list[Forecast]:
    """As many releases as wanted, 1.0.0, 1.1.0, ..., one each `every` days up to the day before they were forecast."""
    start = FORECAST_AT - timedelta(days=1 + every * (releases - 1))
    scope = changed.get("scope", "closure")
    return [
        release(
            framework,
            f"1.{number}.0",
            start + timedelta(days=every * number),
            **{"figures": sized(first + step * number, scope=scope)} | changed,
        )
        for number in range(releases)
    ]
