"""Pairs from a camera's own recording: a video file or a folder of images, with no labels."""

from edgefg.errors import DataError
from edgefg.imaging.convert import fit
from edgefg.imaging.io import Image
from edgefg.media.image_files import ImageFiles
from edgefg.media.reader import open_video

from .sample import DEFAULT_PAIRS, Pair, Sample, SampledFrame, checked_sample, draw_order, file_sha256


def sample_recording(recording: str, input_size: tuple[int, int], pairs: int = DEFAULT_PAIRS, seed: int = 0) -> Sample:
    """Draws pairs of frames from all over a recording; leaves at least a quarter of its frames for the comparison.

    Args:
        recording: A video file, a folder of images or a glob, as `edgefg.open_video` takes it.
        input_size: Width and height of the networks' input, in pixels.
        pairs: Number of pairs to draw; fewer from a short recording.
        seed: Seed that chooses the frames, and the background of each.

    Raises:
        MissingFileError: There is no such recording.
        MediaError: It does not decode.
        DataError: The sample is unfit (`edgefg.calibration.sample.checked_sample`).
    """
    drawn = draw_frames(recording, pairs, max(input_size))
    if len(drawn) < 2:
        raise DataError(f"{recording}: expected a recording to calibrate on, found {len(drawn)} frame")
    shots = [shot for shot, _ in drawn]
    frames = [fit(image, input_size) for _, image in drawn]
    numbers = range(len(drawn))
    chosen = sorted(numbers, key=lambda number: draw_order(seed, "frame", str(number)))[
        : min(pairs, len(drawn) * 3 // 4)
    ]
    # Frames left for the comparison appear in no pair, not even as a background.
    behind_any = chosen if len(chosen) > 1 else list(numbers)
    made = []
    for number in sorted(chosen):
        ranks = {
            other: draw_order(seed, "background", str(number), str(other)) for other in behind_any if other != number
        }
        behind = min(ranks, key=ranks.__getitem__)
        made.append(Pair("recording", shots[behind], shots[number], (frames[behind], frames[number])))
    return checked_sample(seed, shots[0].file if shots[0].index is not None else recording, made)


def draw_frames(recording: str, pairs: int, long_side: int) -> list[tuple[SampledFrame, Image]]:
    """Draws frames from all over a recording, more than pairs, so that the seed has a choice and some are left.

    Args:
        recording: A video file, a folder of images or a glob, as `edgefg.open_video` takes it.
        pairs: Number of pairs to make of them.
        long_side: Longest side to shrink the frames to, in pixels.

    Raises:
        MissingFileError, MediaError, DataError: The recording cannot be read.
    """
    source = open_video(recording)
    # A source may return half of the limit, where another thinning took it below.
    limit = 4 * pairs
    # Frames after a damage may be those that matter: refuse it, rather than silently draw fewer.
    images = source.sample(limit, long_side, whole=True)
    if isinstance(source, ImageFiles) and source.has_one_frame_a_file:
        step = -(-len(source.files) // limit)
        shots = [SampledFrame(file.name, file_sha256(file)) for file in source.files[::step]]
    else:
        sha256 = file_sha256(source.files[0])
        shots = [SampledFrame(source.files[0].name, sha256, index) for index in range(len(images))]
    return list(zip(shots, images, strict=True))
