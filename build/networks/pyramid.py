"""Stage 1 with a pretrained backbone: a feature pyramid over EfficientNet-Lite0, and a shallow path next to it.

The pyramid (Lin et al., Feature Pyramid Networks, 2017) brings what strides 8 and 16 know back to stride 4. What is
small, or differs from its ground by colour alone, is lost on that way. The shallow path keeps it: two convolutions on
the frame, whose part in the features is zero before training.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from .efficientnet import CHANNELS, EfficientNetLite0
from .sizes import Size
from .stage1 import SiameseDistance

GAIN = 8.0
"""Of the features: a fresh network's distances are about a map unit, and MARGIN is 30."""


class PyramidDistance(SiameseDistance):
    """Stage 1 on EfficientNet-Lite0."""

    def __init__(self, size: Size) -> None:
        super().__init__(size)
        depth = size.feature_channels
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

    def features(self, frame: Tensor) -> Tensor:
        # TensorRT does not transpose bytes.
        image = frame.to(self.project.weight.dtype).permute(0, 3, 1, 2)
        at4, at8, at16 = (lateral(x) for lateral, x in zip(self.lateral, self.backbone(image), strict=True))
        at8 = F.relu(self.smooth8(at8 + _twice_as_large(at16)))
        at4 = F.relu(self.smooth4(at4 + _twice_as_large(at8)))
        features: Tensor = GAIN * (self.project(at4) + self.project_shallow(self.shallow((image - 127.0) / 128.0)))
        return features


def _twice_as_large(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
