"""Stage 1 with a pretrained backbone: a feature pyramid over EfficientNet-Lite0, and a shallow path next to it.

The pyramid (Lin et al., Feature Pyramid Networks, 2017) brings what strides 8 and 16 know back to stride 4. What is
small, or differs from its ground by colour alone, is lost on that way. Two paths keep it. The shallow path adds two
convolutions on the frame to the features; its part is zero before training. The fine path adds channels
of its own: a distance that light must not change cannot hold colours, but stage 2 needs them.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .efficientnet import CHANNELS, EfficientNetLite0
from .sizes import Size
from .stage1 import SiameseDistance

GAIN = 8.0
"""Of the features: a fresh network's distances are about a map unit, and MARGIN is 30."""

FINE_GAIN = 60.0
"""Of the fine path, which begins with values from -1 to 1: about as large as the features."""


class PyramidDistance(SiameseDistance):
    """Stage 1 on EfficientNet-Lite0."""

    def __init__(self, size: Size) -> None:
        super().__init__(size)
        depth = self.distance_channels
        self.backbone = EfficientNetLite0()
        self.lateral = nn.ModuleList(nn.Conv2d(channels, depth, 1) for channels in CHANNELS)
        self.smooth8 = nn.Conv2d(depth, depth, 3, padding=1)
        self.smooth4 = nn.Conv2d(depth, depth, 3, padding=1)
        self.project = nn.Conv2d(depth, depth, 1)
        self.shallow = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, padding=1), nn.ReLU()
        )
        self.project_shallow = nn.Conv2d(32, depth, 1, bias=False)
        nn.init.zeros_(self.project_shallow.weight)
        self.fine = _half_size_colours(size.fine_channels)

    def features(self, frame: Tensor) -> Tensor:
        # TensorRT does not transpose bytes.
        image = frame.to(self.project.weight.dtype).permute(0, 3, 1, 2)
        at4, at8, at16 = (lateral(x) for lateral, x in zip(self.lateral, self.backbone(image), strict=True))
        at8 = F.relu(self.smooth8(at8 + _twice_as_large(at16)))
        at4 = F.relu(self.smooth4(at4 + _twice_as_large(at8)))
        image = (image - 127.0) / 128.0
        features: Tensor = GAIN * (self.project(at4) + self.project_shallow(self.shallow(image)))
        return torch.cat([features, FINE_GAIN * self.fine(image)], dim=1)


def _half_size_colours(channels: int) -> nn.Conv2d:
    """Returns a convolution that begins as the frame at half its size: at each place, 2 x 2 pixels of 3 colours."""
    conv = nn.Conv2d(3, channels, 4, 4)
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.zero_()
        for number in range(channels):
            pixel, colour = divmod(number, 3)
            top, left = 2 * (pixel // 2), 2 * (pixel % 2)
            conv.weight[number, colour, top : top + 2, left : left + 2] = 0.25
    return conv


def _twice_as_large(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
