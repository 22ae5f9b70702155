"""Which GPU the driver is asked about: the one that CUDA will number 0, or none, and never one in its place."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import pytest

from harness.probes import nvml

NOT_FOUND = 6
FIRST, SECOND, THIRD = "GPU-1a2b0000-0000-0000-0000-000000000001", "GPU-1a2c", "GPU-ffff"
PART = "MIG-1a2b0000-0000-0000-0000-000000000009"


class Driver:
    """As much of the management library as is asked. A device's name is its UUID; its memory says its index."""

    def __init__(self, *uuids: str, parts: tuple[str, ...] = ()) -> None:
        self.uuids, self.all = uuids, (*uuids, *parts)

    def nvmlInit_v2(self) -> int:
        return 0

    def nvmlDeviceGetCount_v2(self, number: Any) -> int:
        number._obj.value = len(self.uuids)
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: int, device: Any) -> int:
        if index >= len(self.uuids):
            return NOT_FOUND
        device._obj.value = index + 1
        return 0

    def nvmlDeviceGetHandleByUUID(self, uuid: bytes, device: Any) -> int:
        if uuid.decode() not in self.all:
            return NOT_FOUND
        device._obj.value = self.all.index(uuid.decode()) + 1
        return 0

    def nvmlDeviceGetUUID(self, device: ctypes.c_void_p, text: Any, length: int) -> int:
        text.value = self.all[(device.value or 0) - 1].encode()
        return 0

    nvmlDeviceGetName = nvmlDeviceGetUUID

    def nvmlSystemGetDriverVersion(self, text: Any, length: int) -> int:
        text.value = b"570.86.10"
        return 0

    def nvmlSystemGetCudaDriverVersion_v2(self, number: Any) -> int:
        number._obj.value = 12080
        return 0

    def nvmlDeviceGetMemoryInfo(self, device: ctypes.c_void_p, memory: Any) -> int:
        memory._obj.total, memory._obj.used = 1000, device.value
        return 0

    def nvmlDeviceGetClockInfo(self, device: ctypes.c_void_p, kind: int, number: Any) -> int:
        return NOT_FOUND  # as for a part of a GPU


Machine = Callable[..., None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Makes the machine: its driver, and what the environment tells CUDA."""

    def make(driver: Driver | None, visible: str | None = None, order: str | None = None) -> None:
        monkeypatch.setattr(nvml, "loaded", lambda: driver)
        for name, value in (("CUDA_VISIBLE_DEVICES", visible), ("CUDA_DEVICE_ORDER", order)):
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)

    return make


@pytest.mark.parametrize("visible", [None, "", " ", "0", FIRST, f"{FIRST},GPU-other"])
def test_a_single_gpu_is_the_one(machine: Machine, visible: str | None) -> None:
    machine(Driver(FIRST), visible)
    assert nvml.memory_used() == 1
    assert nvml.facts() == {"name": FIRST, "driver": "570.86.10", "driver_cuda": "12.8", "memory_bytes": "1000"}


@pytest.mark.parametrize(
    ("visible", "name"),
    [
        (SECOND, SECOND),
        (f" {THIRD} ,{FIRST}", THIRD),
        ("GPU-1a2b", FIRST),  # CUDA takes the beginning of a UUID
        ("GPU-f", THIRD),
        (PART, PART),
    ],
)
def test_a_uuid_names_its_device(machine: Machine, visible: str, name: str) -> None:
    machine(Driver(FIRST, SECOND, THIRD, parts=(PART,)), visible)
    found = nvml.facts()
    assert found["name"] == name and "index" not in found


@pytest.mark.parametrize("visible", ["2", "2,0", " 2 "])
def test_a_number_is_sure_where_cuda_numbers_by_bus(machine: Machine, visible: str) -> None:
    machine(Driver(FIRST, SECOND, THIRD), visible, "PCI_BUS_ID")
    found = nvml.facts()
    assert found["name"] == THIRD and "index" not in found
    assert nvml.memory_used() == 3


@pytest.mark.parametrize("order", [None, "FASTEST_FIRST"])
@pytest.mark.parametrize(("visible", "name"), [("1", SECOND), (None, FIRST), ("", FIRST)])
def test_a_number_is_said_to_be_unsure_where_cuda_may_number_otherwise(
    machine: Machine, visible: str | None, name: str, order: str | None
) -> None:
    machine(Driver(FIRST, SECOND, THIRD), visible, order)
    found = nvml.facts()
    assert found["name"] == name and found["index"] == "by PCI bus, CUDA may order otherwise"


@pytest.mark.parametrize("visible", ["3", "-1", "NoDevFiles", "GPU-1a2", "GPU-0000", "MIG-1a2b", "9" * 40])
def test_nothing_is_told_where_cuda_sees_no_device(machine: Machine, visible: str) -> None:
    """A number that no GPU has; a beginning that two have; one that none has; the beginning of a part's."""
    machine(Driver(FIRST, SECOND, THIRD, parts=(PART,)), visible, "PCI_BUS_ID")
    assert nvml.facts() == {} and nvml.memory_used() is None


def test_nothing_is_told_without_a_driver(machine: Machine) -> None:
    machine(None, "0")
    assert nvml.facts() == {} and nvml.memory_used() is None
