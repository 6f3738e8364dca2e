"""The cameras of a Pipeline: their backgrounds by name, and what is left of one that was removed."""

import threading
import time

import numpy as np
import pytest

from edgefg.bundle.bundle import Bundle
from edgefg.errors import ClosedError, OptionError
from edgefg.segmentation.pipeline import Pipeline

from ..support.slow_engine import SlowEngine

FRAME = np.zeros((48, 64, 3), np.uint8)


class TestBackgrounds:
    def test_are_known_from_the_first_frame_on(self, tiny_bundle: Bundle) -> None:
        with Pipeline(tiny_bundle) as pipeline:
            assert "door" not in pipeline.backgrounds
            pipeline.submit(FRAME, camera="door")
            assert list(pipeline.backgrounds) == ["door"]

    def test_may_be_set_before_that(self, tiny_bundle: Bundle) -> None:
        with Pipeline(tiny_bundle) as pipeline:
            pipeline.backgrounds["yard"].set(FRAME)
            assert len(pipeline.backgrounds) == 1
            assert pipeline.backgrounds["yard"] is pipeline.backgrounds["yard"]


class TestRemoving:
    def test_forgets_the_camera_and_leaves_the_others(self, tiny_bundle: Bundle) -> None:
        with Pipeline(tiny_bundle) as pipeline:
            for camera in ("door", "yard"):
                pipeline.submit(FRAME, camera=camera)
            pipeline.flush()
            pipeline.remove("door")
            assert list(pipeline.backgrounds) == ["yard"]
            assert pipeline.take(10).camera == "yard"

    def test_a_later_frame_starts_again(self, tiny_bundle: Bundle) -> None:
        with Pipeline(tiny_bundle) as pipeline:
            pipeline.submit(FRAME, camera="door")
            pipeline.flush()
            pipeline.remove("door")
            assert pipeline.submit(FRAME, camera="door") == 0
            assert pipeline.take(10).background_adopted

    def test_drops_what_waits(self, tiny_bundle: Bundle) -> None:
        with Pipeline(tiny_bundle, slots=1, depth=1, backpressure="latest") as pipeline:
            for _ in range(4):
                pipeline.submit(FRAME, camera="door")
            pipeline.remove("door")
            counted = pipeline.statistics
            assert counted.finished + counted.dropped == counted.submitted == 4

    def test_lets_a_frame_in_that_waited_for_room(self, tiny_bundle: Bundle) -> None:
        with Pipeline(tiny_bundle, depth=1) as pipeline:
            pipeline.submit(FRAME, camera="door")
            pipeline.flush()
            waiting = threading.Thread(target=pipeline.submit, args=(FRAME, "door"), daemon=True)
            waiting.start()
            waiting.join(0.2)
            assert waiting.is_alive()
            pipeline.remove("door")
            waiting.join(10)
            assert not waiting.is_alive()
            assert pipeline.take(10).sequence == 0

    def test_waits_for_the_frame_in_progress(self, tiny_bundle: Bundle, slow: SlowEngine) -> None:
        with Pipeline(tiny_bundle) as pipeline:
            pipeline.submit(FRAME, camera="door")
            while not slow.started:
                time.sleep(0.01)
            removing = threading.Thread(target=pipeline.remove, args=("door",), daemon=True)
            removing.start()
            removing.join(0.2)
            assert removing.is_alive()
            slow.go.set()
            removing.join(10)
            assert list(pipeline.backgrounds) == []

    def test_a_camera_that_is_not_there(self, tiny_bundle: Bundle) -> None:
        with Pipeline(tiny_bundle) as pipeline:
            pipeline.submit(FRAME, camera="door")
            with pytest.raises(OptionError, match="camera must be one of 'door'; got 'yard'"):
                pipeline.remove("yard")

    def test_after_close(self, tiny_bundle: Bundle) -> None:
        pipeline = Pipeline(tiny_bundle)
        pipeline.close()
        with pytest.raises(ClosedError):
            pipeline.remove("door")
