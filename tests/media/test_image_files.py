"""Image files with several pictures, and of more than 8 bits, as sources."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgefg.errors import MediaError, OptionError
from edgefg.imaging.io import Image
from edgefg.media.reader import open_video
from edgefg.media.source import Source

from ..support.images import tiff, webp
from ..support.videos import numbers_in, write_numbered

SIDE = (48, 64)


def levels(source: Source) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in source]


def gray(level: float, dtype: type = np.uint8) -> np.ndarray:  # type: ignore[type-arg]
    return np.full(SIDE, level, dtype)


class TestSeveralPictures:
    def test_a_stack_of_tiff(self, tmp_path: Path) -> None:
        (tmp_path / "a.tif").write_bytes(tiff([gray(level) for level in range(30)]))
        source = open_video(tmp_path / "a.tif")
        assert (source.count, source.size, source.fps) == (30, (64, 48), 25)
        assert levels(source) == levels(source) == list(range(30))
        assert [frame.time_s for frame in source.timed()][:3] == [0, 0.04, 0.08]

    def test_a_folder_of_stacks(self, tmp_path: Path) -> None:
        for number in range(3):
            (tmp_path / f"{number}.tif").write_bytes(tiff([gray(10 * number + page) for page in range(2)]))
        source = open_video(tmp_path)
        assert source.count is None
        assert levels(source) == [0, 1, 10, 11, 20, 21]
        assert len(source.sample(4, 64)) == 3

    def test_a_stack_that_comes_later_is_read_too(self, tmp_path: Path) -> None:
        (tmp_path / "0.tif").write_bytes(tiff([gray(0)]))
        (tmp_path / "1.tif").write_bytes(tiff([gray(1), gray(2)]))
        assert levels(open_video(tmp_path)) == [0, 1, 2]

    def test_an_animated_webp_with_its_times(self, tmp_path: Path) -> None:
        frames = [(0, 0, np.dstack([gray(level)] * 3), 100) for level in (50, 60, 70)]
        (tmp_path / "a.webp").write_bytes(webp(frames))
        source = open_video(tmp_path / "a.webp")
        assert (source.count, source.fps, levels(source)) == (3, 10, [50, 60, 70])
        assert [frame.time_s for frame in source.timed()] == pytest.approx([0, 0.1, 0.2])

    def test_an_animated_png(self, tmp_path: Path) -> None:
        pytest.importorskip("av")
        path = write_numbered(tmp_path / "a.apng", "apng", 8, pix_fmt="rgb24", fps=10).rename(tmp_path / "a.png")
        source = open_video(path)
        assert numbers_in(source) == list(range(8))
        assert [frame.time_s for frame in source.timed()] == pytest.approx([number / 10 for number in range(8)])

    def test_an_animated_png_among_others_is_refused(self, tmp_path: Path) -> None:
        pytest.importorskip("av")
        write_numbered(tmp_path / "a.apng", "apng", 8, pix_fmt="rgb24").rename(tmp_path / "b.png")
        cv2.imwrite(str(tmp_path / "a.png"), np.zeros((144, 176, 3), np.uint8))
        with pytest.raises(MediaError, match=r"b\.png: expected a still PNG, found an animated one"):
            list(open_video(tmp_path))

    def test_pages_of_other_sizes_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "a.tif").write_bytes(tiff([gray(1), gray(2)[:20, :20]]))
        with pytest.raises(MediaError, match=r"a\.tif: expected 64x48 pixels like the frames before, found 20x20"):
            list(open_video(tmp_path / "a.tif"))

    def test_a_stack_that_ends_early_gives_the_pages_before(self, tmp_path: Path) -> None:
        (tmp_path / "a.tif").write_bytes(tiff([gray(level) for level in range(6)])[:-1000])
        seen: list[int] = []
        with pytest.raises(MediaError, match=r"a\.tif: .*cut short"):
            for frame in open_video(tmp_path / "a.tif"):
                seen.append(int(frame[0, 0, 0]))
        assert seen == [0, 1, 2, 3, 4]


class TestDepth:
    @pytest.fixture
    def celsius(self, tmp_path: Path) -> Path:
        (tmp_path / "celsius.tif").write_bytes(tiff([gray(level, np.float32) for level in (20, 25, 30)]))
        return tmp_path / "celsius.tif"

    def test_floating_point_needs_a_range(self, celsius: Path) -> None:
        with pytest.raises(MediaError, match=r"celsius\.tif: .*found float32.*; pass value_range=auto or"):
            open_video(celsius)

    def test_floating_point_with_a_range(self, celsius: Path) -> None:
        assert levels(open_video(celsius, value_range=(20, 30))) == [0, 128, 255]

    def test_floating_point_with_a_found_range(self, celsius: Path) -> None:
        found = levels(open_video(celsius, value_range="auto"))
        assert 0 < found[0] < found[1] - 40 < found[2] - 80 < 175

    @pytest.mark.parametrize("suffix", [".png", ".tif"])
    def test_16_bits(self, suffix: str, tmp_path: Path) -> None:
        for number in range(3):
            cv2.imwrite(str(tmp_path / f"{number}{suffix}"), gray(7000 + 150 * number, np.uint16))
        plain = open_video(tmp_path)
        assert "16-bit levels lie between 7000 and 7000" in plain.hint
        assert levels(plain) == pytest.approx([27, 28, 28], abs=1)
        assert levels(open_video(tmp_path, value_range=(7000, 7300))) == [0, 128, 255]

    @pytest.mark.parametrize("dtype", [np.int16, np.int32])
    def test_whole_numbers_with_a_sign(self, dtype: type, tmp_path: Path) -> None:
        (tmp_path / "a.tif").write_bytes(tiff([gray(level, dtype) for level in (-500, 0, 500)]))
        with pytest.raises(MediaError, match=r"a\.tif: expected levels of 8 or 16 bits, found int(16|32)"):
            open_video(tmp_path / "a.tif")
        assert levels(open_video(tmp_path / "a.tif", value_range=(-500, 500))) == [0, 128, 255]

    def test_8_bits_have_no_range(self, tmp_path: Path, make_scene: Callable[..., Image]) -> None:
        cv2.imwrite(str(tmp_path / "a.png"), make_scene())
        with pytest.raises(OptionError, match=r"value_range='auto': expected levels of more than 8 bits"):
            open_video(tmp_path, value_range="auto")

    def test_a_file_of_8_bits_among_others_stays_as_it_is(self, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "0.png"), gray(7000, np.uint16))
        cv2.imwrite(str(tmp_path / "1.png"), gray(9))
        assert levels(open_video(tmp_path, value_range=(7000, 7300))) == [0, 9]
