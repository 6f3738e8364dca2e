"""``edgefg bench``: speed of a bundle, compared with the bare engine and classical methods in one run.

Every ratio compares what was measured in turns within this run; absolute times are those of this machine only.
"""

import platform
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..bundle.bundle import open_bundle
from ..errors import OptionError
from ..imaging.convert import fit
from ..imaging.median import temporal_median
from ..media.reader import open_video
from ..segmentation.options import InferenceOptions
from ..segmentation.pipeline import DEFAULT_DEPTH, Pipeline
from ..segmentation.segmenter import Segmenter
from ..utils.cpu import cpu_kind
from ..utils.progress import Progress
from ..utils.resources import CLIP
from ..utils.validation import check_count
from .bare_loop import fastest
from .baseline import open_bare_engine
from .latency import PacedPair, Pacer, Spread, TimedFrame, compare, in_pairs, spread
from .memory import MemorySlope, check_soak, memory_slope, resident_mib
from .throughput import FrameCycle, Loop, cached_to_uncached, in_turns, peer_loops, pipeline_loop, sequential_loop

FRAMES_IN_MEMORY = 64
REFRESH_S = 1.0


@dataclass(frozen=True)
class BenchOptions:
    """What to measure.

    Attributes:
        bundle: The bundle's folder; None for the one that comes with edgefg.
        source: A video file or a folder of images; None for the clip that comes with edgefg.
        cameras: How many cameras share the pipeline in the paced parts; with two or more, one of them freezes.
        inference: What runs the networks. Its mode and ``skip_below`` are left aside: most loops run both stages
            on every frame, as the bare engine does.
        frames: How many the pipeline gets a round; other loops run for as long as it takes it.
        soak: Frames of a long run at the end, over which memory is watched; 0 for none.
    """

    bundle: Path | None = None
    source: str | None = None
    cameras: int = 1
    inference: InferenceOptions = field(default_factory=InferenceOptions)
    frames: int = 200
    soak: int = 0


@dataclass(frozen=True)
class Benchmark:
    """What was measured; rates in frames a second.

    Attributes:
        machine: What computes, the CPU, and the version of Python.
        networks: Bundle, precision and engine.
        raw: The fastest bare loop: mode, requests at once, rate. None for an engine of which there is none.
        raw_modes: The fastest bare loop of each of the engine's modes: requests at once, rate.
        cpu_ms: CPU time a frame of the fastest bare loop (``raw``), the ``pipeline`` and ``sequential``.
        pipeline_fps: The pipeline over frames in memory, at the networks' size.
        sequential_fps: ``Segmenter.segment`` over the same.
        pipeline_to_raw: Ratio of the two rates; None without a bare loop.
        pipeline_to_sequential: Ratio of the two rates.
        end_to_end_fps: From the source's file to masks in its size, decoding included.
        peers_fps: Classical methods over frames in memory, at the networks' size.
        cached_to_uncached: Time of stage 1 with the background's features cached, over that of embedding both frames.
        spreads: Of decoding, each part of a frame's way, and the age of its result when frames come at half the
            pipeline's rate.
        refresh: Ages at that rate, with all backgrounds set again each second, compared with without.
        frozen: Ages of the other cameras at 60% of the pipeline's rate in all, one having stopped against all live;
            None with one camera.
        pcie_bytes: What a frame moves over the bus to the GPU and back; None without one.
        memory_mib: Resident memory with the pipeline at work, before anything else was loaded; None where unknown.
        memory_slope: What a long run added; None where none was asked for.
    """

    machine: str
    networks: str
    raw: Mapping[str, Any] | None
    raw_modes: Mapping[str, Mapping[str, Any]]
    cpu_ms: Mapping[str, float]
    pipeline_fps: float
    sequential_fps: float
    pipeline_to_raw: float | None
    pipeline_to_sequential: float
    end_to_end_fps: float
    peers_fps: Mapping[str, float]
    cached_to_uncached: float
    spreads: Mapping[str, Spread]
    refresh: PacedPair
    frozen: PacedPair | None
    pcie_bytes: Mapping[str, int] | None
    memory_mib: float | None
    memory_slope: MemorySlope | None

    def to_json(self) -> dict[str, Any]:
        """Ready for json.dump."""
        return asdict(self)


