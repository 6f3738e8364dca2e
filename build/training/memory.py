"""Memory of a training on the CPU, where each step needs as much as the one before."""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_NEVER, _AHEAD = 2**31 - 1, 256 << 20


def keep_freed_memory() -> bool:
    """Makes glibc keep what this process frees, in place of returning it to the system.

    Otherwise each step's large tensors are returned, and the next step has the system clear the same memory again,
    which takes a good part of a step. The process then stays as large as its largest step.

    Returns:
        Whether it does: other C libraries have no such setting.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    # musl has a function of that name that does nothing, and returns 0.
    return mallopt is not None and all(
        mallopt(name, value) == 1
        for name, value in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _NEVER), (_M_TOP_PAD, _AHEAD))
    )
