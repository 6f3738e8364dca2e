"""A frame and what was found in it, in the sizes that the background model looks at."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, cast

import cv2
import numpy as np
import numpy.typing as npt

from ..imaging.io import Image
from .photometric import colourfulness
from .registration import Outline, Registration, outline

CELL_PX = 4
"""A cell of the distance map is so many pixels wide and high."""

Cells = npt.NDArray[np.bool_]


class Copies(NamedTuple):
    """A finished frame at engine size, in memory of its own; where the camera shakes, as it lies on the background.

    Attributes:
        image: ``(H, W, 3) uint8 BGR``.
        foreground: ``(H, W) uint8``, 0 or 255.
        distance: ``(h, w) float32``.
    """

    image: Image
    foreground: Image
    distance: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Observation:
    """What a finished frame has to say to the background model.

    Attributes:
        read: Copies the frame. To be called before its result is given out, and only where the model looks at it.
        time_s: The frame's time by the policy's clock.
        background_id: What it was compared with.
        match: How the frame lay on the background, where that was looked for.
    """

    read: Callable[[], Copies]
    time_s: float
    background_id: int
    match: Registration | None


@dataclass(frozen=True, eq=False)
class SceneImage:
    """An image at engine size, and what is computed from it when it is first asked for.

    Attributes:
        image: ``(H, W, 3) uint8 BGR``.
    """

    image: Image

    @cached_property
    def cells(self) -> Image:
        """``(h, w, 3) uint8``: the mean of each cell."""
        height, width = self.image.shape[:2]
        size = width // CELL_PX, height // CELL_PX
        return cast(Image, cv2.resize(self.image, size, interpolation=cv2.INTER_AREA))

    @cached_property
    def grey(self) -> Image:
        """``(h, w) uint8``."""
        return cast(Image, cv2.cvtColor(self.cells, cv2.COLOR_BGR2GRAY))

    @cached_property
    def outline(self) -> Outline:
        """As `edgefg.background.registration.outline` gives it."""
        return outline(self.image)

    @cached_property
    def colourfulness(self) -> float:
        """As `edgefg.background.photometric.colourfulness` gives it."""
        return colourfulness(self.cells)

    @cached_property
    def sharpness(self) -> float:
        """Mean strength of edges between cells, in levels."""
        return float(cv2.mean(cv2.absdiff(self.grey, cv2.blur(self.grey, (3, 3))))[0])


@dataclass(frozen=True, eq=False)
class SceneView:
    """A frame with its foreground.

    Attributes:
        picture: The frame.
        foreground: ``(H, W) uint8``, 0 or 255.
        distance: ``(h, w) float32``.
        time_s: When.
        match: How it lay on the background, where that is known.
    """

    picture: SceneImage
    foreground: Image
    distance: npt.NDArray[np.float32]
    time_s: float
    match: Registration | None = field(default=None)

    @cached_property
    def moving(self) -> Cells:
        """``(h, w) bool``: cells with a foreground pixel."""
        height, width = self.distance.shape
        shares = cv2.resize(self.foreground, (width, height), interpolation=cv2.INTER_AREA)
        return np.asarray(shares > 0)

    @cached_property
    def moving_share(self) -> float:
        """Share of the foreground, 0..1."""
        return cv2.countNonZero(self.foreground) / self.foreground.size
