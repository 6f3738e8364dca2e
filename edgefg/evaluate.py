"""Scores of methods on labelled sequences, by the protocols ``unseen`` and ``scene``."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from .background import temporal_median
from .bundle import Bundle, open_bundle
from .cdnet import Dataset, Sequence, fingerprint, scene_split
from .errors import BundleError, DataError, FrameError, MissingFileError, OptionError
from .frames import fit, same_aspect, size_of
from .images import Image, read_image
from .methods import METHODS, Method, open_method
from .metrics import Counts, SequenceScore, Summary, count, summarise

PROTOCOLS = ("unseen", "scene")

Progress = Callable[[str, int, int], None]
"""Called with what is being done, and how many of how many masks are done."""


@dataclass(frozen=True)
class Evaluation:
    """The scores of some methods on one data set.

    Attributes:
        protocol: ``unseen`` (every labelled frame is tested) or ``scene`` (the 60% that a training left out).
        background: ``median``, ``first``, ``protocol`` or the path of an image.
        seed: What the protocol ``scene`` divided the frames by.
        data: The folder or JSON file that held the sequences.
        part: Which list of the JSON file.
        methods: Scores by method.
        bundle: What ran as ``edgefg``: its manifest in short; None if it did not run.
    """

    protocol: str
    background: str
    seed: int
    data: str
    part: str | None
    methods: Mapping[str, Summary]
    bundle: Mapping[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        """Ready for json.dump; undefined measures are None."""
        return {
            "protocol": self.protocol,
            "background": self.background,
            "seed": self.seed,
            "data": self.data,
            "part": self.part,
            "method": {name: summary.to_json() for name, summary in self.methods.items()},
            "bundle": None if self.bundle is None else dict(self.bundle),
        }


@dataclass(frozen=True)
class _Task:
    """One sequence to score: which frames, against which background (made only if a method asks)."""

    sequence: Sequence
    tested: tuple[Path, ...]
    background: Callable[[], Image]


def evaluate(
    dataset: Dataset,
    methods: Iterable[str] = ("edgefg",),
    protocol: str = "unseen",
    background: str | None = None,
    bundle: Bundle | str | Path | None = None,
    seed: int = 0,
    allow_seen: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Scores methods on a data set.

    Args:
        dataset: The sequences.
        methods: Some of ``edgefg``, ``mog2``, ``knn``.
        protocol: ``unseen`` or ``scene``.
        background: What ``edgefg`` compares with. ``median``: the temporal median of all input frames of a sequence,
            so it is known only afterwards. ``first``: its first input frame. ``protocol``: the frame that the protocol
            ``scene`` names; ``median`` for ``unseen``. Sets that bring a clean background use that one instead. Or the
            path of an image, for all sequences. None is ``protocol``.
        bundle: The networks of ``edgefg``; None is the bundle that comes with edgefg.
        seed: Divides the frames of the protocol ``scene``; the training must have had the same.
        allow_seen: Score frames that the bundle was trained on, too.
        progress: Told after each mask.

    Raises:
        OptionError: An option has an unknown value.
        DataError: A file of the data set cannot be used, or the bundle was trained on tested frames.
        MissingFileError: There is no such bundle or background image.
        BundleError: The bundle is incomplete, altered or of another schema.
        FrameError: The background image has another aspect ratio than a sequence.
        EngineUnavailableError: No inference engine is installed.
        EngineError: The inference engine failed.
    """
    names = tuple(dict.fromkeys(methods))
    _check_options(names, protocol)
    background = _chosen_background(background, protocol)
    tasks = tuple(_task(sequence, protocol, background, seed) for sequence in dataset.sequences)
    opened_bundle = _bundle_for(names, bundle, () if allow_seen else tasks)
    with ExitStack() as stack:
        opened = {name: stack.enter_context(open_method(name, opened_bundle)) for name in names}
        summaries = _summaries(opened, tasks, progress)
    return Evaluation(
        protocol=protocol,
        background=background,
        seed=seed,
        data=str(dataset.source),
        part=dataset.part,
        methods=summaries,
        bundle=None if opened_bundle is None else _identity(opened_bundle),
    )


def check_report(report: Path, dataset: Dataset, bundle: Path | None, background: str | None) -> None:
    """Refuses a file for the scores that would overwrite, or lie among, what is evaluated.

    Raises:
        OptionError: So it would.
    """
    place = report.resolve()
    inputs = {sequence.path: "the data" for sequence in dataset.sequences} | {dataset.source: "DATA"}
    inputs |= {Path(bundle): "the bundle"} if bundle is not None else {}
    inputs |= {Path(background): "the background"} if background is not None else {}
    for path, what in inputs.items():
        kept = path.resolve()
        # A folder that is searched for sequences may hold reports beside them.
        if kept == place or (kept in place.parents and path != dataset.root):
            raise OptionError(f"--json {report}: expected a file of its own, this one is, or is in, {what}")


