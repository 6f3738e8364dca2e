"""The material of training pairs, in memory: scenes with masks, cut-out objects, places of objects, backdrops."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgefg.datasets.sequences import Dataset, LabelledSequence, scene_split
from edgefg.errors import DataError
from edgefg.imaging.io import Image, read_image

from .labels import BACKGROUND, FOREGROUND, mask_from_truth
from .same_view import is_same_view, signature, view_of

LONG_SIDE_PX = 400
"""Longest side of frames and cut-outs in memory, in pixels: training crops are smaller."""


@dataclass(frozen=True)
class Scene:
    """One camera's labelled frames.

    Attributes:
        name: The sequence's name.
        images: (H, W, 3) uint8 BGR each.
        masks: (H, W) uint8 codes each.
        background: (H, W, 3) uint8 BGR, free of objects according to the masks.
        named: (H, W, 3) uint8 BGR, the background that the protocol ``scene`` tests against: a frame with objects, or
            the clean background of a set; None in other protocols.
        named_file: The file of `named`, for the model card.
        files: The files of `images`, for the model card.
    """

    name: str
    images: list[Image]
    masks: list[Image]
    background: Image
    named: Image | None
    named_file: Path | None
    files: list[Path]


@dataclass(frozen=True)
class Cutout:
    """An object to paste: (h, w, 3) uint8 BGR and its (h, w) uint8 alpha, 0 or 255."""

    image: Image
    alpha: Image


@dataclass(frozen=True)
class Place:
    """The place of an object in a real mask: its box in shares of the frame, and its (h, w) shape, 0 or 255."""

    x: float
    y: float
    width: float
    height: float
    shape: Image


@dataclass(frozen=True)
class Material:
    """The material of training pairs."""

    scenes: list[Scene]
    backdrops: list[Image]
    cutouts: list[Cutout]
    places: list[Place]


def load_scene(sequence: LabelledSequence, files: Iterable[Path], named: Path | None = None) -> Scene:
    """Reads the labelled `files` of a sequence, and the background `named` by the protocol, whose mask is not read.

    Raises:
        DataError: A file cannot be read, or `files` is empty.
    """
    chosen = list(files)
    if not chosen:
        raise DataError(f"expected labelled frames to train on in {sequence.path}, found none")
    images = [_limit(sequence.frame(path), cv2.INTER_AREA) for path in chosen]
    masks = [_limit(mask_from_truth(sequence.truth(path)), cv2.INTER_NEAREST) for path in chosen]
    own = sequence.background()
    background = masked_median(images, masks) if own is None else _limit(own, cv2.INTER_AREA)
    given = None if named is None else _limit(sequence.background_or(named), cv2.INTER_AREA)
    given_file = None if named is None else sequence.background_file or named
    return Scene(sequence.name, images, masks, background, given, given_file, chosen)


def load_material(
    dataset: Dataset, protocol: str, seed: int, *, excluded: Iterable[str] = (), unseen: Iterable[LabelledSequence] = ()
) -> Material:
    """Loads a data set's scenes, and the composites' folders next to it.

    ``backgrounds/``, ``objects/`` and ``shape_masks/`` under the data set's root are used where they
    exist; without them objects and places come from the scenes' own masks.

    Args:
        dataset: The scenes to train on.
        protocol: ``unseen`` trains on every labelled frame, ``scene`` on each sequence's training split.
        seed: Seed of the ``scene`` split.
        excluded: Names of sequences that must stay unseen, whose backdrops and shapes are left out.
        unseen: The same sequences, as far as they are there: backdrops that show their views are left out, whatever
            they are called.

    Raises:
        DataError: A file cannot be read, or there is nothing to train on.
    """
    scenes = []
    for sequence in dataset.sequences:
        if protocol == "scene":
            split = scene_split(sequence, seed)
            scenes.append(load_scene(sequence, split.train, split.background))
        else:
            scenes.append(load_scene(sequence, sequence.labelled))
    if not scenes:
        raise DataError(f"expected labelled sequences under {dataset.root}, found none")
    hidden = tuple("-".join(Path(name).parts[-2:]) for name in excluded)
    root = dataset.root
    backdrops = [
        _limit(read_image(path, error=DataError), cv2.INTER_AREA)
        for path in sorted((root / "backgrounds").glob("*.jpg"))
        if not path.name.startswith(hidden)
    ]
    if backdrops:
        views = [signature(view_of(sequence)) for sequence in unseen]
        backdrops = [backdrop for backdrop in backdrops if not is_same_view(signature(backdrop), views)]
    cutouts = [cutout for path in sorted((root / "objects").glob("*/*.png")) for cutout in _cutouts_of(path)]
    cutouts += _cutouts_of_scenes(scenes)
    places = [
        place
        for path in sorted((root / "shape_masks").glob("*/*.png"))
        if not path.parent.name.startswith(hidden)
        for place in _places_of(read_image(path, gray=True, error=DataError))
    ]
    if not places:
        places = [place for scene in scenes for mask in scene.masks[::5] for place in _places_of(mask == FOREGROUND)]
    if not places:
        raise DataError(f"expected something that moves in the masks below {root}, found none")
    return Material(scenes, backdrops, cutouts, places)


def masked_median(images: list[Image], masks: list[Image], most: int = 60) -> Image:
    """Returns the median over at most `most` frames, of the pixels that the masks call background.

    Where no frame shows the background, it is the median of all frames.
    """
    step = max(1, len(images) // most)
    stack = np.stack(images[::step]).astype(np.int16)  # (N, H, W, 3)
    shown = np.stack(masks[::step]) == BACKGROUND  # (N, H, W)
    # Pixels that are not background are pushed to the end of the order, and the middle of the rest is taken.
    ordered = np.sort(np.where(shown[..., None], stack, 256), axis=0)
    middle = np.maximum(shown.sum(axis=0) - 1, 0) // 2
    median = np.take_along_axis(ordered, middle[None, :, :, None], axis=0)[0]
    never = ~shown.any(axis=0)
    median[never] = np.median(stack[:, never], axis=0)
    return np.asarray(median, np.uint8)


def _limit(image: Image, interpolation: int) -> Image:
    scale = LONG_SIDE_PX / max(image.shape[:2])
    if scale >= 1:
        return image
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=interpolation), np.uint8)


def _cutouts_of(mask_path: Path, min_px: int = 400) -> list[Cutout]:
    """Returns the objects of one cut-out file: `NAME.png` numbers the objects of `NAME.jpg`."""
    numbers = read_image(mask_path, gray=True, error=DataError)
    image = read_image(mask_path.with_suffix(".jpg"), error=DataError)
    if numbers.shape != image.shape[:2]:
        raise DataError(f"expected {mask_path} to have the size of its image {image.shape[:2]}, got {numbers.shape}")
    found = [_cut(image, numbers == number) for number in np.unique(numbers[numbers > 0])]
    return [cutout for cutout in found if np.count_nonzero(cutout.alpha) >= min_px]


def _cutouts_of_scenes(scenes: list[Scene], max_per_scene: int = 80, min_px: int = 300) -> list[Cutout]:
    cutouts = []
    for scene in scenes:
        found: list[Cutout] = []
        for index in np.linspace(0, len(scene.images) - 1, min(len(scene.images), max_per_scene)).astype(int):
            moving = (scene.masks[index] == FOREGROUND).astype(np.uint8)
            count, labels, stats, _ = cv2.connectedComponentsWithStats(moving)
            for label in range(1, count):
                if stats[label, cv2.CC_STAT_AREA] >= min_px:
                    found.append(_cut(scene.images[index], np.asarray(labels) == label))
        cutouts += found[: max_per_scene * 2]
    return cutouts


def _cut(image: Image, chosen: NDArray[np.bool_]) -> Cutout:
    ys, xs = np.nonzero(chosen)
    box = np.s_[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    alpha = np.where(chosen[box], 255, 0).astype(np.uint8)
    return Cutout(_limit(image[box].copy(), cv2.INTER_AREA), _limit(alpha, cv2.INTER_NEAREST))


def _places_of(mask: NDArray[np.uint8] | NDArray[np.bool_]) -> list[Place]:
    """Returns the connected parts of a mask, without specks and parts that fill nearly the whole frame."""
    height, width = mask.shape
    moving = (mask == 255 if mask.dtype != np.bool_ else mask).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(moving)
    places = []
    for label in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[label])
        if 0.0004 < area / moving.size < 0.45:
            shape = np.where(np.asarray(labels)[y : y + h, x : x + w] == label, 255, 0).astype(np.uint8)
            places.append(Place(x / width, y / height, w / width, h / height, shape))
    return places
