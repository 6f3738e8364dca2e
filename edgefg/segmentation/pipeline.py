"""The pipeline, which segments frames of one or many cameras on one engine, several at once."""

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
from ..errors import ClosedError, EngineError, FrameError, OptionError, PipelineTimeoutError
from ..imaging.convert import Frame
from ..imaging.device import DeviceFrame, GpuFrame
from ..imaging.levels import ValueRange, check_value_range
from ..utils.closeable import Closeable
from ..utils.own_process import OwnProcess, ProcessCondition
from ..utils.validation import check_choice, check_count
from .batch import process_batch
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
"""Enough for two frames in each stage, or for one in each while two others are prepared and finished."""

DEFAULT_DEPTH = 6


class Pipeline(Closeable):
    """Segments frames in its own threads: while one frame is in stage 2, another is in stage 1.

    Where plans take batches, a thread takes all frames that wait, of any cameras, up to the plans' batch, and runs them
    together. It never waits for a frame to make a batch larger.

    Submit frames with ``submit`` and take results by iterating, from the same thread or from others; or pass an
    iterable of frames to ``map``. The results of a camera come in the order of its frames. An error is raised in place
    of the result of its frame, and you can continue the iteration after it. In a process that was forked after the
    pipeline was made, every method raises OtherProcessError at once, except ``close``, which does nothing.

    Attributes:
        bundle: Bundle whose networks are used.
        engine: Engine that runs the networks.
        mode: Mode of the masks: ``"full"``, ``"map"`` or ``"fused"``.
        threshold: Probability, in 0..1, from which a pixel is foreground.
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
        value_range: ValueRange | Mapping[str, ValueRange] = None,
        **keywords: "Unpack[InferenceKeywords]",
    ) -> None:
        """Opens the bundle, loads its networks and starts the threads.

        Args:
            bundle: A bundle or its folder; None takes the one that comes with edgefg.
            options: Options of inference.
            slots: Number of frames, or batches of them, that are processed at once.
            depth: Maximum number of frames of a camera that were submitted and whose results were not taken yet.
            backpressure: Behaviour of ``submit`` at that depth: ``"block"`` waits until a result is taken; ``"latest"``
                drops the oldest frame that is not being processed yet, and counts it.
            policy: Policy of each camera's background: ``"selective"``, ``"periodic"``, ``"fixed"``, or an
                `edgefg.BackgroundPolicy`. A mapping sets policies by camera; other cameras get ``"selective"``.
            value_range: Levels of 16-bit and floating-point frames that become 0 and 255, as `edgefg.Segmenter` takes
                it; each camera has its own ``"auto"``. A mapping sets ranges by camera; other cameras get None.
            **keywords: Fields of `edgefg.InferenceOptions` as a shortcut: ``Pipeline(precision="fp32")``.

        Raises:
            OptionError: An option is invalid.
            BundleError: The bundle is incomplete, altered or of another schema.
            MissingFileError: The bundle does not exist.
            MissingDependencyError: The engine is not installed.
            EngineError: The engine cannot load the networks, or no more threads can be started.
        """
        self._home = OwnProcess("Pipeline")
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
        ranges, usual_range = (value_range, None) if isinstance(value_range, Mapping) else ({}, value_range)
        for one_range in (*ranges.values(), usual_range):
            check_value_range(one_range)
        self._ranges, self._usual_range = dict(ranges), usual_range
        self._depth, self._backpressure = depth, backpressure
        self.backgrounds = CameraBackgrounds(self._background_of, self._camera_names)
        self._scheduler = Scheduler()
        self._closed = False
        self._closing = threading.Lock()
        # One lock guards the two attributes above and the conditions below. Frames are processed outside it.
        lock = threading.Lock()
        self._work = ProcessCondition("Pipeline", lock)
        self._room = ProcessCondition("Pipeline", lock)
        self._news = ProcessCondition("Pipeline", lock)
        self._gone = ProcessCondition("Pipeline", lock)  # notified when frames are finished or dropped
        self._listeners: list[Callable[[], None]] = []  # called whenever _news is notified, for async iterators
        self._workers: list[threading.Thread] = []
        with ExitStack() as stack:
            self.engine = open_engine(self.bundle, chosen.engine, chosen.threads, chosen.precision, slots)
            stack.callback(self.engine.close)
            self._processor = FrameProcessor(self.engine, self.bundle.input_size, rule)
            stack.callback(self._end_work)
            self._start_work(slots)
            # A thread that is inside a library when Python exits can crash the program.
            atexit.register(self.close)
            stack.callback(atexit.unregister, self.close)
            self._resources = stack.pop_all()

    def submit(
        self, frame: Frame | GpuFrame, camera: str = "", user_data: Any = None, timeout_s: float | None = None
    ) -> int:
        """Submits a frame, which you must not change until its result is finished.

        Args:
            frame: ``(H, W, 3) uint8 BGR``; gray, BGRA, uint16 and, with a ``value_range``, floating point are
                converted. Frames may differ in size. With a TensorRT engine also an array on the GPU, or an
                `edgefg.Nv12Frame`.
            camera: Name of the camera.
            user_data: Any object; it is returned with the result.
            timeout_s: Maximum time to wait for room with backpressure ``block``; None waits indefinitely.

        Returns:
            The frame's number within its camera, from 0.

        Raises:
            PipelineTimeoutError: There was no room within ``timeout_s``; take results first.
            EngineError: A frame on the GPU cannot be waited for.
            ClosedError: The pipeline was closed, before or during this call.
        """
        received = self._receive(frame)
        submitted_s, time_s = time.perf_counter(), self._policy_of(camera).now_s()
        with self._room:
            one = self._camera(camera)
            if self._backpressure == "block" and not self._room.wait_for(
                lambda: self._closed or one.unread < self._depth, timeout_s
            ):
                raise PipelineTimeoutError(
                    f"no room for a frame of camera {camera!r} within {timeout_s} s, the results of {one.unread} "
                    "frames were not taken; iterate over the pipeline, or make it with backpressure='latest'"
                )
            one = self._camera(camera)  # The camera may have been removed while this call waited.
            sequence = self._scheduler.add(one, received, user_data, submitted_s, time_s)
            crowded = one.unread > self._depth and len(one.waiting) > 1
            if crowded:
                self._scheduler.replace_oldest(one)
                self._gone.notify_all()
            self._work.notify()
            return sequence

    def __iter__(self) -> Iterator[PipelineResult]:
        """Iterates over results until ``close``, waiting while there is none."""
        return Results(self._next)

    def __aiter__(self) -> AsyncIterator[PipelineResult]:
        """Iterates over results with ``async for``, without blocking the event loop."""
        return AsyncResults(lambda: self._next(0), self._listening)

    def map(self, frames: Iterable[Frame | GpuFrame], camera: str = "") -> Iterator[PipelineResult]:
        """Segments all frames of an iterable, and yields their results in order.

        Args:
            frames: Frames as ``submit`` takes them. They are read in this thread, a few ahead of the results.
            camera: Name of the camera. You must not take results elsewhere during the iteration.

        Raises:
            EdgefgError: A frame failed, which ends the iteration.
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
            # An iteration that stops early must not leave its results to the next one.
            for _ in range(pending):
                self._next()

    def take(self, timeout_s: float | None = None) -> PipelineResult:
        """Takes the next result.

        Args:
            timeout_s: Maximum time to wait; None waits indefinitely.

        Raises:
            PipelineTimeoutError: There was no result within ``timeout_s``.
            ClosedError: The pipeline was closed, and all results were taken.
            EdgefgError: The frame failed. Any other exception that it caused is raised as it is.
        """
        job = self._next(timeout_s)
        if job is None:
            raise ClosedError("this Pipeline was closed, and all its results were taken")
        return job.outcome()

    def flush(self) -> None:
        """Waits until all frames submitted so far are finished or dropped. Their results can still be taken."""
        with self._gone:
            flushed = self._scheduler.flush()
            # These frames may start now, even if earlier results are not taken.
            self._work.notify_all()
            self._gone.wait_for(lambda: not any(camera.holds(before) for camera, before in flushed.items()))

    def remove(self, camera: str) -> None:
        """Removes a camera, which frees its background and model.

        Waiting frames are dropped, frames in progress are finished first, and results that were not taken are lost. A
        later frame with that name makes a new camera.

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
            self._announce()
        one.background.close()

    @property
    def statistics(self) -> PipelineStatistics:
        """Counts of frames so far."""
        with self._work:
            return self._scheduler.statistics

    @property
    def unfinished(self) -> frozenset[tuple[str, int]]:
        """Frames that are neither finished nor dropped yet, each as its camera and number."""
        with self._work:
            return self._scheduler.unfinished

    def close(self) -> None:
        """Finishes the frames in progress, drops waiting ones, and frees the engine. Closing twice is fine.

        Finished results can still be taken.
        """
        if not self._home.is_this:
            return
        # A second call must not return, perhaps to the program's end, before the first call is done.
        with self._closing:
            self._resources.close()

    def _receive(self, frame: Frame | GpuFrame) -> Frame | GpuFrame | DeviceFrame:
        self._home.check()
        self._check_open()
        try:
            return self._processor.receive(frame)
        except FrameError:
            # The thread that processes the frame finds the same fault, and puts it in place of the result.
            return frame

    def _camera(self, name: str) -> CameraQueue:
        """Returns a camera, which is added if it is new. The lock must be held."""
        self._check_open()
        cameras = self._scheduler.cameras
        if name not in cameras:
            value_range = self._ranges.get(name, self._usual_range)
            embed, size = self.engine.embed, self.bundle.input_size
            background = Background(embed, size, self._policy_of(name), name, value_range)
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
        """Takes the next finished frame; returns None if the pipeline was closed and all results were taken."""
        with self._news:
            in_time = self._news.wait_for(
                lambda: self._scheduler.has_results or (self._closed and self._scheduler.is_empty), timeout_s
            )
            if not in_time:
                raise PipelineTimeoutError(f"no result within {timeout_s} s; submit frames, or wait longer")
            if not self._scheduler.has_results:
                return None
            job = self._scheduler.take()
            self._room.notify_all()
            # Threads are woken only for work: at hundreds of frames per second, more would cost a share of the CPU.
            if self._scheduler.has_work:
                self._work.notify()
            if self._closed and self._scheduler.is_empty:
                self._announce()  # Other threads may have waited for this last result.
            return job

    def _announce(self) -> None:
        """Notifies waiting threads that there are results, or that no more will come. The lock must be held."""
        self._news.notify_all()
        self._gone.notify_all()
        for listener in self._listeners:
            listener()

    @contextmanager
    def _listening(self, listener: Callable[[], None]) -> Iterator[None]:
        """Registers a function that any thread calls whenever there may be results."""
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
        """Rejects new frames, drops waiting ones, and waits for those in progress."""
        with self._work:
            self._closed = True
            self._scheduler.give_up_waiting(self._scheduler.cameras.values())
            self._work.notify_all()
            self._room.notify_all()
            self._announce()
        for worker in self._workers:
            worker.join()
        for camera in self._scheduler.cameras.values():
            camera.background.close()

    def _serve(self) -> None:
        """Processes frames until the pipeline is closed."""
        while self._work_on_next():
            pass

    def _work_on_next(self) -> bool:
        """Processes the next frames, and returns False if the pipeline was closed.

        This is a separate function, so that a thread that waits for its next frames does not keep the last ones.
        """
        with self._work:
            self._work.wait_for(lambda: self._scheduler.has_work or self._closed)
            if not self._scheduler.has_work:
                return False
            batch = process_batch(self._scheduler.start(self.engine.max_batch), self._processor)
        for job in batch:
            with self._news:
                # Frames overtake each other, but the background model needs them in order.
                self._scheduler.finish(job)
                self._announce()
                # The frames after a camera's first one may have waited for it.
                if self._scheduler.has_work:
                    self._work.notify_all()
        return True
