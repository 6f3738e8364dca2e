"""The work of ``edgefg run``: every frame of a source through a Segmenter into the files that were asked for."""

import signal
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..background.persistence import is_saved_background
from ..background.policy import policy_of
from ..bundle.bundle import Bundle, open_bundle
from ..errors import EdgefgError, FrameError, MediaError, MissingFileError, OptionError, OutputError
from ..imaging.convert import same_aspect, size_of
from ..imaging.io import Image
from ..imaging.levels import Levels, ValueRange
from ..imaging.median import temporal_median
from ..imaging.pictures import read_levels
from ..media.reader import open_video
from ..media.source import Source
from ..segmentation.options import InferenceOptions
from ..segmentation.segmenter import Segmenter
from ..utils.progress import Progress
from .outputs import OutputFile, Outputs, check_outputs, open_outputs

MEDIAN_FRAMES = 64
# The networks see the background smaller than this, so the sample of a 4K file need not fill the memory.
_MEDIAN_LONG_SIDE_PX = 640


@dataclass(frozen=True)
class RunOptions:
    """What to run, and where the results go.

    Attributes:
        source: A video file, a folder of images, an image or a glob.
        bundle: A bundle's folder, None for the one that comes with edgefg.
        background: ``median``, ``first``, an image file, or the ``.npz`` of a saved background.
        policy: What becomes of it: ``fixed``, ``periodic`` or ``selective``; seconds are those of the source.
        inference: What runs the networks, and what counts as foreground.
        outputs: The files to write.
        value_range: Levels of the source that become 0 and 255, as `edgefg.open_video` takes them.
    """

    source: str
    bundle: Path | None = None
    background: str = "median"
    policy: str = "fixed"
    inference: InferenceOptions = field(default_factory=InferenceOptions)
    outputs: Outputs = field(default_factory=Outputs)
    value_range: ValueRange = None


