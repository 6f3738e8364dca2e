"""What to run and how: the options of inference, in one place for the library and every command."""

from dataclasses import dataclass, replace
from typing import Literal, TypedDict

from ..bundle.decision import MODES
from ..bundle.manifest import ENGINES, PRECISIONS
from ..utils.validation import check_choice, check_count, check_number

SkipLevel = float | Literal["auto"] | None
"""Map units: frames whose distances all stay below skip stage 2; ``"auto"`` is the bundle's, None skips none."""


class InferenceKeywords(TypedDict, total=False):
    """The fields of `InferenceOptions` as keywords, which `Segmenter` and `Pipeline` take, too."""

    engine: str
    precision: str | None
    threads: int | None
    mode: str
    threshold: float | None
    skip_below: SkipLevel


@dataclass(frozen=True, kw_only=True)
class InferenceOptions:
    """Which networks run, on what, and what counts as foreground. What is left open, the bundle decides.

    Attributes:
        engine: ``"tensorrt"``, ``"tensorrt-rtx"``, ``"openvino"``, ``"onnxruntime"``, which never fall back to another;
            or ``"auto"``: the first of these that works here and that the bundle has networks for.
        precision: ``"fp32"``, ``"fp16"`` or ``"int8"``; None takes the one that the bundle prefers.
        threads: CPU threads for the engine; None leaves it to the engine.
        mode: ``"full"`` takes what stage 2 makes of the frame and its distance map. ``"map"`` runs stage 1 alone and
            upsamples the distance map along the edges of what changed, for about half the time. ``"fused"`` is the mean
            of both. ``"auto"`` is the bundle's: the best of the three where it was validated.
        threshold: Probability in (0, 1] from which a pixel is foreground; None takes the bundle's. In the modes ``map``
            and ``fused``, 0.5 stands for the bundle's own thresholds.
        skip_below: Map units: a frame whose distances all stay below skips stage 2, and its mask is empty. ``"auto"``
            is the level at which the bundle was found to lose nothing by it, if it was; None always runs stage 2.

    Raises:
        OptionError: An option makes no sense.
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
    """Returns the options, with those that were given as keywords in their place.

    Raises:
        OptionError: An option makes no sense.
        TypeError: A keyword is none of them.
    """
    return replace(options or InferenceOptions(), **keywords)
