"""The tiny bundle with plans, on a fake GPU, and on a real one for tests marked ``gpu``.

On a real GPU they run by TensorRT for RTX, and by edgefg's own test kernels, which run on every GPU.
Test modules import its fixtures under their own names (``plans as plans``), as only pytest uses them.
"""

import gc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgefg import Segmenter
from edgefg.bundle.bundle import Bundle

from ..engines.test_engines import compile_for_rtx
from . import kernel_tensorrt
from .fake_gpu import FakeGpu, install, write_plans

RANDOM = np.random.default_rng(5)
FRAME, FEATURES, DISTANCE, PROBABILITY = 48 * 64 * 3, 12 * 16 * 3 * 4, 12 * 16 * 4, 48 * 64


def random_frame() -> np.ndarray:
    """A frame of random blocks as large as a place of the map: about half of it differs enough from another."""
    blocks = RANDOM.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return blocks.repeat(4, axis=0).repeat(4, axis=1)


REAL = [pytest.param(name, marks=pytest.mark.gpu) for name in ("rtx", "kernels")]


@pytest.fixture(params=["fake", *REAL])
def plans(request: pytest.FixtureRequest) -> Bundle:
    """The tiny bundle with plans, on the fake GPU or on a real one."""
    if request.param == "fake":
        fake: Bundle = request.getfixturevalue("fake_plans")
        return fake
    return make_real_plans(request)


BATCH = 4


@pytest.fixture(params=["fake", *REAL])
def batch_plans(request: pytest.FixtureRequest) -> Bundle:
    """The same, for batches of up to `BATCH` frames."""
    if request.param == "fake":
        request.getfixturevalue("gpu")
        tiny, folder = request.getfixturevalue("tiny_bundle"), request.getfixturevalue("tmp_path") / "plans"
        return write_plans(tiny, folder, max_batch=BATCH)
    return make_real_plans(request, BATCH)


@pytest.fixture(params=REAL)
def real_plans(request: pytest.FixtureRequest) -> Bundle:
    """The same, on a real one only."""
    return make_real_plans(request)


def make_real_plans(request: pytest.FixtureRequest, max_batch: int = 1) -> Bundle:
    tiny: Bundle = request.getfixturevalue("tiny_bundle")
    folder: Path = request.getfixturevalue("tmp_path") / "real"
    if request.param == "rtx":
        return compile_for_rtx(tiny, folder, max_batch)
    kernel_tensorrt.install(request.getfixturevalue("monkeypatch"))
    return kernel_tensorrt.write_kernel_plans(tiny, folder, max_batch=max_batch)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGpu]:
    fake = install(monkeypatch)
    gc.disable()  # What waits for a collection is freed by any thread, at any time.
    yield fake
    gc.enable()
    assert fake.is_empty, f"something on the GPU was not freed: {list(fake.alive)}"
    assert not fake.depth, "the context is still current in this thread"


@pytest.fixture
def fake_plans(gpu: FakeGpu, tiny_bundle: Bundle, tmp_path: Path) -> Bundle:
    return write_plans(tiny_bundle, tmp_path / "plans")


def expected_masks(bundle: Bundle, frames: list[np.ndarray]) -> list[np.ndarray]:
    with Segmenter(bundle, background=frames[0], engine="onnxruntime", policy="fixed") as segmenter:
        masks = [segmenter.segment(frame).mask for frame in frames]
    assert all(mask.any() and not mask.all() for mask in masks[1:]), "these masks would compare nothing"
    return masks
