"""The GPU, by pycuda: all that edgefg asks of CUDA.

Everything belongs to the device's primary context, which other libraries in the process share: torch, TensorRT and
OpenCV see the same memory. Any thread may call in: `Gpu.use` makes the context current for as long as a block lasts,
and puts back what was current before.
"""

import atexit
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import ClosedError, EngineError, MissingDependencyError

try:
    with warnings.catch_warnings():
        # Without a driver pycuda warns of other versions too; the error says what is wrong.
        warnings.simplefilter("ignore")
        import pycuda.driver as driver
except ModuleNotFoundError as error:
    raise MissingDependencyError(f'expected pycuda ({error}); install it: pip install "edgefg[tensorrt]"') from error
except ImportError as error:
    raise MissingDependencyError(
        f"expected the driver of an NVIDIA GPU ({error}); on a machine without one use engine='openvino'"
    ) from error

try:
    # Only for graphs; without it the same work is enqueued call by call.
    from cuda.bindings import driver as bindings
except ImportError:
    bindings = None

_NON_BLOCKING = 1
"""CU_STREAM_NON_BLOCKING, for which pycuda has no name."""

_CAPTURING = threading.Lock()
"""Held during a capture: while there is one, CUDA refuses to wait for the whole context, and spoils the capture."""


class Buffer:
    """Memory on the GPU.

    Attributes:
        address: Where it is, for TensorRT.
        nbytes: How long it is.
    """

    def __init__(self, allocation: Any, nbytes: int) -> None:
        self.address = int(allocation)
        self.nbytes = nbytes
        self._allocation = allocation

    def free(self) -> None:
        """Gives the memory back, with the context current."""
        self._allocation.free()


