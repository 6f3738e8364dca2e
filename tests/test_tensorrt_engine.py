"""The engine on a GPU, on a fake one; those marked ``gpu`` do the same on a real one.

There by TensorRT for RTX; and by kernels of our own, which run on every GPU.
"""

import gc
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgefg import Pipeline, Segmenter
from edgefg.bundle import Bundle, open_bundle
from edgefg.engines import open_engine
from edgefg.errors import BundleError, ClosedError, EngineError, EngineUnavailableError, FrameError

from . import kernel_tensorrt
from .fake_gpu import FakeGpu, install, write_plans
from .test_engines import compile_for_rtx

pytest.importorskip("onnxruntime")

RANDOM = np.random.default_rng(5)
FRAME, FEATURES, DISTANCE, PROBABILITY = 48 * 64 * 3, 12 * 16 * 3 * 4, 12 * 16 * 4, 48 * 64


def random_frame() -> np.ndarray:
    return RANDOM.integers(0, 256, (48, 64, 3), dtype=np.uint8)


REAL = [pytest.param(name, marks=pytest.mark.gpu) for name in ("rtx", "kernels")]


@pytest.fixture(params=["fake", *REAL])
def plans(request: pytest.FixtureRequest) -> Bundle:
    """The tiny bundle with plans, on the fake GPU or on a real one."""
    if request.param == "fake":
        fake: Bundle = request.getfixturevalue("fake_plans")
        return fake
    return make_real_plans(request)


@pytest.fixture(params=REAL)
def real_plans(request: pytest.FixtureRequest) -> Bundle:
    """The same, on a real one only."""
    return make_real_plans(request)


def make_real_plans(request: pytest.FixtureRequest) -> Bundle:
    tiny: Bundle = request.getfixturevalue("tiny_bundle")
    folder: Path = request.getfixturevalue("tmp_path") / "real"
    if request.param == "rtx":
        return compile_for_rtx(tiny, folder)
    kernel_tensorrt.install(request.getfixturevalue("monkeypatch"))
    return kernel_tensorrt.write_kernel_plans(tiny, folder)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGpu]:
    fake = install(monkeypatch)
    gc.disable()  # What waits for a collection is freed by any thread, at any time.
    yield fake
    gc.enable()
    assert fake.is_empty, "something on the GPU was not freed"
    assert not fake.depth, "the context is still current in this thread"


@pytest.fixture
def fake_plans(gpu: FakeGpu, tiny_bundle: Bundle, tmp_path: Path) -> Bundle:
    return write_plans(tiny_bundle, tmp_path / "plans")


