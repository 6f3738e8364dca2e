"""The processing of a batch of frames, each of which has a result or an error of its own."""

from collections import deque
from collections.abc import Iterator

from ..engines.protocol import Outcome
from .processor import FrameProcessor, PreparedFrame
from .scheduler import Job


def process_batch(jobs: deque[Job], processor: FrameProcessor) -> Iterator[Job]:
    """Processes frames together. Yields each job once it has its processed frame or its error.

    Nothing is raised: a frame that fails takes no other with it. The jobs are taken out one by one, so that neither the
    batch nor an error, whose traceback leads here, keeps frames that are done.
    """
    prepared = deque[tuple[Job, PreparedFrame]]()
    while jobs:
        job = jobs.popleft()
        frame = _prepare(job, processor)
        if frame is None:
            yield job
        else:
            prepared.append((job, frame))
    outcomes = _compare_together([frame for _, frame in prepared], processor)
    while prepared:
        job, frame = prepared.popleft()
        _finish(job, frame, outcomes.popleft() if outcomes else None, processor)
        yield job


def _prepare(job: Job, processor: FrameProcessor) -> PreparedFrame | None:
    try:
        return processor.prepare(job.frame, job.camera.background, job.time_s)
    except BaseException as error:
        job.error = error
        return None


def _compare_together(frames: list[PreparedFrame], processor: FrameProcessor) -> deque[Outcome]:
    """Runs the networks on two frames or more; returns nothing if that fails, or for fewer."""
    try:
        return deque(processor.compare(frames) if len(frames) > 1 else ())
    except BaseException:
        return deque()


def _finish(job: Job, frame: PreparedFrame, outcome: Outcome | None, processor: FrameProcessor) -> None:
    try:
        if outcome is None:
            # The frame is alone, or the batch failed: then the frames at fault get their errors, and only they.
            (outcome,) = processor.compare([frame])
        job.processed = processor.finish(frame, outcome)
    except BaseException as error:
        job.error = error
