"""Simulation of exported stages on ONNX Runtime, which computes each graph exactly, whatever engine it is meant for."""

from typing import Any

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]
from numpy.typing import NDArray

from edgefg.imaging.io import Image


def open_session(model: bytes) -> ort.InferenceSession:
    """Opens a session on the CPU that prints errors only, and computes the graph as it is written."""
    options = ort.SessionOptions()
    # See `edgefg.engines.onnxruntime.as_written`.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class Stage1:
    """Stage 1 of an export."""

    def __init__(self, model: bytes) -> None:
        self._session = open_session(model)
        shapes = {port.name: port.shape for port in self._session.get_inputs()}
        self._handed_on = [port.name for port in self._session.get_outputs() if port.name != "features"]
        self._none = np.zeros([1, *shapes["background_features"][1:]], np.float32)

    def embed_feed(self, image: Image) -> dict[str, NDArray[Any]]:
        """Returns the inputs that embed an image: zeros stand for the background."""
        return {"frame": image[None], "background_features": self._none}

    def handed_on(self, background: Image, frame: Image) -> dict[str, NDArray[np.float32]]:
        """Returns what stage 2 gets of two images (H, W, 3) uint8 BGR: the distance map, and the context if any."""
        (features,) = self._session.run(["features"], self.embed_feed(background))
        found = self._session.run(self._handed_on, {"frame": frame[None], "background_features": features})
        return dict(zip(self._handed_on, found, strict=True))


class Stages:
    """Both stages of an export."""

    def __init__(self, stage1: bytes, stage2: bytes) -> None:
        self._stage1 = Stage1(stage1)
        self._stage2 = open_session(stage2)

    def probability(self, background: Image, frame: Image) -> NDArray[np.uint8]:
        """Returns the probabilities, (H, W) uint8, of two images (H, W, 3) uint8 BGR."""
        (found,) = self._stage2.run(None, {"frame": frame[None], **self._stage1.handed_on(background, frame)})
        probability: NDArray[np.uint8] = found[0]
        return probability
