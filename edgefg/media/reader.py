"""Readers of video files, image folders and globs, which you can iterate over any number of times.

A file that ends early or is damaged yields every frame that still decodes and then raises, so you can keep the work
done so far.
"""

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..datasets.layouts import frames_folder, natural_images
from ..errors import MediaError, MissingDependencyError, MissingFileError
from ..imaging.convert import fit, size_of
from ..imaging.io import IMAGE_SUFFIXES, Image, natural_order, read_image
from ..utils.redaction import redacted, redacted_path

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

DEFAULT_FPS = 25.0
"""Frame rate of sources that state none, such as folders of images."""

# A header may round the length, or state that of a longer audio track. Only a clear gap means a truncated file.
_MISSING_TAIL_S = 1.0
_MAX_PLAUSIBLE_FPS = 480.0


class Source(Protocol):
    """Frames of one size, in order.

    Attributes:
        name: The source as the user wrote it.
        files: Files that are read, so that no output overwrites them.
        fps: Frames per second.
        size: Width and height in pixels.
        count: Number of frames, or None if the file does not state it.
    """

    name: str
    files: tuple[Path, ...]
    fps: float
    size: tuple[int, int]
    count: int | None

    def __iter__(self) -> Iterator[Image]:
        """Yields each frame as ``(H, W, 3) uint8 BGR``, starting at the first."""

    def sample(self, limit: int, long_side: int, *, whole: bool = False) -> list[Image]:
        """Returns at most ``limit`` frames, spread evenly and shrunk to at most ``long_side`` pixels a side.

        A damaged source returns the frames before the damage or, if ``whole``, raises MediaError.
        """


def open_video(source: str | Path) -> Source:
    """Opens a video file, an image, a folder of images, or the images that a glob matches.

    Args:
        source: A path or a glob. Images are read in natural order (2 before 10); of a CDnet2014 sequence, its input/.

    Raises:
        MissingFileError: The path does not exist, or the glob matches no file.
        MediaError: The source has no frames that can be decoded.
    """
    check_exists(source)
    path = Path(source)
    if path.is_dir():
        return ImageFiles(str(source), natural_images(frames_folder(path)))
    if path.is_file():
        return ImageFiles(str(source), [path]) if path.suffix.lower() in IMAGE_SUFFIXES else VideoFile(path)
    if path.exists():
        raise MediaError(f"{path}: expected a video file, a folder of images or a glob, found a device or a pipe")
    matches = _matches(source)
    return ImageFiles(str(source), [match for match in matches if match.suffix.lower() in IMAGE_SUFFIXES])


def check_exists(source: str | Path) -> None:
    """Checks that a source for `open_video` exists, without opening it.

    Raises:
        MissingFileError: The path does not exist, or the glob matches no file.
        MediaError: The source is the address of a stream.
    """
    if not str(source):  # Path would take it for the current folder.
        raise MissingFileError("expected a video file, a folder of images or a glob, got an empty name")
    # Not Path.exists, which raises an error with the whole name if the name is too long.
    if os.path.exists(source):  # noqa: PTH110
        return
    if "://" in str(source):
        raise MediaError(f"{redacted(str(source))}: expected a video file, a folder of images or a glob, not a stream")
    shown = redacted_path(str(source))
    if not any(character in str(source) for character in "*?["):
        raise MissingFileError(f"{shown}: no such file or folder; expected a video file, a folder of images or a glob")
    if not _matches(source):
        raise MissingFileError(f"{shown}: no file matches; put the glob in quotes and check its folder")


def _matches(pattern: str | Path) -> list[Path]:
    # Not Path.glob, which rejects absolute patterns.
    return sorted(map(Path, glob.glob(str(pattern), recursive=True)), key=natural_order)  # noqa: PTH207


