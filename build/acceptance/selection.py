"""Selection of a bundle's precisions: makes each candidate, compares it with FP32, repairs it and judges it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgefg.calibration.sample import Sample
from edgefg.engines.open import import_backend
from edgefg.errors import MissingDependencyError
from edgefg.utils.progress import Progress

from ..networks.weights import Networks
from ..quantization.sensitivity import by_stage, most_sensitive_first
from ..quantization.variants import (
    CPU_ENGINES,
    TENSORRT_ENGINES,
    Calibration,
    Candidate,
    calibrate,
    half_precision,
    integer,
    scheme_of,
)
from .comparison import compare
from .frames import ComparisonScene
from .verdict import Limits, Verdict, judge

SIMULATOR = "onnxruntime"
"""The engine that computes TensorRT's graphs exactly; OpenVINO gets symmetric INT8 wrong on some CPUs."""

Engines = tuple[str, ...]


@dataclass(frozen=True)
class VariantSelector:
    """Makes candidates and judges them.

    Attributes:
        networks: The networks that are built.
        fp32: The reference.
        sample: Calibration sample for INT8; without one there is no INT8.
        scenes: Frames that candidates are compared on.
        manifest: The bundle's manifest, for its name, size and threshold.
        input_size: Width and height that the networks see, in pixels.
        limits: The accuracy a candidate may lose, and whether it must be faster.
        say: Receives each finding as a sentence.
        progress: Receives the progress.
    """

    networks: Networks
    fp32: Candidate
    sample: Sample | None
    scenes: Sequence[ComparisonScene]
    manifest: dict[str, Any]
    input_size: tuple[int, int]
    limits: Limits
    say: Callable[[str], None]
    progress: Progress

    def verdicts(self, wanted: Sequence[tuple[str, Engines]]) -> list[Verdict]:
        """Judges one candidate for each precision and group of engines.

        Raises:
            DataError: The networks compute values that are not finite, or a frame cannot be read.
            EngineError: FP32 does not run.
            MissingDependencyError: No engine that could run a candidate is installed.
        """
        verdicts = []
        for precision, engines in wanted:
            verdict = self._half(engines) if precision == "fp16" else self._integer(engines)
            verdicts.append(self._said(verdict))
            if verdict.candidate.name == "int8.tensorrt" and verdict.accepted:
                verdicts.append(self._said(self._second_try(verdict)))
        return verdicts

    def _said(self, verdict: Verdict) -> Verdict:
        for sentence in verdict.sentences():
            self.say(sentence)
        return verdict

    def _half(self, engines: Engines) -> Verdict:
        return self._judge(half_precision(self.networks, self.input_size, engines))

    def _integer(self, engines: Engines) -> Verdict:
        """Judges INT8; if it loses too much, leaves the most sensitive layers, up to half, in higher precision."""
        # TensorRT computes in FP16 whatever it does not compute in INT8.
        for_cpu = bool(set(engines) & set(CPU_ENGINES))
        base = self.fp32 if for_cpu else half_precision(self.networks, self.input_size, engines)
        calibration = self._calibration(engines)
        verdict = self._judge(integer(base, calibration, engines))
        if not self._loses_too_much(verdict):
            return verdict
        self.say(f"{verdict.sentences()[0]}; looking for layers to leave in higher precision")
        ranked = most_sensitive_first(self.fp32, calibration, self.progress)
        kept = 1
        while kept <= len(ranked) // 2 and self._loses_too_much(verdict):
            verdict = self._judge(integer(base, calibration, engines, by_stage(ranked[:kept])))
            verdict = replace(verdict, note=f"{kept} of {len(ranked)} convolutions in higher precision")
            kept *= 2
        return verdict

    def _second_try(self, first: Verdict) -> Verdict:
        """Judges the same INT8 with scales in FP32, for devices whose TensorRT fails on those in FP16.

        It is slower, because all that is not in INT8 is in FP32 then.
        """
        engines, kept = first.candidate.engines, first.candidate.in_floating_point
        return self._judge(integer(self.fp32, self._calibration(engines), engines, kept))

    def _calibration(self, engines: Engines) -> Calibration:
        if self.sample is None:
            raise ValueError("INT8 needs a calibration sample")
        return calibrate(self.fp32, scheme_of(engines), self.sample, self.progress)

    def _judge(self, candidate: Candidate) -> Verdict:
        for_cpu = tuple(engine for engine in candidate.engines if engine in CPU_ENGINES)
        runners = installed(for_cpu or (SIMULATOR,))
        return judge(
            candidate,
            runners,
            self.limits,
            lambda form, engine: compare(form, self.fp32, engine, self.scenes, self.manifest, self.progress),
        )

    def _loses_too_much(self, verdict: Verdict) -> bool:
        """Reports whether the candidate loses too much on every engine.

        If only one engine computes INT8 wrongly, that engine is left out, and no layer is to blame. Nor is a layer to
        blame where FP32 itself finds nothing.
        """
        return all(
            comparison.failure is not None
            or (not comparison.f_drop <= self.limits.max_f_drop and not math.isnan(comparison.f_fp32))
            for comparison in verdict.comparisons.values()
        )


def wanted(target: str, precision: str, *, calibrated: bool) -> list[tuple[str, Engines]]:
    """Returns the precisions to try next to FP32, each with its engines."""
    groups = {"cpu": [CPU_ENGINES], "onnx": [CPU_ENGINES, TENSORRT_ENGINES]}.get(target, [(target,)])
    tried: list[tuple[str, Engines]] = []
    for engines in groups:
        # CPUs compute FP16 as FP32.
        if precision in ("auto", "fp16") and set(engines) <= set(TENSORRT_ENGINES):
            tried.append(("fp16", engines))
        if precision in ("auto", "int8") and calibrated:
            tried.append(("int8", engines))
    return tried


def engines_of(target: str) -> Engines:
    """Returns the engines that may load, or compile, a bundle built for a target."""
    return {"cpu": CPU_ENGINES, "onnx": CPU_ENGINES + TENSORRT_ENGINES}.get(target, (target,))


def installed(engines: Engines) -> Engines:
    """Returns those of `engines` that are installed.

    Raises:
        MissingDependencyError: None is.
    """
    found = []
    for engine in engines:
        try:
            import_backend(engine)
        except MissingDependencyError:
            continue
        found.append(engine)
    if not found:
        raise MissingDependencyError(f'expected {" or ".join(engines)} to judge with; pip install "edgefg[build]"')
    return tuple(found)
