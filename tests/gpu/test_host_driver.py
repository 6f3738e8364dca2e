"""What the driver in host memory finds: mistakes planted in edgefg, and races where something is not waited for.

They need the real pycuda and cuda-bindings, and that driver in place of a GPU's: see `tests.support.host_cuda`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from edgefg import Pipeline
from edgefg.bundle.bundle import Bundle
from edgefg.engines.open import open_engine
from edgefg.engines.protocol import Comparison

from ..support import kernel_tensorrt
from ..support.gpu_plans import expected_masks, random_frame
from ..support.host_cuda.watch import is_host_driver, is_idle, take_faults
from ..support.producers import Array, OfThisThread, Producer

pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.gpu

PER_THREAD = 2
"""CU_STREAM_PER_THREAD, of which each thread has its own."""

runs_late = pytest.mark.skipif(os.environ.get("HOST_CUDA_RUNS") != "late", reason="needs streams that run late")


@pytest.fixture
def host_plans(request: pytest.FixtureRequest, tiny_bundle: Bundle) -> Bundle:
    from edgefg.engines.trt.cuda import Gpu

    name = Gpu().name
    if not is_host_driver(name):
        pytest.skip(f"needs the driver in host memory, found that of {name}")
    kernel_tensorrt.install(request.getfixturevalue("monkeypatch"))
    return kernel_tensorrt.write_kernel_plans(tiny_bundle, request.getfixturevalue("tmp_path") / "plans")


@pytest.fixture
def producer(host_plans: Bundle) -> Iterator[Producer]:
    made = Producer()
    yield made
    made.close()


def has_right_masks(plans: Bundle, tiny: Bundle, frames: list[np.ndarray], arrays: list[Any]) -> bool:
    with Pipeline(plans, engine="tensorrt", slots=2, policy="fixed") as pipeline:
        pipeline.backgrounds[""].set(frames[0])
        masks = [result.mask for result in pipeline.map(arrays)]
    return all(map(np.array_equal, masks, expected_masks(tiny, frames)))


def address_of(release: Any) -> int | None:
    """Address of the memory that a function frees, if it does."""
    return getattr(getattr(release, "__self__", None), "address", None)


class TestRaces:
    @runs_late
    @pytest.mark.parametrize("is_received", [True, False])
    def test_the_stream_must_be_asked_for_in_the_thread_that_submits(
        self,
        is_received: bool,
        host_plans: Bundle,
        tiny_bundle: Bundle,
        producer: Producer,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        if not is_received:
            monkeypatch.setattr(Pipeline, "_receive", lambda self, frame: frame)
        frames = [random_frame() for _ in range(4)]
        arrays = [producer.array(OfThisThread, frame) for frame in frames]
        assert has_right_masks(host_plans, tiny_bundle, frames, arrays) == is_received

    @runs_late
    @pytest.mark.parametrize("is_delayed", [True, False])
    def test_a_slot_must_wait_for_the_moment(
        self,
        is_delayed: bool,
        host_plans: Bundle,
        tiny_bundle: Bundle,
        producer: Producer,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        from edgefg.engines.trt.cuda import Moment

        if not is_delayed:
            monkeypatch.setattr(Moment, "delay", lambda self, stream: None)
        frames = [random_frame() for _ in range(4)]
        arrays = [producer.array(Array, frame) for frame in frames]
        assert has_right_masks(host_plans, tiny_bundle, frames, arrays) == is_delayed

    @runs_late
    def test_the_default_stream_of_a_thread_is_that_of_the_one_that_submits(
        self, host_plans: Bundle, tiny_bundle: Bundle
    ) -> None:
        from edgefg.engines.trt.cuda import Gpu, bindings

        frames, arrays, gpu = [random_frame() for _ in range(4)], [], Gpu()
        with gpu.use("make frames"):
            for frame in frames:
                host, buffer = gpu.pinned(frame.shape, np.uint8), gpu.allocate(frame.nbytes)
                host[:] = frame
                bindings.cuMemcpyHtoDAsync(
                    buffer.address, host.ctypes.data, frame.nbytes, bindings.CUstream(PER_THREAD)
                )
                arrays.append(Array(buffer.address, frame.shape, 3, PER_THREAD))
        assert has_right_masks(host_plans, tiny_bundle, frames, arrays)
        gpu.close()

    @runs_late
    def test_frames_do_not_wait_for_the_default_stream(self, host_plans: Bundle) -> None:
        from edgefg.engines.trt.cuda import Gpu, driver

        engine = open_engine(host_plans, "tensorrt")
        features = engine.embed(random_frame())
        gpu = Gpu()
        with gpu.use("work in the default stream"):
            buffer = gpu.allocate(1024)
            driver.memset_d8_async(buffer.address, 1, buffer.nbytes, None)
        engine.run(random_frame(), features)
        with gpu.use("ask"):
            assert not is_idle(0)
        engine.close()
        gpu.close()


class TestPlantedFaults:
    @runs_late
    def test_work_in_a_wrong_stream_gives_wrong_masks(
        self, host_plans: Bundle, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from edgefg.engines.trt.cuda import Gpu

        frames = [random_frame() for _ in range(4)]
        assert has_right_masks(host_plans, tiny_bundle, frames, frames)
        upload, wrong = Gpu.upload, Gpu()
        with wrong.use("make a stream"):
            stream = wrong.stream()

        def upload_in_wrong_stream(self: Gpu, target: Any, source: np.ndarray, right: Any) -> None:
            upload(self, target, source, stream)

        monkeypatch.setattr(Gpu, "upload", upload_in_wrong_stream)
        assert not has_right_masks(host_plans, tiny_bundle, frames, frames)
        wrong.close()

    def test_a_missing_context_is_refused(self, host_plans: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
        from edgefg.engines.trt.cuda import Gpu, driver

        engine = open_engine(host_plans, "tensorrt")

        @contextmanager
        def use(self: Gpu, doing: str) -> Iterator[None]:
            yield

        with monkeypatch.context() as patched:
            patched.setattr(Gpu, "use", use)
            with pytest.raises(driver.LogicError, match="CUDA_ERROR_INVALID_CONTEXT"):
                engine.embed(random_frame())
        engine.close()

    @runs_late
    def test_a_buffer_that_is_freed_in_flight_is_noticed(self, host_plans: Bundle) -> None:
        engine: Any = open_engine(host_plans, "tensorrt")
        features = engine.embed(random_frame())
        with engine.bare() as (slot, *_):
            slot.start([Comparison(random_frame(), features)])
            slot.outline([0])
            slot.wait()
            assert take_faults() == []
            slot.start([Comparison(random_frame(), features)])
            in_use = {slot._frame_rows[0].address, slot._stage2[0]._found.address}
            releases = [one for one in engine._gpu._releases if address_of(one) in in_use]
            for release in releases:
                release()
        assert take_faults() == ["cuMemFree freed memory in flight: wait for the stream that still works with it"]
        for release in releases:
            engine._gpu._releases.remove(release)
        # What it holds of TensorRT's must be freed while the context is current.
        del slot
        engine.close()
