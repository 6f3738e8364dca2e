"""Photographs, panoramas and textures in packages whose licence allows commercial use and changes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from free_provenance import Source

from edgefg.errors import DataError
from edgefg.imaging.io import Image, read_image

SIZE = (384, 288)
"""Width and height of backdrops in pixels."""


@dataclass(frozen=True)
class Pictures:
    """Pictures of one licence in a package, as `free_packages.sh` unpacks it.

    Attributes:
        package: The package's name.
        files: The pictures, relative to the folder of packages; may have wildcards.
        use: ``photo``: crops of it are backdrops; ``panorama``: views into it are; ``texture``: for drawn things.
        source: Where they are from, and under which licence.
    """

    package: str
    files: tuple[str, ...]
    use: Literal["photo", "panorama", "texture"]
    source: Source


_SCENES, _WALLS = "usr/share/blender/datafiles/studiolights/world/", "usr/share/mypaint/backgrounds/"
_SKIMAGE, _SKLEARN = "python/skimage/data/", "python/sklearn/datasets/images/"
_CC0, _CC0_AT = "CC0 1.0", "https://creativecommons.org/publicdomain/zero/1.0/"
_GPL_AT = "https://www.gnu.org/licenses/old-licenses/gpl-2.0.html"
_BY_AT = "https://creativecommons.org/licenses/by/2.0/"


def _skimage(
    name: str, licence: str, author: str, files: tuple[str, ...], use: Literal["photo", "texture"]
) -> Pictures:
    source = Source(
        f"skimage-{name}", licence, _CC0_AT if licence == _CC0 else "", author, "https://scikit-image.org",
        "PyPI package scikit-image; the licence is in the docstring of skimage.data",
    )  # fmt: skip
    return Pictures("scikit-image", tuple(_SKIMAGE + file for file in files), use, source)


def _sklearn(file: str, author: str, address: str) -> Pictures:
    where = "PyPI package scikit-learn; the licence is in sklearn/datasets/images/README.txt"
    source = Source(f"sklearn-{Path(file).stem}", "CC BY 2.0", _BY_AT, author, address, where)
    return Pictures("scikit-learn", (_SKLEARN + file,), "photo", source)


PICTURES = (
    Pictures(
        "blender-data",
        tuple(f"{_SCENES}{name}.exr" for name in ("city", "courtyard", "forest", "interior", "night", "studio",
                                                 "sunrise", "sunset")),
        "panorama",
        Source("blender-panoramas", _CC0, _CC0_AT, "Greg Zaal (HDRI Haven)", "https://hdrihaven.com",
               "Debian package blender-data; the licence is in datafiles/studiolights/world/license.txt"),
    ),
    Pictures(
        "mypaint-data-extras", (f"{_WALLS}mrmamurk/*.png",), "texture",
        Source("mypaint-mrmamurk", _CC0, _CC0_AT, "MrMamurk", "http://mypaint.org",
               "Debian package mypaint-data-extras, its copyright file"),
    ),
    Pictures(
        "mypaint-data-extras", (f"{_WALLS}ramon/*.png",), "texture",
        Source("mypaint-ramon", _CC0, _CC0_AT, "Ramón Miranda", "http://mypaint.org",
               "Debian package mypaint-data-extras, its copyright file"),
    ),
    _skimage("textures", _CC0, "CC0Textures", ("brick.png", "grass.png", "gravel.png"), "texture"),
    _skimage("coffee", _CC0, "Rachel Michetti", ("coffee.png",), "photo"),
    _skimage("cat", _CC0, "Stefan van der Walt", ("chelsea.png",), "photo"),
    _skimage("camera", _CC0, "Lav Varshney", ("camera.png",), "photo"),
    _skimage("rocket", "public domain", "SpaceX", ("rocket.jpg",), "photo"),
    _sklearn("china.jpg", "danielbuechele", "https://www.flickr.com/photos/danielbuechele/6061409035/"),
    _sklearn("flower.jpg", "vultilion", "https://www.flickr.com/photos/vultilion/6056698931/"),
    Pictures(
        "mate-backgrounds",
        tuple(f"usr/share/backgrounds/mate/nature/{name}.jpg" for name in (
            "Aqua", "Blinds", "Dune", "FreshFlower", "Garden", "GreenMeadow", "LadyBird", "RainDrops", "Storm",
            "TwoWings", "Wood", "YellowFlower")),
        "photo",
        Source("mate-nature", "GPL-2.0-or-later", _GPL_AT, "the photographers in the package's copyright file",
               "https://mate-desktop.org", "Debian package mate-backgrounds, its copyright file", share_alike=True),
    ),
    Pictures(
        "plasma-workspace-wallpapers",
        tuple(f"usr/share/wallpapers/{name}/contents/images/2560x1600.jpg" for name in (
            "Autumn", "BytheWater", "ColdRipple", "ColorfulCups", "EveningGlow", "FallenLeaf", "Grey", "Kite",
            "OneStandsOut", "Path")),
        "photo",
        Source("plasma-photographs", "GPL-2.0-or-later, LGPL-3.0", _GPL_AT, "the authors in each metadata.json",
               "https://kde.org", "Debian package plasma-workspace-wallpapers, its copyright file", share_alike=True),
    ),
)  # fmt: skip


def pictures_of(pictures: Pictures, packages: Path) -> Iterator[tuple[Path, Image]]:
    """Yields each picture, (H, W, 3) uint8 BGR; panoramas (H, W, 3) float32.

    Raises:
        DataError: The package is not there.
    """
    for pattern in pictures.files:
        files = sorted(packages.glob(pattern))
        if not files:
            raise DataError(
                f"{packages / pattern}: expected pictures of the package {pictures.package}, found none; "
                f"run examples/research/free_packages.sh {packages}"
            )
        for file in files:
            if pictures.use == "panorama":
                yield file, _read_panorama(file)
            else:
                yield file, read_image(file, error=DataError)


def versions_of(packages: Path) -> dict[str, str]:
    """Returns the versions of the unpacked packages by name."""
    listed = packages / "packages.txt"
    words = listed.read_text(encoding="utf-8").split() if listed.is_file() else []
    debian = dict(zip(words[1::4], words[3::4], strict=True))  # Package: NAME Version: VERSION
    return debian | dict(folder.stem.split("-") for folder in (packages / "python").glob("*.dist-info"))


def _read_panorama(file: Path) -> Image:
    """Reads light from an OpenEXR file, (H, W, 3) float32 BGR: most builds of cv2 do not."""
    try:
        import OpenEXR
    except ImportError as reason:
        raise DataError(f"{file}: expected OpenEXR to read this file with, found none; pip install OpenEXR") from reason
    channels = OpenEXR.File(str(file)).channels()
    light = channels["RGB"].pixels if "RGB" in channels else np.dstack([channels[name].pixels for name in "RGB"])
    return np.ascontiguousarray(light[..., ::-1], np.float32)


def crops_of(photo: Image) -> list[Image]:
    """Returns backdrops from a photograph: the whole of it as far as the shape allows, and a part twice as close."""
    crops = []
    height, width = photo.shape[:2]
    for share, across in ((1.0, 0.5), (0.55, 0.15), (0.55, 0.85)):
        w = int(min(width, height * SIZE[0] / SIZE[1]) * share)
        h = int(w * SIZE[1] / SIZE[0])
        if w < SIZE[0] * 0.75:
            continue
        left, top = int((width - w) * across), int((height - h) * 0.6)
        crops.append(cv2.resize(photo[top : top + h, left : left + w], SIZE, interpolation=cv2.INTER_AREA))
    return crops


def views_of(panorama: Image, count: int = 8) -> list[Image]:
    """Returns views of a camera that looks around from the middle of a panorama, each a little downwards."""
    height, width = panorama.shape[:2]
    views = []
    for index in range(count):
        reach = np.tan(np.radians((80, 60)[index % 2]) / 2)
        x, y = np.meshgrid(np.linspace(-reach, reach, SIZE[0]), np.linspace(-reach, reach, SIZE[1]) * SIZE[1] / SIZE[0])
        down = np.radians(5 + 12 * (index % 3))
        forward = np.cos(down) - y * np.sin(down)
        sunk = np.sin(down) + y * np.cos(down)
        across = np.arctan2(x, forward) + 2 * np.pi * (index + 0.5) / count
        deep = np.arctan2(sunk, np.hypot(x, forward))
        at_x = ((across / (2 * np.pi)) % 1 * width).astype(np.float32)
        at_y = np.clip((deep / np.pi + 0.5) * height, 0, height - 1).astype(np.float32)
        light = cv2.remap(panorama, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        views.append(_developed(np.maximum(light, 0)))
    return views


def _developed(light: Image) -> Image:
    """Turns light into a picture as a camera does: exposed for the middle tones, highlights rolled off, gamma."""
    exposed = light * (0.25 / max(float(np.median(light)), 1e-4))
    rolled = exposed * (1 + exposed / 9) / (1 + exposed)
    return np.clip(np.rint(255 * np.clip(rolled, 0, 1) ** (1 / 2.2)), 0, 255).astype(np.uint8)
