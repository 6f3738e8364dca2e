"""Frames on the GPU of any size and form, by `edgefg.engines.trt.scaler`: on the fake GPU, and by the real kernel."""

import hashlib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgefg import Nv12Frame, Pipeline, Segmenter
from edgefg.bundle.bundle import Bundle
from edgefg.engines import trt
from edgefg.errors import EngineError, FrameError
from edgefg.imaging.convert import fit, to_bgr8
from edgefg.imaging.device import device_frame

from ..support import fake_gpu
from ..support.gpu_plans import fake_plans as fake_plans
from ..support.gpu_plans import gpu as gpu
from ..support.gpu_plans import plans as plans

pytest.importorskip("onnxruntime")

SIZE = (64, 48)
SOURCE = Path(trt.__file__).with_name("scale.cu")


class Uploader:
    """Puts arrays into GPU memory, with rows that lie apart."""

    def __init__(self) -> None:
        # Not "from edgefg.engines.trt import cuda": the package keeps that of an earlier test's fake GPU.
        self.gpu = import_module("edgefg.engines.trt.cuda").Gpu()

    def array(self, pixels: np.ndarray, gap: int = 0) -> Any:
        height, row = pixels.shape[0], pixels[0].size
        with self.gpu.use("upload"):
            host, buffer = self.gpu.pinned((height, row + gap), np.uint8), self.gpu.allocate(height * (row + gap))
            host[:, :row] = pixels.reshape(height, row)
            stream = self.gpu.stream()
            self.gpu.upload(buffer, host, stream)
            stream.synchronize()
        return Array(buffer.address, pixels.shape, (row + gap, *pixels[0].strides))


class Array:
    def __init__(self, address: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self.__cuda_array_interface__ = {
            "shape": shape,
            "strides": strides,
            "typestr": "|u1",
            "data": (address, False),
            "version": 3,
        }


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.gpu)])
def uploader(request: pytest.FixtureRequest) -> Iterator[Uploader]:
    if request.param == "fake":
        fake_gpu.install(request.getfixturevalue("monkeypatch"))
    made = Uploader()
    yield made
    made.gpu.close()


def picture(width: int, height: int, channels: int = 3, seed: int = 3) -> np.ndarray:
    """Fine and coarse detail, from black to white."""
    rng = np.random.default_rng(seed)
    fine = rng.integers(0, 256, (height, width, channels)).astype(np.float32)
    coarse = cv2.resize(rng.integers(0, 256, (4, 5, channels)).astype(np.float32), (width, height))
    mixed = np.clip(0.3 * fine + 0.9 * coarse.reshape(fine.shape) - 30, 0, 255).astype(np.uint8)
    return mixed[..., 0] if channels == 1 else mixed


