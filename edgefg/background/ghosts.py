"""Detection of ghosts: an object has a contour along the rim of its region, a ghost has none."""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from ..imaging.io import Image

_MARGIN_PX = 12
_NEARBY_PX = 9
_CAP_LEVELS = 40.0
_NEAR = np.ones((3, 3), np.uint8)

MIN_RIM = 0.25
"""Share of a region's rim that must be visible."""


class ObjectScore(NamedTuple):
    """Two measures of which image contains an object, each the difference of the two images over their sum, -1 to 1.

    Above 0 the frame contains the object, below 0 the background does. 0 if too little of the rim is visible.

    Attributes:
        edges: Strength of the edges along the rim.
        step: Distance between the colours on its two sides.
    """

    edges: float
    step: float

    @property
    def mean(self) -> float:
        """The mean of both."""
        return (self.edges + self.step) / 2


def object_score(frame: Image, background: Image, region: Image, covered: Image) -> ObjectScore:
    """Estimates which of two images contains the object in a region.

    Args:
        frame: ``(H, W, 3) uint8 BGR``.
        background: ``(H, W, 3) uint8 BGR``.
        region: ``(H, W) uint8``, nonzero where the two differ: one patch.
        covered: ``(H, W) uint8``, nonzero where something else is in front of the scene.
    """
    x, y, width, height = cv2.boundingRect(region)
    rows = slice(max(0, y - _MARGIN_PX), y + height + _MARGIN_PX)
    columns = slice(max(0, x - _MARGIN_PX), x + width + _MARGIN_PX)
    inside = (region[rows, columns] > 0).astype(np.uint8)
    hidden = (covered[rows, columns] > 0) & (inside == 0)
    rim = cv2.dilate(inside, _NEAR, iterations=2) - cv2.erode(inside, _NEAR, iterations=2) > 0
    line = cv2.dilate(inside, _NEAR) - inside > 0
    free = cv2.dilate(hidden.astype(np.uint8), _NEAR, iterations=2) == 0
    if int(np.count_nonzero(line & free)) < MIN_RIM * max(1, int(np.count_nonzero(line))):
        return ObjectScore(0.0, 0.0)
    rim, line = rim & free, line & free
    scores = []
    for measure, where in ((_edges, rim), (_step, line)):
        of_frame, of_background = (
            float(measure(image[rows, columns], inside, hidden)[where].mean()) for image in (frame, background)
        )
        scores.append((of_frame - of_background) / max(of_frame + of_background, 1e-6))
    return ObjectScore(*scores)


def _edges(image: Image, inside: Image, hidden: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (3, 3), 0)
    strength = cv2.magnitude(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    return np.minimum(np.asarray(strength, np.float32) / 4, _CAP_LEVELS)


def _step(image: Image, inside: Image, hidden: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Returns, for each pixel, the distance between the mean nearby colours inside and outside the region."""
    pixels = image.astype(np.float32)
    outside = ((inside == 0) & ~hidden).astype(np.float32)
    means = []
    for weight in (inside.astype(np.float32), outside):
        total = cv2.blur(pixels * weight[..., None], (_NEARBY_PX, _NEARBY_PX))
        means.append(total / np.maximum(cv2.blur(weight, (_NEARBY_PX, _NEARBY_PX)), 1e-3)[..., None])
    return np.asarray(np.abs(means[0] - means[1]).mean(axis=2), np.float32)
