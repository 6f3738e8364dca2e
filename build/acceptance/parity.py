"""Checks that an export computes the same masks as torch, on each engine that is to run it."""

import math
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgefg.errors import EngineError
from edgefg.imaging.convert import fit
from edgefg.imaging.io import Image
from edgefg.imaging.median import temporal_median
from edgefg.imaging.overlap import iou
from edgefg.media.reader import open_video
from edgefg.segmentation.segmenter import Segmenter
from edgefg.utils.resources import CLIP

from ..export.simulate import Stages
from ..networks.weights import Networks
from ..quantization.variants import Candidate
from .comparison import scratch_bundle

MIN_IOU = 0.999
"""Lowest IoU of an export's masks with torch's."""

CHECKED_FRAMES = 16


def check_export(networks: Networks, fp32: Candidate, input_size: tuple[int, int], threshold: float) -> float:
    """Returns the IoU of ONNX Runtime's masks with torch's, pooled over frames of the demo's clip against its median.

    Raises:
        EngineError: They do not agree.
    """
    frames, background = clip_frames(input_size)
    stages = Stages(fp32.stage1, fp32.stage2)
    found = np.stack([stages.probability(background, frame) for frame in frames])
    agreed = _agreement(found, torch_probabilities(networks, background, np.stack(frames)), threshold)
    if agreed < MIN_IOU:
        raise EngineError(f"expected the export's masks to agree with torch's (IoU >= {MIN_IOU}), got {agreed:.4f}")
    return agreed


def check_engine(networks: Networks, fp32: Candidate, engine: str, manifest: dict[str, Any]) -> None:
    """Checks that an engine computes FP32 as torch does; all later comparisons rely on that.

    Args:
        networks: The networks in torch.
        fp32: Their export.
        engine: An engine that runs on this machine's CPU.
        manifest: The bundle's manifest, for its size and threshold.

    Raises:
        EngineError: It does not.
    """
    with scratch_bundle([fp32], engine, manifest) as bundle:
        frames, background = clip_frames(bundle.input_size)
        with Segmenter(bundle, background=background, engine=engine, mode="full", skip_below=None) as segmenter:
            found = np.stack([segmenter.segment(frame).probability for frame in frames])
            title = f"{segmenter.engine.name} {segmenter.engine.version}"
    agreed = _agreement(found, torch_probabilities(networks, background, np.stack(frames)), bundle.decision.threshold)
    if agreed < MIN_IOU:
        raise EngineError(
            f"expected the masks of {title} in fp32 to agree with torch's (IoU >= {MIN_IOU}), got {agreed:.4f}: "
            f"this machine's {engine} computes wrongly; install another version of it, or uninstall it"
        )


@lru_cache(maxsize=1)  # A build asks several times.
def clip_frames(input_size: tuple[int, int]) -> tuple[list[Image], Image]:
    """Returns frames from all over the demo's clip and their median: (H, W, 3) uint8 BGR at `input_size`."""
    frames = [fit(frame, input_size) for frame in open_video(CLIP).sample(CHECKED_FRAMES, max(input_size))]
    return frames, temporal_median(frames)


def _agreement(found: NDArray[np.uint8], expected: NDArray[np.uint8], threshold: float) -> float:
    """Returns the IoU of two masks; 1 where both are empty."""
    level = math.ceil(threshold * 255)
    return iou(found >= level, expected >= level)


def torch_probabilities(networks: Networks, background: Image, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Runs both stages in torch: frames (N, H, W, 3) uint8 BGR and a background -> probabilities (N, H, W) uint8."""
    with torch.inference_mode():
        features = networks.stage1.features(torch.from_numpy(background)[None])
        tensor = torch.from_numpy(frames)
        found = networks.stage1(tensor, features.expand(len(frames), -1, -1, -1))
        logits = networks.stage2(tensor, found.distance, found.context)
        probability: NDArray[np.uint8] = (logits.sigmoid() * 255).round().byte().numpy()
    return probability
