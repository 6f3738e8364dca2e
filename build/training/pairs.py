"""Training pairs: two frames of a camera and their masks, real or composed, with disturbances between them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from edgefg.imaging.convert import fit
from edgefg.imaging.io import Image

from ..networks.sizes import INPUT_SIZE
from .augmentation import darken, glint, glow, grey, haze, relight, sensor, smooth_field, snow, sway
from .checkpoint import Stage
from .compositing import MaskedImage, Sprite, borrow_sprite, make_sprite, paste
from .labels import BACKGROUND, IGNORED
from .scenes import Material, Scene

CAMOUFLAGED = 0.3
"""Share of pasted objects that take on most of the colour that they hide."""


@dataclass(frozen=True)
class Recipe:
    """Shares of each kind of pair, and the other settings of a protocol's training.

    Attributes:
        real: Share of pairs from labelled scenes; the rest stand on backdrops.
        balance: A scene of n frames is drawn in proportion to n to this power: 0 draws all scenes equally often, 1
            draws all frames equally often.
        named: Share of real pairs whose background is the one that the protocol names; its mask stays
            unread, so only stage 2 learns from them.
        median: Share of real pairs whose background is the scene's clean background.
        still: Share of real pairs of one frame with itself, so that nothing has changed but noise.
        pasted: Share of real pairs with pasted objects.
        borrowed: Share of real pairs whose frame receives an object or two from the scene's other frames.
        disturbed: Strength of the changes between the two frames, 1 for scenes never seen.
        crop: Height and width of the crops in pixels, at most those of the frames that the network sees.
        resized: Share of crops that are zoomed and stretched; the others are at the scale that the network sees.
        zoom: Smallest and largest size of things in such a crop, as a multiple of that in the whole frame.
        stretch: Standard deviation of the logarithm of a crop's aspect, relative to the frame's.
        retaken: Share of pairs as another camera would have taken them: in other light, in grey, blurred, with noise.
        flipped: Share of crops that are mirrored.
        fresh: Share of stage 2's batches that is newly drawn; the rest are earlier pairs, whose maps are known.
        stage1_share: Share of the training time for stage 1.
    """

    real: float = 0.45
    balance: float = 0.5
    named: float = 0.0
    median: float = 0.55
    still: float = 0.08
    pasted: float = 0.4
    borrowed: float = 0.0
    disturbed: float = 1.0
    crop: tuple[int, int] = (192, 256)
    resized: float = 1.0
    zoom: tuple[float, float] = (0.5, 1.7)
    stretch: float = 0.1
    retaken: float = 1.0
    flipped: float = 0.5
    fresh: float = 1.0
    stage1_share: float = 0.75

    def stage_share(self, stage: Stage) -> float:
        """Returns the share of the training time for a stage, or for both together."""
        if stage == "both":
            return 1.0
        return self.stage1_share if stage == 1 else 1 - self.stage1_share


UNSEEN = Recipe()
"""Recipe for scenes that the network has never seen: it must learn change itself."""

SCENE = Recipe(
    real=0.95,
    balance=0.0,
    named=0.75,
    median=0.05,
    still=0.02,
    pasted=0.2,
    borrowed=0.3,
    disturbed=0.2,
    crop=INPUT_SIZE[::-1],
    resized=0.2,
    zoom=(0.9, 1.15),
    stretch=0.02,
    retaken=0.2,
    flipped=0.0,
    fresh=0.25,
    stage1_share=0.15,
)
"""Recipe for the scenes that the network trains on (the paper's protocol), mostly against the background of the test.

An object of the background frame leaves a ghost. Only stage 2 can distinguish it from an object of the frame, by
knowing the place. So places stay where they are, most frames stay whole and unchanged, and stage 2 takes most of the
time.
"""


def recipe_for(protocol: str, stage: Stage) -> Recipe:
    """Returns the recipe of a protocol for a stage, or for both together.

    Stage 1 learns from the masks of both frames, so never from a background without a mask. While it learns, there are
    no maps to reuse.
    """
    recipe = SCENE if protocol == "scene" else UNSEEN
    if stage == 2:
        return recipe
    return replace(recipe, fresh=1.0, named=0.0 if stage == 1 else recipe.named)


Pair = tuple[Image, Image, Image, Image]


class PairStream(IterableDataset[Pair]):
    """Endless pairs: background (H, W, 3) and frame (H, W, 3) uint8 BGR, their masks (H, W) uint8 codes."""

    def __init__(self, material: Material, recipe: Recipe, seed: int) -> None:
        self.material = material
        self.recipe = recipe
        self.seed = seed

    def __iter__(self) -> Iterator[Pair]:
        worker = get_worker_info()
        cv2.setNumThreads(1)
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        while True:
            background, frame = draw_pair(rng, self.material, self.recipe)
            yield background.image, frame.image, background.mask, frame.mask


def draw_pair(rng: Generator, material: Material, recipe: Recipe) -> tuple[MaskedImage, MaskedImage]:
    """Draws one pair at the recipe's crop: the background, then the frame."""
    real = not material.backdrops or rng.random() < recipe.real
    background, frame = _real_pair(rng, material, recipe) if real else _empty_pair(rng, material)
    background, frame, zoom = _same_crop(
        rng, background, frame, recipe, shake=recipe.disturbed * (0.3 if real else 1.0)
    )
    if rng.random() < 0.3 * recipe.disturbed:
        background, frame = _restless(rng, background, frame)
    if not real or rng.random() < recipe.pasted:
        background, frame = _populate(rng, material, background, frame, zoom)
    if rng.random() < 0.3 * recipe.disturbed:
        frame = MaskedImage(_loose_shadow(rng, material, frame.image), frame.mask)
    background, frame = _weather(rng, background, frame, recipe.disturbed)
    return _retaken(rng, background, frame, recipe.disturbed) if rng.random() < recipe.retaken else (background, frame)


def _real_pair(rng: Generator, material: Material, recipe: Recipe) -> tuple[MaskedImage, MaskedImage]:
    scenes = material.scenes
    weights = np.array([len(scene.images) for scene in scenes]) ** recipe.balance
    scene: Scene = scenes[rng.choice(len(scenes), p=weights / weights.sum())]
    index = rng.integers(len(scene.images))
    frame = MaskedImage(scene.images[index], scene.masks[index])
    if rng.random() < recipe.borrowed:
        for _ in range(rng.integers(1, 3)):
            frame = paste(rng, frame, borrow_sprite(rng, scene), shadow=False, blend=0.0)
    if scene.named is not None and rng.random() < recipe.named:
        return MaskedImage(scene.named, np.full(frame.mask.shape, IGNORED, np.uint8)), frame
    kind = rng.random()
    if kind < recipe.median:
        # Pixels without a label in the frame stay so in a background made from such frames.
        outside = np.where(frame.mask == IGNORED, IGNORED, BACKGROUND).astype(np.uint8)
        return MaskedImage(scene.background, outside), frame
    if kind < recipe.median + recipe.still:
        return frame, frame
    other = rng.integers(len(scene.images))
    return MaskedImage(scene.images[other], scene.masks[other]), frame


def _empty_pair(rng: Generator, material: Material) -> tuple[MaskedImage, MaskedImage]:
    backdrop = material.backdrops[rng.integers(len(material.backdrops))]
    view = MaskedImage(backdrop, np.full(backdrop.shape[:2], BACKGROUND, np.uint8))
    return view, view


def _same_crop(
    rng: Generator, background: MaskedImage, frame: MaskedImage, recipe: Recipe, shake: float
) -> tuple[MaskedImage, MaskedImage, float]:
    """Crops, flips, zooms and stretches both alike; may shake the frame by a few pixels."""
    zoom, stretch = 1.0, 1.0
    if rng.random() < recipe.resized:
        zoom = float(np.exp(rng.uniform(*np.log(recipe.zoom))))
        stretch = float(np.exp(rng.normal(0, recipe.stretch)))
    else:
        background, frame = _as_seen(background), _as_seen(frame)
    height, width = frame.image.shape[:2]
    scale_x, scale_y = zoom * stretch * INPUT_SIZE[0] / width, zoom / stretch * INPUT_SIZE[1] / height
    slack_x, slack_y = width * scale_x - recipe.crop[1], height * scale_y - recipe.crop[0]
    # By whole pixels: half a pixel would blur what the network sees sharp later.
    shift_x, shift_y = -round(slack_x * _along(rng)), -round(slack_y * _along(rng))
    crop = np.array([[scale_x, 0, shift_x], [0, scale_y, shift_y], [0, 0, 1]])
    if rng.random() < recipe.flipped:
        crop = np.array([[-1, 0, recipe.crop[1] - 1], [0, 1, 0], [0, 0, 1]]) @ crop
    shaken = crop
    if rng.random() < 0.5 * shake:
        reach = rng.choice([0.7, 1.5, 3.0], p=[0.5, 0.35, 0.15])
        angle, growth = rng.normal(0, 0.002 * reach), 1 + rng.normal(0, 0.002 * reach)
        dx, dy = rng.normal(0, reach, 2)
        middle_y, middle_x = recipe.crop[0] / 2, recipe.crop[1] / 2
        turn = np.array([[growth, -angle, dx + angle * middle_y], [angle, growth, dy - angle * middle_x], [0, 0, 1]])
        shaken = turn @ crop
    return _warp(background, crop, recipe.crop), _warp(frame, shaken, recipe.crop), zoom


def _along(rng: Generator) -> float:
    """Draws a crop's place along an axis, 0 at one end of the frame and 1 at the other; two in three touch an end.

    A uniform draw would show the frame's corner once in thousands, and objects that enter there would not be learnt.
    """
    return float(np.clip(rng.uniform(-1, 2), 0, 1))


def _as_seen(view: MaskedImage) -> MaskedImage:
    """Scales a frame as the runtime does, to what the network sees apart from the crop."""
    mask = cv2.resize(view.mask, INPUT_SIZE, interpolation=cv2.INTER_NEAREST)
    return MaskedImage(fit(view.image, INPUT_SIZE), np.asarray(mask, np.uint8))


def _warp(view: MaskedImage, matrix: NDArray[np.float64], crop: tuple[int, int]) -> MaskedImage:
    size = crop[::-1]
    image = cv2.warpAffine(view.image, matrix[:2], size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    mask = cv2.warpAffine(view.mask, matrix[:2], size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT)
    return MaskedImage(np.asarray(image, np.uint8), np.asarray(mask, np.uint8))


def _restless(rng: Generator, background: MaskedImage, frame: MaskedImage) -> tuple[MaskedImage, MaskedImage]:
    """Adds leaves or water: a region of both frames that never looks the same twice."""
    region = np.clip(smooth_field(rng, frame.mask.shape, (4, 5)) * 1.5 + rng.uniform(-1, 0.7), 0, 1)
    cells, amplitude = int(rng.integers(8, 40)), float(rng.gamma(2.0, 0.8))
    sparkle = float(rng.gamma(1.5, 8)) if rng.random() < 0.4 else 0.0

    def stir(view: MaskedImage) -> MaskedImage:
        image = sway(rng, view.image, region, cells, amplitude)
        return MaskedImage(glint(rng, image, region, cells, sparkle) if sparkle else image, view.mask)

    return stir(background), stir(frame)


def _populate(
    rng: Generator, material: Material, background: MaskedImage, frame: MaskedImage, zoom: float
) -> tuple[MaskedImage, MaskedImage]:
    """Pastes objects: most into the frame, some into the background (ghosts), some into both (overlap)."""
    shadows = rng.random() < 0.6
    sprites: list[Sprite] = [make_sprite(rng, material, frame.mask.shape, zoom) for _ in range(rng.integers(0, 6))]
    for sprite in sprites:
        shadow = shadows and rng.random() < 0.8
        blend = rng.uniform(0.4, 0.9) if rng.random() < CAMOUFLAGED else 0.0
        where = rng.random()
        if where < 0.14:
            background = paste(rng, background, sprite, shadow=shadow, blend=blend)
        elif where < 0.2:
            background = paste(rng, background, sprite, shadow=shadow, blend=blend)
            frame = paste(rng, frame, sprite, shadow=shadow, blend=blend)
        else:
            frame = paste(rng, frame, sprite, shadow=shadow, blend=blend)
    return background, frame


def _loose_shadow(rng: Generator, material: Material, image: Image) -> Image:
    """Casts the shadow of an object out of sight."""
    height, width = image.shape[:2]
    place = material.places[rng.integers(len(material.places))]
    side = (int(rng.integers(20, 160)), int(rng.integers(20, 160)))
    turn = cv2.getRotationMatrix2D((side[0] / 2, side[1] / 2), float(rng.uniform(0, 360)), 1.0)
    somewhere = np.eye(3)
    somewhere[:2, 2] = rng.uniform(-40, (width - 40, height - 40))
    shadow = cv2.warpAffine(fit(place.shape, side), somewhere[:2] @ np.vstack([turn, [0, 0, 1]]), (width, height))
    return darken(rng, image, np.asarray(shadow / 255, np.float32))


def _weather(
    rng: Generator, background: MaskedImage, frame: MaskedImage, strength: float
) -> tuple[MaskedImage, MaskedImage]:
    """Adds fog to both, snow to either, and the glow of lamps to the frame; masks stay as they are."""
    images = [background.image, frame.image]
    if rng.random() < 0.1 * strength:
        twin = int(rng.integers(2**32))  # The same draw for both: fog is a scene, not a change.
        images = [haze(np.random.default_rng(twin), image) for image in images]
    if rng.random() < 0.06 * strength:
        images[1] = glow(rng, images[1])
    if rng.random() < 0.06 * strength:
        angle = rng.normal(0, 0.5)
        images = [snow(rng, image, angle) if rng.random() < 0.7 else image for image in images]
    return MaskedImage(images[0], background.mask), MaskedImage(images[1], frame.mask)


def _retaken(
    rng: Generator, background: MaskedImage, frame: MaskedImage, strength: float
) -> tuple[MaskedImage, MaskedImage]:
    """Changes the light of the pair, then of the frame alone, then adds the sensor's effects to each."""
    images = [background.image, frame.image]
    if rng.random() < 0.5:
        twin = int(rng.integers(2**32))  # The same draw for both: another scene, not a change.
        images = [relight(np.random.default_rng(twin), image, 1.0) for image in images]
    if rng.random() < 0.6:
        images[1] = relight(rng, images[1], strength * rng.uniform(0.1, 1.0))
    night = rng.random()
    if night < 0.08:
        images = [grey(image) for image in images]
    elif night < 0.08 + 0.08 * strength:
        # The camera has switched to infrared, or back, since the background was taken.
        switched = int(rng.integers(2))
        images[switched] = grey(images[switched])
    images = [sensor(rng, image) for image in images]
    return MaskedImage(images[0], background.mask), MaskedImage(images[1], frame.mask)
