"""Labels of moving things by how a frame differs from its backdrop; what is unsure is left unknown."""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgefg.datasets.labels import MOVING, STATIC, UNKNOWN
from edgefg.imaging.io import Image
from edgefg.imaging.median import temporal_median

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

NOISE_LEVELS = 3.5
"""Least noise of a pixel in grey levels: codecs and 256-colour palettes leave about that much after smoothing."""

SHAKE_PX = 0.8
"""How far edges wander between frames, in pixels."""

WEAK, STRONG = 2.5, 6.0
"""Differences in multiples of the noise: from WEAK on a pixel may belong to an object, which has STRONG ones in it."""

DARKEST = 0.4
"""Least share of the light that a shadow leaves: what is darker is a dark thing."""

GLEAM = 1.2
"""Most light that a reflection on the floor or an open door adds."""

MIN_STRONG_PX, MIN_OBJECT_PX, MIN_GAP_PX = 15, 50, 150
MAX_DOUBTFUL, SHADOW_DOUBT = 0.6, 0.3
"""Most unknown pixels of a labelled frame, as a multiple of those of its objects; how much one in a shadow counts."""


@dataclass(frozen=True)
class Backdrop:
    """A scene without objects: (H, W, 3) uint8 BGR, and (H, W) float32 noise in grey levels."""

    image: Image
    noise: Floats


def measure(image: Image, frames: Iterable[Image]) -> Backdrop:
    """Measures the noise around a backdrop: that of its scene, from frames in their own light, and of shaking edges."""
    smooth = _smooth(image)
    apart = [np.abs(_smooth(frame) - _lit_like(smooth, _smooth(frame)))[::4, ::4].max(axis=2) for frame in frames]
    spread = 2.2 * float(np.quantile(apart, 0.25))  # less than half of the pixels may be objects
    grey = smooth.mean(axis=2)
    slope = np.hypot(*(cv2.Sobel(grey, cv2.CV_32F, dx, dy, scale=1 / 8) for dx, dy in ((1, 0), (0, 1))))
    slope = cv2.dilate(slope, _disc(3))
    return Backdrop(image, np.sqrt(NOISE_LEVELS**2 + spread**2 + (SHAKE_PX * slope) ** 2))


def unclean_share(image: Image, frames: list[Image], steady: float = 0.6) -> float:
    """Returns the share of pixels that fewer than the share `steady` of frames show as the median does."""
    smooth = _smooth(image)
    seen = np.mean(
        [np.abs(_smooth(frame) - _lit_like(smooth, _smooth(frame))).max(axis=2) < 15 for frame in frames], axis=0
    )
    return float(np.mean(seen < steady))


def in_light_of(image: Image, other: Image) -> Image:
    """Returns a picture as bright as another of the same scene."""
    return np.rint(_lit_like(image.astype(np.float32), other.astype(np.float32))).astype(np.uint8)


def wall_behind(frames: list[Image]) -> Image:
    """Returns the plain wall behind a person who never leaves: smooth light, fitted to the upper and outer pixels."""
    median = temporal_median(frames)
    height, width = median.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    terms = np.stack([x**i * y**j for i in range(3) for j in range(3 - i)], axis=-1).reshape(height * width, -1)
    pixels = median.reshape(-1, 3).astype(np.float32)
    used = ((np.abs(x) > 0.8) | (y < -0.75)).ravel()
    for tolerance in (12, 8, 8):
        wall = terms @ np.linalg.lstsq(terms[used], pixels[used], rcond=None)[0]
        used = (np.abs(pixels - wall).max(axis=1) < tolerance) & ((np.abs(x) > 0.5) | (y < -0.5)).ravel()
    return np.clip(np.rint(wall.reshape(median.shape)), 0, 255).astype(np.uint8)


