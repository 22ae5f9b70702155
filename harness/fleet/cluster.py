"""Where Dask's workers are: a scheduler's, or a cluster of processes on this machine for as long as it is wanted."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.engines.choice import open_engine
from harness.errors import EnvironmentLacksError, InputError
from harness.fleet.task import DOCKER, GPU
from harness.packages.index import cache_folder

if TYPE_CHECKING:
    import distributed

CONNECT_SECONDS = 10


@dataclass(frozen=True)
class Tls:
    """What a machine proves itself with, and whom it believes: PEM files."""

    ca: Path
    """The authority that signed every certificate of the fleet."""
    certificate: Path
    key: Path

    def security(self, role: str) -> distributed.Security:
        """For Dask.

        Args:
            role: `client`, `worker` or `scheduler`.

        Raises:
            InputError: a file is missing.
        """
        import distributed

        for path in (self.ca, self.certificate, self.key):
            if not path.is_file():
                raise InputError(
                    f"there is no file {path}", tip="name the PEM files of --tls-ca, --tls-cert, --tls-key"
                )
        files = {"tls_ca_file": str(self.ca)}
        files |= {f"tls_{role}_cert": str(self.certificate), f"tls_{role}_key": str(self.key)}
        return distributed.Security(require_encryption=True, **files)


def here() -> frozenset[str]:
    """What this machine has of the things that tasks may need."""
    with open_engine(None, cache_folder(), lambda _: None) as (engine, _):
        return frozenset(
            name for name, is_there in ((DOCKER, engine.name == "docker"), (GPU, engine.has_gpu())) if is_there
        )


@contextmanager
def connect(address: str, tls: Tls | None) -> Iterator[distributed.Client]:
    """A client of a scheduler.

    Raises:
        EnvironmentLacksError: it does not answer, or not to this certificate; Dask is not installed.
        InputError: the address is none, or speaks TLS and no certificate is given.
    """
    distributed = _dask()
    if not address.startswith(("tcp://", "tls://")):
        raise InputError(f"{address!r} is no address of a scheduler", tip="write tcp://HOST:8786, or tls://HOST:8786")
    if address.startswith("tls://") and tls is None:
        raise InputError(f"{address} speaks TLS", tip="give --tls-ca, --tls-cert and --tls-key")
    if address.startswith("tcp://") and tls is not None:
        raise InputError(f"{address} does not speak TLS, and certificates are given", tip="write tls:// instead")
    try:
        client = distributed.Client(
            address, security=tls.security("client") if tls else None, timeout=CONNECT_SECONDS, set_as_default=False
        )
    except (OSError, TimeoutError) as error:
        raise EnvironmentLacksError(
            f"no scheduler answers at {address}: {error}", tip="start one: dask scheduler --no-dashboard"
        ) from error
    with client:
        yield client


@contextmanager
def embedded(workers: int, has: frozenset[str]) -> Iterator[distributed.Client]:
    """A client of a cluster of processes on this machine, which nobody else can speak to: with TLS, without dashboard.

    Raises:
        EnvironmentLacksError: Dask is not installed.
    """
    distributed = _dask()
    from harness.fleet.executors.dask import BUILDERS, resources

    with (
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=BUILDERS,
            processes=True,
            security=True,
            dashboard_address=None,
            worker_dashboard_address=None,
            resources=resources(has),
            memory_limit=0,  # of a worker, not of what it measures: that has its own limit
            silence_logs="CRITICAL",
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


def work_for(address: str, tls: Tls | None, name: str | None, has: frozenset[str]) -> None:
    """Be a worker of a scheduler until it says that it is enough, or SIGTERM.

    Raises:
        EnvironmentLacksError: it does not answer; Dask is not installed.
    """
    distributed = _dask()
    import asyncio

    from harness.fleet.executors.dask import BUILDERS, resources

    async def serve() -> None:
        worker = distributed.Nanny(
            address,
            nthreads=BUILDERS,
            name=name,
            resources=resources(has),
            security=tls.security("worker") if tls else None,
            memory_limit=0,
            dashboard=False,
            silence_logs=logging.WARNING,
        )
        async with worker:
            await worker.finished()

    try:
        asyncio.run(serve())
    except (OSError, TimeoutError) as error:
        raise EnvironmentLacksError(
            f"no scheduler answers at {address}: {error}", tip="start one: dask scheduler --no-dashboard"
        ) from error


def _dask() -> Any:
    try:
        import distributed
    except ModuleNotFoundError:
        raise EnvironmentLacksError(
            "Dask distributed is not installed",
            tip="pip install 'footprint-harness[fleet]', or choose --executor local",
        ) from None
    return distributed
