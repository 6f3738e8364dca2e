"""Pasting of objects into a pair of frames: cut-outs and textured shapes, with places and sizes of real objects."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edgefg.imaging.convert import fit
from edgefg.imaging.io import Image

from ..networks.sizes import INPUT_SIZE
from .augmentation import cast_shadow, reflect, relight, wall_shadow
from .drawing import draw_vehicle
from .labels import BACKGROUND, FOREGROUND, IGNORED
from .scenes import Material, Place, Scene

MIN_SIDE_PX = 3

FAR, FARTHEST = 0.4, 0.12
"""Share of objects that stand farther away than those whose places they take, and the scale of the farthest."""

MIN_BORROWED_PX = 40

DRAWN, CUT_OUT = 0.15, 0.6
"""Shares of objects that are drawn vehicles and cut-outs; the others are textured shapes."""

ON_WALL, REFLECTED = 0.35, 0.1
"""Share of shadows that fall on a wall instead of the ground, and of objects that the floor mirrors."""


@dataclass(frozen=True)
class MaskedImage:
    """One frame of an unfinished pair: (H, W, 3) uint8 BGR and its (H, W) uint8 codes."""

    image: Image
    mask: Image


@dataclass(frozen=True)
class Sprite:
    """An object on an empty canvas: (H, W, 3) uint8 BGR, and (H, W) uint8 alpha with soft edges."""

    image: Image
    alpha: Image


def make_sprite(rng: Generator, material: Material, canvas: tuple[int, int], zoom: float) -> Sprite:
    """Draws an object, its size and its place.

    Args:
        rng: Random generator.
        material: The source of objects and places.
        canvas: (H, W) of the frame.
        zoom: Size of things in this crop, as a multiple of that in the whole frame.
    """
    height, width = canvas
    place = material.places[rng.integers(len(material.places))]
    # The place's own size, but never too small to see.
    scale = zoom * (float(np.exp(rng.uniform(np.log(FARTHEST), np.log(0.8)))) if rng.random() < FAR else 1.0)
    tall = max(MIN_SIDE_PX + 1.0, place.height * INPUT_SIZE[1] * scale * np.exp(rng.normal(0, 0.25)))
    wide = max(MIN_SIDE_PX * 1.0, place.width * INPUT_SIZE[0] * scale * np.exp(rng.normal(0, 0.25)))
    kind, keeps_aspect = rng.random(), True
    if kind < DRAWN:
        picture, alpha = draw_vehicle(rng)
        # Vehicles are larger than most things that move.
        tall, wide = (side * rng.uniform(1, 2) for side in (tall, wide))
    elif material.cutouts and kind < DRAWN + CUT_OUT:
        cutout = material.cutouts[rng.integers(len(material.cutouts))]
        picture, alpha = cutout.image, cutout.alpha
    else:
        picture, alpha = _texture(rng, material, place)
        keeps_aspect = False
    if keeps_aspect:
        # Roughly; the place sets the area.
        aspect = alpha.shape[1] / alpha.shape[0] * np.exp(rng.normal(0, 0.1))
        area = tall * wide
        tall, wide = np.sqrt(area / aspect), np.sqrt(area * aspect)
    tall, wide = min(tall, 0.9 * height), min(wide, 0.9 * width)
    size = (max(int(wide), MIN_SIDE_PX), max(int(tall), MIN_SIDE_PX))
    picture, alpha = fit(picture, size), fit(alpha, size)
    if rng.random() < 0.5:
        picture, alpha = picture[:, ::-1].copy(), alpha[:, ::-1].copy()
    picture = relight(rng, picture, 0.7)
    left = place.x * width + rng.normal(0, 0.15 * width)
    top = place.y * height + rng.normal(0, 0.12 * height)
    if rng.random() < 0.3:
        left, top = rng.uniform(-0.2, 0.9) * width, rng.uniform(-0.2, 0.9) * height
    shift = np.array([[1, 0, int(left)], [0, 1, int(top)]], np.float32)
    image = cv2.warpAffine(picture, shift, (width, height), borderMode=cv2.BORDER_REPLICATE)
    edged = cv2.GaussianBlur(cv2.warpAffine(alpha, shift, (width, height)), (0, 0), float(rng.uniform(0.4, 1.1)))
    return Sprite(np.asarray(image, np.uint8), np.asarray(edged, np.uint8))


def borrow_sprite(rng: Generator, scene: Scene) -> Sprite:
    """Cuts an object from one of the scene's frames and moves it a little, at its size and distance from the camera.

    Objects that few of the frames show then appear at many places. The canvas has the size of the frames, and is empty
    if the chosen frame shows no object.
    """
    index = rng.integers(len(scene.images))
    image, moving = scene.images[index], (scene.masks[index] == FOREGROUND).astype(np.uint8)
    height, width = moving.shape
    count, labels, stats, centres = cv2.connectedComponentsWithStats(moving)
    objects = [label for label in range(1, count) if stats[label, cv2.CC_STAT_AREA] >= MIN_BORROWED_PX]
    if not objects:
        return Sprite(image, np.zeros_like(moving))
    chosen = objects[rng.integers(len(objects))]
    alpha = np.where(np.asarray(labels) == chosen, 255, 0).astype(np.uint8)
    across, down = rng.normal(0, (0.12 * width, 0.02 * height))
    move = np.array([[1, 0, round(across)], [0, 1, round(down)]], np.float64)
    if rng.random() < 0.3:
        move[0] = -1, 0, round(2 * centres[chosen][0] + across)
    picture = cv2.warpAffine(relight(rng, image, 0.2), move, (width, height), borderMode=cv2.BORDER_REPLICATE)
    edged = cv2.GaussianBlur(cv2.warpAffine(alpha, move, (width, height)), (0, 0), 0.7)
    return Sprite(np.asarray(picture, np.uint8), np.asarray(edged, np.uint8))


def paste(rng: Generator, view: MaskedImage, sprite: Sprite, *, shadow: bool, blend: float) -> MaskedImage:
    """Pastes an object into a frame.

    Args:
        rng: Random generator.
        view: The frame and its mask.
        sprite: The object.
        shadow: Whether the object casts a shadow. Shadow and reflection stay background.
        blend: 0 keeps the object's own colours; towards 1 it takes the colours that it hides (camouflage).
    """
    solid = sprite.alpha >= 128
    if not solid.any():
        return view
    image = view.image
    if shadow:
        cast = wall_shadow if rng.random() < ON_WALL else cast_shadow
        image = cast(rng, image, np.where(solid, 255, 0).astype(np.uint8))
    if rng.random() < REFLECTED:
        image = reflect(rng, image, sprite.image, sprite.alpha)
    picture = sprite.image.astype(np.float32)
    if blend > 0:
        picture += blend * (image[solid].mean(axis=0) - picture[solid].mean(axis=0))
    alpha = (sprite.alpha / np.float32(255))[..., None]
    merged = np.clip(image * (1 - alpha) + picture * alpha, 0, 255).astype(np.uint8)
    mask = view.mask.copy()
    mask[solid] = FOREGROUND
    # Where object and ground mix, neither label is right.
    mask[(sprite.alpha > 76) & (sprite.alpha < 180) & (view.mask == BACKGROUND)] = IGNORED
    return MaskedImage(merged, mask)


def _texture(rng: Generator, material: Material, place: Place) -> tuple[Image, NDArray[np.uint8]]:
    """Fills a real object's shape with a piece of another picture, since all that changes is foreground."""
    pool = material.backdrops if material.backdrops and rng.random() < 0.7 else [s.background for s in material.scenes]
    source = pool[rng.integers(len(pool))]
    height, width = source.shape[:2]
    h, w = int(rng.uniform(0.1, 0.6) * height), int(rng.uniform(0.1, 0.6) * width)
    y, x = rng.integers(0, height - h), rng.integers(0, width - w)
    piece = cv2.resize(source[y : y + h, x : x + w], place.shape.shape[::-1], interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.25:
        piece = np.full_like(piece, piece.reshape(-1, 3).mean(axis=0).astype(np.uint8))
    return np.asarray(piece, np.uint8), place.shape
