"""Damaged media files into `open_video` and `read_image`: only edgefg's own errors may come out, and in time.

    python -m tests.support.media_fuzz --minutes 10 --seed 1

Each case is told by its number. One that fails is kept as ``fuzz-NUMBER.SUFFIX`` in the folder ``--keep``; one that
crashes or hangs the process is the file ``case.SUFFIX`` there.
"""

import random
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from edgefg.errors import EdgefgError
from edgefg.imaging.io import read_image
from edgefg.media.reader import open_video

from .fuzzing import Case, arguments, run_cases
from .images import tiff, webp
from .rtsp import numbered
from .videos import SIZE, write_numbered

CASE_S = 60.0
"""Time after which a case counts as hanging, also on a busy machine."""

_QUICK_H265 = {"preset": "ultrafast", "x265-params": "log-level=none"}
_VIDEOS = {
    "h264.mp4": ("libx264", {"preset": "ultrafast"}, None),
    "two-way.mp4": ("libx264", {"bf": "3"}, None),
    "h264.mkv": ("libx264", {"bf": "3"}, None),
    "h264.ts": ("libx264", {}, None),
    "h265.mp4": ("libx265", _QUICK_H265, None),
    "h265.ts": ("libx265", _QUICK_H265, None),
    "mpeg4.mp4": ("mpeg4", {}, None),
    "mpeg4.avi": ("mpeg4", {"bf": "2"}, None),
    "mpeg2.ts": ("mpeg2video", {"bf": "2"}, None),
    "vp9.mkv": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}, None),
    "mjpeg.mkv": ("mjpeg", {}, "yuvj420p"),
    "mjpeg.avi": ("mjpeg", {}, "yuvj420p"),
    "gray16.mkv": ("ffv1", {}, "gray16le"),
    "a.apng": ("apng", {}, "rgb24"),
}


def write_seeds(folder: Path) -> list[Path]:
    """Writes a small intact file of each kind."""
    paths = [
        write_numbered(folder / name, codec, 8, 4, options, pix_fmt=pix_fmt)
        for name, (codec, options, pix_fmt) in _VIDEOS.items()
    ]
    paths.append(paths.pop().rename(folder / "animated.png"))
    image = numbered(5, *SIZE)[:48, :64].copy()
    kinds = {
        "a.jpg": [],
        "progressive.jpg": [cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
        "restart.jpg": [cv2.IMWRITE_JPEG_RST_INTERVAL, 2],
        "a.png": [],
        "a.tif": [],
        "a.webp": [],
        "lossless.webp": [cv2.IMWRITE_WEBP_QUALITY, 101],
        "a.bmp": [],
    }
    for name, options in kinds.items():
        cv2.imwrite(str(folder / name), image, options)
        paths.append(folder / name)
    gray = image[..., 0]
    made = {
        "16.tif": tiff([gray.astype(np.uint16) * 9, gray.astype(np.uint16)]),
        "float.tif": tiff([gray.astype(np.float32)] * 3),
        "big.tif": tiff([gray, gray], order=">", big=True),
        "animated.webp": webp([(0, 0, image, 40), (8, 4, image[:20, :30].copy(), 40)]),
    }
    for name, data in made.items():
        (folder / name).write_bytes(data)
        paths.append(folder / name)
    cv2.imwrite(str(folder / "16.png"), gray.astype(np.uint16) * 9)
    return [*paths, folder / "16.png"]


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Returns a file's content with a few random changes, most of them in its headers."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16, 64))):
        reach = len(changed) if rng.random() < 0.6 else min(len(changed), 600)
        at = rng.randrange(reach) if reach else 0
        kind = rng.randrange(8)
        if kind == 0:
            changed[at : at + 1] = bytes([rng.randrange(256)])
        elif kind == 1 and changed:
            changed[min(at, len(changed) - 1)] ^= 1 << rng.randrange(8)
        elif kind == 2:
            changed[at : at + 4] = rng.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0"))
        elif kind == 3:
            del changed[at : at + rng.randrange(1, 64)]
        elif kind == 4:
            changed[at:at] = rng.randbytes(rng.randrange(1, 64))
        elif kind == 5:
            other = rng.randrange(len(changed)) if changed else 0
            changed[at:at] = changed[other : other + rng.randrange(1, 256)]
        elif kind == 6:
            changed[at : at + 24] = rng.randbytes(24)
        elif rng.random() < 0.3:
            del changed[at:]
    return bytes(changed)


def read_all(path: Path, rng: random.Random) -> str:
    """Reads a file in each way that users have; returns nothing to print."""
    value_range = rng.choice((None, None, "auto", (0.0, 300.0)))
    ways = [lambda: read_image(path)] if path.suffix in (".jpg", ".png", ".tif", ".webp", ".bmp") else []
    for way in (*ways, lambda: _read_video(path, value_range), lambda: open_video(path).sample(3, 64)):
        try:
            way()
        except EdgefgError as error:
            assert "\n" not in str(error).replace(str(path), ""), f"an error of several lines: {error}"
    return ""


def _read_video(path: Path, value_range: object) -> None:
    source = open_video(path, value_range=value_range)  # type: ignore[arg-type]
    width, height = source.size
    last_s = -1.0
    for frame in source.timed():
        assert frame.image.shape == (height, width, 3) and frame.image.dtype == np.uint8
        assert frame.time_s > last_s
        last_s = frame.time_s


def main() -> int:
    """Runs cases until the time is over; returns how many failed."""
    given = arguments(__doc__, minutes=10)
    with tempfile.TemporaryDirectory() as folder:
        seeds = [(path, path.read_bytes()) for path in write_seeds(Path(folder))]

    def make(rng: random.Random) -> Case:
        seed, content = rng.choice(seeds)
        return Case(seed.name, seed.suffix, damaged(content, rng))

    return run_cases(given, make, read_all, CASE_S)


if __name__ == "__main__":
    sys.exit(min(main(), 1))
