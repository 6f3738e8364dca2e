"""Scheduling of frames: the cameras' queues, their turns, and the order of results. It is free of threads."""

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..background.handle import Background
from ..errors import EdgefgError
from ..imaging.convert import Frame
from ..imaging.device import DeviceFrame, GpuFrame
from .processor import ProcessedFrame
from .results import PipelineResult


@dataclass(frozen=True)
class PipelineStatistics:
    """Counts of a pipeline's frames so far.

    Attributes:
        submitted: Frames that were submitted.
        finished: Frames that were processed, with a result or an error.
        dropped: Frames that were dropped before they were processed.
        skipped: Frames for which stage 2 was skipped.
    """

    submitted: int = 0
    finished: int = 0
    dropped: int = 0
    skipped: int = 0

    @property
    def skip_rate(self) -> float:
        """Share of finished frames for which stage 2 was skipped."""
        return self.skipped / self.finished if self.finished else 0.0


@dataclass
class Job:
    """A frame on its way through the pipeline.

    Attributes:
        camera: Queue of the frame's camera.
        sequence: Number of the frame within its camera.
        frame: Frame as it was submitted, or as its engine received it.
        user_data: Object that was submitted with the frame.
        submitted_s: Time of submission, by ``time.perf_counter()``.
        time_s: Time of submission, by the clock of the background's policy.
        dropped_before: Number of frames of its camera that were dropped right before it.
        processed: The frame after both stages, while it waits for the frames before it.
        result: The result, once it is delivered.
        error: The error, if there is one instead of a result.
    """

    camera: "CameraQueue"
    sequence: int
    frame: Frame | GpuFrame | DeviceFrame
    user_data: Any
    submitted_s: float
    time_s: float
    dropped_before: int = 0
    processed: ProcessedFrame | None = None
    result: PipelineResult | None = None
    error: BaseException | None = None

    @property
    def done(self) -> bool:
        """Whether the frame was processed, with a result or an error."""
        return not (self.processed is None and self.result is None and self.error is None)

    def deliver(self) -> None:
        """Hands the frame to its background's model and makes the result. Call it in the order of the frames."""
        # Cleared here, because it keeps the frame.
        processed, self.processed = self.processed, None
        if processed is None:
            return
        try:
            found = processed.deliver()
        # Any error of the model is raised in place of this frame's result.
        except BaseException as error:
            self.error = error
            return
        self.result = PipelineResult(
            mask=found.mask,
            probability=found.probability,
            distance=found.distance,
            threshold=found.threshold,
            timing=found.timing,
            background_id=found.background_id,
            background_age_s=found.background_age_s,
            background_adopted=found.background_adopted,
            stage2_skipped=found.stage2_skipped,
            camera=self.camera.name,
            sequence=self.sequence,
            user_data=self.user_data,
            latency_ms=(time.perf_counter() - self.submitted_s) * 1e3,
            dropped_before=self.dropped_before,
        )

    def outcome(self) -> PipelineResult:
        """Returns the result, or raises the frame's error. Call it once."""
        error, self.error = self.error, None
        if isinstance(error, EdgefgError):
            error.camera, error.sequence = self.camera.name, self.sequence
        try:
            if error is not None:
                raise error
        finally:
            # An error that its own traceback refers to would keep the frame until Python collects reference cycles.
            del error
        assert self.result is not None
        return self.result


@dataclass(eq=False)
class CameraQueue:
    """One camera with its background and, in order, its waiting frames and those in progress or not taken yet.

    At most ``depth`` frames may be in progress or not taken, so that results cannot pile up. Frames before
    ``flushed_to`` are exempt.
    """

    name: str
    background: Background
    depth: int
    waiting: deque[Job] = field(default_factory=deque)
    under_way: deque[Job] = field(default_factory=deque)
    next_sequence: int = 0
    flushed_to: int = 0

    @property
    def unread(self) -> int:
        """Number of submitted frames whose result was not taken yet."""
        return len(self.waiting) + len(self.under_way)

    @property
    def may_start(self) -> bool:
        """Whether the camera's next frame may be processed."""
        if not self.waiting:
            return False
        if len(self.under_way) >= self.depth and self.waiting[0].sequence >= self.flushed_to:
            return False
        # The first frame becomes the background; the frames after it wait until then.
        return self.background.id > 0 or all(job.done for job in self.under_way)

    def holds(self, before: int) -> bool:
        """Returns whether a frame with a lower number is waiting or in progress."""
        return any(job.sequence < before and not job.done for job in (*self.under_way, *self.waiting))


