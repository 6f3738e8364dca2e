"""The work of a camera's thread: it connects, takes every picture on arrival, and reconnects indefinitely."""

import random
import time
from collections.abc import Iterator
from contextlib import closing

from ..errors import CameraError, EdgefgError
from ..imaging.freeze_detector import FreezeDetector
from ..utils.redaction import redacted
from .latest_frame import LatestFrame
from .options import CameraOptions
from .source import CameraSource, DecodedFrame, Gap, SilenceError, Waits
from .state import CameraState
from .timestamps import SourceClock

# Time for which frames may arrive late, because a short delay is caught up with.
_LAG_PATIENCE_S = 2.0
_JITTER = 1.25
# Less than the usual 2, so that a camera that was unreachable for a minute is not left alone for another.
_GROWTH = 1.5
# A camera that was live for a shorter time may fail in the same way again.
_WELL_S = 10.0


def read_camera(source: CameraSource, options: CameraOptions, latest: LatestFrame) -> None:
    """Reads a source into ``latest``, until the camera is closed or the source ends."""
    try:
        if source.live:
            _follow(source, options, latest)
        else:
            _play(source, options, latest)
            latest.change(CameraState.ENDED, "")
    except EdgefgError as reason:
        latest.change(CameraState.ENDED, str(reason))
    # After any error, readers must learn that no more frames will come.
    except BaseException as bug:
        latest.change(CameraState.ENDED, f"the camera's thread failed: {type(bug).__name__}: {redacted(str(bug))}")


def _play(source: CameraSource, options: CameraOptions, latest: LatestFrame) -> None:
    """Puts each picture of a file when it is due, or when the one before was read."""
    with source.connect(Waits(options.connect_timeout_s, options.read_timeout_s)) as pictures, closing(pictures):
        start_s = None
        for picture in pictures:
            if latest.closed:
                return
            if isinstance(picture, Gap):
                continue
            if options.paced:
                stamp_s = picture.pts_s or 0.0
                start_s = time.monotonic() - stamp_s if start_s is None else start_s
                latest.pause(start_s + stamp_s - time.monotonic())
            else:
                latest.wait_until_taken()
            latest.put(picture, time.monotonic(), frozen=False)


def _follow(source: CameraSource, options: CameraOptions, latest: LatestFrame) -> None:
    """Takes pictures as they arrive, over one connection after another."""
    freeze = FreezeDetector()
    rhythm = latest.rhythm
    failures = 0
    while not latest.closed:
        reception = _Reception(options, latest, freeze)
        waits = Waits(rhythm.lost_s(options.connect_timeout_s), rhythm.lost_s(options.read_timeout_s))
        try:
            with source.connect(waits) as pictures, closing(pictures):
                reception.take(pictures)
            reason = "the camera ended the stream"
        except SilenceError as problem:
            rhythm.note_silence(waits.read_s)
            reason = str(problem)
        except CameraError as problem:
            reason = str(problem)
        if latest.closed:
            return
        before = latest.state is CameraState.CONNECTING
        latest.change(CameraState.CONNECTING if before else CameraState.RECONNECTING, reason)
        if reception.lasted_s > _WELL_S:
            failures = 0
        latest.pause(retry_delay_s(failures, options))
        failures += 1


def retry_delay_s(failures: int, options: CameraOptions) -> float:
    """Returns the pause before the next connection to a camera, in seconds.

    Args:
        failures: Number of failed attempts since the camera last worked.
        options: Options with the bounds of the pause.
    """
    grown = options.min_delay_s * _GROWTH ** min(failures, 60)
    # Cameras that fail together must not reconnect together.
    spread = max(options.min_delay_s, min(grown, options.max_delay_s / _JITTER)) * random.uniform(1, _JITTER)
    return min(spread, options.max_delay_s)


class _Reception:
    """Receives the pictures of one connection.

    Attributes:
        lasted_s: Time from the first picture to the last.
    """

    def __init__(self, options: CameraOptions, latest: LatestFrame, freeze: FreezeDetector) -> None:
        self.lasted_s = 0.0
        self._options = options
        self._latest = latest
        self._freeze = freeze
        self._rhythm = latest.rhythm
        self._clock = SourceClock()
        self._late_since_s: float | None = None
        self._newest: DecodedFrame | None = None

    def take(self, pictures: Iterator[DecodedFrame | Gap]) -> None:
        """Takes pictures until they end, or the camera is closed.

        Raises:
            SilenceError: No more pictures arrive.
            CameraError: They arrive too late.
        """
        first_s = None
        last_s = time.monotonic()
        for picture in pictures:
            now_s = time.monotonic()
            if self._latest.closed:
                return
            least_s = self._options.connect_timeout_s if first_s is None else self._options.read_timeout_s
            patience_s = self._rhythm.lost_s(least_s)
            if isinstance(picture, Gap):
                if self._note(picture, now_s):
                    last_s = now_s
                elif now_s - last_s > patience_s:
                    raise SilenceError(f"no picture that can be decoded for {patience_s:.3g} s")
                continue
            first_s = now_s if first_s is None else first_s
            if self.lasted_s and now_s - last_s > patience_s:
                # FFmpeg gave up waiting, and returns the frames that it still held.
                raise SilenceError(f"no data for {patience_s:.3g} s")
            last_s = now_s
            self.lasted_s = now_s - first_s
            self._put(picture, now_s)

    def _note(self, gap: Gap, now_s: float) -> bool:
        """Counts a gap. Returns whether it shows that the camera is well."""
        if gap is Gap.UNDECODABLE:
            self._latest.count(decode_errors=1)
        elif gap is Gap.DAMAGED:
            self._latest.count(damaged=1)
        elif gap is Gap.PAUSE:
            self._latest.keep()
        elif gap is Gap.UNCHANGED and self._newest is not None:
            self._latest.count(repeated=1)
            self._latest.keep(self._is_frozen(self._newest, now_s))
        return gap in (Gap.PAUSE, Gap.UNCHANGED)

    def _is_frozen(self, picture: DecodedFrame, now_s: float) -> bool:
        return self._freeze.see(picture.pixels, now_s) >= self._rhythm.late_s(self._options.frozen_s)

    def _put(self, picture: DecodedFrame, now_s: float) -> None:
        repeated, jumps = self._freeze.repeated, self._clock.jumps
        captured_s = now_s
        if self._options.trust_clock:
            captured_s = self._clock.captured_s(picture.pts_s, now_s, one_behind=picture.one_behind)
        self._latest.put(picture, captured_s, self._is_frozen(picture, now_s))
        self._newest = picture
        if (repeated, jumps) != (self._freeze.repeated, self._clock.jumps):
            self._latest.count(repeated=self._freeze.repeated - repeated, clock_jumps=self._clock.jumps - jumps)
        self._check_in_time(now_s - captured_s, now_s)

    def _check_in_time(self, lag_s: float, now_s: float) -> None:
        if lag_s <= self._rhythm.late_s(self._options.max_lag_s):
            self._late_since_s = None
            return
        self._late_since_s = now_s if self._late_since_s is None else self._late_since_s
        if now_s - self._late_since_s > _LAG_PATIENCE_S:
            raise CameraError(
                f"its frames arrive {lag_s:.1f} s late, so those in the queue are skipped; "
                "if this repeats, its clock is wrong: trust_clock=False"
            )
