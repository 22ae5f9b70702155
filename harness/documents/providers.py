"""The provider report: what a runtime's wheel offers, what could be created on a machine, and what really ran a node.

One immutable JSON document for each runtime and version on a machine; a row of the table for each provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import AwareDatetime, Field, model_validator

from harness.documents.base import Count, Document, Environment, Model

METHOD = 1
"""Method version; raised when what counts as offered, created or run changes."""


class ProviderLine(Model):
    """One execution provider; of runtimes without providers one device."""

    provider: str
    """Execution provider, as the runtime names it; of runtimes without providers their device."""
    device: str = ""
    """The devices that the runtime tells of for it, by type and name; empty where it tells of none."""
    offered: bool | None = None
    """Whether the runtime lists it; null where the runtime could not be asked."""
    created: bool | None = None
    """Whether a session with it could be created on this machine; null where that was not tried."""
    ran_nodes: Count | None = None
    """How many nodes of a tiny model it ran; null where that was not tried, or cannot be told."""
    reason: str | None = None
    """Why it is not shown to run a node; null where it is."""

    @model_validator(mode="after")
    def _tells_why(self) -> ProviderLine:
        """Only what ran a node needs no reason."""
        if bool(self.ran_nodes) == bool(self.reason):
            raise ValueError("a provider that ran no node says why, and only such a one")
        return self


class ProviderReport(Document):
    schema_version: Literal[1] = 1
    record_id: str
    """Names the report for ever: what was asked, when, and a random suffix."""
    stage: Literal["providers"] = "providers"
    measured_at: AwareDatetime
    """When the runtime was asked, UTC."""
    runtime: str
    """From the catalog of runtimes: `onnxruntime`, `openvino`, ..."""
    distribution: str
    """The distribution whose providers they are, canonical."""
    version: str
    """Version of that distribution; empty where nothing was locked."""
    python: str
    """CPython version that wheels were chosen for, such as `3.11`."""
    platform: str
    """Platform that wheels were chosen for, such as `linux_x86_64`."""
    as_of: AwareDatetime
    """The first instant whose uploads no longer count."""
    engine: str
    """Where the code ran: `docker` or `venv`."""
    providers: tuple[ProviderLine, ...] = Field(min_length=1)
    """In the runtime's order; one line also where it could not be asked."""
    warnings: tuple[str, ...] = ()
    lock_sha256: str | None = None
    """sha256 of the lock that was installed; null where resolving did not end."""
    gpu: dict[str, str] = Field(default_factory=dict)
    """Name, driver and memory of the device; empty without one."""
    environment: Environment
    method_version: int = Field(default=METHOD, ge=1)
    """Method version of the report; those of different versions must not be compared."""


def lines_of(found: Mapping[str, Any]) -> tuple[ProviderLine, ...]:
    """What the probe's document says of each provider: those that were tried first, in its order.

    Args:
        found: with `offered`, `devices` and `tried`, as `probes/providers.py` prints them.
    """
    tried = {one["provider"]: one for one in found["tried"]}
    devices: dict[str, list[str]] = {}
    for one in found["devices"]:
        devices.setdefault(one["ep"], []).append(" ".join(filter(None, (one["type"], one["name"]))))
    return tuple(
        _line(name, name in found["offered"], ", ".join(devices.get(name, ())), tried.get(name))
        for name in dict.fromkeys((*tried, *found["offered"], *devices))
    )


def _line(name: str, offered: bool, device: str, tried: Mapping[str, Any] | None) -> ProviderLine:
    if tried is None:
        return ProviderLine(provider=name, device=device, offered=offered, reason="not tried")
    created, ran = bool(tried["created"]), tried["ran_nodes"]
    reason = None if ran else tried["reason"] or ("it ran no node" if created else "it could not be created")
    return ProviderLine(
        provider=name,
        device=device,
        offered=offered,
        created=created,
        ran_nodes=ran if created else None,
        reason=reason,
    )