class ImageFiles:
    """Images of one size as a source; see `Source`."""

    def __init__(self, name: str, files: list[Path]) -> None:
        if not files:
            raise MediaError(f"{name}: expected images ({', '.join(sorted(IMAGE_SUFFIXES))}), found none there")
        self.name = name
        self.files = tuple(files)
        self.fps = DEFAULT_FPS
        self.count: int | None = len(files)
        self.size = size_of(read_image(files[0]))

    def __iter__(self) -> Iterator[Image]:
        return map(self._read, self.files)

    def sample(self, limit: int, long_side: int, *, whole: bool = False) -> list[Image]:
        step = -(-len(self.files) // limit)
        kept: list[Image] = []
        with nullcontext() if whole else _damage_is_an_end(kept):
            for path in self.files[::step]:
                kept.append(_shrunk(self._read(path), long_side))
        return kept

    def _read(self, path: Path) -> Image:
        image = read_image(path)
        _check_size(image, self.size, str(path), hint="keep the images of one camera in a folder")
        return image


class VideoFile:
    """A video file as a source; see `Source`. Every iteration opens the file again."""

    def __init__(self, path: Path) -> None:
        if path.stat().st_size == 0:
            raise MediaError(f"{path}: expected a video, found an empty file (0 bytes); copy or record it again")
        self.name = str(path)
        self.files: tuple[Path, ...] = (path,)
        with self._open() as (_, stream):
            rate = float(stream.average_rate or stream.guessed_rate or 0)
            self.fps = rate if 0 < rate <= _MAX_PLAUSIBLE_FPS else DEFAULT_FPS
            self.count: int | None = stream.frames or None
        # The first frame, not the header, decides whether the file can be decoded, and its size.
        first = next(self._decode(), None)
        if first is None:
            raise MediaError(f"{path}: expected a video, found no frame that can be decoded")
        self.size = size_of(first)

    def __iter__(self) -> Iterator[Image]:
        for index, image in enumerate(self._decode()):
            _check_size(image, self.size, f"{self.name}, frame {index}", hint="split the video where its size changes")
            yield image

    def sample(self, limit: int, long_side: int, *, whole: bool = False) -> list[Image]:
        # The header's frame count may be missing or wrong, so the step grows while frames are read.
        kept: list[Image] = []
        step = 1
        with nullcontext() if whole else _damage_is_an_end(kept):
            for index, image in enumerate(self):
                if index % step == 0 and len(kept) == limit:
                    del kept[1::2]
                    step *= 2
                if index % step == 0:
                    kept.append(_shrunk(image, long_side))
        return kept

    def _decode(self) -> Iterator[Image]:
        """Yields all frames that can be decoded, then raises MediaError if the file is not complete."""
        with self._open() as (container, stream):
            stream.thread_type = "AUTO"
            reading = _Reading()
            frames = 0
            for frame in reading.frames(container, stream):
                frames += 1
                yield upright(frame)
            if reading.problem or 0 < reading.end_s < _promised_s(container, stream) - _MISSING_TAIL_S:
                message = f"the file is cut short or damaged, only {frames} frames can be decoded; copy it again"
                raise MediaError(f"{self.name}: {message}") from reading.cause

    @contextmanager
    def _open(self) -> "Iterator[tuple[InputContainer, VideoStream]]":
        av = import_av()
        try:
            container = av.open(self.name)
        except PermissionError as reason:
            raise MediaError(f"{self.name}: cannot read this file: {reason.strerror}") from reason
        except (av.error.FFmpegError, OSError) as reason:
            raise MediaError(
                f"{self.name}: expected a video, found a file that cannot be opened as one ({reason.strerror}); "
                "if it is a video, it is cut short or damaged: copy it again"
            ) from reason
        with container:
            # FFmpeg also "plays" plain text, as the screen of a terminal.
            if not container.streams.video or container.format.name == "tty":
                raise MediaError(f"{self.name}: expected a video, found a file without a video track")
            yield container, container.streams.video[0]


def import_av() -> ModuleType:
    """Imports PyAV and returns the module.

    Raises:
        MissingDependencyError: PyAV is not installed, or does not load.
    """
    try:
        import av
    except ImportError as reason:
        raise MissingDependencyError(
            f"cannot load the package av, which videos need ({reason}); install it: pip install av"
        ) from reason
    return av


@dataclass
class _Reading:
    """One pass over a file, which skips everything that cannot be decoded.

    Attributes:
        end_s: End of the last packet in seconds; 0 if no packet states it.
        problem: Whether something could not be decoded.
        cause: FFmpeg's error for it, if there was one.
    """

    end_s: float = 0.0
    problem: bool = False
    cause: Exception | None = None

    def frames(self, container: "InputContainer", stream: "VideoStream") -> "Iterator[VideoFrame]":
        av = import_av()
        try:
            for packet in container.demux(stream):
                # Not decoded, because a decoder that works on several frames at once would lose them all.
                if packet.is_corrupt:
                    self.problem = True
                    continue
                self._note_end(packet)
                try:
                    yield from packet.decode()
                except av.error.FFmpegError as reason:
                    # The following packets may be intact.
                    self.problem, self.cause = True, reason
        except av.error.FFmpegError as reason:
            self.problem, self.cause = True, reason
            # No more packets can be read, but the decoder still holds frames.
            with suppress(av.error.FFmpegError):
                yield from stream.codec_context.decode(None)

    def _note_end(self, packet: "Packet[VideoStream]") -> None:
        # Some packets of AVI have no presentation time, only a decoding time.
        start = packet.dts if packet.pts is None else packet.pts
        # Not 1 / fps: the last frame of a motion-triggered recording may last many seconds.
        if start is not None and packet.time_base is not None:
            self.end_s = max(self.end_s, float((start + (packet.duration or 0)) * packet.time_base))


def upright(frame: "VideoFrame") -> Image:
    """Returns a decoded frame as ``(H, W, 3) uint8 BGR``, rotated as the file says (phones record sideways)."""
    image = frame.to_ndarray(format="bgr24")
    quarter_turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarter_turns), dtype=np.uint8)


def _promised_s(container: "InputContainer", stream: "VideoStream") -> float:
    """Returns the length that the file's header states in seconds, 0 if it states none."""
    if container.format.name == "avi" and stream.average_rate:
        # For AVI, FFmpeg computes the duration from the bytes that are present.
        return float(stream.frames / stream.average_rate)
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    # The container's length is that of its longest track, so it applies only to a file with a single track.
    return container.duration / 1e6 if container.duration and len(container.streams) == 1 else 0.0


@contextmanager
def _damage_is_an_end(kept: list[Image]) -> Iterator[None]:
    """Ends a sample where its source is damaged. The frames before are valid, and iterating raises the error again."""
    try:
        yield
    except MediaError:
        if not kept:
            raise


def _shrunk(image: Image, long_side: int) -> Image:
    width, height = size_of(image)
    scale = long_side / max(height, width)
    return image if scale >= 1 else fit(image, (max(1, round(width * scale)), max(1, round(height * scale))))


def _check_size(image: Image, size: tuple[int, int], what: str, *, hint: str) -> None:
    if size_of(image) != size:
        expected, found = (f"{width}x{height}" for width, height in (size, size_of(image)))
        raise MediaError(f"{what}: expected {expected} pixels like the frames before, found {found}; {hint}")
