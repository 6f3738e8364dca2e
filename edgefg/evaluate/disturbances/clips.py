"""The scenes that disturbances befall: labelled sequences, and one that is drawn here."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from ...datasets.layouts import frame_number
from ...datasets.sequences import MOVING, OUTSIDE, SHADOW, STATIC, Dataset, LabelledSequence
from ...errors import DataError
from ...imaging.convert import fit
from ...imaging.io import Image

FPS = 25.0
MIN_FRAMES = 60
_MAX_FRAMES = 600
_SIZE = (320, 240)
_KEPT = 16


@dataclass(frozen=True, eq=False)
class Labelled:
    """A frame and its truth.

    Attributes:
        frame: ``(H, W, 3) uint8 BGR``.
        truth: ``(H, W) uint8`` of CDnet2014's levels.
    """

    frame: Image
    truth: Image


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames in a row, as often as asked.

    Attributes:
        name: Of the scene.
        count: How many frames there are.
        at: Gives one of them.
        files: Which files they are read from, if any.
    """

    name: str
    count: int
    at: Callable[[int], Labelled]
    files: tuple[Path, ...] = ()


@dataclass(frozen=True, eq=False)
class CutOut:
    """An object, cut from a clip, to be pasted where it stood.

    Attributes:
        frame: The frame that it is cut from.
        where: ``(H, W) bool``.
    """

    frame: Image
    where: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]"

    def paste(self, onto: Labelled, level: int) -> Labelled:
        """Pastes it; ``level`` is what its pixels are in the truth."""
        frame, truth = onto.frame.copy(), onto.truth.copy()
        frame[self.where] = self.frame[self.where]
        truth[self.where & (truth != OUTSIDE)] = level
        return Labelled(frame, truth)


def clips_of(dataset: Dataset) -> list[Clip]:
    """The sequences of a data set that have enough labelled frames in a row.

    Raises:
        DataError: None has.
    """
    found = [clip for sequence in dataset.sequences if (clip := _clip_of(sequence)) is not None]
    if not found:
        raise DataError(
            f"{dataset.source}: expected a sequence with {MIN_FRAMES} labelled frames without gaps, found none; "
            f"without data, a generated one is used"
        )
    return found


def _clip_of(sequence: LabelledSequence) -> Clip | None:
    paths = sequence.labelled[:_MAX_FRAMES]
    if sequence.layout != "cdnet" or len(paths) < MIN_FRAMES:
        return None
    first = sequence.inputs.index(paths[0])
    if sequence.inputs[first : first + len(paths)] != paths:
        return None
    # Each has a number, or it would be no sequence's frame.
    numbers = [frame_number(path) or 0 for path in paths]
    if numbers[-1] - numbers[0] != len(paths) - 1:
        return None

    @lru_cache(maxsize=_KEPT)
    def read(number: int) -> Labelled:
        frame, truth = sequence.frame(paths[number]), sequence.truth(paths[number])
        size = _SIZE if frame.shape[1] > _SIZE[0] else (frame.shape[1], frame.shape[0])
        shrunk = cv2.resize(truth, size, interpolation=cv2.INTER_NEAREST)
        return Labelled(fit(frame, size), np.asarray(shrunk, np.uint8))

    def at(index: int) -> Labelled:
        # Short sequences go to and fro.
        place = index % (2 * len(paths) - 2)
        return read(min(place, 2 * len(paths) - 2 - place))

    return Clip(sequence.name, _MAX_FRAMES, at, paths)


def with_objects(clips: Iterable[Clip], say: Callable[[str], None]) -> list[Clip]:
    """Those of the clips that have an object to cut out, which some disturbances paste.

    Args:
        clips: To choose from.
        say: Told of each that is left out, and why.

    Raises:
        DataError: None is left.
    """
    fit_for_it, reasons = [], []
    for clip in clips:
        try:
            cut_out(clip)
        except DataError as reason:
            reasons.append(str(reason))
        else:
            fit_for_it.append(clip)
    if not fit_for_it:
        raise DataError("; ".join(reasons))
    for text in reasons:
        say(f"left out: {text}")
    return fit_for_it


