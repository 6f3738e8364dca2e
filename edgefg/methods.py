"""The ways to find the foreground that an evaluation compares, behind one small protocol."""

from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from .bundle import Bundle
from .cdnet import Sequence
from .errors import OptionError
from .images import Image
from .segmenter import Segmenter

Mask = npt.NDArray[np.uint8] | npt.NDArray[np.bool_]

METHODS = ("edgefg", "mog2", "knn")

_BACKGROUND_REPEATS = 200


class Method(Protocol):
    """Something that gives masks for a sequence's frames."""

    def masks(
        self, sequence: Sequence, tested: Set[Path], background: Callable[[], Image]
    ) -> Iterator[tuple[Path, Mask]]:
        """Gives the masks of the frames in ``tested``, in the sequence's order.

        Args:
            sequence: The scene; nothing is remembered from the one before.
            tested: Some of its frames.
            background: Gives the background to compare with, ``(H, W, 3) uint8 BGR``; may take a while.

        Yields:
            A tested frame's file and its ``(H, W)`` mask, bool or uint8 of 0 and 255.
        """


class NetworkMethod:
    """The networks of a bundle: each tested frame on its own, against one background."""

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter

    def masks(
        self, sequence: Sequence, tested: Set[Path], background: Callable[[], Image]
    ) -> Iterator[tuple[Path, Mask]]:
        self._segmenter.background.set(background())
        for path in sequence.inputs:
            if path in tested:
                yield path, self._segmenter.segment(sequence.frame(path)).mask


class ClassicalMethod:
    """A background subtractor of OpenCV: it learns from every frame of a sequence, in order.

    A set's frames are no video, so there it sees the background many times first, and learns from no frame.
    """

    def __init__(self, make_subtractor: Callable[[], cv2.BackgroundSubtractor], no_learning: float) -> None:
        """Remembers how to start.

        Args:
            make_subtractor: Gives one that knows nothing yet.
            no_learning: The learning rate at which it stays as it is.
        """
        self._make_subtractor = make_subtractor
        self._no_learning = no_learning

    def masks(
        self, sequence: Sequence, tested: Set[Path], background: Callable[[], Image]
    ) -> Iterator[tuple[Path, Mask]]:
        cv2.setRNGSeed(0)  # KNN draws when it replaces its samples: the same frames shall give the same masks
        subtractor = self._make_subtractor()
        is_video = sequence.layout == "cdnet"
        if not is_video:
            for _ in range(_BACKGROUND_REPEATS):
                subtractor.apply(background())
        for path in sequence.inputs:
            levels = subtractor.apply(sequence.frame(path), learningRate=-1 if is_video else self._no_learning)
            if path in tested:
                yield path, levels == 255  # 127 is a shadow, which counts as background


@contextmanager
def open_method(name: str, bundle: Bundle | None = None) -> Iterator[Method]:
    """Makes one of METHODS ready; leaving the context frees what it holds.

    Args:
        name: One of METHODS.
        bundle: The networks of ``edgefg``; None is the bundle that comes with edgefg.

    Raises:
        OptionError: There is no such method.
    """
    if name == "edgefg":
        with Segmenter(bundle) as segmenter:
            yield NetworkMethod(segmenter)
    elif name == "mog2":
        yield ClassicalMethod(lambda: cv2.createBackgroundSubtractorMOG2(detectShadows=True), no_learning=0)
    elif name == "knn":
        # At a rate of exactly 0 OpenCV's KNN learns fastest: what it sees five times is background.
        yield ClassicalMethod(lambda: cv2.createBackgroundSubtractorKNN(detectShadows=True), no_learning=1e-9)
    else:
        raise OptionError(f"--method {name}: expected one of {', '.join(METHODS)}")
