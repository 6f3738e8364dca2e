"""Iterating over a pipeline's results, with ``for`` and with ``async for``."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, suppress

from ..errors import PipelineTimeoutError
from .results import PipelineResult
from .scheduler import Job


class Results(Iterator[PipelineResult]):
    """Not a generator: an error at one frame must not end the iteration."""

    def __init__(self, take: Callable[[], Job | None]) -> None:
        """``take`` waits for the next frame that is done, and returns None where no more will come."""
        self._take = take

    def __next__(self) -> PipelineResult:
        job = self._take()
        if job is None:
            raise StopIteration
        return job.outcome()


class AsyncResults(AsyncIterator[PipelineResult]):
    """No thread waits for results here: one that did could not be cancelled, and would take what it waited for."""

    def __init__(
        self,
        take_now: Callable[[], Job | None],
        listening: Callable[[Callable[[], None]], AbstractContextManager[None]],
    ) -> None:
        """Like `Results`, without a wait.

        Args:
            take_now: Raises PipelineTimeoutError where nothing is done yet.
            listening: Has a function called, by any thread, whenever there may be something.
        """
        self._take_now = take_now
        self._listening = listening

    async def __anext__(self) -> PipelineResult:
        import asyncio

        loop, news = asyncio.get_running_loop(), asyncio.Event()

        def listener() -> None:
            with suppress(RuntimeError):  # The loop was closed, and what awaits here was not yet told.
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
