"""Which precisions a bundle gets: each candidate is made, compared with FP32, repaired if need be, and judged."""

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
"""Computes a graph for TensorRT as the graph says; OpenVINO gets symmetric INT8 wrong on some CPUs."""

Engines = tuple[str, ...]


@dataclass(frozen=True)
class VariantSelector:
    """All that judging takes.

    Attributes:
        networks: What is built.
        fp32: The reference.
        sample: What INT8 is calibrated on; without one there is no INT8.
        scenes: What candidates are compared on.
        manifest: The bundle's, for name, size and threshold.
        input_size: Width and height that the networks see.
        limits: What a candidate may lose, and whether it must be faster.
        say: Told what was found.
        progress: Told how far it is.
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
            DataError: The networks give values that are not finite, or a frame cannot be read.
            EngineError: FP32 does not run.
            MissingDependencyError: No engine that could run a candidate is installed.
        """
        verdicts = []
        for precision, engines in wanted:
            verdict = self._half(engines) if precision == "fp16" else self._integer(engines)
            for sentence in verdict.sentences():
                self.say(sentence)
            verdicts.append(verdict)
        return verdicts

    def _half(self, engines: Engines) -> Verdict:
        return self._judge(half_precision(self.networks, self.input_size, engines))

    def _integer(self, engines: Engines) -> Verdict:
        """INT8; if it loses too much, with the most sensitive layers in higher precision, up to half of them."""
        if self.sample is None:
            raise ValueError("INT8 needs a calibration sample")
        # What TensorRT does not compute in INT8 it computes in FP16.
        for_cpu = bool(set(engines) & set(CPU_ENGINES))
        base = self.fp32 if for_cpu else half_precision(self.networks, self.input_size, engines)
        calibration = calibrate(self.fp32, scheme_of(engines), self.sample, self.progress)
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
        """On every engine; one that alone computes INT8 wrongly is left out, and no layer is to blame.

        Nor is one where FP32 itself finds nothing.
        """
        return all(
            comparison.failure is not None
            or (not comparison.f_drop <= self.limits.max_f_drop and not math.isnan(comparison.f_fp32))
            for comparison in verdict.comparisons.values()
        )


def wanted(target: str, precision: str, *, calibrated: bool) -> list[tuple[str, Engines]]:
    """The precisions beside FP32 to try, each with the engines that it is for."""
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
    """The engines that may load, or compile, what is built for a target."""
    return {"cpu": CPU_ENGINES, "onnx": CPU_ENGINES + TENSORRT_ENGINES}.get(target, (target,))


def installed(engines: Engines) -> Engines:
    """Those of these engines that are there.

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
