"""The verdict on a candidate: it must keep FP32's masks and, to be chosen automatically, be faster."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgefg.utils.cpu import cpu_kind

from ..quantization.variants import CPU_ENGINES, Candidate
from .comparison import Comparison

MAX_F_DROP = 0.01
MIN_SPEEDUP = 1.0


@dataclass(frozen=True)
class Limits:
    """Limits that a candidate has to keep.

    Attributes:
        max_f_drop: F-measure that it may lose against FP32.
        must_be_faster: Whether it is refused on an engine on which it is not faster.
    """

    max_f_drop: float = MAX_F_DROP
    must_be_faster: bool = True


@dataclass(frozen=True)
class Verdict:
    """The findings about a candidate.

    Attributes:
        candidate: The candidate measured last; a repaired one has layers in higher precision.
        comparisons: Comparisons with FP32, one for each engine that runs here.
        refusals: Why an engine's figures do not pass, by the engine's name.
        simulated: Whether ONNX Runtime computed a graph meant for TensorRT; its speed then means nothing.
        note: The repair made to the candidate; None without one.
    """

    candidate: Candidate
    comparisons: Mapping[str, Comparison]
    refusals: Mapping[str, str]
    simulated: bool = False
    note: str | None = None

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines that the candidate may go to."""
        if self.simulated:
            return () if self.refusals else self.candidate.engines
        return tuple(engine for engine in self.candidate.engines if engine not in self.refusals)

    @property
    def accepted(self) -> bool:
        """Whether any engine accepts the candidate."""
        return bool(self.engines)

    def sentences(self) -> list[str]:
        """Returns the verdict for you to read, one line for each engine."""
        return [
            f"{self.candidate.name} on {engine}: "
            + (f"{self.note}: " if self.note else "")
            + (self.refusals.get(engine) or _praise(comparison, simulated=self.simulated))
            for engine, comparison in self.comparisons.items()
        ]

    def measured(self) -> dict[str, Any]:
        """Returns the figures as the bundle's manifest holds them."""
        comparisons = [comparison.to_json() for comparison in self.comparisons.values()]
        entry: dict[str, Any] = {"cpu": cpu_kind(), "simulated": self.simulated, "comparisons": comparisons}
        kept = {stage: list(names) for stage, names in self.candidate.in_floating_point.items() if names}
        return entry | ({"in_floating_point": kept} if kept else {})


def judge(
    candidate: Candidate, engines: Sequence[str], limits: Limits, measure: Callable[[Candidate, str], Comparison]
) -> Verdict:
    """Compares a candidate with FP32 on each engine of this machine.

    Args:
        candidate: The candidate to judge.
        engines: Engines that run here; they simulate a candidate that is meant for none of them.
        limits: Limits that it has to keep.
        measure: Compares a candidate with FP32 on an engine.
    """
    simulated = not set(candidate.engines) & set(CPU_ENGINES)
    speed_counts = limits.must_be_faster and not simulated
    comparisons = {engine: measure(candidate, engine) for engine in engines}
    refusals = {
        engine: reason
        for engine, comparison in comparisons.items()
        if (reason := refusal(comparison, limits.max_f_drop, must_be_faster=speed_counts))
    }
    return Verdict(candidate, comparisons, refusals, simulated)


def refusal(comparison: Comparison, max_f_drop: float, *, must_be_faster: bool) -> str | None:
    """Returns why a comparison does not pass; None if it does."""
    if comparison.failure is not None:
        return f"refused: it does not run: {comparison.failure}"
    if math.isnan(comparison.f_fp32):
        return (
            f"refused: fp32 finds nothing in the {comparison.frames} frames to compare with; pass verify= with "
            "footage that has objects, or a larger input_size="
        )
    # Written so that NaN is refused too.
    if not comparison.f_drop <= max_f_drop:
        return (
            f"refused: it loses {comparison.f_drop:.4f} of F-measure against fp32 ({comparison.f:.4f} against "
            f"{comparison.f_fp32:.4f} on {comparison.frames} frames, masks agree by IoU {comparison.iou:.3f}); "
            f"at most {max_f_drop} may be lost"
        )
    if must_be_faster and not comparison.speedup > MIN_SPEEDUP:
        ours, fp32 = sum(comparison.stage_ms), sum(comparison.stage_ms_fp32)
        return f"refused: it is not faster than fp32: {ours:.2f} ms against {fp32:.2f} ms a frame"
    return None


def _praise(comparison: Comparison, *, simulated: bool) -> str:
    against = "" if comparison.labelled else ", against the masks of fp32"
    accuracy = f"F {comparison.f:.4f}, fp32 {comparison.f_fp32:.4f}, IoU {comparison.iou:.4f}{against}"
    if simulated:
        return f"simulated: {accuracy}"
    before, after = comparison.stage_ms_fp32, comparison.stage_ms
    return (
        f"{accuracy}; {comparison.speedup:.2f} times as fast "
        f"({before[0] / after[0]:.2f} stage 1, {before[1] / after[1]:.2f} stage 2)"
    )
