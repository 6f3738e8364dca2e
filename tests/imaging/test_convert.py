"""Converting and scaling frames."""

from typing import Any

import numpy as np
import pytest

from edgefg.errors import FrameError
from edgefg.imaging.convert import fit, same_aspect, to_bgr8

SCENE = np.random.default_rng(7).integers(0, 256, (20, 24, 3), dtype=np.uint8)


def test_an_8_bit_bgr_frame_is_not_copied() -> None:
    assert to_bgr8(SCENE) is SCENE


@pytest.mark.parametrize("shape", [(20, 24), (20, 24, 1)])
def test_gray_is_repeated_to_three_channels(shape: tuple[int, ...]) -> None:
    gray = SCENE[..., 0].reshape(shape)
    np.testing.assert_array_equal(to_bgr8(gray), np.repeat(SCENE[..., :1], 3, axis=2))


def test_alpha_is_dropped() -> None:
    bgra = np.dstack([SCENE, np.full((20, 24), 9, np.uint8)])
    np.testing.assert_array_equal(to_bgr8(bgra), SCENE)


def test_every_16_bit_level_is_divided_by_257_and_rounded() -> None:
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    np.testing.assert_array_equal(to_bgr8(levels)[..., 0], np.rint(levels / 257))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bit_frames_may_have_any_channel_count(channels: int) -> None:
    deep = np.full((20, 24, channels), 257 * 40, np.uint16)
    np.testing.assert_array_equal(to_bgr8(deep), np.full((20, 24, 3), 40, np.uint8))


def test_big_endian_16_bit_frames_keep_their_levels() -> None:
    np.testing.assert_array_equal(to_bgr8((SCENE.astype(np.uint16) * 257).astype(">u2")), SCENE)


@pytest.mark.parametrize("view", [SCENE[::-1], SCENE[:, ::-1], SCENE[..., ::-1], SCENE[:, 2:20], SCENE.swapaxes(0, 1)])
def test_any_memory_layout_gives_the_same_pixels_contiguously(view: np.ndarray) -> None:
    converted = to_bgr8(view)
    assert converted.flags.c_contiguous
    np.testing.assert_array_equal(converted, view)


def test_a_read_only_frame_is_taken() -> None:
    frozen = SCENE[..., 0].copy()
    frozen.setflags(write=False)
    assert to_bgr8(frozen).shape == (20, 24, 3)


@pytest.mark.parametrize(
    ("frame", "came"),
    [
        (np.zeros((20, 24, 3), np.float32), "float32 of shape (20, 24, 3)"),
        (np.full((20, 24, 3), np.nan), "float64"),
        (np.zeros((20, 24, 3), bool), "bool"),
        (np.zeros((20, 24, 3), np.int16), "int16"),
        (np.zeros((20, 24, 3), np.int8), "int8"),
        (np.zeros((20, 24, 3), np.uint32), "uint32"),
        (np.zeros((20, 24, 3), object), "object"),
        (np.zeros((20, 24, 3), complex), "complex128"),
        (np.zeros((20, 24, 2), np.uint8), "(20, 24, 2)"),
        (np.zeros((20, 24, 5), np.uint8), "(20, 24, 5)"),
        (np.zeros((3, 20, 24), np.uint8), "(3, 20, 24)"),
        (np.zeros((1, 20, 24, 3), np.uint8), "(1, 20, 24, 3)"),
        (np.zeros(480, np.uint8), "(480,)"),
        (np.uint8(3), "uint8"),
        (np.zeros((0, 0, 3), np.uint8), "(0, 0, 3)"),
        (np.zeros((20, 0), np.uint8), "(20, 0)"),
        (np.zeros((15, 24, 3), np.uint8), "(15, 24, 3)"),
        (np.zeros((20, 15, 3), np.uint8), "(20, 15, 3)"),
        (None, "None: a video that is missing or has ended"),
        ([[1, 2], [3, 4]], "list"),
        ("frame.png", "str"),
    ],
)
def test_what_is_no_frame_is_refused_by_what_came(frame: Any, came: str) -> None:
    with pytest.raises(FrameError) as refusal:
        to_bgr8(frame)
    assert came in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_float_frame_is_told_how_to_become_one() -> None:
    with pytest.raises(FrameError, match=r"astype\(np\.uint8\)"):
        to_bgr8(np.zeros((20, 24, 3)))


def test_fit_leaves_a_frame_of_the_right_size_alone() -> None:
    assert fit(SCENE, (24, 20)) is SCENE


def test_fit_averages_what_shrinks_so_that_a_thin_line_stays_visible() -> None:
    line = np.zeros((64, 64), np.uint8)
    line[:, 13] = 255
    assert fit(line, (16, 16)).max() == pytest.approx(255 / 4, abs=1)


def test_fit_averages_the_shrinking_axis_also_where_the_other_grows() -> None:
    line = np.zeros((16, 128), np.uint8)
    line[:, 51] = 255
    scaled = fit(line, (32, 64))
    assert scaled.shape == (64, 32)
    assert scaled.max() == pytest.approx(255 / 4, abs=1)


@pytest.mark.parametrize("size", [(16, 16), (320, 240), (17, 301)])
def test_fit_keeps_an_even_frame_even(size: tuple[int, int]) -> None:
    assert np.unique(fit(np.full((50, 70, 3), 93, np.uint8), size)).tolist() == [93]


def test_fit_takes_a_panorama_wider_than_opencv_s_16_bit_limit() -> None:
    assert fit(np.zeros((16, 40000, 3), np.uint8), (320, 240)).shape == (240, 320, 3)


@pytest.mark.parametrize(
    ("other", "same"), [((320, 240), True), ((1280, 960), True), ((324, 240), True), ((640, 360), False)]
)
def test_aspect_ratios_agree_within_two_percent(other: tuple[int, int], same: bool) -> None:
    assert same_aspect((640, 480), other) is same
    assert same_aspect(other, (640, 480)) is same
