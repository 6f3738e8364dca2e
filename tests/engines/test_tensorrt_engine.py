"""The engine on a GPU: masks, what is copied, frames that are there already, and when it is chosen."""

import logging
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgefg import Pipeline, Segmenter
from edgefg.bundle.bundle import Bundle, open_bundle
from edgefg.engines.open import open_engine
from edgefg.errors import BundleError, FrameError, MissingDependencyError

from ..support.fake_gpu import FakeGpu, install, write_plans
from ..support.fake_tensorrt import SCRATCH
from ..support.gpu_plans import DISTANCE, FEATURES, FRAME, PROBABILITY, expected_masks, random_frame
from ..support.gpu_plans import fake_plans as fake_plans
from ..support.gpu_plans import gpu as gpu
from ..support.gpu_plans import plans as plans

pytest.importorskip("onnxruntime")


class DeviceArray:
    """As a decoder hands it over."""

    def __init__(self, frame: np.ndarray, gpu: FakeGpu, **changed: Any) -> None:
        block = np.ascontiguousarray(frame).reshape(-1).view(np.uint8).copy()
        gpu.memory[block.ctypes.data] = block
        self.address, self.gpu = block.ctypes.data, gpu
        self.__cuda_array_interface__ = {
            "shape": frame.shape,
            "typestr": "|u1",
            "data": (self.address, False),
            "version": 3,
        } | changed

    def free(self) -> None:
        del self.gpu.memory[self.address]


class TestMasks:
    def test_are_those_of_the_cpu(self, plans: Bundle, tiny_bundle: Bundle) -> None:
        frames = [random_frame() for _ in range(6)]
        with Segmenter(plans, background=frames[0], policy="fixed") as segmenter:
            assert segmenter.engine.name.startswith("tensorrt")
            masks = [segmenter.segment(frame).mask for frame in frames]
        for mask, expected in zip(masks, expected_masks(tiny_bundle, frames), strict=True):
            np.testing.assert_array_equal(mask, expected)

    def test_of_a_pipeline_are_those_of_the_segmenter(self, plans: Bundle, tiny_bundle: Bundle) -> None:
        frames = [random_frame() for _ in range(40)]
        with Pipeline(plans, slots=3, policy="fixed") as pipeline:
            pipeline.backgrounds[""].set(frames[0])
            masks = [result.mask for result in pipeline.map(frames)]
        for mask, expected in zip(masks, expected_masks(tiny_bundle, frames), strict=True):
            np.testing.assert_array_equal(mask, expected)

    def test_come_out_right_for_eight_threads_that_submit(self, plans: Bundle, tiny_bundle: Bundle) -> None:
        frames = [random_frame() for _ in range(10)]
        expected = expected_masks(tiny_bundle, frames)
        with Pipeline(plans, slots=3, policy="fixed") as pipeline:
            cameras = [f"camera {number}" for number in range(8)]
            for name in cameras:
                pipeline.backgrounds[name].set(frames[0])
            threads = [
                threading.Thread(target=lambda name=name: [pipeline.submit(frame, name) for frame in frames])
                for name in cameras
            ]
            for thread in threads:
                thread.start()
            for _ in range(80):
                result = pipeline.take(30)
                np.testing.assert_array_equal(result.mask, expected[result.sequence])
            for thread in threads:
                thread.join()

    def test_are_the_same_without_graphs(
        self, monkeypatch: pytest.MonkeyPatch, tiny_bundle: Bundle, tmp_path: Path
    ) -> None:
        gpu = install(monkeypatch, graphs=False)
        frames = [random_frame() for _ in range(3)]
        with Segmenter(write_plans(tiny_bundle, tmp_path / "plans"), background=frames[0], policy="fixed") as segmenter:
            masks = [segmenter.segment(frame).mask for frame in frames]
        assert gpu.launches == 0
        for mask, expected in zip(masks, expected_masks(tiny_bundle, frames), strict=True):
            np.testing.assert_array_equal(mask, expected)


class TestTraffic:
    def test_a_frame_goes_up_and_its_maps_come_down(self, gpu: FakeGpu, fake_plans: Bundle) -> None:
        engine = open_engine(fake_plans, "tensorrt", slots=1)
        features = engine.embed(random_frame())
        engine.run(random_frame(), features)
        gpu.copied = dict.fromkeys(gpu.copied, 0)
        gpu.launches = 0
        engine.run(random_frame(), features)
        assert gpu.copied == {"up": FRAME, "down": DISTANCE + PROBABILITY, "within": 0}
        assert gpu.launches == 2
        engine.close()

    def test_a_refresh_copies_features_once_a_slot_and_only_within_the_gpu(
        self, gpu: FakeGpu, fake_plans: Bundle
    ) -> None:
        engine = open_engine(fake_plans, "tensorrt", slots=1)
        features = engine.embed(random_frame())
        gpu.copied = dict.fromkeys(gpu.copied, 0)
        for _ in range(3):
            engine.run(random_frame(), features)
        assert gpu.copied["within"] == FEATURES
        engine.close()

    def test_a_quiet_frame_brings_no_probability(self, gpu: FakeGpu, fake_plans: Bundle) -> None:
        engine = open_engine(fake_plans, "tensorrt", slots=1)
        frame = random_frame()
        features = engine.embed(frame)
        gpu.copied = dict.fromkeys(gpu.copied, 0)
        assert engine.run(frame, features, early_exit=lambda distance: True).probability is None
        assert gpu.copied["down"] == DISTANCE
        engine.close()

    def test_backgrounds_use_memory_again(self, gpu: FakeGpu, fake_plans: Bundle) -> None:
        with Segmenter(fake_plans, background=random_frame(), engine="tensorrt", policy="fixed") as segmenter:
            segmenter.background.set(random_frame())
            segmenter.background.set(random_frame())
            blocks = len(gpu.memory)
            for _ in range(50):
                segmenter.background.set(random_frame())
                segmenter.segment(random_frame())
            assert len(gpu.memory) == blocks


