"""Opening of video files, images, folders of images and globs, which you can iterate over any number of times.

A file that ends early or is damaged yields every frame that is whole and then raises, so you can keep the work done so
far.
"""

import glob
import os
from pathlib import Path

from ..datasets.layouts import frames_folder, natural_images
from ..errors import MediaError, MissingFileError
from ..imaging.containers import apng_frames
from ..imaging.io import IMAGE_SUFFIXES, natural_order
from ..imaging.levels import ValueRange
from ..utils.redaction import redacted, redacted_path
from .image_files import ImageFiles
from .source import Source
from .video_file import VideoFile

# An animated PNG says so in its first chunks; text may come before.
_PNG_HEAD_BYTES = 1 << 20


def open_video(source: str | Path, *, value_range: ValueRange = None) -> Source:
    """Opens a video file, an image, a folder of images, or the images that a glob matches.

    Args:
        source: A path or a glob. Images are read in natural order (2 before 10); of a CDnet2014 sequence, its input/.
            A file may hold several images, as stacks of TIFF and animated WebP and PNG do.
        value_range: Levels that become 0 and 255, ``(low, high)``, for thermal cameras and others that count in 16 bits
            or floating point; ``"auto"`` takes those in which nearly all levels of the first frames lie, and some more
            on both sides. None takes all levels of 16 bits.

    Raises:
        MissingFileError: The path does not exist, or the glob matches no file.
        MediaError: The source has no frames that can be decoded, or floating-point levels without a range.
        OptionError: The range is not valid, or for a source of 8 bits.
    """
    check_exists(source)
    path = Path(source)
    if path.is_dir():
        return ImageFiles(str(source), natural_images(frames_folder(path)), value_range)
    if path.is_file():
        return ImageFiles(str(source), [path], value_range) if _is_image(path) else VideoFile(path, value_range)
    if path.exists():
        raise MediaError(f"{path}: expected a video file, a folder of images or a glob, found a device or a pipe")
    matches = _matches(source)
    return ImageFiles(str(source), [match for match in matches if match.suffix.lower() in IMAGE_SUFFIXES], value_range)


def _is_image(path: Path) -> bool:
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        return False
    try:
        with path.open("rb") as file:
            # FFmpeg reads an animated PNG as a video.
            return apng_frames(file.read(_PNG_HEAD_BYTES)) == 1
    except OSError as reason:
        raise MediaError(f"{path}: cannot read this image: {reason.strerror or reason}") from reason


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
