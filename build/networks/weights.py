"""Trained weights on disk: one safetensors file for both stages, with a card that records their origin."""

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from edgefg.errors import DataError, MissingFileError, OptionError, OutputError
from edgefg.utils.atomic_file import atomic_file

from .fusion import ADD, fusion_named
from .make import make_stage1, make_stage2
from .sizes import LITE, VGG_LITE, Size, size_named
from .stage1 import SiameseDistance
from .stage2 import MaskDecoder
from .vgg import VggDistance

_CARD_KEY = "edgefg"

WEIGHTS = "weights.safetensors"
"""Name of the weights in a run's folder."""


@dataclass(frozen=True)
class Networks:
    """Both stages, in evaluation mode, with the card of their weights."""

    size: Size
    stage1: SiameseDistance
    stage2: MaskDecoder
    card: dict[str, Any]


def save_weights(path: Path, stage1: Mapping[str, Tensor], stage2: Mapping[str, Tensor], card: dict[str, Any]) -> None:
    """Writes both stages' state and their card; ``card["size"]`` names the size.

    Raises:
        OutputError: The file cannot be written.
    """
    tensors = {f"stage1.{name}": tensor.contiguous() for name, tensor in stage1.items()}
    tensors |= {f"stage2.{name}": tensor.contiguous() for name, tensor in stage2.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as part:
            # Files that safetensors writes itself are readable by their owner alone.
            part.write_bytes(save(tensors, metadata={_CARD_KEY: json.dumps(card)}))
    except OSError as error:
        raise OutputError(f"cannot write the weights to {path}: {error.strerror or error}") from error


def load_weights(path: Path) -> Networks:
    """Reads weights that `save_weights` wrote.

    Raises:
        MissingFileError: There is no such file.
        DataError: The file is not edgefg's, its tensors do not fit the size it names, or they are not finite.
    """
    if path.is_dir():
        raise MissingFileError(f"expected a weights file, {path} is a folder; pass {path / WEIGHTS}")
    if not path.is_file():
        raise MissingFileError(f"expected a weights file at {path}, found none; `edgefg train` writes one")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        card: dict[str, Any] = json.loads(metadata.get(_CARD_KEY, "{}"))
        card = _in_current_words(card, state)
        size = size_named(card["size"])
        stage1, stage2 = make_stage1(size), make_stage2(size, fusion_named(card.get("fusion", ADD.name)))
        stage1.load_state_dict(_stage(state, "stage1."))
        stage2.load_state_dict(_stage(state, "stage2."))
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()  # The first line only names the class.
        raise DataError(
            f"expected weights that `edgefg train` wrote, found some in {path} that fit no edgefg network: {reason}"
        ) from error
    except KeyError as error:
        raise DataError(
            f"expected weights that `edgefg train` wrote, found no {error} in the card of {path}"
        ) from error
    except (SafetensorError, OSError, ValueError, TypeError, OptionError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"expected weights that `edgefg train` wrote, cannot use {path}: {reason}") from error
    # A probability of NaN becomes the byte 0: the masks would be empty, without any warning.
    if broken := next((name for name, tensor in state.items() if not tensor.isfinite().all()), None):
        raise DataError(f"{path}: expected finite weights, found NaN or infinity in {broken}; train again")
    return Networks(size, stage1.eval(), stage2.eval(), card)


def _in_current_words(card: dict[str, Any], state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Renames entries of cards that are older than a bundle's decision; no other place knows the old names."""
    if card["size"] == LITE.name and "stage1.lateral.0.weight" not in state:
        # Before it had a pretrained backbone.
        card = {**card, "size": VGG_LITE.name}
    found = card.get("validation")
    if not found:
        return card
    found = dict(found)
    if "quiet" in found:
        found["skip_below"] = found.pop("quiet")["distance"]
    if "distance" in found.get("map", {}):
        found["map"] = {
            "foreground_distance" if name == "distance" else name: value for name, value in found["map"].items()
        }
    return {**card, "validation": found}


def start_from(
    path: Path,
    stage1: SiameseDistance,
    stage2: MaskDecoder,
    size: Size,
    say: Callable[[str], None] = lambda text: None,
) -> frozenset[str]:
    """Starts training from weights: edgefg's own, or pretrained VGG16 convolutions (an .npz, for stage 1).

    Stage 2 starts from edgefg's own weights if they have the same fusion, and otherwise from random ones.

    Args:
        path: The weights.
        stage1: Receives its weights.
        stage2: Receives its weights.
        size: Size of both stages.
        say: Receives a sentence if stage 2 starts from random weights.

    Returns:
        The fingerprints of the frames that these weights have seen, and so the new ones too.

    Raises:
        MissingFileError: There is no such file.
        DataError: The file cannot be read.
        OptionError: The weights are of another size.
    """
    if path.suffix == ".npz":
        _start_from_vgg16(path, stage1, size)
        return frozenset()
    networks = load_weights(path)
    if networks.size != size:
        held = networks.size.name
        raise OptionError(f"init={str(path)!r} holds the size {held}, expected {size.name}; pass size={held!r}")
    stage1.load_state_dict(networks.stage1.state_dict())
    if networks.stage2.fusion == stage2.fusion:
        stage2.load_state_dict(networks.stage2.state_dict())
    else:
        say(
            f"stage 2 starts from random weights: fusion {stage2.fusion.name}, "
            f"{path.name} has {networks.stage2.fusion.name}"
        )
    return frozenset(networks.card.get("seen_frames", ()))


def _start_from_vgg16(path: Path, stage1: SiameseDistance, size: Size) -> None:
    """Copies ``blockB_convC/{kernel,bias}`` (OIHW) into the backbone's convolutions, in order."""
    if not path.is_file():
        raise MissingFileError(f"expected pretrained VGG16 weights at {path}, found none")
    if not isinstance(stage1, VggDistance) or size.width != 1.0 or size.batch_norm:
        raise OptionError(f"init={str(path)!r}: VGG16's channels fit size='paper' only, got {size.name}")
    names = [f"block{b}_conv{c}" for b, count in ((1, 2), (2, 2), (3, 3), (4, 3)) for c in range(1, count + 1)]
    convs = [module for module in stage1.backbone.modules() if isinstance(module, nn.Conv2d)]
    try:
        with path.open("rb") as file, np.load(file) as arrays, torch.no_grad():
            for name, conv in zip(names, convs, strict=True):
                assert conv.bias is not None
                conv.weight.copy_(torch.from_numpy(arrays[f"{name}/kernel"].astype(np.float32)))
                conv.bias.copy_(torch.from_numpy(arrays[f"{name}/bias"].astype(np.float32)))
    # Not an archive, one that is cut short, or arrays of text, of objects or of another shape.
    except (OSError, EOFError, KeyError, ValueError, TypeError, RuntimeError, BadZipFile, zlib.error) as error:
        raise DataError(f"expected VGG16's first ten convolutions in {path}: {error}") from error


def _stage(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
