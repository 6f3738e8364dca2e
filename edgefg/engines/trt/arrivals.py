"""Frames that other libraries leave on the GPU. The GPU, not the host, waits until they are finished."""

import threading
import weakref
from collections import deque
from dataclasses import replace
from typing import Any

from ...errors import ClosedError, FrameError
from ...imaging.device import DeviceFrame
from .cuda import Gpu, Moment


class Arrivals:
    """Marks when frames are finished. Moments are used again once nothing refers to their frame."""

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        # For libraries that make a stream wait for them, instead of naming theirs. None after close().
        self._stream: Any = gpu.stream()
        self._busy = threading.Lock()
        # Appending is atomic, so a finalizer may do it in any thread, regardless of the locks that it holds.
        self._unused: deque[Moment] = deque()

    def receive(self, frame: DeviceFrame) -> DeviceFrame:
        """Marks when a frame is finished: what its library has enqueued so far, and nothing later, is waited for.

        Call it in the thread that has the frame, with the context current: a library may work in another stream in
        each thread.

        Raises:
            FrameError: The frame's ``__dlpack__`` fails.
            ClosedError: The engine was closed.
        """
        if frame.stream is None and not frame.by_dlpack:
            return frame
        with self._busy:
            if self._stream is None:
                raise ClosedError("this TensorRT engine was closed; open a new one")
            moment = self._unused.pop() if self._unused else self._gpu.moment()
            if moment is None:
                self._gpu.settle()
                return frame
            received = replace(frame, ready=moment)
            weakref.finalize(received, self._unused.append, moment).atexit = False
            if frame.stream is None:
                _let_wait(self._stream.handle, frame.planes[0].owner)
                moment.mark(self._stream.handle)
            else:
                moment.mark(frame.stream)
        return received

    def close(self) -> None:
        """Waits for the current frame and rejects more, so that the moments can be freed."""
        with self._busy:
            self._stream = None


def _let_wait(stream: int, array: Any) -> None:
    """Makes a stream wait for the work of an array's library."""
    try:
        array.__dlpack__(stream=stream)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise FrameError(
            f"a frame on the GPU must name its stream or have a working __dlpack__; that of {type(array).__name__} "
            f"failed: {error}; pass a copy of it"
        ) from error
