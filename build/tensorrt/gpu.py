"""Compute capability of the GPU that TensorRT builds for, from the driver, without any package."""

import ctypes
import sys

from edgefg.errors import MissingDependencyError

_DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76
"""Numbers of CUDA's device attributes."""


def compute_capability() -> str:
    """Returns the compute capability of the first GPU, such as ``"8.7"``.

    Raises:
        MissingDependencyError: There is no GPU, or no driver for it.
    """
    try:
        driver = ctypes.CDLL(_DRIVER)
    except OSError as error:
        raise no_gpu(str(error)) from error
    device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    failed = (
        driver.cuInit(0)
        or driver.cuDeviceGet(ctypes.byref(device), 0)
        or driver.cuDeviceGetAttribute(ctypes.byref(major), _CAPABILITY_MAJOR, device)
        or driver.cuDeviceGetAttribute(ctypes.byref(minor), _CAPABILITY_MINOR, device)
    )
    if failed:
        raise no_gpu(f"CUDA error {failed}")
    return f"{major.value}.{minor.value}"


def no_gpu(found: str) -> MissingDependencyError:
    return MissingDependencyError(
        f"TensorRT needs an NVIDIA GPU and its driver to compile ({found}); "
        "on a machine without one use target='onnx', and run edgefg compile on the device"
    )
