"""Drawn things and places: people, cars, animals, boxes and blobs as cut-outs, rooms and streets as backdrops."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from edgefg.imaging.io import Image

SIDE_PX = 240
"""Height and width of a drawn object's canvas."""

SKIN = ((200, 215, 240), (150, 180, 225), (110, 145, 200), (70, 100, 150), (45, 65, 100))
HAIR = ((20, 20, 25), (35, 50, 75), (70, 100, 140), (120, 170, 205), (165, 165, 165))


@dataclass(frozen=True)
class Drawn:
    """An object: (H, W, 3) uint8 BGR, and where it is, (H, W) bool."""

    image: Image
    shape: np.ndarray


class Painter:
    """Paints parts one over the other, each with its own texture and rounded by light from one side."""

    def __init__(self, rng: Generator, textures: list[Image]) -> None:
        self.rng = rng
        self.textures = textures
        self.image = np.zeros((SIDE_PX, SIDE_PX, 3), np.float32)
        self.shape = np.zeros((SIDE_PX, SIDE_PX), np.bool_)
        self.side = rng.uniform(-1, 1, 2)
        self._cloths: dict[int, np.ndarray] = {}

    def polygon(self, points: object, colour: object, *, plain: bool = False, depth: float = 0.35) -> None:
        part = np.zeros(self.shape.shape, np.uint8)
        cv2.fillPoly(part, [np.rint(np.asarray(points, np.float32)).astype(np.int32)], 1)
        self._fill(part, colour, plain, depth)

    def limb(self, points: object, width: float, colour: object, *, plain: bool = False) -> None:
        part = np.zeros(self.shape.shape, np.uint8)
        line = np.rint(np.asarray(points, np.float32)).astype(np.int32)
        cv2.polylines(part, [line], False, 1, max(1, round(width)), cv2.LINE_8)
        self._fill(part, colour, plain, 0.35)

    def ellipse(self, centre: object, axes: object, colour: object, *, angle: float = 0, plain: bool = False) -> None:
        part = np.zeros(self.shape.shape, np.uint8)
        x, y = np.rint(np.asarray(centre, np.float32)).astype(int)
        wide, tall = np.maximum(np.rint(np.asarray(axes, np.float32)), 1).astype(int)
        cv2.ellipse(part, (int(x), int(y)), (int(wide), int(tall)), angle, 0, 360, 1, -1)
        self._fill(part, colour, plain, 0.35)

    def _fill(self, part: Image, colour: object, plain: bool, depth: float) -> None:
        inside = part > 0
        if not inside.any():
            return
        round_off = cv2.distanceTransform(cv2.copyMakeBorder(part, 1, 1, 1, 1, cv2.BORDER_CONSTANT), cv2.DIST_L2, 3)
        height = np.sqrt(round_off[1:-1, 1:-1] / max(float(round_off.max()), 1.0))
        height = cv2.GaussianBlur(height, (0, 0), 2)
        lean = np.stack([cv2.Sobel(height, cv2.CV_32F, 1, 0), cv2.Sobel(height, cv2.CV_32F, 0, 1)], axis=-1) @ self.side
        light = np.clip(1 - depth * (1 - height) + 1.2 * depth * lean, 0.25, 1.4)
        painted = np.asarray(colour, np.float32) * light[..., None]
        if not plain:  # parts of one garment share its colour, and its texture with it
            if id(colour) not in self._cloths:
                self._cloths[id(colour)] = cloth(self.rng, SIDE_PX, SIDE_PX, self.textures)
            painted = painted * self._cloths[id(colour)]
        self.image[inside] = painted[inside]
        self.shape |= inside

    def done(self) -> Drawn:
        image = cv2.GaussianBlur(self.image, (0, 0), 0.8) + self.rng.normal(0, 2, self.image.shape)
        # Colours run on past the edge, so that a soft edge does not turn black.
        around = cv2.dilate(np.where(self.shape[..., None], self.image, 0), np.ones((5, 5)))
        image = np.where(self.shape[..., None], image, around)
        return Drawn(np.clip(image, 0, 255).astype(np.uint8), self.shape.copy())