class Scheduler:
    """Keeps the frames of all cameras from their submission until their results are taken."""

    def __init__(self) -> None:
        self.cameras: dict[str, CameraQueue] = {}
        self._turns: deque[CameraQueue] = deque()  # all cameras; the one that has waited longest for a turn is first
        self._ready: deque[Job] = deque()  # done, like all earlier frames of their camera
        self._counts = {"submitted": 0, "finished": 0, "dropped": 0, "skipped": 0}

    @property
    def statistics(self) -> PipelineStatistics:
        return PipelineStatistics(**self._counts)

    @property
    def has_work(self) -> bool:
        """Whether `start` would return frames."""
        return any(camera.may_start for camera in self._turns)

    @property
    def has_results(self) -> bool:
        """Whether `take` would return a result."""
        return bool(self._ready)

    @property
    def is_empty(self) -> bool:
        """Whether all submitted frames were taken or dropped."""
        return not any(camera.unread for camera in self.cameras.values())

    @property
    def unfinished(self) -> frozenset[tuple[str, int]]:
        """Frames that are waiting or in progress, each as its camera and number."""
        return frozenset(
            (camera.name, job.sequence)
            for camera in self.cameras.values()
            for job in (*camera.under_way, *camera.waiting)
            if not job.done
        )

    def add_camera(self, camera: CameraQueue) -> None:
        self.cameras[camera.name] = camera
        self._turns.append(camera)

    def remove_camera(self, name: str) -> None:
        """Removes a camera, with its waiting frames and the results that were not taken."""
        camera = self.cameras.pop(name)
        self._turns.remove(camera)
        self.give_up_waiting([camera])
        # A frame that a thread is just finishing finds no place any more, and one that waits for room finds it empty.
        camera.under_way.clear()
        self._ready = deque(job for job in self._ready if job.camera is not camera)

    def add(
        self,
        camera: CameraQueue,
        frame: Frame | GpuFrame | DeviceFrame,
        user_data: Any,
        submitted_s: float,
        time_s: float,
    ) -> int:
        """Queues a frame, and returns its number within its camera."""
        job = Job(camera, camera.next_sequence, frame, user_data, submitted_s, time_s)
        camera.next_sequence += 1
        camera.waiting.append(job)
        self._counts["submitted"] += 1
        return job.sequence

    def flush(self) -> dict[CameraQueue, int]:
        """Lets all waiting frames start, and returns for each camera the number of the first later frame."""
        for camera in self.cameras.values():
            camera.flushed_to = camera.next_sequence
        return {camera: camera.flushed_to for camera in self.cameras.values()}

    def replace_oldest(self, camera: CameraQueue) -> None:
        """Drops the frame that has waited longest. The next frame, which must exist, counts the drop."""
        gone = camera.waiting.popleft()
        self._counts["dropped"] += 1
        camera.waiting[0].dropped_before += 1 + gone.dropped_before

    def give_up_waiting(self, cameras: Iterable[CameraQueue]) -> None:
        """Drops the frames of these cameras that are not being processed yet."""
        for camera in cameras:
            self._counts["dropped"] += len(camera.waiting)
            camera.waiting.clear()

    def start(self, most: int) -> deque[Job]:
        """Returns the next frames to process together, as many as may start now.

        Cameras take turns, so that none delays another: a camera's second frame comes after the first of all others.

        Args:
            most: Maximum number of frames.
        """
        jobs: deque[Job] = deque()
        while len(jobs) < most:
            camera = next((camera for camera in self._turns if camera.may_start), None)
            if camera is None:
                break
            self._turns.remove(camera)
            self._turns.append(camera)
            jobs.append(camera.waiting.popleft())
            camera.under_way.append(jobs[-1])
        return jobs

    def finish(self, job: Job) -> None:
        """Counts a processed frame. Its result, and those that waited for it, are delivered in order."""
        self._counts["finished"] += 1
        self._counts["skipped"] += bool(job.processed is not None and job.processed.stage2_skipped)
        camera = job.camera
        ready = sum(other.camera is camera for other in self._ready)
        while ready < len(camera.under_way) and camera.under_way[ready].done:
            camera.under_way[ready].deliver()
            self._ready.append(camera.under_way[ready])
            ready += 1

    def take(self) -> Job:
        """Returns the next frame with a result or an error."""
        job = self._ready.popleft()
        job.camera.under_way.popleft()
        return job
