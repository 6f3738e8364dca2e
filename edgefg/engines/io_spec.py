"""The inputs and outputs that a bundle's manifest specifies, and the check that its networks have them."""

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
        dtype: ``"uint8"`` or ``"float32"``. For a network that breaks the contract, the engine's name of the type.
        shape: Shape without the batch; None for a dynamic side.
    """

    dtype: str
    shape: tuple[int | None, ...]

    def takes(self, other: "TensorSpec") -> bool:
        """Returns whether an array of the other's type and shape fits this input."""
        return (
            self.dtype == other.dtype
            and len(self.shape) == len(other.shape)
            and all(side in (None, wanted) for side, wanted in zip(self.shape, other.shape, strict=True))
        )


@dataclass(frozen=True)
class StageContract:
    """The inputs and outputs of one stage's network.

    Attributes:
        file: File of the network.
        inputs: Inputs by name.
        outputs: Names of the outputs.
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
    """Returns the contract of stage 1: frame and background's features to the frame's features and what it hands on."""
    width, height = bundle.input_size
    return StageContract(
        variant.stage1,
        {
            "frame": TensorSpec("uint8", (height, width, 3)),
            "background_features": TensorSpec("float32", (bundle.feature_channels, height // 4, width // 4)),
        },
        ("features", *handed_on(bundle)),
    )


def stage2_contract(bundle: Bundle, variant: Variant) -> StageContract:
    """Returns the contract of stage 2: a frame and what stage 1 found in it to the probability of foreground."""
    width, height = bundle.input_size
    return StageContract(
        variant.stage2,
        {"frame": TensorSpec("uint8", (height, width, 3)), **handed_on(bundle)},
        ("probability",),
    )


def handed_on(bundle: Bundle) -> dict[str, TensorSpec]:
    """Returns what stage 1 hands to stage 2: the distance map and, where the networks have it, their context."""
    width, height = bundle.input_size
    sides = height // 4, width // 4
    context = {"context": TensorSpec("float32", (bundle.context_channels, *sides))} if bundle.context_channels else {}
    return {"distance": TensorSpec("float32", sides), **context}


def blank_features(bundle: Bundle) -> npt.NDArray[np.float32]:
    """Returns the features to embed a background with: zeros, ``(1, C, H/4, W/4) float32``."""
    width, height = bundle.input_size
    return np.zeros((1, bundle.feature_channels, height // 4, width // 4), np.float32)
