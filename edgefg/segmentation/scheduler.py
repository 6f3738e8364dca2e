"""Which frame is next: the cameras' queues, their turns, and results put back in order. Knows of no threads."""

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..background.handle import Background
from ..errors import EdgefgError
from ..imaging.convert import Frame
from .processor import ProcessedFrame
from .results import PipelineResult


@dataclass(frozen=True)
class PipelineStatistics:
    """What a pipeline has done so far.

    Attributes:
        submitted: Frames that were handed in.
        finished: Frames whose result, or error, is there.
        dropped: Frames that were given up before they were worked on.
        skipped: Frames on which stage 2 did not run, because their map was quiet.
    """

    submitted: int = 0
    finished: int = 0
    dropped: int = 0
    skipped: int = 0

    @property
    def skip_rate(self) -> float:
        """Share of finished frames on which stage 2 did not run."""
        return self.skipped / self.finished if self.finished else 0.0


@dataclass
class Job:
    """A frame on its way.

    Attributes:
        camera: Whose it is.
        sequence: Its number within its camera.
        frame: As it was handed in.
        user_data: As it was handed in.
        submitted_s: When, by ``time.perf_counter()``.
        time_s: When, by the clock of the background's policy.
        dropped_before: How many frames of its camera were dropped right before it.
        processed: The frame once both stages are through; its result waits for the frames before it.
        result: The result.
        error: The error instead.
    """

    camera: "CameraQueue"
    sequence: int
    frame: Frame
    user_data: Any
    submitted_s: float
    time_s: float
    dropped_before: int = 0
    processed: ProcessedFrame | None = None
    result: PipelineResult | None = None
    error: BaseException | None = None

    @property
    def done(self) -> bool:
        """Whether work on it has ended."""
        return not (self.processed is None and self.result is None and self.error is None)

    def deliver(self) -> None:
        """Hands the frame to its background's model, and makes the result. In the order of the camera's frames."""
        # Let go of here: it keeps the frame.
        processed, self.processed = self.processed, None
        if processed is None:
            return
        try:
            found = processed.deliver()
        # Whatever the model raises belongs to the caller of this frame.
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
        """The result, once; raises the error instead, if there was one."""
        error, self.error = self.error, None
        if isinstance(error, EdgefgError):
            error.camera, error.sequence = self.camera.name, self.sequence
        try:
            if error is not None:
                raise error
        finally:
            # An error whose traceback led back to it would keep the frame until Python looks for cycles.
            del error
        assert self.result is not None
        return self.result


@dataclass(eq=False)
class CameraQueue:
    """One camera: its background, the frames that wait, and those under way or not taken yet, each in order.

    No more than ``depth`` frames are under way: results that nobody takes must not pile up. Those before
    ``flushed_to`` may start all the same.
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
        """Frames handed in whose result was not taken yet."""
        return len(self.waiting) + len(self.under_way)

    @property
    def may_start(self) -> bool:
        """Whether its next frame may be worked on."""
        if not self.waiting:
            return False
        if len(self.under_way) >= self.depth and self.waiting[0].sequence >= self.flushed_to:
            return False
        # The first frame becomes the background; until it has, those after it wait.
        return self.background.id > 0 or all(job.done for job in self.under_way)

    def holds(self, before: int) -> bool:
        """Whether a frame with a lower number than this waits or is worked on."""
        return any(job.sequence < before and not job.done for job in (*self.under_way, *self.waiting))


class Scheduler:
    """The frames of all cameras between being handed in and being taken as results."""

    def __init__(self) -> None:
        self.cameras: dict[str, CameraQueue] = {}
        self._turns: deque[CameraQueue] = deque()  # all cameras; the one that has waited longest for a turn is first
        self._ready: deque[Job] = deque()  # done, and all before them of their camera are, too
        self._counts = {"submitted": 0, "finished": 0, "dropped": 0, "skipped": 0}

    @property
    def statistics(self) -> PipelineStatistics:
        return PipelineStatistics(**self._counts)

    @property
    def has_work(self) -> bool:
        """Whether `start` would give a frame."""
        return any(camera.may_start for camera in self._turns)

    @property
    def has_results(self) -> bool:
        """Whether `take` would give one."""
        return bool(self._ready)

    @property
    def is_empty(self) -> bool:
        """Whether no frame waits, is worked on, or was not taken yet."""
        return not any(camera.unread for camera in self.cameras.values())

    def add_camera(self, camera: CameraQueue) -> None:
        self.cameras[camera.name] = camera
        self._turns.append(camera)

    def remove_camera(self, name: str) -> None:
        """Forgets a camera, with its frames that wait and its results that were not taken."""
        camera = self.cameras.pop(name)
        self._turns.remove(camera)
        self.give_up_waiting([camera])
        self._ready = deque(job for job in self._ready if job.camera is not camera)

    def add(self, camera: CameraQueue, frame: Frame, user_data: Any, submitted_s: float, time_s: float) -> int:
        """Queues a frame; returns its number within its camera."""
        job = Job(camera, camera.next_sequence, frame, user_data, submitted_s, time_s)
        camera.next_sequence += 1
        camera.waiting.append(job)
        self._counts["submitted"] += 1
        return job.sequence

    def flush(self) -> dict[CameraQueue, int]:
        """Lets every frame that waits start; returns the number of each camera's next frame, which may not."""
        for camera in self.cameras.values():
            camera.flushed_to = camera.next_sequence
        return {camera: camera.flushed_to for camera in self.cameras.values()}

    def replace_oldest(self, camera: CameraQueue) -> None:
        """Gives up the frame that has waited longest; the next one, which must be there, tells of it."""
        gone = camera.waiting.popleft()
        self._counts["dropped"] += 1
        camera.waiting[0].dropped_before += 1 + gone.dropped_before

    def give_up_waiting(self, cameras: Iterable[CameraQueue]) -> None:
        """Gives up the frames of these cameras on which work has not begun."""
        for camera in cameras:
            self._counts["dropped"] += len(camera.waiting)
            camera.waiting.clear()

    def start(self) -> Job:
        """The next frame to work on. Cameras take turns, so that none delays another."""
        camera = next(camera for camera in self._turns if camera.may_start)
        self._turns.remove(camera)
        self._turns.append(camera)
        job = camera.waiting.popleft()
        camera.under_way.append(job)
        return job

    def finish(self, job: Job) -> None:
        """Takes note of a frame that is done. Its result, and those that waited for it, are delivered in order."""
        self._counts["finished"] += 1
        self._counts["skipped"] += bool(job.processed is not None and job.processed.stage2_skipped)
        camera = job.camera
        ready = sum(other.camera is camera for other in self._ready)
        while ready < len(camera.under_way) and camera.under_way[ready].done:
            camera.under_way[ready].deliver()
            self._ready.append(camera.under_way[ready])
            ready += 1

    def take(self) -> Job:
        """The next result, or error."""
        job = self._ready.popleft()
        job.camera.under_way.popleft()
        return job
