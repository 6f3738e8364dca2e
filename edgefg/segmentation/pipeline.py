"""Frames of one or many cameras through one pair of engines, several in work at once."""

import atexit
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..background.handle import Background
from ..background.policy import BackgroundPolicy, policy_of
from ..bundle.bundle import Bundle, open_bundle
from ..engines.open import open_engine
from ..errors import ClosedError, EngineError, OptionError, PipelineTimeoutError
from ..imaging.convert import Frame
from ..utils.closeable import Closeable
from ..utils.validation import check_choice, check_count
from .camera_backgrounds import CameraBackgrounds
from .iterators import AsyncResults, Results
from .mask import mask_rule_of
from .options import InferenceKeywords, InferenceOptions, inference_options
from .processor import FrameProcessor
from .results import PipelineResult
from .scheduler import CameraQueue, Job, PipelineStatistics, Scheduler

if TYPE_CHECKING:
    from typing_extensions import Unpack

Backpressure = Literal["block", "latest"]

DEFAULT_SLOTS = 4
"""Two frames in each stage at most, or one while others are prepared and finished."""

DEFAULT_DEPTH = 6


class Pipeline(Closeable):
    """Segments frames in threads of its own: while one frame is in stage 2, another is in stage 1.

    Hand frames in with ``submit`` and take results by iterating, from the same thread or from others; or give an
    iterable of frames to ``map``. Results of a camera come in the order of its frames. An error comes at the frame that
    it belongs to, and the iteration can go on after it.

    Attributes:
        bundle: The networks in use.
        engine: What runs them.
        mode: How masks are made: ``"full"``, ``"map"`` or ``"fused"``.
        threshold: The probability, in 0..1, from which a pixel is foreground.
        backgrounds: Each camera's `edgefg.Background`, such as ``backgrounds["door"]``.
    """

    def __init__(
        self,
        bundle: Bundle | str | Path | None = None,
        *,
        options: InferenceOptions | None = None,
        slots: int = DEFAULT_SLOTS,
        depth: int = DEFAULT_DEPTH,
        backpressure: Backpressure = "block",
        policy: BackgroundPolicy | str | Mapping[str, BackgroundPolicy | str] = "selective",
        **keywords: "Unpack[InferenceKeywords]",
    ) -> None:
        """Opens the bundle, loads its networks and starts the threads.

        Args:
            bundle: A bundle or its folder; None is the one that comes with edgefg.
            options: What to run, and what counts as foreground.
            slots: How many frames are in work at once.
            depth: How many frames of a camera may be handed in and not yet be taken as results.
            backpressure: What ``submit`` does at that depth: ``"block"`` waits until a result is taken; ``"latest"``
                drops the oldest frame that is not in work yet, and counts it.
            policy: What becomes of each camera's background: ``"selective"``, ``"periodic"``, ``"fixed"``, or one with
                options of its own. A mapping has them by camera; a camera that it lacks gets ``"selective"``.
            **keywords: The fields of `InferenceOptions`, for short: ``Pipeline(precision="fp32")``.

        Raises:
            OptionError: An option makes no sense.
            BundleError: The bundle is incomplete, altered or of another schema.
            MissingFileError: There is no such bundle.
            MissingDependencyError: The engine is not installed.
            EngineError: The engine cannot load the networks, or there can be no more threads.
        """
        chosen = inference_options(options, keywords)
        check_count("slots", slots)
        check_count("depth", depth)
        check_choice("backpressure", backpressure, ("block", "latest"))
        self.bundle = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)
        rule = mask_rule_of(self.bundle, chosen)
        self.mode, self.threshold = rule.mode, rule.threshold
        by_camera, usual = (policy, "selective") if isinstance(policy, Mapping) else ({}, policy)
        self._policies = {camera: policy_of(one) for camera, one in by_camera.items()}
        self._usual_policy = policy_of(usual)
        self._depth, self._backpressure = depth, backpressure
        self.backgrounds = CameraBackgrounds(self._background_of, self._camera_names)
        self._scheduler = Scheduler()
        self._closed = False
        self._closing = threading.Lock()
        # One lock for the two above, and what threads wait for. Work on frames is done outside it.
        lock = threading.Lock()
        self._work = threading.Condition(lock)
        self._room = threading.Condition(lock)
        self._news = threading.Condition(lock)
        self._gone = threading.Condition(lock)  # A frame is finished or dropped, or all are.
        self._listeners: list[Callable[[], None]] = []  # called where _news is notified, for those that await
        self._workers: list[threading.Thread] = []
        with ExitStack() as stack:
            self.engine = open_engine(self.bundle, chosen.engine, chosen.threads, chosen.precision, slots)
            stack.callback(self.engine.close)
            self._processor = FrameProcessor(self.engine, self.bundle.input_size, rule)
            stack.callback(self._end_work)
            self._start_work(slots)
            # A thread that is inside a library when Python ends takes the whole program down.
            atexit.register(self.close)
            stack.callback(atexit.unregister, self.close)
            self._resources = stack.pop_all()

    def submit(self, frame: Frame, camera: str = "", user_data: Any = None, timeout_s: float | None = None) -> int:
        """Hands in a frame, which must not be changed until its result is there.

        Args:
            frame: ``(H, W, 3) uint8 BGR``; gray, BGRA and uint16 are converted. Each may have another size.
            camera: Whose frame it is.
            user_data: Comes back with the result.
            timeout_s: How long to wait for room with backpressure ``block``; None waits for ever.

        Returns:
            The frame's number within its camera, from 0.

        Raises:
            PipelineTimeoutError: There was no room within ``timeout_s``: take results.
            ClosedError: The pipeline was closed, before or while this call waited.
        """
        submitted_s, time_s = time.perf_counter(), self._policy_of(camera).now_s()
        with self._room:
            one = self._camera(camera)
            if self._backpressure == "block" and not self._room.wait_for(
                lambda: self._closed or one.unread < self._depth, timeout_s
            ):
                raise PipelineTimeoutError(
                    f"expected room for a frame of camera {camera!r} within {timeout_s} s, found {one.unread} frames "
                    f"whose results nobody took; iterate over the pipeline, or make it with backpressure='latest'"
                )
            one = self._camera(camera)  # It may have been removed while this call waited.
            sequence = self._scheduler.add(one, frame, user_data, submitted_s, time_s)
            crowded = one.unread > self._depth and len(one.waiting) > 1
            if crowded:
                self._scheduler.replace_oldest(one)
                self._gone.notify_all()
            self._work.notify()
            return sequence

    def __iter__(self) -> Iterator[PipelineResult]:
        """Iterates over results until ``close``; waits where none is there yet."""
        return Results(self._next)

    def __aiter__(self) -> AsyncIterator[PipelineResult]:
        """The same for ``async for``; the event loop runs on while it waits."""
        return AsyncResults(lambda: self._next(0), self._listening)

    def map(self, frames: Iterable[Frame], camera: str = "") -> Iterator[PipelineResult]:
        """Segments all frames of an iterable, and gives their results in order.

        Args:
            frames: As ``submit`` takes them; read in this thread, a few ahead of the results.
            camera: Whose frames they are. Nobody else may take results while this runs.

        Raises:
            EdgefgError: At the frame that it belongs to, which ends the iteration.
        """
        pending = 0
        try:
            for frame in frames:
                if pending == self._depth:
                    pending -= 1
                    yield self.take()
                self.submit(frame, camera)
                pending += 1
            while pending:
                pending -= 1
                yield self.take()
        finally:
            # Whoever stops early leaves no results to the next who takes some.
            for _ in range(pending):
                self._next()

    def take(self, timeout_s: float | None = None) -> PipelineResult:
        """Takes the next result.

        Args:
            timeout_s: How long to wait for it; None waits for ever.

        Raises:
            PipelineTimeoutError: There was none within ``timeout_s``.
            ClosedError: The pipeline was closed, and all results were taken.
            EdgefgError: Whatever went wrong with this frame.
        """
        job = self._next(timeout_s)
        if job is None:
            raise ClosedError("this Pipeline was closed, and all its results were taken")
        return job.outcome()

    def flush(self) -> None:
        """Waits until every frame that was handed in so far is finished or dropped; results stay to be taken."""
        with self._gone:
            flushed = self._scheduler.flush()
            # They may start now, though nobody takes the results before them.
            self._work.notify_all()
            self._gone.wait_for(lambda: not any(camera.holds(before) for camera, before in flushed.items()))

    def remove(self, camera: str) -> None:
        """Forgets a camera, so that its background and its model cost nothing more.

        Frames that wait are dropped, those in work are waited for, and results that were not taken are lost. A later
        frame of that name makes a new camera.

        Raises:
            OptionError: There is no such camera.
            ClosedError: The pipeline was closed.
        """
        with self._gone:
            self._check_open()
            one = self._scheduler.cameras.get(camera)
            if one is None:
                known = ", ".join(map(repr, self._scheduler.cameras)) or "none"
                raise OptionError(f"camera must be one of {known}; got {camera!r}")
            self._scheduler.give_up_waiting([one])
            self._gone.wait_for(lambda: all(job.done for job in one.under_way))
            if self._scheduler.cameras.get(camera) is one:  # Another thread may have removed it meanwhile.
                self._scheduler.remove_camera(camera)
            self._room.notify_all()
            self._tell()
        one.background.close()

    @property
    def statistics(self) -> PipelineStatistics:
        """What was done so far."""
        with self._work:
            return self._scheduler.statistics

    def close(self) -> None:
        """Finishes the frames in work, gives up those that wait, and frees the engine. Closing twice is fine.

        Results that are there can still be taken.
        """
        # Whoever closes it second must not go on, perhaps to the program's end, before the first is through.
        with self._closing:
            self._resources.close()

    def _camera(self, name: str) -> CameraQueue:
        """With the lock held: a camera, which is new if it was not known."""
        self._check_open()
        cameras = self._scheduler.cameras
        if name not in cameras:
            background = Background(self.engine.embed, self.bundle.input_size, self._policy_of(name), name)
            self._scheduler.add_camera(CameraQueue(name, background, self._depth))
        return cameras[name]

    def _background_of(self, camera: str) -> Background:
        with self._work:
            return self._camera(camera).background

    def _camera_names(self) -> list[str]:
        with self._work:
            return list(self._scheduler.cameras)

    def _policy_of(self, camera: str) -> BackgroundPolicy:
        return self._policies.get(camera, self._usual_policy)

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("this Pipeline was closed; make a new one")

    def _next(self, timeout_s: float | None = None) -> Job | None:
        """What `take` takes; None where the pipeline was closed and all was taken."""
        with self._news:
            in_time = self._news.wait_for(
                lambda: self._scheduler.has_results or (self._closed and self._scheduler.is_empty), timeout_s
            )
            if not in_time:
                raise PipelineTimeoutError(f"expected a result within {timeout_s} s, found none; submit frames")
            if not self._scheduler.has_results:
                return None
            job = self._scheduler.take()
            self._room.notify_all()
            # Nobody is woken for nothing: at some hundred frames a second that would cost a share of the CPU.
            if self._scheduler.has_work:
                self._work.notify()
            if self._closed and self._scheduler.is_empty:
                self._tell()  # Others may have waited for this one, the last.
            return job

    def _tell(self) -> None:
        """With the lock held: there are results, or no more to come."""
        self._news.notify_all()
        self._gone.notify_all()
        for listener in self._listeners:
            listener()

    @contextmanager
    def _listening(self, listener: Callable[[], None]) -> Iterator[None]:
        """Has a function called, by any thread, whenever there may be results."""
        with self._news:
            self._listeners.append(listener)
        try:
            yield
        finally:
            with self._news:
                self._listeners.remove(listener)

    def _start_work(self, slots: int) -> None:
        try:
            for _ in range(slots):
                worker = threading.Thread(target=self._serve, daemon=True)
                worker.start()
                self._workers.append(worker)
        except RuntimeError as error:
            raise EngineError(f"cannot start {slots} threads: {error}; use fewer slots") from error

    def _end_work(self) -> None:
        """Accepts no more frames, gives up those that wait, and waits for those in work."""
        with self._work:
            self._closed = True
            self._scheduler.give_up_waiting(self._scheduler.cameras.values())
            self._work.notify_all()
            self._room.notify_all()
            self._tell()
        for worker in self._workers:
            worker.join()
        for camera in self._scheduler.cameras.values():
            camera.background.close()

    def _serve(self) -> None:
        """What each thread does until the pipeline is closed."""
        while self._work_on_next():
            pass

    def _work_on_next(self) -> bool:
        """Works on one frame, once there is one; False where the pipeline was closed.

        A function of its own, so that a thread that waits for its next frame does not hold on to the last one.
        """
        with self._work:
            self._work.wait_for(lambda: self._scheduler.has_work or self._closed)
            if not self._scheduler.has_work:
                return False
            job = self._scheduler.start()
        try:
            job.processed = self._processor.process(job.frame, job.camera.background, job.time_s)
        # Whatever it is, it belongs to the caller of this frame; the thread goes on with the next.
        except BaseException as error:
            job.error = error
        with self._news:
            # Frames overtake each other, and a background is made of them in order.
            self._scheduler.finish(job)
            self._tell()
            # The first frame of a camera may have held back those after it.
            if self._scheduler.has_work:
                self._work.notify_all()
        return True
