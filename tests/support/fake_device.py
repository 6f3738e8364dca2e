"""The device of the fake GPU, with its memory, streams and events in host memory."""

import ctypes
import itertools
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np


class CudaError(Exception):
    pass


class CudaMemoryError(CudaError):
    pass


class FakeGpu:
    """The device, and all that was acquired on it."""

    name = "fake GPU"
    compute_capability = (8, 7)

    def __init__(self) -> None:
        self.memory: dict[int, np.ndarray] = {}
        self.pinned: dict[int, np.ndarray] = {}
        self.streams: weakref.WeakValueDictionary[int, Stream] = weakref.WeakValueDictionary()
        self.alive: weakref.WeakSet[Any] = weakref.WeakSet()
        self.default_stream: Stream | None = None
        self.graphs: dict[int, list[Callable[[], None]]] = {}
        self.limit = 64 << 20
        self.current = threading.local()
        self.copied = {"up": 0, "down": 0, "within": 0}
        self.launches = 0

    @property
    def used(self) -> int:
        return sum(block.nbytes for block in self.memory.values())

    @property
    def is_empty(self) -> bool:
        return not self.memory and not self.pinned and not self.graphs and not self.alive

    @property
    def depth(self) -> int:
        return getattr(self.current, "depth", 0)

    def check_current(self) -> None:
        if not self.depth:
            raise CudaError("invalid device context")

    def stream(self, handle: int) -> "Stream":
        """The stream of a handle, of which 1 is the default stream: it waits for all that blocking streams have."""
        if handle != 1:
            return self.streams[handle]
        if self.default_stream is None:
            self.default_stream = Stream(self)
            self.alive.discard(self.default_stream)  # It is not edgefg's.
        for stream in list(self.streams.values()):
            if stream.blocking and stream is not self.default_stream:
                self.default_stream.add(stream.run)
        return self.default_stream

    def at(self, address: int, nbytes: int) -> np.ndarray:
        for start, block in self.memory.items():
            if start <= address and address + nbytes <= start + block.nbytes:
                return block[address - start : address - start + nbytes]
        raise CudaError("an illegal memory access was encountered")

    def refuse_while_capturing(self, *, in_default_stream: bool) -> None:
        """What waits for all streams fails while one is captured; what goes into the default stream, if it blocks."""
        for stream in list(self.streams.values()):
            if stream.capturing is not None and (stream.blocking or not in_default_stream):
                stream.capture_spoilt = True
                raise CudaError("operation would make the legacy stream depend on a capturing blocking stream")

    def allocate(self, nbytes: int) -> Any:
        self.check_current()
        if self.used + nbytes > self.limit:
            raise CudaMemoryError("out of memory")
        block = np.full(nbytes, 0xA5, np.uint8)
        address = block.ctypes.data
        self.memory[address] = block
        return Allocation(self, address)


class Allocation:
    def __init__(self, gpu: FakeGpu, address: int) -> None:
        self._gpu, self._address = gpu, address

    def __int__(self) -> int:
        return self._address

    def free(self) -> None:
        self._gpu.check_current()
        self._gpu.memory.pop(self._address)[:] = 0x5A


class PinnedArray(np.ndarray):
    gpu: FakeGpu

    @property
    def base(self) -> Any:  # type: ignore[override]
        return SimpleNamespace(free=lambda: (self.gpu.check_current(), self.gpu.pinned.pop(self.ctypes.data)))


class Stream:
    _handles = itertools.count(100)

    def __init__(self, gpu: FakeGpu, flags: int = 0) -> None:
        gpu.check_current()
        self.gpu = gpu
        self.handle = next(self._handles)
        self.blocking = not flags
        self.capturing: list[Callable[[], None]] | None = None
        self.capture_spoilt = False
        self._todo: deque[Callable[[], None]] = deque()
        self._turn = threading.RLock()
        gpu.streams[self.handle] = self
        gpu.alive.add(self)

    def add(self, work: Callable[[], None]) -> None:
        self.gpu.check_current()
        if self.capturing is not None:
            self.capturing.append(work)
        else:
            self._todo.append(work)

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        self.gpu.check_current()
        with self._turn:
            while self._todo and not until():
                self._todo.popleft()()

    def wait_for_event(self, event: "Event") -> None:
        self.add(event.moment())

    def synchronize(self) -> None:
        if self.capturing is not None:
            self.capture_spoilt = True
            raise CudaError("operation not permitted when stream is capturing")
        self.run()


class Event:
    def __init__(self, gpu: FakeGpu) -> None:
        gpu.check_current()
        gpu.alive.add(self)
        self._stream: Stream | None = None
        self._at = 0.0
        self._passed = threading.Event()

    def record(self, stream: Stream) -> None:
        self._stream, self._passed = stream, threading.Event()
        stream.add(lambda passed=self._passed: self._pass(passed))

    def _pass(self, passed: threading.Event) -> None:
        self._at = time.perf_counter()
        passed.set()

    def moment(self) -> Callable[[], None]:
        """Waits for what is recorded now, whatever is recorded later."""
        stream, passed = self._stream, self._passed
        assert stream is not None
        return lambda: stream.run(until=passed.is_set)

    def synchronize(self) -> None:
        self.moment()()

    def time_since(self, other: "Event") -> float:
        if not (self._passed.is_set() and other._passed.is_set()):
            raise CudaError("device not ready")
        return (self._at - other._at) * 1e3


def bytes_of(array: np.ndarray) -> np.ndarray:
    """The array's own memory, as bytes."""
    raw = (ctypes.c_uint8 * array.nbytes).from_address(array.ctypes.data)
    return np.frombuffer(raw, np.uint8)
