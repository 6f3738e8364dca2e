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


Damage = Callable[[int, np.ndarray], np.ndarray]


def events_of(bundle: Bundle, damage: Damage, seconds: float) -> list[SceneEvent]:
    """What is reported of a scene whose frames are damaged."""
    scene = textured_scene(size=(64, 48)).astype(np.float32)
    noise, now_s = np.random.default_rng(1), [0.0]
    told: list[SceneEvent] = []
    with Segmenter(bundle, threads=1, policy=BackgroundPolicy(clock=lambda: now_s[0])) as segmenter:
        segmenter.background.on_event = told.append
        for number in range(round(seconds * FPS)):
            now_s[0] = number / FPS
            frame = damage(number, scene) + noise.normal(0, 1, scene.shape)
            segmenter.segment(np.clip(frame, 0, 255).astype(np.uint8))
            segmenter.background.settle()
    return told


def garbled(number: int, scene: np.ndarray) -> np.ndarray:
    """Every fourth frame consists of blocks, as from a decoder that lost its reference."""
    blocks = np.random.default_rng(0).integers(40, 216, (6, 8, 1))
    return np.kron(blocks, np.ones((8, 8, 3))) if number % 4 == 3 else scene


def test_frames_garbled_for_a_minute_start_once(tiny_bundle: Bundle) -> None:
    told = events_of(tiny_bundle, garbled, 60)
    assert [(event.kind, event.strength > 0) for event in told] == [("corrupt_frame", True)]


def test_after_them_there_is_an_end(tiny_bundle: Bundle) -> None:
    told = events_of(tiny_bundle, lambda number, scene: garbled(number, scene) if number < 60 else scene, 30)
    assert [(event.kind, event.strength > 0) for event in told] == [("corrupt_frame", True), ("corrupt_frame", False)]
    assert told[-1].action == "the frames are whole again; 15 were corrupt"


def test_a_lamp_that_flickers_garbles_nothing(tiny_bundle: Bundle) -> None:
    told = events_of(tiny_bundle, lambda number, scene: scene * (0.6 if number % 4 == 3 else 1.0), 20)
    assert "corrupt_frame" not in [event.kind for event in told]
