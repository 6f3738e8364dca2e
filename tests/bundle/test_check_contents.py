"""Files of a bundle that have to fit its networks: its reference masks, and the description of its layers."""

import json
from typing import Any

import numpy as np
import pytest

from edgefg.bundle.bundle import Bundle
from edgefg.bundle.reference_masks import ReferenceMasks

from ..conftest import HEIGHT, WIDTH
from ..support.fake_bundles import Maker, matches, mismatches, only_mismatch, onnx
from ..support.fake_bundles import make as make


class TestReferenceMasks:
    def masks(self, width: int = WIDTH, frames: int = 3) -> bytes:
        background = np.zeros((HEIGHT, width, 3), np.uint8)
        images = np.zeros((frames, HEIGHT, width, 3), np.uint8)
        return ReferenceMasks(background, images, images[..., 0]).to_bytes()

    def test_their_frames_are_counted(self, make: Maker) -> None:
        bundle = make(onnx(), files={"reference_masks.npz": self.masks()})
        assert matches(bundle)["reference masks"] == "those of fp32 for 3 frames of 64x48"
        assert not mismatches(bundle)

    @pytest.mark.parametrize("content", ["size", "none", "text"])
    def test_others_are_refused(self, content: str, make: Maker) -> None:
        contents = {
            "size": self.masks(width=32),
            "none": self.masks(frames=0),
            "text": b"no archive\n",
        }
        mismatch = only_mismatch(make(onnx(), files={"reference_masks.npz": contents[content]}))
        assert (mismatch.field, mismatch.expected) == ("reference_masks.npz", "frames of 64x48 with their masks")
        assert "reference_masks.npz: expected" in mismatch.found


LAYER = {
    "name": "encoder.0",
    "op": "Conv",
    "precision": "fp32",
    "kernel": [3, 3],
    "stride": [1, 1],
    "channels_in": 3,
    "channels_out": 3,
    "output_height": 12,
    "output_width": 16,
    "multiply_adds": 1,
    "weight_bytes": 1,
    "output_bytes": 1,
}
TOTALS = {"multiply_adds": 1, "weight_bytes": 1, "port_bytes": 1, "output_bytes": 1}


class TestLayers:
    """The build's description of the networks has to be of those that the manifest promises."""

    def layers(self) -> dict[str, Any]:
        def port(name: str, dtype: str, *shape: int) -> dict[str, Any]:
            return {"name": name, "dtype": dtype, "shape": ["N", *shape]}

        frame, features = port("frame", "uint8", 48, 64, 3), ("float32", 3, 12, 16)
        distance = port("distance", "float32", 12, 16)
        ports = {
            "stage1": ([frame, port("background_features", *features)], [port("features", *features), distance]),
            "stage2": ([frame, distance], [port("probability", "uint8", 48, 64)]),
        }
        rest = {"layers": [LAYER], "others": {}, "q_dq_pairs": 0, "totals": TOTALS}
        stages = {name: {"inputs": inputs, "outputs": outputs, **rest} for name, (inputs, outputs) in ports.items()}
        copied: dict[str, Any] = json.loads(
            json.dumps({"fp32": stages})
        )  # Shares nothing, so that one port can change.
        return copied

    def bundle(self, make: Maker, layers: dict[str, Any]) -> Bundle:
        return make(onnx(), files={"layers.json": json.dumps(layers).encode()})

    def test_they_agree(self, make: Maker) -> None:
        assert not mismatches(self.bundle(make, self.layers()))

    def test_a_fixed_batch_is_fine(self, make: Maker) -> None:
        layers = self.layers()
        layers["fp32"]["stage1"]["inputs"][0]["shape"][0] = 1
        assert not mismatches(self.bundle(make, layers))

    def test_another_shape(self, make: Maker) -> None:
        layers = self.layers()
        layers["fp32"]["stage1"]["inputs"][1]["shape"][1] = 64
        mismatch = only_mismatch(self.bundle(make, layers))
        assert mismatch.field == "fp32.onnx stage1 background_features"
        assert mismatch.expected == "float32 of ('N', 3, 12, 16)"
        assert mismatch.found == "float32 of ('N', 64, 12, 16)"
        assert "edgefg build --out" in mismatch.remedy

    def test_another_type(self, make: Maker) -> None:
        layers = self.layers()
        layers["fp32"]["stage2"]["inputs"][0]["dtype"] = "float16"
        assert only_mismatch(self.bundle(make, layers)).found == "float16 of ('N', 48, 64, 3)"

    def test_missing_ports(self, make: Maker) -> None:
        layers = self.layers()
        layers["fp32"]["stage1"]["outputs"].pop()
        layers["fp32"]["stage2"]["inputs"].pop()
        found = mismatches(self.bundle(make, layers))
        assert [(mismatch.field, mismatch.found) for mismatch in found] == [
            ("fp32.onnx stage1 distance", "none"),
            ("fp32.onnx stage2 distance", "none"),
        ]

    def test_another_precision(self, make: Maker) -> None:
        layers = self.layers()
        for stage in layers["fp32"].values():
            stage["layers"][0]["precision"] = "fp16"
        mismatch = only_mismatch(self.bundle(make, layers))
        assert (mismatch.field, mismatch.expected, mismatch.found) == ("fp32.onnx precision", "fp32", "fp16")

    def test_a_malformed_description(self, make: Maker) -> None:
        mismatch = only_mismatch(self.bundle(make, {"fp32": {"stage1": []}}))
        assert mismatch.field == "layers.json"
        assert "fp32.stage1" in mismatch.found
