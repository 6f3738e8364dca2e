"""Image files with several pictures: stacks of TIFF, animated WebP and PNG."""

import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edgefg.errors import MediaError
from edgefg.imaging.containers import UnreadableImageError, picture_count, tiff_stack
from edgefg.imaging.io import read_image
from edgefg.imaging.pictures import count_pictures, read_pictures

from ..support.images import tiff, webp


def picture(level: int, dtype: Any = np.uint8) -> npt.NDArray[Any]:
    return np.full((24, 32), level, dtype)


def levels_of(path: Path) -> list[int]:
    return [int(one.levels[0, 0].max()) for one in read_pictures(path)]


class TestTiff:
    @pytest.mark.parametrize("order", "<>")
    @pytest.mark.parametrize("big", [False, True])
    def test_every_page_is_read(self, order: str, big: bool, tmp_path: Path) -> None:
        (tmp_path / "a.tif").write_bytes(tiff([picture(level) for level in range(5)], order=order, big=big))
        assert count_pictures(tmp_path / "a.tif") == 5
        assert levels_of(tmp_path / "a.tif") == [0, 1, 2, 3, 4]

    @pytest.mark.parametrize("dtype", [np.uint16, np.float32])
    def test_levels_keep_their_type(self, dtype: Any, tmp_path: Path) -> None:
        (tmp_path / "a.tif").write_bytes(tiff([picture(1000, dtype), picture(20, dtype)]))
        assert [(one.levels.dtype, int(one.levels[0, 0])) for one in read_pictures(tmp_path / "a.tif")] == [
            (np.dtype(dtype), 1000),
            (np.dtype(dtype), 20),
        ]

    def test_one_that_opencv_wrote(self, tmp_path: Path) -> None:
        cv2.imwritemulti(str(tmp_path / "a.tif"), [picture(level) for level in (7, 8, 9)])
        assert levels_of(tmp_path / "a.tif") == [7, 8, 9]

    @pytest.mark.parametrize("kind", [1, 4])
    def test_small_copies_and_masks_of_a_page_are_no_pictures(self, kind: int, tmp_path: Path) -> None:
        (tmp_path / "a.tif").write_bytes(tiff([picture(1), picture(2), picture(3)], kinds=[0, kind, 0]))
        assert levels_of(tmp_path / "a.tif") == [1, 3]

    def test_a_copy_alone_is_a_picture(self, tmp_path: Path) -> None:
        (tmp_path / "a.tif").write_bytes(tiff([picture(1)], kinds=[1]))
        assert levels_of(tmp_path / "a.tif") == [1]

    def test_pages_that_point_in_a_circle_end(self) -> None:
        data = bytearray(tiff([picture(1), picture(2)]))
        stack = tiff_stack(bytes(data))
        assert stack is not None
        first = stack.pages[0]
        data[-4:] = struct.pack("<I", first)  # what the last page says of the next one
        assert picture_count(bytes(data)) == 2

    def test_a_cut_stack_gives_the_pages_before(self, tmp_path: Path) -> None:
        (tmp_path / "a.tif").write_bytes(tiff([picture(level) for level in range(5)])[:-20])
        seen = []
        with pytest.raises(MediaError, match=r"a\.tif: expected a complete image, found one cut short"):
            for one in read_pictures(tmp_path / "a.tif"):
                seen.append(int(one.levels[0, 0]))
        assert seen == [0, 1, 2, 3]

    def test_an_empty_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "a.tif").touch()
        with pytest.raises(MediaError, match="found an empty file"):
            list(read_pictures(tmp_path / "a.tif"))

    def test_a_header_alone_is_refused(self) -> None:
        for data in (b"II*\0", b"II*\0\0\0\0\0", b"MM\0*\xff\xff\xff\xff", b"II+\0" + b"\xff" * 12):
            with pytest.raises(UnreadableImageError):
                picture_count(data)


