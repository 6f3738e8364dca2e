"""The engine on a real GPU: what the fake one counts, and a real one can only show by its masks."""

import threading
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from edgefg import Pipeline, Segmenter
from edgefg.bundle.bundle import Bundle
from edgefg.engines.open import open_engine
from edgefg.errors import EngineError

from ..support.gpu_plans import expected_masks, random_frame
from ..support.gpu_plans import real_plans as real_plans

pytest.importorskip("onnxruntime")


class TestRealGpu:
    """What the fake GPU counts, and a real one can only show by its masks."""

    @pytest.mark.parametrize("graphs", [True, False])
    def test_masks_are_those_of_the_cpu_with_graphs_and_without(
        self, graphs: bool, real_plans: Bundle, tiny_bundle: Bundle
    ) -> None:
        from edgefg.engines.trt.engine import TensorRtEngine
        from edgefg.engines.trt.library import import_tensorrt

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
        from edgefg.engines.trt.cuda import Gpu, driver

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
            np.testing.assert_array_equal(pipeline.backgrounds[""].image, frames[0])
        for array in arrays:
            with Gpu().use("free a frame"):
                array.memory.free()
        for mask, expected in zip(masks, expected_masks(tiny_bundle, frames), strict=True):
            np.testing.assert_array_equal(mask, expected)

    def test_a_refresh_in_another_thread_changes_backgrounds_between_frames(self, real_plans: Bundle) -> None:
        backgrounds = [np.zeros((48, 64, 3), np.uint8), np.full((48, 64, 3), 255, np.uint8)]
        with Pipeline(real_plans, engine=real_plans.variants[0].engines[0], slots=3) as pipeline:
            background = pipeline.backgrounds[""]
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
        from edgefg.engines.trt.cuda import Gpu, driver

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
            with pytest.raises(EngineError, match=r"exhausted|cannot make a context"):
                open_engine(real_plans, name, slots=64).close()
        finally:
            with Gpu().use("empty the memory"):
                for block in filling:
                    block.free()
        open_engine(real_plans, name, slots=4).close()

    def test_works_after_another_library_used_the_gpu_and_so_does_that(self, real_plans: Bundle) -> None:
        torch = torch_with_cuda()
        before = torch.arange(1000, device="cuda")
        with Segmenter(real_plans, background=random_frame(), engine=real_plans.variants[0].engines[0]) as segmenter:
            assert segmenter.segment(random_frame()).mask.shape == (48, 64)
            frame = torch.from_numpy(random_frame()).cuda()
            theirs = segmenter.segment(frame).mask  # type: ignore[arg-type]
            np.testing.assert_array_equal(theirs, segmenter.segment(frame.cpu().numpy()).mask)
            assert int((before + 1).sum()) == 500_500
        assert int((before + 2).sum()) == 501_500


class TestOtherLibraries:
    """Frames that are still on their way when they are submitted: a wait that is forgotten shows black ones."""

    def test_frames_of_a_side_stream_of_torch_are_waited_for(self, real_plans: Bundle, tiny_bundle: Bundle) -> None:
        torch = torch_with_cuda()
        frames = [random_frame() for _ in range(6)]
        with torch.cuda.stream(torch.cuda.Stream()):
            arrays = []
            for frame in frames:
                array = torch.zeros(frame.shape, dtype=torch.uint8, device="cuda")
                torch.cuda._sleep(BUSY_CYCLES)
                array.copy_(torch.from_numpy(frame).pin_memory(), non_blocking=True)
                arrays.append(array)
            assert_masks(real_plans, tiny_bundle, frames, arrays)

    def test_frames_of_a_stream_of_cupy_are_waited_for(self, real_plans: Bundle, tiny_bundle: Bundle) -> None:
        cupy = pytest.importorskip("cupy")
        frames = [random_frame() for _ in range(6)]
        with cupy.cuda.Stream(non_blocking=True):
            busy = cupy.random.random((4096, 4096), dtype=cupy.float32)
            arrays = []
            for frame in frames:
                on_gpu, array = cupy.asarray(frame), cupy.zeros(frame.shape, cupy.uint8)
                busy = busy @ busy
                array[...] = on_gpu
                arrays.append(array)
            assert_masks(real_plans, tiny_bundle, frames, arrays)

    def test_engines_open_while_torch_waits_for_the_gpu(self, real_plans: Bundle, tiny_bundle: Bundle) -> None:
        torch = torch_with_cuda()
        over = threading.Event()

        def wait() -> None:
            while not over.is_set():
                # It may fail while a stream is captured, which is torch's to report.
                with suppress(RuntimeError):
                    torch.cuda.synchronize()

        waiting = threading.Thread(target=wait)
        waiting.start()
        try:
            frames = [random_frame() for _ in range(3)]
            for _ in range(10):
                assert_masks(real_plans, tiny_bundle, frames, frames)
        finally:
            over.set()
            waiting.join()


BUSY_CYCLES = 50_000_000
"""Some tens of milliseconds."""


def torch_with_cuda() -> Any:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a torch with CUDA")
    return torch


def assert_masks(plans: Bundle, tiny_bundle: Bundle, frames: list[np.ndarray], arrays: list[Any]) -> None:
    with Pipeline(plans, engine=plans.variants[0].engines[0], policy="fixed") as pipeline:
        pipeline.backgrounds[""].set(frames[0])
        masks = [result.mask for result in pipeline.map(arrays)]
    for mask, expected in zip(masks, expected_masks(tiny_bundle, frames), strict=True):
        np.testing.assert_array_equal(mask, expected)