def label(frame: Image, backdrop: Backdrop, darkest: float = DARKEST) -> Image | None:
    """Labels a frame with the levels STATIC, UNKNOWN and MOVING; returns None if the labels are doubtful.

    Args:
        frame: (H, W, 3) uint8 BGR.
        backdrop: The same scene without objects.
        darkest: Least share of the light that a shadow leaves.
    """
    seen = _smooth(frame)
    plain = _lit_like(_smooth(backdrop.image), seen)
    apart = np.abs(seen - plain).max(axis=2) / backdrop.noise
    shaded = _only_light(seen, plain, backdrop.noise, darkest)
    rough = _objects(apart, shaded)
    sharp = _sharpen(frame, rough, apart, shaded)
    moving = _without_specks(rough & sharp, MIN_OBJECT_PX)
    weak = _opened((apart > WEAK) & ~moving)
    unknown = weak | _opened(rough ^ sharp) | (_grown(moving, 3) & ~moving)
    # Beside an object, an edge of the backdrop tells little: it shakes.
    unknown |= _grown(moving, 9) & ~moving & (backdrop.noise > 2 * NOISE_LEVELS)
    empty = ~(moving | unknown)
    unknown |= empty & ~_without_specks(empty, MIN_GAP_PX)
    truth = np.full(apart.shape, STATIC, np.uint8)
    truth[unknown] = UNKNOWN
    truth[moving] = MOVING
    unsure = _opened(unknown & ~_grown(moving, 5))
    doubt = np.count_nonzero(unsure & ~shaded) + SHADOW_DOUBT * np.count_nonzero(unsure & shaded)
    if doubt > max(0.02 * truth.size, MAX_DOUBTFUL * np.count_nonzero(moving)):
        return None
    return truth


def _smooth(image: Image) -> Floats:
    return cv2.GaussianBlur(image, (0, 0), 1.0).astype(np.float32)


def _lit_like(backdrop: Floats, seen: Floats) -> Floats:
    """Returns the backdrop in a frame's light: cameras change their exposure when something bright comes."""
    some = np.s_[::4, ::4]
    shown = np.all((backdrop[some] > 25) & (backdrop[some] < 235), axis=2)
    if np.count_nonzero(shown) < 50:
        return backdrop
    gain = np.ones(3, np.float32)
    for reach in (0.4, 0.12):
        ratio = seen[some][shown] / backdrop[some][shown] / gain
        alike = np.all(np.abs(ratio - 1) < reach, axis=1)
        if np.count_nonzero(alike) >= 50:
            gain = gain * np.median(ratio[alike], axis=0)
    return np.minimum(backdrop * gain, np.float32(255))


def _only_light(seen: Floats, empty: Floats, noise: Floats, darkest: float) -> Mask:
    """Returns the pixels that differ in light alone: darker or a little brighter, of the same colour and structure."""
    light = (seen * empty).sum(axis=2) / np.maximum((empty * empty).sum(axis=2), 1)
    colour = np.abs(seen - light[..., None] * empty).max(axis=2)
    grey, plain = seen.mean(axis=2), empty.mean(axis=2)
    relief = np.zeros_like(grey)
    for dx, dy in ((1, 0), (0, 1)):
        change = cv2.Sobel(grey, cv2.CV_32F, dx, dy, scale=0.25) - light * cv2.Sobel(
            plain, cv2.CV_32F, dx, dy, scale=0.25
        )
        relief += np.abs(change)
    same_colour = colour < 1.3 * noise + 0.03 * plain
    coarse = np.clip(8 * relief, 0, 255).astype(np.uint8)
    # A wide median leaves out a shadow's own edge, which is a line; a narrow one the edge of the object next to it.
    relief = np.minimum(cv2.medianBlur(coarse, 5), cv2.medianBlur(coarse, 11)).astype(np.float32) / 8
    same_relief = relief < 1.2 * noise
    return (light > darkest) & (light < GLEAM) & same_colour & same_relief


