"""Access to the GPU through pycuda, with all CUDA calls of edgefg.

Everything belongs to the device's primary context, which other libraries in the process share: torch, TensorRT and
OpenCV see the same memory. Any thread may use it: `Gpu.use` makes the context current for the duration of a block, and
then restores the previous one.
"""

import atexit
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import ClosedError, EngineError, MissingDependencyError

try:
    with warnings.catch_warnings():
        # Without a driver pycuda also warns about versions; the error below states the real problem.
        warnings.simplefilter("ignore")
        import pycuda.driver as driver
except ModuleNotFoundError as error:
    raise MissingDependencyError(f'expected pycuda ({error}); install it: pip install "edgefg[tensorrt]"') from error
except ImportError as error:
    raise MissingDependencyError(
        f"expected the driver of an NVIDIA GPU ({error}); on a machine without one use engine='openvino'"
    ) from error

try:
    # Needed only for graphs; without it the same work is enqueued call by call.
    from cuda.bindings import driver as bindings
except ImportError:
    bindings = None

_NON_BLOCKING = 1
"""CU_STREAM_NON_BLOCKING, for which pycuda has no name."""

_WITHOUT_TIME = 1 | 2
"""CU_EVENT_BLOCKING_SYNC and CU_EVENT_DISABLE_TIMING."""

_BLOCK = (32, 8, 1)
"""Threads of a kernel that run together: a warp takes neighbours in a row."""

_CAPTURING = threading.Lock()
"""Held during a capture, in which waiting for the whole context would fail and spoil the capture."""


LESS_MEMORY = "use fewer slots, a smaller batch (edgefg compile --max-batch), or close other programs"
"""How to fix exhausted memory."""


class Span:
    """A part of the memory on the GPU.

    Attributes:
        address: Address, for TensorRT.
        nbytes: Length in bytes.
    """

    def __init__(self, address: int, nbytes: int) -> None:
        self.address = address
        self.nbytes = nbytes

    def split(self, count: int) -> list["Span"]:
        """Returns that many parts of equal length."""
        nbytes = self.nbytes // count
        return [Span(self.address + number * nbytes, nbytes) for number in range(count)]


class Buffer(Span):
    """Memory on the GPU that was allocated as a whole."""

    def __init__(self, allocation: Any, nbytes: int) -> None:
        super().__init__(int(allocation), nbytes)
        self._allocation = allocation

    def free(self) -> None:
        """Frees the memory. The context must be current."""
        self._allocation.free()


class Moment:
    """A moment in a stream of any library, which other streams and the host can wait for."""

    def __init__(self) -> None:
        # By cuda-bindings, because pycuda's events cannot be recorded in streams that pycuda did not make.
        (self._event,) = _checked(bindings.cuEventCreate(_WITHOUT_TIME))

    def mark(self, stream: int) -> None:
        """Sets the moment: when the stream, by its handle, has done all the work that it has now."""
        _checked(bindings.cuEventRecord(self._event, bindings.CUstream(stream)))

    def delay(self, stream: Any) -> None:
        """Makes later work in a stream wait for the moment. Marking it again does not change that."""
        _checked(bindings.cuStreamWaitEvent(bindings.CUstream(stream.handle), self._event, 0))

    def synchronize(self) -> None:
        """Waits for the moment on the host."""
        _checked(bindings.cuEventSynchronize(self._event))

    def free(self) -> None:
        """Frees the event. The context must be current."""
        _checked(bindings.cuEventDestroy(self._event))


