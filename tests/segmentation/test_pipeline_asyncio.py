"""The Pipeline in asyncio: who waits for a result lets others run, and takes only what is theirs."""

import asyncio
import threading
from collections.abc import Callable
from itertools import chain

import numpy as np
import pytest

from edgefg import Pipeline
from edgefg.bundle.bundle import Bundle
from edgefg.errors import FrameError

from ..support.threads import start as start

pytest.importorskip("openvino")


class TestAsyncio:
    def test_runs_on_while_it_waits(self, tiny_bundle: Bundle, frames: list[np.ndarray]) -> None:
        async def main() -> tuple[list[int], int]:
            ticks = 0

            async def tick() -> None:
                nonlocal ticks
                while True:
                    ticks += 1
                    await asyncio.sleep(0)

            ticking = asyncio.create_task(tick())
            taken: list[int] = []
            with Pipeline(tiny_bundle, depth=20) as pipeline:
                for frame in frames:
                    pipeline.submit(frame)
                async for result in pipeline:
                    taken.append(result.sequence)
                    if len(taken) == len(frames):
                        break
            ticking.cancel()
            return taken, ticks

        taken, ticks = asyncio.run(main())
        assert taken == list(range(12))
        assert ticks > 0

    def test_who_gives_up_waiting_takes_nothing_with_them(self, tiny_bundle: Bundle, frames: list[np.ndarray]) -> None:
        async def give_up(pipeline: Pipeline) -> None:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(anext(aiter(pipeline)), 0.05)

        with Pipeline(tiny_bundle) as pipeline:
            asyncio.run(give_up(pipeline))  # Which ends: no thread waits on.
            pipeline.submit(frames[0])
            assert pipeline.take(timeout_s=20).sequence == 0

    def test_errors_come_at_their_frame_and_the_next_ones_go_on(
        self, tiny_bundle: Bundle, frames: list[np.ndarray]
    ) -> None:
        async def main() -> list[int]:
            results = aiter(pipeline)
            taken = [(await anext(results)).sequence]
            with pytest.raises(FrameError, match="float32"):
                await anext(results)
            taken.append((await anext(results)).sequence)
            pipeline.close()
            with pytest.raises(StopAsyncIteration):
                await anext(results)
            return taken

        with Pipeline(tiny_bundle) as pipeline:
            for frame in (frames[0], frames[1].astype(np.float32), frames[2]):
                pipeline.submit(frame)
            assert asyncio.run(main()) == [0, 2]

    def test_many_tasks_share_the_results(
        self, tiny_bundle: Bundle, frames: list[np.ndarray], start: Callable[..., threading.Thread]
    ) -> None:
        async def take() -> list[int]:
            return [result.sequence async for result in pipeline]

        async def main() -> list[list[int]]:
            return await asyncio.gather(*(take() for _ in range(5)))

        def feed() -> None:
            for number in range(100):
                pipeline.submit(frames[number % 12])
            pipeline.flush()
            pipeline.close()

        with Pipeline(tiny_bundle) as pipeline:
            start(feed)
            assert sorted(chain(*asyncio.run(main()))) == list(range(100))