class Gpu:
    """One GPU and what was acquired on it, which `close` frees in reverse order.

    Every method but ``use`` and ``close`` wants to be called inside ``use``.

    Attributes:
        name: As its maker calls it.
        compute_capability: Such as ``"8.7"``.
    """

    def __init__(self, ordinal: int = 0) -> None:
        """Makes a GPU ready.

        Raises:
            MissingDependencyError: There is no such GPU, or it cannot be used.
        """
        try:
            self._context, device = _primary_context(ordinal)
            self.name: str = device.name()
            # Not device.compute_capability(), which asks by a function that CUDA has deprecated.
            asked = driver.device_attribute
            parts = asked.COMPUTE_CAPABILITY_MAJOR, asked.COMPUTE_CAPABILITY_MINOR
            self.compute_capability = ".".join(str(device.get_attribute(part)) for part in parts)
        except driver.Error as error:
            raise MissingDependencyError(
                f"expected an NVIDIA GPU with number {ordinal} ({_told(error)}); without one use engine='openvino'"
            ) from error
        self._releases: list[Callable[[], None]] = []
        self._closing = threading.Lock()
        self._closed = False

    @contextmanager
    def use(self, doing: str) -> Iterator[None]:
        """Makes the GPU's context current in this thread.

        Args:
            doing: What is done, for errors: "cannot ...".

        Raises:
            EngineError: Something in the block failed on the GPU, or its memory is exhausted.
            ClosedError: The GPU was closed.
        """
        if self._closed:
            raise ClosedError("this GPU was closed; open the engine anew")
        self._context.push()
        try:
            yield
        except driver.MemoryError as error:
            free, total = (count >> 20 for count in driver.mem_get_info())
            raise EngineError(
                f"cannot {doing}: the memory of {self.name} is exhausted, {free} of {total} MiB are free; "
                f"use fewer slots, or close other programs"
            ) from error
        except driver.Error as error:
            raise EngineError(f"cannot {doing} on {self.name}: {_told(error)}") from error
        finally:
            driver.Context.pop()

    def stream(self) -> Any:
        """A stream: work in it runs in order, beside that of other streams."""
        return self._owned(driver.Stream())

    def event(self) -> Any:
        """An event, to be recorded in streams. Waiting for it leaves the CPU to others."""
        return self._owned(driver.Event(driver.event_flags.BLOCKING_SYNC))

    def allocate(self, nbytes: int) -> Buffer:
        """Memory on the GPU, with undefined contents."""
        buffer = Buffer(driver.mem_alloc(nbytes), nbytes)
        self._releases.append(buffer.free)
        return buffer

    def pinned(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """An array of zeros in host memory that the GPU reads and writes on its own, while the CPU does other work."""
        array: npt.NDArray[Any] = driver.pagelocked_zeros(shape, dtype)
        self._releases.append(array.base.free)  # type: ignore[union-attr]
        return array

    def upload(self, target: Buffer, source: npt.NDArray[Any], stream: Any) -> None:
        """Enqueues a copy from a pinned array."""
        driver.memcpy_htod_async(target.address, source, stream)

    def download(self, target: npt.NDArray[Any], source: Buffer, stream: Any) -> None:
        """Enqueues a copy to a pinned array."""
        driver.memcpy_dtoh_async(target, source.address, stream)

    def copy(self, target: Buffer, address: int, stream: Any) -> None:
        """Enqueues a copy within the GPU, which fills the buffer."""
        driver.memcpy_dtod_async(target.address, address, target.nbytes, stream)

    def clear(self, target: Buffer, stream: Any) -> None:
        """Fills memory with zeros, and waits."""
        driver.memset_d8_async(target.address, 0, target.nbytes, stream)
        stream.synchronize()

    def read(self, address: int, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Copies memory of the GPU to a new array, and waits."""
        array: npt.NDArray[Any] = np.empty(shape, dtype)
        driver.memcpy_dtoh(array, address)
        return array

    def wait_for(self, stream: int | None) -> None:
        """Waits for the work of another library's stream.

        Args:
            stream: As ``__cuda_array_interface__`` has it: a handle, 1 or 2 for CUDA's own default streams, or None
                where there is nothing to wait for.
        """
        if stream is None:
            return
        if bindings is None:
            driver.Context.synchronize()
        else:
            _checked(bindings.cuStreamSynchronize(bindings.CUstream(stream)))

    def record(self, enqueue: Callable[[Any], None], stream: Any) -> Callable[[], None] | None:
        """Makes a graph of what a function enqueues, to be launched by one call.

        Args:
            enqueue: Enqueues the same work with the same addresses in any stream that it is given; it is called twice,
                and the first time the work is done. None of it may be under way.
            stream: Where the graph is to be launched.

        Returns:
            Launches the graph; None where cuda-bindings is missing or the work cannot be captured.
        """
        if bindings is None:
            return None
        with _CAPTURING:
            graph = _captured(enqueue)
        if graph is None:
            return None
        status, executable = bindings.cuGraphInstantiate(graph, 0)
        bindings.cuGraphDestroy(graph)
        if status != bindings.CUresult.CUDA_SUCCESS:
            return None
        handle = bindings.CUstream(stream.handle)

        def launch() -> None:
            _checked(bindings.cuGraphLaunch(executable, handle))

        def release() -> None:
            _checked(bindings.cuGraphExecDestroy(executable))

        self._releases.append(release)
        return launch

    def keep(self, thing: Any) -> Any:
        """Keeps a library's object until everything acquired after it is freed."""
        return self._owned(thing)

    def close(self) -> None:
        """Frees everything, the last first. Closing twice is fine."""
        with self._closing:
            if self._closed:
                return
            with self.use("free its memory"):
                with _CAPTURING:
                    driver.Context.synchronize()
                while self._releases:
                    self._releases.pop()()
            self._closed = True

    def _owned(self, thing: Any) -> Any:
        # These have no method that frees them: the last reference does, and should go with the context current.
        held = [thing]
        self._releases.append(held.clear)
        return thing


@cache
def _primary_context(ordinal: int) -> tuple[Any, Any]:
    """Retained once for the process, as pycuda takes two of them for different contexts."""
    driver.init()
    device = driver.Device(ordinal)
    context = device.retain_primary_context()

    @atexit.register
    def release() -> None:
        # Left to pycuda's destructor it would be detached as a context of another kind, which fails.
        context.push()
        context.detach()

    return context, device


def _captured(enqueue: Callable[[Any], None]) -> Any:
    """A graph of what a function enqueues in a stream of its own; None if CUDA, or the function, gives up.

    That stream stands apart from CUDA's default one. While another kind of stream is captured nobody in the process may
    use the default stream: torch's work and every plain copy there would fail, in whatever thread, and the capture too.
    """
    stream = driver.Stream(_NON_BLOCKING)
    try:
        # The first run in a stream settles what a library does once; a graph must hold none of it.
        enqueue(stream)
        stream.synchronize()
    except (driver.Error, EngineError):
        return None
    handle = bindings.CUstream(stream.handle)
    # Of this thread alone: others go on allocating and waiting for streams of their own.
    mode = bindings.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
    (status,) = bindings.cuStreamBeginCapture(handle, mode)
    if status != bindings.CUresult.CUDA_SUCCESS:
        return None
    whole = False
    try:
        # The same work enqueued call by call gives the same, and tells what is wrong if anything is.
        with suppress(driver.Error, EngineError):
            enqueue(stream)
            whole = True
    finally:
        status, graph = bindings.cuStreamEndCapture(handle)
    if status != bindings.CUresult.CUDA_SUCCESS:
        return None
    if not whole:
        bindings.cuGraphDestroy(graph)
        return None
    return graph


def _checked(answer: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a function of cuda-bindings gives beside its status."""
    status, *values = answer
    if status != bindings.CUresult.CUDA_SUCCESS:
        raise EngineError(f"CUDA failed: {status.name}")
    return tuple(values)


def _told(error: Exception) -> str:
    return " ".join(str(error).split())
