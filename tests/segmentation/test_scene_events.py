"""Scene events of a whole segmenter: what lasts is a state, and floods neither a log nor a broker."""

from collections.abc import Callable

import numpy as np
import pytest

from edgefg import BackgroundPolicy, Segmenter
from edgefg.background.events import SceneEvent
from edgefg.bundle.bundle import Bundle

from ..support.background_rig import textured_scene

pytest.importorskip("openvino")

FPS = 6.0


def events_of(bundle: Bundle, gain: Callable[[int], float], seconds: float) -> list[SceneEvent]:
    """What is reported of a scene whose lamp changes from frame to frame."""
    scene = textured_scene(size=(64, 48)).astype(np.float32)
    noise, now_s = np.random.default_rng(1), [0.0]
    told: list[SceneEvent] = []
    with Segmenter(bundle, threads=1, policy=BackgroundPolicy(clock=lambda: now_s[0])) as segmenter:
        segmenter.background.on_event = told.append
        for number in range(round(seconds * FPS)):
            now_s[0] = number / FPS
            frame = scene * gain(number) + noise.normal(0, 1, scene.shape)
            segmenter.segment(np.clip(frame, 0, 255).astype(np.uint8))
            segmenter.background.settle()
    return told


def test_a_lamp_that_flickers_for_a_minute_starts_once(tiny_bundle: Bundle) -> None:
    told = events_of(tiny_bundle, lambda number: 0.6 if number % 4 == 3 else 1.0, 60)
    assert [(event.kind, event.strength > 0) for event in told] == [("corrupt_frame", True)]


def test_after_it_there_is_an_end(tiny_bundle: Bundle) -> None:
    told = events_of(tiny_bundle, lambda number: 0.6 if number % 4 == 3 and number < 60 else 1.0, 30)
    assert [(event.kind, event.strength > 0) for event in told] == [("corrupt_frame", True), ("corrupt_frame", False)]
    assert told[-1].action == "the frames are whole again; 15 were corrupt"
