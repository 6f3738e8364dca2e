"""Other libraries that make frames on the GPU, in streams of their own, and hand them over unfinished."""

import threading
from importlib import import_module
from typing import Any, TypeVar

import numpy as np


class Array:
    """A frame that names the stream that works on it."""

    def __init__(self, address: int, shape: tuple[int, ...], version: int, stream: int | None) -> None:
        self.address, self.shape, self.version = address, shape, version
        self.stream = stream
        self.fails = False

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        told = {"shape": self.shape, "typestr": "|u1", "data": (self.address, False), "version": self.version}
        return told if self.asked_stream is None else {**told, "stream": self.asked_stream}

    @property
    def asked_stream(self) -> int | None:
        return self.stream


class OfThisThread(Array):
    """As CuPy's, which names the stream of the thread that asks: another thread's has nothing to do."""

    idle = 0

    def __init__(self, *described: Any) -> None:
        super().__init__(*described)
        self._thread = threading.get_ident()

    @property
    def asked_stream(self) -> int | None:
        return self.stream if threading.get_ident() == self._thread else self.idle


class OfDlpack(Array):
    """As torch's, which names no stream, but makes one wait for its own."""

    moment: Any
    bindings: Any

    @property
    def asked_stream(self) -> None:
        return None

    def __dlpack__(self, *, stream: int) -> object:
        if self.fails:
            raise BufferError("a tensor that requires gradients is not exported")
        self.moment.mark(self.stream)
        self.bindings.cuStreamWaitEvent(self.bindings.CUstream(stream), self.moment._event, 0)
        return object()


Kind = TypeVar("Kind", bound=Array)


class Producer:
    """Makes arrays whose frame is still on its way when they are handed over. Until then they are black."""

    def __init__(self) -> None:
        # Not "from edgefg.engines.trt import cuda": the package keeps that of an earlier test's fake GPU.
        self._cuda = import_module("edgefg.engines.trt.cuda")
        self._gpu = self._cuda.Gpu()
        with self._gpu.use("make a stream"):
            self._idle = self._gpu.stream().handle

    def array(self, kind: type[Kind], frame: np.ndarray, version: int = 3, stream: int | None = 0) -> Kind:
        """Uploads a frame in a stream of its own. `stream` None hides that; the default stream waits for it then."""
        gpu = self._gpu
        if kind is OfDlpack:
            version = 2
        with gpu.use("make a frame"):
            working = gpu.stream() if stream is not None else gpu.keep(self._cuda.driver.Stream())
            host, buffer = gpu.pinned(frame.shape, np.uint8), gpu.allocate(frame.nbytes)
            host[:] = frame
            gpu.clear(buffer, working)
            gpu.upload(buffer, host, working)
            array = kind(buffer.address, frame.shape, version, None if stream is None else working.handle)
            if isinstance(array, OfThisThread):
                array.idle = self._idle
            if isinstance(array, OfDlpack):
                array.moment, array.bindings = gpu.moment(), self._cuda.bindings
        return array

    def close(self) -> None:
        self._gpu.close()
