"""Containers, through the docker SDK: any engine behind the Docker API. The only module that imports it.

A sandbox is a volume; every run is a container of its own around it, hardened as DESIGN.md says.
`containers.run()` of the SDK leaks a container when waiting fails, so each is created, attached,
started, waited for against a monotonic deadline and removed here.
"""

from __future__ import annotations

import io
import re
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import DeviceRequest, Mount, Ulimit

from harness.engines import images
from harness.engines.fetched import CHUNK_BYTES, FETCH_BYTES, below, landing, missing
from harness.engines.owner import Owner, Owners
from harness.engines.sandbox import OUTPUT_BYTES, PYTHON, ROOT_CHARS, EngineFacts, Limits, Network, Outcome
from harness.errors import EngineLostError, EnvironmentLacksError, SkippedError
from harness.job import DEFAULT_PYTHON, Python, Target

LABEL = "footprint-harness.owner"
USER = 65534  # nobody: in the passwd file of every Debian image, and old torch asks for its entry
VOLUME_AT = "/mnt/fh-sandbox0"
ROOT = VOLUME_AT + "/s"
assert len(ROOT) == ROOT_CHARS
GPU_VARIABLES = {"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}
"""What the NVIDIA runtime brings in: the driver's libraries for CUDA and NVML, no more."""
_LOST = (
    requests.exceptions.ConnectionError,
    requests.exceptions.ReadTimeout,
    requests.exceptions.ChunkedEncodingError,
    ConnectionError,
)


@contextmanager
def _engine_errors() -> Iterator[None]:
    """What the SDK raises when the engine goes away, as this program's own error."""
    try:
        yield
    except _LOST as error:
        raise EngineLostError(
            f"the container engine stopped answering ({type(error).__name__})", tip="start it, then run the same again"
        ) from error
    except APIError as error:
        raise EnvironmentLacksError(f"the container engine failed: {error.explanation}") from error


def _remove(thing: Any, owner: Owner) -> None:
    """Remove a container or a volume, or leave it to the next start."""
    try:
        thing.remove(force=True)
    except NotFound:
        return
    except (APIError, *_LOST):
        owner.abandoned = True


def connect(timeout: float = 60.0) -> docker.DockerClient | None:
    """A client, where a Docker API answers at DOCKER_HOST or the usual socket; else None."""
    try:
        client = docker.from_env(timeout=5)
        client.ping()
        client.api.timeout = timeout
    except (DockerException, *_LOST):
        return None
    return client


class DockerEngine:
    name = "docker"

    def __init__(
        self,
        client: docker.DockerClient,
        owner: Owner,
        say: Callable[[str], None] = lambda _: None,
        *,
        compiler: bool = False,
    ) -> None:
        self.client = client
        self.owner = owner
        self.say = say
        self.compiler = compiler
        self._bases: dict[Target, tuple[str, images.Source]] = {}

    def _base(self, target: Target) -> tuple[str, images.Source]:
        if target not in self._bases:
            machine = {"x86_64": "linux_x86_64", "aarch64": "linux_aarch64"}.get(self.client.info()["Architecture"])
            if machine != target.platform:
                raise EnvironmentLacksError(
                    f"the container engine runs {machine}; it cannot measure {target.platform}",
                    tip="point DOCKER_HOST to an engine of that kind",
                )
            self._bases[target] = images.ensure(Images(self.client), target, compiler=self.compiler, say=self.say)
        return self._bases[target]

    def facts(self, target: Target) -> EngineFacts:
        with _engine_errors():
            reference, source = self._base(target)
            info, version = self.client.info(), self.client.version()
            image = self.client.images.get(reference).attrs
        layers = tuple(image["RootFS"]["Layers"])
        digests = image.get("RepoDigests") or []
        if source == "registry" and not digests:
            source = "local"  # built or loaded here under a registry's name: no registry vouches for it
        digest = digests[0].split("@")[1] if source == "registry" else layers[-1]
        snapshotter = any("containerd" in str(value) for _, value in info.get("DriverStatus") or [])
        absent = {}
        if snapshotter:  # its sizes mean something else: https://github.com/moby/moby/issues/53398
            absent["image_bytes"] = "the containerd image store counts compressed bytes too"
        components = version.get("Components") or [{}]
        return EngineFacts(
            engine_version=f"{components[0].get('Name', 'Engine')} {version['Version']} (API {version['ApiVersion']})",
            image=reference,
            image_digest=digest,
            image_source=source,
            image_layers=layers,
            image_base_bytes=None if snapshotter else int(image["Size"]),
            storage_driver=info["Driver"] + (" (containerd)" if snapshotter else ""),
            cgroup_version=str(info.get("CgroupVersion", "")) or None,
            network_isolated=True,
            absent=absent,
        )

    def usual_pythons(self) -> tuple[Python, ...]:
        return (DEFAULT_PYTHON,)

    def has_gpu(self) -> bool:
        """Whether the engine knows the NVIDIA runtime, by its configuration or by CDI."""
        with _engine_errors():
            info = self.client.info()
        devices = [str(device.get("ID", "")) for device in info.get("DiscoveredDevices") or []]
        return "nvidia" in (info.get("Runtimes") or {}) or any(one.startswith("nvidia.com/gpu") for one in devices)

    def stop_orphans(self) -> None:
        with _engine_errors():
            for container in self.client.containers.list(filters={"label": LABEL}, ignore_removed=True):
                if self.owner.owners.is_dead(container.labels.get(LABEL, "")):
                    with suppress(NotFound, APIError):
                        container.remove(force=True)

    def with_compiler(self) -> DockerEngine:
        return DockerEngine(self.client, self.owner, self.say, compiler=True)

    @contextmanager
    def open(self, target: Target, *, keep: bool = False) -> Iterator[DockerSandbox]:
        with _engine_errors():
            reference, _ = self._base(target)
            volume = self.client.volumes.create(labels={LABEL: self.owner.name})
        try:
            yield DockerSandbox(self.client, reference, volume.name, self.owner)
        finally:
            if keep:
                self.say(f"kept volume {volume.name}")
            else:
                _remove(volume, self.owner)

    def reap(self, owners: Owners) -> tuple[int, set[str]]:
        """Remove the containers and volumes of dead owners; returns how many, and whose would not go."""
        reaped, stuck = 0, set()
        with _engine_errors():
            found = [
                (container, container.labels.get(LABEL, ""))
                for container in self.client.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True)
            ]
            found += [
                (volume, (volume.attrs.get("Labels") or {}).get(LABEL, ""))
                for volume in self.client.volumes.list(filters={"label": LABEL})
            ]
            for thing, owner in found:
                if owners.is_dead(owner):
                    try:
                        thing.remove(force=True)
                        reaped += 1
                    except NotFound:
                        pass
                    except APIError as error:  # in use elsewhere: no reason not to measure
                        stuck.add(owner)
                        self.say(f"a leftover could not be removed: {error.explanation}")
        return reaped, stuck


