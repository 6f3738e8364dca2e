"""What one frame gives: a mask, what it was made from, and how long that took."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Blob:
    """One connected patch of foreground, in pixels of the frame.

    Attributes:
        x: Left edge of the bounding box.
        y: Top edge of the bounding box.
        width: Width of the bounding box.
        height: Height of the bounding box.
        area_px: Foreground pixels in the patch.
        centroid: Mean (x, y) of those pixels.
    """

    x: int
    y: int
    width: int
    height: int
    area_px: int
    centroid: tuple[float, float]


@dataclass(frozen=True)
class Timing:
    """Wall time of one ``segment()`` call, in milliseconds.

    Attributes:
        prepare_ms: Converting and scaling the frame; and embedding it, where it was adopted as the background.
        stage1_ms: Features and distance map.
        stage2_ms: Probability map.
        finish_ms: Scaling to the frame's size and thresholding.
        total_ms: All of it.
    """

    prepare_ms: float
    stage1_ms: float
    stage2_ms: float
    finish_ms: float
    total_ms: float


# eq=False: comparing arrays with == gives an array, so a generated __eq__ would raise.
@dataclass(frozen=True, eq=False)
class Segmentation:
    """The foreground of one frame. Its arrays are its own: no later frame changes them.

    Attributes:
        mask: ``(H, W) uint8`` in the frame's size; 255 where the probability reaches the threshold, else 0.
        probability: ``(H, W) uint8`` in the frame's size; 255 is certainly foreground. In the mode ``map`` a distance
            on such a scale, in the mode ``fused`` the mean of both.
        distance: ``(h, w) float32``, a quarter of the engine's size; feature distance from the background.
        threshold: The probability, in 0..1, from which a pixel is foreground.
        timing: Where the time went.
        background_id: Which background the frame was compared with; 1 is the first that was set.
        background_age_s: Seconds since that background was set.
        background_adopted: There was no background yet, so this very frame became it, and the mask says little.
        skipped: The distance map was quiet, so stage 2 did not run, and the mask is empty.
    """

    mask: npt.NDArray[np.uint8]
    probability: npt.NDArray[np.uint8]
    distance: npt.NDArray[np.float32]
    threshold: float
    timing: Timing
    background_id: int
    background_age_s: float
    background_adopted: bool = False
    skipped: bool = False

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.shape != self.probability.shape:
            raise ValueError(f"mask {self.mask.shape} and probability {self.probability.shape} must be one (H, W)")
        if self.distance.ndim != 2:
            raise ValueError(f"distance must be (h, w), got {self.distance.shape}")

    @cached_property
    def blobs(self) -> tuple[Blob, ...]:
        """The connected patches of the mask (8 neighbours), largest first. Computed on first use."""
        _, _, boxes, centroids = cv2.connectedComponentsWithStats(self.mask, connectivity=8)
        # Label 0 is everything that is not in the mask.
        found = [
            Blob(int(x), int(y), int(width), int(height), int(area), (float(centre[0]), float(centre[1])))
            for (x, y, width, height, area), centre in zip(boxes[1:], centroids[1:], strict=True)
        ]
        return tuple(sorted(found, key=lambda blob: -blob.area_px))


@dataclass(frozen=True, eq=False, kw_only=True)
class PipelineResult(Segmentation):
    """The foreground of one frame that went through a `edgefg.segmentation.pipeline.Pipeline`.

    Attributes:
        camera: Whose frame it was.
        sequence: The frame's number within its camera, from 0, as ``submit`` returned it.
        timestamp: What was handed in with the frame.
        latency_ms: From the call of ``submit`` to the finished result, waiting included.
        dropped: How many frames of this camera were dropped between the one before and this one.
    """

    camera: str
    sequence: int
    timestamp: Any
    latency_ms: float
    dropped: int