def expected_masks(bundle: Bundle, frames: list[np.ndarray]) -> list[np.ndarray]:
    with Segmenter(bundle, frames[0], engine="onnxruntime", policy="fixed") as segmenter:
        return [segmenter.segment(frame).mask for frame in frames]


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
        with Segmenter(plans, frames[0], policy="fixed") as segmenter:
            assert segmenter.engine.name.startswith("tensorrt")
            masks = [segmenter.segment(frame).mask for frame in frames]
        for mask, expected in zip(masks, expected_masks(tiny_bundle, frames), strict=True):
            np.testing.assert_array_equal(mask, expected)

    def test_of_a_pipeline_are_those_of_the_segmenter(self, plans: Bundle, tiny_bundle: Bundle) -> None:
        frames = [random_frame() for _ in range(40)]
        with Pipeline(plans, slots=3, policy="fixed") as pipeline:
            pipeline.background().set(frames[0])
            masks = [result.mask for result in pipeline.map(frames)]
        for mask, expected in zip(masks, expected_masks(tiny_bundle, frames), strict=True):
            np.testing.assert_array_equal(mask, expected)

    def test_come_out_right_for_eight_threads_that_submit(self, plans: Bundle, tiny_bundle: Bundle) -> None:
        frames = [random_frame() for _ in range(10)]
        expected = expected_masks(tiny_bundle, frames)
        with Pipeline(plans, slots=3, policy="fixed") as pipeline:
            cameras = [f"camera {number}" for number in range(8)]
            for name in cameras:
                pipeline.background(name).set(frames[0])
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
        with Segmenter(write_plans(tiny_bundle, tmp_path / "plans"), frames[0], policy="fixed") as segmenter:
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
        assert engine.run(frame, features, quiet=lambda distance: True).probability is None
        assert gpu.copied["down"] == DISTANCE
        engine.close()

    def test_backgrounds_use_memory_again(self, gpu: FakeGpu, fake_plans: Bundle) -> None:
        with Segmenter(fake_plans, random_frame(), engine="tensorrt", policy="fixed") as segmenter:
            segmenter.background.set(random_frame())
            segmenter.background.set(random_frame())
            blocks = len(gpu.memory)
            for _ in range(50):
                segmenter.background.set(random_frame())
                segmenter.segment(random_frame())
            assert len(gpu.memory) == blocks


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
                background = one.background().image
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
        with Segmenter(fake_plans, np.zeros_like(frame), engine="tensorrt", mode="map") as segmenter:
            on_device = segmenter.segment(array)  # type: ignore[arg-type]
            expected = segmenter.segment(frame)
        np.testing.assert_array_equal(on_device.mask, expected.mask)
        assert expected.mask.any()
        array.free()

    def test_whose_stream_is_still_at_work_are_waited_for(self, gpu: FakeGpu, fake_plans: Bundle) -> None:
        frame = random_frame()
        with Segmenter(fake_plans, np.zeros_like(frame), engine="tensorrt", policy="fixed") as segmenter:
            from edgefg.cuda import driver

            gpu.current.depth = 1
            stream = driver.Stream()
            array = DeviceArray(np.zeros_like(frame), gpu, stream=stream.handle)
            stream.add(lambda: gpu.at(array.address, FRAME).__setitem__(slice(None), frame.reshape(-1)))
            gpu.current.depth = 0
            assert segmenter.segment(array).mask.any()  # type: ignore[arg-type]
            array.free()

    @pytest.mark.parametrize(
        ("changed", "told"),
        [
            ({"typestr": "<f4"}, "got <f4"),
            ({"shape": (24, 32, 3)}, r"shape \(24, 32, 3\)"),
            ({"shape": (48, 64)}, r"shape \(48, 64\)"),
            ({"strides": (256, 4, 1)}, "strides"),
        ],
    )
    def test_that_do_not_fit_are_refused(
        self, changed: dict[str, Any], told: str, gpu: FakeGpu, fake_plans: Bundle
    ) -> None:
        array = DeviceArray(random_frame(), gpu, **changed)
        with (
            Segmenter(fake_plans, random_frame(), engine="tensorrt", policy="fixed") as segmenter,
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


class TestRealGpu:
    """What the fake GPU counts, and a real one can only show by its masks."""

    @pytest.mark.parametrize("graphs", [True, False])
    def test_masks_are_those_of_the_cpu_with_graphs_and_without(
        self, graphs: bool, real_plans: Bundle, tiny_bundle: Bundle
    ) -> None:
        from edgefg.engines.tensorrt_engine import TensorRtEngine
        from edgefg.tensorrt_library import import_tensorrt

        variant = real_plans.variants[0]
        frames = [random_frame() for _ in range(6)]
        engine = TensorRtEngine(import_tensorrt(variant.engines[0]), real_plans, variant, 2, graphs)
        assert engine.graphs == graphs
        features = engine.embed(frames[0])
        probabilities = [engine.run(frame, features).probability for frame in frames]
        engine.close()
        for probability, expected in zip(probabilities, expected_masks(tiny_bundle, frames), strict=True):
            assert probability is not None
            np.testing.assert_array_equal(np.where(probability >= 128, 255, 0), expected)

    def test_frames_of_another_library_give_the_masks_of_host_frames(
        self, real_plans: Bundle, tiny_bundle: Bundle
    ) -> None:
        from edgefg.cuda import Gpu, driver

        class Array:
            def __init__(self, frame: np.ndarray) -> None:
                with Gpu().use("upload a frame"):
                    self.memory = driver.to_device(frame)
                self.__cuda_array_interface__ = {
                    "shape": frame.shape,
                    "typestr": "|u1",
                    "data": (int(self.memory), False),
                    "version": 3,
                    "stream": 1,
                }

        frames = [random_frame() for _ in range(6)]
        arrays = [Array(frame) for frame in frames]
        with Pipeline(real_plans, engine=real_plans.variants[0].engines[0]) as pipeline:
            masks = [result.mask for result in pipeline.map(arrays)]  # type: ignore[arg-type]
            np.testing.assert_array_equal(pipeline.background().image, frames[0])
        for array in arrays:
            with Gpu().use("free a frame"):
                array.memory.free()
        for mask, expected in zip(masks, expected_masks(tiny_bundle, frames), strict=True):
            np.testing.assert_array_equal(mask, expected)

    def test_a_refresh_in_another_thread_changes_backgrounds_between_frames(self, real_plans: Bundle) -> None:
        backgrounds = [np.zeros((48, 64, 3), np.uint8), np.full((48, 64, 3), 255, np.uint8)]
        with Pipeline(real_plans, engine=real_plans.variants[0].engines[0], slots=3) as pipeline:
            background = pipeline.background()
            background.set(backgrounds[0])
            over = threading.Event()

            def refresh() -> None:
                while not over.is_set():
                    for image in backgrounds[::-1]:
                        background.set(image)

            refreshing = threading.Thread(target=refresh)
            refreshing.start()
            results = list(pipeline.map([backgrounds[0]] * 300))
            over.set()
            refreshing.join()
        # Odd numbers are the frame's own colour: nothing of it moves; all of it does before the other.
        assert all((result.mask > 0).all() == (result.background_id % 2 == 0) for result in results)
        assert all((result.mask > 0).any() == (result.background_id % 2 == 0) for result in results)

    def test_slots_for_which_there_is_no_memory_are_said_and_freed(self, real_plans: Bundle) -> None:
        from edgefg.cuda import Gpu, driver

        name = real_plans.variants[0].engines[0]
        open_engine(real_plans, name).close()
        with Gpu().use("fill the memory"):
            filling = []
            size = int(driver.mem_get_info()[0])
            while size > 1 << 12:
                try:
                    filling.append(driver.mem_alloc(size))
                except driver.MemoryError:
                    size //= 2
        try:
            with pytest.raises(EngineError, match=r"exhausted|makes no context"):
                open_engine(real_plans, name, slots=64).close()
        finally:
            with Gpu().use("empty the memory"):
                for block in filling:
                    block.free()
        open_engine(real_plans, name, slots=4).close()

    def test_works_after_another_library_used_the_gpu_and_so_does_that(self, real_plans: Bundle) -> None:
        torch = pytest.importorskip("torch")
        if not torch.cuda.is_available():
            pytest.skip("needs a torch with CUDA")
        before = torch.arange(1000, device="cuda")
        with Segmenter(real_plans, random_frame(), engine=real_plans.variants[0].engines[0]) as segmenter:
            assert segmenter.segment(random_frame()).mask.shape == (48, 64)
            frame = torch.from_numpy(random_frame()).cuda()
            theirs = segmenter.segment(frame).mask  # type: ignore[arg-type]
            np.testing.assert_array_equal(theirs, segmenter.segment(frame.cpu().numpy()).mask)
            assert int((before + 1).sum()) == 500_500
        assert int((before + 2).sum()) == 501_500


class TestFaults:
    @pytest.mark.parametrize(
        ("requires", "told"),
        [
            ({"compute_capabilities": ["8.6"]}, "expected 8.7 .* found 8.6; .*edgefg compile"),
            ({"version": "10.7.0"}, "10.7.0.*edgefg compile"),
            ({"platform": "linux-sparc"}, "linux-sparc.*edgefg compile"),
        ],
    )
    def test_a_plan_of_another_device_is_refused_before_tensorrt_sees_it(
        self, requires: dict[str, Any], told: str, gpu: FakeGpu, tiny_bundle: Bundle, tmp_path: Path
    ) -> None:
        bundle = write_plans(tiny_bundle, tmp_path / "plans", **requires)
        with pytest.raises(EngineError, match=told):
            open_engine(bundle, "tensorrt")

    def test_a_plan_that_is_none_is_refused(self, gpu: FakeGpu, tiny_bundle: Bundle, tmp_path: Path) -> None:
        bundle = write_plans(tiny_bundle, tmp_path / "plans", stage2=b"no plan")
        with pytest.raises(EngineError, match=r"stage2\.plan: TensorRT cannot load this plan: .*no plan"):
            open_engine(bundle, "tensorrt")

    def test_a_plan_of_the_other_stage_is_refused(self, gpu: FakeGpu, tiny_bundle: Bundle, tmp_path: Path) -> None:
        stage1 = tiny_bundle.variants[0].stage1.read_bytes()
        bundle = write_plans(tiny_bundle, tmp_path / "plans", stage2=stage1)
        with pytest.raises(BundleError, match=r"stage2\.plan: expected a network from"):
            open_engine(bundle, "tensorrt")

    @pytest.mark.parametrize("kib", [0, 20, 40, 60, 80])
    def test_exhausted_memory_is_said_and_freed(self, kib: int, gpu: FakeGpu, fake_plans: Bundle) -> None:
        gpu.limit = kib << 10
        with pytest.raises(EngineError, match=r"memory of fake GPU is exhausted.*fewer slots") as held:
            open_engine(fake_plans, "tensorrt", slots=4)
        # Now, and not once the error is forgotten.
        assert gpu.is_empty, held

    def test_exhausted_memory_while_a_background_is_set_leaves_the_one_before(
        self, gpu: FakeGpu, fake_plans: Bundle
    ) -> None:
        frame = random_frame()
        with Segmenter(fake_plans, frame, engine="tensorrt", policy="fixed") as segmenter:
            gpu.limit = gpu.used
            held = segmenter.background.image
            with pytest.raises(EngineError, match="exhausted"):
                for _ in range(3):
                    segmenter.background.set(random_frame())
            gpu.limit = 64 << 20
            np.testing.assert_array_equal(segmenter.background.image, held)
            assert not segmenter.segment(frame).mask.any()

    def test_a_failing_call_says_which_bundle(
        self, gpu: FakeGpu, fake_plans: Bundle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = open_engine(fake_plans, "tensorrt", slots=1)
        features = engine.embed(random_frame())
        from edgefg import cuda

        def fail(*arguments: object) -> None:
            raise cuda.driver.Error("an illegal memory access was encountered")

        with monkeypatch.context() as patched:
            patched.setattr(cuda.driver, "memcpy_htod_async", fail)
            with pytest.raises(EngineError, match=r"cannot run .*plans on fake GPU: an illegal memory access"):
                engine.run(random_frame(), features)
        # The slot is free again.
        assert engine.run(random_frame(), features).probability is not None
        engine.close()

    def test_a_background_that_fails_costs_no_memory(
        self, gpu: FakeGpu, fake_plans: Bundle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = open_engine(fake_plans, "tensorrt", slots=1)
        from edgefg import cuda

        def fail(*arguments: object) -> None:
            raise cuda.driver.Error("unspecified launch failure")

        before = gpu.used
        with monkeypatch.context() as patched:
            patched.setattr(cuda.driver, "memcpy_htod_async", fail)
            for _ in range(3):
                with pytest.raises(EngineError, match="unspecified launch failure"):
                    engine.embed(random_frame())
        assert gpu.used - before <= FEATURES
        engine.close()

    def test_a_background_that_comes_while_the_engine_closes_touches_no_freed_memory(self, plans: Bundle) -> None:
        engine: Any = open_engine(plans)
        use = engine._gpu.use

        @contextmanager
        def use_and_close(doing: str) -> Iterator[None]:
            """Another thread closes the engine between the first look at it and the work."""
            with use(doing):
                del engine._gpu.use
                closing = threading.Thread(target=engine.close)
                closing.start()
                closing.join(60)
                yield

        engine._gpu.use = use_and_close
        with pytest.raises(ClosedError, match="this TensorRT engine was closed"):
            engine.embed(random_frame())

    def test_many_engines_leave_nothing(self, plans: Bundle, request: pytest.FixtureRequest) -> None:
        for _ in range(20):
            engine = open_engine(plans)
            features = engine.embed(random_frame())
            engine.run(random_frame(), features)
            engine.close()

    @pytest.mark.soak
    @pytest.mark.timeout(600)
    def test_a_thousand_engines_leave_nothing(self, real_plans: Bundle) -> None:
        from edgefg.cuda import Gpu, driver

        def free() -> int:
            with Gpu().use("ask"):
                return int(driver.mem_get_info()[0])

        name = real_plans.variants[0].engines[0]
        open_engine(real_plans, name).close()
        before = free()
        for _ in range(1000):
            open_engine(real_plans, name).close()
        assert before - free() < 64 << 20

    def test_close_waits_for_frames_in_work(self, plans: Bundle) -> None:
        engine = open_engine(plans, slots=2)
        features = engine.embed(random_frame())
        ended: list[BaseException | None] = []

        def run() -> None:
            try:
                while True:
                    engine.run(random_frame(), features)
            except ClosedError:
                ended.append(None)
            except BaseException as error:
                ended.append(error)

        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        engine.close()
        for thread in threads:
            thread.join(10)
        assert ended == [None] * 4


class TestChoice:
    def test_auto_takes_tensorrt_where_there_are_plans(self, fake_plans: Bundle) -> None:
        engine = open_engine(fake_plans)
        assert (engine.name, engine.machine) == ("tensorrt", "fake GPU")
        engine.close()

    def test_auto_does_not_look_for_a_gpu_without_plans(self, tiny_bundle: Bundle) -> None:
        engine = open_engine(tiny_bundle)
        assert not engine.name.startswith("tensorrt")
        assert "edgefg.cuda" not in sys.modules
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
        with pytest.raises(EngineUnavailableError, match=r"expected an NVIDIA GPU .*no CUDA-capable device"):
            open_engine(open_bundle(fake_plans.path), "tensorrt")

    def test_by_name_without_tensorrt_says_how_to_get_it(
        self, fake_plans: Bundle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "tensorrt", None)
        with pytest.raises(EngineUnavailableError, match="JetPack brings it"):
            open_engine(fake_plans, "tensorrt")
