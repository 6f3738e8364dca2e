"""The memory of the Pipeline: it keeps no frame, and no engine that it could not start."""

import gc
import threading
import weakref
from typing import Any

import numpy as np
import pytest

from edgefg import Pipeline
from edgefg.bundle.bundle import Bundle
from edgefg.errors import EngineError, FrameError

from ..support.slow_engine import SlowEngine
from ..support.threads import wait_until

pytest.importorskip("openvino")


class TestMemory:
    @pytest.mark.parametrize("bad", [False, True])
    def test_of_a_frame_is_free_once_its_result_is(self, bad: bool, tiny_bundle: Bundle, make_scene: Any) -> None:
        """Without Python looking for cycles: at 30 frames a second that is too late.

        Of another size than the engine's, as OpenVINO holds on to its last inputs.
        """
        with Pipeline(tiny_bundle) as pipeline:
            pipeline.backgrounds[""].set(make_scene())
            gc.collect()
            gc.disable()
            try:
                frame = make_scene((128, 96)).astype(np.float32 if bad else np.uint8)
                held = weakref.ref(frame)
                pipeline.submit(frame)
                del frame
                try:
                    pipeline.take(timeout_s=20)
                except FrameError:
                    assert bad
                wait_until(lambda: held() is None)
            finally:
                gc.enable()

    def test_of_an_engine_is_free_where_threads_cannot_be_started(
        self, slow: SlowEngine, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = threading.active_count()
        start = threading.Thread.start

        def refuse(thread: threading.Thread) -> None:
            if threading.active_count() > before + 1:
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(EngineError, match="fewer slots"):
            Pipeline(tiny_bundle, slots=4)
        assert slow.closed
        assert threading.active_count() == before
