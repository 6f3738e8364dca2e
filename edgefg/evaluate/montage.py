"""A picture of the frames on which each method did best, middling and worst: frame, truth, mask."""

from dataclasses import dataclass
from math import isnan
from pathlib import Path

import cv2
import numpy as np

from ..datasets.sequences import LabelledSequence
from ..imaging.convert import size_of
from ..imaging.io import Image
from .evaluate import FrameScore

_TILE = (160, 120)
_CAPTION_HEIGHT = 16
_GAP = 4
_FONT = (cv2.FONT_HERSHEY_SIMPLEX, 0.36, (255, 255, 255), 1, cv2.LINE_AA)


@dataclass(frozen=True)
class KeptFrame:
    """A scored frame, small enough to keep thousands.

    Attributes:
        f: Its F-measure.
        wrong: How many of its pixels are wrong.
        sequence: Whose frame it is.
        path: Its file.
        mask_png: The mask as a PNG.
    """

    f: float
    wrong: int
    sequence: LabelledSequence
    path: Path
    mask_png: bytes


class MontageRecorder:
    """Keeps each frame's score and mask until it is known which to show: an `edgefg.evaluate.evaluate.Observer`."""

    def __init__(self) -> None:
        self._kept: dict[str, list[KeptFrame]] = {}

    def __call__(self, frame: FrameScore) -> None:
        kept = self._kept.setdefault(frame.method, [])
        f = frame.counts.measures.f
        if isnan(f):
            return  # Nothing was there and nothing was found: there is nothing to see.
        levels = np.where(frame.answer.mask, 255, 0).astype(np.uint8)
        png = cv2.imencode(".png", levels, [cv2.IMWRITE_PNG_BILEVEL, 1])[1].tobytes()
        kept.append(KeptFrame(f, frame.counts.fp + frame.counts.fn, frame.sequence, frame.answer.path, png))

    def choose(self, method: str) -> dict[str, KeptFrame]:
        """A method's ``best``, ``median`` and ``worst`` frame; none if nothing was in any frame, nor found."""
        # Of frames with the same F, such as those where nothing was right, the one with more wrong pixels is worse.
        ranked = sorted(self._kept[method], key=lambda kept: (-kept.f, kept.wrong))
        if not ranked:
            return {}
        return {"best": ranked[0], "median": ranked[len(ranked) // 2], "worst": ranked[-1]}

    def draw(self) -> bytes:
        """Draws a row a method as a PNG.

        Raises:
            DataError: A frame cannot be read any more.
        """
        rows = [_row(method, self.choose(method)) for method in self._kept]
        return cv2.imencode(".png", np.vstack(rows))[1].tobytes()


def _row(method: str, chosen: dict[str, KeptFrame]) -> Image:
    cells = []
    for name in ("best", "median", "worst"):
        kept = chosen.get(name)
        if kept is None:
            tiles, words = [np.zeros((*_TILE[::-1], 3), np.uint8)] * 3, "no frame with foreground"
        else:
            mask = cv2.imdecode(np.frombuffer(kept.mask_png, np.uint8), cv2.IMREAD_GRAYSCALE)
            pictures = (kept.sequence.frame(kept.path), kept.sequence.truth(kept.path), mask)
            tiles = [_tile(np.asarray(picture, np.uint8)) for picture in pictures]
            words = f"F {kept.f:.3f}  {kept.sequence.path.name}/{kept.path.name}"
        caption = np.zeros((_CAPTION_HEIGHT, 3 * _TILE[0], 3), np.uint8)
        cv2.putText(caption, f"{method}, {name}: {words}", (3, _CAPTION_HEIGHT - 4), *_FONT)
        cell = np.vstack([caption, np.hstack(tiles)])
        cells.append(cv2.copyMakeBorder(cell, 0, _GAP, 0, _GAP, cv2.BORDER_CONSTANT, value=(90, 90, 90)))
    return np.asarray(np.hstack(cells), np.uint8)


def _tile(picture: Image) -> Image:
    """The picture in the middle of a tile, in its own shape."""
    width, height = size_of(picture)
    scale = min(_TILE[0] / width, _TILE[1] / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    if small.ndim == 2:
        small = cv2.cvtColor(small, cv2.COLOR_GRAY2BGR)
    left, top = (_TILE[0] - size[0]) // 2, (_TILE[1] - size[1]) // 2
    tile = np.full((*_TILE[::-1], 3), 40, np.uint8)
    tile[top : top + size[1], left : left + size[0]] = small
    return tile
