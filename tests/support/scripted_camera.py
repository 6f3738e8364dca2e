"""A fake camera, for tests that set when a frame was taken; test_cameras.py has real ones."""

import queue
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from edgefg.cameras.state import CameraFrame, CameraState, CameraStatistics
from edgefg.errors import ClosedError, StreamEndedError


class ScriptedCamera:
    """Gives what a test puts in. Stands for what `edgefg.cameras.camera.open_camera` returns."""

    def __init__(self) -> None:
        self.state = CameraState.LIVE
        self.error = ""
        self.frozen = False
        self.statistics = CameraStatistics()
        self.changes: list[Any] = []
        self._frames: queue.Queue[CameraFrame | None] = queue.Queue()
        self._closed = False
        self._sequence = 0

    def put(self, image: npt.NDArray[np.uint8], age_s: float = 0.0, dropped: int = 0) -> None:
        """The next frame, taken that long ago."""
        self._frames.put(CameraFrame(image, time.monotonic() - age_s, None, self._sequence, dropped))
        self._sequence += 1

    def end(self) -> None:
        self._frames.put(None)

    def read(self, timeout_s: float = 1.0) -> CameraFrame | None:
        if self._closed:
            raise ClosedError("closed")
        try:
            frame = self._frames.get(timeout=min(timeout_s, 0.05))
        except queue.Empty:
            return None
        if frame is None:
            self.state = CameraState.ENDED
            raise StreamEndedError("ended")
        return frame

    def take_changes(self) -> list[Any]:
        taken, self.changes = self.changes, []
        return taken

    def close(self) -> None:
        self._closed = True
