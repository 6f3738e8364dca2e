"""Between a camera's thread and those who read it: the newest picture, and what there is to know."""

import threading
import time
from collections import deque
from dataclasses import dataclass, replace

from ..errors import ClosedError, StreamEndedError
from .source import DecodedFrame
from .state import CameraChange, CameraState, CameraStatistics

MAX_CHANGES = 256


@dataclass(frozen=True, eq=False)
class Unread:
    """A picture that was taken out; see `edgefg.cameras.options.CameraFrame`."""

    picture: DecodedFrame
    captured_s: float
    sequence: int
    dropped: int


class LatestFrame:
    """Holds one picture: a newer one replaces it. Any thread may call anything.

    Nobody has to wake up for a camera to stall: whoever looks, notes it with the time at which it came to pass.
    """

    def __init__(self, name: str, stall_s: float | None) -> None:
        """Starts empty.

        Args:
            name: What errors call the camera.
            stall_s: How long a live camera may be without a picture before it is stalled; None is for ever.
        """
        self._name = name
        self._stall_s = stall_s
        self._news = threading.Condition()  # guards all below
        self._state = CameraState.CONNECTING
        self._error = ""
        self._frozen = False
        self._closed = False
        self._mail: Unread | None = None
        self._last_s = time.monotonic()  # when the youngest picture was taken
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
        """Takes the picture out; waits for one if there is none.

        Raises:
            StreamEndedError: There will be no more.
            ClosedError: The latest is closed.
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
        """Replaces the picture. The camera is live, unless this is an old one that lay about on the way."""
        now_s = time.monotonic()
        with self._news:
            self._note_stall()
            self._last_s = max(self._last_s, captured_s)
            if self._stall_s is None or now_s - captured_s < self._stall_s:
                if self._state is CameraState.RECONNECTING:
                    self._add(reconnects=1)
                reason = "the same picture comes again and again" if frozen else ""
                self._note(CameraState.LIVE, frozen, reason, now_s)
            replaced = 0 if self._mail is None else self._mail.dropped + 1
            self._add(received=1, dropped=bool(replaced))
            self._mail = Unread(picture, captured_s, self._sequence, replaced)
            self._sequence += 1
            self._news.notify_all()

    def count(self, **more: int) -> None:
        """Adds to fields of `CameraStatistics`."""
        with self._news:
            self._add(**more)

    def change(self, state: CameraState, reason: str) -> None:
        """Notes a state, and why it is so, in one line without credentials."""
        with self._news:
            self._note_stall()
            self._note(state, self._frozen, reason, time.monotonic())
            self._news.notify_all()

    def pause(self, seconds: float) -> None:
        """Waits, at most until it is closed."""
        with self._news:
            self._news.wait_for(lambda: self._closed, max(0.0, seconds))

    def wait_until_taken(self) -> None:
        """Waits until there is no picture, at most until it is closed."""
        with self._news:
            self._news.wait_for(lambda: self._closed or self._mail is None)

    def close(self) -> None:
        """Lets go of the picture and wakes all that wait."""
        with self._news:
            self._closed = True
            self._mail = None
            self._news.notify_all()

    def _note_stall(self) -> None:
        if self._state is CameraState.LIVE and self._stall_s is not None:
            at_s = self._last_s + self._stall_s
            if time.monotonic() > at_s:
                self._note(CameraState.STALLED, self._frozen, f"no new frame for {self._stall_s:g} s", at_s)

    def _note(self, state: CameraState, frozen: bool, reason: str, at_s: float) -> None:
        self._state, self._frozen = state, frozen
        self._error = reason or self._error
        change = CameraChange(state, frozen, reason, at_s)
        # A camera that is away for a night says so once.
        if replace(change, at_s=self._last_change.at_s) != self._last_change:
            self._changes.append(change)
            self._last_change = change

    def _add(self, **more: int) -> None:
        now = self._statistics
        self._statistics = replace(now, **{name: getattr(now, name) + count for name, count in more.items()})