def _objects(apart: Floats, shaded: Mask) -> Mask:
    """Hysteresis: the parts that differ and hold enough strong pixels, closed, without small holes."""
    possible, strong = (apart > WEAK) & ~shaded, (apart > STRONG) & ~shaded
    possible = cv2.morphologyEx(possible.astype(np.uint8), cv2.MORPH_CLOSE, _disc(3)) > 0
    count, parts, stats, _ = cv2.connectedComponentsWithStats(possible.astype(np.uint8))
    strong_px = np.bincount(parts[strong], minlength=count)
    area = stats[:, cv2.CC_STAT_AREA]
    kept = (strong_px >= np.maximum(MIN_STRONG_PX, 0.2 * area)) & (np.arange(count) > 0)
    objects = np.zeros(apart.shape, np.bool_)
    for part in np.flatnonzero(kept):
        objects |= _filled(parts == part, apart, shaded)
    return objects


def _filled(part: Mask, apart: Floats, shaded: Mask) -> Mask:
    """Closes gaps in proportion to an object's size, and fills holes but those of background or shadow."""
    area = np.count_nonzero(part)
    side = 3 + 2 * int(np.sqrt(area) / 20)
    framed = cv2.copyMakeBorder(part.astype(np.uint8), side, side, side, side, cv2.BORDER_CONSTANT, value=0)
    closed = cv2.morphologyEx(framed, cv2.MORPH_CLOSE, _disc(side))[side:-side, side:-side] > 0
    count, gaps, stats, _ = cv2.connectedComponentsWithStats((~closed).astype(np.uint8), connectivity=4)
    height, width = part.shape
    for gap in range(1, count):
        x, y, w, h, size = stats[gap]
        if x == 0 or y == 0 or x + w == width or y + h == height:
            continue
        inside = gaps == gap
        differs = float(apart[inside].mean()) > 0.8 * WEAK
        # Windows of cars look like shadows.
        if size < 0.03 * area or (differs and (size < 0.3 * area or float(shaded[inside].mean()) < 0.5)):
            closed |= inside
    return closed


def _sharpen(frame: Image, rough: Mask, apart: Floats, shaded: Mask, margin: int = 12) -> Mask:
    """Cuts each object along the frame's own edges, by GrabCut around it."""
    sharp = np.zeros_like(rough)
    count, _, stats, _ = cv2.connectedComponentsWithStats(_grown(rough, 9).astype(np.uint8))
    for x, y, w, h, _ in stats[1:count]:
        box = np.s_[max(y - margin, 0) : y + h + margin, max(x - margin, 0) : x + w + margin]
        inner = cv2.erode(rough[box].astype(np.uint8), _disc(5), borderValue=1) > 0
        guess = np.full(inner.shape, cv2.GC_PR_BGD, np.uint8)
        guess[rough[box]] = cv2.GC_PR_FGD
        guess[inner & (apart[box] > WEAK) & ~shaded[box]] = cv2.GC_FGD
        guess[~_grown(rough[box], 5) & (apart[box] < WEAK)] = cv2.GC_BGD
        if not (guess == cv2.GC_FGD).any() or not (guess == cv2.GC_BGD).any():
            sharp[box] |= rough[box]
            continue
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.setRNGSeed(0)
        cv2.grabCut(np.ascontiguousarray(frame[box]), guess, None, *models, 2, cv2.GC_INIT_WITH_MASK)
        sharp[box] |= (guess == cv2.GC_FGD) | (guess == cv2.GC_PR_FGD)
    return sharp


def _without_specks(mask: Mask, min_px: int) -> Mask:
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    kept = stats[:, cv2.CC_STAT_AREA] >= min_px
    kept[0] = False
    return np.asarray(kept[parts])


def _opened(mask: Mask) -> Mask:
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, _disc(3)) > 0


def _grown(mask: Mask, side: int) -> Mask:
    return cv2.dilate(mask.astype(np.uint8), _disc(side)) > 0


def _disc(side: int) -> Image:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)
