"""Drawn vehicles: boxes in oblique view with windows, mostly grey, as trams, lorries and vans are.

Real cut-outs hold few long things in the colours of a road. Without them a network takes a tram for a shadow.
"""

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edgefg.imaging.io import Image

LENGTH_PX = 160.0

Vector = NDArray[np.float64]


def draw_vehicle(rng: Generator) -> tuple[Image, Image]:
    """Draws a box that shows its side, one end and its roof: (h, w, 3) uint8 BGR, and (h, w) uint8 alpha, 0 or 255."""
    along, inward, upward = _edges(rng)
    # The end that faces the viewer is the one away from which the depth runs.
    end = along if inward[0] > 0 else np.zeros(2)
    faces = [(np.zeros(2), along, upward), (end, inward, upward), (upward, along, inward)]
    corners = np.concatenate([_quad(*face) for face in faces])
    margin = corners.min(axis=0) - 2
    width, height = np.ceil(corners.max(axis=0) - margin + 2).astype(int)
    picture, alpha = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)
    paint = _paint(rng)
    for (corner, first, second), light in zip(faces, rng.uniform((0.6, 0.4, 0.8), (1.1, 1.0, 1.4)), strict=True):
        quad = _quad(corner - margin, first, second)
        _fill(picture, quad, paint * light)
        _fill(alpha, quad, np.full(3, 255.0))
    glass = rng.uniform(0.1, 0.6) if rng.random() < 0.8 else rng.uniform(1.2, 1.6)
    for corner, first, second in faces[:2]:
        _windows(rng, picture, (corner - margin, first, second), paint * glass)
    shading = 1 + 0.15 * cv2.resize(rng.standard_normal((3, 4)).astype(np.float32), (int(width), int(height)))
    return np.clip(picture * shading[..., None], 0, 255).astype(np.uint8), alpha


def _edges(rng: Generator) -> tuple[Vector, Vector, Vector]:
    """Returns the box's length, depth and height as vectors on the picture, whose y runs down."""
    slope = rng.uniform(-0.6, 0.6)
    height, depth = LENGTH_PX * np.exp(rng.uniform(np.log(0.12), np.log(0.6), 2))
    turned = slope - (rng.uniform(0.4, 1.2) if rng.random() < 0.5 else rng.uniform(1.9, 2.7))
    along = LENGTH_PX * np.array([np.cos(slope), np.sin(slope)])
    inward = depth * rng.uniform(0.4, 1.0) * np.array([np.cos(turned), np.sin(turned)])
    return along, inward, np.array([0.0, -height])


def _paint(rng: Generator) -> Vector:
    """Returns a colour, BGR; seven in ten are nearly grey."""
    vividness = rng.uniform(0, 0.08) if rng.random() < 0.7 else rng.uniform(0.1, 0.6)
    return float(rng.uniform(25, 230)) * (1 + vividness * rng.uniform(-1, 1, 3))


def _windows(rng: Generator, picture: Image, face: tuple[Vector, Vector, Vector], colour: Vector) -> None:
    """Draws a row of windows on a face, and sometimes a stripe below them."""
    corner, first, second = face
    low, high = rng.uniform(0.4, 0.6), rng.uniform(0.7, 0.92)
    count = int(rng.integers(1, 10)) if np.hypot(*first) > LENGTH_PX / 2 else int(rng.integers(1, 4))
    gap = rng.uniform(0.05, 0.4)
    for number in range(count):
        left, right = (number + gap / 2) / count, (number + 1 - gap / 2) / count
        _fill(
            picture, _quad(corner + left * first + low * second, (right - left) * first, (high - low) * second), colour
        )
    if rng.random() < 0.4:
        bottom, top = rng.uniform(0.05, 0.2), rng.uniform(0.22, 0.38)
        _fill(picture, _quad(corner + bottom * second, first, (top - bottom) * second), _paint(rng))


def _quad(corner: Vector, first: Vector, second: Vector) -> Vector:
    return np.stack([corner, corner + first, corner + first + second, corner + second])


def _fill(image: Image, quad: Vector, colour: Vector) -> None:
    cv2.fillConvexPoly(image, quad.round().astype(np.int32), np.clip(colour, 0, 255).tolist(), cv2.LINE_8)