@lru_cache(maxsize=_KEPT)
def cut_out(clip: Clip) -> CutOut:
    """The largest object of a clip that stands free: between 0.8% and 8% of the frame, not at its edge.

    Raises:
        DataError: There is none.
    """
    best: tuple[int, CutOut] | None = None
    for index in range(0, clip.count, 5):
        labelled = clip.at(index)
        moving = (labelled.truth == MOVING).astype(np.uint8)
        height, width = moving.shape
        count, labels, statistics, _ = cv2.connectedComponentsWithStats(moving)
        for label in range(1, count):
            x, y, wide, high, area = map(int, statistics[label])
            free = x > 4 and y > 4 and x + wide < width - 4 and y + high < height - 4
            if free and 0.008 <= area / moving.size <= 0.08 and (best is None or area > best[0]):
                # A little more than its truth, so that no rim of its surroundings is missing.
                around = cv2.dilate((labels == label).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
                best = area, CutOut(labelled.frame, around)
    if best is None:
        raise DataError(f"{clip.name}: expected an object of 0.8% to 8% of the frame that touches no edge, found none")
    return best[1]


def generated_clip(seed: int = 0) -> Clip:
    """A drawn street: a wall with windows, a pavement, a tree that sways, and three people who walk and cast shadows.

    It is seen as by a cheap camera: through a soft lens, with noise, and packed as JPEG.
    """
    generator = np.random.default_rng(seed)
    width, height = _SIZE
    street = _street(generator)
    people = [_person(generator, 52 + 10 * number) for number in range(3)]
    speeds = 46.0, -33.0, 61.0  # pixels a second
    feet = 150, 188, 228

    @lru_cache(maxsize=_KEPT)
    def at(index: int) -> Labelled:
        frame, truth = street.copy(), np.full((height, width), STATIC, np.uint8)
        _sway(frame, index / FPS)
        for number, ((picture, shape), speed, foot) in enumerate(zip(people, speeds, feet, strict=True)):
            high, wide = shape.shape
            way = width + 4 * wide
            x = math.floor((number * 130 + speed * index / FPS) % way) - 2 * wide
            left, right = max(x, 0), min(x + wide, width)
            if right <= left:
                continue
            centre, axes = (x + wide // 2 + high // 4, foot - 2), (high // 3, 4)
            _darken(frame, truth, centre, axes)
            rows, columns, part = slice(foot - high, foot), slice(left, right), slice(left - x, right - x)
            where = shape[:, part] > 0
            frame[rows, columns][where] = picture[:, part][where]
            truth[rows, columns][where] = MOVING
        return Labelled(_seen_by_a_camera(frame, np.random.default_rng((seed, index))), truth)

    return Clip("generated street", _MAX_FRAMES, at)


def _street(generator: np.random.Generator) -> Image:
    width, height = _SIZE
    street = np.empty((height, width, 3), np.float32)
    street[:] = (96, 108, 118)
    street[130:] = (88, 90, 92)
    for y in range(8, 120, 38):
        for x in range(10, width - 20, 44):
            colour = (generator.integers(45, 130) + generator.integers(-12, 13, 3)).tolist()
            cv2.rectangle(street, (x, y), (x + 24, y + 26), colour, -1)
            cv2.rectangle(street, (x, y), (x + 24, y + 26), (60, 64, 70), 2)
    for x in range(-60, width, 40):
        cv2.line(street, (x, height), (x + 90, 130), (74, 76, 78), 1)
    cv2.line(street, (0, 130), (width, 130), (50, 52, 56), 3)
    for sigma, strength in ((1.0, 9.0), (4.0, 22.0), (16.0, 60.0)):
        grain = cv2.GaussianBlur(generator.normal(0, 1, (height, width)).astype(np.float32), (0, 0), sigma)
        street += (strength * grain * sigma)[..., None] * 0.6
    # The tree's crown: leaves are small and differ.
    crown = np.zeros((height, width), np.uint8)
    cv2.ellipse(crown, (276, 36), (34, 28), 0, 0, 360, 255, -1)
    leaves = cv2.GaussianBlur(generator.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 1.2)
    street[crown > 0] = (np.array([40, 80, 52]) + 55 * leaves[..., None])[crown > 0]
    return np.clip(street, 0, 255).astype(np.uint8)


def _sway(frame: Image, time_s: float) -> None:
    """Moves the tree in the upper right by up to two pixels."""
    crown = frame[0:70, 236:316].copy()
    dx, dy = 2 * math.sin(2.1 * time_s), math.sin(3.3 * time_s)
    matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    frame[4:66, 240:312] = cv2.warpAffine(crown, matrix, (80, 70))[4:66, 4:76]


def _darken(frame: Image, truth: Image, centre: tuple[int, int], axes: tuple[int, int]) -> None:
    shade = np.zeros(truth.shape, np.uint8)
    cv2.ellipse(shade, centre, axes, 0, 0, 360, 255, -1)
    frame[shade > 0] = (frame[shade > 0] * 0.7).astype(np.uint8)
    truth[(shade > 0) & (truth == STATIC)] = SHADOW


def _seen_by_a_camera(frame: Image, generator: np.random.Generator) -> Image:
    soft = cv2.GaussianBlur(frame, (0, 0), 0.8)
    noisy = np.clip(soft + generator.normal(0, 2.0, frame.shape), 0, 255).astype(np.uint8)
    _, packed = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 75])
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)


def _person(generator: np.random.Generator, high: int) -> tuple[Image, Image]:
    """A picture of a person and its shape, ``(high, wide, 3)`` and ``(high, wide) uint8``."""
    wide = high * 2 // 5
    picture, shape = np.zeros((high, wide, 3), np.uint8), np.zeros((high, wide), np.uint8)
    coat, trousers = (generator.integers(low, low + 60, 3).tolist() for low in (120, 15))
    middle = wide // 2
    for canvas, colours in ((picture, (coat, trousers, (120, 150, 200))), (shape, (255, 255, 255))):
        cv2.rectangle(canvas, (middle - wide // 4, high // 2), (middle + wide // 4, high - 1), colours[1], -1)
        cv2.ellipse(canvas, (middle, 3 * high // 8), (wide // 2 - 1, high // 4), 0, 0, 360, colours[0], -1)
        cv2.circle(canvas, (middle, high // 9), high // 10, colours[2], -1)
    cloth = generator.normal(0, 10, picture.shape)
    return np.clip(picture + cloth, 0, 255).astype(np.uint8), shape
