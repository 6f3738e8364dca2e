"""Image files as a source, each with one picture or several."""

from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path

from ..errors import MediaError
from ..imaging.convert import size_of
from ..imaging.io import IMAGE_SUFFIXES, Image
from ..imaging.levels import Levels, ValueRange, narrowness_hint
from ..imaging.pictures import Picture, count_pictures, read_pictures
from .depth import FRAMES_TO_FIND_RANGE, check_depth
from .source import DEFAULT_FPS, TimedFrame, check_size, damage_is_an_end, shrunk, thinned


class ImageFiles:
    """Images of one size as a source; see `edgefg.media.source.Source`."""

    def __init__(self, name: str, files: list[Path], value_range: ValueRange = None) -> None:
        if not files:
            raise MediaError(f"{name}: expected images ({', '.join(sorted(IMAGE_SUFFIXES))}), found none there")
        self.name = name
        self.files = tuple(files)
        self.tick_s = Fraction(1, 1000)
        self._levels = Levels(value_range)
        first = next(read_pictures(files[0], deep=True))
        self.fps = 1 / first.duration_s if first.duration_s else DEFAULT_FPS
        check_depth(str(files[0]), first.levels, value_range)
        self.hint = "" if value_range else narrowness_hint(first.levels)
        self.size = size_of(first.levels)
        if value_range is not None:
            self._levels.fix([picture.levels for _, picture in islice(self._pictures(), FRAMES_TO_FIND_RANGE)])
        self.value_range = self._levels.value_range
        pictures = count_pictures(files[0])
        self.count: int | None = len(files) if pictures == 1 else pictures if len(files) == 1 else None

    @property
    def has_one_frame_a_file(self) -> bool:
        """Whether each file is a frame, as far as its first file tells."""
        return self.count == len(self.files)

    def __iter__(self) -> Iterator[Image]:
        return (frame.image for frame in self.timed())

    def timed(self) -> Iterator[TimedFrame]:
        time_s = 0.0
        for path, picture in self._pictures():
            yield TimedFrame(time_s, self._image(path, picture))
            time_s += picture.duration_s or 1 / DEFAULT_FPS

    def sample(self, limit: int, long_side: int, *, whole: bool = False) -> list[Image]:
        if not self.has_one_frame_a_file:
            readers = (partial(self._image, path, picture) for path, picture in self._pictures())
            return thinned(readers, limit, long_side, whole=whole)
        kept: list[Image] = []
        with damage_is_an_end(kept, whole=whole):
            for path in self.files[:: -(-len(self.files) // limit)]:
                kept.append(shrunk(self._image(path, next(self._read(path))), long_side))
        return kept

    def _pictures(self) -> Iterator[tuple[Path, Picture]]:
        return ((path, picture) for path in self.files for picture in self._read(path))

    def _read(self, path: Path) -> Iterator[Picture]:
        return read_pictures(path, deep=self._levels.value_range is not None)

    def _image(self, path: Path, picture: Picture) -> Image:
        image = self._levels.to_bgr8(picture.levels)
        check_size(image, self.size, str(path), hint="keep the images of one camera in a folder")
        return image