@dataclass(frozen=True)
class RunSummary:
    """What a run did.

    Attributes:
        source: The source's name.
        value_range: Levels of the source that became 0 and 255; None if there was no range.
        hint: What would probably make masks better; empty if nothing.
        size: (width, height) of its frames in pixels.
        frames: How many frames went through.
        background: Which background was used, in words.
        bundle: The networks.
        engine: Name and version of what ran them.
        precision: Of the networks that ran.
        mode: ``full``, ``map`` or ``fused``.
        threshold: The probability from which a pixel was foreground.
        wall_s: Seconds for everything: loading, the background, decoding, segmenting, encoding.
        segment_ms: Median time of one ``segment()`` call.
        foreground: Mean share of foreground pixels, 0..1.
        outputs: The files written.
        interrupted: Ctrl-C or SIGTERM ended the run early; the files are whole up to there.
        damage: What was wrong with the source or an output, if the run ended early; the files are whole up to there.
    """

    source: str
    value_range: ValueRange
    hint: str
    size: tuple[int, int]
    frames: int
    background: str
    bundle: Bundle
    engine: str
    precision: str
    mode: str
    threshold: float
    wall_s: float
    segment_ms: float
    foreground: float
    outputs: tuple[Path, ...]
    interrupted: bool
    damage: EdgefgError | None

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yields what to tell the user, as (label, text)."""
        width, height = self.bundle.input_size
        yield "source", f"{self.source}: {self.frames} frames of {self.size[0]}x{self.size[1]}"
        if isinstance(self.value_range, tuple):
            low, high = self.value_range
            yield "levels", f"{low:g} becomes 0, {high:g} becomes 255"
        yield "background", self.background
        networks = f"{self.bundle.name}, {self.precision} at {width}x{height}, mode {self.mode}"
        yield "networks", f"{networks}, on {self.engine}"
        yield "foreground", f"{self.foreground:.1%} of the pixels on average, threshold {self.threshold:g}"
        yield "segmenting", f"{self.segment_ms:.1f} ms a frame (median): {1e3 / self.segment_ms:.0f} frames a second"
        rate = self.frames / self.wall_s
        yield "all in all", f"{self.wall_s:.1f} s, with loading, decoding and encoding: {rate:.0f} frames a second"
        for path in self.outputs:
            yield "wrote", str(path)
        if self.hint:
            yield "hint", self.hint


def run(options: RunOptions, progress: Progress) -> RunSummary:
    """Segments a source.

    The files appear under their names when they are complete. After Ctrl-C or SIGTERM, where a damaged source ends, or
    where one file cannot be written on, the others are completed with the frames so far; after any other error nothing
    is left.

    Args:
        options: What to run.
        progress: Told after each frame.

    Raises:
        MissingFileError: The source, the bundle or the background image is not there.
        MediaError: The source or the background image does not decode.
        FrameError: The background has another aspect ratio than the source, or frames are too small.
        BundleError: The bundle is incomplete, altered or of another schema.
        MissingDependencyError: The engine is not installed.
        EngineError: The engine failed.
        OptionError: An option makes no sense.
        OutputError: A file cannot be written.
    """
    started = time.perf_counter()
    source = open_video(options.source, value_range=options.value_range)
    bundle = open_bundle(options.bundle)
    check_outputs(options.outputs, _inputs(options, source), bundle)
    clock = _SourceClock()
    policy = replace(policy_of(options.policy), clock=clock)
    with ExitStack() as stack:
        segmenter = stack.enter_context(Segmenter(bundle, options=options.inference, policy=policy))
        outputs = open_outputs(options.outputs, source, stack)
        in_words = _give_background(options, segmenter, source, progress)
        with _signals_as_flag() as interrupted:
            tally = _segment_all(source, segmenter, clock, outputs, interrupted, progress)
            written = _complete(outputs, tally)
            if options.outputs.save_background is not None:
                segmenter.background.save(options.outputs.save_background)
                written = (*written, options.outputs.save_background)
        return RunSummary(
            source=source.name,
            value_range=source.value_range,
            hint=source.hint,
            size=source.size,
            frames=len(tally.segment_ms),
            background=in_words,
            bundle=bundle,
            engine=f"{segmenter.engine.name} {segmenter.engine.version}",
            precision=segmenter.engine.variant.precision,
            mode=segmenter.mode,
            threshold=segmenter.threshold,
            wall_s=time.perf_counter() - started,
            segment_ms=statistics.median(tally.segment_ms),
            foreground=statistics.fmean(tally.foreground),
            outputs=written,
            interrupted=tally.interrupted,
            damage=tally.damage,
        )


def _inputs(options: RunOptions, source: Source) -> dict[Path, str]:
    inputs = dict.fromkeys(source.files, "the source")
    if options.background not in ("median", "first"):
        given, saved = Path(options.background), options.outputs.save_background
        # A camera that goes on where it stopped may save to the file that it went on from.
        if saved is None or given.resolve() != saved.resolve():
            inputs[given] = "the background"
    return inputs


@dataclass
class _SourceClock:
    """Time as the camera had it: files are read faster."""

    time_s: float = 0.0

    def __call__(self) -> float:
        return self.time_s


def _give_background(options: RunOptions, segmenter: Segmenter, source: Source, progress: Progress) -> str:
    """Sets the background that was asked for; says what it is."""
    choice = options.background
    if is_saved_background(choice):
        segmenter.background.load(choice)
        return choice
    if choice == "first" and options.policy != "fixed":
        # Adopted, it only serves until the policy has a better one.
        return f"the first frame, then {options.policy}"
    background, in_words = _make_background(choice, source, progress)
    segmenter.background.set(background)
    return in_words


def _make_background(choice: str, source: Source, progress: Progress) -> tuple[Image, str]:
    """Returns the background that was asked for, and what to call it."""
    if choice == "first":
        return next(iter(source)), "the first frame"
    if choice == "median":
        progress("median background", 0, None)
        sample = source.sample(MEDIAN_FRAMES, _MEDIAN_LONG_SIDE_PX)
        if len(sample) == 1:
            raise OptionError(
                f"background='median': expected a source of several frames, {source.name} has one; "
                f"pass an image of the empty scene: background=IMG"
            )
        words = f"median of {len(sample)} frames from all over the source: offline, it looks ahead"
        return temporal_median(sample), words
    if not Path(choice).is_file():
        raise MissingFileError(
            f"background={choice!r}: expected median, first, an image file or a STATE.npz, found no such file"
        )
    image = read_levels(Path(choice), Levels(source.value_range))
    if not same_aspect(size_of(image), source.size):
        found, expected = (f"{width}x{height}" for width, height in (size_of(image), source.size))
        raise FrameError(
            f"background={choice!r}: expected the frames' shape, {expected} or a multiple of it, found {found}"
        )
    return image, choice


@dataclass
class _Tally:
    segment_ms: list[float] = field(default_factory=list)
    foreground: list[float] = field(default_factory=list)
    interrupted: bool = False
    damage: EdgefgError | None = None


def _complete(outputs: Sequence[OutputFile], tally: _Tally) -> tuple[Path, ...]:
    """Completes each file that can be, and returns those; the first that can't becomes the run's damage."""
    written = []
    for output in outputs:
        try:
            output.sink.close()
        except OutputError as damage:
            output.sink.discard()
            tally.damage = tally.damage or damage
        else:
            written.append(output.sink.path)
    return tuple(written)


def _segment_all(
    source: Source,
    segmenter: Segmenter,
    clock: _SourceClock,
    outputs: Sequence[OutputFile],
    interrupted: threading.Event,
    progress: Progress,
) -> _Tally:
    """Segments frames until the source ends or breaks, a file cannot be written, or a signal comes.

    Raises:
        KeyboardInterrupt: A signal came before the first frame was done: there is nothing to keep.
        MediaError: So is it where no frame decodes.
        OutputError: And where no frame was written.
    """
    tally = _Tally()
    try:
        for index, frame in enumerate(source.timed()):
            if interrupted.is_set():
                break
            clock.time_s = frame.time_s
            result = segmenter.segment(frame.image)
            segmenter.background.settle()
            background = segmenter.background.image
            assert background is not None
            for output in outputs:
                output.write(index, frame, result, background)
            tally.segment_ms.append(result.timing.total_ms)
            tally.foreground.append(float(result.mask.mean()) / 255)
            progress("segmenting", index + 1, source.count)
    except (MediaError, OutputError) as damage:
        if not tally.segment_ms:
            raise
        tally.damage = damage
    if interrupted.is_set():
        if not tally.segment_ms:
            raise KeyboardInterrupt
        tally.interrupted = True
    return tally


@contextmanager
def _signals_as_flag() -> Iterator[threading.Event]:
    """Lets the first Ctrl-C or SIGTERM set a flag, so that frame and files are finished; a second one interrupts."""
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        # Python handles signals in the main thread only.
        yield flag
        return

    def note(number: int, _: object) -> None:
        flag.set()
        signal.signal(number, signal.default_int_handler)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
