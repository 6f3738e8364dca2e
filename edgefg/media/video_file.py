"""A video file as a source."""

from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from ..errors import MediaError
from ..imaging.convert import size_of
from ..imaging.io import Image
from ..imaging.levels import Levels, ValueRange, narrowness_hint
from .decoding import Care, Decoding
from .depth import FRAMES_TO_FIND_RANGE, check_depth
from .pyav import deep_levels, import_av, is_deep, open_video_track, upright
from .source import DEFAULT_FPS, TimedFrame, check_size, thinned
from .timestamps import FrameTimes

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

# A header may round the length, or state that of a longer audio track. Only a clear gap means a truncated file.
_MISSING_TAIL_S = 1.0
# Above it, a header's rate is checked against the time stamps of so many frames.
_USUAL_MAX_FPS = 480.0
_FRAMES_TO_MEASURE = 9


class VideoFile:
    """A video file as a source; see `edgefg.media.source.Source`. Every iteration opens the file again."""

    def __init__(self, path: Path, value_range: ValueRange = None) -> None:
        if path.stat().st_size == 0:
            raise MediaError(f"{path}: expected a video, found an empty file (0 bytes); copy or record it again")
        self.name = str(path)
        self.files: tuple[Path, ...] = (path,)
        self._care = Care.FAST
        self._levels = Levels(value_range)
        with open_video_track(path, self.name) as (_, stream):
            stated_fps = float(stream.average_rate or stream.guessed_rate or 0)
            self.tick_s = stream.time_base or Fraction(1, 1000)
            self.count: int | None = stream.frames or None
        self.fps = stated_fps if stated_fps > 0 else DEFAULT_FPS
        # The first frames, not the header, decide whether the file can be decoded, its size, and an unusual rate.
        needed = _FRAMES_TO_MEASURE if stated_fps > _USUAL_MAX_FPS else 1
        times_s, levels = [], []
        for time_s, frame in islice(self._decode(), max(needed, FRAMES_TO_FIND_RANGE if value_range else 1)):
            times_s.append(time_s)
            levels.append(self._levels_of(frame, deep=True))
        check_depth(self.name, levels[0], value_range)
        self.size = size_of(levels[0])
        self.hint = "" if value_range else narrowness_hint(levels[0])
        if value_range is not None:
            self._levels.fix(levels)
        self.value_range = self._levels.value_range
        if needed > 1:
            self.fps = (len(times_s) - 1) / times_s[-1] if times_s[-1] else DEFAULT_FPS

    def __iter__(self) -> Iterator[Image]:
        return (frame.image for frame in self.timed())

    def timed(self) -> Iterator[TimedFrame]:
        for index, (time_s, frame) in enumerate(self._decode()):
            yield TimedFrame(time_s, self._image(index, frame))

    def sample(self, limit: int, long_side: int, *, whole: bool = False) -> list[Image]:
        # The header's frame count may be missing or wrong.
        readers = (partial(self._image, index, frame) for index, (_, frame) in enumerate(self._decode()))
        return thinned(readers, limit, long_side, whole=whole)

    def _image(self, index: int, frame: "VideoFrame") -> Image:
        image = self._levels.to_bgr8(self._levels_of(frame, deep=self.value_range is not None))
        check_size(image, self.size, f"{self.name}, frame {index}", hint="split the video where its size changes")
        return image

    def _levels_of(self, frame: "VideoFrame", *, deep: bool) -> npt.NDArray[Any]:
        av = import_av()
        try:
            return deep_levels(frame) if deep and is_deep(frame) else upright(frame)
        except (av.error.FFmpegError, ValueError) as reason:
            raise MediaError(f"{self.name}: cannot convert its frames to BGR: {reason}") from reason

    def _decode(self) -> "Iterator[tuple[float, VideoFrame]]":
        """Yields all whole frames with their times, then raises MediaError if there should have been more."""
        last_s = -1.0
        while True:
            with open_video_track(self.files[0], self.name) as (container, stream):
                decoding = Decoding(container, stream, FrameTimes(self.tick_s, 1 / self.fps), self._care)
                for time_s, frame in decoding.frames():
                    # A pass with less care may have yielded it.
                    if time_s > last_s:
                        last_s = time_s
                        yield time_s, frame
                if not decoding.repeat:
                    self._check_whole(decoding, _promised_s(container, stream))
                    return
            self._care = Care(self._care + 1)

    def _check_whole(self, decoding: Decoding, promised_s: float) -> None:
        """Raises MediaError if a pass left something out, or ended before the length that the file promises."""
        whole, skipped = decoding.whole, decoding.skipped
        is_short = 0 < decoding.end_s < promised_s - _MISSING_TAIL_S
        if not whole:
            damaged = f", {skipped} are damaged or need a key frame before them" if skipped else ""
            message = f"expected a video, found no frame that can be decoded{damaged}"
        elif decoding.begins_between_key_frames and not is_short:
            message = f"the recording begins between two key frames: its first {skipped} frames are skipped"
        elif skipped or is_short or decoding.cause:
            message = f"the file is cut short or damaged, only {whole} frames can be decoded"
            message += f", with {skipped} damaged skipped; copy it again" if skipped else "; copy it again"
        else:
            return
        raise MediaError(f"{self.name}: {message}") from decoding.cause


def _promised_s(container: "InputContainer", stream: "VideoStream") -> float:
    """Returns the length that the file's header states in seconds, 0 if it states none."""
    if container.format.name == "avi" and stream.average_rate:
        # For AVI, FFmpeg computes the duration from the bytes that are present.
        return float(stream.frames / stream.average_rate)
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    # The container's length is that of its longest track, so it applies only to a file with a single track.
    return container.duration / 1e6 if container.duration and len(container.streams) == 1 else 0.0