def nv12_of(bgr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    height, width = bgr.shape[:2]
    planar = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420)
    u, v = planar[height:].reshape(2, height // 2, width // 2)
    return planar[:height], np.stack([u, v], axis=-1)


def scaled(uploader: Uploader, array: Any, size: tuple[int, int] = SIZE) -> np.ndarray:
    scaler = import_module("edgefg.engines.trt.scaler").Scaler(uploader.gpu, size)
    with uploader.gpu.use("scale"):
        image: np.ndarray = scaler.to_host(device_frame(array))
        scaler.close()
    return image


def differ_by(image: np.ndarray, expected: np.ndarray) -> int:
    assert image.shape == expected.shape
    return int(np.abs(image.astype(int) - expected).max())


@pytest.mark.parametrize(
    "size",
    [(64, 48), (128, 96), (640, 480), (1920, 1080), (100, 75), (65, 49), (63, 47), (32, 24), (16, 16), (200, 20)],
)
def test_bgr_is_scaled_as_on_the_host(size: tuple[int, int], uploader: Uploader) -> None:
    frame = picture(*size)
    assert differ_by(scaled(uploader, uploader.array(frame)), fit(frame, SIZE)) <= 1


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("gap", [0, 37])
def test_gray_bgr_and_bgra_with_any_pitch_become_bgr(channels: int, gap: int, uploader: Uploader) -> None:
    frame = picture(160, 120, channels)
    assert differ_by(scaled(uploader, uploader.array(frame, gap)), fit(to_bgr8(frame), SIZE)) <= 1


def test_bgr_of_the_networks_size_stays_as_it_is(uploader: Uploader) -> None:
    frame = picture(*SIZE)
    for gap in (0, 64):
        np.testing.assert_array_equal(scaled(uploader, uploader.array(frame, gap)), frame)


@pytest.mark.parametrize("size", [(64, 48), (128, 96), (1920, 1080), (720, 576), (32, 24)])
@pytest.mark.parametrize("gap", [0, 128])
def test_nv12_is_converted_as_by_opencv(size: tuple[int, int], gap: int, uploader: Uploader) -> None:
    luma, chroma = nv12_of(picture(*size))
    frame = Nv12Frame(uploader.array(luma, gap), uploader.array(chroma, gap))
    on_host = cv2.cvtColor(np.vstack([luma, chroma.reshape(-1, luma.shape[1])]), cv2.COLOR_YUV2BGR_NV12)
    # OpenCV rounds each factor, and the levels before it enlarges them.
    assert differ_by(scaled(uploader, frame), fit(np.asarray(on_host), SIZE)) <= 2


@pytest.mark.gpu
@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
@pytest.mark.parametrize("full_range", [False, True])
def test_nv12_of_other_colours_gives_back_the_bgr_it_was_made_from(matrix: Any, full_range: bool) -> None:
    uploader = Uploader()
    to_bgr = Nv12Frame(None, None, matrix, full_range).to_bgr
    bgr = np.zeros((48, 64, 3), np.uint8) + np.array([200, 90, 40], np.uint8)
    # Solved for Y, U and V: the three equations of YuvToBgr.
    factors = np.array(
        [[to_bgr.gain, to_bgr.blue_u, 0], [to_bgr.gain, to_bgr.green_u, to_bgr.green_v], [to_bgr.gain, 0, to_bgr.red_v]]
    )
    y, u, v = np.linalg.solve(factors, bgr[0, 0].astype(float)) + np.array([to_bgr.black, 128, 128])
    luma = np.full((48, 64), round(y), np.uint8)
    chroma = np.zeros((24, 32, 2), np.uint8) + np.array([round(u), round(v)], np.uint8)
    frame = Nv12Frame(uploader.array(luma), uploader.array(chroma), matrix, full_range)
    assert differ_by(scaled(uploader, frame), bgr) <= 2
    uploader.gpu.close()


def blocks(size: tuple[int, int], seed: int) -> np.ndarray:
    """A picture whose masks do not depend on how it is scaled: whole blocks of the map, enlarged."""
    block = np.random.default_rng(seed).integers(0, 2, (12, 16, 3), dtype=np.uint8) * 255
    return np.asarray(cv2.resize(block, size, interpolation=cv2.INTER_NEAREST))


@pytest.mark.parametrize("opened", [Segmenter, Pipeline])
def test_masks_have_the_cameras_size_and_are_those_of_host_frames(opened: Any, plans: Bundle) -> None:
    name, uploader = plans.variants[0].engines[0], Uploader()
    frames = [blocks((256, 192), seed) for seed in range(4)]
    arrays = [uploader.array(frame, gap=32) for frame in frames]

    def masks_of(given: list[Any]) -> list[np.ndarray]:
        with opened(plans, engine=name, policy="fixed") as one:
            if isinstance(one, Pipeline):
                return [result.mask for result in one.map(given)]
            return [one.segment(frame).mask for frame in given]

    for mask, expected in zip(masks_of(arrays), masks_of(frames), strict=True):
        np.testing.assert_array_equal(mask, expected)
        assert mask.shape == (192, 256)
    assert expected.any() and not expected.all()
    uploader.gpu.close()


def test_a_background_from_the_gpu_keeps_the_cameras_shape(plans: Bundle) -> None:
    uploader = Uploader()
    wide, narrow = uploader.array(picture(256, 144)), uploader.array(picture(256, 192))
    with Segmenter(plans, engine=plans.variants[0].engines[0], policy="fixed") as segmenter:
        assert segmenter.segment(wide).background_adopted
        with pytest.raises(FrameError, match="the frame is 256x192 and the background 256x144"):
            segmenter.segment(narrow)
    uploader.gpu.close()


def test_nv12_is_refused_by_an_engine_on_the_cpu(tiny_bundle: Bundle) -> None:
    array = Array(1 << 20, (48, 64), (64, 1))
    with (
        Segmenter(tiny_bundle, engine="onnxruntime", policy="fixed") as segmenter,
        pytest.raises(FrameError, match="Nv12Frame in GPU memory: copy it to the host, or use a TensorRT engine"),
    ):
        segmenter.segment(Nv12Frame(array, array))  # type: ignore[arg-type]


def test_a_driver_that_cannot_translate_the_kernel_fails_only_frames_that_need_it(
    gpu: Any, fake_plans: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploader = Uploader()
    fits, other = uploader.array(picture(*SIZE)), uploader.array(picture(128, 96))
    with Segmenter(fake_plans, engine="tensorrt", policy="fixed") as segmenter:
        scaler = import_module("edgefg.engines.trt.scaler")
        monkeypatch.setattr(scaler, "kernel_image", lambda: b"no PTX\0")
        segmenter.segment(fits)
        for _ in range(2):
            with pytest.raises(EngineError, match="a PTX JIT compilation failed"):
                segmenter.segment(other)
        segmenter.segment(fits)
    uploader.gpu.close()


def test_the_ptx_was_compiled_from_this_source() -> None:
    source = hashlib.sha256(SOURCE.read_bytes()).hexdigest()
    told = SOURCE.with_suffix(".ptx").read_text().splitlines()[0]
    assert source in told, "run examples/research/compile_kernels.py"


def test_the_ptx_is_for_every_gpu_that_tensorrt_supports() -> None:
    # TensorRT 10 needs compute capability 7.5; PTX 7.8 is read by drivers of CUDA 11.8 and later.
    text = SOURCE.with_suffix(".ptx").read_text()
    assert "\n.version 7.8\n.target sm_75\n" in text
