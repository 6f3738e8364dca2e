"""Where frames come from: a video file, a folder of images or a glob, read in order and as often as asked.

A file that ends early or is damaged gives every frame that still decodes, and then raises, so that the
caller can keep the work done so far.
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

# A header may round its length, or state that of a longer audio track: only a clear gap means a file cut short.
_MISSING_TAIL_S = 1.0
_MAX_PLAUSIBLE_FPS = 480.0


class Source(Protocol):
    """Frames of one size, in order.

    Attributes:
        name: What the user gave.
        files: The files that are read, so that no output overwrites them.
        fps: Frames a second.
        size: (width, height) in pixels.
        count: Number of frames, or None if the file does not say.
    """

    name: str
    files: tuple[Path, ...]
    fps: float
    size: tuple[int, int]
    count: int | None

    def __iter__(self) -> Iterator[Image]:
        """Yields each frame as (H, W, 3) uint8 BGR, from the first one on."""

    def sample(self, limit: int, long_side: int, *, whole: bool = False) -> list[Image]:
        """Returns at most ``limit`` frames, spread evenly, shrunk to at most ``long_side`` pixels a side.

        A damaged source gives those before the damage or, if it must be ``whole``, raises.
        """


def open_video(source: str | Path) -> Source:
    """Opens a video file, an image, a folder of images, or the images that a glob matches.

    Args:
        source: A path or a glob; images are read in natural order (2 before 10), of a CDnet2014 sequence its input/.

    Raises:
        MissingFileError: Nothing is there.
        MediaError: What is there holds no frames that decode.
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
    """Checks that there is something that `open_video` could open, and opens nothing.

    Raises:
        MissingFileError: Nothing is there.
        MediaError: It is the address of a stream.
    """
    if not str(source):  # Which Path would take for the current folder.
        raise MissingFileError("expected a video file, a folder of images or a glob, got an empty name")
    # Not Path.exists, which raises for a name that is too long, and repeats it.
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
    # Not Path.glob, which takes no absolute pattern.
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
    """A video file as a source; see `Source`. Every iteration opens the file anew."""

    def __init__(self, path: Path) -> None:
        if path.stat().st_size == 0:
            raise MediaError(f"{path}: expected a video, the file is empty (0 bytes); copy or record it again")
        self.name = str(path)
        self.files: tuple[Path, ...] = (path,)
        with self._open() as (_, stream):
            rate = float(stream.average_rate or stream.guessed_rate or 0)
            self.fps = rate if 0 < rate <= _MAX_PLAUSIBLE_FPS else DEFAULT_FPS
            self.count: int | None = stream.frames or None
        # The first frame, not the header, has the last word on whether the file decodes, and to which size.
        first = next(self._decode(), None)
        if first is None:
            raise MediaError(f"{path}: expected a video, no frame of it decodes")
        self.size = size_of(first)

    def __iter__(self) -> Iterator[Image]:
        for index, image in enumerate(self._decode()):
            _check_size(image, self.size, f"{self.name}, frame {index}", hint="split the video where its size changes")
            yield image

    def sample(self, limit: int, long_side: int, *, whole: bool = False) -> list[Image]:
        # The header's frame count can be absent or wrong, so the step grows while frames come in.
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
        """Yields all frames that decode, then raises MediaError if that was not the whole file."""
        with self._open() as (container, stream):
            stream.thread_type = "AUTO"
            reading = _Reading()
            frames = 0
            for frame in reading.frames(container, stream):
                frames += 1
                yield upright(frame)
            if reading.problem or 0 < reading.end_s < _promised_s(container, stream) - _MISSING_TAIL_S:
                message = f"the file is cut short or damaged, only {frames} frames of it decode; copy it again"
                raise MediaError(f"{self.name}: {message}") from reading.cause

    @contextmanager
    def _open(self) -> "Iterator[tuple[InputContainer, VideoStream]]":
        av = import_av()
        try:
            container = av.open(self.name)
        except (av.error.FFmpegError, OSError) as reason:
            raise MediaError(
                f"{self.name}: expected a video, cannot open it as one ({reason.strerror}); "
                "if it should be one, it is cut short or damaged: copy it again"
            ) from reason
        with container:
            # FFmpeg also "plays" plain text, as the screen of a terminal.
            if not container.streams.video or container.format.name == "tty":
                raise MediaError(f"{self.name}: expected a video, found a file without a video track")
            yield container, container.streams.video[0]


def import_av() -> ModuleType:
    """Imports PyAV.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        import av
    except ImportError as reason:
        raise MissingDependencyError(
            f"videos need the package av, which does not load ({reason}): pip install av"
        ) from reason
    return av


@dataclass
class _Reading:
    """One pass over a file, past whatever does not decode.

    Attributes:
        end_s: Where the last packet ended, in seconds; 0 if no packet says.
        problem: Whether something did not decode.
        cause: What FFmpeg said of it, if anything.
    """

    end_s: float = 0.0
    problem: bool = False
    cause: Exception | None = None

    def frames(self, container: "InputContainer", stream: "VideoStream") -> "Iterator[VideoFrame]":
        av = import_av()
        try:
            for packet in container.demux(stream):
                # Not to be decoded: a decoder that works on several frames at once would lose them all.
                if packet.is_corrupt:
                    self.problem = True
                    continue
                self._note_end(packet)
                try:
                    yield from packet.decode()
                except av.error.FFmpegError as reason:
                    # What follows may be whole again.
                    self.problem, self.cause = True, reason
        except av.error.FFmpegError as reason:
            self.problem, self.cause = True, reason
            # Nothing more can be read, but the decoder still holds frames.
            with suppress(av.error.FFmpegError):
                yield from stream.codec_context.decode(None)

    def _note_end(self, packet: "Packet[VideoStream]") -> None:
        # AVI gives some packets no time to be shown at, only one to be decoded at.
        start = packet.dts if packet.pts is None else packet.pts
        # Not 1 / fps: the last frame of a motion-triggered recording may stand for many seconds.
        if start is not None and packet.time_base is not None:
            self.end_s = max(self.end_s, float((start + (packet.duration or 0)) * packet.time_base))


def upright(frame: "VideoFrame") -> Image:
    """Returns a decoded frame as (H, W, 3) uint8 BGR, turned as the file says (phones film sideways)."""
    image = frame.to_ndarray(format="bgr24")
    quarter_turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarter_turns), dtype=np.uint8)


def _promised_s(container: "InputContainer", stream: "VideoStream") -> float:
    """Returns the length that the file's header states in seconds, 0 if it states none."""
    if container.format.name == "avi" and stream.average_rate:
        # For AVI, FFmpeg works the duration out from the bytes that are there.
        return float(stream.frames / stream.average_rate)
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    # The container's length is that of its longest track, so it binds a lone video track only.
    return container.duration / 1e6 if container.duration and len(container.streams) == 1 else 0.0


@contextmanager
def _damage_is_an_end(kept: list[Image]) -> Iterator[None]:
    """Lets a sample end where its source is damaged: what came before is fair, and iterating raises the error again."""
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
        raise MediaError(f"{what}: expected {expected} pixels, as the frames before, found {found}; {hint}")
