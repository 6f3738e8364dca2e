"""Names of recorded videos: which files are a camera's own, and which of them are older."""

import re
import time
from datetime import datetime, timezone
from pathlib import Path

# CAMERA-20260131T235959[-EVENT][-PIECE].mp4, and .jpg for an event's snapshot. Pieces count from 2; the first has none.
_AFTER_CAMERA = r"-(?P<begun>[0-9]{8}T[0-9]{6})(?P<event>-[0-9a-f]{16})?(?:-(?P<piece>[0-9]+))?"


def own_videos(folder: Path, camera: str, *, unfinished: bool = False) -> list[Path]:
    """A camera's videos and snapshots, oldest first; never files that others have put there.

    Args:
        folder: Where to look.
        camera: Whose. Another camera's name may begin with this one.
        unfinished: Those in the making, as `edgefg.media.writers.VideoWriter` names them, not the complete ones.
    """
    name, suffix = re.escape(camera) + _AFTER_CAMERA, r"\.(?:mp4|jpg)"
    pattern = re.compile(rf"\.{name}\.part\.mp4" if unfinished else name + suffix)
    found = [(match, path) for path in folder.iterdir() if (match := pattern.fullmatch(path.name))]
    return [path for _, path in sorted(found, key=lambda one: _age(one[0]))]


def _age(name: re.Match[str]) -> tuple[str, str, int, str]:
    """What sorts names by age: pieces by number, so that the tenth comes after the second."""
    return name["begun"], name["event"] or "", int(name["piece"] or 1), name.string


def piece_name(name: str, piece: int) -> str:
    """The file of a video's piece, the first of which is 1."""
    return f"{name}.mp4" if piece == 1 else f"{name}-{piece}.mp4"


def file_time() -> str:
    """Now, in UTC, as names of files hold it: they sort by age."""
    return datetime.fromtimestamp(time.time(), timezone.utc).strftime("%Y%m%dT%H%M%S")
