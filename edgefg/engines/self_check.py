"""The check that an engine computes a bundle's networks correctly on this machine, by comparing its masks with FP32."""

from ..bundle.bundle import Bundle, Variant
from ..bundle.reference_masks import ReferenceMasks, read_reference_masks
from ..bundle.requirements import PLAN_ENGINES
from ..errors import EngineError
from ..imaging.overlap import Overlap
from .protocol import Engine

MIN_IOU = 0.95
"""Minimum IoU of an engine's masks with FP32. Good INT8 networks reach 0.99, miscomputed ones stay below 0.9."""


def agreement(engine: Engine, reference: ReferenceMasks, threshold: float) -> float:
    """Returns the IoU of an engine's masks with those of FP32, pooled over the reference frames.

    Raises:
        EngineError: The engine failed.
    """
    level = threshold * 255
    overlap = Overlap()
    features = engine.embed(reference.background)
    for frame, expected in zip(reference.frames, reference.probabilities, strict=True):
        probability = engine.run(frame, features).probability
        assert probability is not None  # Without early_exit, stage 2 always runs.
        overlap.add(probability >= level, expected >= level)
    return overlap.iou


def fault_of(bundle: Bundle, variant: Variant, engine: Engine) -> str | None:
    """Checks the masks of a reduced precision on a machine that it was not accepted on.

    Returns:
        A description of the fault; None if the masks are correct, were accepted on this machine, or cannot be compared.
    """
    accepted_on = variant.measured.get("gpu" if engine.name in PLAN_ENGINES else "cpu")
    if variant.precision == "fp32" or accepted_on == engine.machine:
        return None
    reference = read_reference_masks(bundle)
    if reference is None:
        return None
    title = f"{bundle.path}: {variant.precision} on {engine.name} {engine.version}"
    try:
        iou = agreement(engine, reference, bundle.decision.threshold)
    except EngineError as error:
        return f"{title}: it does not run on {engine.machine}: {error}"
    if iou >= MIN_IOU:
        return None
    found = f"expected masks like those of fp32 (IoU of {MIN_IOU} or more), found {iou:.3f} on {engine.machine}"
    return f"{title}: {found}"
