"""Labelled sequences on disk, and their split for the protocol ``scene``."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..errors import DataError, OptionError
from ..imaging.io import Image, read_image
from .labels import LEVELS, MOVING, OUTSIDE, SHADOW, STATIC, UNKNOWN, to_levels
from .layouts import natural_entries, natural_images, numbered_masks, paired_masks

__all__ = [
    "LEVELS",
    "MOVING",
    "OUTSIDE",
    "SHADOW",
    "STATIC",
    "UNKNOWN",
    "Dataset",
    "LabelledSequence",
    "SceneSplit",
    "fingerprint",
    "open_dataset",
    "scene_split",
]


@dataclass(frozen=True)
class LabelledSequence:
    """The frames of one scene, and the masks of some of them.

    Attributes:
        name: Path relative to the data's root, with ``/``.
        category: Name of the folder that holds the sequence.
        path: The sequence's folder.
        layout: ``cdnet``, or ``pairs`` (a background, frames and masks in one folder).
        inputs: Files of all frames, in order.
        masks: Mask file of each labelled frame.
        background_file: Clean background of a set (layout ``pairs``).
        roi_file: Image that marks the region of interest.
    """

    name: str
    category: str
    path: Path
    layout: Literal["cdnet", "pairs"]
    inputs: tuple[Path, ...] = field(repr=False)
    masks: Mapping[Path, Path] = field(repr=False, hash=False)
    background_file: Path | None = field(default=None, repr=False)
    roi_file: Path | None = field(default=None, repr=False)

    @cached_property
    def labelled(self) -> tuple[Path, ...]:
        """The frames that have a mask and lie inside the temporal region of interest, in order."""
        return tuple(self.masks)

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height of the first frame in pixels; all other images must have the same size."""
        height, width = read_image(self.inputs[0], error=DataError).shape[:2]
        return width, height

    def frame(self, path: Path) -> Image:
        """Reads one of ``inputs``: ``(H, W, 3) uint8 BGR``.

        Raises:
            DataError: The frame cannot be read, or has another size than the first.
        """
        return self._read(path, gray=False)

    def truth(self, path: Path) -> Image:
        """Reads the mask of one of ``labelled``: ``(H, W) uint8`` with the five levels; 85 outside the ROI.

        Raises:
            DataError: The mask cannot be read, has another size than the frames, or has wrong levels.
        """
        mask_file = self.masks[path]
        mask = self._read(mask_file, gray=True)
        try:
            truth = to_levels(mask)
        except DataError as reason:
            raise DataError(f"{mask_file}: {reason}") from reason
        if self._roi is not None:
            truth[~self._roi] = OUTSIDE
        return truth

    def roi(self) -> npt.NDArray[np.bool_] | None:
        """Returns the region of interest, ``(H, W) bool``; None if the whole image counts.

        Raises:
            DataError: The region cannot be read, is empty, or has another size than the frames.
        """
        return None if self._roi is None else self._roi.copy()

    def background(self) -> Image | None:
        """Reads the clean background of a set, ``(H, W, 3) uint8 BGR``; returns None in the layout ``cdnet``.

        Raises:
            DataError: The background cannot be read, or has another size than the first frame.
        """
        return None if self.background_file is None else self._read(self.background_file, gray=False)

    def background_or(self, frame: Path) -> Image:
        """Reads the clean background of a set, or else one of ``inputs``: ``(H, W, 3) uint8 BGR``.

        Raises:
            DataError: The image cannot be read, or has another size than the first frame.
        """
        own = self.background()
        return self.frame(frame) if own is None else own

    @cached_property
    def _roi(self) -> npt.NDArray[np.bool_] | None:
        if self.roi_file is None:
            return None
        inside: npt.NDArray[np.bool_] = self._read(self.roi_file, gray=True) > 127
        if not inside.any():
            raise DataError(f"{self.roi_file}: expected 255 inside the region of interest, found no pixel above 127")
        return inside

    def _read(self, path: Path, *, gray: bool) -> Image:
        image = read_image(path, gray=gray, error=DataError)
        height, width = image.shape[:2]
        if (width, height) != self.size:
            expected = f"{self.size[0]}x{self.size[1]} like {self.inputs[0].name}"
            raise DataError(f"{path}: expected {expected}, found {width}x{height}; resize it, or remove it")
        return image


@dataclass(frozen=True)
class Dataset:
    """Labelled sequences below one root folder.

    Attributes:
        root: Folder that the names of the sequences are relative to.
        sequences: The sequences in natural order of their names, or in the order of the JSON file.
        source: Folder or JSON file that was opened.
        part: Name of the list in the JSON file.
    """

    root: Path
    sequences: tuple[LabelledSequence, ...]
    source: Path
    part: str | None = None


@dataclass(frozen=True)
class SceneSplit:
    """The frames of one sequence, split for the protocol ``scene``.

    Attributes:
        train: 30% of the labelled frames, in order.
        validate: 10% of them.
        test: The remaining ones.
        background: Frame of ``test`` with the most foreground. It stays in ``test``.
    """

    train: tuple[Path, ...]
    validate: tuple[Path, ...]
    test: tuple[Path, ...]
    background: Path


def open_dataset(data: str | Path, part: str | None = None) -> Dataset:
    """Finds labelled sequences.

    Args:
        data: A folder to search, one sequence's folder, or a JSON file ``{part: [sequence folders relative to it]}``.
        part: Name of a list in the JSON file; optional if the file has only one.

    Raises:
        DataError: There are no sequences, or one lacks a file. Images are read and checked later.
        OptionError: ``part`` is missing, unknown, or passed with a folder.
    """
    path = Path(data)
    if path.is_dir():
        if part is not None:
            raise OptionError(f"part={part!r}: expected a JSON file of parts, got the folder {path}")
        return _open_folder(path)
    if path.is_file():
        return _open_list(path, part)
    raise DataError(f"{path}: expected a folder of sequences or a JSON file of parts, found nothing there")


