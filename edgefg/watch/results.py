"""The way of a result: to counts, the live page and recorders, and, where motion starts or ends, to events."""

import time

from ..cameras.state import CameraFrame
from ..imaging.convert import size_of
from ..segmentation.results import PipelineResult
from .camera import CameraWatcher
from .events import Event
from .latest import LatestResult
from .motion import MotionChange
from .pictures import jpeg, picture
from .state import WatchState

_SNAPSHOT_QUALITY = 88


class ResultHandler:
    """Passes the results of all cameras on. One thread calls it; nothing here waits for an output."""

    def __init__(self, state: WatchState) -> None:
        self._state = state
        self._clips: dict[str, str] = {}  # the clip that each camera is recording

    def handle(self, result: PipelineResult) -> None:
        """Passes a result on, unless its frame is too old."""
        camera = self._state.cameras[result.camera]
        frame: CameraFrame = result.user_data
        camera.status.note_drops(pipeline=result.dropped_before)
        if camera.is_old(frame.captured_s):
            camera.status.note_drops(stale=1)
            return
        camera.status.size = size_of(frame.image)
        camera.status.note_result(frame.age_ms / 1e3, result.latency_ms)
        mask = camera.zones.inside_roi(result.mask)
        changes = camera.motion.update(mask, frame.captured_s)
        latest = LatestResult(
            number=camera.status.frames,
            image=frame.image,
            mask=mask,
            distance=result.distance,
            hottest=self._state.latest.hottest(camera.name, result.distance),
            captured_s=frame.captured_s,
            background_id=result.background_id,
            active=camera.motion.active,
        )
        self._state.latest.put(camera.name, latest)
        if camera.overlay is not None:
            camera.overlay.add(frame.image, mask, frame.captured_s)
        if camera.clips is not None:
            camera.clips.add(frame.image, frame.captured_s)
        self._report(camera, changes, time.time() - frame.age_ms / 1e3, latest)

    def end_stale_motion(self, now_s: float) -> None:
        """Ends the motion of cameras from which no frames come.

        Args:
            now_s: The time now, by ``time.monotonic()``.
        """
        for camera in self._state.cameras.values():
            # Older frames are dropped, so none can come that would show otherwise.
            self._report(camera, camera.motion.no_frame(now_s - camera.max_age_s), time.time())

    def end_motion(self) -> None:
        """Ends the motion of all cameras."""
        for camera in self._state.cameras.values():
            self._report(camera, camera.motion.stop(), time.time())

    def _report(
        self, camera: CameraWatcher, changes: list[MotionChange], at_s: float, latest: LatestResult | None = None
    ) -> None:
        for change in changes:
            self._state.publish(self._event(camera, change, at_s, latest))
        # After all changes: each motion that ends names the clip.
        if camera.clips is not None and not camera.motion.active and self._clips.pop(camera.name, None) is not None:
            camera.clips.stop()

    def _event(self, camera: CameraWatcher, change: MotionChange, at_s: float, latest: LatestResult | None) -> Event:
        details, snapshot = dict(change.details), None
        if change.kind == "motion_started" and latest is not None:
            snapshot = jpeg(picture(latest, "mask", camera.zones.zones, None), _SNAPSHOT_QUALITY)
            # Motions at the same time share one clip.
            if camera.clips is not None and camera.name not in self._clips:
                self._clips[camera.name] = camera.clips.start(details["motion"], snapshot)
        if camera.name in self._clips:
            details["clip"] = f"{self._clips[camera.name]}.mp4"
        return Event(change.kind, camera.name, at_s - change.age_s, details, snapshot)
