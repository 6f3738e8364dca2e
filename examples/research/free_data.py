"""Makes training data from nothing but what may be used and shipped commercially; docs/training.md has a section.

Run: sh examples/research/free_packages.sh PACKAGES
     python examples/research/free_data.py CLIPS OUT --packages PACKAGES
     edgefg train --data OUT/splits.json --part train --out runs/free

CLIPS holds a folder of frames for each clip of a fixed camera. OUT gets labelled sequences, backgrounds/, objects/ and
shape_masks/, as `edgefg train` reads them, splits.json, and provenance.json: each source, its licence, and its files.
A clip that is not in free_clips.py needs CLIPS/sources.json: {"CLIP": {"licence": ..., "licence_address": ...,
"author": ..., "address": ..., "taken_from": ...}}. OUT/sheets/ shows frames and labels: look at them before you train.
"""

import argparse
import json
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from free_clips import INTEL, KNOWN, KNOWN_PACKAGED, PACKAGED, Clip, Known, backdrop_of, read_clip
from free_drawings import KINDS, place
from free_labels import Backdrop, label, measure
from free_pictures import PICTURES, SIZE, crops_of, pictures_of, versions_of, views_of
from free_provenance import Provenance, Source

from edgefg.datasets.labels import MOVING, STATIC, UNKNOWN
from edgefg.errors import DataError
from edgefg.imaging.io import Image
from edgefg.utils.resources import CLIP

MEASURED_FRAMES = 16
WALL_FRAMES = 8
"""Most frames of people before a wall: they hardly move."""

MAX_CUTOUTS, MIN_CUTOUT_PX = 24, 600
MAX_UNSURE_RING, MAX_UNSURE = 0.35, 0.04
"""Most unknown pixels around a cut-out, and most in it, as shares of its own."""

MAX_SHAPES = 24
ALIKE = 0.8
"""Overlap of two masks in a row from which the second frame shows nothing new."""


def source_of(clip: Path) -> Source:
    """Returns a clip's source; nothing is used without one."""
    if clip.stem in KNOWN:
        return INTEL
    listed = clip.parent / "sources.json"
    facts = json.loads(listed.read_text(encoding="utf-8")) if listed.is_file() else {}
    if clip.stem not in facts:
        raise DataError(f"{listed}: expected the licence of {clip.stem}, found none; add it, or remove the clip")
    return Source(clip.stem, **facts[clip.stem])


