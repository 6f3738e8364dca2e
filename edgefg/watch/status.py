"""Counts of a camera and the health of an output: one record each for the page, for metrics and for health."""

import threading
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any

_WINDOW_S = 5.0
_WINDOW_FRAMES = 2.5
AGE_BUCKETS_S = (0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.0, 5.0)


@dataclass
class Drops:
    """Frames without a fresh result, by reason.

    Attributes:
        camera: A newer frame came before this one was read.
        pipeline: A newer frame came before this one was processed.
        stale: The frame was older than the largest age allowed.
    """

    camera: int = 0
    pipeline: int = 0
    stale: int = 0


@dataclass
class CameraStatus:
    """The counts of one camera. Any thread may write and read.

    Attributes:
        frames: Frames with a fresh result.
        drops: Frames without one.
        events: Number of events, by kind.
        size: (width, height) of the newest frame in pixels.
        ages_s: Number of results in each bucket of `AGE_BUCKETS_S`, and older ones; each result counts once.
        age_sum_s: Sum of the ages of all results.
        latency_ms: Time from the hand-over of the newest frame to its result.
    """

    frames: int = 0
    drops: Drops = field(default_factory=Drops)
    events: dict[str, int] = field(default_factory=dict)
    size: tuple[int, int] = (0, 0)
    ages_s: list[int] = field(default_factory=lambda: [0] * (len(AGE_BUCKETS_S) + 1))
    age_sum_s: float = 0.0
    latency_ms: float = 0.0
    _recent: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=1000))
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def note_drops(self, *, camera: int = 0, pipeline: int = 0, stale: int = 0) -> None:
        """Counts frames without a fresh result; see `Drops`."""
        with self._writing:
            self.drops.camera += camera
            self.drops.pipeline += pipeline
            self.drops.stale += stale

    def note_result(self, age_s: float, latency_ms: float) -> None:
        """Counts a fresh result of a frame of this age."""
        with self._writing:
            self.frames += 1
            self.latency_ms = latency_ms
            self.age_sum_s += age_s
            self.ages_s[sum(age_s > bound for bound in AGE_BUCKETS_S)] += 1
            self._recent.append((time.monotonic(), age_s))

    def note_event(self, kind: str) -> None:
        """Counts an event."""
        with self._writing:
            self.events[kind] = self.events.get(kind, 0) + 1

    def to_json(self) -> dict[str, Any]:
        """Returns the camera's counts, with its rate and its median age over five seconds, or the last few frames."""
        now_s = time.monotonic()
        with self._writing:
            gap_s = self._recent[-1][0] - self._recent[-2][0] if len(self._recent) > 1 else 0.0
            window_s = max(_WINDOW_S, _WINDOW_FRAMES * gap_s)
            recent = [(at_s, age_s) for at_s, age_s in self._recent if now_s - at_s <= window_s]
        ages_s = sorted(age_s for _, age_s in recent)
        rate = 0.0
        if len(recent) > 1:
            rate = (len(recent) - 1) / max(recent[-1][0] - recent[0][0], 1e-6)
        return {
            "frames": self.frames,
            "fps": round(rate, 1 if rate >= 1 else 3),
            "age_ms": round(ages_s[len(ages_s) // 2] * 1e3, 1) if ages_s else None,
            "latency_ms": round(self.latency_ms, 1),
            "dropped": asdict(self.drops),
            "size": list(self.size),
        }


@dataclass(frozen=True)
class OutputHealth:
    """The health of an output: of the file of events, of the broker, of one camera's recorder.

    Attributes:
        name: The output's name.
        dropped: How many events, messages or frames it has lost.
        problem: The current problem in one line without credentials; empty if there is none.
    """

    name: str
    dropped: int
    problem: str
