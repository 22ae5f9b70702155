"""What NVIDIA's driver tells of the GPU that CUDA numbers 0, through its management library. No probe of its own.

Written from the library's public header. Where it is not there, nothing is told.
"""

import ctypes
import os

GRAPHICS_CLOCK, MEMORY_CLOCK = 0, 2
TEXT_BYTES = 96
UNSURE = "by PCI bus, CUDA may order otherwise"


class Memory(ctypes.Structure):
    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


def loaded():
    """The library; None where there is none."""
    try:
        return ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None


def by_index(library, index):
    device = ctypes.c_void_p()
    return None if library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(device)) else device


def by_uuid(library, wanted, count):
    """The GPU or part of one that has this UUID, or the only GPU whose UUID begins so: CUDA takes that, NVML does not.

    https://docs.nvidia.com/cuda/cuda-c-programming-guide/#cuda-environment-variables
    """
    device, text, found = ctypes.c_void_p(), ctypes.create_string_buffer(TEXT_BYTES), []
    if not library.nvmlDeviceGetHandleByUUID(wanted, ctypes.byref(device)):
        return device
    for index in range(count):
        device = by_index(library, index)
        if device is not None and not library.nvmlDeviceGetUUID(device, text, TEXT_BYTES):
            if text.value.startswith(wanted):
                found.append(device)
    return found[0] if len(found) == 1 else None


def chosen(library):
    """The handle of the device that CUDA will number 0, or None, and what is not sure of it."""
    number = ctypes.c_uint()
    count = 0 if library.nvmlDeviceGetCount_v2(ctypes.byref(number)) else number.value
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip() or "0"
    if first.startswith(("GPU-", "MIG-")):
        return by_uuid(library, os.fsencode(first), count), ""
    if not first.isdecimal() or int(first) >= count:
        return None, ""  # CUDA sees no device then
    # NVML numbers by PCI bus; CUDA, where it is not told to, the fastest first
    sure = count == 1 or os.environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    return by_index(library, int(first)), "" if sure else UNSURE


def opened():
    """The library, the device's handle and what is not sure of it, or None."""
    library = loaded()
    if library is None or library.nvmlInit_v2():
        return None
    device, unsure = chosen(library)
    return None if device is None else (library, device, unsure)


def memory_used():
    """Bytes in use on the whole device, other processes' included; None where none answers."""
    found = opened()
    memory = Memory()
    if found is None or found[0].nvmlDeviceGetMemoryInfo(found[1], ctypes.byref(memory)):
        return None
    return memory.used


def facts():
    """Name, driver, CUDA that the driver speaks, memory and clocks now; {} where none answers.

    `index` is there only where it may be another GPU than the one that CUDA uses.
    """
    found = opened()
    if found is None:
        return {}
    library, device, unsure = found
    told, text, number, memory = {}, ctypes.create_string_buffer(TEXT_BYTES), ctypes.c_uint(), Memory()
    if unsure:
        told["index"] = unsure
    if not library.nvmlDeviceGetName(device, text, TEXT_BYTES):
        told["name"] = text.value.decode()
    if not library.nvmlSystemGetDriverVersion(text, TEXT_BYTES):
        told["driver"] = text.value.decode()
    if not library.nvmlSystemGetCudaDriverVersion_v2(ctypes.byref(number)):
        told["driver_cuda"] = "%d.%d" % (number.value // 1000, number.value % 1000 // 10)
    if not library.nvmlDeviceGetMemoryInfo(device, ctypes.byref(memory)):
        told["memory_bytes"] = str(memory.total)
    for name, kind in (("graphics_clock_mhz", GRAPHICS_CLOCK), ("memory_clock_mhz", MEMORY_CLOCK)):
        if not library.nvmlDeviceGetClockInfo(device, kind, ctypes.byref(number)):
            told[name] = str(number.value)
    return told
