"""FFmpeg through PyAV: loading it, opening files with it, and its pictures as arrays."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import MediaError, MissingDependencyError
from ..imaging.io import Image

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream


STRICT = {"err_detect": "crccheck+explode"}
"""Options with which a decoder rejects damage instead of concealing it, also by checksums, where H.265 has some."""


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


def ffmpeg_name(path: Path) -> str:
    """Returns a file's name for FFmpeg, which takes the start of ``12:30.mp4`` for the name of a protocol."""
    return str(path.absolute())


@contextmanager
def open_video_track(path: Path, name: str) -> "Iterator[tuple[InputContainer, VideoStream]]":
    """Opens a file and yields its container and its first video track.

    Args:
        path: The file.
        name: Its name in messages.

    Raises:
        MediaError: The file cannot be opened, or has no video track.
    """
    av = import_av()
    try:
        # Titles are of no interest here, and often not in UTF-8.
        container = av.open(ffmpeg_name(path), metadata_errors="replace")
    except PermissionError as reason:
        raise MediaError(f"{name}: cannot read this file: {reason.strerror}") from reason
    except (av.error.FFmpegError, OSError) as reason:
        raise MediaError(
            f"{name}: expected a video, found a file that cannot be opened as one ({reason.strerror}); "
            "if it is a video, it is cut short or damaged: copy it again"
        ) from reason
    with container:
        cover = av.stream.Disposition.attached_pic
        tracks = [track for track in container.streams.video if not track.disposition & cover]
        # FFmpeg also "plays" plain text, as the screen of a terminal.
        if not tracks or container.format.name == "tty":
            raise MediaError(f"{name}: expected a video, found a file without a video track")
        if tracks[0].codec_context is None:
            raise MediaError(f"{name}: its video is in a form that FFmpeg cannot decode; convert it, or copy it again")
        yield container, tracks[0]


def upright(frame: "VideoFrame") -> Image:
    """Returns a decoded frame as ``(H, W, 3) uint8 BGR``, turned and mirrored as the file says.

    Phones record sideways; cameras for selfies and for ceilings mirror.
    """
    return _oriented(frame.to_ndarray(format="bgr24"), frame)


def is_deep(frame: "VideoFrame") -> bool:
    """Returns whether a decoded frame has levels of more than 8 bits."""
    return any(component.bits > 8 for component in frame.format.components)


def deep_levels(frame: "VideoFrame") -> npt.NDArray[Any]:
    """Returns the levels of a frame for which `is_deep` holds, oriented as by `upright`.

    Returns:
        ``(H, W) uint16`` or ``float32`` as the camera counted, where the video is gray; otherwise
        ``(H, W, 3) uint16 BGR`` in the full range of 16 bits.
    """
    if len(frame.format.components) > 1:
        return _oriented(frame.to_ndarray(format="bgr48le"), frame)
    plane, name = frame.planes[0], frame.format.name
    kind = np.dtype(f"{'>' if name.endswith('be') else '<'}{'f4' if 'f32' in name else 'u2'}")
    lines = np.frombuffer(memoryview(plane), np.uint8)[: plane.height * plane.line_size].reshape(plane.height, -1)
    # Lines are padded.
    levels = np.ascontiguousarray(lines[:, : plane.width * kind.itemsize]).view(kind)
    return _oriented(levels.astype(kind.newbyteorder("=")), frame)


def _oriented(image: "npt.NDArray[Any]", frame: "VideoFrame") -> "npt.NDArray[Any]":
    try:
        matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:
        # PyAV does not know all kinds of side data, such as the Exif data of pictures in a video.
        return np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90) % 4))
    if matrix is not None:
        # A pixel at (x, y) is shown at (a*x + c*y, b*x + d*y): turned by quarters, mirrored, or both.
        a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
        across, down = a, d
        if abs(b) + abs(c) > abs(a) + abs(d):
            image, across, down = np.swapaxes(image, 0, 1), c, b
        image = image[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1]
    return np.ascontiguousarray(image)