def scene_split(sequence: LabelledSequence, seed: int = 0) -> SceneSplit:
    """Splits a sequence for the protocol ``scene``. The same seed and file names select the same frames everywhere.

    Raises:
        DataError: The sequence has fewer than 3 labelled frames, or a mask cannot be read.
    """
    count = len(sequence.labelled)
    if count < 3:
        raise DataError(f"{sequence.path}: expected 3 labelled frames or more for the protocol scene, found {count}")
    # Hashes instead of a random generator, so that no library version can change the split.
    shuffled = sorted(sequence.labelled, key=lambda path: hashlib.sha256(f"{seed}/{path.name}".encode()).digest())
    train_end = max(1, round(0.3 * count))
    validate_end = train_end + max(1, round(0.1 * count))
    train, validate, test = (
        tuple(path for path in sequence.labelled if path in chosen)
        for chosen in map(set, (shuffled[:train_end], shuffled[train_end:validate_end], shuffled[validate_end:]))
    )
    background = max(test, key=lambda path: np.count_nonzero(sequence.truth(path) == MOVING))
    return SceneSplit(train, validate, test, background)


def fingerprint(frame: Path) -> str:
    """Returns the start of the SHA-256 of a frame's file, in hex. A bundle's card lists its training frames by it.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        return hashlib.sha256(frame.read_bytes()).hexdigest()[:16]
    except OSError as reason:
        raise DataError(f"{frame}: cannot read this frame: {reason.strerror}") from reason


def _open_folder(folder: Path) -> Dataset:
    sequence = _read_sequence(folder, folder.resolve().name)
    if sequence is not None:
        return Dataset(folder.resolve().parent, (sequence,), folder)
    sequences = tuple(_search(folder, folder, {folder.resolve()}))
    if not sequences:
        expected = "a sequence (input/ and groundtruth/) or a set (background.jpg, K.jpg and K_mask.png)"
        raise DataError(f"{folder}: expected {expected} in it or below it, found none")
    return Dataset(folder, sequences, folder)


def read_parts(file: Path) -> dict[str, list[str]]:
    """Reads the sequence folders of each part of a JSON file, as written there; the folders may not exist.

    Raises:
        DataError: The file is not a JSON file of parts.
    """
    try:
        parts = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as reason:
        expected = "a folder of sequences or a JSON file of parts"
        raise DataError(f"{file}: expected {expected}, found a file that is not JSON: {reason}") from reason
    if not isinstance(parts, dict) or not all(
        isinstance(entries, list) and all(isinstance(entry, str) for entry in entries) for entries in parts.values()
    ):
        raise DataError(f'{file}: expected {{"PART": ["SEQUENCE FOLDER", ...]}}, found JSON of another shape')
    return parts


def _open_list(file: Path, part: str | None) -> Dataset:
    parts = read_parts(file)
    names = ", ".join(parts)
    if part is None:
        if len(parts) != 1:
            raise OptionError(f"{file} has {len(parts)} parts: choose one with part=: {names}")
        (part,) = parts
    if part not in parts:
        raise OptionError(f"part={part!r}: expected a part of {file}: {names}")
    if not parts[part]:
        raise DataError(f"{file}: expected sequence folders in the part {part!r}, found an empty list")
    return Dataset(file.parent, tuple(_listed_sequences(file, parts[part])), file, part)


def _listed_sequences(file: Path, entries: list[str]) -> Iterator[LabelledSequence]:
    seen: set[str] = set()
    for entry in entries:
        folder = file.parent / entry
        name = Path(entry).as_posix()
        if name in seen:
            raise DataError(f"{file}: expected each sequence once, found {entry!r} twice in one part")
        seen.add(name)
        sequence = _read_sequence(folder, name) if folder.is_dir() else None
        if sequence is None:
            raise DataError(f"{file}: expected a sequence's folder at {folder}, found none")
        yield sequence


def _search(folder: Path, root: Path, visited: set[Path]) -> Iterator[LabelledSequence]:
    for child in natural_entries(folder):
        if not child.is_dir() or child.resolve() in visited:  # a link may point back up
            continue
        visited.add(child.resolve())
        sequence = _read_sequence(child, child.relative_to(root).as_posix())
        if sequence is not None:
            yield sequence
        else:
            yield from _search(child, root, visited)


def _read_sequence(folder: Path, name: str) -> LabelledSequence | None:
    """Returns the sequence in a folder, or None if the folder is not one."""
    category = folder.resolve().parent.name
    if (folder / "input").is_dir():
        inputs, masks = numbered_masks(folder)
        roi_file = next((path for name in ("ROI.bmp", "ROI.png") if (path := folder / name).is_file()), None)
        return LabelledSequence(name, category, folder, "cdnet", inputs, masks, roi_file=roi_file)
    images = natural_images(folder)
    background = next((path for path in images if path.stem == "background"), None)
    if background is not None or any(path.stem.endswith("_mask") for path in images):
        if background is None:
            raise DataError(f"{folder}: expected background.jpg or background.png next to the frames, found neither")
        inputs, masks = paired_masks(images)
        if not inputs:
            raise DataError(f"{folder}: expected frames K.jpg with K_mask.png next to {background.name}, found none")
        return LabelledSequence(name, category, folder, "pairs", inputs, masks, background_file=background)
    return None
