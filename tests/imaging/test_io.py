"""Image files: what is read, and what is noticed before it is taken for a picture."""

from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgefg.errors import DataError, MediaError
from edgefg.imaging.io import read_image

PICTURE = np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8)


def encoded(suffix: str) -> bytes:
    return cv2.imencode(suffix, PICTURE)[1].tobytes()


@pytest.mark.parametrize("suffix", [".png", ".bmp"])
def test_a_lossless_image_comes_back(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_bytes(encoded(suffix))
    assert np.array_equal(read_image(tmp_path / f"a{suffix}"), PICTURE)


def test_gray_has_one_channel(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(".png"))
    assert read_image(tmp_path / "a.png", gray=True).shape == (24, 32)


def test_names_beyond_ascii(tmp_path: Path) -> None:
    (tmp_path / "Überwachung 1.png").write_bytes(encoded(".png"))
    assert read_image(tmp_path / "Überwachung 1.png").shape == (24, 32, 3)


def test_the_orientation_tag_is_ignored(tmp_path: Path) -> None:
    jpeg = encoded(".jpg")
    tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # orientation 6: turned by 90 degrees
    (tmp_path / "a.jpg").write_bytes(jpeg[:2] + _application_segment(b"Exif\0\0" + tiff) + jpeg[2:])
    assert read_image(tmp_path / "a.jpg").shape == (24, 32, 3)


@pytest.mark.parametrize(
    ("suffix", "missing_bytes"),
    [*product([".jpg", ".png", ".bmp", ".tif", ".webp"], [20, 200]), (".png", 2), (".bmp", 2), (".webp", 2)],
)
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str, missing_bytes: int) -> None:
    file = tmp_path / f"a{suffix}"
    file.write_bytes(encoded(suffix)[:-missing_bytes])
    with pytest.raises(MediaError, match=rf"a\{suffix}: expected a complete image, found one cut short"):
        read_image(file)


def test_a_thumbnail_does_not_hide_that_a_file_is_truncated(tmp_path: Path) -> None:
    jpeg = encoded(".jpg")
    with_thumbnail = jpeg[:2] + _application_segment(jpeg) + jpeg[2:]
    (tmp_path / "a.jpg").write_bytes(with_thumbnail)
    assert read_image(tmp_path / "a.jpg").shape == (24, 32, 3)
    (tmp_path / "a.jpg").write_bytes(with_thumbnail[:-40])
    with pytest.raises(MediaError, match="cut short"):
        read_image(tmp_path / "a.jpg")


def test_a_chunk_of_a_png_that_claims_more_than_there_is_is_refused(tmp_path: Path) -> None:
    """OpenCV would reserve the memory: a gigabyte and a half here."""
    data = bytearray(encoded(".png"))
    at = data.index(b"IDAT") - 4
    data[at : at + 4] = b"\x5a\0\0\0"
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(MediaError, match="cut short"):
        read_image(tmp_path / "a.png")


def test_bytes_after_a_png_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(".png") + b"\0" * 16)
    assert np.array_equal(read_image(tmp_path / "a.png"), PICTURE)


def test_bytes_after_a_jpeg_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded(".jpg") + b"\0" * 16)
    assert read_image(tmp_path / "a.jpg").shape == (24, 32, 3)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "expected an image, found an empty file"),
        (b"not an image", "OpenCV cannot decode this image"),
        (b"\0" * 100, "OpenCV cannot decode this image"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(MediaError, match=rf"a\.jpg: {said}"):
        read_image(tmp_path / "a.jpg")


def test_the_caller_names_the_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.jpg: cannot read this image"):
        read_image(tmp_path / "gone.jpg", error=DataError)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="cannot read this image"):
        read_image(tmp_path)


def _application_segment(payload: bytes) -> bytes:
    return b"\xff\xe1" + (len(payload) + 2).to_bytes(2, "big") + payload