class DockerSandbox:
    root = ROOT

    def __init__(self, client: docker.DockerClient, image: str, volume: str, owner: Owner) -> None:
        self._client = client
        self._image = image
        self._volume = volume
        self._owner = owner
        self._exposed: dict[str, Path] = {}
        self._prepared = False

    def expose(self, source: Path, name: str) -> str:
        self._exposed[name] = source.resolve()
        return f"/mnt/{name}"

    def withdraw(self, name: str) -> None:
        self._exposed.pop(name, None)

    def run(
        self,
        argv: Sequence[str],
        *,
        limits: Limits,
        environment: Mapping[str, str] | None = None,
        network: Network = "none",
        writable: bool = False,
    ) -> Outcome:
        started = time.monotonic()
        with _engine_errors():
            container = self._create(argv, limits, environment or {}, network, writable)
            try:
                if not self._prepared:
                    container.put_archive(VOLUME_AT, _owned_folder("s"))
                    self._prepared = True
                return self._wait(container, limits, started)
            finally:
                _remove(container, self._owner)

    def _create(
        self, argv: Sequence[str], limits: Limits, environment: Mapping[str, str], network: Network, writable: bool
    ) -> Any:
        # the archive that makes the root can only be put through a mount that is writable
        read_only = not writable and self._prepared
        mounts = [Mount(VOLUME_AT, self._volume, type="volume", read_only=read_only)]
        mounts += [
            Mount(f"/mnt/{name}", str(path), type="bind", read_only=True) for name, path in self._exposed.items()
        ]
        try:
            return self._client.containers.create(
                self._image,
                ["python3" if word == PYTHON else word for word in argv],
                user=f"{USER}:{USER}",
                read_only=True,
                network_mode={"none": "none", "open": "bridge", "host": "host"}[network],
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
                mounts=mounts,
                tmpfs={"/tmp": "exec,mode=1777,size=4g"},  # noqa: S108 - docker's own default is noexec
                working_dir="/tmp",  # noqa: S108
                environment={
                    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    "LANG": "C.UTF-8",
                    "HOME": "/tmp",  # noqa: S108
                    **(GPU_VARIABLES if limits.gpu else {}),
                    **environment,
                },
                # no key at all where nothing is asked: an engine need not know of it
                **({"cpuset_cpus": ",".join(map(str, limits.cpus))} if limits.cpus is not None else {}),
                **({"device_requests": [DeviceRequest(count=-1, capabilities=[["gpu"]])]} if limits.gpu else {}),
                mem_limit=limits.memory_bytes,
                memswap_limit=limits.memory_bytes,
                pids_limit=limits.processes,
                ulimits=[Ulimit(name="core", soft=0, hard=0)],
                log_config={"Type": "none"},  # what measured code prints fills no disk
                labels={LABEL: self._owner.name},
                init=True,  # reaps what measured code leaves behind, and forwards signals
            )
        except ImageNotFound as error:
            raise EnvironmentLacksError(f"{self._image} vanished from the engine", tip="run make images") from error
        except APIError as error:
            raise EnvironmentLacksError(f"the container engine refused a container: {error.explanation}") from error

    def _wait(self, container: Any, limits: Limits, started: float) -> Outcome:
        kept = (bytearray(), bytearray())
        truncated = threading.Event()

        def read(stream: Any) -> None:
            with suppress(Exception):  # a broken stream is an engine that went away: told by the inspection below
                for pair in stream:
                    for buffer, chunk in zip(kept, pair, strict=True):
                        if chunk:
                            room = OUTPUT_BYTES - len(buffer)
                            buffer += chunk[:room]
                            if len(chunk) > room:
                                truncated.set()

        stream = container.attach(stream=True, stdout=True, stderr=True, demux=True)
        reader = threading.Thread(target=read, args=(stream,), daemon=True)
        _start(container, limits)
        reader.start()
        reader.join(max(0.0, limits.seconds - (time.monotonic() - started)))
        timed_out = reader.is_alive()
        if timed_out:
            with suppress(APIError):
                container.kill()
            reader.join(10)
        status = int(container.wait(timeout=30)["StatusCode"])
        container.reload()
        oom = bool(container.attrs["State"].get("OOMKilled")) and status == 137
        return Outcome(
            ended="timeout" if timed_out else "oom" if oom else "exited",
            exit_status=status,
            stdout=bytes(kept[0]),
            stderr=bytes(kept[1]),
            truncated=truncated.is_set(),
            seconds=time.monotonic() - started,
        )

    def fetch(self, path: str, to: Path, *, most_bytes: int = FETCH_BYTES) -> None:
        below(self.root, path)
        with _engine_errors():
            # nothing is shown to it but the volume: a link among the folders leads no further than the base image
            container = self._client.containers.create(
                self._image,
                ["true"],
                network_mode="none",
                mounts=[Mount(VOLUME_AT, self._volume, type="volume", read_only=True)],
                labels={LABEL: self._owner.name},
            )
            try:
                with (
                    self._archive(container, path) as source,
                    tarfile.open(fileobj=source, mode="r|", bufsize=CHUNK_BYTES) as archive,
                    landing(to, most_bytes) as place,
                ):
                    for entry in archive:
                        parts = entry.name.rstrip("/").split("/")
                        if entry.isdir():
                            place.folder(parts)
                        elif entry.isreg() and (content := archive.extractfile(entry)) is not None:
                            place.file(parts, entry.size, content)
                        else:
                            raise place.refuse(parts)
            except tarfile.TarError as error:
                raise EngineLostError(f"the container engine broke off: {error}", tip="run the same again") from error
            finally:
                _remove(container, self._owner)

    @contextmanager
    def _archive(self, container: Any, path: str) -> Iterator[IO[bytes]]:
        """A path of a container as a tar file to read from.

        By hand, since the SDK's `get_archive` gives no way to stop: the engine would go on sending, and could not
        remove the container until it is through.
        """
        api = self._client.api
        address = f"{api.base_url}/v{api.api_version}/containers/{container.id}/archive"
        plain = {"Accept-Encoding": "identity"}
        with api.get(address, params={"path": path}, headers=plain, stream=True, timeout=api.timeout) as answer:
            if answer.status_code == 404:
                raise missing(path)
            if not answer.ok:
                raise EnvironmentLacksError(f"the container engine failed: HTTP {answer.status_code}")
            yield answer.raw


