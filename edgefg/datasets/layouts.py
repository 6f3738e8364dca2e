"""The two layouts of labelled data on disk: sequences as in CDnet2014, and sets of a background, frames and masks.

    CATEGORY/SEQUENCE/                      ANYTHING/SET/
        input/in000470.jpg ...                  background.jpg
        groundtruth/gt000470.png ...            0.jpg  0_mask.png  1.jpg  1_mask.png ...
        ROI.bmp           (optional)
        temporalROI.txt   (optional)

In the first layout a frame and its mask have the same number. Numbers may start anywhere and have gaps.
"""

import re
from pathlib import Path

from ..errors import DataError
from ..imaging.io import IMAGE_SUFFIXES, natural_order


def paired_masks(images: list[Path]) -> tuple[tuple[Path, ...], dict[Path, Path]]:
    """Returns the frames among a set's images, in order, and their masks.

    Raises:
        DataError: A frame has no mask.
    """
    mask_of_stem = {path.stem: path for path in images if path.stem.endswith("_mask")}
    inputs = tuple(path for path in images if path.stem != "background" and path.stem not in mask_of_stem)
    masks = {}
    for path in inputs:
        mask = mask_of_stem.get(f"{path.stem}_mask")
        if mask is None:
            raise DataError(f"{path.with_name(path.stem + '_mask.png')}: expected the mask of {path.name}, found none")
        masks[path] = mask
    return inputs, masks


def numbered_masks(folder: Path) -> tuple[tuple[Path, ...], dict[Path, Path]]:
    """Returns the frames of a sequence's folder, in order, and the masks of those inside its temporalROI.txt.

    Raises:
        DataError: A folder, a frame's number or an expected mask is missing.
    """
    if not (folder / "groundtruth").is_dir():
        raise DataError(f"{folder / 'groundtruth'}: expected the folder of masks next to input/, found none")
    frames = _by_number(folder / "input")
    mask_files = _by_number(folder / "groundtruth")
    if not frames:
        raise DataError(f"{folder / 'input'}: expected frames such as in000001.jpg, found none")
    span = _temporal_roi(folder / "temporalROI.txt")
    masks = {}
    for number, frame in frames.items():
        if span is not None and not span[0] <= number <= span[1]:
            continue
        if number in mask_files:
            masks[frame] = mask_files[number]
        elif span is not None:  # temporalROI.txt promises a mask for each frame in it
            missing = folder / "groundtruth" / f"gt{re.findall(r'[0-9]+', frame.stem)[-1]}.png"
            advice = "add it, or narrow temporalROI.txt"
            raise DataError(f"{missing}: expected the mask of {frame.name}, found none; {advice}")
    if not masks:
        where = "" if span is None else f" inside temporalROI.txt's {span[0]} to {span[1]}"
        raise DataError(f"{folder}: expected frames of input/ with a mask in groundtruth/{where}, found none")
    return tuple(frames.values()), masks


def _by_number(folder: Path) -> dict[int, Path]:
    numbered: dict[int, Path] = {}
    for path in natural_images(folder):
        number = frame_number(path)
        if number is None:
            raise DataError(f"{path}: expected a number in the file's name, such as in000001.jpg or gt000001.png")
        other = numbered.setdefault(number, path)
        if other is not path:
            raise DataError(f"{path}: expected each number once, found the same number in {other.name}")
    return dict(sorted(numbered.items()))


def frame_number(path: Path) -> int | None:
    """Returns the last number in a file's name, such as 10 for ``c1_10.jpg``."""
    digits = re.findall(r"[0-9]+", path.stem)
    return int(digits[-1]) if digits else None


def _temporal_roi(file: Path) -> tuple[int, int] | None:
    if not file.is_file():
        return None
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError as reason:
        raise DataError(f"{file}: cannot read this file, expected two numbers: {reason.strerror}") from reason
    span = re.fullmatch(r"\s*([0-9]{1,9})\s+([0-9]{1,9})\s*", text)
    if span is None:
        expected = "the numbers of the first and the last labelled frame, such as 470 1700"
        raise DataError(f"{file}: expected {expected}, found {text.strip()[:40]!r}")
    return int(span[1]), int(span[2])


def frames_folder(folder: Path) -> Path:
    """Returns the folder that holds the frames: input/ of a CDnet2014 sequence, whose ROI.bmp is not a frame.

    Raises:
        DataError: It cannot be searched.
    """
    try:
        is_sequence = (folder / "input").is_dir() and (folder / "groundtruth").is_dir()
    except OSError as reason:
        raise DataError(f"{folder}: cannot search this folder: {reason.strerror}") from reason
    return folder / "input" if is_sequence else folder


def natural_images(folder: Path) -> list[Path]:
    """Returns the image files of a folder, 2.jpg before 10.jpg."""
    return [path for path in natural_entries(folder) if path.suffix.lower() in IMAGE_SUFFIXES]


def natural_entries(folder: Path) -> list[Path]:
    """Returns the entries of a folder, set2 before set10, without hidden names.

    Raises:
        DataError: The folder cannot be listed.
    """
    try:
        return sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=natural_order)
    except OSError as reason:
        raise DataError(f"{folder}: cannot list this folder: {reason.strerror}") from reason
