"""Options of inference, defined once for the library and every command."""

from dataclasses import dataclass, replace
from typing import Literal, TypedDict

from ..bundle.decision import MODES
from ..bundle.manifest import ENGINES, PRECISIONS
from ..errors import OptionError
from ..utils.validation import check_choice, check_count, check_number

SkipLevel = float | Literal["auto"] | None
"""Distance in map units below which frames skip stage 2; ``"auto"`` is the bundle's level, None skips no frame."""


class InferenceKeywords(TypedDict, total=False):
    """The fields of `edgefg.InferenceOptions` as keywords, which `edgefg.Segmenter` and `edgefg.Pipeline` also take."""

    engine: str
    precision: str | None
    threads: int | None
    mode: str
    threshold: float | None
    skip_below: SkipLevel


@dataclass(frozen=True, kw_only=True)
class InferenceOptions:
    """The networks to run, the engine that runs them, and the rule for foreground. The bundle supplies the defaults.

    Attributes:
        engine: ``"tensorrt"``, ``"tensorrt-rtx"``, ``"openvino"`` or ``"onnxruntime"``, which never fall back to
            another; or ``"auto"``, the first of these that works here and that the bundle has networks for.
        precision: ``"fp32"``, ``"fp16"`` or ``"int8"``; None takes the bundle's preferred one.
        threads: CPU threads for the engine; None leaves the choice to the engine.
        mode: ``"full"`` takes the probability that stage 2 computes from the frame and its distance map. ``"map"`` runs
            stage 1 alone, in about half the time, and upsamples the distance map along the edges of the change.
            ``"fused"`` is the mean of both. ``"auto"`` is the bundle's mode: the best of the three in its validation.
        threshold: Probability in (0, 1] from which a pixel is foreground; None takes the bundle's. In the modes ``map``
            and ``fused``, 0.5 corresponds to the bundle's own thresholds.
        skip_below: Distance in map units. A frame whose distances all stay below it skips stage 2, and its mask is
            empty. ``"auto"`` is the level that cost the bundle no accuracy, if it has one; None always runs stage 2.

    Raises:
        OptionError: An option is invalid.
    """

    engine: str = "auto"
    precision: str | None = None
    threads: int | None = None
    mode: str = "auto"
    threshold: float | None = None
    skip_below: SkipLevel = "auto"

    def __post_init__(self) -> None:
        check_choice("engine", self.engine, ("auto", *ENGINES))
        if self.precision is not None:
            check_choice("precision", self.precision, PRECISIONS)
        if self.threads is not None:
            check_count("threads", self.threads)
        check_choice("mode", self.mode, ("auto", *MODES))
        if self.threshold is not None:
            check_number("threshold", self.threshold, above=0, at_most=1)
        if self.skip_below not in ("auto", None):
            check_number("skip_below", self.skip_below, above=0)


def inference_options(options: InferenceOptions | None, keywords: InferenceKeywords) -> InferenceOptions:
    """Returns the options, with the keywords replacing their values.

    Raises:
        OptionError: An option is invalid.
        TypeError: A keyword is not an option.
    """
    if options is not None and not isinstance(options, InferenceOptions):
        raise OptionError(f"options must be an InferenceOptions; got {type(options).__name__}")
    return replace(options or InferenceOptions(), **keywords)
