"""The thread in which a camera's background model runs, apart from the frames."""

import atexit
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from ..errors import ClosedError, EngineError
from ..imaging.io import Image
from ..utils.own_process import OwnProcess, ProcessCondition
from .event_states import EventStates
from .events import REFRESH_FAILED, SceneEvent
from .model import BackgroundModel, Decision
from .observation import Observation
from .policy import BackgroundPolicy
from .store import BackgroundStore

_log = logging.getLogger("edgefg")

OBSERVE_S = 0.15
"""Minimum time between two frames that the model examines."""

_KEPT_EVENTS = 100
_RETRY_S = 3.0
_WAITING = 4


class BackgroundWorker:
    """Passes finished frames to the model in order, in a thread that starts with the first frame."""

    def __init__(
        self, store: BackgroundStore, policy: BackgroundPolicy, camera: str, report: Callable[[SceneEvent], None]
    ) -> None:
        """Creates the worker without starting its thread.

        Args:
            store: Store in which the background is replaced.
            policy: Policy of the model.
            camera: Name of the camera, for the log.
            report: Function called with each event, in the worker's thread.
        """
        self._home = OwnProcess("Background")
        self._store = store
        self._camera = camera
        self._report = report
        self._model = BackgroundModel(policy, store.size)
        self._model_id = 0
        self._states = EventStates()
        self._events: deque[SceneEvent] = deque(maxlen=_KEPT_EVENTS)
        # Only the newest frames wait, so a model that cannot keep up skips frames instead of using more memory.
        self._waiting: deque[Observation] = deque(maxlen=_WAITING)
        self._changed = ProcessCondition("Background")
        self._thread: threading.Thread | None = None
        self._busy = self._closed = False
        self._last_s: float | None = None
        self._error: BaseException | None = None
        self._failed_s: float | None = None

    @property
    def events(self) -> tuple[SceneEvent, ...]:
        with self._changed:
            return tuple(self._events)

    def hand_in(self, seen: Observation) -> None:
        with self._changed:
            error, self._error = self._error, None
            if error is not None:
                raise error
            # A clock that was set back must not pause the model until it catches up.
            if self._closed or (self._last_s is not None and 0 <= seen.time_s - self._last_s < OBSERVE_S):
                return
            # Started before anything waits for it. If no thread can start, the next frame tries again.
            if self._thread is None:
                thread = threading.Thread(target=self._serve, name="edgefg-background", daemon=True)
                thread.start()
                self._thread = thread
                # A thread that is inside a library when Python exits can crash the program.
                atexit.register(self.close)
            self._last_s = seen.time_s
            copies = seen.read()
            self._waiting.append(replace(seen, read=lambda: copies))
            self._changed.notify_all()

    def settle(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not (self._waiting or self._busy))

    def close(self) -> None:
        if not self._home.is_this:
            return
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
            atexit.unregister(self.close)

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                seen, self._busy = self._waiting.popleft(), True
            try:
                self._consider(seen)
            except ClosedError:
                with self._changed:
                    self._closed, self._busy = True, False
                    self._changed.notify_all()
                return
            # Any error is raised at the camera's next frame; the background stays as it was.
            except BaseException as error:
                with self._changed:
                    self._error = error

    def _consider(self, seen: Observation) -> None:
        current = self._store.current
        if current is None or (self._failed_s is not None and 0 <= seen.time_s - self._failed_s < _RETRY_S):
            return
        if current.id != self._model_id:
            self._model.start(current.image, current.id, bootstrap=current.first_frame)
            self._model_id = current.id
        try:
            decision = self._model.observe(seen, self._store.frozen)
        except EngineError as error:
            decision, failure = Decision(), self._failed(error, seen.time_s)
        else:
            if decision is None:
                return
            failure = self._apply(decision.image, decision.shaky, seen.time_s)
        self._report_all(self._states.pass_on((*decision.events, *failure), seen.time_s))

    def _apply(self, image: Image | None, shaky: bool, time_s: float) -> tuple[SceneEvent, ...]:
        """Swaps the background, and returns the event of a failure."""
        try:
            fresh = self._store.refresh(image, shaky, self._model_id)
        except EngineError as error:
            return self._failed(error, time_s)
        if fresh is not None and fresh.id != self._model_id:
            self._model.published(fresh.image, fresh.id)
            self._model_id = fresh.id
        return ()

    def _failed(self, error: EngineError, time_s: float) -> tuple[SceneEvent, ...]:
        _log.warning("camera %r keeps its background: %s", self._camera, error)
        self._failed_s = time_s
        return (SceneEvent(time_s, REFRESH_FAILED, 0.0, f"kept the background: {error}"),)

    def _report_all(self, events: tuple[SceneEvent, ...]) -> None:
        with self._changed:
            self._events.extend(events)
        for event in events:
            self._report(event)
