"""What the driver in host memory noticed, and what is still allocated in it."""

import ctypes

NAME = "CUDA in host memory"
"""The device's name."""


def is_host_driver(device: str) -> bool:
    """Whether a device of this name is the driver's in host memory."""
    return device == NAME


def take_faults() -> list[str]:
    """What programs did wrong since the last call, and a real driver would not have told."""
    faults = _driver().host_cuda_faults
    faults.restype = ctypes.c_char_p
    text: bytes = faults()
    return text.decode().splitlines()


def alive() -> int:
    """The number of allocations, streams, events and graphs."""
    count = _driver().host_cuda_alive
    count.restype = ctypes.c_size_t
    return int(count())


def is_idle(stream: int) -> bool:
    """Whether a stream, by its handle, has done all its work. The context must be current."""
    status: int = _driver().cuStreamQuery(ctypes.c_void_p(stream))
    assert status in (0, 600), f"cuStreamQuery: CUDA error {status}"
    return status == 0


def _driver() -> ctypes.CDLL:
    return ctypes.CDLL("libcuda.so.1")
