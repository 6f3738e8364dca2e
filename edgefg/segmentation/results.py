"""The result of one frame: the mask, the arrays behind it, and the time each step took."""

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
    """Wall time of one ``segment()`` call, or of one frame in a pipeline, in milliseconds.

    Frames that a pipeline runs as a batch each have the batch's times of both stages.

    Attributes:
        prepare_ms: Time to convert and scale the frame, and to embed it if it became the background.
        stage1_ms: Time of stage 1: features and distance map.
        stage2_ms: Time of stage 2: probability map.
        finish_ms: Time to scale the result to the frame's size and apply the threshold; in a batch, also to wait for
            the frames before it.
        total_ms: Time of the whole call, or from the frame's preparation to its result.
    """

    prepare_ms: float
    stage1_ms: float
    stage2_ms: float
    finish_ms: float
    total_ms: float


# eq=False: comparing arrays with == returns an array, so a generated __eq__ would raise an error.
@dataclass(frozen=True, eq=False)
class Segmentation:
    """The foreground of one frame. No later frame changes its arrays.

    Attributes:
        mask: ``(H, W) uint8`` in the frame's size; 255 where the probability reaches the threshold, else 0.
        probability: ``(H, W) uint8`` in the frame's size; 255 is certain foreground. In the mode ``map`` it is the
            distance on the same scale, in the mode ``fused`` the mean of both.
        distance: ``(h, w) float32``, a quarter of the engine's size; feature distance from the background.
        threshold: Probability, in 0..1, from which a pixel is foreground.
        timing: Wall time of each step.
        background_id: Id of the background that the frame was compared with; the first one has 1.
        background_age_s: Seconds since that background was set.
        background_adopted: Whether the frame itself became the background because there was none yet. The mask is then
            not meaningful.
        stage2_skipped: Whether stage 2 was skipped. Unless the mode is ``map``, the frame then hardly differed from the
            background, and the mask is empty.
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
            min_area_px: Minimum number of pixels; smaller regions are left out.
        """
        return tuple(region for region in self._regions if region.area_px >= min_area_px)

    @property
    def boxes(self) -> npt.NDArray[np.int32]:
        """Bounding boxes of all regions, largest region first: ``(N, 4) int32``, left, top, right, bottom in pixels.

        Right and bottom are one pixel beyond the region, as in `supervision.Detections`.
        """
        boxes = [(one.x, one.y, one.x + one.width, one.y + one.height) for one in self._regions]
        return np.array(boxes, np.int32).reshape(-1, 4)

    @cached_property
    def _regions(self) -> tuple[Region, ...]:
        _, _, boxes, centroids = cv2.connectedComponentsWithStats(self.mask, connectivity=8)
        # Label 0 is everything outside the mask.
        found = [
            Region(int(x), int(y), int(width), int(height), int(area), (float(centre[0]), float(centre[1])))
            for (x, y, width, height, area), centre in zip(boxes[1:], centroids[1:], strict=True)
        ]
        return tuple(sorted(found, key=lambda region: -region.area_px))


@dataclass(frozen=True, eq=False, kw_only=True)
class PipelineResult(Segmentation):
    """The foreground of one frame from an `edgefg.Pipeline`.

    Attributes:
        camera: Name of the camera.
        sequence: Number of the frame within its camera, from 0, as ``submit`` returned it.
        user_data: Object that you passed to ``submit`` with the frame.
        latency_ms: Time from the call of ``submit`` to the finished result in milliseconds, including waiting.
        dropped_before: Number of frames of this camera that were dropped between the previous result and this one.
    """

    camera: str
    sequence: int
    user_data: Any
    latency_ms: float
    dropped_before: int
