"""Writers of results: H.264 video, JSON lines and whole files.

A result is written under a temporary name and renamed when it is complete, so the final name never holds a partial
file.
"""

import json
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from ..errors import OutputError
from ..imaging.io import Image
from ..utils.atomic_file import WRITE_ERRORS, PartFile
from .pyav import ffmpeg_name, import_av

_MAX_FPS = 1e6
_LONGEST_FRAME_S = 1e5
# Finer ticks would leave too few bits for pauses between frames.
_FINEST_SLOW_TICK_S = Fraction(1, 1000)
# FFmpeg doubles the time scale of an MP4 until it is above this.
_MIN_TIMESCALE = 10_000
_MAX_UNITS = 2**31 - 2


class Writer(Protocol):
    """A file that is being written. Either `close` or `discard` ends it; calling them again is fine."""

    path: Path

    def close(self) -> None:
        """Completes the file and renames it to its final name."""

    def discard(self) -> None:
        """Deletes the file, unless it is complete."""


class VideoWriter:
    """Writes an H.264 MP4 (yuv420p, which every player opens), at a constant frame rate or at the images' own times.

    Args:
        path: The final name.
        fps: Frames per second; where there is a ``tick_s``, on average.
        size: Width and height of the images; an odd side is padded by repeating its last row or column.
        crf: x264's constant rate factor: 0 is lossless, 51 is the worst.
        tick_s: Seconds of which the times of images are multiples. None shows each image for a frame of the rate.
        fill: Whether to repeat an image until the next one is due.

    Raises:
        OutputError: The file cannot be written.
        MissingDependencyError: The package av is not installed.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        fps: float,
        size: tuple[int, int],
        crf: int = 20,
        tick_s: Fraction | None = None,
        fill: bool = False,
    ) -> None:
        av = import_av()
        self.path = Path(path)
        # Not all of FFmpeg's errors are also OSErrors or ValueErrors.
        self._errors: tuple[type[Exception], ...] = (*WRITE_ERRORS, av.error.FFmpegError)
        self._file = PartFile(self.path, self._errors)
        self._even = tuple(side + side % 2 for side in size)
        self._size = size
        self._video_frame = av.VideoFrame.from_ndarray
        rate = _as_fraction(fps)
        self._tick_s = 1 / rate if tick_s is None else max(tick_s, _FINEST_SLOW_TICK_S) if rate < 1 else tick_s
        self._longest_ticks = _longest_ticks(self._tick_s)
        self._frame_ticks = max(1, min(round(1 / rate / self._tick_s), self._longest_ticks))
        self._fill = fill
        self._last: Image | None = None
        self._last_tick = -self._frame_ticks
        with ExitStack() as stack:
            stack.callback(self._file.remove)
            with self._file.writing():
                name = ffmpeg_name(self._file.part)
                self._container = av.open(name, "w", format="mp4", options={"movflags": "faststart"})
                options = {"crf": str(crf), "preset": "veryfast"}
                if tick_s is not None or rate < 1:
                    # With frames that look ahead, FFmpeg would leave the last long ones out of the file's length.
                    options["bf"] = "0"
                self._stream = self._container.add_stream("libx264", rate=rate, options=options)
                self._stream.width, self._stream.height = self._even
                self._stream.pix_fmt = "yuv420p"
                self._stream.codec_context.time_base = self._tick_s
            stack.pop_all()

    def write(self, image: Image, at_s: float | None = None) -> None:
        """Appends an image.

        Args:
            image: ``(H, W, 3) uint8 BGR``, or ``(H, W) uint8`` gray.
            at_s: Time at which to show it, in seconds from the start; None is right after the image before. If several
                images fall on the same tick, or the same frame of a constant rate, the first is kept.

        Raises:
            OutputError: The disk is full, or the image has another size than ``size``.
            ClosedError: The file is complete or discarded.
        """
        if (image.shape[1], image.shape[0]) != self._size:
            expected, found = f"{self._size[0]}x{self._size[1]}", f"{image.shape[1]}x{image.shape[0]}"
            raise OutputError(f"{self.path}: expected images of {expected} pixels, got {found}")
        due = self._last_tick + self._frame_ticks
        if at_s is not None:
            due = round(Fraction(at_s) / self._tick_s)
            if due <= self._last_tick:
                return
        while self._fill and self._last is not None and self._last_tick + 1 < due:
            self._encode(self._last, self._last_tick + 1)
        self._encode(image, min(due, self._last_tick + self._longest_ticks))
        self._last = image if self._fill else None

    def _encode(self, image: Image, tick: int) -> None:
        right, bottom = self._even[0] - self._size[0], self._even[1] - self._size[1]
        if right or bottom:
            image = np.asarray(cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.uint8)
        with self._file.writing():
            frame = self._video_frame(np.ascontiguousarray(image), format="gray" if image.ndim == 2 else "bgr24")
            frame.pts = tick
            frame.time_base = self._tick_s
            frame.duration = self._frame_ticks
            self._container.mux(self._stream.encode(frame))
        self._last_tick = tick

    def close(self) -> None:
        if self._file.open:
            with self._file.writing():
                self._container.mux(self._stream.encode(None))
                self._container.close()
            self._file.publish()

    def discard(self) -> None:
        if self._file.open:
            with suppress(*self._errors):  # the file is deleted anyway
                self._container.close()
            self._file.remove()


def _as_fraction(fps: float) -> Fraction:
    """Returns a frame rate as FFmpeg writes it: 29.97 stands for 30000/1001, and 0.000278 for a frame an hour."""
    fps = min(max(fps, 1 / _LONGEST_FRAME_S), _MAX_FPS)
    return Fraction(fps).limit_denominator(1001) if fps >= 1 else 1 / Fraction(1 / fps).limit_denominator(1001)


def _longest_ticks(tick_s: Fraction) -> int:
    """Returns how many ticks an MP4, which has 31 bits for it, can show one image."""
    units_a_second = tick_s.denominator
    while units_a_second < _MIN_TIMESCALE:
        units_a_second *= 2
    return max(1, int(_MAX_UNITS / (units_a_second * tick_s)))


class JsonWriter:
    """Writes one JSON object per line. UTF-8; NaN is rejected.

    Args:
        path: The final name.

    Raises:
        OutputError: The file cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file = PartFile(self.path)
        with self._file.writing():
            self._text = self._file.part.open("w", encoding="utf-8")

    def write(self, record: Mapping[str, Any]) -> None:
        """Appends a record.

        Raises:
            OutputError: The disk is full.
            ClosedError: The file is complete or discarded.
        """
        with self._file.writing():
            self._text.write(json.dumps(record, allow_nan=False) + "\n")

    def close(self) -> None:
        if self._file.open:
            with self._file.writing():
                self._text.close()
            self._file.publish()

    def discard(self) -> None:
        if self._file.open:
            with suppress(OSError):
                self._text.close()
            self._file.remove()


class FileWriter:
    """Writes a file whose content is available all at once.

    Args:
        path: The final name.

    Raises:
        OutputError: The file cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file = PartFile(self.path)

    def write(self, content: bytes) -> None:
        """Replaces the content.

        Raises:
            OutputError: The disk is full.
            ClosedError: The file is complete or discarded.
        """
        self._file.damage = ""  # A complete rewrite leaves no gap from an earlier error.
        with self._file.writing():
            self._file.part.write_bytes(content)

    def close(self) -> None:
        if self._file.open:
            self._file.publish()

    def discard(self) -> None:
        if self._file.open:
            self._file.remove()
