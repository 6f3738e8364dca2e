"""The store of the current background, an immutable object that is swapped as a whole."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import FrameError
from ..imaging.convert import fit, same_aspect
from ..imaging.io import Image
from ..utils.own_process import ProcessCondition
from .policy import BackgroundPolicy
from .registration import Outline, outline

_BLANK_DEVIATION = 3.0
"""Standard deviation in levels below which a picture is blank, such as a camera's first frame, all black."""


@dataclass(frozen=True, eq=False)
class EmbeddedBackground:
    """One background with its features. It never changes after it is made.

    Attributes:
        image: ``(H, W, 3) uint8 BGR`` at engine size.
        features: Features from stage 1, which only the engine that computed them can read.
        source_size: Width and height of the image in pixels before it was scaled.
        id: 1 for the first background, one more for each that follows.
        set_at_s: Time at which it was set, by the policy's clock.
        stopgap: Whether it is blank, so that the first frame that is not blank replaces it.
        first_frame: Whether it is an adopted frame, which a bootstrap may replace.
        shaky: Whether frames have to be aligned with it, because the camera shakes.
    """

    image: Image
    features: Any
    source_size: tuple[int, int]
    id: int
    set_at_s: float
    stopgap: bool = False
    first_frame: bool = False
    shaky: bool = False

    @cached_property
    def outline(self) -> Outline:
        """The image's edges, as `edgefg.background.registration.outline` returns them."""
        return outline(self.image)

    def check_fits(self, frame_size: tuple[int, int]) -> None:
        """Raises FrameError if a frame of this (width, height) shows another field of view."""
        if not same_aspect(frame_size, self.source_size):
            frame, background = (f"{width}x{height}" for width, height in (frame_size, self.source_size))
            raise FrameError(
                f"the frame is {frame} and the background {background}: their aspect ratios must agree within 2%; "
                "set a background of the frame's shape: background.set(image)"
            )


class BackgroundStore:
    """Keeps the current background. Any thread may call any method at any time.

    A frame that is being processed keeps the background that it started with.

    Attributes:
        size: The engine's width and height in pixels.
    """

    def __init__(self, embed: Callable[[Image], Any], size: tuple[int, int], policy: BackgroundPolicy) -> None:
        """Starts without a background.

        Args:
            embed: The engine's ``embed``, from ``(H, W, 3) uint8 BGR`` at engine size to features.
            size: The engine's width and height in pixels.
            policy: Policy that has the clock, and decides whether a blank picture may serve.
        """
        self.size = size
        self._embed = embed
        self._policy = policy
        self._current: EmbeddedBackground | None = None
        self._set_count = 0
        self._frozen = False
        self._changing = ProcessCondition("Background")

    @property
    def current(self) -> EmbeddedBackground | None:
        """The background that frames are compared with; None if there is none yet."""
        return self._current

    @property
    def frozen(self) -> bool:
        """Whether the policy must not change the background."""
        return self._frozen

    def set_frozen(self, frozen: bool) -> None:
        """Freezes or thaws the background."""
        with self._changing:
            self._frozen = frozen

    def set(self, bgr: Image, source_size: tuple[int, int], age_s: float = 0.0) -> None:
        """Replaces the background by an image that you chose. After an error the previous background stays.

        Args:
            bgr: ``(H, W, 3) uint8 BGR``, any size.
            source_size: Width and height of the camera's frames.
            age_s: Age of the background in seconds.

        Raises:
            EngineError: The engine failed.
            ClosedError: The engine was closed.
        """
        with self._changing:
            self._replace(bgr, source_size, age_s=age_s)

    def clear(self) -> None:
        """Discards the background. The next frame becomes the background."""
        with self._changing:
            self._current = None

    def current_or_adopt(
        self, read: Callable[[], Image], source_size: tuple[int, int]
    ) -> tuple[EmbeddedBackground, bool]:
        """Returns the background. If there is none yet, or a blank one, a frame becomes the background.

        Args:
            read: Returns that frame, ``(H, W, 3) uint8 BGR``, any size.
            source_size: Width and height of the camera's frames.

        Returns:
            The background, and whether it is this frame.
        """
        current = self._current
        if current is not None and not (current.stopgap and not _is_blank(read())):
            return current, False
        with self._changing:
            # Another thread may have set a background while this thread waited for the lock.
            if self._current is not None and self._current is not current:
                return self._current, False
            return self._replace(read(), source_size, adopted=True), True

    def refresh(self, image: Image | None, shaky: bool, based_on: int) -> EmbeddedBackground | None:
        """Applies a model's decision, unless the background was changed in the meantime.

        Args:
            image: New background, ``(H, W, 3) uint8 BGR`` at engine size; None keeps the current one.
            shaky: Whether frames have to be aligned with the background.
            based_on: Id of the background that the decision was based on.

        Returns:
            The background that is now in use; None if the decision was not applied.

        Raises:
            EngineError: The engine failed; the previous background stays.
        """
        with self._changing:
            current = self._current
            if current is None or current.id != based_on:
                return None
            if image is not None and not self._frozen:
                return self._replace(image, current.source_size, shaky=shaky)
            if shaky != current.shaky:
                self._current = replace(current, shaky=shaky)
            return self._current

    def age_s(self, background: EmbeddedBackground) -> float:
        """Returns the seconds, by the policy's clock, since a background was set."""
        # A clock may be set back.
        return max(0.0, self._policy.now_s() - background.set_at_s)

    def _replace(
        self,
        bgr: Image,
        source_size: tuple[int, int],
        age_s: float = 0.0,
        adopted: bool = False,
        shaky: bool = False,
    ) -> EmbeddedBackground:
        scaled = fit(bgr, self.size)
        if np.shares_memory(scaled, bgr):
            # The caller may read its next frame into this array.
            scaled = scaled.copy()
        fresh = EmbeddedBackground(
            image=scaled,
            features=self._embed(scaled),
            source_size=source_size,
            id=self._set_count + 1,
            set_at_s=self._policy.now_s() - age_s,
            stopgap=adopted and self._policy.watches and _is_blank(scaled),
            first_frame=adopted,
            shaky=shaky,
        )
        self._set_count = fresh.id
        self._current = fresh
        return fresh


def _is_blank(image: Image) -> bool:
    return float(image[::4, ::4].std()) < _BLANK_DEVIATION
