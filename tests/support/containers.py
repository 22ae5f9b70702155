"""The container engine as the tests see it: what a run left there, and a wire to it that can be cut."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import docker

from harness.engines import images
from harness.engines.docker import LABEL, Images
from harness.job import Target


class Leftovers:
    """Containers and volumes with an owner's label."""

    def __init__(self, client: docker.DockerClient) -> None:
        self.client = client

    def containers(self, owner: str) -> list[str]:
        found = self.client.containers.list(all=True, filters={"label": f"{LABEL}={owner}"}, ignore_removed=True)
        return [container.id for container in found]

    def volumes(self, owner: str) -> list[str]:
        return [volume.name for volume in self.client.volumes.list(filters={"label": f"{LABEL}={owner}"})]

    def of(self, owner: str) -> list[str]:
        return self.containers(owner) + self.volumes(owner)

    @contextlib.contextmanager
    def volume_of(self, owner: str) -> Iterator[str]:
        """A volume that looks as if `owner` had made it."""
        volume = self.client.volumes.create(labels={LABEL: owner})
        try:
            yield volume.name
        finally:
            with contextlib.suppress(docker.errors.NotFound):
                volume.remove(force=True)

    @contextlib.contextmanager
    def container_with(self, volume: str) -> Iterator[None]:
        """Somebody else's container that has the volume mounted."""
        image, _ = images.ensure(Images(self.client), Target((3, 11)))
        container = self.client.containers.create(image, ["sleep", "60"], volumes={volume: {"bind": "/mnt"}})
        try:
            yield
        finally:
            container.remove(force=True)


@contextlib.contextmanager
def leftovers() -> Iterator[Leftovers]:
    client = docker.from_env()
    try:
        yield Leftovers(client)
    finally:
        client.close()


class Wire:
    """A unix socket in front of the engine's own; `cut` closes it, and everything that goes through it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="wire-")  # a socket's path is at most 107 characters long
        self._path = Path(self._folder.name) / "engine.sock"
        self._engine = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen(64)
        self._threads = [threading.Thread(target=self._accept)]

    @property
    def host(self) -> str:
        """What DOCKER_HOST takes."""
        return f"unix://{self._path}"

    def __enter__(self) -> Wire:
        self._threads[0].start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.cut()
        for thread in self._threads:
            thread.join(10)
        self._folder.cleanup()

    def cut(self) -> None:
        """As if the engine had been stopped. May be called twice."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._path.unlink(missing_ok=True)
        with self._lock:
            for end in self._open:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._engine)
            with self._lock:
                self._open |= {near, far}
            thread = threading.Thread(target=self._carry_both_ways, args=(near, far))
            self._threads.append(thread)
            thread.start()

    def _carry_both_ways(self, near: socket.socket, far: socket.socket) -> None:
        back = threading.Thread(target=_carry, args=(far, near))
        back.start()
        _carry(near, far)
        back.join()
        with self._lock:
            self._open -= {near, far}
        near.close()
        far.close()


def _carry(source: socket.socket, sink: socket.socket) -> None:
    """Until the source ends; then the sink is told so, and nothing more."""
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            sink.sendall(chunk)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
