"""Pairs from labelled sequences: equally many from each category, and within it from each sequence."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np

from edgefg.datasets.sequences import Dataset, LabelledSequence, scene_split
from edgefg.errors import DataError
from edgefg.imaging.convert import fit
from edgefg.imaging.io import Image

from .sample import DEFAULT_PAIRS, Pair, Sample, SampledFrame, checked_sample, draw_order, file_sha256

Key = TypeVar("Key", bound=str)


def sample_sequences(
    dataset: Dataset,
    input_size: tuple[int, int],
    pairs: int = DEFAULT_PAIRS,
    seed: int = 0,
    split_seed: int | None = None,
) -> Sample:
    """Draws pairs from labelled frames, which are those inside the temporal region of interest.

    Outside the spatial region of interest the frame shows the background, so that changes there set no range.

    Args:
        dataset: The sequences.
        input_size: Width and height of the networks' input, in pixels.
        pairs: Number of pairs to draw; fewer if there are not enough frames.
        seed: Seed that chooses them.
        split_seed: Limits the frames to those that the protocol ``scene`` with this seed trains on; None for no limit.

    Raises:
        DataError: A file cannot be read, or the sample is unfit (`edgefg.calibration.sample.checked_sample`).
    """
    names = [_name(sequence) for sequence in dataset.sequences]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{dataset.source}: expected sequences of different names, found {twice} twice")
    frames = {
        name: sequence.labelled if split_seed is None else scene_split(sequence, split_seed).train
        for name, sequence in zip(names, dataset.sequences, strict=True)
    }
    by_category: dict[str, list[str]] = {}
    for name, sequence in zip(names, dataset.sequences, strict=True):
        by_category.setdefault(sequence.category, []).append(name)
    capacity = {category: sum(len(frames[name]) for name in inside) for category, inside in by_category.items()}
    quotas: dict[str, int] = {}
    for category, quota in share_out(pairs, capacity).items():
        quotas |= share_out(quota, {name: len(frames[name]) for name in by_category[category]})
    drawn: list[Pair] = []
    for name, sequence in zip(names, dataset.sequences, strict=True):
        chosen = sorted(frames[name], key=lambda path: draw_order(seed, "frame", name, path.name))[: quotas[name]]
        # Frames that are not chosen are left for the comparison: they appear in no pair, not even as a background.
        behind_any = chosen if len(chosen) > 1 else frames[name]
        drawn += [_pair(sequence, name, frame, behind_any, seed, input_size) for frame in chosen]
    return checked_sample(seed, dataset.source.name, drawn)


def share_out(total: int, capacity: Mapping[Key, int]) -> dict[Key, int]:
    """Divides a number evenly over names; any excess over the capacity of some goes to the others."""
    shares = dict.fromkeys(capacity, 0)
    left = min(total, sum(capacity.values()))
    while left:
        open_names = [name for name in capacity if shares[name] < capacity[name]]
        each = max(1, left // len(open_names))
        for name in open_names:
            added = min(each, capacity[name] - shares[name], left)
            shares[name] += added
            left -= added
    return shares


def _name(sequence: LabelledSequence) -> str:
    """Returns a name that depends neither on where the data lie nor on how they were opened."""
    return f"{sequence.category}/{sequence.path.resolve().name}"


def _pair(
    sequence: LabelledSequence,
    name: str,
    frame: Path,
    behind_any: Collection[Path],
    seed: int,
    input_size: tuple[int, int],
) -> Pair:
    background = sequence.background_file
    if background is None:
        # Any other frame: in use, too, objects may stand in the background.
        others = [path for path in behind_any if path != frame] or [frame]
        background = min(others, key=lambda path: draw_order(seed, "background", name, frame.name, path.name))
        behind = sequence.frame(background)
    else:
        behind = sequence.background()  # type: ignore[assignment]  # A set's own, known to exist.
    shown = _inside(sequence, sequence.frame(frame), behind)
    return Pair(
        category=sequence.category,
        background=SampledFrame(f"{name}/{background.name}", file_sha256(background)),
        frame=SampledFrame(f"{name}/{frame.name}", file_sha256(frame)),
        images=(fit(behind, input_size), fit(shown, input_size)),
    )


def _inside(sequence: LabelledSequence, frame: Image, background: Image) -> Image:
    roi = sequence.roi()
    return frame if roi is None else np.where(roi[..., None], frame, background)