class TestWebp:
    def test_every_frame_with_its_duration(self, tmp_path: Path) -> None:
        (tmp_path / "a.webp").write_bytes(webp([(0, 0, colour(level), 40 + level) for level in (50, 100, 150)]))
        found = list(read_pictures(tmp_path / "a.webp"))
        assert [round(float(one.levels.mean())) for one in found] == [50, 100, 150]
        assert [one.duration_s for one in found] == [0.09, 0.14, 0.19]

    def test_a_frame_may_cover_a_part(self, tmp_path: Path) -> None:
        small = colour(200)[:10, :16]
        (tmp_path / "a.webp").write_bytes(webp([(0, 0, colour(50), 40), (8, 4, small, 40)]))
        second = list(read_pictures(tmp_path / "a.webp"))[1].levels
        assert (second[4:14, 8:24] == 200).all()
        second[4:14, 8:24] = 50
        assert (second == 50).all()

    def test_transparent_pixels_show_what_was_there(self, tmp_path: Path) -> None:
        veil = np.dstack([colour(200), np.zeros((24, 32), np.uint8)])
        veil[:12, :, 3] = 255
        (tmp_path / "a.webp").write_bytes(webp([(0, 0, colour(50), 40), (0, 0, veil, 40)]))
        second = list(read_pictures(tmp_path / "a.webp"))[1].levels
        assert (second[:12] == 200).all() and (second[12:] == 50).all()

    def test_a_frame_may_be_cleared(self, tmp_path: Path) -> None:
        frames = [(0, 0, colour(50), 40), (0, 0, colour(90), 40), (8, 4, colour(200)[:10, :16], 40)]
        (tmp_path / "a.webp").write_bytes(webp(frames, cleared=[1]))
        third = list(read_pictures(tmp_path / "a.webp"))[2].levels
        assert (third[4:14, 8:24] == 200).all()
        assert third[0, 0].max() == 0

    def test_a_cut_one_gives_the_frames_before(self, tmp_path: Path) -> None:
        (tmp_path / "a.webp").write_bytes(webp([(0, 0, colour(level), 40) for level in (50, 60, 70)])[:-9])
        seen = []
        with pytest.raises(MediaError, match=r"a\.webp: expected a complete image, found one cut short"):
            for one in read_pictures(tmp_path / "a.webp"):
                seen.append(int(one.levels[0, 0, 0]))
        assert seen == [50, 60]

    def test_a_still_one_is_one(self, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "a.webp"), colour(80), [cv2.IMWRITE_WEBP_QUALITY, 101])
        assert levels_of(tmp_path / "a.webp") == [80]

    def test_a_canvas_beyond_all_measure_is_refused(self, tmp_path: Path) -> None:
        data = bytearray(webp([(0, 0, colour(50), 40)]))
        data[24:30] = b"\xff" * 6
        (tmp_path / "a.webp").write_bytes(data)
        with pytest.raises(MediaError, match="expected sides of at most 16383 px"):
            list(read_pictures(tmp_path / "a.webp"))


class TestOnePictureIsMeant:
    """A background or a mask: the first of several would be a guess."""

    def test_a_stack_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "a.tif").write_bytes(tiff([picture(1), picture(2)]))
        with pytest.raises(MediaError, match=r"a\.tif: expected one picture, found 2; save the one that you mean"):
            read_image(tmp_path / "a.tif")

    def test_an_animation_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "a.webp").write_bytes(webp([(0, 0, colour(50), 40), (0, 0, colour(60), 40)]))
        with pytest.raises(MediaError, match="expected one picture, found 2"):
            read_image(tmp_path / "a.webp")

    def test_a_page_with_its_small_copy_is_one(self, tmp_path: Path) -> None:
        (tmp_path / "a.tif").write_bytes(tiff([picture(9), picture(2)], kinds=[0, 1]))
        assert read_image(tmp_path / "a.tif").max() == 9


def colour(level: int) -> npt.NDArray[np.uint8]:
    return np.full((24, 32, 3), level, np.uint8)
