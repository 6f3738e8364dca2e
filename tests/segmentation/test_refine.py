"""Masks of the map, alone and with stage 2: how it is sharpened, and what a Segmenter and a Pipeline make of it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from edgefg.bundle.bundle import Bundle
from edgefg.errors import BundleError, OptionError
from edgefg.segmentation.mask import mask_rule_of, scale_around
from edgefg.segmentation.options import InferenceOptions
from edgefg.segmentation.pipeline import Pipeline
from edgefg.segmentation.refine import MAP_THRESHOLD, guided_upsample, to_levels
from edgefg.segmentation.segmenter import Segmenter

SceneMaker = Callable[..., npt.NDArray[np.uint8]]


def disc(radius: float, size: tuple[int, int] = (96, 128)) -> npt.NDArray[np.bool_]:
    y, x = np.ogrid[: size[0], : size[1]]
    return np.asarray((y - size[0] / 2) ** 2 + (x - size[1] / 2) ** 2 < radius**2)


@pytest.fixture
def background() -> npt.NDArray[np.uint8]:
    return np.random.default_rng(1).integers(60, 120, (96, 128, 3)).astype(np.uint8)


def iou(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(a & b) / np.count_nonzero(a | b))


class TestSharpen:
    def test_edges_come_from_the_frame(self, background: npt.NDArray[np.uint8]) -> None:
        truth = disc(25)
        frame = background.copy()
        frame[truth] = 220
        # A map of blocks of 4x4 pixels that is smeared over one more block, as features of a wide view are.
        blocks = np.repeat(np.repeat(truth[::4, ::4], 3, 0), 3, 1).reshape(24, 3, 32, 3).any((1, 3))
        smeared = np.pad(blocks, 1)
        smeared = smeared[:-2, 1:-1] | smeared[2:, 1:-1] | smeared[1:-1, :-2] | smeared[1:-1, 2:]
        distance = np.where(smeared, 30, 1).astype(np.float32)
        sharp = guided_upsample(distance, frame, background) >= 15
        coarse = np.repeat(np.repeat(distance, 4, 0), 4, 1) >= 15
        assert iou(sharp, truth) > 0.9
        assert iou(coarse, truth) < 0.8

    def test_a_flat_map_stays_flat(self, background: npt.NDArray[np.uint8]) -> None:
        frame = np.clip(background.astype(int) + 60, 0, 255).astype(np.uint8)
        flat = np.full((24, 32), 1.4, np.float32)
        assert np.allclose(guided_upsample(flat, frame, background), 1.4, atol=0.01)

    def test_what_a_change_of_light_adds_everywhere_is_taken_off(self, background: npt.NDArray[np.uint8]) -> None:
        distance = np.full((24, 32), 4.5, np.float32)
        distance[6:18, 8:24] = 30
        sharp = guided_upsample(distance, background, background)
        assert sharp[4, 4] == pytest.approx(1.5)
        assert sharp[48, 64] == pytest.approx(27)

    def test_what_fills_the_frame_is_still_seen(self, background: npt.NDArray[np.uint8]) -> None:
        full = np.full((24, 32), 30, np.float32)
        assert np.allclose(guided_upsample(full, background, background), 25)

    def test_a_frame_like_its_background_leaves_the_map_as_it_is(self, background: npt.NDArray[np.uint8]) -> None:
        distance = np.zeros((24, 32), np.float32)
        distance[6:18, 8:24] = 30
        sharp = guided_upsample(distance, background, background)
        assert sharp.dtype == np.float32
        assert sharp[48, 64] == pytest.approx(30)
        assert sharp[4, 4] == pytest.approx(0)

    def test_the_arguments_stay_as_they_are(self, background: npt.NDArray[np.uint8]) -> None:
        distance = np.random.default_rng(2).uniform(0, 30, (24, 32)).astype(np.float32)
        given = (distance, background[::-1].copy(), background)
        before = [array.copy() for array in given]
        guided_upsample(*given)
        assert all(np.array_equal(one, other) for one, other in zip(given, before, strict=True))


def test_levels_put_the_calibrated_distance_at_the_threshold() -> None:
    distance = np.array([[-3, 0, 11.9, 12.1, 24, 1000]], np.float32)
    levels = to_levels(distance, 12)
    assert levels.dtype == np.uint8
    assert list(levels[0] >= 255 * MAP_THRESHOLD) == [False, False, False, True, True, True]
    assert (levels[0, 0], levels[0, 1], levels[0, 4], levels[0, 5]) == (0, 0, 255, 255)


@pytest.mark.parametrize("threshold", [0.001, 0.26, 0.5, 0.9, 1.0])
def test_the_scale_of_a_mean_has_the_threshold_in_its_middle(threshold: float) -> None:
    scale = scale_around(threshold)
    probabilities = np.arange(256)
    assert list(scale >= 255 * MAP_THRESHOLD) == list(probabilities >= 255 * threshold)
    assert (np.diff(scale.astype(int)) >= 0).all()


def without_distance(bundle: Bundle) -> Bundle:
    return replace(bundle, decision=replace(bundle.decision, foreground_distance=None))


class TestChoice:
    def test_both_stages_need_no_distance(self, tiny_bundle: Bundle) -> None:
        rule = mask_rule_of(without_distance(tiny_bundle), InferenceOptions(mode="full"))
        assert rule.foreground_distance is None

    @pytest.mark.parametrize("mode", ["map", "fused"])
    def test_the_bundle_says_the_distance(self, mode: str, tiny_bundle: Bundle) -> None:
        assert mask_rule_of(tiny_bundle, InferenceOptions(mode=mode)).foreground_distance == 0.5

    def test_the_bundle_says_the_mode(self, tiny_bundle: Bundle) -> None:
        assert tiny_bundle.decision.mode == "full"
        bundle = replace(tiny_bundle, decision=replace(tiny_bundle.decision, mode="fused"))
        fused = mask_rule_of(bundle, InferenceOptions())
        assert (fused.foreground_distance, fused.mode) == (0.5, "fused")
        assert fused.scale is not None

    @pytest.mark.parametrize("owner", [Segmenter, Pipeline])
    def test_an_unknown_mode(self, owner: Callable[..., object], tiny_bundle: Bundle) -> None:
        with pytest.raises(OptionError, match="mode must be one of auto, full, map, fused; got 'fast'"):
            owner(tiny_bundle, mode="fast")

    @pytest.mark.parametrize("owner", [Segmenter, Pipeline])
    def test_a_bundle_that_was_not_calibrated(self, owner: Callable[..., object], tiny_bundle: Bundle) -> None:
        for mode in ("map", "fused"):
            with pytest.raises(BundleError, match=rf"decision\.foreground_distance.*{mode}.*found none.*edgefg build"):
                owner(without_distance(tiny_bundle), mode=mode)

    @pytest.mark.parametrize("owner", [Segmenter, Pipeline])
    def test_quiet_frames_have_no_stage_to_skip(self, owner: Callable[..., object], tiny_bundle: Bundle) -> None:
        with pytest.raises(OptionError, match=r"skip_below= skips stage 2.*leave it out"):
            owner(tiny_bundle, mode="map", skip_below=1.0)


class TestSegmenting:
    BOX = (20, 12, 16, 16)

    def test_a_box_is_found_without_stage_2(self, tiny_bundle: Bundle, make_scene: SceneMaker) -> None:
        with Segmenter(tiny_bundle, background=make_scene(), mode="map") as segmenter:
            result = segmenter.segment(make_scene(boxes=(self.BOX,)))
        truth = np.zeros((48, 64), bool)
        truth[12:28, 20:36] = True
        assert iou(result.mask > 0, truth) > 0.75
        assert result.timing.stage2_ms == 0
        assert not result.stage2_skipped
        assert result.threshold == MAP_THRESHOLD

    def test_an_empty_scene_stays_empty(self, tiny_bundle: Bundle, make_scene: SceneMaker) -> None:
        with Segmenter(tiny_bundle, background=make_scene(), mode="map") as segmenter:
            assert not segmenter.segment(make_scene()).mask.any()

    def test_the_mask_has_the_frames_size(self, tiny_bundle: Bundle, make_scene: SceneMaker) -> None:
        with Segmenter(tiny_bundle, background=make_scene(size=(160, 120)), mode="map") as segmenter:
            assert segmenter.segment(make_scene(size=(160, 120))).mask.shape == (120, 160)

    def test_the_threshold_is_a_share_of_twice_the_distance(self, tiny_bundle: Bundle, make_scene: SceneMaker) -> None:
        frame = make_scene(boxes=(self.BOX,))
        areas = []
        for threshold in (0.1, 0.5, 1.0):
            with Segmenter(tiny_bundle, background=make_scene(), mode="map", threshold=threshold) as segmenter:
                areas.append(np.count_nonzero(segmenter.segment(frame).mask))
        assert areas[0] > areas[1] > areas[2] > 0

    def test_a_pipeline_gives_the_same_masks(self, tiny_bundle: Bundle, make_scene: SceneMaker) -> None:
        frames = [make_scene(boxes=((4 * step, 12, 16, 16),)) for step in range(6)]
        with Segmenter(tiny_bundle, background=make_scene(), mode="map") as segmenter:
            expected = [segmenter.segment(frame).mask for frame in frames]
        with Pipeline(tiny_bundle, mode="map") as pipeline:
            pipeline.backgrounds[""].set(make_scene())
            results = list(pipeline.map(frames))
            assert pipeline.statistics.skipped == 0
        assert all(np.array_equal(result.mask, mask) for result, mask in zip(results, expected, strict=True))
        assert {result.threshold for result in results} == {MAP_THRESHOLD}


class TestFused:
    BOX = (20, 12, 16, 16)

    def test_it_is_the_mean_of_both_on_their_own_scales(self, tiny_bundle: Bundle, make_scene: SceneMaker) -> None:
        bundle = replace(tiny_bundle, decision=replace(tiny_bundle.decision, threshold=0.3))
        found = {}
        for mode in ("full", "map", "fused"):
            with Segmenter(bundle, background=make_scene(), mode=mode) as segmenter:
                found[mode] = segmenter.segment(make_scene(boxes=(self.BOX,)))
        mean = (scale_around(0.3)[found["full"].probability].astype(int) + found["map"].probability) / 2
        assert np.abs(found["fused"].probability - mean).max() <= 0.5
        assert found["fused"].threshold == MAP_THRESHOLD
        assert found["fused"].timing.stage2_ms > 0
        assert np.array_equal(found["fused"].mask > 0, found["fused"].probability >= 128)

    def test_a_quiet_frame_is_empty(self, tiny_bundle: Bundle, make_scene: SceneMaker) -> None:
        with Segmenter(tiny_bundle, background=make_scene(), mode="fused", skip_below=0.1) as segmenter:
            result = segmenter.segment(make_scene())
        assert result.stage2_skipped
        assert not result.probability.any()

    def test_a_pipeline_gives_the_same_masks(self, tiny_bundle: Bundle, make_scene: SceneMaker) -> None:
        frames = [make_scene(boxes=((4 * step, 12, 16, 16),)) for step in range(6)]
        with Segmenter(tiny_bundle, background=make_scene(), mode="fused") as segmenter:
            expected = [segmenter.segment(frame).mask for frame in frames]
        with Pipeline(tiny_bundle, mode="fused") as pipeline:
            pipeline.backgrounds[""].set(make_scene())
            masks = [result.mask for result in pipeline.map(frames)]
        assert all(np.array_equal(mask, other) for mask, other in zip(masks, expected, strict=True))