def _start(container: Any, limits: Limits) -> None:
    """Start a container.

    Raises:
        SkippedError: it was to have a GPU, and the engine can give none.
    """
    try:
        container.start()
    except APIError as error:
        if limits.gpu and re.search(r"device driver|nvidia|cdi", str(error.explanation), re.IGNORECASE):
            raise SkippedError(
                f"no GPU: the container engine can give none ({error.explanation})",
                tip="install the NVIDIA Container Toolkit, and register its runtime with the engine",
            ) from error
        raise


class Images:
    """The engine's images, as `images.py` needs them."""

    def __init__(self, client: docker.DockerClient) -> None:
        self.client = client

    def has(self, reference: str) -> bool:
        try:
            self.client.images.get(reference)
        except ImageNotFound:
            return False
        return True

    def pull(self, reference: str) -> None:
        try:
            self.client.images.pull(reference)
        except (DockerException, *_LOST) as error:
            told = getattr(error, "explanation", None) or type(error).__name__
            raise EnvironmentLacksError(f"{reference} cannot be pulled ({str(told)[:200]})") from error

    def load(self, archive: Path, repository: str, tag: str) -> None:
        self.client.api.import_image_from_file(
            str(archive), repository=repository, tag=tag, changes=["LABEL footprint-harness.source=debian"]
        )


def _owned_folder(name: str) -> bytes:
    """An archive of one folder that belongs to `USER`: a fresh volume belongs to root."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, 0o755, USER, USER
        archive.addfile(entry)
    return buffer.getvalue()
