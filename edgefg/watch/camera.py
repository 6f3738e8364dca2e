"""One watched camera: its reader, its zones, its counts and its recorders."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

from ..background.events import SceneEvent
from ..background.handle import Background
from ..cameras.camera import open_camera
from ..cameras.rhythm import Rhythm
from ..cameras.state import CameraFrame
from ..errors import ClosedError, EdgefgError, StreamEndedError
from ..imaging.convert import same_aspect, size_of
from ..imaging.io import read_image
from ..segmentation.pipeline import Pipeline
from ..utils.closeable import Closeable
from ..utils.redaction import redacted
from .motion import MotionWatcher
from .options import WatchedCamera, WatchOptions
from .record.recording import ClipRecorder, OverlayRecorder
from .status import CameraStatus
from .zones import ZoneMasks

_READ_S = 0.5
# Between errors in a row: a camera whose every frame fails must not keep a processor busy, and may recover.
_FIRST_PAUSE_S = 0.01
_MAX_PAUSE_S = 1.0

Report = Callable[[str, str, dict[str, Any]], None]
"""Publishes an event: its kind, the camera's name, details."""


class CameraWatcher(Closeable):
    """A camera that is read in a thread of its own and handed to the pipeline, and its state.

    Attributes:
        name: Its name.
        status: Its counts.
        zones: Where motion counts.
        motion: Whether there is any.
        background: The background that its frames are compared with.
        clips: Records events; None if they are not recorded.
        overlay: Records everything; None if it is not recorded.
        ended: Set when there will be no more frames.
        problem: Why its newest frame could not be used; empty if it could.
        rounds: How often its reader has looked for a frame.
    """

    def __init__(self, options: WatchedCamera, watch: WatchOptions, pipeline: Pipeline, report: Report) -> None:
        """Opens the camera, without waiting for it, and begins to read.

        Args:
            options: The camera.
            watch: The options of the watch, for all cameras.
            pipeline: Gets the frames.
            report: Publishes events of the camera.

        Raises:
            CameraError: No camera can have this address.
            MissingFileError: A file is missing.
            MediaError: The background is no image.
            FrameError: The background is no image that can be segmented.
        """
        self.name = options.name
        self.status = CameraStatus()
        self.zones = ZoneMasks(options.zones, options.roi)
        self.motion = MotionWatcher(self.zones, options.motion, options.reading.max_wait_s)
        self.background: Background = pipeline.backgrounds[options.name]
        self.background.on_event = self._report_scene
        self.ended = threading.Event()
        self.problem = ""
        self.rounds = 0
        self._pipeline = pipeline
        self._report = report
        self._max_age_s = watch.max_age_ms / 1e3
        self._rhythm = Rhythm(options.reading.max_wait_s)
        self._captured_s: float | None = None
        self._stopping = threading.Event()
        self._size: tuple[int, int] | None = None
        self._background_file = options.background  # until the first frame has shown whether it fits
        if options.background is not None:
            self._size = size_of(read_image(options.background))
            self.background.set(options.background)
        with ExitStack() as stack:
            self.clips = self.overlay = None
            if watch.record is not None:
                self.clips = ClipRecorder(watch.record, self.name, watch.pre_roll_s, watch.max_disk_mb, watch.keep_days)
                stack.callback(self.clips.close)
            if watch.overlay is not None:
                self.overlay = OverlayRecorder(watch.overlay, self.name, watch.max_disk_mb, watch.keep_days)
                stack.callback(self.overlay.close)
            self._camera = open_camera(options.url, self.name, replace(options.reading, loop=options.loop))
            self._thread = threading.Thread(target=self._read_all, name=f"edgefg watch {self.name}", daemon=True)
            self._thread.start()
            self._recorders = stack.pop_all()

    @property
    def state(self) -> str:
        """``connecting``, ``live``, ``stalled``, ``reconnecting`` or ``ended``."""
        return self._camera.state.value

    @property
    def is_well(self) -> bool:
        """Whether it delivers fresh pictures that can be used, and not the same one again and again."""
        return self.state == "live" and not self._camera.frozen and not self.problem

    @property
    def max_age_s(self) -> float:
        """The age from which a frame is old: the watch's, or more for a slow camera."""
        return self._rhythm.old_s(self._max_age_s)

    def is_old(self, captured_s: float) -> bool:
        """Returns whether a frame that was taken at that time, by ``time.monotonic()``, is too old to be used."""
        return time.monotonic() - captured_s > self.max_age_s

    @property
    def reconnects(self) -> int:
        """How often its connection was made again."""
        return self._camera.statistics.reconnects

    @property
    def recorders(self) -> "tuple[ClipRecorder | OverlayRecorder, ...]":
        """The recorders that there are."""
        return tuple(recorder for recorder in (self.clips, self.overlay) if recorder is not None)

    def to_json(self) -> dict[str, Any]:
        """Returns the camera's state as JSON can hold it, without credentials."""
        return {
            "name": self.name,
            "state": self.state,
            "error": self.problem or self._camera.error,
            "frozen_feed": self._camera.frozen,
            "reconnects": self.reconnects,
            "max_age_ms": round(self.max_age_s * 1e3, 1),
            **self.status.to_json(),
            "motion": list(self.motion.active),
            "zones": list(self.zones.names),
            "background": {
                "id": self.background.id,
                "age_s": self.background.age_s,
                "can_freeze": self.background.policy.watches,
                "frozen": self.background.frozen,
            },
        }

    def stop_reading(self) -> None:
        """Ends the reader. The recorders go on, for the frames that the pipeline still has."""
        self._stopping.set()
        self._camera.close()
        self._thread.join(2 * _READ_S + 5)

    def close(self) -> None:
        """Ends the reader and completes the recordings. Closing twice is fine."""
        self.stop_reading()
        self._recorders.close()

    def _read_all(self) -> None:
        pause_s = _FIRST_PAUSE_S
        try:
            while not self._stopping.is_set():
                self.rounds += 1
                try:
                    self._read()
                    pause_s = _FIRST_PAUSE_S
                except (StreamEndedError, ClosedError):
                    raise
                # Any error: without this thread the camera would pass for live and never be read again.
                except Exception as error:
                    self._note_problem(error)
                    self._stopping.wait(pause_s)
                    pause_s = min(2 * pause_s, _MAX_PAUSE_S)
        except (StreamEndedError, ClosedError):
            self._report_changes()
        finally:
            self.ended.set()

    def _read(self) -> None:
        frame = self._camera.read(_READ_S)
        self._report_changes()
        if frame is None:
            return
        self._submit(frame)
        if self.problem:
            self.problem = ""
            self._report_state()

    def _note_problem(self, error: Exception) -> None:
        text = redacted(str(error) if isinstance(error, EdgefgError) else f"{type(error).__name__}: {error}")
        is_new, self.problem = text != self.problem, text
        if is_new:
            # Reporting may fail for the same reason.
            with suppress(Exception):
                self._report_state(f"its frames cannot be used: {text}")

    def _submit(self, frame: CameraFrame) -> None:
        self.status.note_drops(camera=frame.dropped)
        if self._captured_s is not None:
            self._rhythm.note(frame.captured_s - self._captured_s)
        self._captured_s = frame.captured_s
        if self.is_old(frame.captured_s):
            self.status.note_drops(stale=1)
            return
        size = size_of(frame.image)
        # If the background cannot be replaced, the next frame tries again.
        if self._size is None or same_aspect(size, self._size) or self._replace_background(frame, size):
            self._size, self._background_file = size, None
        self._pipeline.submit(frame.image, camera=self.name, user_data=frame)

    def _replace_background(self, frame: CameraFrame, size: tuple[int, int]) -> bool:
        """Makes a frame the background, after the camera came back with a picture whose shape the old one does not fit.

        Returns:
            Whether that worked.
        """
        try:
            self.background.set(frame.image)
        except ClosedError:
            raise
        except EdgefgError:
            return False  # the frame's result raises it again
        reason = f"the picture is now {size[0]}x{size[1]}"
        if self._background_file is not None and self._size is not None:
            reason = f"{self._background_file} has {self._size[0]}x{self._size[1]} pixels, which does not fit: {reason}"
        self._report("background_set", self.name, {"reason": reason})
        return True

    def _report_changes(self) -> None:
        for change in self._camera.take_changes():
            details: dict[str, Any] = {"state": change.state.value, "frozen_feed": change.frozen}
            if change.reason:
                details["reason"] = change.reason
            details["age_s"] = round(time.monotonic() - change.at_s, 3)
            self._report("camera_state", self.name, details)

    def _report_state(self, reason: str = "") -> None:
        details: dict[str, Any] = {"state": self.state, "frozen_feed": self._camera.frozen}
        self._report("camera_state", self.name, details | ({"reason": reason} if reason else {}))

    def _report_scene(self, scene: SceneEvent) -> None:
        details = {"scene": scene.kind, "strength": round(scene.strength, 3), "action": scene.action}
        self._report("scene", self.name, details)
