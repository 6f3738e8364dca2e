"""What `device_frame` reads of arrays on the GPU, and what it refuses."""

from typing import Any

import pytest

from edgefg import Nv12Frame
from edgefg.errors import FrameError, OptionError
from edgefg.imaging.device import device_frame, is_on_device


class Array:
    def __init__(self, shape: tuple[int, ...], strides: tuple[int, ...] | None = None, **changed: Any) -> None:
        self.__cuda_array_interface__ = {
            "shape": shape,
            "strides": strides,
            "typestr": "|u1",
            "data": (1 << 20, False),
            "version": 3,
        } | changed


class Tensor(Array):
    def __dlpack__(self, *, stream: int) -> object:
        raise AssertionError("not asked for yet")


def nv12(luma: tuple[int, ...] = (64, 96), chroma: tuple[int, ...] = (32, 48, 2), **options: Any) -> Nv12Frame:
    return Nv12Frame(Array(luma), Array(chroma), **options)


@pytest.mark.parametrize(
    ("shape", "pixel"), [((48, 64), 1), ((48, 64, 1), 1), ((48, 64, 3), 3), ((1080, 1920, 4), 4), ((16, 16, 3), 3)]
)
def test_gray_bgr_and_bgra_of_any_size_are_frames(shape: tuple[int, ...], pixel: int) -> None:
    frame = device_frame(Array(shape))
    assert frame.shape == (*shape[:2], pixel)
    assert frame.planes[0].pitch == shape[1] * pixel


@pytest.mark.parametrize(("shape", "strides"), [((48, 64), (256, 1)), ((48, 64, 3), (512, 3, 1))])
def test_rows_may_lie_apart(shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
    frame = device_frame(Array(shape, strides))
    assert frame.planes[0].pitch == strides[0]
    assert not frame.lies_as((64, 48))


def test_only_bgr_without_gaps_at_the_size_lies_as_the_networks_want_it() -> None:
    assert device_frame(Array((48, 64, 3))).lies_as((64, 48))
    assert device_frame(Array((48, 64, 3), (192, 3, 1))).lies_as((64, 48))
    assert not device_frame(Array((48, 64, 4))).lies_as((64, 48))
    assert not device_frame(Array((96, 128, 3))).lies_as((64, 48))
    assert not device_frame(nv12((48, 64), (24, 64))).lies_as((64, 48))


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (Array((48, 64, 3), typestr="<f4"), "must be uint8 .*got <f4 of shape"),
        (Array((3, 48, 64)), r"got \(3, 48, 64\)"),
        (Array((48, 64, 2)), r"got \(48, 64, 2\)"),
        (Array((1, 48, 64, 3)), r"got .*\(1, 48, 64, 3\)"),
        (Array((64,)), r"got .*\(64,\)"),
        (Array((48, 15, 3)), "at least 16 px high and wide"),
        (Array((0, 64, 3)), "at least 16 px"),
        (Array((48, 64, 3), (192, -3, 1)), "side by side"),
        (Array((48, 64, 3), (-192, 3, 1)), "side by side"),
        (Array((48, 64, 3), (3, 144, 1)), "side by side"),
        (Array((48, 64, 3), (384, 6, 2)), "side by side"),
        (Array((48, 64), (64, 2)), "side by side"),
        (Array((48, 64, 3), mask=Array((48, 64))), "must be uint8"),
    ],
)
def test_other_arrays_are_refused(array: Array, problem: str) -> None:
    with pytest.raises(FrameError, match=problem):
        device_frame(array)


@pytest.mark.parametrize("chroma", [(32, 48, 2), (32, 96)])
def test_nv12_has_chroma_in_either_shape(chroma: tuple[int, ...]) -> None:
    frame = device_frame(nv12(chroma=chroma))
    assert frame.shape == (64, 96, 1)
    assert [plane.pitch for plane in frame.planes] == [96, 96]
    assert frame.yuv is not None


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        (nv12(luma=(63, 96)), "both even"),
        (nv12(luma=(64, 95)), "both even"),
        (nv12(luma=(14, 96)), "at least 16"),
        (nv12(luma=(64, 96, 3)), r"luma must be uint8 of shape \(H, W\)"),
        (nv12(chroma=(64, 96)), r"chroma must be .*\(32, 48, 2\) or \(32, 96\).*got \(64, 96\)"),
        (nv12(chroma=(32, 24, 2)), "chroma must be"),
        (Nv12Frame(Array((64, 96), stream=5), Array((32, 96), stream=6)), "in one stream; got 5 and 6"),
    ],
)
def test_broken_nv12_is_refused(frame: Nv12Frame, problem: str) -> None:
    with pytest.raises(FrameError, match=problem):
        device_frame(frame)


def test_a_matrix_that_is_none_is_refused() -> None:
    with pytest.raises(OptionError, match=r"matrix must be one of bt601, bt709; got 'bt2020'"):
        nv12(matrix="bt2020")


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
def test_white_black_and_gray_keep_their_levels(matrix: Any, full_range: bool) -> None:
    to_bgr = nv12(matrix=matrix, full_range=full_range).to_bgr
    black, white = (0, 255) if full_range else (16, 235)
    assert (black - to_bgr.black) * to_bgr.gain == 0
    assert (white - to_bgr.black) * to_bgr.gain == pytest.approx(255)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    # ITU-R BT.601 and BT.709: the usual factors of the limited range.
    [("bt601", (2.017, -0.392, -0.813, 1.596)), ("bt709", (2.112, -0.213, -0.533, 1.793))],
)
def test_factors_are_those_of_the_standards(matrix: Any, expected: tuple[float, ...]) -> None:
    assert nv12(matrix=matrix).to_bgr[2:] == pytest.approx(expected, abs=6e-4)


def test_a_stream_of_the_library_is_asked_for() -> None:
    assert device_frame(Array((48, 64, 3), stream=7)).stream == 7
    assert device_frame(Array((48, 64, 3))).stream is None
    assert device_frame(Array((48, 64, 3), version=2)).stream == 1
    by_dlpack = device_frame(Tensor((48, 64, 3), version=2))
    assert (by_dlpack.stream, by_dlpack.by_dlpack) == (None, True)


def test_both_kinds_are_on_the_device() -> None:
    assert is_on_device(Array((48, 64, 3)))
    assert is_on_device(nv12())
    assert not is_on_device("frame.png")
