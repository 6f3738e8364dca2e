"""Disturbances between two frames of a camera in which nothing has moved: light, noise, shake, leaves, compression.

Every function takes the random generator first, and images as (H, W, 3) uint8 BGR unless it says
otherwise; none changes its arguments.
"""

import functools

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edgefg.imaging.io import Image

Field = NDArray[np.float32]


def smooth_field(rng: Generator, shape: tuple[int, int], cells: tuple[int, int], layers: int = 1) -> Field:
    """Draws smooth noise of unit scale, (H, W) or (H, W, layers): a coarse grid of normal values, enlarged."""
    grid = rng.standard_normal((*cells, layers), np.float32)
    return np.asarray(cv2.resize(grid, shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def relight(rng: Generator, image: Image, strength: float) -> Image:
    """Changes the light as the sun, a cloud, an exposure control or another white balance does.

    Args:
        rng: Random generator.
        image: The frame.
        strength: 0 leaves the frame unchanged; 1 reaches gains of about 0.6 to 1.6.
    """
    gamma = np.exp(rng.normal(0, 0.25 * strength))
    gain = np.exp(rng.normal(0, 0.22 * strength))
    colour = np.exp(rng.normal(0, 0.06 * strength, 3))
    offset = rng.normal(0, 10 * strength)
    steps = np.arange(256, dtype=np.float32) / 255
    tables = np.clip(steps[:, None] ** gamma * gain * colour * 255 + offset, 0, 255).astype(np.uint8)  # (256, 3)
    lit = cv2.LUT(image, tables[None])
    if rng.random() < 0.45 * strength:
        # Light on a part of the scene: an opening door, a lamp, a cloud's edge.
        cells = (int(rng.integers(2, 6)), int(rng.integers(2, 6)))
        field = 1 + 0.22 * strength * smooth_field(rng, image.shape[:2], cells)
        lit = np.clip(lit * field[..., None], 0, 255).astype(np.uint8)
    return np.asarray(lit, np.uint8)


def cast_shadow(rng: Generator, image: Image, silhouette: Image) -> Image:
    """Darkens the ground where the shadow of a silhouette (H, W) uint8 falls in light from a side."""
    ys = np.nonzero(silhouette)[0]
    if ys.size == 0:
        return image
    height, width = silhouette.shape
    foot_y = float(ys.max())
    slant, flat = rng.normal(0, 1.2), rng.uniform(0.15, 0.7) * rng.choice([-1.0, 1.0], p=[0.7, 0.3])
    # A point `up` above the foot falls `slant * up` sideways and `flat * up` up or down on the ground.
    warp = np.array([[1, slant, -slant * foot_y], [0, flat, foot_y - flat * foot_y]], np.float32)
    shadow = cv2.warpAffine(silhouette, warp, (width, height))
    return darken(rng, image, np.asarray(shadow / 255, np.float32))


def wall_shadow(rng: Generator, image: Image, silhouette: Image) -> Image:
    """Darkens the wall behind an object, whose silhouette (H, W) uint8 is 255: a larger, shifted and softer shadow."""
    ys, xs = np.nonzero(silhouette)
    if ys.size == 0:
        return image
    height, width = silhouette.shape
    centre, growth = (float(xs.mean()), float(ys.mean())), float(rng.uniform(1, 1.25))
    grown = np.asarray(cv2.getRotationMatrix2D(centre, 0, growth), np.float64)
    grown[:, 2] += rng.normal(0, (0.06 * width, 0.04 * height))
    shadow = cv2.warpAffine(silhouette, grown, (width, height))
    return darken(rng, image, np.asarray(shadow / 255, np.float32), blur_px=(2, 10), shade=(0.5, 0.95))


def darken(
    rng: Generator,
    image: Image,
    shadow: Field,
    *,
    blur_px: tuple[float, float] = (0.7, 4),
    shade: tuple[float, float] = (0.35, 0.9),
) -> Image:
    """Multiplies by a shade where `shadow` (H, W), 0..1, lies, with a soft edge and a little of the sky's blue."""
    shadow = np.asarray(cv2.GaussianBlur(shadow, (0, 0), float(rng.uniform(*blur_px))), np.float32)
    left = rng.uniform(*shade) * np.array([rng.uniform(1.0, 1.12), 1.0, 1.0])
    shaded: Image = (image * (1 - shadow[..., None] * (1 - np.minimum(left, 1)))).astype(np.uint8)
    return shaded


def reflect(rng: Generator, image: Image, picture: Image, alpha: Image) -> Image:
    """Mirrors an object, `picture` where `alpha` (H, W) uint8 is, faintly in the floor below it."""
    height, width = alpha.shape
    foot_y = float(np.nonzero(alpha)[0].max())
    upside_down = np.array([[1, 0, 0], [0, -1, 2 * foot_y]], np.float32)
    mirrored, where = (cv2.warpAffine(layer, upside_down, (width, height)) for layer in (picture, alpha))
    soft = cv2.GaussianBlur(where, (0, 0), float(rng.uniform(0.7, 4)))[..., None]
    opaque = soft * np.float32(rng.uniform(0.05, 0.3) / 255)
    return np.asarray(image * (1 - opaque) + mirrored * opaque, np.uint8)


def sway(rng: Generator, image: Image, region: Field, cells: int, amplitude_px: float) -> Image:
    """Moves pixels about where `region` (H, W), 0..1, lies, as leaves and water do."""
    height, width = image.shape[:2]
    shift = smooth_field(rng, (height, width), (cells, cells), 2) * (amplitude_px * region[..., None])
    xs, ys = _grid(height, width)
    return np.asarray(
        cv2.remap(image, xs + shift[..., 0], ys + shift[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT),
        np.uint8,
    )


def glint(rng: Generator, image: Image, region: Field, cells: int, strength: float) -> Image:
    """Brightens and darkens in patches where `region` (H, W), 0..1, lies: sun on water, flicker on a screen."""
    field = smooth_field(rng, image.shape[:2], (cells, cells)) * region * strength
    return np.clip(image + field[..., None], 0, 255).astype(np.uint8)


def snow(rng: Generator, image: Image, angle: float) -> Image:
    """Adds snow or rain before the scene: short bright streaks at an angle (radians from straight down)."""
    height, width = image.shape[:2]
    layer = np.zeros((height, width), np.uint8)
    count, longest_px = int(rng.integers(20, 250)), float(rng.uniform(1, 14))
    starts = rng.uniform((0, 0), (width, height), (count, 2))
    lengths = rng.uniform(0.3, 1, (count, 1)) * longest_px
    ends = starts + lengths * (np.sin(angle), np.cos(angle))
    for start, end, opacity in zip(starts.astype(int), ends.astype(int), rng.integers(40, 200, count), strict=True):
        cv2.line(layer, start.tolist(), end.tolist(), int(opacity), 1, cv2.LINE_AA)
    opaque = cv2.GaussianBlur(layer, (0, 0), float(rng.uniform(0.3, 1.2)))[..., None] / np.float32(255)
    return np.asarray(image * (1 - opaque) + rng.uniform(170, 255) * opaque, np.uint8)


def glow(rng: Generator, image: Image) -> Image:
    """Adds the light of a lamp out of sight, or of an object's own: one to three soft bright patches."""
    height, width = image.shape[:2]
    xs, ys = _grid(height, width)
    lit = image.astype(np.float32)
    for _ in range(rng.integers(1, 4)):
        x, y = rng.uniform((0, 0), (width, height))
        wide, tall = rng.uniform(0.03, 0.2, 2) * (width, height)
        patch = np.exp(-(((xs - x) / wide) ** 2) - ((ys - y) / tall) ** 2)
        lit += patch[..., None] * (rng.uniform(15, 110) * rng.uniform(0.8, 1.0, 3)).astype(np.float32)
    return np.clip(lit, 0, 255).astype(np.uint8)


def haze(rng: Generator, image: Image) -> Image:
    """Lowers the contrast, as fog or a thermal camera does, by mixing the picture with an even grey."""
    dense, grey_level = rng.uniform(0.2, 0.65), rng.uniform(60, 220)
    return np.asarray(image * (1 - dense) + grey_level * dense, np.uint8)


def sensor(rng: Generator, image: Image) -> Image:
    """Adds the effects of a camera and its encoder: focus, noise, JPEG blocks."""
    if rng.random() < 0.3:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.4))), np.uint8)
    if rng.random() < 0.6:
        noise = _noise_patch(rng, image.shape[:2])
        if rng.random() < 0.4:
            noise = noise[..., :1]  # The same in all colours, as in a night camera.
        level = np.float32(rng.gamma(1.5, 3.0))
        image = np.clip(image + noise * level, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 95))]
        image = np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_COLOR), np.uint8)
    return image


def grey(image: Image) -> Image:
    """Returns the picture as an infrared camera sees it."""
    return np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8)


@functools.cache
def _grid(height: int, width: int) -> tuple[Field, Field]:
    xs, ys = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return xs, ys


@functools.cache
def _noise_bank() -> Field:
    return np.random.default_rng(0).standard_normal((768, 768, 3), np.float32)


def _noise_patch(rng: Generator, shape: tuple[int, int]) -> Field:
    """Returns unit noise from a fixed bank: drawing it each time costs more than everything else."""
    bank = _noise_bank()
    y, x = rng.integers(0, 768 - shape[0]), rng.integers(0, 768 - shape[1])
    return bank[y : y + shape[0], x : x + shape[1]]
