"""Checks that frames are fit to calibrate on: pictures of a scene, in some of which something has changed."""

from collections.abc import Sequence

import cv2
import numpy as np

from edgefg.errors import DataError
from edgefg.imaging.io import Image

MIN_SPREAD = 2.0
"""Lowest standard deviation of grey levels. A covered lens or a black frame has less."""

MIN_LIKENESS = 0.5
"""Lowest correlation of neighbours. At the networks' size, pictures of scenes have 0.8 or more, noise about 0."""

MAX_UNFIT = 0.1
"""Largest share of frames that may be unfit: a recording may start with a few black ones."""

CHANGED_LEVELS = 25
"""Grey levels by which a pixel has certainly changed, once noise is averaged out."""

MIN_CHANGED = 0.002
"""Smallest share of changed pixels in a frame: that of one small object."""

_SHRINK = 4


def check_frames(source: str, frames: Sequence[tuple[str, Image]]) -> None:
    """Refuses frames that show no scene.

    Args:
        source: The data's name, for the message.
        frames: Names and (H, W, 3) uint8 BGR.

    Raises:
        DataError: More than a tenth of them are constant, or noise.
    """
    unfit = [(name, reason) for name, image in frames if (reason := _unfit(image))]
    if len(unfit) > MAX_UNFIT * len(frames):
        name, reason = unfit[0]
        raise DataError(
            f"{source}: expected pictures of scenes to calibrate on, found {len(unfit)} of {len(frames)} frames that "
            f"are none, {name} first: {reason}"
        )


def check_some_change(source: str, pairs: Sequence[tuple[Image, Image]]) -> None:
    """Refuses a sample in which nothing moves: its distances would show only noise.

    Raises:
        DataError: In no pair does the frame differ from the background.
    """
    if not any(_changed(background, frame) for background, frame in pairs):
        raise DataError(
            f"{source}: expected pairs to calibrate on in which something has changed, found none among {len(pairs)}; "
            "record while something moves"
        )


def _unfit(image: Image) -> str | None:
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
    if grey.std() < MIN_SPREAD:
        return f"it is constant (standard deviation {grey.std():.1f} grey levels)"
    likeness = float(np.corrcoef(grey[:, :-1].ravel(), grey[:, 1:].ravel())[0, 1])
    return f"it is noise (neighbouring pixels correlate by {likeness:.2f})" if likeness < MIN_LIKENESS else None


def _changed(background: Image, frame: Image) -> bool:
    # Averaged over blocks, so that noise cancels out.
    size = frame.shape[1] // _SHRINK, frame.shape[0] // _SHRINK
    small = [cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.int16) for image in (background, frame)]
    return bool((np.abs(small[0] - small[1]).max(axis=2) > CHANGED_LEVELS).mean() >= MIN_CHANGED)
