"""The processing of one frame to its mask, which `edgefg.Segmenter` and `edgefg.Pipeline` share."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import cv2
import numpy as np

from ..background.handle import Background
from ..background.observation import CELL_PX, Copies, Observation
from ..background.registration import NO_SHIFT, Registration, Shift, find_shift, moved, outline
from ..background.scene_change import MAX_PAN, MAX_SHAKE
from ..background.store import EmbeddedBackground
from ..engines.protocol import Comparison, DeviceEngine, Engine, Outcome
from ..errors import EngineError
from ..imaging.convert import Frame, fit, size_of
from ..imaging.device import DeviceFrame, GpuFrame, device_frame, is_on_device
from ..imaging.io import Image
from .mask import MaskRule
from .refine import guided_upsample
from .results import Segmentation, Timing


@dataclass(frozen=True, eq=False)
class PreparedFrame:
    """A frame as the networks take it, with the background that it is compared with.

    Attributes:
        comparison: Input of the networks.
        background: The background as it was when the frame was prepared.
        handle: The camera's background, whose model observes the frame.
        size: Width and height of the frame as the camera has it.
        adopted: Whether the frame itself became the background.
        shift: Shift by which the frame was moved back.
        registration: Its registration; None if the camera does not shake.
        time_s: Time of the frame, by the clock of the background's policy.
        started_s: Time at which the frame's processing began, by ``time.perf_counter()``.
        prepared_s: Time at which the frame was prepared, by the same clock.
    """

    comparison: Comparison
    background: EmbeddedBackground
    handle: Background
    size: tuple[int, int]
    adopted: bool
    shift: Shift
    registration: Registration | None
    time_s: float
    started_s: float
    prepared_s: float


@dataclass(frozen=True, eq=False)
class ProcessedFrame:
    """A processed frame. Only `deliver` returns its result, so that no frame misses the background model.

    Attributes:
        stage2_skipped: Whether stage 2 was skipped.
    """

    stage2_skipped: bool
    _segmentation: Segmentation
    _observation: Observation
    _background: Background

    def deliver(self) -> Segmentation:
        """Hands the frame to its background's model, and returns the result. Call it in the order of the frames.

        Raises:
            EdgefgError: An error in the model's thread since the last frame. Other exceptions are raised as they are.
        """
        self._background.observe(self._observation)
        return self._segmentation


class FrameProcessor:
    """Compares frames of any camera with that camera's background. Any thread may call it."""

    def __init__(self, engine: Engine, input_size: tuple[int, int], rule: MaskRule) -> None:
        """Makes a processor.

        Args:
            engine: Engine that runs both stages.
            input_size: The engine's width and height in pixels.
            rule: Rule by which masks are made.
        """
        self._engine = engine
        self._input_size = input_size
        self._rule = rule
        self._device_engine = engine if isinstance(engine, DeviceEngine) else None

    def receive(self, frame: Frame | GpuFrame | DeviceFrame) -> Frame | GpuFrame | DeviceFrame:
        """Prepares a frame for ``process`` in another thread.

        Which stream of the GPU still works on a frame can be asked only in the thread that has it.

        Raises:
            FrameError: The frame is on the GPU, in another form than `edgefg.imaging.device.device_frame` reads.
            EngineError: The engine failed.
            ClosedError: The engine was closed.
        """
        if self._device_engine is not None and is_on_device(frame):
            return self._device_engine.receive(device_frame(frame))
        return frame

    def process(self, frame: Frame | GpuFrame | DeviceFrame, background: Background, time_s: float) -> ProcessedFrame:
        """Segments a frame: `prepare`, the networks, `finish`. See there for arguments and errors."""
        prepared = self.prepare(frame, background, time_s)
        return self.finish(prepared, self._engine.run(*prepared.comparison, self._rule.early_exit))

    def prepare(self, frame: Frame | GpuFrame | DeviceFrame, background: Background, time_s: float) -> PreparedFrame:
        """Prepares a frame for the networks. If its camera has no background yet, the frame becomes the background.

        Args:
            frame: Frame in a form that `edgefg.imaging.levels.Levels.to_bgr8` accepts, on the GPU of the engine, or
                from `receive`.
            background: Background of the frame's camera.
            time_s: Time of the frame, by the clock of the background's policy.

        Raises:
            FrameError: The frame has another form, or its aspect ratio differs from the background's.
            EngineError: The engine failed.
            ClosedError: The engine was closed.
        """
        started_s = time.perf_counter()
        received = self.receive(frame)
        accepted = received if isinstance(received, DeviceFrame) else background.levels.to_bgr8(received)
        size = size_of(accepted)
        current, adopted = background.store.current_or_adopt(lambda: self._on_host(accepted), size)
        current.check_fits(size)
        placed = self._place(accepted, current)
        return PreparedFrame(
            comparison=Comparison(placed.frame, current.features),
            background=current,
            handle=background,
            size=size,
            adopted=adopted,
            shift=placed.shift,
            registration=placed.registration,
            time_s=time_s,
            started_s=started_s,
            prepared_s=time.perf_counter(),
        )

    def compare(self, batch: Sequence[PreparedFrame]) -> list[Outcome]:
        """Runs the networks on prepared frames of any cameras, as many of them together as the engine can.

        Raises:
            EngineError: The engine failed.
            ClosedError: The engine was closed.
        """
        return self._engine.run_batch([prepared.comparison for prepared in batch], self._rule.early_exit)

    def finish(self, prepared: PreparedFrame, outcome: Outcome) -> ProcessedFrame:
        """Makes a frame's mask from the output of the networks.

        Raises:
            EngineError: The distances are not finite.
        """
        frame, current = prepared.comparison.frame, prepared.background
        on_background = self._combined(outcome, frame, current.image)
        probability, distance = _as_the_camera_sees_it(on_background, outcome.distance, prepared.shift, prepared.size)
        mask = self._rule.mask_of(probability)
        segmentation = Segmentation(
            mask=mask,
            probability=probability,
            distance=distance,
            threshold=self._rule.threshold,
            timing=_timing(prepared, time.perf_counter(), outcome),
            background_id=current.id,
            background_age_s=max(0.0, prepared.time_s - current.set_at_s),
            background_adopted=prepared.adopted,
            stage2_skipped=on_background is None,
        )
        read = self._copies(frame, on_background, outcome)
        observation = Observation(read, prepared.time_s, current.id, prepared.registration, self.foreground)
        return ProcessedFrame(on_background is None, segmentation, observation, prepared.handle)

    def foreground(self, frame: Image, background: Image) -> Image:
        """Compares a frame with a background that no camera uses.

        Args:
            frame: ``(H, W, 3) uint8 BGR`` at engine size.
            background: As the frame.

        Returns:
            ``(H, W) uint8``: 255 for foreground, else 0.

        Raises:
            EngineError: The engine failed, or its distances are not finite.
            ClosedError: The engine was closed.
        """
        outcome = self._engine.run(frame, self._engine.embed(background), self._rule.early_exit)
        return self._mask_of(self._combined(outcome, frame, background), frame)

    def _combined(self, outcome: Outcome, frame: Any, background: Image) -> Image | None:
        """Returns the combined probability; None if stage 2 was skipped."""
        # An overflow in a network must not look like an empty scene: NaN compares as "no change" further on.
        if not np.isfinite(outcome.distance).all():
            raise EngineError(
                f"stage 1 in {self._engine.variant.precision} returned distances that are not finite on "
                f"{self._engine.name}; use another engine or precision fp32"
            )
        upsampled = None
        if self._rule.uses_map(outcome.probability):
            upsampled = guided_upsample(outcome.distance, self._on_host(frame), background)
        return self._rule.combine(outcome.probability, upsampled)

    def _mask_of(self, probability: Image | None, frame: Image) -> Image:
        return np.zeros(frame.shape[:2], np.uint8) if probability is None else self._rule.mask_of(probability)

    def _place(self, frame: Image | DeviceFrame, background: EmbeddedBackground) -> "_Placed":
        """Scales a frame for the networks and, if the camera shakes, aligns it with the background.

        The frame is moved, not the background, which would need new features for each frame.
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
        """Returns a function that copies the frame for the background model, which needs only a few frames."""

        def read() -> Copies:
            # You may reuse the frame's memory, and change the result, once the result is delivered.
            image = np.array(self._on_host(frame))
            return Copies(image, self._mask_of(probability, image), outcome.distance.copy())

        return read

    def _on_host(self, frame: Image | DeviceFrame) -> Image:
        if isinstance(frame, DeviceFrame):
            return cast(DeviceEngine, self._device_engine).to_host(frame)
        return frame


class _Placed(NamedTuple):
    """A frame at the networks' size, the shift by which it was moved back, and its registration."""

    frame: Any
    shift: Shift
    registration: Registration | None


def _as_the_camera_sees_it(
    probability: Image | None, distance: Any, shift: Shift, size: tuple[int, int]
) -> tuple[Image, Any]:
    """Moves probability and distance back to the camera's view, and scales the probability to the frame's size."""
    if probability is None:
        return np.zeros(size[::-1], np.uint8), distance
    if shift != NO_SHIFT:
        probability = moved(probability, shift, fill=np.zeros_like(probability))
        cells = Shift(round(shift.dx / CELL_PX), round(shift.dy / CELL_PX))
        distance = moved(distance, cells, fill=np.zeros_like(distance))
    if size_of(probability) != size:
        probability = cast(Image, cv2.resize(probability, size, interpolation=cv2.INTER_LINEAR))
    return probability, distance


def _timing(prepared: PreparedFrame, finished_s: float, outcome: Outcome) -> Timing:
    return Timing(
        prepare_ms=(prepared.prepared_s - prepared.started_s) * 1e3,
        stage1_ms=outcome.stage1_ms,
        stage2_ms=outcome.stage2_ms,
        finish_ms=(finished_s - prepared.prepared_s) * 1e3 - outcome.stage1_ms - outcome.stage2_ms,
        total_ms=(finished_s - prepared.started_s) * 1e3,
    )
