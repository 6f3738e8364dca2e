"""The ways to find the foreground that an evaluation compares, behind one small protocol."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..background.policy import BackgroundPolicy
from ..bundle.bundle import Bundle
from ..datasets.layouts import frame_number
from ..datasets.sequences import LabelledSequence
from ..errors import OptionError
from ..imaging.io import Image
from ..segmentation.options import InferenceOptions
from ..segmentation.segmenter import Segmenter
from .baselines import PEERS, Subtractor, require_peer

NETWORKS = {"edgefg": "auto", "edgefg-full": "full", "edgefg-map": "map"}
"""Methods that run a bundle's networks, and the mode of each."""

METHODS = (*NETWORKS, *PEERS)


def usual_methods(bundle: Bundle) -> tuple[str, ...]:
    """The methods of an evaluation by default: a bundle's own mode, and both stages and the map by name."""
    modes = {"full": True, "map": bundle.decision.foreground_distance is not None}
    return ("edgefg", *(f"edgefg-{mode}" for mode, can in modes.items() if can and mode != bundle.decision.mode))


_BACKGROUND_REPEATS = 200

FRAMES_PER_S = 25.0
"""Rate of a sequence in the protocol ``live``: its files name none."""


# eq=False: comparing arrays with == gives an array.
@dataclass(frozen=True, eq=False)
class Answer:
    """What a method says of one frame.

    Attributes:
        path: The frame's file.
        mask: ``(H, W) bool``, or ``(H, W) uint8`` of 0 and 255.
        levels: ``(H, W) uint8``, how sure it is, 255 is certainly foreground; None where it only knows yes and no.
    """

    path: Path
    mask: npt.NDArray[np.uint8] | npt.NDArray[np.bool_]
    levels: Image | None = None


class Method(Protocol):
    """Something that finds the foreground in a sequence's frames."""

    def answers(
        self, sequence: LabelledSequence, tested: Set[Path], background: Callable[[], Image]
    ) -> Iterator[Answer]:
        """Gives what it says of the frames in ``tested``, in the sequence's order.

        Args:
            sequence: The scene; nothing is remembered from the one before.
            tested: Some of its frames.
            background: Gives the background to compare with, ``(H, W, 3) uint8 BGR``; may take a while.
        """


class NetworkMethod:
    """The networks of a bundle: each tested frame on its own, against one background."""

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self.variant = segmenter.engine.variant

    def answers(
        self, sequence: LabelledSequence, tested: Set[Path], background: Callable[[], Image]
    ) -> Iterator[Answer]:
        self._segmenter.background.set(background())
        for path in sequence.inputs:
            if path in tested:
                result = self._segmenter.segment(sequence.frame(path))
                yield Answer(path, result.mask, result.probability)


class LiveNetworkMethod:
    """The networks of a bundle as on a camera: every frame in order, and the background by the default policy.

    A set's frames are no video, so there they are compared with its background.

    Attributes:
        variant: The variant of the bundle that runs.
        events: How often the background model reported each kind of event, by sequence.
    """

    def __init__(self, open_segmenter: Callable[[BackgroundPolicy | str], Segmenter]) -> None:
        """Remembers how to start: with a policy."""
        self._open_segmenter = open_segmenter
        with open_segmenter("fixed") as segmenter:
            self.variant = segmenter.engine.variant
        self.events: dict[str, Counter[str]] = {}

    def answers(
        self, sequence: LabelledSequence, tested: Set[Path], background: Callable[[], Image]
    ) -> Iterator[Answer]:
        if sequence.layout == "pairs":
            with self._open_segmenter("fixed") as segmenter:
                yield from NetworkMethod(segmenter).answers(sequence, tested, background)
            return
        now_s = 0.0
        kinds = self.events[sequence.name] = Counter()
        with self._open_segmenter(BackgroundPolicy(clock=lambda: now_s)) as segmenter:
            segmenter.background.on_event = lambda event: kinds.update([event.kind])
            for path, now_s in timed_frames(sequence):  # noqa: B007 (the policy's clock reads it)
                result = segmenter.segment(sequence.frame(path))
                if path in tested:
                    yield Answer(path, result.mask, result.probability)
                # The same frames shall give the same masks, on a slow machine as well.
                segmenter.background.settle()


def timed_frames(sequence: LabelledSequence) -> Iterator[tuple[Path, float]]:
    """Gives the frames of a video in order, with their times in seconds: their numbers say when they were taken."""
    numbers = [frame_number(path) or 0 for path in sequence.inputs]
    for path, number in zip(sequence.inputs, numbers, strict=True):
        yield path, (number - numbers[0]) / FRAMES_PER_S


class ClassicalMethod:
    """A background subtractor: it learns from every frame of a sequence, in order.

    A set's frames are no video, so there it sees the background many times first, and learns from no frame if it can
    be told so.
    """

    def __init__(self, open_subtractor: Callable[[], AbstractContextManager[Subtractor]]) -> None:
        """Remembers how to start: one of `edgefg.evaluate.baselines.PEERS`."""
        self._open_subtractor = open_subtractor

    def answers(
        self, sequence: LabelledSequence, tested: Set[Path], background: Callable[[], Image]
    ) -> Iterator[Answer]:
        is_video = sequence.layout == "cdnet"
        with self._open_subtractor() as subtract:
            for _ in range(0 if is_video else _BACKGROUND_REPEATS):
                subtract(background(), learn=True)
            for path in sequence.inputs:
                levels = subtract(sequence.frame(path), learn=is_video)
                if path in tested:
                    yield Answer(path, levels == 255)  # 127 is a shadow, which counts as background


def unknown_method(name: str, known: Iterable[str]) -> OptionError:
    """Returns the error for a method that there is not."""
    return OptionError(f"methods={name!r}: expected one of {', '.join(known)}")


@contextmanager
def open_method(
    name: str, bundle: Bundle | None = None, options: InferenceOptions | None = None, *, live: bool = False
) -> Iterator[Method]:
    """Makes one of METHODS ready; leaving the context frees what it holds.

    Args:
        name: One of METHODS.
        bundle: The networks of NETWORKS; None is the bundle that comes with edgefg.
        options: What runs them; ``edgefg-full`` and ``edgefg-map`` have a mode of their own.
        live: Whether the networks see every frame and keep their own background.

    Raises:
        OptionError: There is no such method.
        BundleError: The bundle lacks the distance that the mode needs.
        MissingDependencyError: The method's library is not installed.
    """
    if name in NETWORKS:
        chosen, mode = options or InferenceOptions(), NETWORKS[name]
        # A level of the user's is for the modes that run stage 2.
        chosen = chosen if mode == "auto" else replace(chosen, mode=mode, skip_below="auto")
        if live:
            yield LiveNetworkMethod(lambda policy: Segmenter(bundle, options=chosen, policy=policy))
            return
        with Segmenter(bundle, options=chosen, policy="fixed") as segmenter:
            yield NetworkMethod(segmenter)
    elif name in PEERS:
        require_peer(name)
        yield ClassicalMethod(PEERS[name])
    else:
        raise unknown_method(name, METHODS)