class Folder:
    """The data folder: writes what is made, and notes its source."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.provenance = Provenance(root)
        self.sequences: list[str] = []

    def save(self, source: Source, name: str, image: Image) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 95] if path.suffix == ".jpg" else []):
            raise DataError(f"{path}: cannot write this picture; check the disk, or choose another folder")
        self.provenance.add(source, path)

    def object(self, source: Source, name: str, image: Image, numbers: Image) -> None:
        self.save(source, f"objects/{name}.jpg", image)
        self.save(source, f"objects/{name}.png", numbers)

    def sequence(self, source: Source, clip: Clip, labels: dict[int, Image], backdrop: Image) -> None:
        """Writes labelled frames, and the backdrop after them: some places are empty in no labelled frame."""
        for index, truth in labels.items():
            frame = self.root / f"scenes/{clip.name}/input/in{index:06d}"
            if clip.files:  # as it came: a second JPEG would be worse
                frame = frame.with_suffix(clip.files[index].suffix)
                frame.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(clip.files[index], frame)
                self.provenance.add(source, frame)
            else:
                self.save(source, f"scenes/{clip.name}/input/{frame.name}.jpg", clip.frames[index])
            self.save(source, f"scenes/{clip.name}/groundtruth/gt{index:06d}.png", truth)
        end = len(clip.frames)
        self.save(source, f"scenes/{clip.name}/input/in{end:06d}.jpg", backdrop)
        self.save(source, f"scenes/{clip.name}/groundtruth/gt{end:06d}.png", np.full_like(backdrop[..., 0], STATIC))
        self.sequences.append(f"scenes/{clip.name}")


def labelled(clip: Clip, backdrop: Backdrop, known: Known) -> Iterator[tuple[int, Image]]:
    """Yields the frames with labels beyond doubt that show something new."""
    step = max(1, len(clip.frames) // WALL_FRAMES) if known.use == "wall" else 1
    last = None
    for index in range(0, len(clip.frames), step):
        truth = None if index in known.skipped else label(clip.frames[index], backdrop, known.darkest)
        if truth is None:
            continue
        moving = truth == MOVING
        if last is not None:
            union = np.count_nonzero(moving | last)
            if union == 0 or np.count_nonzero(moving & last) > ALIKE * union:
                continue
        last = moving
        yield index, truth


def numbered(truth: Image, may_touch_below: bool) -> Image:
    """Returns the whole objects of a mask as numbers from 1; those that the frame cuts are left out."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats((truth == MOVING).astype(np.uint8))
    height, width = truth.shape
    numbers, number = np.zeros(truth.shape, np.uint8), 0
    for part in range(1, count):
        x, y, w, h, area = stats[part]
        cut = x == 0 or y == 0 or x + w == width or (y + h == height and not may_touch_below)
        inside = parts == part
        around = cv2.dilate(inside.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        ring = np.count_nonzero(around & (truth == UNKNOWN)) / np.count_nonzero(around)
        outline, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        whole = cv2.drawContours(np.zeros(truth.shape, np.uint8), outline, -1, 1, -1)
        unsure = np.count_nonzero((whole > 0) & (truth == UNKNOWN)) / area
        if area >= MIN_CUTOUT_PX and not cut and ring < MAX_UNSURE_RING and unsure < MAX_UNSURE:
            number += 1
            numbers[inside] = number
    return numbers


def spread(items: list[int], most: int) -> list[int]:
    """Returns at most `most` of the items, evenly."""
    return items if len(items) <= most else [items[i] for i in np.linspace(0, len(items) - 1, most).astype(int)]


def sheet(clip: Clip, backdrop: Backdrop, labels: dict[int, Image], columns: int = 4, most: int = 23) -> Image:
    """Draws the backdrop, and frames next to their labels: objects as they are, unknown red, the rest green."""
    tiles = [np.hstack([backdrop.image, np.zeros_like(backdrop.image)])]
    for index in spread(list(labels), most):
        frame, truth = clip.frames[index], labels[index]
        shown = np.full_like(frame, (0, 90, 0))
        shown[truth == UNKNOWN] = (0, 0, 220)
        shown[truth == MOVING] = frame[truth == MOVING]
        named = cv2.putText(frame.copy(), str(index), (4, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 255, 255), 1)
        tiles.append(np.hstack([named, shown]))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[at : at + columns]) for at in range(0, len(tiles), columns)]
    return cv2.resize(np.vstack(rows), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def add_clip(folder: Folder, source: Source, clip: Clip, known: Known, image: Image) -> str:
    """Labels a clip before its backdrop, and writes all that it gives; returns a line about it."""
    step = max(1, len(clip.frames) // MEASURED_FRAMES)
    backdrop = Backdrop(image, measure(image, clip.frames[::step]).noise)
    labels = dict(labelled(clip, backdrop, known))
    moving = [index for index, truth in labels.items() if (truth == MOVING).any()]
    if known.use == "scene" and moving:
        folder.sequence(source, clip, labels, image)
    if known.use == "scene" and not known.view:
        folder.save(source, f"backgrounds/{clip.name}.jpg", image)
    cutouts = 0
    for index in moving:
        numbers = numbered(labels[index], may_touch_below=known.use == "wall")
        if numbers.any() and cutouts < MAX_CUTOUTS:
            folder.object(source, f"{clip.name}/{index:06d}", clip.frames[index], numbers)
            cutouts += 1
    for index in spread(moving, MAX_SHAPES):
        shape = np.where(labels[index] == MOVING, 255, 0).astype(np.uint8)
        folder.save(source, f"shape_masks/{clip.name}/{index:06d}.png", shape)
    sheets = folder.root / "sheets"
    sheets.mkdir(exist_ok=True)
    cv2.imwrite(str(sheets / f"{clip.name}.png"), sheet(clip, backdrop, labels))
    return f"{clip.name}: {len(labels)} of {len(clip.frames)} frames labelled, {cutouts} with cut-outs"


def add_clips(folder: Folder, paths: list[Path]) -> None:
    """Adds every clip whose source is known and whose backdrop is clean."""
    backdrops: dict[str, Image] = {}
    for path in sorted(paths, key=lambda path: bool(KNOWN.get(path.stem, Known()).view)):
        known = KNOWN_PACKAGED if path == CLIP else KNOWN.get(path.stem, Known())
        source = PACKAGED if path == CLIP else source_of(path)
        if known.use == "no":
            folder.provenance.leave_out(path.stem, known.why)
            continue
        clip = read_clip(path)
        try:
            backdrops[path.stem] = backdrops[known.view] if known.view in backdrops else backdrop_of(clip, known)
        except DataError as reason:
            folder.provenance.leave_out(path.stem, str(reason))
            print(reason, flush=True)
            continue
        print(add_clip(folder, source, clip, known, backdrops[path.stem]), flush=True)


def add_pictures(folder: Folder, packages: Path, share_alike: bool) -> list[Image]:
    """Adds the packages' pictures as backdrops, and returns those that are textures."""
    textures: list[Image] = []
    for pictures in PICTURES:
        if pictures.source.share_alike and not share_alike:
            folder.provenance.leave_out(pictures.source.name, f"{pictures.source.licence}: only with --share-alike")
            continue
        for file, picture in pictures_of(pictures, packages):
            if pictures.use == "texture":
                textures.append(picture)
                folder.provenance.use(pictures.source, file.name)
            views = {"photo": crops_of, "panorama": views_of}.get(pictures.use, lambda _: [])(picture)
            for index, view in enumerate(views):
                name = f"backgrounds/{pictures.source.name}-{file.stem.replace(' ', '_')}-{index}.jpg"
                folder.save(pictures.source, name, view)
    return textures


def add_drawings(folder: Folder, textures: list[Image], count: int, seed: int) -> None:
    """Adds `count` drawn objects, and a tenth as many drawn places as backdrops."""
    note = "Some wear the textures of the sources that have `used`." if textures else ""
    ours = Source("drawn", "Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0", "The edgefg authors", "",
                  "examples/research/free_drawings.py", note)  # fmt: skip
    rng = np.random.default_rng(seed)
    kinds, shares = list(KINDS), [share for _, share in KINDS.values()]
    for index in range(count):
        kind = kinds[rng.choice(len(kinds), p=shares)]
        drawn = KINDS[kind][0](rng, textures)
        rows, columns = np.flatnonzero(drawn.shape.any(axis=1)), np.flatnonzero(drawn.shape.any(axis=0))
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        folder.object(ours, f"drawn/{kind}-{index:04d}", drawn.image[box], drawn.shape[box].astype(np.uint8))
    for index in range(count // 10):
        folder.save(ours, f"backgrounds/drawn-{index:04d}.jpg", place(rng, textures, SIZE))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--packages", type=Path, help="folder that free_packages.sh has filled; no pictures without it")
    parser.add_argument("--share-alike", action="store_true", help="also pictures under GPL, LGPL and CC BY-SA")
    parser.add_argument("--no-packaged-clip", action="store_true", help="leave out the clip that comes with edgefg")
    parser.add_argument("--drawn", type=int, default=240, help="drawn objects (default 240)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    if arguments.out.exists() and any(arguments.out.iterdir()):
        parser.error(f"{arguments.out}: expected a new or an empty folder, found files; choose another")
    if not arguments.clips.is_dir():
        parser.error(f"{arguments.clips}: expected a folder of clips, found none")
    folder = Folder(arguments.out)
    paths = sorted(path for path in arguments.clips.iterdir() if path.is_dir())
    if not arguments.no_packaged_clip:
        paths.append(CLIP)
    try:
        add_clips(folder, paths)
        textures = add_pictures(folder, arguments.packages, arguments.share_alike) if arguments.packages else []
        add_drawings(folder, textures, arguments.drawn, arguments.seed)
    except DataError as reason:
        raise SystemExit(str(reason)) from reason
    splits = {"train": sorted(folder.sequences)}
    (arguments.out / "splits.json").write_text(json.dumps(splits, indent=1) + "\n", encoding="utf-8")
    versions = versions_of(arguments.packages) if arguments.packages else {}
    folder.provenance.write("python examples/research/free_data.py " + shlex.join(sys.argv[1:]), versions)
    print(folder.provenance.table())


if __name__ == "__main__":
    main()
