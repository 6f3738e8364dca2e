"""Detection of frozen and noisy feeds, by comparing frames with each other."""

from collections.abc import Set

import numpy as np

from ..imaging.freeze_detector import FreezeDetector
from ..imaging.io import Image
from . import events as kinds
from .observation import SceneView

_FROZEN_S = 2.0
_FROZEN_FRAMES = 5
_NOISE_EVERY_S = 1.0
_MIN_NOISE = 5.0
_NOISE_RATIO = 2.5
_USUAL_WEIGHT = 0.05


class FeedHealth:
    """Examines one view after another, in order."""

    def __init__(self, wanted: Set[str]) -> None:
        self._wanted = wanted
        self._last: Image | None = None
        self._freeze = FreezeDetector()
        self._frozen = False
        self._measured_s = 0.0
        self._usual: float | None = None
        self._loud = 0

    @property
    def repeats(self) -> bool:
        """Whether the last view was bit-identical to the one before, so that it adds no information."""
        return self._freeze.in_a_row > 0

    @property
    def noisy(self) -> bool:
        """Whether there is much more noise than usual."""
        return self._loud >= 2

    def look(self, view: SceneView) -> list[tuple[str, float]]:
        """Examines a view, and returns the events that begin or end with it, as (kind, strength)."""
        frame, last = view.picture.image, self._last
        self._last = frame
        same_s = self._freeze.see(frame, view.time_s)
        if last is None:
            self._measured_s = view.time_s
            return []
        if self.repeats:
            return self._still(same_s)
        found: list[tuple[str, float]] = [(kinds.FROZEN_FEED, 0.0)] if self._frozen else []
        self._frozen = False
        if view.time_s - self._measured_s >= _NOISE_EVERY_S:
            self._measured_s = view.time_s
            found += self._noise(frame, last)
        return found

    def _still(self, same_s: float) -> list[tuple[str, float]]:
        wanted = kinds.FROZEN_FEED in self._wanted
        if self._frozen or not wanted or same_s < _FROZEN_S or self._freeze.in_a_row < _FROZEN_FRAMES:
            return []
        self._frozen = True
        return [(kinds.FROZEN_FEED, same_s)]

    def _noise(self, frame: Image, last: Image) -> list[tuple[str, float]]:
        apart = np.abs(frame[::2, ::2, 1].astype(np.int16) - last[::2, ::2, 1])
        # The mean of the smaller half: a median of whole levels would be too coarse, and motion is in the larger half.
        half = np.partition(apart, apart.size // 2, axis=None)[: apart.size // 2]
        # Of two normal values with deviation s, the smaller half of the differences has the mean magnitude 0.46 s.
        noise = float(half.mean()) / 0.46
        if self._usual is None:
            self._usual = noise
        was = self.noisy
        self._loud = self._loud + 1 if noise > max(_MIN_NOISE, _NOISE_RATIO * self._usual) else 0
        # A scene that stays noisy becomes the usual one, slowly.
        self._usual += _USUAL_WEIGHT * (noise - self._usual)
        if kinds.NOISE not in self._wanted or was == self.noisy:
            return []
        return [(kinds.NOISE, noise if self.noisy else 0.0)]
