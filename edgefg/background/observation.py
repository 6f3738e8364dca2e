"""A finished frame and its foreground, in the sizes that the background model uses."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, cast

import cv2
import numpy as np
import numpy.typing as npt

from ..imaging.io import Image
from .photometric import CLIPPED, colourfulness
from .registration import Outline, Registration, outline

CELL_PX = 4
"""Width and height, in pixels, of one cell of the distance map."""

_BLACK_LEVELS = 4.0

Cells = npt.NDArray[np.bool_]

Compare = Callable[[Image, Image], Image]
"""Returns the networks' foreground, ``(H, W) uint8``, 0 or 255, of a frame with a background, both at engine size."""


class Copies(NamedTuple):
    """Copies of a finished frame's arrays at engine size; aligned with the background where the camera shakes.

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
    """A finished frame as input of the background model.

    Attributes:
        read: Copies the frame. Call it before the result is delivered, and only if the model needs the frame.
        time_s: Time of the frame, by the policy's clock.
        background_id: Id of the background that the frame was compared with.
        match: Registration of the frame on the background; None if it was not computed.
        compare: Asks the networks about the frame with a background that is not in use yet. It may be called later.
    """

    read: Callable[[], Copies]
    time_s: float
    background_id: int
    match: Registration | None
    compare: Compare


@dataclass(frozen=True, eq=False)
class SceneImage:
    """An image at engine size, with features that are computed on first use.

    Attributes:
        image: ``(H, W, 3) uint8 BGR``.
    """

    image: Image

    @cached_property
    def cells(self) -> Image:
        """Mean of each cell, ``(h, w, 3) uint8``."""
        height, width = self.image.shape[:2]
        size = width // CELL_PX, height // CELL_PX
        return cast(Image, cv2.resize(self.image, size, interpolation=cv2.INTER_AREA))

    @cached_property
    def grey(self) -> Image:
        """The cells in gray, ``(h, w) uint8``."""
        return cast(Image, cv2.cvtColor(self.cells, cv2.COLOR_BGR2GRAY))

    @cached_property
    def outline(self) -> Outline:
        """The image's edges, as `edgefg.background.registration.outline` returns them."""
        return outline(self.image)

    @cached_property
    def colourfulness(self) -> float:
        """The image's colourfulness, as `edgefg.background.photometric.colourfulness` returns it."""
        return colourfulness(self.cells)

    @cached_property
    def clipped(self) -> float:
        """Share of cells with a clipped channel, 0 to 1."""
        return float(np.count_nonzero(self.cells.max(axis=2) >= CLIPPED) / self.grey.size)

    @cached_property
    def level(self) -> float:
        """Mean level in gray."""
        return float(cv2.mean(self.grey)[0])

    @property
    def contrast(self) -> float:
        """The sharpness relative to the level, which more or less light does not change."""
        return self.sharpness / (self.level + _BLACK_LEVELS)

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
        time_s: Time of the frame in seconds.
        match: Registration of the frame on the background, if it is known.
    """

    picture: SceneImage
    foreground: Image
    distance: npt.NDArray[np.float32]
    time_s: float
    match: Registration | None = field(default=None)

    @cached_property
    def moving(self) -> Cells:
        """Cells with a foreground pixel, ``(h, w) bool``."""
        return cells_of(self.foreground, self.distance.shape)

    @cached_property
    def moving_share(self) -> float:
        """Share of the foreground, 0..1."""
        return cv2.countNonZero(self.foreground) / self.foreground.size


def cells_of(foreground: Image, shape: tuple[int, ...]) -> Cells:
    """Returns the cells with a foreground pixel, ``(h, w) bool``."""
    height, width = shape
    return np.asarray(cv2.resize(foreground, (width, height), interpolation=cv2.INTER_AREA) > 0)
