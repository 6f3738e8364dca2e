"""The work of ``edgefg watch``: cameras through one pipeline, and out come events, pictures and numbers."""

import queue
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from ..errors import ClosedError, EdgefgError, MissingDependencyError, OptionError, PipelineTimeoutError
from ..imaging.convert import size_of
from ..segmentation.pipeline import Pipeline
from ..segmentation.results import PipelineResult
from .camera import CameraWatcher
from .events import Event, Sighting
from .latest import LatestResults, Shown, jpeg, picture
from .options import Listen, WatchOptions
from .publish.jsonl import EventPublisher, JsonLines
from .publish.mqtt import Mqtt
from .record.cleanup import writing_to
from .record.recording import checked_folder

if TYPE_CHECKING:
    from .web.server import Page

Health = Literal["ok", "degraded", "failing"]

_TICK_S = 0.25
_KEPT_EVENTS = 200
_WAITING_EVENTS = 1000
# Two frames of a camera in work at most, and one that waits: more would only grow old.
_DEPTH = 2
# So many frames in a row on which the networks fail are no accident.
_MAX_ERRORS = 100
_SNAPSHOT_QUALITY = 88


class Watch:
    """Watches cameras until they have all ended or `stop` is called; iterate over it for its events.

    Attributes:
        cameras: By name.
        live: The newest results.
        url: Where the live page is; None if there is none.
        errors: Frames on which the networks failed.
        problem: What they said, if they failed on the newest frame.
    """

    def __init__(self, options: WatchOptions) -> None:
        """Loads the networks, opens all cameras and outputs, and begins. Waits for no camera and no broker.

        Raises:
            OptionError: An option makes no sense.
            OutputError: A file or an address cannot be used.
            MissingFileError: A file is not there.
            BundleError: The bundle is incomplete, altered or of another schema.
            MissingDependencyError: A package is not installed.
            EngineError: The engine cannot load the networks.
            CameraError: No camera can have such an address.
        """
        self.live = LatestResults()
        self.cameras: dict[str, CameraWatcher] = {}
        self.url: str | None = None
        self._options = options
        self._started_s = time.monotonic()
        self._failure: BaseException | None = None
        self._errors_in_a_row = 0
        self.errors, self.problem = 0, ""
        self._done = threading.Event()
        self._events: queue.Queue[Event | None] = queue.Queue()
        self._recent: deque[tuple[int, Event]] = deque(maxlen=_KEPT_EVENTS)
        self._event_number = 0
        self._reporting = threading.Lock()
        self._outputs: list[EventPublisher] = []
        self._worker = threading.Thread(target=self._work, name="edgefg watch", daemon=True)
        with ExitStack() as stack:
            # First, so that a taken address or a full disk is found out before the networks are loaded.
            self._open_outputs(stack)
            self._page = None if options.listen is None else _page_for(self, options.listen, stack)
            self._pipeline = stack.enter_context(
                Pipeline(
                    options.bundle,
                    engine=options.engine,
                    threshold=options.threshold,
                    threads=options.threads,
                    precision=options.precision,
                    mode=options.mode,
                    depth=_DEPTH,
                    backpressure="latest",
                    skip_below=options.quiet,
                    policy={camera.name: camera.policy or options.policy for camera in options.cameras},
                )
            )
            for camera in options.cameras:
                self.cameras[camera.name] = CameraWatcher(camera, options, self._pipeline, self._report)
                stack.callback(self.cameras[camera.name].close)
            self._worker.start()
            if self._page is not None:
                self._page.start()
                self.url = self._page.url
            self._resources = stack.pop_all()

    @property
    def viewers(self) -> int:
        """How many look at the live page right now."""
        return 0 if self._page is None else self._page.viewers

    def __iter__(self) -> Iterator[Event]:
        """Gives events as they come, until all cameras have ended or `stop` is called.

        Each event is given once, however many iterate. While a thousand wait that nobody has taken, further ones only
        go to the outputs and the page.

        Raises:
            EdgefgError: The networks fail on every frame.
        """
        while (event := self._events.get()) is not None:
            yield event
        # For those who iterate beside us, or again.
        self._events.put(None)
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Has the iteration end after the events that are there. From any thread or signal handler."""
        # A signal can come while this very thread sets it, and would wait for itself.
        if not self._done.is_set():
            self._done.set()

    def wait_for_end(self, timeout_s: float) -> bool:
        """Waits for the end, for so long at most; says whether it has come."""
        return self._done.wait(timeout_s)

    def status(self) -> dict[str, Any]:
        """What the page and ``/api/status`` tell; no credentials."""
        outputs = [{"name": name, "dropped": lost, "problem": text} for name, lost, text in self.output_health()]
        bundle, engine, mode = self._pipeline.bundle, self._pipeline.engine, self._pipeline.mode
        return {
            "health": self.health(),
            "uptime_s": round(time.monotonic() - self._started_s, 1),
            "max_age_ms": self._options.max_age_ms,
            "networks": f"{bundle.name}, {engine.variant.precision}, {engine.name}, mode {mode}",
            "errors": self.errors,
            "problem": self.problem,
            "viewers": self.viewers,
            "outputs": outputs,
            "cameras": [camera.to_json() | self._newest_age(camera.name) for camera in self.cameras.values()],
        }

    def health(self) -> Health:
        """``ok``: all cameras that go on are live, none frozen. ``failing``: none is well, or the work has stopped."""
        well = [camera.is_well for camera in self.cameras.values() if camera.state != "ended"]
        if self._failure is not None or not self._worker.is_alive() or not any(well):
            return "failing"
        return "ok" if all(well) else "degraded"

    def output_health(self) -> list[tuple[str, int, str]]:
        """Each output's name, what it gave up, and its problem."""
        found = [(output.name, output.dropped, output.problem) for output in self._outputs]
        for camera in self.cameras.values():
            for recorder in (camera.clips, camera.overlay):
                if recorder is not None:
                    backlog = recorder.backlog
                    lost = backlog.dropped + backlog.failed
                    found.append((f"{recorder.name} {camera.name}", lost, backlog.problem))
        return found

    def events_after(self, number: int) -> list[tuple[int, Event]]:
        """The events after the one with this number, 0 for all that are kept; with their numbers."""
        with self._reporting:
            return [(other, event) for other, event in self._recent if other > number]

    def set_background(self, camera: str) -> None:
        """Makes a camera's newest frame its background.

        Raises:
            OptionError: There is no such camera, or no frame of it that is fresh.
        """
        watched, shown = self._known(camera), self.live.newest(camera)
        if shown is None or (time.monotonic() - shown.captured_s) * 1e3 > self._options.max_age_ms:
            raise OptionError(f"{camera}: expected a fresh frame for a background, found none; the camera may be away")
        watched.background.set(shown.image)
        self._report("background_set", camera, {"reason": "asked for"})

    def freeze(self, camera: str) -> None:
        """Keeps a camera's background as it is, whatever its policy.

        Raises:
            OptionError: There is no such camera.
        """
        self._known(camera).background.freeze()
        self._report("background_frozen", camera, {})

    def thaw(self, camera: str) -> None:
        """Lets a camera's policy change its background again.

        Raises:
            OptionError: There is no such camera.
        """
        self._known(camera).background.thaw()
        self._report("background_thawed", camera, {})

    def close(self) -> None:
        """Ends everything, and completes files. Closing twice is fine."""
        self.stop()
        self._worker.join()
        self._resources.close()

    def __enter__(self) -> "Watch":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open_outputs(self, stack: ExitStack) -> None:
        options = self._options
        folders = {
            checked_folder(folder, option).resolve()
            for folder, option in ((options.record, "--record"), (options.overlay, "--overlay"))
            if folder is not None
        }
        for folder in folders:
            stack.enter_context(writing_to(folder, [camera.name for camera in options.cameras]))
        if options.events is not None:
            self._outputs.append(JsonLines(options.events))
            stack.callback(self._outputs[-1].close)
        if options.mqtt is not None:
            self._outputs.append(Mqtt(options.mqtt))
            stack.callback(self._outputs[-1].close)

    def _newest_age(self, camera: str) -> dict[str, float | None]:
        shown = self.live.newest(camera)
        age_ms = None if shown is None else round((time.monotonic() - shown.captured_s) * 1e3, 1)
        return {"newest_age_ms": age_ms}

    def _known(self, camera: str) -> CameraWatcher:
        if camera not in self.cameras:
            raise OptionError(f"expected one of {', '.join(self.cameras)}; got {camera!r}")
        return self.cameras[camera]

    def _work(self) -> None:
        """What the thread does that takes results: everything here is quick, and nothing waits for an output."""
        ticked_s = time.monotonic()
        try:
            while not self._done.is_set():
                try:
                    self._take(self._pipeline.take(_TICK_S))
                    self._errors_in_a_row, self.problem = 0, ""
                except PipelineTimeoutError:
                    if all(camera.ended.is_set() for camera in self.cameras.values()) and self._is_idle():
                        break
                except ClosedError:
                    break
                except EdgefgError as error:
                    self._note_error(error)
                if time.monotonic() - ticked_s >= _TICK_S:
                    ticked_s = time.monotonic()
                    self._tick(ticked_s)
        # Whatever it is, it must not pass for an end: it comes out where events are iterated over.
        except BaseException as error:
            self._failure = error
        finally:
            self._done.set()
            try:
                self._finish()
            except BaseException as error:
                self._failure = self._failure or error
            finally:
                self._events.put(None)
                self.live.wake()

    def _is_idle(self) -> bool:
        done = self._pipeline.statistics
        return done.finished + done.dropped == done.submitted

    def _finish(self) -> None:
        # All at once: one that is just connecting takes a while to let go.
        stopping = [threading.Thread(target=camera.stop_reading, daemon=True) for camera in self.cameras.values()]
        for one in stopping:
            one.start()
        for one in stopping:
            one.join()
        for camera in self.cameras.values():
            self._note_motions(camera, camera.motion.stop(), time.time())

    def _note_error(self, error: EdgefgError) -> None:
        self.errors += 1
        self.problem = str(error) if error.camera is None else f"{error.camera}: {error}"
        self._errors_in_a_row += 1
        if self._errors_in_a_row >= _MAX_ERRORS:
            self._failure = error
            self._done.set()

    def _take(self, result: PipelineResult) -> None:
        camera, frame = self.cameras[result.camera], result.timestamp
        camera.status.note_drops(pipeline=result.dropped)
        if frame.age_ms > self._options.max_age_ms:
            camera.status.note_drops(stale=1)
            return
        camera.status.size = size_of(frame.image)
        camera.status.note_result(frame.age_ms / 1e3, result.latency_ms)
        mask = camera.zones.inside_roi(result.mask)
        sightings = camera.motion.update(mask, frame.captured_s)
        shown = Shown(
            number=camera.status.frames,
            image=frame.image,
            mask=mask,
            distance=result.distance,
            hottest=self.live.hottest(camera.name, result.distance),
            captured_s=frame.captured_s,
            background_id=result.background_id,
            active=camera.motion.active,
        )
        self.live.show(camera.name, shown)
        if camera.overlay is not None:
            camera.overlay.add(frame.image, mask, frame.captured_s)
        if camera.clips is not None:
            camera.clips.add(frame.image, frame.captured_s)
        taken_at_s = time.time() - frame.age_ms / 1e3
        self._note_motions(camera, sightings, taken_at_s, shown)

    def _note_motions(
        self, camera: CameraWatcher, sightings: list[Sighting], at_s: float, shown: Shown | None = None
    ) -> None:
        for sighting in sightings:
            self._note_motion(camera, sighting, at_s, shown)
        # After all that end at once: the clip shows each of them.
        if camera.clips is not None and camera.clip is not None and not camera.motion.active:
            camera.clips.stop()
            camera.clip = None

    def _note_motion(self, camera: CameraWatcher, sighting: Sighting, at_s: float, shown: Shown | None) -> None:
        details, snapshot = dict(sighting.details), None
        if sighting.kind == "motion_started" and shown is not None:
            snapshot = jpeg(picture(shown, "mask", camera.zones.zones, None), _SNAPSHOT_QUALITY)
            # One clip for all that moves at the same time.
            if camera.clips is not None and camera.clip is None:
                camera.clip = camera.clips.start(details["motion"], snapshot)
        if camera.clip is not None:
            details["clip"] = f"{camera.clip}.mp4"
        event = Event(sighting.kind, camera.name, at_s - sighting.age_s, details, snapshot)
        self._publish(event)

    def _tick(self, now_s: float) -> None:
        # Frames this old are dropped, so none can come that would say otherwise.
        known_until_s = now_s - self._options.max_age_ms / 1e3
        for camera in self.cameras.values():
            self._note_motions(camera, camera.motion.no_frame(known_until_s), time.time())

    def _report(self, kind: str, camera: str, details: dict[str, Any]) -> None:
        age_s = details.pop("age_s", 0.0)
        self._publish(Event(kind, camera, time.time() - age_s, details))

    def _publish(self, event: Event) -> None:
        """From any thread."""
        with self._reporting:
            self._event_number += 1
            self._recent.append((self._event_number, event))
        if event.camera in self.cameras:
            self.cameras[event.camera].status.note_event(event.kind)
        for output in self._outputs:
            output.publish(event)
        # Somebody who does not iterate must not fill the memory.
        if self._events.qsize() < _WAITING_EVENTS:
            self._events.put(event)
        self.live.wake()


def _page_for(watch: Watch, listen: Listen, stack: ExitStack) -> "Page":
    """The live page, not served yet: only those who want one need its packages."""
    try:
        from .web.server import Page
    except ImportError as reason:
        raise MissingDependencyError(
            f'the live page needs the package {reason.name}: pip install "edgefg[watch]", or use --no-page'
        ) from reason
    page = Page(watch, listen)
    stack.callback(page.close)
    return page