def _summaries(
    methods: Mapping[str, Method], tasks: tuple[_Task, ...], progress: Progress | None
) -> dict[str, Summary]:
    scores: dict[str, list[SequenceScore]] = {name: [] for name in methods}
    total = len(methods) * sum(len(task.tested) for task in tasks)
    done = 0
    for task in tasks:
        sequence = task.sequence
        for name, method in methods.items():
            counts = Counts()
            for path, mask in method.masks(sequence, frozenset(task.tested), task.background):
                counts += count(mask, sequence.truth(path))
                done += 1
                if progress is not None:
                    progress(f"{name} {sequence.name}", done, total)
            pooled = sequence.layout == "pairs"
            scores[name].append(SequenceScore(sequence.name, sequence.category, len(task.tested), counts, pooled))
    return {name: summarise(of_method) for name, of_method in scores.items()}


def _check_options(methods: tuple[str, ...], protocol: str) -> None:
    if not methods:
        raise OptionError(f"--method: expected one or more of {', '.join(METHODS)}, got none")
    for name in methods:
        if name not in METHODS:
            raise OptionError(f"--method {name}: expected one of {', '.join(METHODS)}")
    if protocol not in PROTOCOLS:
        raise OptionError(f"--protocol {protocol}: expected one of {', '.join(PROTOCOLS)}")


def _chosen_background(background: str | None, protocol: str) -> str:
    if background in (None, "protocol"):
        return "median" if protocol == "unseen" else "protocol"
    if background not in ("median", "first") and not Path(background).is_file():
        expected = "median, first, protocol or an image file"
        raise MissingFileError(f"--background {background}: expected {expected}, found no such file")
    return background


def _task(sequence: Sequence, protocol: str, background: str, seed: int) -> _Task:
    tested, of_protocol = sequence.labelled, sequence.inputs[0]
    if protocol == "scene":
        split = scene_split(sequence, seed)
        tested, of_protocol = split.test, split.background

    @cache
    def make_background() -> Image:
        if background not in ("median", "first", "protocol"):
            return _fitted_background(Path(background), sequence)
        own = sequence.background()
        if own is not None:
            return own
        if background == "median":
            return temporal_median(map(sequence.frame, sequence.inputs))
        return sequence.frame(of_protocol if background == "protocol" else sequence.inputs[0])

    return _Task(sequence, tested, make_background)


def _fitted_background(file: Path, sequence: Sequence) -> Image:
    image = read_image(file)
    if not same_aspect(size_of(image), sequence.size):
        (width, height), (other_width, other_height) = size_of(image), sequence.size
        expected = f"the shape of {sequence.name}'s frames, {other_width}x{other_height}, within 2%"
        raise FrameError(f"{file}: expected a background of {expected}; found {width}x{height}")
    return fit(image, sequence.size)


def _bundle_for(
    methods: tuple[str, ...], bundle: Bundle | str | Path | None, tasks: tuple[_Task, ...]
) -> Bundle | None:
    """The bundle to test, None if no method needs one; refused if it has seen a frame of ``tasks``."""
    if "edgefg" not in methods:
        return None
    opened = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)
    seen = (opened.card or {}).get("seen_frames", [])
    if not isinstance(seen, list):
        raise BundleError(f"{opened.path}: expected a list as seen_frames of its card, found {type(seen).__name__}")
    fingerprints = frozenset(map(str, seen))
    tested = [path for task in tasks for path in task.tested]
    known = [path for path in tested if fingerprints and fingerprint(path) in fingerprints]
    if known:
        came = f"its card names {len(known)} of the {len(tested)} tested frames, {known[0]} first"
        remedy = "test on other data, or pass --allow-seen"
        raise DataError(f"{opened.path}: expected a bundle that was not trained on the tested frames; {came}; {remedy}")
    return opened


def _identity(bundle: Bundle) -> dict[str, Any]:
    width, height = bundle.input_size
    return {
        "name": bundle.name,
        "precision": bundle.precision,
        "threshold": bundle.threshold,
        "input_size": {"width": width, "height": height},
        "sha256": {stage: entry["sha256"] for stage, entry in bundle.manifest["stages"].items()},
    }
