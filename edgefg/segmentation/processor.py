"""The work on one frame: prepare, both stages, finish. Segmenter does it in the caller's thread, Pipeline in others."""

import math
import time
from typing import Any, cast

import cv2
import numpy as np

from ..background.handle import Background, EmbeddedBackground
from ..background.observation import CELL_PX, Copies, Observation
from ..background.registration import NO_SHIFT, Shift, find_shift, moved, outline
from ..background.scene_change import MAX_PAN, MAX_SHAKE
from ..engines.protocol import DeviceEngine, Engine
from ..errors import EngineError
from ..imaging.convert import Frame, fit, size_of, to_bgr8
from ..imaging.device import DeviceFrame, device_frame, is_on_device
from ..imaging.io import Image
from .mask import MaskRule
from .refine import guided_upsample
from .results import Segmentation, Timing


def segment(
    engine: Engine,
    input_size: tuple[int, int],
    frame: Frame,
    background: Background,
    mask_rule: MaskRule,
    time_s: float,
) -> tuple[Segmentation, Observation]:
    """Segments a frame against its camera's background; if there is none yet, the frame becomes it.

    Args:
        engine: Runs both stages.
        input_size: The engine's width and height.
        frame: As `edgefg.imaging.convert.to_bgr8` takes it, or on the GPU if that is where the engine computes.
        background: Of the frame's camera.
        mask_rule: Which stages run, and what is foreground.
        time_s: The frame's time, by the clock of the background's policy.

    Returns:
        What came out, and what it says to the background model.

    Raises:
        FrameError: It is no such frame, or its aspect ratio is not the background's.
        EngineError: The engine failed, or its distances are not finite.
        ClosedError: The engine was closed.
    """
    started = time.perf_counter()
    accepted: Image | DeviceFrame
    if is_on_device(frame) and isinstance(engine, DeviceEngine):
        accepted = held = device_frame(frame, input_size)
        # The background's image is kept on the host.
        current, adopted = background.current_or_adopt(lambda: engine.to_host(held))
    else:
        accepted = bgr = to_bgr8(frame)
        current, adopted = background.current_or_adopt(lambda: bgr)
    current.check_fits(size_of(accepted))
    return compare(engine, input_size, accepted, current, mask_rule, started, time_s, adopted)


def compare(
    engine: Engine,
    input_size: tuple[int, int],
    frame: Image | DeviceFrame,
    background: EmbeddedBackground,
    mask_rule: MaskRule,
    started: float,
    time_s: float,
    adopted: bool = False,
) -> tuple[Segmentation, Observation]:
    """`segment` with a background that is there.

    Args:
        engine: As there.
        input_size: As there.
        frame: ``(H, W, 3) uint8 BGR``, any size; on a GPU, the engine's.
        background: What to compare with.
        mask_rule: As there.
        started: ``time.perf_counter()`` when work on this frame began.
        time_s: As there.
        adopted: The background is this very frame.
    """
    # Only an engine of DeviceFrames was given one: see segment().
    scaled: Any = frame if isinstance(frame, DeviceFrame) else fit(frame, input_size)
    match = None
    if background.shaky and not isinstance(frame, DeviceFrame):
        match = find_shift(outline(scaled), background.outline, MAX_PAN * input_size[0])
    # The frame is put onto the background, not the other way round, which would need new features for each frame.
    shift = match.shift if match and match.shift.length_px <= MAX_SHAKE * input_size[0] else NO_SHIFT
    if shift != NO_SHIFT:
        scaled = moved(scaled, -shift, fill=background.image)
    prepared = time.perf_counter()
    outcome = engine.run(scaled, background.features, mask_rule.skips)
    # A network that overflows must not pass as a quiet scene: NaN compares as "no change" further on.
    if not np.isfinite(outcome.distance).all():
        raise EngineError(
            f"stage 1 in {engine.variant.precision} gave distances that are not finite on {engine.name}; "
            f"use another engine or precision fp32"
        )
    distance = outcome.distance
    on_background = likely = mask_rule.join(
        outcome.probability, lambda: guided_upsample(outcome.distance, _on_host(engine, scaled), background.image)
    )
    if likely is None:
        probability = np.zeros(frame.shape[:2], np.uint8)
        mask = probability.copy()
    else:
        if shift != NO_SHIFT:
            likely = moved(likely, shift, fill=np.zeros_like(likely))
            cells = Shift(round(shift.dx / CELL_PX), round(shift.dy / CELL_PX))
            distance = moved(distance, cells, fill=np.zeros_like(distance))
        probability = likely
        if size_of(frame) != input_size:
            probability = cast(Image, cv2.resize(likely, size_of(frame), interpolation=cv2.INTER_LINEAR))
        mask = _mask(probability, mask_rule.threshold)
    finished = time.perf_counter()
    timing = Timing(
        prepare_ms=(prepared - started) * 1e3,
        stage1_ms=outcome.stage1_ms,
        stage2_ms=outcome.stage2_ms,
        finish_ms=(finished - prepared) * 1e3 - outcome.stage1_ms - outcome.stage2_ms,
        total_ms=(finished - started) * 1e3,
    )

    def read() -> Copies:
        # The caller may reuse a frame's memory, and change the result's, once it is there.
        image = np.array(_on_host(engine, scaled))
        foreground = (
            np.zeros(image.shape[:2], np.uint8) if on_background is None else _mask(on_background, mask_rule.threshold)
        )
        return Copies(image, foreground, outcome.distance.copy())

    found = Segmentation(
        mask=mask,
        probability=probability,
        distance=distance,
        threshold=mask_rule.threshold,
        timing=timing,
        background_id=background.id,
        background_age_s=max(0.0, time_s - background.set_at_s),
        background_adopted=adopted,
        skipped=likely is None,
    )
    return found, Observation(read, time_s, background.id, match)


def _on_host(engine: Engine, frame: Any) -> Image:
    if isinstance(frame, DeviceFrame):
        return cast(DeviceEngine, engine).to_host(frame)
    return cast(Image, frame)


def _mask(probability: Image, threshold: float) -> Image:
    # Not cv2.threshold: at this size it wakes OpenCV's threads, which then spin on the cores that the networks need.
    level: Any = math.ceil(threshold * 255)  # OpenCV's types do not know that it may be a number.
    return cast(Image, cv2.compare(probability, level, cv2.CMP_GE))
