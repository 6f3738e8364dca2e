"""The range of each tensor that an INT8 network quantises: its smallest and largest value over a sample.

Minimum and maximum can be streamed; histograms would keep every activation of every pair in memory.
"""

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort  # type: ignore[import-untyped]
from numpy.typing import NDArray

from edgefg.errors import DataError
from edgefg.utils.atomic_file import atomic_file

Ranges = dict[str, tuple[float, float]]
"""Smallest and largest value, by the tensor's name."""


def measure_ranges(model: bytes, tensors: Sequence[str], feeds: Iterable[Mapping[str, NDArray[Any]]]) -> Ranges:
    """Runs a network and returns the smallest and largest value of some of its tensors.

    Args:
        model: The FP32 ONNX.
        tensors: Names of the tensors.
        feeds: The network's inputs, one mapping for each run.

    Raises:
        DataError: There is nothing to run on, or a value is not finite.
    """
    graph = onnx.load_from_string(model)
    known = {output.name for output in graph.graph.output}
    graph.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in tensors if name not in known)
    options = ort.SessionOptions()
    # Further optimisation would fuse away the requested tensors.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    session = ort.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    least = dict.fromkeys(tensors, math.inf)
    greatest = dict.fromkeys(tensors, -math.inf)
    for feed in feeds:
        for name, values in zip(tensors, session.run(list(tensors), dict(feed)), strict=True):
            # Python's min and max would skip a NaN.
            least[name] = float(np.minimum(least[name], np.min(values)))
            greatest[name] = float(np.maximum(greatest[name], np.max(values)))
    ranges = {name: (least[name], greatest[name]) for name in tensors}
    for name, bounds in ranges.items():
        if not all(map(math.isfinite, bounds)):
            raise DataError(f"expected finite values to calibrate with, found {bounds} at {name}")
    return ranges


def cached_ranges(key: Sequence[str | bytes], measure: Callable[[], Ranges]) -> Ranges:
    """Returns ranges from the cache, or measures and stores them.

    Args:
        key: Everything that decides the result: the sample's pixels, the network.
        measure: Called if the cache holds nothing for this key.
    """
    digest = hashlib.sha256()
    for part in key:
        digest.update(hashlib.sha256(part if isinstance(part, bytes) else part.encode()).digest())
    file = cache_folder() / f"ranges-{digest.hexdigest()[:32]}.json"
    # A cache that is damaged or cannot be written costs time, never the build.
    with suppress(OSError, ValueError, TypeError, AttributeError):
        stored = {str(name): (float(low), float(high)) for name, (low, high) in json.loads(file.read_text()).items()}
        if stored and all(math.isfinite(bound) for bounds in stored.values() for bound in bounds):
            return stored
    ranges = measure()
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(file, shared=True) as partial:
            partial.write_text(json.dumps(ranges))
    return ranges


def cache_folder() -> Path:
    """Returns the folder for results that edgefg could compute again: ``$EDGEFG_CACHE``, or your cache folder."""
    if given := os.environ.get("EDGEFG_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgefg"
