"""The Segmenter, on networks whose masks can be told beforehand."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgefg.segmentation.segmenter
from edgefg import Segmenter
from edgefg.bundle.bundle import Bundle
from edgefg.engines.protocol import Outcome
from edgefg.errors import BundleError, ClosedError, EngineError, FrameError, MediaError, MissingFileError, OptionError

BOX = (8, 12, 16, 20)


@pytest.fixture
def segmenter(tiny_bundle: Bundle, make_scene: Any) -> Any:
    pytest.importorskip("openvino")
    with Segmenter(tiny_bundle, background=make_scene(), threads=1, policy="fixed") as opened:
        yield opened


def box_mask(size: tuple[int, int] = (64, 48), box: tuple[int, ...] = BOX) -> np.ndarray:
    x, y, width, height = box
    mask = np.zeros((size[1], size[0]), np.uint8)
    mask[y : y + height, x : x + width] = 255
    return mask


def overlap(mask: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sum((mask > 0) & (truth > 0)) / np.sum((mask > 0) | (truth > 0)))


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime", "auto"])
def test_what_differs_from_the_background_is_in_the_mask(engine: str, tiny_bundle: Bundle, make_scene: Any) -> None:
    if engine != "auto":
        pytest.importorskip(engine)
    with Segmenter(tiny_bundle, background=make_scene(), engine=engine, threads=1, policy="fixed") as segmenter:
        result = segmenter.segment(make_scene(boxes=[BOX]))
    np.testing.assert_array_equal(result.mask, box_mask())
    assert [(blob.x, blob.y, blob.width, blob.height) for blob in result.regions()] == [BOX]
    assert result.distance.shape == (12, 16)
    assert result.distance.dtype == np.float32
    assert not result.background_adopted


def test_a_frame_like_the_background_has_an_empty_mask(segmenter: Segmenter, make_scene: Any) -> None:
    result = segmenter.segment(make_scene())
    assert not result.mask.any()
    assert not result.distance.any()
    assert result.regions() == ()


@pytest.mark.parametrize("size", [(64, 48), (640, 480), (32, 24), (100, 75), (1280, 965)])
def test_the_mask_comes_back_in_the_frame_s_size(segmenter: Segmenter, make_scene: Any, size: tuple[int, int]) -> None:
    scale = size[0] / 64, size[1] / 48
    box = tuple(round(value * scale[axis % 2]) for axis, value in enumerate(BOX))
    result = segmenter.segment(make_scene(size, boxes=[box]))
    assert result.mask.shape == result.probability.shape == (size[1], size[0])
    assert set(np.unique(result.mask)) == {0, 255}
    assert overlap(result.mask, box_mask(size, box)) > 0.75


@settings(max_examples=30, deadline=None)
@given(width=st.integers(16, 400), height=st.integers(16, 400))
def test_frames_of_any_size_and_aspect_give_masks_of_their_size(
    width: int, height: int, tiny_bundle: Bundle, make_scene: Any
) -> None:
    with Segmenter(tiny_bundle, threads=1, policy="fixed") as segmenter:
        segmenter.segment(make_scene((width, height)))
        result = segmenter.segment(make_scene((width, height), boxes=[(0, 0, width // 2, height)]))
    assert result.mask.shape == (height, width)
    assert overlap(result.mask, box_mask((width, height), (0, 0, width // 2, height))) > 0.8


@pytest.mark.parametrize(
    "convert",
    [
        lambda bgr: np.dstack([bgr, np.full(bgr.shape[:2], 128, np.uint8)]),
        lambda bgr: bgr.astype(np.uint16) * 257,
        lambda bgr: (bgr.astype(np.uint16) * 257).astype(">u2"),
        lambda bgr: np.asfortranarray(bgr),
        lambda bgr: np.repeat(bgr, 2, axis=1)[:, ::2],
        lambda bgr: bgr[::-1].copy()[::-1],
    ],
    ids=["BGRA", "16-bit", "big-endian", "column-major", "strided", "upside-down memory"],
)
def test_the_same_picture_in_another_format_has_the_same_mask(
    segmenter: Segmenter, make_scene: Any, convert: Any
) -> None:
    frame = make_scene(boxes=[BOX])
    np.testing.assert_array_equal(segmenter.segment(convert(frame)).mask, box_mask())


@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_gray_frames_against_a_gray_background(
    tiny_bundle: Bundle, make_scene: Any, shape: tuple[int, ...], dtype: Any
) -> None:
    scale = 257 if dtype == np.uint16 else 1
    background, frame = (
        (make_scene(boxes=boxes)[..., 0].astype(dtype) * scale).reshape(shape) for boxes in ([], [BOX])
    )
    with Segmenter(tiny_bundle, background=background, threads=1, policy="fixed") as segmenter:
        np.testing.assert_array_equal(segmenter.segment(frame).mask, box_mask())


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((48, 64, 3), np.float32),
        np.full((48, 64, 3), np.nan, np.float32),
        np.zeros((48, 64, 3), bool),
        np.zeros((48, 64, 3), np.int64),
        np.zeros((48, 64, 2), np.uint8),
        np.zeros((0, 0, 3), np.uint8),
        np.zeros((0,), np.uint8),
        np.zeros((12, 16, 3), np.uint8),
        np.zeros((2, 48, 64, 3), np.uint8),
        None,
        "frame.jpg",
    ],
    ids=["float", "NaN", "bool", "int64", "2 channels", "empty", "no shape", "tiny", "batch", "None", "path"],
)
def test_a_bad_frame_is_refused_and_the_next_good_one_is_not(segmenter: Segmenter, make_scene: Any, frame: Any) -> None:
    with pytest.raises(FrameError) as refusal:
        segmenter.segment(frame)
    assert "\n" not in str(refusal.value)
    np.testing.assert_array_equal(segmenter.segment(make_scene(boxes=[BOX])).mask, box_mask())


def test_a_bad_first_frame_is_not_adopted(tiny_bundle: Bundle, make_scene: Any) -> None:
    with Segmenter(tiny_bundle, threads=1, policy="fixed") as segmenter:
        with pytest.raises(FrameError):
            segmenter.segment(np.zeros((48, 64, 3), np.float32))  # type: ignore[arg-type]
        assert segmenter.background.id == 0


# The background


def test_the_first_frame_becomes_the_background_and_says_so(tiny_bundle: Bundle, make_scene: Any) -> None:
    with Segmenter(tiny_bundle, threads=1, policy="fixed") as segmenter:
        first = segmenter.segment(make_scene())
        second = segmenter.segment(make_scene(boxes=[BOX]))
    assert (first.background_adopted, first.background_id) == (True, 1)
    assert not first.mask.any()
    assert (second.background_adopted, second.background_id) == (False, 1)
    np.testing.assert_array_equal(second.mask, box_mask())


def test_a_new_background_counts_from_the_next_frame_on(segmenter: Segmenter, make_scene: Any) -> None:
    frame = make_scene(boxes=[BOX])
    before = segmenter.segment(frame)
    segmenter.background.set(frame)
    after = segmenter.segment(frame)
    assert (before.background_id, after.background_id) == (1, 2)
    assert not after.mask.any()
    assert before.mask.any()


def test_a_result_tells_the_age_of_its_background(segmenter: Segmenter, make_scene: Any) -> None:
    first, second = (segmenter.segment(make_scene()).background_age_s for _ in range(2))
    assert 0 <= first < second < 60


@pytest.mark.parametrize("size", [(640, 480), (32, 24), (641, 480)])
def test_a_background_of_another_size_is_scaled(tiny_bundle: Bundle, make_scene: Any, size: tuple[int, int]) -> None:
    with Segmenter(tiny_bundle, background=make_scene(size), threads=1, policy="fixed") as segmenter:
        assert not segmenter.segment(make_scene()).mask.any()


@pytest.mark.parametrize("size", [(640, 360), (48, 64), (64, 64), (66, 48)])
def test_a_background_of_another_aspect_is_refused_with_both_sizes(
    tiny_bundle: Bundle, make_scene: Any, size: tuple[int, int]
) -> None:
    with Segmenter(tiny_bundle, background=make_scene(size), threads=1, policy="fixed") as segmenter:
        with pytest.raises(FrameError, match=rf"frame is 64x48 and the background {size[0]}x{size[1]}"):
            segmenter.segment(make_scene())
        segmenter.background.set(make_scene())
        assert not segmenter.segment(make_scene()).mask.any()


def test_a_camera_that_changes_its_aspect_is_refused_until_a_background_fits(
    segmenter: Segmenter, make_scene: Any
) -> None:
    with pytest.raises(FrameError, match=r"background\.set"):
        segmenter.segment(make_scene((64, 36)))
    segmenter.background.set(make_scene((64, 36)))
    assert segmenter.segment(make_scene((128, 72))).mask.shape == (72, 128)


def test_a_background_may_be_a_file(tiny_bundle: Bundle, make_scene: Any, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "background.png"), make_scene())
    with Segmenter(tiny_bundle, background=tmp_path / "background.png", threads=1, policy="fixed") as segmenter:
        np.testing.assert_array_equal(segmenter.segment(make_scene(boxes=[BOX])).mask, box_mask())


# Results


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("size", [(64, 48), (128, 96)])
def test_a_result_is_never_overwritten_by_later_frames(
    engine: str, size: tuple[int, int], tiny_bundle: Bundle, make_scene: Any
) -> None:
    pytest.importorskip(engine)
    with Segmenter(tiny_bundle, background=make_scene(size), engine=engine, threads=1, policy="fixed") as segmenter:
        frames = [make_scene(size, boxes=[(4 * step, 4 * step, 12, 12)]) for step in range(6)]
        results = [segmenter.segment(frame) for frame in frames]
        kept = [(r.mask.copy(), r.probability.copy(), r.distance.copy()) for r in results]
        for frame in reversed(frames):
            segmenter.segment(frame)
        segmenter.background.set(frames[0])
    for result, before in zip(results, kept, strict=True):
        for array, copy in zip((result.mask, result.probability, result.distance), before, strict=True):
            np.testing.assert_array_equal(array, copy)


def test_neither_frame_nor_result_share_memory(segmenter: Segmenter, make_scene: Any) -> None:
    frame = make_scene(boxes=[BOX])
    result = segmenter.segment(frame)
    arrays = [frame, result.mask, result.probability, result.distance]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])


def test_the_times_add_up(segmenter: Segmenter, make_scene: Any) -> None:
    timing = segmenter.segment(make_scene()).timing
    shares = (timing.prepare_ms, timing.stage1_ms, timing.stage2_ms, timing.finish_ms)
    assert min(shares) > 0
    assert timing.total_ms == pytest.approx(sum(shares))


@pytest.mark.parametrize("threshold", [0.001, 0.1, 0.4, 0.5, 0.7, 1, 1.0, np.float32(0.3)])
def test_the_mask_is_where_the_probability_reaches_the_threshold(
    tiny_bundle: Bundle, make_scene: Any, threshold: float
) -> None:
    # A ramp of steps against black: every probability occurs.
    frame = np.repeat(np.linspace(0, 255, 16, dtype=np.uint8), 4)[None, :, None].repeat(48, axis=0).repeat(3, axis=2)
    with Segmenter(
        tiny_bundle, background=np.zeros_like(frame), threshold=threshold, threads=1, policy="fixed"
    ) as segmenter:
        result = segmenter.segment(frame)
    assert result.threshold == threshold
    np.testing.assert_array_equal(result.mask > 0, result.probability >= float(threshold) * 255)
    assert result.mask.any()
    assert not result.mask.all()


def test_without_a_threshold_the_bundle_s_counts(segmenter: Segmenter) -> None:
    assert segmenter.threshold == segmenter.bundle.decision.threshold == 0.5


# Opening and closing


@pytest.mark.parametrize("threshold", [0, -0.1, 1.001, float("nan"), float("inf"), True, "0.5", [0.5]])
def test_a_threshold_that_makes_no_sense_is_refused(tiny_bundle: Bundle, threshold: Any) -> None:
    with pytest.raises(OptionError, match="threshold"):
        Segmenter(tiny_bundle, threshold=threshold, policy="fixed")


def test_a_bundle_may_be_given_as_its_folder(tiny_bundle: Bundle) -> None:
    with Segmenter(str(tiny_bundle.path), threads=1, policy="fixed") as segmenter:
        assert segmenter.bundle == tiny_bundle


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"manifest\.json"):
        Segmenter(tmp_path, policy="fixed")


def test_after_close_every_use_says_so(tiny_bundle: Bundle, make_scene: Any) -> None:
    segmenter = Segmenter(tiny_bundle, background=make_scene(), threads=1, policy="fixed")
    segmenter.close()
    segmenter.close()
    with pytest.raises(ClosedError, match="closed"):
        segmenter.segment(make_scene())
    with pytest.raises(ClosedError, match="closed"):
        segmenter.background.set(make_scene())


def test_results_outlive_the_segmenter(tiny_bundle: Bundle, make_scene: Any) -> None:
    with Segmenter(tiny_bundle, background=make_scene(), threads=1, policy="fixed") as segmenter:
        result = segmenter.segment(make_scene(boxes=[BOX]))
    np.testing.assert_array_equal(result.mask, box_mask())
    assert len(result.regions()) == 1


class StubEngine:
    """An engine whose distances the test chooses."""

    name, version, slots = "stub", "0", 1
    variant = SimpleNamespace(precision="fp32")

    def __init__(self, distance: float = 0.0) -> None:
        self.distance = np.zeros((12, 16), np.float32)
        self.distance[3, 3] = distance
        self.closed = 0

    def embed(self, frame: Any) -> None:
        return None

    def run(self, frame: Any, features: Any, early_exit: Any = None) -> Outcome:
        return Outcome(self.distance, np.zeros((48, 64), np.uint8), 1.0, 1.0)

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize(
    ("background", "error"),
    [
        (np.zeros((48, 64, 3)), FrameError),
        ("nowhere.png", MissingFileError),
        (__file__, MediaError),
    ],
    ids=["float", "missing file", "no image"],
)
def test_a_constructor_that_fails_closes_its_engine(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, background: Any, error: type[Exception]
) -> None:
    engine = StubEngine()
    monkeypatch.setattr(edgefg.segmentation.segmenter, "open_engine", lambda *_: engine)
    with pytest.raises(error):
        Segmenter(tiny_bundle, background=background, policy="fixed")
    assert engine.closed == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_distance_that_is_not_finite_is_an_error_not_a_quiet_scene(
    tiny_bundle: Bundle, make_scene: Any, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    monkeypatch.setattr(edgefg.segmentation.segmenter, "open_engine", lambda *_: StubEngine(value))
    with Segmenter(tiny_bundle, policy="fixed") as segmenter, pytest.raises(EngineError, match="not finite"):
        segmenter.segment(make_scene())
