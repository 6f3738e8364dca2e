"""Pictures that show a result: the tinted foreground and the distance map."""

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import FrameError
from .convert import fit
from .io import Image

_TINT_BGR = (40, 60, 255)
_TINT_SHARE = 0.4

_INSET_SHARE = 4
_INSET_RIM_PX = 2


def overlay(frame: Image, mask: Image, background: Image | None = None) -> Image:
    """Tints a frame's foreground red and draws its outline.

    Args:
        frame: ``(H, W, 3) uint8 BGR``; it is not changed.
        mask: ``(H, W) uint8``, 0 or 255.
        background: ``(h, w, 3) uint8 BGR``, any size; shown in the lower right corner at a quarter of the frame's
            width.

    Returns:
        ``(H, W, 3) uint8 BGR``.

    Raises:
        FrameError: Frame and mask have different sizes.
    """
    if frame.shape[:2] != mask.shape:
        raise FrameError(f"the mask must have the frame's height and width; got {mask.shape} for {frame.shape}")
    red = np.full_like(frame, _TINT_BGR)
    tinted = cv2.addWeighted(frame, 1 - _TINT_SHARE, red, _TINT_SHARE, 0)
    picture = np.asarray(cv2.copyTo(tinted, mask, frame.copy()), np.uint8)
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, outlines, -1, _TINT_BGR, thickness=1)
    if background is not None:
        height, width = (max(1, side // _INSET_SHARE) for side in frame.shape[:2])
        picture[-height - _INSET_RIM_PX :, -width - _INSET_RIM_PX :] = 255
        picture[-height:, -width:] = fit(background, (width, height))
    return picture


def heatmap(distance: npt.NDArray[np.float32], size: tuple[int, int], hottest: float | None = None) -> Image:
    """Colours a distance map: dark where the frame looks like the background, bright where it does not.

    Args:
        distance: ``(h, w) float32``.
        size: Width and height of the picture in pixels.
        hottest: Distance that is drawn in the brightest colour; None takes the map's largest. Pass a fixed value if
            you want to compare pictures.

    Returns:
        ``(height, width, 3) uint8 BGR``.
    """
    top = float(distance.max()) if hottest is None else hottest
    # A map of zeros is drawn all dark, without a division 0/0.
    levels = np.clip(distance * (255 / top), 0, 255) if top > 0 else np.zeros_like(distance)
    large = cv2.resize(levels.astype(np.uint8), size, interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.applyColorMap(large, cv2.COLORMAP_INFERNO), np.uint8)
