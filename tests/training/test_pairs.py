"""Training pairs, real and composed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from edgefg.build.networks.sizes import INPUT_SIZE
from edgefg.build.training import augmentation as disturb
from edgefg.build.training.compositing import MaskedImage, Sprite, borrow_sprite, paste
from edgefg.build.training.labels import BACKGROUND, FOREGROUND, IGNORED
from edgefg.build.training.pairs import SCENE, UNSEEN, PairStream, Recipe, draw_pair, recipe_for
from edgefg.build.training.scenes import Material, load_material, masked_median
from edgefg.datasets.sequences import open_dataset, scene_split
from edgefg.errors import DataError
from edgefg.imaging.convert import fit
from edgefg.imaging.io import Image, read_image


@pytest.fixture(scope="module")
def root(
    tmp_path_factory: pytest.TempPathFactory, write_sequence: Callable[..., Path], write_set: Callable[..., Path]
) -> Path:
    """A data set with all the folders that composites use."""
    root = tmp_path_factory.mktemp("data")
    write_sequence(root / "baseline" / "boxes")
    write_set(root / "pairs" / "set1")
    rng = np.random.default_rng(0)
    for folder in ("backgrounds", "objects/things", "shape_masks/baseline-other50"):
        (root / folder).mkdir(parents=True)
    cv2.imwrite(str(root / "backgrounds/night-street-background.jpg"), rng.integers(0, 256, (60, 80, 3), np.uint8))
    cv2.imwrite(str(root / "backgrounds/baseline-hidden-background.jpg"), np.zeros((60, 80, 3), np.uint8))
    numbers = np.zeros((64, 64), np.uint8)
    numbers[:30, :30], numbers[32:, 32:], numbers[60:, :3] = 1, 2, 3
    cv2.imwrite(str(root / "objects/things/a.png"), numbers)
    cv2.imwrite(str(root / "objects/things/a.jpg"), rng.integers(0, 256, (64, 64, 3), np.uint8))
    shape = np.zeros((60, 80), np.uint8)
    shape[20:40, 30:40] = 255
    cv2.imwrite(str(root / "shape_masks/baseline-other50/00.png"), shape)
    return root


@pytest.fixture(scope="module")
def material(root: Path) -> Material:
    return load_material(open_dataset(root), "unseen", 0, excluded=["x/baseline/hidden"])


def test_material_holds_scenes_and_what_lies_beside_them(material: Material) -> None:
    assert [scene.name for scene in material.scenes] == ["baseline/boxes", "pairs/set1"]
    assert len(material.backdrops) == 1  # The excluded scene's is left out.
    assert len(material.places) == 1
    place = material.places[0]
    assert (place.x, place.y, place.width, place.height) == pytest.approx((30 / 80, 1 / 3, 1 / 8, 1 / 3))


def test_a_backdrop_that_shows_an_unseen_scene_is_left_out_whatever_its_name(
    root: Path, tmp_path: Path, write_set: Callable[..., Path]
) -> None:
    hidden = write_set(tmp_path / "pairs" / "set9")
    street = read_image(root / "backgrounds/night-street-background.jpg")
    cv2.imwrite(str(hidden / "background.png"), fit(np.clip(street * 0.7 + 20, 0, 255).astype(np.uint8), (64, 48)))
    unseen = open_dataset(hidden).sequences
    found = load_material(open_dataset(root), "unseen", 0, excluded=["x/baseline/hidden"], unseen=unseen)
    assert found.backdrops == []


def test_specks_are_no_cutouts(material: Material) -> None:
    assert sum(cutout.alpha.shape in ((30, 30), (32, 32)) for cutout in material.cutouts) == 2
    assert all(np.count_nonzero(cutout.alpha) >= 200 for cutout in material.cutouts)


def test_the_scene_protocol_trains_on_its_split_only(root: Path) -> None:
    dataset = open_dataset(root / "baseline" / "boxes")
    assert len(load_material(dataset, "scene", 0).scenes[0].images) == 3  # 30% of 10


CROP = (192, 256)
PLAIN = replace(SCENE, real=1.0, pasted=0.0, borrowed=0.0, disturbed=0.0, crop=CROP, resized=0.0, retaken=0.0)
"""Real pairs as the network sees them, cropped and no more."""


def is_cut_out_of(whole: Image, view: Image) -> bool:
    _, _, (left, top), _ = cv2.minMaxLoc(cv2.matchTemplate(whole, view, cv2.TM_SQDIFF))
    return np.array_equal(whole[top : top + CROP[0], left : left + CROP[1]], view)


def test_the_background_of_the_test_is_learnt_with_but_its_mask_is_not(root: Path) -> None:
    dataset = open_dataset(root / "baseline" / "boxes")
    material = load_material(dataset, "scene", 0)
    named = fit(dataset.sequences[0].frame(scene_split(dataset.sequences[0]).background), INPUT_SIZE)
    background, frame = draw_pair(np.random.default_rng(0), material, replace(PLAIN, named=1.0))
    assert (background.mask == IGNORED).all()
    assert (frame.mask == FOREGROUND).any()
    assert is_cut_out_of(named, background.image)


def test_known_scenes_are_seen_whole(root: Path) -> None:
    dataset = open_dataset(root / "baseline" / "boxes")
    whole = replace(PLAIN, named=1.0, crop=SCENE.crop)
    background, _ = draw_pair(np.random.default_rng(0), load_material(dataset, "scene", 0), whole)
    named = dataset.sequences[0].frame(scene_split(dataset.sequences[0]).background)
    np.testing.assert_array_equal(background.image, fit(named, INPUT_SIZE))


def test_a_set_is_tested_against_its_own_background_and_trained_with_it(root: Path) -> None:
    dataset = open_dataset(root / "pairs" / "set1")
    named = load_material(dataset, "scene", 0).scenes[0].named
    assert named is not None
    np.testing.assert_array_equal(named, dataset.sequences[0].background())


def test_stage_1_learns_from_masks_on_both_sides(root: Path) -> None:
    material = load_material(open_dataset(root / "baseline" / "boxes"), "scene", 0)
    rng = np.random.default_rng(0)
    drawn = [draw_pair(rng, material, recipe_for("scene", 1)) for _ in range(20)]
    assert not any((background.mask == IGNORED).all() for background, _ in drawn)


def test_the_corner_of_a_frame_is_seen_as_often_as_is_needed_to_learn_it(material: Material) -> None:
    image = np.zeros((240, 320, 3), np.uint8)
    image[0, 0] = 255
    scene = replace(material.scenes[0], background=image)
    rng = np.random.default_rng(0)
    recipe = replace(PLAIN, named=0.0, median=1.0)
    views = [draw_pair(rng, replace(material, scenes=[scene]), recipe)[0].image for _ in range(180)]
    assert 8 < sum(bool(view.any()) for view in views) < 40  # a ninth: at both axes' ends


def test_without_balance_a_small_scene_is_drawn_as_often_as_a_large_one(material: Material) -> None:
    recipe = replace(PLAIN, named=0.0, median=1.0)
    large, small = material.scenes
    crowded = replace(large, images=large.images * 50, masks=large.masks * 50, background=255 - large.background)
    rng = np.random.default_rng(0)
    uneven = replace(material, scenes=[crowded, small])
    views = [draw_pair(rng, uneven, recipe)[0].image for _ in range(60)]
    background = fit(small.background, INPUT_SIZE)
    assert 15 < sum(is_cut_out_of(background, view) for view in views) < 45


def test_without_folders_beside_it_places_come_from_the_scenes_masks(
    tmp_path: Path, write_sequence: Callable[..., Path]
) -> None:
    material = load_material(open_dataset(write_sequence(tmp_path / "cat" / "boxes")), "unseen", 0)
    assert material.backdrops == []
    assert {(place.width, place.height) for place in material.places} == {(0.25, 1 / 3)}


def test_a_cutout_of_another_size_than_its_image_is_named(
    root: Path, tmp_path: Path, write_set: Callable[..., Path]
) -> None:
    write_set(tmp_path / "group" / "set1")
    (tmp_path / "objects" / "things").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "objects/things/b.png"), np.ones((20, 20), np.uint8))
    cv2.imwrite(str(tmp_path / "objects/things/b.jpg"), np.ones((30, 20, 3), np.uint8))
    with pytest.raises(DataError, match=r"b\.png.*size"):
        load_material(open_dataset(tmp_path), "unseen", 0)


def test_masked_median_leaves_objects_out() -> None:
    images = [np.full((2, 2, 3), level, np.uint8) for level in (10, 20, 200, 200, 200)]
    masks = [np.full((2, 2), code, np.uint8) for code in (BACKGROUND, BACKGROUND, FOREGROUND, FOREGROUND, IGNORED)]
    assert masked_median(images, masks).tolist() == np.full((2, 2, 3), 10).tolist()


def test_masked_median_where_the_background_never_shows_is_the_median_of_all() -> None:
    images = [np.full((1, 1, 3), level, np.uint8) for level in (10, 20, 90)]
    assert masked_median(images, [np.ones((1, 1), np.uint8)] * 3).tolist() == [[[20, 20, 20]]]


@pytest.mark.parametrize("recipe", [UNSEEN, SCENE], ids=["unseen", "scene"])
def test_pairs_are_crops_with_codes(material: Material, recipe: Recipe) -> None:
    rng = np.random.default_rng(0)
    for _ in range(12):
        for view in draw_pair(rng, material, recipe):
            assert view.image.shape == (*recipe.crop, 3)
            assert view.image.dtype == view.mask.dtype == np.uint8
            assert set(np.unique(view.mask)) <= {BACKGROUND, FOREGROUND, IGNORED}


def test_pairs_show_objects_in_the_frame_in_the_background_and_nowhere(material: Material) -> None:
    rng = np.random.default_rng(0)
    seen = {
        ((b.mask == FOREGROUND).any(), (f.mask == FOREGROUND).any())
        for b, f in (draw_pair(rng, material, UNSEEN) for _ in range(80))
    }
    assert seen == {(False, False), (False, True), (True, False), (True, True)}


def test_the_same_seed_draws_the_same_pairs(material: Material) -> None:
    def first(seed: int) -> list[int]:
        return [int(array.sum()) for array in next(iter(PairStream(material, UNSEEN, seed)))]

    assert first(3) == first(3)
    assert first(3) != first(4)


def test_a_pasted_object_is_foreground_and_its_shadow_is_not() -> None:
    rng = np.random.default_rng(0)
    view = MaskedImage(np.full((64, 64, 3), 200, np.uint8), np.zeros((64, 64), np.uint8))
    alpha = np.zeros((64, 64), np.uint8)
    alpha[20:40, 20:30] = 255
    pasted = paste(rng, view, Sprite(np.zeros((64, 64, 3), np.uint8), alpha), shadow=True, blend=0.0)
    assert np.array_equal(pasted.mask == FOREGROUND, alpha == 255)
    shaded = (pasted.image.max(axis=2) < 199) & (alpha == 0)
    assert shaded.any()
    assert (pasted.mask[shaded] == BACKGROUND).all()
    assert (view.mask == BACKGROUND).all()  # What was passed in is left alone.


def test_neither_shadow_nor_reflection_touches_the_mask() -> None:
    view = MaskedImage(np.full((64, 64, 3), 200, np.uint8), np.zeros((64, 64), np.uint8))
    alpha = np.zeros((64, 64), np.uint8)
    alpha[20:40, 20:30] = 255
    sprite = Sprite(np.zeros((64, 64, 3), np.uint8), alpha)
    for seed in range(40):
        pasted = paste(np.random.default_rng(seed), view, sprite, shadow=True, blend=0.0)
        assert np.array_equal(pasted.mask == FOREGROUND, alpha == 255)
        assert np.array_equal(pasted.mask == BACKGROUND, alpha == 0)


def test_a_wall_shadow_lies_about_the_object_and_a_reflection_below_it() -> None:
    wall = np.full((96, 96, 3), 200, np.uint8)
    silhouette = np.zeros((96, 96), np.uint8)
    silhouette[20:50, 40:56] = 255
    shaded = disturb.wall_shadow(np.random.default_rng(0), wall, silhouette)
    assert shaded[silhouette == 255].mean() < 190
    assert shaded[80:, :].min() >= 198
    mirrored = disturb.reflect(np.random.default_rng(0), wall, np.zeros_like(wall), silhouette)
    assert mirrored[52:78, 44:52].max() < 195
    assert mirrored[:40].min() >= 199


def test_a_borrowed_object_is_one_of_the_scene_and_as_large(root: Path) -> None:
    (scene,) = load_material(open_dataset(root / "baseline" / "boxes"), "scene", 0).scenes
    areas = {np.count_nonzero(mask == FOREGROUND) for mask in scene.masks}
    rng = np.random.default_rng(0)
    solid = [np.count_nonzero(borrow_sprite(rng, scene).alpha >= 128) for _ in range(20)]
    whole = max(areas)
    assert 0.9 * whole < max(solid) < 1.1 * whole


def test_a_scene_without_objects_lends_none(root: Path) -> None:
    (scene,) = load_material(open_dataset(root / "baseline" / "boxes"), "scene", 0).scenes
    empty = replace(scene, masks=[np.zeros_like(mask) for mask in scene.masks])
    assert not borrow_sprite(np.random.default_rng(0), empty).alpha.any()


def test_camouflage_keeps_the_mask_and_loses_the_contrast() -> None:
    rng = np.random.default_rng(0)
    view = MaskedImage(np.full((32, 32, 3), 200, np.uint8), np.zeros((32, 32), np.uint8))
    sprite = Sprite(np.zeros((32, 32, 3), np.uint8), np.pad(np.full((8, 8), 255, np.uint8), 12))
    hidden = paste(rng, view, sprite, shadow=False, blend=0.9)
    assert hidden.image[16, 16].tolist() == [180, 180, 180]
    assert hidden.mask[16, 16] == FOREGROUND


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_disturbances_keep_shape_and_type(strength: float) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (48, 64, 3), np.uint8)
    before = image.copy()
    region = np.ones((48, 64), np.float32)
    for made in (
        disturb.relight(rng, image, strength),
        disturb.sway(rng, image, region, 8, strength),
        disturb.glint(rng, image, region, 8, strength),
        disturb.sensor(rng, image),
        disturb.darken(rng, image, region),
        disturb.grey(image),
        disturb.snow(rng, image, 0.3),
        disturb.glow(rng, image),
        disturb.haze(rng, image),
    ):
        assert made.shape == image.shape
        assert made.dtype == np.uint8
    assert np.array_equal(image, before)


def test_light_of_no_strength_changes_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    assert np.abs(disturb.relight(np.random.default_rng(1), image, 0.0).astype(int) - image).max() <= 1


def test_snow_and_glow_only_brighten_a_dark_picture() -> None:
    dark = np.full((48, 64, 3), 40, np.uint8)
    for made in (disturb.snow(np.random.default_rng(0), dark, 0.3), disturb.glow(np.random.default_rng(0), dark)):
        assert made.min() >= 39  # A level less: the mixing rounds down.
        assert made.max() > 60


def test_haze_leaves_less_contrast_and_the_same_order() -> None:
    steps = np.repeat(np.arange(0, 256, 5, dtype=np.uint8)[None, :, None], 3, axis=2)
    hazy = disturb.haze(np.random.default_rng(0), steps)[0, :, 0].astype(int)
    assert 0 < hazy[-1] - hazy[0] < 0.85 * 255
    assert (np.diff(hazy) >= 0).all()
