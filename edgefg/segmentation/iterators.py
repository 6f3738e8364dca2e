"""Iterators over a pipeline's results, for ``for`` and ``async for``."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, suppress

from ..errors import PipelineTimeoutError
from .results import PipelineResult
from .scheduler import Job


class Results(Iterator[PipelineResult]):
    """Iterates over results. It is not a generator, because an error at one frame must not end the iteration."""

    def __init__(self, take: Callable[[], Job | None]) -> None:
        """Makes an iterator.

        Args:
            take: Function that waits for the next finished frame, and returns None if no more will come.
        """
        self._take = take

    def __next__(self) -> PipelineResult:
        job = self._take()
        if job is None:
            raise StopIteration
        return job.outcome()


class AsyncResults(AsyncIterator[PipelineResult]):
    """Iterates over results asynchronously.

    No thread waits for a result, because it could not be cancelled and would still take the result.
    """

    def __init__(
        self,
        take_now: Callable[[], Job | None],
        listening: Callable[[Callable[[], None]], AbstractContextManager[None]],
    ) -> None:
        """Makes an iterator.

        Args:
            take_now: Function that returns the next finished frame, or None if no more will come. It raises
                PipelineTimeoutError if none is finished yet.
            listening: Context in which a function is called, by any thread, whenever a frame may be finished.
        """
        self._take_now = take_now
        self._listening = listening

    async def __anext__(self) -> PipelineResult:
        import asyncio

        loop, news = asyncio.get_running_loop(), asyncio.Event()

        def listener() -> None:
            with suppress(RuntimeError):  # The loop was closed while a task was still waiting here.
                loop.call_soon_threadsafe(news.set)

        with self._listening(listener):
            while True:
                news.clear()
                with suppress(PipelineTimeoutError):
                    job = self._take_now()
                    break
                await news.wait()
        if job is None:
            raise StopAsyncIteration
        return job.outcome()
