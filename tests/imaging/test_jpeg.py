"""Whether a JPEG is complete: without an end marker, with other data behind it, and cut anywhere."""

import random
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgefg.errors import MediaError
from edgefg.imaging.io import read_image
from edgefg.imaging.jpeg import completed_jpeg

END = b"\xff\xd9"
KINDS = {
    "plain": [],
    "progressive": [cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
    "restart marks": [cv2.IMWRITE_JPEG_RST_INTERVAL, 2],
    "optimised": [cv2.IMWRITE_JPEG_OPTIMIZE, 1],
    "gray": [],
}


def encoded(kind: str) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    picture = cv2.GaussianBlur(noise, (0, 0), 2)
    image = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) if kind == "gray" else picture
    return cv2.imencode(".jpg", image, KINDS[kind])[1].tobytes()


@pytest.fixture(params=KINDS)
def jpeg(request: pytest.FixtureRequest) -> bytes:
    return encoded(request.param)


def test_a_complete_one_stays_as_it_is(jpeg: bytes) -> None:
    assert completed_jpeg(jpeg) == jpeg


def test_the_end_marker_may_be_missing(jpeg: bytes, tmp_path: Path) -> None:
    """Some cameras leave it out; the picture is whole."""
    (tmp_path / "whole.jpg").write_bytes(jpeg)
    (tmp_path / "open.jpg").write_bytes(jpeg.removesuffix(END))
    assert np.array_equal(read_image(tmp_path / "open.jpg"), read_image(tmp_path / "whole.jpg"))


def test_half_an_end_marker_will_do(jpeg: bytes) -> None:
    assert completed_jpeg(jpeg[:-1]) == jpeg


@pytest.mark.parametrize("missing_bytes", [20, 60, 200, 400])
def test_one_that_lacks_some_of_the_picture_is_refused(jpeg: bytes, missing_bytes: int, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg[:-missing_bytes])
    with pytest.raises(MediaError, match=r"a\.jpg: expected a complete image, found one cut short"):
        read_image(tmp_path / "a.jpg")


def test_no_cut_is_taken_for_the_whole_picture() -> None:
    """Wherever a plain JPEG is cut, what is accepted looks the same."""
    jpeg = encoded("plain")
    whole = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    for length in range(2, len(jpeg), 7):
        completed = completed_jpeg(jpeg[:length])
        if completed is not None:
            picture = cv2.imdecode(np.frombuffer(completed, np.uint8), cv2.IMREAD_COLOR)
            assert np.array_equal(picture, whole), length


def test_a_progressive_one_that_lacks_its_last_scans_is_refused() -> None:
    jpeg = encoded("progressive")
    last_scan = jpeg.rindex(b"\xff\xda")
    assert completed_jpeg(jpeg[:last_scan] + END) is not None  # whoever wrote the end marker said that it is all
    assert completed_jpeg(jpeg[:last_scan]) is None


@pytest.mark.parametrize("seed", range(8))
def test_data_behind_the_picture_do_not_matter(jpeg: bytes, seed: int, tmp_path: Path) -> None:
    """Phones put a video there, in which any marker may occur."""
    behind = random.Random(seed).randbytes(3000) + b"\xff\xda\xff\xd8" + random.Random(seed).randbytes(3000)
    (tmp_path / "whole.jpg").write_bytes(jpeg)
    (tmp_path / "motion.jpg").write_bytes(jpeg + behind)
    assert np.array_equal(read_image(tmp_path / "motion.jpg"), read_image(tmp_path / "whole.jpg"))


@pytest.mark.parametrize(
    "data", [b"\xff\xd8", b"\xff\xd8\xff\xd9", b"\xff\xd8\xff", b"\xff\xd8\xff\xda", b"\xff\xd8" * 9]
)
def test_one_without_a_picture_is_none(data: bytes) -> None:
    assert completed_jpeg(data) is None


@pytest.mark.parametrize("seed", range(20))
def test_garbage_ends(seed: int) -> None:
    rng = random.Random(seed)
    jpeg = bytearray(encoded("progressive"))
    for _ in range(10):
        jpeg[rng.randrange(2, len(jpeg))] = rng.randrange(256)
    completed_jpeg(bytes(jpeg[: rng.randrange(2, len(jpeg))]))
