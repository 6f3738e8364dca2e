"""Levels of 16 bits and floating point as 8 bits."""

import logging
import threading

import numpy as np
import numpy.typing as npt
import pytest

from edgefg.errors import FrameError, OptionError
from edgefg.imaging.convert import to_bgr8
from edgefg.imaging.levels import Levels, found_range, narrowness_hint, parsed_value_range

COUNTS = np.array([[7000, 7500], [8000, 8040]], np.uint16).repeat(16, 0).repeat(16, 1)


def thermal(shift: float = 0, seed: int = 0) -> npt.NDArray[np.uint16]:
    """A wall of 7000 to 8000 counts, with noise."""
    ramp = np.linspace(7000, 8000, 64) + np.zeros((48, 1))
    return np.asarray(ramp + shift + np.random.default_rng(seed).normal(0, 3, ramp.shape), np.uint16)


class TestFixedRange:
    def test_low_becomes_black_and_high_white(self) -> None:
        image = Levels((7000, 8000)).to_bgr8(COUNTS)
        assert (image.shape, image.dtype) == ((32, 32, 3), np.uint8)
        assert [int(image[y, x, 0]) for y, x in ((0, 0), (0, 31), (31, 0), (31, 31))] == [0, 128, 255, 255]

    @pytest.mark.parametrize("dtype", [np.float32, np.float64, ">f4", ">u2", np.float16])
    def test_every_type_of_more_than_8_bits(self, dtype: str) -> None:
        levels = (COUNTS // 100).astype(dtype)
        assert np.array_equal(Levels((70, 80)).to_bgr8(levels)[..., 0], Levels((70, 80)).to_bgr8(COUNTS // 100)[..., 0])

    def test_8_bits_stay_as_they_are(self) -> None:
        image = np.full((32, 32, 3), 77, np.uint8)
        assert Levels((7000, 8000)).to_bgr8(image) is image

    def test_what_is_no_number_becomes_black(self) -> None:
        levels = np.full((32, 32), 30, np.float32)
        levels[0, :3] = np.nan, np.inf, -np.inf
        assert Levels((20, 40)).to_bgr8(levels)[0, :4, 0].tolist() == [0, 255, 0, 128]

    def test_colours_and_alpha(self) -> None:
        levels = np.full((32, 32, 4), (100, 200, 300, 65535), np.uint16)
        assert Levels((100, 300)).to_bgr8(levels)[0, 0].tolist() == [0, 128, 255]

    def test_the_frame_is_not_changed(self) -> None:
        before = COUNTS.copy()
        Levels((7000, 8000)).to_bgr8(COUNTS)
        assert np.array_equal(COUNTS, before)

    @pytest.mark.parametrize("array", [None, np.zeros((4, 4), np.uint16), np.zeros((32, 32, 2), np.float32)])
    def test_what_is_no_frame_is_refused(self, array: object) -> None:
        with pytest.raises(FrameError, match="a frame must be"):
            Levels((0, 1)).to_bgr8(array)


class TestAutoRange:
    def test_the_first_frame_decides(self) -> None:
        levels = Levels("auto")
        first = levels.to_bgr8(thermal())
        found = levels.value_range
        assert isinstance(found, tuple)
        assert found[0] < 7000 and 8000 < found[1] < 10_000
        levels.to_bgr8(thermal(shift=9000))
        assert levels.value_range == found
        assert np.ptp(first) > 150

    def test_a_person_who_comes_later_has_levels_left(self) -> None:
        levels = Levels("auto")
        levels.to_bgr8(thermal())
        warm = thermal()
        warm[10:30, 10:30] = 8200
        image = levels.to_bgr8(warm)
        assert image[20, 20, 0] > image[..., 0][warm < 8100].max()

    def test_dead_pixels_do_not_set_it(self) -> None:
        dead = thermal()
        dead[0, 0], dead[1, 1] = 0, 65535
        low, high = found_range([dead])
        assert low > 6000 and high < 9500

    def test_noise_does_not_become_a_scene(self) -> None:
        """A closed shutter, or a wall of one temperature: noise stays within some levels."""
        flat = np.random.default_rng(0).normal(8000, 4, (240, 320)).astype(np.uint16)
        assert Levels("auto").to_bgr8(flat).std() < 3

    def test_a_frame_of_one_level_has_a_range(self) -> None:
        low, high = found_range([np.full((32, 32), 5, np.float32)])
        assert low < 5 < high

    def test_a_frame_without_numbers_is_refused(self) -> None:
        with pytest.raises(FrameError, match="no level in the first frames is a finite number"):
            Levels("auto").to_bgr8(np.full((32, 32), np.nan, np.float32))

    def test_threads_find_one_range(self) -> None:
        levels = Levels("auto")
        found: set[object] = set()

        def convert(seed: int) -> None:
            levels.to_bgr8(thermal(shift=500 * seed, seed=seed))
            found.add(levels.value_range)

        threads = [threading.Thread(target=convert, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 1


class TestWithoutARange:
    def test_16_bits_are_divided(self) -> None:
        assert np.array_equal(Levels().to_bgr8(COUNTS), to_bgr8(COUNTS))

    def test_floating_point_is_refused_with_what_helps(self) -> None:
        with pytest.raises(FrameError, match=r"got float32 of shape .*, or pass value_range=\(low, high\) or 'auto'"):
            Levels().to_bgr8(np.zeros((32, 32), np.float32))

    def test_hint_where_hardly_any_level_is_left(self) -> None:
        assert "lie between 6996 and 8003, 1.5% of the range" in narrowness_hint(thermal())

    @pytest.mark.parametrize("levels", [thermal() * 8, thermal().astype(np.uint8), thermal().astype(np.float32)])
    def test_no_hint_otherwise(self, levels: "npt.NDArray[np.uint16]") -> None:
        assert narrowness_hint(levels) == ""

    def test_one_warning_in_the_log(self, caplog: pytest.LogCaptureFixture) -> None:
        levels = Levels(warns=True)
        with caplog.at_level(logging.WARNING, "edgefg"):
            for _ in range(3):
                levels.to_bgr8(thermal())
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "value_range='auto'" in caplog.text


class TestOption:
    @pytest.mark.parametrize(
        ("text", "value_range"),
        [("20:40", (20, 40)), ("-10.5:40", (-10.5, 40)), ("auto", "auto"), ("1e3:2e4", (1000, 20_000))],
    )
    def test_text(self, text: str, value_range: object) -> None:
        assert parsed_value_range(text) == value_range

    @pytest.mark.parametrize(
        "text", ["", "20", "40:20", "20:20", "a:b", "20:", ":40", "20:nan", "0:inf", "1:2:3", "Auto"]
    )
    def test_other_text_is_refused(self, text: str) -> None:
        with pytest.raises(OptionError, match=r"value_range='.*': expected LOW:HIGH with LOW below HIGH"):
            parsed_value_range(text)

    @pytest.mark.parametrize("value_range", [(1,), (2, 1), (1, 1), "20:40", 5, ("a", "b"), (0, float("nan")), [0, 1]])
    def test_other_values_are_refused(self, value_range: object) -> None:
        with pytest.raises(OptionError, match="value_range must be two finite numbers, the lower one first, or 'auto'"):
            Levels(value_range)  # type: ignore[arg-type]
