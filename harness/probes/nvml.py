"""What NVIDIA's driver tells of the first GPU, through its management library. No probe of its own.

Written from the library's public header. Where it is not there, nothing is told.
"""

import ctypes

GRAPHICS_CLOCK, MEMORY_CLOCK = 0, 2


class Memory(ctypes.Structure):
    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


def opened():
    """The library and the device's handle, or None."""
    try:
        library = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None
    device = ctypes.c_void_p()
    if library.nvmlInit_v2() or library.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(device)):
        return None
    return library, device


def memory_used():
    """Bytes in use on the whole device, other processes' included; None where none answers."""
    found = opened()
    memory = Memory()
    if found is None or found[0].nvmlDeviceGetMemoryInfo(found[1], ctypes.byref(memory)):
        return None
    return memory.used


def facts():
    """Name, driver, CUDA that the driver speaks, memory and clocks now; {} where none answers."""
    found = opened()
    if found is None:
        return {}
    library, device = found
    told, text, number, memory = {}, ctypes.create_string_buffer(96), ctypes.c_uint(), Memory()
    if not library.nvmlDeviceGetName(device, text, 96):
        told["name"] = text.value.decode()
    if not library.nvmlSystemGetDriverVersion(text, 96):
        told["driver"] = text.value.decode()
    if not library.nvmlSystemGetCudaDriverVersion_v2(ctypes.byref(number)):
        told["driver_cuda"] = "%d.%d" % (number.value // 1000, number.value % 1000 // 10)
    if not library.nvmlDeviceGetMemoryInfo(device, ctypes.byref(memory)):
        told["memory_bytes"] = str(memory.total)
    for name, kind in (("graphics_clock_mhz", GRAPHICS_CLOCK), ("memory_clock_mhz", MEMORY_CLOCK)):
        if not library.nvmlDeviceGetClockInfo(device, kind, ctypes.byref(number)):
            told[name] = str(number.value)
    return told
