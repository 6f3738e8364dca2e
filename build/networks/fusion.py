"""Fusion of the frame and the distance map for stage 2: added as in the paper, or side by side."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from edgefg.errors import OptionError

from .sizes import MARGIN, Size

ADD_GAIN = 32.0
"""Grey levels that `ADD` adds for a unit of distance: MARGIN then spans 960, 16 standard deviations of an image."""

LIMIT = 2 * MARGIN
"""Cap of distances before fusion: larger ones mean nothing more, and half precision has a largest value."""

IMAGE_MEAN, IMAGE_STD = 115.0, 60.0
"""Approximate mean and standard deviation of a camera's grey levels."""

ADD_STD = 4 * IMAGE_STD
"""Divisor of the sum in `ADD`, most of which is map."""


@dataclass(frozen=True)
class Fusion:
    """One way to fuse.

    Attributes:
        name: Name in commands and cards.
        channels: Channels of the result.
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
    """Rounds and upsamples the map: (N, H/4, W/4) -> (N, 1, H, W)."""
    steps = distance.round().clamp(max=LIMIT).unsqueeze(1)
    return F.interpolate(steps, scale_factor=4.0, mode="bilinear", align_corners=False)


ADD = Fusion("add", 3, _add)
"""The paper's fusion: the map is added to each channel of the frame, which it outweighs. Unchanged places look empty,
wherever the camera stands; changed places are hard to see under a high map."""

CONCAT = Fusion("concat", 4, _concat)
"""The map is a fourth channel: changed places of the frame stay visible, and a network can memorise a scene."""

FUSIONS = {fusion.name: fusion for fusion in (ADD, CONCAT)}


def fusion_for(protocol: str, size: Size) -> Fusion:
    """Returns the fusion that suits a protocol: seeing the frame helps in known scenes, comparing it in others.

    With a context stage 2 compares by that, and may always see the frame.
    """
    return CONCAT if protocol == "scene" or size.context_channels else ADD


def fusion_named(name: str) -> Fusion:
    """Returns a fusion by its name.

    Raises:
        OptionError: No fusion has that name.
    """
    if name not in FUSIONS:
        raise OptionError(f"fusion must be one of {', '.join(FUSIONS)}; got {name!r}")
    return FUSIONS[name]
