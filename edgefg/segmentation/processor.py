"""One frame's way to its mask: prepare, both stages, finish. It serves Segmenter and Pipeline in any thread."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import cv2
import numpy as np

from ..background.handle import Background
from ..background.observation import CELL_PX, Copies, Observation
from ..background.registration import NO_SHIFT, Registration, Shift, find_shift, moved, outline
from ..background.scene_change import MAX_PAN, MAX_SHAKE
from ..background.store import EmbeddedBackground
from ..engines.protocol import DeviceEngine, Engine, Outcome
from ..errors import EngineError
from ..imaging.convert import Frame, fit, size_of, to_bgr8
from ..imaging.device import DeviceFrame, device_frame, is_on_device
from ..imaging.io import Image
from .mask import MaskRule
from .refine import guided_upsample
from .results import Segmentation, Timing


@dataclass(frozen=True, eq=False)
class ProcessedFrame:
    """A frame that is done. Its result comes out by `deliver`, so that no frame misses the background model.

    Attributes:
        stage2_skipped: Whether stage 2 did not run.
    """

    stage2_skipped: bool
    _segmentation: Segmentation
    _observation: Observation
    _background: Background

    def deliver(self) -> Segmentation:
        """Hands the frame to its background's model, and returns the result. Call it in the order of the frames.

        Raises:
            EdgefgError: Or whatever else went wrong in the model's thread since the last frame.
        """
        self._background.observe(self._observation)
        return self._segmentation


class FrameProcessor:
    """Finds the foreground in frames of any camera, against that camera's background. Any thread may call it."""

    def __init__(self, engine: Engine, input_size: tuple[int, int], rule: MaskRule) -> None:
        """Keeps what all frames share.

        Args:
            engine: Runs both stages.
            input_size: The engine's width and height.
            rule: Which stages run, and what is foreground.
        """
        self._engine = engine
        self._input_size = input_size
        self._rule = rule
        self._device_engine = engine if isinstance(engine, DeviceEngine) else None

    def process(self, frame: Frame, background: Background, time_s: float) -> ProcessedFrame:
        """Segments a frame. If its camera has no background yet, the frame becomes it.

        Args:
            frame: As `edgefg.imaging.convert.to_bgr8` takes it, or on the GPU if that is where the engine computes.
            background: Of the frame's camera.
            time_s: The frame's time, by the clock of the background's policy.

        Raises:
            FrameError: It is no such frame, or its aspect ratio is not the background's.
            EngineError: The engine failed, or its distances are not finite.
            ClosedError: The engine was closed.
        """
        started = time.perf_counter()
        accepted: Image | DeviceFrame
        if self._device_engine is not None and is_on_device(frame):
            accepted = device_frame(frame, self._input_size)
        else:
            accepted = to_bgr8(frame)
        current, adopted = background.store.current_or_adopt(lambda: self._on_host(accepted))
        size = size_of(accepted)
        current.check_fits(size)
        placed = self._place(accepted, current)
        prepared = time.perf_counter()
        outcome = self._engine.run(placed.frame, current.features, self._rule.early_exit)
        # A network that overflows must not pass for an empty scene: NaN compares as "no change" further on.
        if not np.isfinite(outcome.distance).all():
            raise EngineError(
                f"stage 1 in {self._engine.variant.precision} returned distances that are not finite on "
                f"{self._engine.name}; use another engine or precision fp32"
            )
        upsampled = None
        if self._rule.uses_map(outcome.probability):
            upsampled = guided_upsample(outcome.distance, self._on_host(placed.frame), current.image)
        on_background = self._rule.combine(outcome.probability, upsampled)
        probability, distance = _as_the_camera_sees_it(on_background, outcome.distance, placed.shift, size)
        mask = self._rule.mask_of(probability)
        finished = time.perf_counter()
        segmentation = Segmentation(
            mask=mask,
            probability=probability,
            distance=distance,
            threshold=self._rule.threshold,
            timing=_timing(started, prepared, finished, outcome),
            background_id=current.id,
            background_age_s=max(0.0, time_s - current.set_at_s),
            background_adopted=adopted,
            stage2_skipped=on_background is None,
        )
        read = self._copies(placed.frame, on_background, outcome)
        observation = Observation(read, time_s, current.id, placed.registration)
        return ProcessedFrame(on_background is None, segmentation, observation, background)

    def _place(self, frame: Image | DeviceFrame, background: EmbeddedBackground) -> "_Placed":
        """Scales a frame for the networks and, where the camera shakes, puts it onto the background.

        The frame moves, not the background, which would need new features for each frame.
        """
        if isinstance(frame, DeviceFrame):
            return _Placed(frame, NO_SHIFT, None)
        scaled = fit(frame, self._input_size)
        if not background.shaky:
            return _Placed(scaled, NO_SHIFT, None)
        width = self._input_size[0]
        registration = find_shift(outline(scaled), background.outline, MAX_PAN * width)
        if registration is None or registration.shift.length_px > MAX_SHAKE * width or registration.shift == NO_SHIFT:
            return _Placed(scaled, NO_SHIFT, registration)
        shift = registration.shift
        return _Placed(moved(scaled, -shift, fill=background.image), shift, registration)

    def _copies(self, frame: Any, probability: Image | None, outcome: Outcome) -> Callable[[], Copies]:
        """Returns what copies the frame for the background model, which looks at few of them."""

        def read() -> Copies:
            # The caller may reuse a frame's memory, and change the result's, once it is there.
            image = np.array(self._on_host(frame))
            empty = np.zeros(image.shape[:2], np.uint8)
            foreground = empty if probability is None else self._rule.mask_of(probability)
            return Copies(image, foreground, outcome.distance.copy())

        return read

    def _on_host(self, frame: Image | DeviceFrame) -> Image:
        if isinstance(frame, DeviceFrame):
            return cast(DeviceEngine, self._device_engine).to_host(frame)
        return frame


class _Placed(NamedTuple):
    """A frame at the networks' size, how far it was moved, and what was found out about that."""

    frame: Any
    shift: Shift
    registration: Registration | None


def _as_the_camera_sees_it(
    probability: Image | None, distance: Any, shift: Shift, size: tuple[int, int]
) -> tuple[Image, Any]:
    """Moves probability and distance back to where the frame lay, and scales the former to the frame's size."""
    if probability is None:
        return np.zeros(size[::-1], np.uint8), distance
    if shift != NO_SHIFT:
        probability = moved(probability, shift, fill=np.zeros_like(probability))
        cells = Shift(round(shift.dx / CELL_PX), round(shift.dy / CELL_PX))
        distance = moved(distance, cells, fill=np.zeros_like(distance))
    if size_of(probability) != size:
        probability = cast(Image, cv2.resize(probability, size, interpolation=cv2.INTER_LINEAR))
    return probability, distance


def _timing(started: float, prepared: float, finished: float, outcome: Outcome) -> Timing:
    return Timing(
        prepare_ms=(prepared - started) * 1e3,
        stage1_ms=outcome.stage1_ms,
        stage2_ms=outcome.stage2_ms,
        finish_ms=(finished - prepared) * 1e3 - outcome.stage1_ms - outcome.stage2_ms,
        total_ms=(finished - started) * 1e3,
    )
