"""The state of a watch: all that the live page, metrics, health and outputs read, and the page's few actions."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from ..errors import OptionError
from .camera import CameraWatcher
from .events import Event, EventLog
from .latest import LatestResults
from .publish.publisher import EventPublisher
from .status import OutputHealth

Health = Literal["ok", "degraded", "failing"]


class WatchState:
    """Cameras, newest results, events and outputs of a watch. Any thread may read it and call its methods.

    Attributes:
        cameras: By name.
        latest: The newest results.
        events: The newest events.
        outputs: The outputs that get each event.
        max_age_ms: Frames that are older are dropped.
        networks: The networks in words: their bundle, precision, engine and mode.
        viewers: How many viewers the live page has now; the page sets it.
        errors: Frames on which the networks failed.
        problem: The networks' error on the newest frame; empty if they succeeded.
        running: Whether results are being processed.
        failure: The error that ended the watch.
        store: The file of the event store; None if there is none.
        clips: The folder of clips; None if there are none.
    """

    def __init__(self, max_age_ms: float) -> None:
        self.cameras: dict[str, CameraWatcher] = {}
        self.latest = LatestResults()
        self.events = EventLog()
        self.outputs: list[EventPublisher] = []
        self.max_age_ms = max_age_ms
        self.networks = ""
        self.viewers = 0
        self.errors = 0
        self.problem = ""
        self.running = False
        self.failure: BaseException | None = None
        self.store: Path | None = None
        self.clips: Path | None = None
        self._started_s = time.monotonic()

    def to_json(self) -> dict[str, Any]:
        """Returns the state as ``/api/status`` shows it, without credentials."""
        return {
            "health": self.health(),
            "uptime_s": round(time.monotonic() - self._started_s, 1),
            "max_age_ms": self.max_age_ms,
            "networks": self.networks,
            "errors": self.errors,
            "problem": self.problem,
            "viewers": self.viewers,
            "outputs": [asdict(output) for output in self.output_health()],
            "cameras": [camera.to_json() | self._newest_age(camera.name) for camera in self.cameras.values()],
        }

    def health(self) -> Health:
        """Returns the health in one word; cameras that have ended do not count.

        ``ok``: all cameras are well. ``degraded``: some are. ``failing``: none is, or the watch has stopped.
        """
        well = [camera.is_well for camera in self.cameras.values() if camera.state != "ended"]
        if self.failure is not None or not self.running or not any(well):
            return "failing"
        return "ok" if all(well) else "degraded"

    def output_health(self) -> list[OutputHealth]:
        """Returns the health of each output and each recorder."""
        outputs = [OutputHealth(output.name, output.dropped, output.problem) for output in self.outputs]
        recorders = [
            OutputHealth(f"{recorder.name} {camera.name}", recorder.queue.lost, recorder.queue.problem)
            for camera in self.cameras.values()
            for recorder in camera.recorders
        ]
        return outputs + recorders

    def set_background(self, camera: str) -> None:
        """Makes a camera's newest frame its background.

        Raises:
            OptionError: There is no such camera, or it has no fresh frame.
        """
        known, newest = self._known(camera), self.latest.newest(camera)
        if newest is None or known.is_old(newest.captured_s):
            raise OptionError(f"{camera} has no fresh frame for a background; the camera may be away")
        known.background.set(newest.image)
        self.report("background_set", camera, {"reason": "asked for"})

    def freeze(self, camera: str) -> None:
        """Keeps a camera's background unchanged, whatever its policy.

        Raises:
            OptionError: There is no such camera.
        """
        self._known(camera).background.freeze()
        self.report("background_frozen", camera, {})

    def thaw(self, camera: str) -> None:
        """Lets a camera's policy change its background again.

        Raises:
            OptionError: There is no such camera.
        """
        self._known(camera).background.thaw()
        self.report("background_thawed", camera, {})

    def report(self, kind: str, camera: str, details: dict[str, Any]) -> None:
        """Publishes an event that happens now, or ``age_s`` seconds ago if the details say so."""
        age_s = details.pop("age_s", 0.0)
        self.publish(Event(kind, camera, time.time() - age_s, details))

    def publish(self, event: Event) -> None:
        """Adds an event to the log, to its camera's counts and to every output."""
        self.events.add(event)
        if event.camera in self.cameras:
            self.cameras[event.camera].status.note_event(event.kind)
        for output in self.outputs:
            output.publish(event)
        self.latest.notify()

    def _known(self, camera: str) -> CameraWatcher:
        if camera not in self.cameras:
            raise OptionError(f"there is no camera {camera!r}; expected one of {', '.join(self.cameras)}")
        return self.cameras[camera]

    def _newest_age(self, camera: str) -> dict[str, float | None]:
        newest = self.latest.newest(camera)
        age_ms = None if newest is None else round((time.monotonic() - newest.captured_s) * 1e3, 1)
        return {"newest_age_ms": age_ms}
