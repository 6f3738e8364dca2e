"""The protocol of recorded sources, and what they share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from ..errors import MediaError
from ..imaging.convert import fit, size_of
from ..imaging.io import Image
from ..imaging.levels import ValueRange

DEFAULT_FPS = 25.0
"""Frame rate of sources that state none, such as folders of images."""


@dataclass(frozen=True, eq=False)
class TimedFrame:
    """A frame and its time.

    Attributes:
        time_s: Seconds since the source's first frame, by the source's own time stamps.
        image: ``(H, W, 3) uint8 BGR``.
    """

    time_s: float
    image: Image


class Source(Protocol):
    """Frames of one size, in order.

    Attributes:
        name: The source as the user wrote it.
        files: Files that are read, so that no output overwrites them.
        fps: Frames per second, on average.
        tick_s: Seconds of which all times are multiples.
        size: Width and height in pixels.
        count: Number of frames, or None if the file does not state it.
        value_range: Levels that become 0 and 255; None if the source has 8 bits, or none were asked for.
        hint: What would probably make masks better, for the user; empty if nothing.
    """

    name: str
    files: tuple[Path, ...]
    fps: float
    tick_s: Fraction
    size: tuple[int, int]
    count: int | None
    value_range: ValueRange
    hint: str

    def __iter__(self) -> Iterator[Image]:
        """Yields each frame as ``(H, W, 3) uint8 BGR``, starting at the first."""

    def timed(self) -> Iterator[TimedFrame]:
        """Yields each frame with its time, starting at the first."""

    def sample(self, limit: int, long_side: int, *, whole: bool = False) -> list[Image]:
        """Returns at most ``limit`` frames, spread evenly and shrunk to at most ``long_side`` pixels a side.

        A damaged source returns the frames before the damage or, if ``whole``, raises MediaError.
        """


def thinned(readers: Iterator[Callable[[], Image]], limit: int, long_side: int, *, whole: bool) -> list[Image]:
    """Returns a sample of images of which the number is not known before; see `Source.sample`.

    Args:
        readers: A function for each image that returns it. Only those of the sample are called: to convert a decoded
            frame takes longer than to decode it.
        limit, long_side, whole: As for `Source.sample`.
    """
    kept: list[Image] = []
    step = 1
    with damage_is_an_end(kept, whole=whole):
        for index, read in enumerate(readers):
            if index % step == 0 and len(kept) == limit:
                del kept[1::2]
                step *= 2
            if index % step == 0:
                kept.append(shrunk(read(), long_side))
    return kept


@contextmanager
def damage_is_an_end(kept: list[Image], *, whole: bool) -> Iterator[None]:
    """Ends a sample where its source is damaged, unless it has to be ``whole``. Iterating raises the error again."""
    try:
        yield
    except MediaError:
        if whole or not kept:
            raise


def shrunk(image: Image, long_side: int) -> Image:
    """Returns an image with at most so many pixels a side."""
    width, height = size_of(image)
    scale = long_side / max(height, width)
    return image if scale >= 1 else fit(image, (max(1, round(width * scale)), max(1, round(height * scale))))


def check_size(image: Image, size: tuple[int, int], what: str, *, hint: str) -> None:
    """Raises MediaError if an image has another width and height than those before."""
    if size_of(image) != size:
        expected, found = (f"{width}x{height}" for width, height in (size, size_of(image)))
        raise MediaError(f"{what}: expected {expected} pixels like the frames before, found {found}; {hint}")
