"""Comparison of a candidate with FP32 in accuracy and speed: both run the same frames, taking turns."""

import heapq
import math
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefg.bundle.bundle import Bundle, write_bundle
from edgefg.datasets.labels import MOVING, STATIC
from edgefg.errors import EngineError
from edgefg.evaluate.metrics import Counts, SequenceScore, count, summarise
from edgefg.imaging.io import Image
from edgefg.imaging.overlap import Overlap
from edgefg.segmentation.segmenter import Segmenter
from edgefg.utils.progress import Progress

from ..quantization.variants import Candidate
from .frames import ComparisonScene

WORST_PAIRS = 4
_WARM_UP_FRAMES = 3


@dataclass(frozen=True, order=True)
class WorstPair:
    """A frame on which two precisions disagree.

    Attributes:
        badness: Pixels that differ, divided by those that either calls foreground, or by 1% of the frame if larger.
        name: Scene and frame.
        frame: (H, W, 3) uint8 BGR.
        reference: The mask of FP32, (H, W) uint8.
        mask: The candidate's mask, (H, W) uint8.
    """

    badness: float
    name: str
    frame: Image = field(compare=False)
    reference: Image = field(compare=False)
    mask: Image = field(compare=False)


@dataclass(frozen=True)
class Comparison:
    """A candidate compared with FP32 on one engine.

    Attributes:
        engine: Name and version of the engine.
        frames: Number of frames compared.
        labelled: Whether F is measured against labels; otherwise it is measured against the masks of FP32.
        iou: IoU of the two precisions' masks, pooled over all frames.
        f: The candidate's F-measure, averaged over categories.
        f_fp32: The F-measure of FP32.
        failure: Why the candidate did not run to the end, such as distances that are not finite; None if it did.
        stage_ms: Median times of stage 1 and stage 2, in milliseconds.
        stage_ms_fp32: The same times for FP32, whose runs alternate with the candidate's.
        worst: The frames with the largest differences, worst first.
    """

    engine: str
    frames: int
    labelled: bool
    iou: float
    f: float
    f_fp32: float
    failure: str | None
    stage_ms: tuple[float, float]
    stage_ms_fp32: tuple[float, float]
    worst: tuple[WorstPair, ...] = field(repr=False)

    @property
    def f_drop(self) -> float:
        """F-measure that the candidate loses against FP32."""
        return self.f_fp32 - self.f

    @property
    def speedup(self) -> float:
        """Speed of both stages together, as a multiple of FP32's."""
        return sum(self.stage_ms_fp32) / sum(self.stage_ms) if sum(self.stage_ms) else math.nan

    def to_json(self) -> dict[str, Any]:
        """Returns the comparison as the manifest and the report hold it."""
        if self.failure is not None:
            return {"engine": self.engine, "failure": self.failure}
        ratios = [before / after for before, after in zip(self.stage_ms_fp32, self.stage_ms, strict=True)]
        return {
            "engine": self.engine,
            "frames": self.frames,
            "f_against": "labels" if self.labelled else "fp32",
            "iou": round(self.iou, 5),
            "f": round(self.f, 5),
            "f_fp32": round(self.f_fp32, 5),
            "f_drop": round(self.f_drop, 5),
            "stage_ms": [round(ms, 3) for ms in self.stage_ms],
            "stage_ms_fp32": [round(ms, 3) for ms in self.stage_ms_fp32],
            "speedup": {
                "stage1": round(ratios[0], 3),
                "stage2": round(ratios[1], 3),
                "together": round(self.speedup, 3),
            },
        }


def compare(
    candidate: Candidate,
    fp32: Candidate,
    engine: str,
    scenes: Sequence[ComparisonScene],
    manifest: dict[str, Any],
    progress: Progress,
) -> Comparison:
    """Runs both precisions over the scenes.

    Args:
        candidate: The candidate to compare.
        fp32: The reference.
        engine: An engine that runs on this machine's CPU.
        scenes: Frames to compare on.
        manifest: The bundle's manifest, for its name, size and threshold.
        progress: Called after each frame.

    Raises:
        MissingDependencyError: The engine is not installed.
        EngineError: The reference does not run.
    """
    tally = _Tally()
    with ExitStack() as stack:
        bundle = stack.enter_context(scratch_bundle((fp32, candidate), engine, manifest))
        networks: dict[str, Any] = {"engine": engine, "policy": "fixed", "mode": "full", "skip_below": None}
        reference = stack.enter_context(Segmenter(bundle, precision="fp32", **networks))
        name = f"{reference.engine.name} {reference.engine.version}"
        try:
            with _simulated() if engine not in candidate.engines else nullcontext():
                ours = stack.enter_context(Segmenter(bundle, precision=candidate.precision, **networks))
            total = sum(scene.count for scene in scenes)
            for scene in scenes:
                reference.background.set(scene.background)
                ours.background.set(scene.background)
                for frame_name, frame, truth in scene.frames():
                    tally.add(scene, frame_name, frame, truth, reference, ours)
                    progress(f"comparing {candidate.name} on {engine}", tally.frames, total)
        except EngineError as error:
            return tally.comparison(name, failure=str(error))
    return tally.comparison(name)