def smooth_noise(rng: Generator, height: int, width: int, cells: int) -> np.ndarray:
    """Returns smooth noise, (H, W) float32 with mean 0 and deviation 1."""
    small = rng.normal(0, 1, (max(2, cells * height // width), cells)).astype(np.float32)
    field = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-3), np.float32)


def cloth(rng: Generator, height: int, width: int, textures: list[Image]) -> np.ndarray:
    """Returns a texture that multiplies a colour, (H, W, 3) float32 around 1: plain, folds, stripes, checks or real."""
    folds = 1 + 0.08 * smooth_noise(rng, height, width, int(rng.integers(4, 14)))
    kind = rng.random()
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    if kind < 0.2:
        angle, period = rng.uniform(0, np.pi), rng.uniform(6, 24)
        wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period) > rng.uniform(-0.6, 0.6)
        folds = folds * np.where(wave, 1, rng.uniform(0.3, 0.8))
    elif kind < 0.3:
        period = rng.uniform(6, 20)
        lines = (x % period < period / 2).astype(np.float32) + (y % period < period / 2)
        folds = folds * (1 - lines * rng.uniform(0.1, 0.3))
    elif kind < 0.4:
        folds = folds * np.where(smooth_noise(rng, height, width, int(rng.integers(12, 40))) > 0.6, 0.5, 1)
    if textures and rng.random() < 0.4:
        return folds[..., None] * _texture(rng, height, width, textures)
    return np.repeat(folds[..., None], 3, axis=2).astype(np.float32)


