"""The newest picture and the state of a camera, shared between its thread and its readers."""

import time
from collections import deque
from dataclasses import dataclass, replace

from ..errors import ClosedError, StreamEndedError
from ..utils.own_process import ProcessCondition
from .options import CameraOptions
from .rhythm import Rhythm
from .source import DecodedFrame
from .state import CameraChange, CameraState, CameraStatistics

MAX_CHANGES = 256


@dataclass(frozen=True, eq=False)
class Unread:
    """A picture that was taken out; see `edgefg.CameraFrame`."""

    picture: DecodedFrame
    captured_s: float
    sequence: int
    dropped: int


class LatestFrame:
    """Holds one picture, which a newer one replaces. Any thread may call any method.

    No thread has to wake up when a camera stalls. The next access notes the stall, with the time at which it began.

    Attributes:
        rhythm: The usual time between two pictures; only the camera's thread may change it.
    """

    def __init__(self, name: str, stall_s: float | None, max_wait_s: float = CameraOptions.max_wait_s) -> None:
        """Starts empty.

        Args:
            name: Name of the camera in errors.
            stall_s: Time without a picture after which a live camera is stalled, unless it is a slow one; None is
                never.
            max_wait_s: Bound of that time for a slow camera.
        """
        self.rhythm = Rhythm(max_wait_s)
        self._name = name
        self._stall_s = stall_s
        self._news = ProcessCondition("Camera")  # guards all attributes below
        self._state = CameraState.CONNECTING
        self._error = ""
        self._frozen = False
        self._closed = False
        self._mail: Unread | None = None
        self._last_s = time.monotonic()  # when the newest picture was taken
        self._arrived_s: float | None = None  # when it came, over the same connection
        self._sequence = 0
        self._statistics = CameraStatistics()
        self._last_change = CameraChange(self._state, False, "", self._last_s)
        self._changes: deque[CameraChange] = deque(maxlen=MAX_CHANGES)

    @property
    def state(self) -> CameraState:
        with self._news:
            self._note_stall()
            return self._state

    @property
    def error(self) -> str:
        with self._news:
            self._note_stall()
            return self._error

    @property
    def frozen(self) -> bool:
        with self._news:
            return self._frozen

    @property
    def statistics(self) -> CameraStatistics:
        with self._news:
            return self._statistics

    @property
    def closed(self) -> bool:
        with self._news:
            return self._closed

    def take_changes(self) -> list[CameraChange]:
        with self._news:
            self._note_stall()
            taken = list(self._changes)
            self._changes.clear()
            return taken

    def take(self, timeout_s: float) -> Unread | None:
        """Takes the picture out. Waits for one if there is none.

        Raises:
            StreamEndedError: There will be no more pictures.
            ClosedError: The camera was closed.
        """
        with self._news:
            self._news.wait_for(
                lambda: self._closed or self._mail is not None or self._state is CameraState.ENDED, timeout_s
            )
            if self._closed:
                raise ClosedError(f"{self._name}: this camera was closed; open it again")
            unread, self._mail = self._mail, None
            if unread is None and self._state is CameraState.ENDED:
                about = "" if self._error.startswith(self._name) else f"{self._name}: "
                raise StreamEndedError(f"{about}{self._error or 'all frames were read'}")
            self._news.notify_all()
            return unread

    def put(self, picture: DecodedFrame, captured_s: float, frozen: bool) -> None:
        """Replaces the picture. The camera becomes live, unless the picture was delayed on its way and is old."""
        now_s = time.monotonic()
        with self._news:
            self._note_stall()
            self._last_s = max(self._last_s, captured_s)
            if self._stall_s is None or now_s - captured_s < self.rhythm.late_s(self._stall_s):
                self._note_live(frozen, now_s)
            # Only now, so that a pause is not judged by itself.
            if self._arrived_s is not None:
                self.rhythm.note(now_s - self._arrived_s)
            self._arrived_s = now_s
            replaced = 0 if self._mail is None else self._mail.dropped + 1
            self._add(received=1, dropped=bool(replaced))
            self._mail = Unread(picture, captured_s, self._sequence, replaced)
            self._sequence += 1
            self._news.notify_all()

    def keep(self, frozen: bool | None = None) -> None:
        """Notes that the picture is still the newest that there is, so that the camera does not stall.

        Args:
            frozen: Whether it has been the same for too long; None does not change that.
        """
        now_s = time.monotonic()
        with self._news:
            self._note_stall()
            self._last_s = now_s
            if self._arrived_s is not None:
                self._note_live(self._frozen if frozen is None else frozen, now_s)

    def count(self, **more: int) -> None:
        """Adds to fields of `CameraStatistics`."""
        with self._news:
            self._add(**more)

    def change(self, state: CameraState, reason: str) -> None:
        """Sets the state and its reason, which is one line without credentials."""
        with self._news:
            self._note_stall()
            self._arrived_s = None
            self._note(state, self._frozen, reason, time.monotonic())
            self._news.notify_all()

    def pause(self, seconds: float) -> None:
        """Waits for some seconds, or until the camera is closed."""
        with self._news:
            self._news.wait_for(lambda: self._closed, max(0.0, seconds))

    def wait_until_taken(self) -> None:
        """Waits until the picture was taken, or the camera is closed."""
        with self._news:
            self._news.wait_for(lambda: self._closed or self._mail is None)

    def close(self) -> None:
        """Drops the picture, and wakes all waiting threads."""
        with self._news:
            self._closed = True
            self._mail = None
            self._news.notify_all()

    def _note_stall(self) -> None:
        if self._state is CameraState.LIVE and self._stall_s is not None:
            late_s = self.rhythm.late_s(self._stall_s)
            at_s = self._last_s + late_s
            if time.monotonic() > at_s:
                self._note(CameraState.STALLED, self._frozen, f"no new frame for {late_s:.3g} s", at_s)

    def _note_live(self, frozen: bool, now_s: float) -> None:
        if self._state is CameraState.RECONNECTING:
            self._add(reconnects=1)
        reason = "the picture is frozen: every frame is the same" if frozen else ""
        self._note(CameraState.LIVE, frozen, reason, now_s)

    def _note(self, state: CameraState, frozen: bool, reason: str, at_s: float) -> None:
        self._state, self._frozen = state, frozen
        self._error = reason or self._error
        change = CameraChange(state, frozen, reason, at_s)
        # A camera that is unreachable for a night is reported once.
        if replace(change, at_s=self._last_change.at_s) != self._last_change:
            self._changes.append(change)
            self._last_change = change

    def _add(self, **more: int) -> None:
        now = self._statistics
        self._statistics = replace(now, **{name: getattr(now, name) + count for name, count in more.items()})
