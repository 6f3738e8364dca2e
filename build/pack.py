"""From weights to a bundle: export both stages, check them against torch on real frames, write the folder."""

import json
import platform
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import torch
from numpy.typing import NDArray

import edgefg
from edgefg.background import temporal_median
from edgefg.bundle import Bundle, write_bundle
from edgefg.demo import CLIP
from edgefg.errors import EngineError, OptionError
from edgefg.frames import fit
from edgefg.images import Image
from edgefg.video import open_source

from .export import export_stage1, export_stage2
from .networks import multiply_adds
from .weights import Networks, load_weights

SHIPPED = Path(__file__).parent / "shipped"
"""Weights that come with edgefg, a file a size, and their licence."""

DEFAULT_INPUT_SIZE = (320, 240)
LEAST_IOU = 0.999
"""Of the masks of an export and those of torch."""

CHECKED_FRAMES = 16


def shipped_weights(size: str) -> Path:
    """The weights of a size that come with edgefg.

    Raises:
        OptionError: None do.
    """
    path = SHIPPED / f"{size}.safetensors"
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.safetensors")))
        raise OptionError(f"expected a --size that ships with weights ({names}), got {size!r}; train it: edgefg train")
    return path


def build_bundle(
    out: Path,
    weights: Path | None = None,
    size: str | None = None,
    target: str = "cpu",
    precision: str = "fp32",
    input_size: tuple[int, int] = DEFAULT_INPUT_SIZE,
    say: Callable[[str], None] = lambda text: None,
) -> Bundle:
    """Build a bundle out of trained weights.

    Args:
        out: The bundle's folder.
        weights: A file that `edgefg train` wrote.
        size: In place of `weights`: the shipped weights of this size.
        target: ``cpu``: for OpenVINO and ONNX Runtime.
        precision: ``fp32``.
        input_size: Width and height that the networks see, multiples of 16.
        say: Told what is being done.

    Raises:
        OptionError: An option makes no sense.
        MissingFileError, DataError: The weights cannot be read.
        EngineError: The export does not agree with torch.
        OutputError: The bundle cannot be written.
    """
    if (weights is None) == (size is None):
        raise OptionError("expected either --weights FILE or --size SIZE")
    if target != "cpu":
        raise OptionError(f"expected --target cpu, got {target!r}")
    if precision != "fp32":
        raise OptionError(f"expected --precision fp32, got {precision!r}")
    source = weights if weights is not None else shipped_weights(str(size))
    networks = load_weights(source)
    say(f"exporting {source.name} for {input_size[0]}x{input_size[1]}")
    stage1 = export_stage1(networks.stage1, input_size)
    stage2 = export_stage2(networks.stage2, input_size)
    say("checking the export against torch")
    agreement = agreement_with_torch(networks, stage1, stage2, input_size)
    if agreement < LEAST_IOU:
        raise EngineError(
            f"expected the export's masks to agree with torch's (IoU >= {LEAST_IOU}), got {agreement:.4f}"
        )
    files: dict[str, bytes | Path] = {
        "stage1.onnx": stage1,
        "stage2.onnx": stage2,
        "card.json": json.dumps(networks.card, indent=1).encode(),
    }
    if size is not None:
        files["LICENSE"] = SHIPPED / "LICENSE"
    bundle = write_bundle(out, files=files, manifest=_manifest(networks, input_size, agreement))
    say(f"wrote {bundle.path}")
    return bundle


def agreement_with_torch(networks: Networks, stage1: bytes, stage2: bytes, input_size: tuple[int, int]) -> float:
    """IoU of the masks of ONNX Runtime and torch, pooled over frames of the demo's clip against its median."""
    frames = [fit(frame, input_size) for frame in open_source(CLIP).sample(CHECKED_FRAMES, max(input_size))]
    background, chosen = temporal_median(frames), np.stack(frames)
    threshold = round(threshold_of(networks.card) * 255)
    ours = _onnx_probabilities(stage1, stage2, background, chosen) >= threshold
    reference = torch_probabilities(networks, background, chosen) >= threshold
    union = np.count_nonzero(ours | reference)
    return np.count_nonzero(ours & reference) / union if union else 1.0


def threshold_of(card: dict[str, Any]) -> float:
    """The probability threshold that validation found best, 0.5 where there was none."""
    found = card.get("validation")
    return round(float(found["full"]["threshold"]), 2) if found else 0.5


def torch_probabilities(networks: Networks, background: Image, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Both stages in torch: probabilities (N, H, W) uint8 of frames (N, H, W, 3) uint8 BGR against a background."""
    with torch.inference_mode():
        features = networks.stage1.features(torch.from_numpy(background)[None])
        tensor = torch.from_numpy(frames)
        _, distance = networks.stage1(tensor, features.expand(len(frames), -1, -1, -1))
        probability: NDArray[np.uint8] = (networks.stage2(tensor, distance).sigmoid() * 255).round().byte().numpy()
    return probability


def _onnx_probabilities(
    stage1: bytes, stage2: bytes, background: Image, frames: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    first, second = (
        onnxruntime.InferenceSession(stage, providers=["CPUExecutionProvider"]) for stage in (stage1, stage2)
    )
    shape = [1, *first.get_inputs()[1].shape[1:]]
    features, _ = first.run(None, {"frame": background[None], "background_features": np.zeros(shape, np.float32)})
    masks = []
    for frame in frames:
        _, distance = first.run(None, {"frame": frame[None], "background_features": features})
        masks.append(second.run(None, {"frame": frame[None], "distance": distance})[0][0])
    return np.stack(masks)


def _manifest(networks: Networks, input_size: tuple[int, int], agreement: float) -> dict[str, Any]:
    size, (width, height) = networks.size, input_size
    frame = torch.zeros(1, height, width, 3, dtype=torch.uint8)
    with torch.inference_mode():
        features = networks.stage1.features(frame)
    distance = torch.zeros(1, *features.shape[2:])
    return {
        "name": size.name,
        "network": {
            "size": size.name,
            "width": size.width,
            "early_stride": size.early_stride,
            "feature_channels": size.feature_channels,
        },
        "input_size": {"width": width, "height": height},
        "precision": "fp32",
        "threshold": threshold_of(networks.card),
        "versions": {
            "edgefg": edgefg.__version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in ("torch", "onnx", "onnxruntime")},
        },
        "measured": {
            "multiply_adds": {
                "stage1": multiply_adds(networks.stage1, frame, features),
                "stage2": multiply_adds(networks.stage2, frame, distance),
            },
            "parameters": {
                "stage1": sum(p.numel() for p in networks.stage1.parameters()),
                "stage2": sum(p.numel() for p in networks.stage2.parameters()),
            },
            "iou_with_torch": round(agreement, 5),
            "validation": networks.card.get("validation"),
        },
    }