def _texture(rng: Generator, height: int, width: int, textures: list[Image]) -> np.ndarray:
    """Returns a part of a real texture with mean 1."""
    texture = textures[rng.integers(len(textures))]
    least = min(texture.shape[:2])
    side = int(rng.uniform(0.3, 1.0) * least)
    top, left = rng.integers(0, least - side + 1, 2)
    part = cv2.resize(texture[top : top + side, left : left + side], (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(part / max(float(part.mean()), 1.0), np.float32)


def any_colour(rng: Generator) -> np.ndarray:
    """Returns a colour as clothes and cars have it: mostly dull or dark, sometimes loud."""
    grey = rng.uniform(15, 235)
    return np.clip(grey + rng.normal(0, 45 if rng.random() < 0.5 else 8, 3), 8, 247)


def person(rng: Generator, textures: list[Image]) -> Drawn:
    """Draws someone who stands or walks."""
    paint = Painter(rng, textures)
    tall, stout = rng.uniform(185, 230), rng.uniform(0.8, 1.3)
    middle, foot = SIDE_PX / 2, SIDE_PX - 5
    hip, neck = foot - 0.49 * tall, foot - 0.83 * tall
    stride, turned = rng.uniform(-0.5, 0.5), rng.uniform(0.55, 1.0)
    skin, hair = (np.array(tones[rng.integers(len(tones))]) for tones in (SKIN, HAIR))
    top, bottom, shoes = any_colour(rng), any_colour(rng), any_colour(rng) * 0.6
    sleeves = skin if rng.random() < 0.3 else top
    shoulder = 0.125 * tall * stout * turned

    def arm(side: int, swing: float) -> None:
        start = np.array([middle + side * shoulder, neck + 0.05 * tall])
        elbow = start + 0.17 * tall * np.array([np.sin(swing) + 0.2 * side, np.cos(swing)])
        bend = swing + rng.uniform(0, 0.9)
        hand = elbow + 0.16 * tall * np.array([np.sin(bend), np.cos(bend)])
        paint.limb([start, elbow, hand], 0.055 * tall * stout, sleeves)
        paint.ellipse(hand, (0.022 * tall, 0.026 * tall), skin, plain=True)

    def leg(side: int, swing: float) -> None:
        start = np.array([middle + side * 0.05 * tall * turned, hip])
        knee = start + 0.25 * tall * np.array([np.sin(swing), np.cos(swing)])
        back = swing - rng.uniform(0, 0.5) * (swing < 0)
        ankle = knee + 0.23 * tall * np.array([np.sin(back), np.cos(back)])
        paint.limb([start, knee, ankle], 0.08 * tall * stout, bottom)
        paint.ellipse(
            ankle + np.array([0.02 * tall * np.sign(stride), 2]), (0.045 * tall, 0.02 * tall), shoes, plain=True
        )

    arm(-1, -stride)
    leg(-1, stride)
    leg(1, -stride)
    hem = hip + tall * (rng.uniform(0.1, 0.3) if rng.random() < 0.3 else 0.03)
    wide = 0.11 * tall * stout * (1 + 0.5 * (hem - hip) / tall)
    paint.polygon(
        [(middle - shoulder, neck + 0.03 * tall), (middle + shoulder, neck + 0.03 * tall), (middle + wide, hem),
         (middle - wide, hem)], top,
    )  # fmt: skip
    arm(1, stride)
    head = np.array([middle + rng.normal(0, 2), neck - 0.075 * tall])
    paint.limb([(middle, neck + 0.02 * tall), head], 0.05 * tall, skin, plain=True)
    paint.ellipse(head, (0.05 * tall, 0.07 * tall), skin if rng.random() < 0.6 else hair, plain=True)
    paint.ellipse(head - (0, 0.025 * tall), (0.054 * tall, 0.05 * tall), hair, plain=True)
    if rng.random() < 0.3:  # a bag or a backpack
        where = (middle + rng.choice([-1, 1]) * shoulder, neck + rng.uniform(0.12, 0.4) * tall)
        paint.ellipse(where, (0.07 * tall, 0.1 * tall), any_colour(rng), angle=float(rng.uniform(-15, 15)))
    return paint.done()


def car(rng: Generator, textures: list[Image]) -> Drawn:
    """Draws a car or a van from the side, from behind, or from above."""
    paint = Painter(rng, [])
    colour, glass = any_colour(rng), np.array([60, 50, 45]) * rng.uniform(0.4, 2.5)
    kind = rng.random()
    if kind < 0.5:
        floor, roof = 165, rng.uniform(70, 105)
        nose, tail = rng.uniform(0, 35), rng.uniform(0, 30)
        belt = 0.45 * roof + 0.55 * floor - 5
        paint.polygon([(8, floor), (8, belt + 8), (30 + nose, belt), (70 + nose, roof), (185 - tail, roof),
                       (222 - tail, belt), (232, belt + 6), (232, floor)], colour, plain=True)  # fmt: skip
        for left, right in ((74 + nose, 122), (128, 183 - tail)):
            paint.polygon(
                [(left - 12, belt), (left, roof + 6), (right, roof + 6), (right + 4, belt)], glass, plain=True
            )
        for x in (55, 185):
            paint.ellipse((x, floor), (22, 22), (28, 28, 30), plain=True)
            paint.ellipse((x, floor), (11, 11), rng.uniform(80, 200) * np.ones(3), plain=True)
        paint.ellipse((12, belt + 18), (5, 6), (210, 235, 245), plain=True)
    elif kind < 0.75:
        roof = rng.uniform(40, 75)
        paint.limb([(70, 190), (70, 205)], 24, (25, 25, 28), plain=True)
        paint.limb([(170, 190), (170, 205)], 24, (25, 25, 28), plain=True)
        paint.polygon([(45, 195), (40, 125), (68, roof), (172, roof), (200, 125), (195, 195)], colour, plain=True)
        paint.polygon([(62, 115), (77, roof + 10), (163, roof + 10), (178, 115)], glass, plain=True)
        lamp = (60, 60, 200) if rng.random() < 0.5 else (215, 235, 245)
        for x in (56, 184):
            paint.ellipse((x, 140), (12, 8), lamp, plain=True)
        paint.polygon([(98, 165), (142, 165), (142, 178), (98, 178)], (200, 205, 205), plain=True)
    else:
        wide = rng.uniform(40, 52)
        paint.limb([(120, 60), (120, 180)], 2 * wide, colour, plain=True)
        paint.polygon([(120 - wide + 9, 92), (120 + wide - 9, 92), (120 + wide - 16, 112), (136 - wide, 112)], glass)
        paint.polygon([(136 - wide, 175), (104 + wide, 175), (111 + wide, 190), (129 - wide, 190)], glass)
    return paint.done()


def animal(rng: Generator, textures: list[Image]) -> Drawn:
    """Draws a four-legged animal from the side."""
    paint = Painter(rng, textures)
    fur, long, leg = any_colour(rng), rng.uniform(50, 75), rng.uniform(30, 75)
    belly = 205 - leg
    for x in (120 - 0.75 * long, 120 + 0.7 * long):
        for step in rng.uniform(-18, 18, 2):
            paint.limb([(x, belly - 5), (x + step / 2, belly + leg / 2), (x + step, 205)], rng.uniform(8, 16), fur)
    paint.ellipse((120, belly - 15), (long, rng.uniform(24, 38)), fur)
    paint.limb([(120 - 0.8 * long, belly - 20), (120 - long - 15, belly - 55)], 24, fur)
    paint.ellipse((120 - long - 22, belly - 58), (22, 15), fur, angle=float(rng.uniform(-20, 30)))
    paint.limb([(120 + 0.95 * long, belly - 25), (120 + long + 22, belly - 25 + rng.uniform(-45, 35))], 7, fur)
    return paint.done()


def box(rng: Generator, textures: list[Image]) -> Drawn:
    """Draws a box or a suitcase that shows three sides."""
    paint = Painter(rng, textures)
    wide, tall, deep = rng.uniform(60, 120), rng.uniform(60, 130), rng.uniform(20, 60)
    left, top, colour = 120 - (wide + deep) / 2, 230 - tall, any_colour(rng)
    lift = deep * rng.uniform(0.3, 0.7)
    right = left + wide
    paint.polygon([(left, top), (right, top), (right, 230), (left, 230)], colour, depth=0.1)
    paint.polygon([(right, top), (right + deep, top - lift), (right + deep, 230 - lift), (right, 230)], colour * 0.7,
                  depth=0.1)  # fmt: skip
    paint.polygon([(left, top), (left + deep, top - lift), (right + deep, top - lift), (right, top)],
                  np.minimum(colour * 1.25, 250), depth=0.1)  # fmt: skip
    if rng.random() < 0.4:
        paint.limb([(left + wide * 0.3, top), (left + wide * 0.3, top - 30), (left + wide * 0.7, top - 30),
                    (left + wide * 0.7, top)], 6, (40, 40, 40), plain=True)  # fmt: skip
    return paint.done()


def blob(rng: Generator, textures: list[Image]) -> Drawn:
    """Draws a thing of no name: a smooth outline of any texture."""
    paint = Painter(rng, textures)
    turn = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    reach = 70 + sum(rng.normal(0, 22 / k) * np.cos(k * turn + rng.uniform(0, 6)) for k in range(1, 6))
    stretch = rng.uniform(0.6, 1.4)
    points = np.stack([120 + reach * np.cos(turn) * stretch, 120 + reach * np.sin(turn) / stretch], axis=1)
    paint.polygon(np.clip(points, 3, SIDE_PX - 4), any_colour(rng))
    return paint.done()


KINDS = {"person": (person, 0.5), "car": (car, 0.24), "animal": (animal, 0.08), "box": (box, 0.1), "blob": (blob, 0.08)}


def place(rng: Generator, textures: list[Image], size: tuple[int, int]) -> Image:
    """Draws a backdrop of (width, height): a room or a street, with a floor, walls, openings, furniture and light."""
    width, height = size
    image = np.empty((height, width, 3), np.float32)
    horizon = int(rng.uniform(0.25, 0.65) * height)
    wall, floor = (0.35 * colour + 0.65 * colour.mean() for colour in (any_colour(rng) + 20, any_colour(rng)))
    image[:horizon] = wall * cloth(rng, horizon, width, textures)
    # The floor is a texture seen aslant: it shrinks towards the horizon.
    flat = floor * cloth(rng, height, width, textures)
    spread = rng.uniform(0.6, 2.0) * width
    near = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    seen = np.array([[0, horizon], [width, horizon], [width + spread, height], [-spread, height]], np.float32)
    slant = cv2.warpPerspective(flat.astype(np.float32), cv2.getPerspectiveTransform(near, seen), size,
                                flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT)  # fmt: skip
    image[horizon:] = slant[horizon:]
    for _ in range(rng.integers(2, 9)):  # doors, windows, posters, shelves
        w, h = rng.uniform(0.05, 0.3) * width, rng.uniform(0.08, 0.45) * height
        x, y = rng.uniform(-0.1, 1) * width, horizon - h * rng.uniform(0.3, 1.6)
        corners = np.rint([(x, y), (x + w, y), (x + w, y + h), (x, y + h)]).astype(np.int32)
        cv2.fillPoly(image, [corners], [float(v) for v in any_colour(rng)])
        cv2.polylines(image, [corners], True, [float(v) for v in any_colour(rng)], int(rng.integers(1, 5)))
    for _ in range(rng.integers(0, 6)):  # posts, marks on the floor
        a, b = rng.uniform((0, 0.2 * height), (width, height), (2, 2))
        cv2.line(image, tuple(int(v) for v in a), tuple(int(v) for v in b), [float(v) for v in any_colour(rng)],
                 int(rng.integers(1, 6)), cv2.LINE_AA)  # fmt: skip
    for _ in range(rng.integers(0, 4)):
        kind = (box, blob, car)[rng.integers(3)]
        thing = kind(rng, textures)
        side = int(rng.uniform(0.15, 0.45) * height)
        x, y = int(rng.uniform(0, width - side)), int(rng.uniform(max(0, horizon - side), height - side))
        alpha = cv2.resize(thing.shape.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)[..., None]
        picture = cv2.resize(thing.image, (side, side), interpolation=cv2.INTER_AREA)
        under = image[y : y + side, x : x + side]
        image[y : y + side, x : x + side] = under * (1 - alpha) + picture * alpha
    image *= np.clip(1 + 0.15 * smooth_noise(rng, height, width, 3), 0.5, 1.5)[..., None]
    image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.5, 1.1))) + rng.normal(0, 1.5, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)
