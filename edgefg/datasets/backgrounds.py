"""The background of a labelled sequence that is known only once all of it was seen."""

from ..imaging.io import Image
from ..imaging.median import median_of_files
from .sequences import LabelledSequence


def offline_background(sequence: LabelledSequence) -> Image:
    """A set's own clean background, and for any other sequence the temporal median of all its input frames.

    Returns:
        ``(H, W, 3) uint8 BGR``.

    Raises:
        DataError: A frame cannot be read.
    """
    own = sequence.background()
    return median_of_files(sequence.inputs, sequence.frame) if own is None else own
