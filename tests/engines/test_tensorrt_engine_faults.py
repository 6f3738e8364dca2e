"""The engine on a GPU, where things fail: plans of others, memory that is used up, closing while it works."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgefg import Segmenter
from edgefg.bundle.bundle import Bundle
from edgefg.engines.open import open_engine
from edgefg.errors import BundleError, ClosedError, EngineError

from ..support.fake_gpu import FakeGpu, write_plans
from ..support.gpu_plans import FEATURES, random_frame
from ..support.gpu_plans import fake_plans as fake_plans
from ..support.gpu_plans import gpu as gpu
from ..support.gpu_plans import plans as plans
from ..support.gpu_plans import real_plans as real_plans
from ..support.threads import errors_at_close

pytest.importorskip("onnxruntime")


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
        with Segmenter(fake_plans, background=frame, engine="tensorrt", policy="fixed") as segmenter:
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
        from edgefg.engines.trt import cuda

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
        from edgefg.engines.trt import cuda

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
        from edgefg.engines.trt.cuda import Gpu, driver

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
        assert errors_at_close(lambda: engine.run(random_frame(), features), engine.close) == [ClosedError] * 4
