"""Export of both stages to ONNX, by the contract that every engine relies on.

Stage 1: ``frame`` (N, H, W, 3) uint8 BGR and ``background_features`` (N, C, H/4, W/4) float32 ->
``features`` of the same shape, ``distance`` (N, H/4, W/4) float32, unrounded, and, for sizes that have it, ``context``
(N, K, H/4, W/4) float32. Stage 2: ``frame``, ``distance`` and ``context`` -> ``probability`` (N, H, W) uint8, where 255
is certain foreground. N is dynamic. Half precision has the same inputs and outputs; even there the distance and the
fusion of map and frame are computed in float32.
"""

import copy
import io
import warnings
from collections.abc import Sequence
from typing import TypeVar

import onnx
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..networks.sizes import check_input_size
from ..networks.stage1 import SiameseDistance
from ..networks.stage2 import MaskDecoder
from .level_scale import divide_levels
from .padding import fold_padding

Network = TypeVar("Network", bound=nn.Module)

OPSET = 17
"""The lowest opset with all operators that the networks need."""

HALF_OPSET = 19
"""The lowest opset in which INT8 nodes may have half-precision scales. TensorRT 10 reads it."""


class _Stage1Outputs(nn.Module):
    """Stage 1 with the outputs that it has: a graph has no None."""

    def __init__(self, stage1: SiameseDistance) -> None:
        super().__init__()
        self.stage1 = stage1

    def forward(self, frame: Tensor, background_features: Tensor) -> tuple[Tensor, ...]:
        found = self.stage1(frame, background_features)
        return tuple(tensor for tensor in found if tensor is not None)


class _MaskBytes(nn.Module):
    """Stage 2 with its output in bytes, as the contract demands."""

    def __init__(self, decoder: MaskDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, frame: Tensor, distance: Tensor, context: Tensor | None = None) -> Tensor:
        probability: Tensor = (self.decoder(frame, distance, context).sigmoid() * 255).round().to(torch.uint8)
        return probability


def export_stage1(stage1: SiameseDistance, input_size: tuple[int, int], *, half: bool = False) -> bytes:
    """Exports stage 1 for frames of `input_size` (width, height), in half precision if `half`.

    Raises:
        OptionError: A side is not a multiple of 16, or too large.
    """
    frame = _example_frame(input_size)
    network = fold_batch_norm(stage1)
    with torch.inference_mode():
        features = torch.zeros_like(network.features(frame))
    outputs = ["features", "distance"] if network.comparer is None else ["features", "distance", "context"]
    ports = ["frame", "background_features"], outputs
    return _export(_Stage1Outputs(network), (frame, features), *ports, half=half)


def export_stage2(stage2: MaskDecoder, input_size: tuple[int, int], *, half: bool = False) -> bytes:
    """Exports stage 2 for frames of `input_size` (width, height), in half precision if `half`.

    Raises:
        OptionError: A side is not a multiple of 16, or too large.
    """
    frame = _example_frame(input_size)
    distance = torch.zeros(2, frame.shape[1] // 4, frame.shape[2] // 4)
    inputs = {"frame": frame, "distance": distance}
    if depth := stage2.context_channels:
        inputs["context"] = torch.zeros(2, depth, *distance.shape[1:])
    network = _MaskBytes(fold_batch_norm(stage2))
    return _export(network, tuple(inputs.values()), list(inputs), ["probability"], half=half)


def fold_batch_norm(network: Network) -> Network:
    """Returns a copy in evaluation mode, with batch normalisations folded into the convolutions before them."""
    folded = copy.deepcopy(network).eval()
    for block in folded.modules():
        if isinstance(block, nn.Sequential):
            for index in range(len(block) - 1):
                conv, norm = block[index], block[index + 1]
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    block[index], block[index + 1] = fuse_conv_bn_eval(conv, norm), nn.Identity()
    return folded


def _example_frame(input_size: tuple[int, int]) -> Tensor:
    width, height = input_size
    check_input_size(input_size)
    return torch.zeros(2, height, width, 3, dtype=torch.uint8)


def _export(
    network: nn.Module, example: tuple[Tensor, ...], inputs: Sequence[str], outputs: Sequence[str], *, half: bool
) -> bytes:
    buffer = io.BytesIO()
    if half:
        network = network.half()  # In place, on the copy that fold_batch_norm made.
    with warnings.catch_warnings():
        # The tracing exporter is deprecated, but only it writes opset 17 without a converter in between.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            example,
            buffer,  # type: ignore[arg-type]  # A stream is documented, but missing from the annotation.
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: {0: "N"} for name in (*inputs, *outputs)},
            opset_version=HALF_OPSET if half else OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    model = divide_levels(fold_padding(model))
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())
