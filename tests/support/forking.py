"""Forked processes for tests, ended if they hang."""

import os
import select
import signal
import warnings
from collections.abc import Callable

HANGS = "hangs"


def in_fork(work: Callable[[], object], limit_s: float = 15) -> str:
    """Works in a forked process, and gives what that returned or raised, as text; `HANGS` if it took too long."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of threads
        child = os.fork()
    if child == 0:
        try:
            try:
                said = str(work())
            except BaseException as error:
                said = f"{type(error).__name__}: {error}"
            os.write(writer, said.encode())
        finally:
            os._exit(0)
    os.close(writer)
    try:
        in_time, _, _ = select.select([reader], [], [], limit_s)
        return os.read(reader, 65536).decode() if in_time else HANGS
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
