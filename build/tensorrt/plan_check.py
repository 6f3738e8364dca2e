"""The check of compiled plans on this machine's GPU: agreement with the masks of FP32, and speed."""

import statistics
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgefg.bundle.bundle import Bundle, Variant
from edgefg.bundle.reference_masks import ReferenceMasks, read_reference_masks
from edgefg.bundle.requirements import plan_mismatches
from edgefg.engines.self_check import MIN_IOU, agreement
from edgefg.errors import EngineError, MissingDependencyError
from edgefg.utils.cpu import platform_tag
from edgefg.utils.progress import Progress

if TYPE_CHECKING:
    # At run time this import would need OpenCV, which compiling does not.
    from edgefg.engines.protocol import Engine, Outcome

RUNS = 60
_WARM_UP_RUNS = 10


@dataclass(frozen=True)
class PlanCheck:
    """The check of one precision's plans.

    Attributes:
        gpu: The GPU's name.
        engine: Name and version of the engine that loaded them.
        iou: IoU of their masks with those of FP32, pooled over the reference frames; None if the bundle has none.
        stage_ms: Median times of stage 1 and stage 2, in milliseconds.
        failure: Why they did not run; None if they did.
    """

    gpu: str
    engine: str
    iou: float | None = None
    stage_ms: tuple[float, float] = (0.0, 0.0)
    failure: str | None = None

    @property
    def total_ms(self) -> float:
        """Time of both stages, in milliseconds."""
        return sum(self.stage_ms)

    def __str__(self) -> str:
        masks = "" if self.iou is None else f"masks agree with those of fp32 by IoU {self.iou:.3f}; "
        return f"{masks}{self.total_ms:.2f} ms a frame ({self.stage_ms[0]:.2f} stage 1, {self.stage_ms[1]:.2f} stage 2)"

    def to_json(self, fp32: "PlanCheck | None") -> dict[str, Any]:
        """Returns the check as the manifest holds it, as a comparison with FP32."""
        entry: dict[str, Any] = {
            "engine": f"{self.engine} on {self.gpu}",
            "iou": None if self.iou is None else round(self.iou, 5),
            "stage_ms": [round(ms, 3) for ms in self.stage_ms],
        }
        if fp32 is None:
            return entry
        return entry | {
            "stage_ms_fp32": [round(ms, 3) for ms in fp32.stage_ms],
            "speedup": {"together": round(fp32.total_ms / self.total_ms, 3)},
        }


def try_plans(bundle: Bundle, target: str, progress: Progress) -> dict[str, PlanCheck]:
    """Runs all plans of a bundle, taking turns frame by frame.

    Args:
        bundle: The compiled bundle.
        target: ``"tensorrt"`` or ``"tensorrt-rtx"``.
        progress: Called before each is loaded.

    Returns:
        The checks, by precision.

    Raises:
        MissingDependencyError: They cannot run here: the GPU is missing or another one, or a package is missing.
        BundleError: The reference masks are damaged.
    """
    try:
        from edgefg.engines.open import import_backend

        backend = import_backend(target)
    except MissingDependencyError:
        raise
    except ImportError as error:  # Such as OpenCV, which compiling does not need.
        raise MissingDependencyError(str(error)) from error
    plans = [variant for variant in bundle.variants if variant.format == "plan" and target in variant.engines]
    _check_gpu(plans[0], backend.VERSION)
    reference = read_reference_masks(bundle)
    checks: dict[str, PlanCheck] = {}
    with ExitStack() as stack:
        running: dict[str, _Running] = {}
        for number, variant in enumerate(plans):
            progress("trying the plans", number, len(plans))
            try:
                engine: Engine = stack.enter_context(closing(backend.load(bundle, variant, None, 1)))
                running[variant.precision] = _Running(engine, bundle, reference)
            except EngineError as error:
                checks[variant.precision] = PlanCheck("this GPU", variant.engines[0], failure=str(error))
        # In turns: clocks rise with work and sink with heat, which must favour neither the last nor the first.
        for _ in range(_WARM_UP_RUNS + RUNS):
            for precision in list(running):
                try:
                    running[precision].run()
                except EngineError as error:
                    checks[precision] = running.pop(precision).check(str(error))
        checks |= {precision: one.check() for precision, one in running.items()}
    return {variant.precision: checks[variant.precision] for variant in plans}


def refusal(check: PlanCheck, fp32: PlanCheck | None) -> str | None:
    """Returns why plans do not pass; None if they do.

    Args:
        check: Their check.
        fp32: The check of FP32, if they must be faster.
    """
    if check.failure is not None:
        return f"they do not run: {check.failure}"
    if check.iou is not None and check.iou < MIN_IOU:
        return f"their masks agree with those of fp32 by IoU {check.iou:.3f} only, expected {MIN_IOU} or more"
    if fp32 is not None and fp32.failure is None and check.total_ms >= fp32.total_ms:
        return f"they are not faster than fp32: {check.total_ms:.2f} ms against {fp32.total_ms:.2f} ms a frame"
    return None


def _check_gpu(variant: Variant, version: str) -> None:
    from edgefg.engines.trt.cuda import Gpu

    with closing(Gpu()) as gpu:
        mismatches = plan_mismatches(
            variant, tensorrt=version, compute_capability=gpu.compute_capability, platform=platform_tag()
        )
    if mismatches:
        raise MissingDependencyError("; ".join(f"expected {one.expected}, found {one.found}" for one in mismatches))


class _Running:
    """A loaded engine of plans, and the outcomes of its runs."""

    def __init__(self, engine: "Engine", bundle: Bundle, reference: ReferenceMasks | None) -> None:
        self._engine = engine
        self._iou = None if reference is None else agreement(engine, reference, bundle.decision.threshold)
        width, height = bundle.input_size
        self._frames = np.zeros((1, height, width, 3), np.uint8) if reference is None else reference.frames
        self._features = engine.embed(self._frames[0] if reference is None else reference.background)
        self._outcomes: list[Outcome] = []

    def run(self) -> None:
        """Runs the next frame."""
        frame = self._frames[len(self._outcomes) % len(self._frames)]
        self._outcomes.append(self._engine.run(frame, self._features))

    def check(self, failure: str | None = None) -> PlanCheck:
        """Returns the check of all runs so far."""
        engine = self._engine
        gpu, title = engine.machine, f"{engine.name} {engine.version}"
        if failure is not None:
            return PlanCheck(gpu, title, failure=failure)
        steady = self._outcomes[_WARM_UP_RUNS:]
        stage1, stage2 = (
            statistics.median(getattr(outcome, name) for outcome in steady) for name in ("stage1_ms", "stage2_ms")
        )
        return PlanCheck(gpu, title, self._iou, (stage1, stage2))
