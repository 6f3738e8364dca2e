"""How stage 2 gets the frame and the distance map: added as the paper has it, or side by side."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from edgefg.errors import OptionError

from .sizes import MARGIN

ADD_GAIN = 32.0
"""Grey levels that `ADD` adds for a unit of distance: MARGIN then spans 960, 16 standard deviations of an image."""

LIMIT = 2 * MARGIN
"""Distances are capped here before they are fused: beyond it they say no more, and half precision has an end."""

IMAGE_MEAN, IMAGE_STD = 115.0, 60.0
"""Of a camera's grey levels, about."""

ADD_STD = 4 * IMAGE_STD
"""What `ADD` divides the sum by, most of which is map."""


@dataclass(frozen=True)
class Fusion:
    """One way to fuse.

    Attributes:
        name: What users call it.
        channels: Of the result.
        fuse: (N, H, W, 3) uint8 BGR and (N, H/4, W/4) float32, unrounded -> (N, channels, H, W) float32.
    """

    name: str
    channels: int
    fuse: Callable[[Tensor, Tensor], Tensor]


def _add(frame: Tensor, distance: Tensor) -> Tensor:
    return (_image(frame, distance) + ADD_GAIN * _steps(distance) - IMAGE_MEAN) / ADD_STD


def _concat(frame: Tensor, distance: Tensor) -> Tensor:
    return torch.cat([(_image(frame, distance) - IMAGE_MEAN) / IMAGE_STD, _steps(distance) / MARGIN], dim=1)


def _image(frame: Tensor, distance: Tensor) -> Tensor:
    return frame.to(distance.dtype).permute(0, 3, 1, 2)


def _steps(distance: Tensor) -> Tensor:
    """The map, rounded and upsampled: (N, H/4, W/4) -> (N, 1, H, W)."""
    steps = distance.round().clamp(max=LIMIT).unsqueeze(1)
    return F.interpolate(steps, scale_factor=4.0, mode="bilinear", align_corners=False)


ADD = Fusion("add", 3, _add)
"""The paper's: the map is added to each channel of the frame, which it outweighs. What has not changed looks like
nothing, wherever the camera stands; what has changed is hard to see under a map that is high."""

CONCAT = Fusion("concat", 4, _concat)
"""The map is a fourth channel: the frame is seen as well where it has changed, and a place can be known by heart."""

FUSIONS = {fusion.name: fusion for fusion in (ADD, CONCAT)}


def fusion_for(protocol: str) -> Fusion:
    """What suits a protocol: known scenes are to be seen, others to be compared."""
    return CONCAT if protocol == "scene" else ADD


def fusion_named(name: str) -> Fusion:
    """Look a fusion up.

    Raises:
        OptionError: None has that name.
    """
    if name not in FUSIONS:
        raise OptionError(f"expected a fusion out of {', '.join(FUSIONS)}, got {name!r}")
    return FUSIONS[name]
