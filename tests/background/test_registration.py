"""How far a frame lies beside its background."""

from typing import Any

import cv2
import numpy as np
import pytest

from edgefg.background.handle import Background
from edgefg.background.registration import NO_SHIFT, Shift, find_shift, moved, outline
from edgefg.engines.protocol import Outcome
from edgefg.segmentation.mask import MaskRule
from edgefg.segmentation.processor import FrameProcessor

from ..support.background_rig import HEIGHT, WIDTH, textured_scene, with_box

WIDE = textured_scene(size=(WIDTH + 120, HEIGHT + 40))


def seen_at(dx: int, dy: int) -> np.ndarray:
    """The middle of the scene, as a camera sees it that has moved so that its content lies ``dx``, ``dy`` off."""
    return WIDE[20 - dy : 20 - dy + HEIGHT, 60 - dx : 60 - dx + WIDTH].copy()


HOME = seen_at(0, 0)


@pytest.mark.parametrize("way", [(2, 0), (-3, 2), (8, -8), (0, 5), (-40, 0), (32, 6)])
def test_a_shift_is_found(way: tuple[int, int]) -> None:
    shift = find_shift(outline(seen_at(*way)), outline(HOME), limit_px=60).shift
    assert abs(shift.dx - way[0]) <= 1
    assert abs(shift.dy - way[1]) <= 1


@pytest.mark.parametrize("gain", [0.4, 1.4])
def test_in_another_light_too(gain: float) -> None:
    lit = np.clip(seen_at(6, -4) * gain, 0, 255).astype(np.uint8)
    shift = find_shift(outline(lit), outline(HOME), limit_px=60).shift
    assert (abs(shift.dx - 6) <= 1, abs(shift.dy + 4) <= 1) == (True, True)


def test_one_pixel_is_none() -> None:
    assert find_shift(outline(seen_at(1, 0)), outline(HOME), limit_px=60).shift == NO_SHIFT


def test_beyond_the_limit_is_none() -> None:
    assert find_shift(outline(seen_at(30, 0)), outline(HOME), limit_px=20).shift == NO_SHIFT


def test_an_unrelated_view_has_none_and_no_response() -> None:
    match = find_shift(outline(textured_scene(seed=7)), outline(HOME), limit_px=60)
    assert match.shift == NO_SHIFT
    assert match.response < 0.2 < find_shift(outline(HOME), outline(HOME), limit_px=60).response


def test_where_only_an_object_moved_there_is_none() -> None:
    """On a bare wall the object has the only edges: they must not be taken for the scene's."""
    wall = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    match = find_shift(outline(with_box(wall, x=70)), outline(with_box(wall, x=60)), limit_px=60)
    assert match.shift == NO_SHIFT


@pytest.mark.parametrize("way", [(0, 0), (5, 0), (-5, 3), (0, -7)])
def test_moving_there_and_back_gives_the_frame_where_it_was_kept(way: tuple[int, int]) -> None:
    shift = Shift(*way)
    there = moved(HOME, shift, fill=np.zeros_like(HOME))
    back = moved(there, -shift, fill=np.zeros_like(HOME))
    inside = np.s_[7:-7, 5:-5]
    np.testing.assert_array_equal(back[inside], HOME[inside])


def test_what_is_uncovered_shows_the_fill() -> None:
    there = moved(HOME, Shift(4, 0), fill=np.full_like(HOME, 9))
    assert (there[:, :4] == 9).all()
    np.testing.assert_array_equal(there[:, 4:], HOME[:, :-4])


class Differences:
    """A stand-in for networks: foreground is where pixels differ."""

    def embed(self, frame: np.ndarray) -> np.ndarray:
        return frame

    def run(self, frame: np.ndarray, features: np.ndarray, early_exit: Any = None) -> Outcome:
        apart = cv2.absdiff(frame, features).max(axis=2)
        distance = cv2.resize(apart, (WIDTH // 4, HEIGHT // 4), interpolation=cv2.INTER_AREA).astype(np.float32)
        return Outcome(distance, ((apart > 60) * 255).astype(np.uint8), 1.0, 1.0)


@pytest.mark.parametrize("way", [(4, 0), (-5, 4), (3, -6)])
def test_a_shaking_cameras_frames_are_put_onto_the_background_and_their_masks_back(way: tuple[int, int]) -> None:
    shaken = with_box(seen_at(*way))
    truth = with_box(np.zeros_like(HOME)).any(axis=2)

    def wrong(shaky: bool) -> int:
        engine: Any = Differences()
        background = Background(engine.embed, (WIDTH, HEIGHT))
        background.set(HOME)
        background.store.refresh(None, shaky, based_on=1)
        processor = FrameProcessor(engine, (WIDTH, HEIGHT), MaskRule("full", 0.5))
        found = processor.process(shaken, background, time_s=0.0).deliver()
        assert found.distance.shape == (HEIGHT // 4, WIDTH // 4)
        return int(np.count_nonzero((found.mask > 0) != truth))

    assert wrong(shaky=True) < 0.02 * truth.size < wrong(shaky=False)
