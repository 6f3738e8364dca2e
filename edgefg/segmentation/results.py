"""The result of one frame: a mask, what it was made from, and how long that took."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Region:
    """One connected region of foreground, in pixels of the frame.

    Attributes:
        x: Left edge of the bounding box.
        y: Top edge of the bounding box.
        width: Width of the bounding box.
        height: Height of the bounding box.
        area_px: Foreground pixels in the region.
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
        stage2_skipped: Hardly anything differed from the background, so stage 2 did not run, and the mask is empty.
    """

    mask: npt.NDArray[np.uint8]
    probability: npt.NDArray[np.uint8]
    distance: npt.NDArray[np.float32]
    threshold: float
    timing: Timing
    background_id: int
    background_age_s: float
    background_adopted: bool = False
    stage2_skipped: bool = False

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.shape != self.probability.shape:
            raise ValueError(f"mask {self.mask.shape} and probability {self.probability.shape} must be one (H, W)")
        if self.distance.ndim != 2:
            raise ValueError(f"distance must be (h, w), got {self.distance.shape}")

    def regions(self, min_area_px: int = 0) -> tuple[Region, ...]:
        """Returns the connected regions of the mask (8 neighbours), largest first.

        Args:
            min_area_px: Leaves out regions of fewer pixels.
        """
        return tuple(region for region in self._regions if region.area_px >= min_area_px)

    @property
    def boxes(self) -> npt.NDArray[np.int32]:
        """Bounding boxes of all regions, largest region first: ``(N, 4) int32``, left, top, right, bottom in pixels.

        Right and bottom lie one pixel beyond the region, as `supervision.Detections` has it.
        """
        boxes = [(one.x, one.y, one.x + one.width, one.y + one.height) for one in self._regions]
        return np.array(boxes, np.int32).reshape(-1, 4)

    @cached_property
    def _regions(self) -> tuple[Region, ...]:
        _, _, boxes, centroids = cv2.connectedComponentsWithStats(self.mask, connectivity=8)
        # Label 0 is everything that is not in the mask.
        found = [
            Region(int(x), int(y), int(width), int(height), int(area), (float(centre[0]), float(centre[1])))
            for (x, y, width, height, area), centre in zip(boxes[1:], centroids[1:], strict=True)
        ]
        return tuple(sorted(found, key=lambda region: -region.area_px))


@dataclass(frozen=True, eq=False, kw_only=True)
class PipelineResult(Segmentation):
    """The foreground of one frame that went through a `edgefg.Pipeline`.

    Attributes:
        camera: Whose frame it was.
        sequence: The frame's number within its camera, from 0, as ``submit`` returned it.
        user_data: Whatever was handed in with the frame.
        latency_ms: From the call of ``submit`` to the finished result, waiting included.
        dropped_before: How many frames of this camera were dropped between the one before and this one.
    """

    camera: str
    sequence: int
    user_data: Any
    latency_ms: float
    dropped_before: int
