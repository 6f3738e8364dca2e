"""Names of recorded videos: which files are a camera's own, and which of them are older."""

import re
import time
from datetime import datetime, timezone
from pathlib import Path

from ..names import NAME

# CAMERA-20260131T235959[-EVENT][-PIECE].mp4, and .jpg for an event's snapshot. Pieces count from 2; the first has none.
_AFTER_CAMERA = r"-(?P<begun>[0-9]{8}T[0-9]{6})(?P<event>-[0-9a-f]{16})?(?:-(?P<piece>[0-9]+))?"


_TIME = "%Y%m%dT%H%M%S"
_VIDEO = re.compile(rf"{NAME}{_AFTER_CAMERA}\.(?:mp4|jpg)")


def is_video_name(name: str) -> bool:
    """Returns whether some camera's video or snapshot could have this file name, which then leads to no folder."""
    return _VIDEO.fullmatch(name) is not None


def begun_s(name: str) -> float | None:
    """Returns when a video was begun, in seconds since 1970, by its file name; None if that is none."""
    match = _VIDEO.fullmatch(name)
    try:
        return None if match is None else datetime.strptime(f"{match['begun']}Z", f"{_TIME}%z").timestamp()
    except ValueError:
        return None


def own_videos(folder: Path, camera: str, *, unfinished: bool = False) -> list[Path]:
    """Returns a camera's videos and snapshots, oldest first; never other files in the folder.

    Args:
        folder: Where to look.
        camera: The camera's name. Another camera's name may begin with it.
        unfinished: Returns the unfinished videos, as `edgefg.media.writers.VideoWriter` names them, and no others.
    """
    name, suffix = re.escape(camera) + _AFTER_CAMERA, r"\.(?:mp4|jpg)"
    pattern = re.compile(rf"\.{name}\.part\.mp4" if unfinished else name + suffix)
    found = [(match, path) for path in folder.iterdir() if (match := pattern.fullmatch(path.name))]
    return [path for _, path in sorted(found, key=lambda one: _age(one[0]))]


def _age(name: re.Match[str]) -> tuple[str, str, int, str]:
    """Returns the key that sorts names by age: pieces by number, so that the tenth comes after the second."""
    return name["begun"], name["event"] or "", int(name["piece"] or 1), name.string


def piece_name(name: str, piece: int) -> str:
    """Returns the file name of a video's piece; the first piece is 1."""
    return f"{name}.mp4" if piece == 1 else f"{name}-{piece}.mp4"


def file_time() -> str:
    """Returns the time now in UTC for a file name, so that names sort by age."""
    return datetime.fromtimestamp(time.time(), timezone.utc).strftime(_TIME)