class TestMemory:
    def test_the_stages_of_a_slot_share_their_scratch_memory(self, gpu: FakeGpu, fake_plans: Bundle) -> None:
        engine = open_engine(fake_plans, "tensorrt", slots=3)
        # One for each slot, and one to embed backgrounds.
        assert [block.nbytes for block in gpu.memory.values()].count(SCRATCH) == 3 + 1
        engine.close()


class TestDeviceFrames:
    @pytest.mark.parametrize("opened", [Segmenter, Pipeline])
    def test_give_the_masks_of_host_frames(
        self, opened: Callable[..., Any], gpu: FakeGpu, fake_plans: Bundle, tiny_bundle: Bundle
    ) -> None:
        frames = [random_frame() for _ in range(3)]
        arrays = [DeviceArray(frame, gpu) for frame in frames]
        gpu.copied = dict.fromkeys(gpu.copied, 0)
        with opened(fake_plans, engine="tensorrt") as one:
            if isinstance(one, Pipeline):
                results = list(one.map(arrays))  # type: ignore[arg-type]
                background = one.backgrounds[""].image
            else:
                results = [one.segment(array) for array in arrays]
                background = one.background.image
        for result, expected in zip(results, expected_masks(tiny_bundle, frames), strict=True):
            np.testing.assert_array_equal(result.mask, expected)
        np.testing.assert_array_equal(background, frames[0])
        for array in arrays:
            array.free()

    def test_give_the_masks_of_host_frames_in_the_mode_map(self, gpu: FakeGpu, fake_plans: Bundle) -> None:
        frame = random_frame()
        array = DeviceArray(frame, gpu)
        with Segmenter(fake_plans, background=np.zeros_like(frame), engine="tensorrt", mode="map") as segmenter:
            on_device = segmenter.segment(array)  # type: ignore[arg-type]
            expected = segmenter.segment(frame)
        np.testing.assert_array_equal(on_device.mask, expected.mask)
        assert expected.mask.any()
        array.free()

    @pytest.mark.parametrize(
        ("changed", "told"),
        [
            ({"typestr": "<f4"}, "got <f4"),
            ({"shape": (12, 16, 3)}, r"got \(12, 16, 3\)"),
            ({"shape": (18, 128, 3)}, r"the frame is 128x18 and the background 64x48"),
            ({"strides": (256, 4, 1)}, "strides"),
        ],
    )
    def test_that_do_not_fit_are_refused(
        self, changed: dict[str, Any], told: str, gpu: FakeGpu, fake_plans: Bundle
    ) -> None:
        array = DeviceArray(random_frame(), gpu, **changed)
        with (
            Segmenter(fake_plans, background=random_frame(), engine="tensorrt", policy="fixed") as segmenter,
            pytest.raises(FrameError, match=told),
        ):
            segmenter.segment(array)  # type: ignore[arg-type]
        array.free()

    def test_are_refused_by_an_engine_on_the_cpu(self, gpu: FakeGpu, tiny_bundle: Bundle) -> None:
        array = DeviceArray(random_frame(), gpu)
        with (
            Segmenter(tiny_bundle, engine="onnxruntime", policy="fixed") as segmenter,
            pytest.raises(FrameError, match="copy it to the host"),
        ):
            segmenter.segment(array)  # type: ignore[arg-type]
        array.free()


class TestChoice:
    def test_auto_takes_tensorrt_where_there_are_plans(self, fake_plans: Bundle) -> None:
        engine = open_engine(fake_plans)
        assert (engine.name, engine.machine) == ("tensorrt", "fake GPU")
        engine.close()

    def test_auto_does_not_look_for_a_gpu_without_plans(self, tiny_bundle: Bundle) -> None:
        engine = open_engine(tiny_bundle)
        assert not engine.name.startswith("tensorrt")
        assert "edgefg.engines.trt.cuda" not in sys.modules
        engine.close()

    def test_auto_without_a_driver_warns_and_takes_the_cpu(
        self,
        fake_plans: Bundle,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setitem(sys.modules, "pycuda.driver", None)
        monkeypatch.setitem(sys.modules, "pycuda", None)
        with caplog.at_level(logging.WARNING, "edgefg"):
            engine = open_engine(fake_plans)
        assert engine.name in ("openvino", "onnxruntime")
        assert 'pip install "edgefg[tensorrt]"' in caplog.text
        engine.close()

    def test_by_name_without_plans_says_how_to_compile(self, gpu: FakeGpu, tiny_bundle: Bundle) -> None:
        with pytest.raises(BundleError, match=r"edgefg compile .* --target tensorrt"):
            open_engine(tiny_bundle, "tensorrt")

    def test_by_name_without_a_gpu_says_so(self, gpu: FakeGpu, fake_plans: Bundle) -> None:
        import pycuda.driver as driver

        def none() -> None:
            raise driver.Error("no CUDA-capable device is detected")

        driver.init = none
        with pytest.raises(MissingDependencyError, match=r"expected an NVIDIA GPU .*no CUDA-capable device"):
            open_engine(open_bundle(fake_plans.path), "tensorrt")

    def test_by_name_without_tensorrt_says_how_to_get_it(
        self, fake_plans: Bundle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "tensorrt", None)
        with pytest.raises(MissingDependencyError, match="JetPack brings it"):
            open_engine(fake_plans, "tensorrt")
