"""The background of a labelled sequence, computed from all of its frames."""

from ..imaging.io import Image
from ..imaging.median import median_of_files
from .sequences import LabelledSequence


def offline_background(sequence: LabelledSequence) -> Image:
    """Returns the clean background of a set, or the temporal median of all input frames of another sequence.

    Returns:
        ``(H, W, 3) uint8 BGR``.

    Raises:
        DataError: A frame cannot be read.
    """
    own = sequence.background()
    return median_of_files(sequence.inputs, sequence.frame) if own is None else own
