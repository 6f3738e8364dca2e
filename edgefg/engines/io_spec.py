"""The inputs and outputs that a bundle's manifest promises, and the check that its networks have them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..bundle.bundle import Bundle, Variant
from ..errors import BundleError


@dataclass(frozen=True)
class TensorSpec:
    """One input of a network.

    Attributes:
        dtype: ``"uint8"`` or ``"float32"``; of a network that breaks the contract, whatever the engine calls it.
        shape: Shape without the batch; None where a graph leaves a side open.
    """

    dtype: str
    shape: tuple[int | None, ...]

    def takes(self, other: "TensorSpec") -> bool:
        """Tells whether an array of the other's type and shape can go in here."""
        return (
            self.dtype == other.dtype
            and len(self.shape) == len(other.shape)
            and all(side in (None, wanted) for side, wanted in zip(self.shape, other.shape, strict=True))
        )


@dataclass(frozen=True)
class StageContract:
    """What the network of one stage takes and gives.

    Attributes:
        file: The network.
        inputs: Its inputs by name.
        outputs: The names of its outputs.
    """

    file: Path
    inputs: Mapping[str, TensorSpec]
    outputs: tuple[str, ...]

    def check(self, inputs: Mapping[str, TensorSpec], outputs: Iterable[str]) -> None:
        """Raises BundleError unless a loaded network has these inputs and outputs."""
        found = sorted(inputs), sorted(outputs)
        expected = sorted(self.inputs), sorted(self.outputs)
        if found != expected:
            raise BundleError(
                f"{self.file}: expected a network from {', '.join(expected[0])} to {', '.join(expected[1])}, "
                f"found one from {', '.join(found[0])} to {', '.join(found[1])}; rebuild it: edgefg build"
            )
        for name, wanted in self.inputs.items():
            if not inputs[name].takes(wanted):
                raise BundleError(
                    f"{self.file}: expected input {name} to be {wanted.dtype} of {wanted.shape}, as the manifest says, "
                    f"found {inputs[name].dtype} of {inputs[name].shape}; rebuild it: edgefg build"
                )


def stage1_contract(bundle: Bundle, variant: Variant) -> StageContract:
    """Stage 1: a frame and the background's features to the frame's features and their distance."""
    width, height = bundle.input_size
    return StageContract(
        variant.stage1,
        {
            "frame": TensorSpec("uint8", (height, width, 3)),
            "background_features": TensorSpec("float32", (bundle.feature_channels, height // 4, width // 4)),
        },
        ("features", "distance"),
    )


def stage2_contract(bundle: Bundle, variant: Variant) -> StageContract:
    """Stage 2: a frame and its distance map to the probability of foreground."""
    width, height = bundle.input_size
    return StageContract(
        variant.stage2,
        {
            "frame": TensorSpec("uint8", (height, width, 3)),
            "distance": TensorSpec("float32", (height // 4, width // 4)),
        },
        ("probability",),
    )


def blank_features(bundle: Bundle) -> npt.NDArray[np.float32]:
    """Returns the features that embed a background: ``(1, C, H/4, W/4) float32`` zeros in place of another's."""
    width, height = bundle.input_size
    return np.zeros((1, bundle.feature_channels, height // 4, width // 4), np.float32)