def _simulated() -> AbstractContextManager[None]:
    from edgefg.engines.onnxruntime import as_written  # Only what is simulated needs it.

    return as_written()


@contextmanager
def scratch_bundle(candidates: Sequence[Candidate], engine: str, manifest: dict[str, Any]) -> Iterator[Bundle]:
    """Writes a bundle to a temporary folder, so that candidates run exactly as they will in use."""
    files: dict[str, bytes | Path] = {}
    variants = []
    for candidate in candidates:
        names = {stage: f"{stage}.{candidate.name}.onnx" for stage in ("stage1", "stage2")}
        files |= {names["stage1"]: candidate.stage1, names["stage2"]: candidate.stage2}
        variants.append(
            {
                "precision": candidate.precision,
                "format": "onnx",
                "engines": [engine],
                "stages": {stage: {"file": file} for stage, file in names.items()},
                "requires": {},
                "measured": {},
            }
        )
    with tempfile.TemporaryDirectory(prefix="edgefg-") as folder:
        yield write_bundle(Path(folder) / "bundle", files=files, manifest={**manifest, "variants": variants})


class _Tally:
    """Counts and times of two precisions over frames."""

    def __init__(self) -> None:
        self.frames = 0
        self._overlap = Overlap()
        self._labelled = False
        self._counts: dict[ComparisonScene, tuple[Counts, Counts]] = {}
        self._frames_of: dict[str, int] = {}
        self._ms: tuple[list[tuple[float, float]], list[tuple[float, float]]] = ([], [])
        self._worst: list[WorstPair] = []

    def add(
        self,
        scene: ComparisonScene,
        name: str,
        frame: Image,
        truth: NDArray[np.uint8] | None,
        reference: Segmenter,
        ours: Segmenter,
    ) -> None:
        results = reference.segment(frame), ours.segment(frame)
        for times, result in zip(self._ms, results, strict=True):
            times.append((result.timing.stage1_ms, result.timing.stage2_ms))
        masks = [result.mask for result in results]
        overlap = Overlap()
        overlap.add(*(mask > 0 for mask in masks))
        self._overlap += overlap
        self._labelled |= truth is not None
        if truth is None:
            truth = np.where(masks[0] > 0, MOVING, STATIC).astype(np.uint8)
        before = self._counts.get(scene, (Counts(), Counts()))
        self._counts[scene] = before[0] + count(masks[0], truth), before[1] + count(masks[1], truth)
        self.frames += 1
        badness = (overlap.either - overlap.common) / max(overlap.either, masks[0].size / 100)
        heapq.heappush(self._worst, WorstPair(badness, f"{scene.name}/{name}", frame, *masks))
        if len(self._worst) > WORST_PAIRS:
            heapq.heappop(self._worst)

    def comparison(self, engine: str, failure: str | None = None) -> Comparison:
        if failure is not None or not self.frames:
            nothing = (math.nan, math.nan)
            reason = failure or "there were no frames"
            return Comparison(engine, self.frames, False, 0.0, 0.0, math.nan, reason, nothing, nothing, ())
        f_fp32, f = (
            summarise(
                SequenceScore(scene.name, scene.category, scene.count, counts[which], scene.pooled)
                for scene, counts in self._counts.items()
            ).overall.f
            for which in (0, 1)
        )
        return Comparison(
            engine=engine,
            frames=self.frames,
            labelled=self._labelled,
            iou=self._overlap.iou,
            f=f,
            f_fp32=f_fp32,
            failure=None,
            stage_ms=_medians(self._ms[1]),
            stage_ms_fp32=_medians(self._ms[0]),
            worst=tuple(sorted(self._worst, reverse=True)),
        )


def _medians(times: list[tuple[float, float]]) -> tuple[float, float]:
    steady = times[_WARM_UP_FRAMES:] or times
    stage1, stage2 = (statistics.median(stage) for stage in zip(*steady, strict=True))
    return stage1, stage2
