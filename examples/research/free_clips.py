"""Clips of fixed cameras: their frames, their backdrops without objects, and what has been seen in known clips."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from free_labels import DARKEST, in_light_of, unclean_share, wall_behind
from free_provenance import Source

from edgefg.datasets.layouts import natural_images
from edgefg.errors import DataError
from edgefg.imaging.io import Image, read_image
from edgefg.imaging.median import temporal_median
from edgefg.media.reader import open_video

MAX_UNCLEAN = 0.02
"""Most pixels of a median that too few frames agree with."""


@dataclass(frozen=True)
class Patch:
    """A part of a backdrop from other frames, first to last: (left, top, right, bottom) in shares of the frame."""

    box: tuple[float, float, float, float]
    frames: tuple[int, int]


@dataclass(frozen=True)
class Known:
    """What a person has seen in a clip. Frames are counted from 0.

    Attributes:
        use: ``scene``: objects before a backdrop; ``wall``: people who never leave, before a plain wall, as cut-outs
            only; ``no``: left out.
        empty: Ranges of frames, last one included, whose median shows no object; all frames if there are none.
        patches: Parts of the backdrop from other frames.
        view: The clip of the same camera whose backdrop serves here too.
        skipped: Frames whose labels look wrong.
        darkest: Least share of the light that a shadow leaves.
        why: Why it is left out, or what the rest is for.
    """

    use: Literal["scene", "wall", "no"] = "scene"
    empty: tuple[tuple[int, int], ...] = ()
    patches: tuple[Patch, ...] = ()
    view: str = ""
    skipped: tuple[int, ...] = ()
    darkest: float = DARKEST
    why: str = ""


INTEL = Source(
    "intel",
    "CC BY 4.0",
    "https://creativecommons.org/licenses/by/4.0/",
    "Intel Corporation, sample videos",
    "https://github.com/intel-iot-devkit/sample-videos",
    "the repository's MP4 files and GIF previews, thinned and shrunk to 384x216",
)
"""Source of the clips in KNOWN."""

PACKAGED = Source(
    "people",
    "Apache-2.0 AND BSD-3-Clause",
    "https://www.apache.org/licenses/LICENSE-2.0",
    "OpenCV contributors; the whole notice is in NOTICE",
    "https://opencv.org",
    "edgefg/data/people.mp4, from samples/data/vtest.avi in the Debian package opencv-doc",
    "The footage appears to come from the PETS 2009 benchmark; neither OpenCV nor Debian says so. The clip is also the "
    "demo's example.",
)
"""Source of the clip that comes with edgefg."""

KNOWN = {
    "bolt-multi-size-detection-gif": Known(darkest=0.2),
    "bottle-detection": Known(
        empty=((29, 34),),
        patches=(Patch((0.72, 0, 1, 1), (51, 54)),),
        skipped=(20, 22, 25, 26),
        why="bottles are taken and put back one by one",
    ),
    "bottle-detection-gif": Known("no", why="the same footage as bottle-detection"),
    "car-detection": Known(skipped=(18, 30, 40), darkest=0.2),
    "car-detection-gif": Known(view="car-detection", darkest=0.2, why="cars fill the median"),
    "classroom-gif": Known("no", why="people sit still from start to end"),
    "face-demographics-walking-and-pause-gif": Known("no", why="people hide the middle from start to end"),
    "face-demographics-walking-gif": Known("no", why="a man hides the middle from start to end"),
    "fruit-and-vegetable-detection-gif": Known(darkest=0.2),
    "head-pose-face-detection-female-and-male-gif": Known("no", why="people hide most of the wall from start to end"),
    "head-pose-face-detection-female-gif": Known("wall"),
    "head-pose-face-detection-male-gif": Known("wall"),
    "one-by-one-person-detection": Known(
        empty=((0, 2), (20, 20), (31, 31), (39, 39), (53, 53), (60, 60)),
        skipped=(52, 59),
        why="people stand still at the same place",
    ),
    "one-by-one-person-detection-gif": Known(view="one-by-one-person-detection", why="one person fills the median"),
    "store-aisle-detection-gif": Known("no", why="two people stand in the aisle from start to end"),
    "people-detection-gif": Known(),
    "person-bicycle-car-detection-gif": Known(
        empty=((30, 40),),
        patches=(Patch((0, 0, 0.31, 0.46), (0, 5)), Patch((0.74, 0, 1, 0.25), (0, 10))),
        darkest=0.2,
        why="a car crosses slowly",
    ),
    "worker-zone-detection-gif": Known(
        empty=((50, 70),), patches=(Patch((0.1, 0, 0.42, 1), (0, 9)),), why="a worker comes in and stays"
    ),
}


KNOWN_PACKAGED = Known(
    empty=((0, 33),), patches=(Patch((0.8, 0.48, 0.9, 0.72), (20, 33)),), why="a person stands in half of the frames"
)
"""The clip that comes with edgefg."""


@dataclass(frozen=True)
class Clip:
    """A clip's frames: (H, W, 3) uint8 BGR each, and their files where they are files."""

    name: str
    frames: list[Image]
    files: list[Path]


def read_clip(path: Path, every_s: float = 0.4) -> Clip:
    """Reads a folder of frames, or some frames a second of a video."""
    if path.is_dir():
        files = natural_images(path)
        if not files:
            raise DataError(f"{path}: expected a clip's frames as JPEG or PNG files, found none; remove the folder")
        return Clip(path.name, [read_image(file, error=DataError) for file in files], files)
    source = open_video(path)
    step = max(1, round(every_s * source.fps))
    return Clip(path.stem, [frame for index, frame in enumerate(source) if index % step == 0], [])


def backdrop_of(clip: Clip, known: Known) -> Image:
    """Returns the clip's backdrop without objects, (H, W, 3) uint8 BGR.

    Raises:
        DataError: Its median is not clean, and its empty frames are not listed.
    """
    if known.use == "wall":
        return wall_behind(clip.frames)
    if not known.empty:
        median = temporal_median(clip.frames)
        unclean = unclean_share(median, clip.frames)
        if unclean > MAX_UNCLEAN:
            raise DataError(
                f"{clip.name}: the median is not clean: {unclean:.1%} of its pixels change, expected at most "
                f"{MAX_UNCLEAN:.0%}; name the frames without objects in free_clips.py, or leave the clip out"
            )
        return median
    median = _median_of(clip, known.empty)
    height, width = median.shape[:2]
    for patch in known.patches:
        left, top, right, bottom = np.multiply(patch.box, (width, height, width, height)).round().astype(int)
        box = np.s_[top:bottom, left:right]
        other = _median_of(clip, (patch.frames,))
        median[box] = in_light_of(other, median)[box]
    return median


def _median_of(clip: Clip, ranges: tuple[tuple[int, int], ...]) -> Image:
    return temporal_median([frame for first, last in ranges for frame in clip.frames[first : last + 1]])