def benchmark(options: BenchOptions, progress: Progress = lambda what, done, total: None) -> Benchmark:
    """Measures everything.

    Raises:
        OptionError: An option makes no sense.
        MissingFileError, MediaError: The source cannot be read.
        BundleError, EngineError, MissingDependencyError: The networks cannot be run.
    """
    check_count("cameras", options.cameras)
    check_count("frames", options.frames)
    if options.frames < options.cameras:
        raise OptionError(f"frames={options.frames} is too few for cameras={options.cameras}: each needs one or more")
    if options.soak:
        check_soak(options.soak)
    bundle = open_bundle(options.bundle)
    source = open_video(options.source or str(CLIP))
    frames = [fit(frame, bundle.input_size) for frame in source.sample(FRAMES_IN_MEMORY, max(bundle.input_size))]
    background = temporal_median(frames)
    # A fixed background and both stages on every frame, as the bare engine has.
    bare_like = replace(options.inference, mode="full", skip_below=None)

    def pipeline(depth: int = DEFAULT_DEPTH, mode: str = "full") -> Pipeline:
        opened = Pipeline(bundle, options=replace(bare_like, mode=mode), policy="fixed", depth=depth)
        opened.backgrounds[""].set(background)
        return opened

    with ExitStack() as stack:
        pipelined = stack.enter_context(pipeline())
        engine, variant = pipelined.engine, pipelined.engine.variant
        pipeline_loop(pipelined, frames)(options.frames)
        memory_mib = resident_mib()
        sequential = stack.enter_context(Segmenter(bundle, options=bare_like, background=background, policy="fixed"))
        rotation = [background, *frames]
        raw = stack.enter_context(open_bare_engine(bundle, variant, engine.name, rotation, bare_like.threads))
        feed = FrameCycle(source)
        loops: dict[str, Loop] = {
            "pipeline": pipeline_loop(pipelined, frames),
            "sequential": sequential_loop(sequential, frames),
            # What users get, the bundle's own mode.
            "end to end": feed.loop(stack.enter_context(pipeline(mode="auto"))),
        }
        progress("looking for the fastest bare loops", 0, None)
        bare = {loop.mode: loop for loop in fastest(raw.loops, options.frames)}
        classical = stack.enter_context(peer_loops(frames))
        paces = in_turns(loops | {mode: bare[mode].run for mode in bare} | classical, options.frames, progress)
        cached = cached_to_uncached(sequential, frames)
    raw_modes = {mode: {"requests": bare[mode].requests, "fps": paces[mode].fps} for mode in bare}
    best = max(raw_modes, key=lambda mode: paces[mode].fps, default=None)
    measured = {"pipeline": paces["pipeline"], "sequential": paces["sequential"]}
    measured |= {} if best is None else {"raw": paces[best]}
    pipeline_fps = paces["pipeline"].fps
    with pipeline(depth=options.frames + 1) as pipelined:
        pacer = Pacer(pipelined, background, frames, options.frames, options.cameras)
        plain, refresh = _refresh(pacer, pipeline_fps / 2, progress)
        frozen = _frozen(pacer, 0.6 * pipeline_fps, progress) if options.cameras > 1 else None
    slope = None
    if options.soak:
        with pipeline() as pipelined:
            slope = memory_slope(pipelined, frames, options.soak, progress)
    parts = ("prepare", "stage1", "stage2", "finish")
    spreads = {part: spread([getattr(shot.result.timing, f"{part}_ms") for shot in plain]) for part in parts}
    return Benchmark(
        machine=f"{', '.join(dict.fromkeys((engine.machine, cpu_kind())))}, Python {platform.python_version()}",
        networks=f"{bundle.name}, {variant.precision}, {engine.name} {engine.version}",
        raw=None if best is None else {"mode": best, **raw_modes[best]},
        raw_modes=raw_modes,
        cpu_ms={name: pace.cpu_ms for name, pace in measured.items()},
        pipeline_fps=pipeline_fps,
        sequential_fps=paces["sequential"].fps,
        pipeline_to_raw=None if best is None else pipeline_fps / paces[best].fps,
        pipeline_to_sequential=pipeline_fps / paces["sequential"].fps,
        end_to_end_fps=paces["end to end"].fps,
        peers_fps={name: paces[name].fps for name in classical},
        cached_to_uncached=cached,
        spreads={"decode": spread(feed.decode_ms), **spreads, "age": refresh.plain},
        refresh=refresh,
        frozen=frozen,
        pcie_bytes=raw.pcie_bytes,
        memory_mib=memory_mib,
        memory_slope=slope,
    )


def _refresh(pacer: Pacer, fps: float, progress: Progress) -> tuple[list[TimedFrame], PacedPair]:
    """Also what came without a refresh."""
    plain, refreshing = in_pairs(
        lambda: pacer.run(fps), lambda: pacer.run_refreshing(fps, REFRESH_S), "backgrounds set again", progress
    )
    return plain, compare(fps, plain, refreshing)


def _frozen(pacer: Pacer, fps: float, progress: Progress) -> PacedPair:
    frozen = pacer.cameras[0]
    runs = in_pairs(lambda: pacer.run(fps), lambda: pacer.run(fps, frozen), "a camera that stops", progress)
    # Of the others, in both.
    return compare(fps, *([shot for shot in shots if shot.result.camera != frozen] for shots in runs))