class Kernel:
    """A function that the GPU runs for each pixel of an image."""

    def __init__(self, function: Any, arguments: str) -> None:
        self._function = function
        self._types = [np.dtype(code).type for code in arguments]

    def launch(self, size: tuple[int, int], stream: Any, *arguments: Any) -> None:
        """Enqueues a run.

        Args:
            size: Width and height of the image.
            stream: Stream to run in.
            *arguments: What the function takes; addresses for pointers.
        """
        grid = tuple(-(-side // block) for side, block in zip(size, _BLOCK, strict=False))
        given = (type_(argument) for type_, argument in zip(self._types, arguments, strict=True))
        self._function(*given, grid=grid, block=_BLOCK, stream=stream)


class Gpu:
    """One GPU and the resources acquired on it, which `close` frees in reverse order.

    Every method except ``use`` and ``close`` must be called inside ``use``.

    Attributes:
        name: Name of the GPU, as the driver reports it.
        compute_capability: Compute capability, such as ``"8.7"``.
    """

    def __init__(self, ordinal: int = 0) -> None:
        """Prepares a GPU for use.

        Raises:
            MissingDependencyError: There is no such GPU, or it cannot be used.
        """
        try:
            self._context, device = _primary_context(ordinal)
            self.name: str = device.name()
            # Not device.compute_capability(), which calls a function that CUDA has deprecated.
            asked = driver.device_attribute
            parts = asked.COMPUTE_CAPABILITY_MAJOR, asked.COMPUTE_CAPABILITY_MINOR
            self.compute_capability = ".".join(str(device.get_attribute(part)) for part in parts)
        except driver.Error as error:
            raise MissingDependencyError(
                f"expected an NVIDIA GPU with number {ordinal} ({_one_line(error)}); without one use engine='openvino'"
            ) from error
        self._releases: list[Callable[[], None]] = []
        self._closing = threading.Lock()
        self._closed = False

    @contextmanager
    def use(self, doing: str) -> Iterator[None]:
        """Makes the GPU's context current in this thread.

        Args:
            doing: Description of the task, for the error "cannot ...".

        Raises:
            EngineError: Something in the block failed on the GPU, or its memory is exhausted.
            ClosedError: The GPU was closed.
        """
        if self._closed:
            raise ClosedError("this GPU was closed; open the engine again")
        self._context.push()
        try:
            yield
        except driver.MemoryError as error:
            free, total = (count >> 20 for count in driver.mem_get_info())
            raise EngineError(
                f"cannot {doing}: the memory of {self.name} is exhausted, {free} of {total} MiB are free; {LESS_MEMORY}"
            ) from error
        except driver.Error as error:
            raise EngineError(f"cannot {doing} on {self.name}: {_one_line(error)}") from error
        finally:
            driver.Context.pop()

    def stream(self) -> Any:
        """Creates a stream. Its work runs in order, and concurrently with that of all others.

        That includes CUDA's default stream, where other libraries of the process work: nothing there waits for edgefg,
        and edgefg waits only for a `Moment`.
        """
        return self._owned(driver.Stream(_NON_BLOCKING))

    def event(self) -> Any:
        """Creates an event to record in streams. Waiting for it does not occupy the CPU."""
        return self._owned(driver.Event(driver.event_flags.BLOCKING_SYNC))

    def allocate(self, nbytes: int) -> Buffer:
        """Allocates memory on the GPU, with undefined contents."""
        buffer = Buffer(driver.mem_alloc(nbytes), nbytes)
        self._releases.append(buffer.free)
        return buffer

    def pinned(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Allocates an array of zeros in pinned host memory, which the GPU copies while the CPU does other work."""
        array: npt.NDArray[Any] = driver.pagelocked_zeros(shape, dtype)
        self._releases.append(array.base.free)  # type: ignore[union-attr]
        return array

    def upload(self, target: Span, source: npt.NDArray[Any], stream: Any) -> None:
        """Enqueues a copy from a pinned array."""
        driver.memcpy_htod_async(target.address, source, stream)

    def download(self, target: npt.NDArray[Any], source: Span, stream: Any) -> None:
        """Enqueues a copy of the source's beginning to a pinned array, and fills that."""
        driver.memcpy_dtoh_async(target, source.address, stream)

    def copy(self, target: Span, address: int, stream: Any) -> None:
        """Enqueues a copy within the GPU that fills the target."""
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

    def kernels(self, ptx: bytes, arguments: Mapping[str, str]) -> dict[str, Kernel]:
        """Has the driver translate PTX for this GPU, which it remembers on disk.

        Args:
            ptx: Source in PTX.
            arguments: The arguments of each function, by its name, as NumPy's codes of types; ``P`` is a pointer.
        """
        with _CAPTURING:
            module = self._owned(driver.module_from_buffer(ptx))
        return {name: self._owned(Kernel(module.get_function(name), format)) for name, format in arguments.items()}

    def moment(self) -> Moment | None:
        """Creates a moment; None if cuda-bindings is missing, where only `settle` waits for other libraries."""
        if bindings is None:
            return None
        moment = Moment()
        self._releases.append(moment.free)
        return moment

    def settle(self) -> None:
        """Waits on the host for the work of all streams, also those of other libraries."""
        with _CAPTURING:
            driver.Context.synchronize()

    def record(self, enqueue: Callable[[Any], None], stream: Any) -> Callable[[], None] | None:
        """Records the work that a function enqueues as a graph, which a single call launches.

        Args:
            enqueue: Enqueues the same work with the same addresses in the stream that it is passed. It is called twice,
                and the first call executes the work. No earlier run of the work may be in progress.
            stream: Stream in which the graph will be launched.

        Returns:
            A function that launches the graph; None if cuda-bindings is missing or the work cannot be captured.
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
        """Keeps a library's object alive until everything acquired after it is freed."""
        return self._owned(thing)

    def call_at_close(self, release: Callable[[], None]) -> None:
        """Has `close` call a function, with the context current, before it frees what was acquired so far."""
        self._releases.append(release)

    def close(self) -> None:
        """Frees everything in reverse order. Closing twice is fine."""
        with self._closing:
            if self._closed:
                return
            with self.use("free its memory"):
                self.settle()
                while self._releases:
                    self._releases.pop()()
            self._closed = True

    def _owned(self, thing: Any) -> Any:
        # These have no method that frees them. The last reference does, so it must be dropped with the context current.
        held = [thing]
        self._releases.append(held.clear)
        return thing


@cache
def _primary_context(ordinal: int) -> tuple[Any, Any]:
    """Retains the primary context once per process, because pycuda treats two of them as different contexts."""
    driver.init()
    device = driver.Device(ordinal)
    context = device.retain_primary_context()

    @atexit.register
    def release() -> None:
        # pycuda's destructor would detach it as a context of another kind, which fails.
        context.push()
        context.detach()

    return context, device


def _captured(enqueue: Callable[[Any], None]) -> Any:
    """Captures the work that a function enqueues in its own stream. Returns None if CUDA, or the function, fails.

    The stream does not synchronize with CUDA's default stream. During the capture of a blocking stream, no thread may
    use the default stream: torch's work and every plain copy there would fail, and so would the capture.
    """
    stream = driver.Stream(_NON_BLOCKING)
    try:
        # Libraries do one-time work in the first run in a stream, which must not become part of the graph.
        enqueue(stream)
        stream.synchronize()
    except (driver.Error, EngineError):
        return None
    handle = bindings.CUstream(stream.handle)
    # Captures this thread alone, so that others can still allocate memory and wait for their own streams.
    mode = bindings.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
    (status,) = bindings.cuStreamBeginCapture(handle, mode)
    if status != bindings.CUresult.CUDA_SUCCESS:
        return None
    whole = False
    try:
        # Without a graph the same work is enqueued call by call, and reports the error if there is one.
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


def _checked(result: tuple[Any, ...]) -> tuple[Any, ...]:
    """Returns the values of a cuda-bindings result without its status, or raises EngineError."""
    status, *values = result
    if status != bindings.CUresult.CUDA_SUCCESS:
        raise EngineError(f"CUDA failed: {status.name}")
    return tuple(values)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
