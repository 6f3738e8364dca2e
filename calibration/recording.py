"""Pairs from a camera's own recording: a video file or a folder of images, with no labels."""

from edgefg.errors import DataError
from edgefg.imaging.convert import fit
from edgefg.imaging.io import Image
from edgefg.media.reader import ImageFiles, open_video

from .sample import DEFAULT_PAIRS, Pair, Sample, SampledFrame, checked_sample, draw_order, file_sha256


def sample_recording(recording: str, input_size: tuple[int, int], pairs: int = DEFAULT_PAIRS, seed: int = 0) -> Sample:
    """Draw pairs of frames from all over a recording; a quarter of its frames at least is left for judging.

    Args:
        recording: What `edgefg.media.reader.open_video` takes.
        input_size: Width and height of the networks' input.
        pairs: How many to draw; fewer from a short recording.
        seed: Chooses the frames, and the background of each.

    Raises:
        MissingFileError: Nothing is there.
        MediaError: It does not decode.
        DataError: The sample is not fit (`edgefg.calibration.sample.checked_sample`).
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
    # What is left for judging is seen by no pair, as a background neither.
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
    """Frames from all over a recording, more than there are to be pairs: the seed has a choice, and some are left.

    Args:
        recording: What `edgefg.media.reader.open_video` takes.
        pairs: How many pairs are to be made of them.
        long_side: To what they are shrunk, in pixels.

    Raises:
        MissingFileError, MediaError, DataError: It cannot be read.
    """
    source = open_video(recording)
    # A source may give half of the limit, where thinning once more took it below.
    limit = 4 * pairs
    # Frames after the damage may be those that matter: the user shall know, and not only get fewer.
    images = source.sample(limit, long_side, whole=True)
    if isinstance(source, ImageFiles):
        step = -(-len(source.files) // limit)
        shots = [SampledFrame(file.name, file_sha256(file)) for file in source.files[::step]]
    else:
        sha256 = file_sha256(source.files[0])
        shots = [SampledFrame(source.files[0].name, sha256, index) for index in range(len(images))]
    return list(zip(shots, images, strict=True))
