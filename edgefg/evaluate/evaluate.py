"""Scores of methods on labelled sequences, by the protocols ``unseen``, ``scene`` and ``live``."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ..bundle.bundle import Bundle, open_bundle
from ..datasets.backgrounds import offline_background
from ..datasets.sequences import Dataset, LabelledSequence, fingerprint, scene_split
from ..errors import BundleError, DataError, FrameError, MissingFileError, OptionError
from ..imaging.convert import fit, same_aspect, size_of
from ..imaging.io import Image, read_image
from ..segmentation.options import InferenceOptions
from ..utils.progress import Progress
from ..utils.validation import check_choice, check_number
from .early_exit_cost import SkipScore, skip_scores
from .methods import (
    METHODS,
    NETWORKS,
    Answer,
    LiveNetworkMethod,
    Method,
    NetworkMethod,
    open_method,
    unknown_method,
    usual_methods,
)
from .metrics import Counts, SequenceScore, Summary, count, summarise

PROTOCOLS = ("unseen", "scene", "live")


# eq=False: comparing arrays with == gives an array.
@dataclass(frozen=True, eq=False)
class FrameScore:
    """How one method did on one frame.

    Attributes:
        method: Its name.
        sequence: The frame's sequence.
        answer: What the method said.
        truth: ``(H, W) uint8`` of CDnet2014's levels.
        counts: The comparison of both.
    """

    method: str
    sequence: LabelledSequence
    answer: Answer
    truth: Image
    counts: Counts


Observer = Callable[[FrameScore], None]
"""Called with each scored frame: for a curve, a montage."""


@dataclass(frozen=True)
class Evaluation:
    """The scores of some methods on one data set.

    Attributes:
        protocol: ``unseen`` (every labelled frame is tested), ``scene`` (the 60% that a training left out) or ``live``
            (every labelled frame, and all others are seen before).
        background: ``median``, ``first``, ``protocol``, the path of an image, or ``own`` in the protocol ``live``.
        seed: What the protocol ``scene`` divided the frames by.
        data: The folder or JSON file that held the sequences.
        part: Which list of the JSON file.
        methods: Scores by method.
        bundle: What ran as ``edgefg`` or in one of its modes: its manifest in short; None if none did.
        skip_scores: The cost to ``edgefg`` of skipping stage 2, by level.
        seen_frames: How many of the tested frames the bundle was trained on, as ``allow_seen`` lets it.
        scene_events: How often the background model reported each kind of event, by method and sequence; only in the
            protocol ``live``.
    """

    protocol: str
    background: str
    seed: int
    data: str
    part: str | None
    methods: Mapping[str, Summary]
    bundle: Mapping[str, Any] | None
    skip_scores: tuple[SkipScore, ...] = ()
    seen_frames: int = 0
    scene_events: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)

    @property
    def by_category(self) -> dict[str, list[SequenceScore]]:
        """The sequences of each category, with the scores of the first method; all methods have the same ones."""
        grouped: dict[str, list[SequenceScore]] = {}
        for score in next(iter(self.methods.values())).sequences.values():
            grouped.setdefault(score.category, []).append(score)
        return grouped

    def to_json(self) -> dict[str, Any]:
        """Ready for json.dump; undefined measures are None."""
        report = {
            "protocol": self.protocol,
            "background": self.background,
            "seed": self.seed,
            "data": self.data,
            "part": self.part,
            "seen_frames": self.seen_frames,
            "method": {name: summary.to_json() for name, summary in self.methods.items()},
            "bundle": None if self.bundle is None else dict(self.bundle),
        }
        skipping = [score.to_json() for score in self.skip_scores]
        report |= {"skip_below": skipping} if skipping else {}
        return report | ({"scene_events": self.scene_events} if self.scene_events else {})


@dataclass(frozen=True)
class _Task:
    """One sequence to score: which frames, against which background (made only if a method asks)."""

    sequence: LabelledSequence
    tested: tuple[Path, ...]
    background: Callable[[], Image]


def evaluate(
    dataset: Dataset,
    methods: Iterable[str] | None = None,
    *,
    protocol: str = "unseen",
    background: str | None = None,
    bundle: Bundle | str | Path | None = None,
    seed: int = 0,
    allow_seen: bool = False,
    options: InferenceOptions | None = None,
    progress: Progress | None = None,
    observers: Iterable[Observer] = (),
    skip_below: Iterable[float] = (),
) -> Evaluation:
    """Scores methods on a data set.

    Args:
        dataset: The sequences.
        methods: Some of `edgefg.evaluate.methods.METHODS`. None is ``edgefg``, and its modes by name.
        protocol: ``unseen``, ``scene``, or ``live``: every method sees a sequence's frames in order from the first one,
            the networks with the default background policy, by the frames' numbers at 25 a second.
        background: What the networks compare with, except in the protocol ``live``. ``median``: the temporal median of
            all input frames of a sequence, so it is known only afterwards. ``first``: its first input frame.
            ``protocol``: the frame that the protocol ``scene`` names; ``median`` for ``unseen``. Sets that bring a
            clean background use that one instead. Or the path of an image, for all sequences. None is ``protocol``.
        bundle: The networks; None is the bundle that comes with edgefg.
        seed: Divides the frames of the protocol ``scene``; the training must have had the same.
        allow_seen: Score frames that the bundle was trained on, too.
        options: What runs the networks; ``edgefg-full`` and ``edgefg-map`` have a mode of their own.
        progress: Told after each mask.
        observers: Told of each scored frame.
        skip_below: Levels, in map units, at which to score ``edgefg`` again, as if it skipped stage 2 below them.

    Raises:
        OptionError: An option has an unknown value.
        DataError: A file of the data set cannot be used, or the bundle was trained on tested frames.
        MissingFileError: There is no such bundle or background image.
        BundleError: The bundle is incomplete, altered, of another schema, or not made for a method.
        FrameError: The background image has another aspect ratio than a sequence.
        MissingDependencyError: No inference engine, or not the library of a method, is installed.
        EngineError: The inference engine, or a method's library, failed.
    """
    if methods is None:
        bundle = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)
        methods = usual_methods(bundle)
    names = tuple(dict.fromkeys(methods))
    _check_options(names, protocol)
    levels = tuple(dict.fromkeys(skip_below))
    if levels and protocol == "live":
        raise OptionError("skip_below= compares frames with one background; pass protocol='unseen' or 'scene'")
    for level in levels:
        check_number("skip_below", level, above=0)
    if levels and "edgefg" not in names:
        raise OptionError(f"skip_below= needs edgefg among the methods, got {', '.join(names)}")
    options = options or InferenceOptions()
    background = _chosen_background(background, protocol)
    tasks = tuple(_task(sequence, protocol, background, seed) for sequence in dataset.sequences)
    opened_bundle, seen = _bundle_for(names, bundle, tasks, allow_seen)
    with ExitStack() as stack:
        opened = {
            name: stack.enter_context(open_method(name, opened_bundle, options, live=protocol == "live"))
            for name in names
        }
        summaries = _summaries(opened, tasks, tuple(observers), progress)
        networks = [method for method in opened.values() if isinstance(method, NetworkMethod | LiveNetworkMethod)]
        identity = _identity(opened_bundle, networks[0], options) if opened_bundle and networks else None
    costs: tuple[SkipScore, ...] = ()
    if levels and opened_bundle:
        scenes = [(task.sequence, task.tested, task.background) for task in tasks]
        costs = skip_scores(opened_bundle, options, scenes, levels, progress)
    return Evaluation(
        protocol=protocol,
        background=background,
        seed=seed,
        data=str(dataset.source),
        part=dataset.part,
        methods=summaries,
        bundle=identity,
        skip_scores=costs,
        seen_frames=seen,
        scene_events={name: method.events for name, method in opened.items() if isinstance(method, LiveNetworkMethod)},
    )


def _summaries(
    methods: Mapping[str, Method],
    tasks: tuple[_Task, ...],
    observers: tuple[Observer, ...],
    progress: Progress | None,
) -> dict[str, Summary]:
    scores: dict[str, list[SequenceScore]] = {name: [] for name in methods}
    total = len(methods) * sum(len(task.tested) for task in tasks)
    done = 0
    for task in tasks:
        sequence = task.sequence
        for name, method in methods.items():
            counts = Counts()
            for answer in method.answers(sequence, frozenset(task.tested), task.background):
                truth = sequence.truth(answer.path)
                of_frame = count(answer.mask, truth)
                counts += of_frame
                for observe in observers:
                    observe(FrameScore(name, sequence, answer, truth, of_frame))
                done += 1
                if progress is not None:
                    progress(f"{name} {sequence.name}", done, total)
            pooled = sequence.layout == "pairs"
            scores[name].append(SequenceScore(sequence.name, sequence.category, len(task.tested), counts, pooled))
    return {name: summarise(of_method) for name, of_method in scores.items()}


def _check_options(methods: tuple[str, ...], protocol: str) -> None:
    if not methods:
        raise OptionError(f"methods= needs one or more of {', '.join(METHODS)}, got none")
    for name in methods:
        if name not in METHODS:
            raise unknown_method(name, METHODS)
    check_choice("protocol", protocol, PROTOCOLS)


def _chosen_background(background: str | None, protocol: str) -> str:
    if protocol == "live":
        if background is not None:
            raise OptionError(f"background={background!r}: in the protocol live methods make their own; leave it out")
        return "own"
    if background in (None, "protocol"):
        return "median" if protocol == "unseen" else "protocol"
    if background not in ("median", "first") and not Path(background).is_file():
        expected = "median, first, protocol or an image file"
        raise MissingFileError(f"background={background!r}: expected {expected}, found no such file")
    return background


def _task(sequence: LabelledSequence, protocol: str, background: str, seed: int) -> _Task:
    tested, of_protocol = sequence.labelled, sequence.inputs[0]
    if protocol == "scene":
        split = scene_split(sequence, seed)
        tested, of_protocol = split.test, split.background

    @cache
    def make_background() -> Image:
        if background not in ("median", "first", "protocol", "own"):
            return _fitted_background(Path(background), sequence)
        if background == "median":
            return offline_background(sequence)
        # In the protocol live only sets ask, which have a background of their own.
        return sequence.background_or(of_protocol if background == "protocol" else sequence.inputs[0])

    return _Task(sequence, tested, make_background)


def _fitted_background(file: Path, sequence: LabelledSequence) -> Image:
    image = read_image(file)
    if not same_aspect(size_of(image), sequence.size):
        (width, height), (other_width, other_height) = size_of(image), sequence.size
        expected = f"the shape of {sequence.name}'s frames, {other_width}x{other_height}, within 2%"
        raise FrameError(f"{file}: expected a background of {expected}; found {width}x{height}")
    return fit(image, sequence.size)


def _bundle_for(
    methods: tuple[str, ...], bundle: Bundle | str | Path | None, tasks: tuple[_Task, ...], allow_seen: bool
) -> tuple[Bundle | None, int]:
    """The bundle to test, None if no method needs one, and how many frames of ``tasks`` it has seen."""
    if not NETWORKS.keys() & set(methods):
        return None, 0
    opened = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)
    return opened, count_seen(opened, [path for task in tasks for path in task.tested], allowed=allow_seen)


def count_seen(bundle: Bundle, tested: Iterable[Path], *, allowed: bool) -> int:
    """Counts the frames that a bundle was trained on, or refuses them.

    Raises:
        DataError: One of ``tested`` is such a frame, and they are not allowed; or it cannot be read.
        BundleError: The bundle's card is no card.
    """
    seen = (bundle.card or {}).get("seen_frames", [])
    if not isinstance(seen, list):
        raise BundleError(f"{bundle.path}: expected a list as seen_frames of its card, found {type(seen).__name__}")
    fingerprints, paths = frozenset(map(str, seen)), list(tested)
    known = [path for path in paths if fingerprints and fingerprint(path) in fingerprints]
    if known and not allowed:
        came = f"its card names {len(known)} of the {len(paths)} tested frames, {known[0]} first"
        remedy = "test on other data, or pass allow_seen=True"
        raise DataError(f"{bundle.path}: expected a bundle that was not trained on the tested frames; {came}; {remedy}")
    return len(known)


def _identity(bundle: Bundle, network: NetworkMethod | LiveNetworkMethod, options: InferenceOptions) -> dict[str, Any]:
    variant = network.variant
    width, height = bundle.input_size
    return {
        "name": bundle.name,
        "precision": variant.precision,
        "protocol": (bundle.card or {}).get("protocol"),
        "decision": bundle.decision.to_json(),
        "inference": asdict(options),
        "input_size": {"width": width, "height": height},
        "sha256": {
            stage: hashlib.sha256(file.read_bytes()).hexdigest()
            for stage, file in (("stage1", variant.stage1), ("stage2", variant.stage2))
        },
    }
