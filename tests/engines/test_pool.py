"""The pool that engines lend their slots from: turns, closing, interruptions."""

import threading
import time
from collections.abc import Callable

import pytest

from edgefg.engines.pool import FairPool
from edgefg.errors import ClosedError

from ..support.threads import start as start
from ..support.threads import wait_until

SOON = 30.0


Start = Callable[..., threading.Thread]


def waiting(pool: FairPool[int]) -> int:
    return len(pool._line)


def test_the_thing_used_last_is_lent_first() -> None:
    pool = FairPool([1, 2], "engine")
    with pool.lend() as first:
        with pool.lend() as second:
            pass
        with pool.lend() as again:
            pass
    assert second == again != first


def test_nothing_is_lent_twice(start: Start) -> None:
    pool, used, wrong = FairPool([0, 1], "engine"), [0, 0], []

    def use() -> None:
        for _ in range(200):
            with pool.lend() as thing:
                used[thing] += 1
                if used[thing] != 1:
                    wrong.append(thing)
                used[thing] -= 1

    for thread in [start(use) for _ in range(4)]:
        thread.join(SOON)
    assert wrong == []


def test_threads_get_their_turns_in_order(start: Start) -> None:
    pool, order = FairPool(["thing"], "engine"), []

    def use(number: int) -> None:
        with pool.lend():
            order.append(number)

    with pool.lend():
        threads = []
        for number in range(8):
            threads.append(start(lambda number=number: use(number)))  # type: ignore[misc]
            wait_until(lambda number=number: len(pool._line) == number + 1)  # type: ignore[misc]
    for thread in threads:
        thread.join(SOON)
    assert order == list(range(8))


def test_a_thread_that_never_stops_asking_lets_another_in(start: Start) -> None:
    # A queue fails this: the thread has taken its thing back before the other one wakes up.
    pool, stop, turns = FairPool([0], "engine"), threading.Event(), [0]

    def use_without_end() -> None:
        while not stop.is_set():
            with pool.lend():
                turns[0] += 1
                time.sleep(0.002)

    thread = start(use_without_end)
    wait_until(lambda: turns[0])
    for _ in range(20):
        before = turns[0]
        with pool.lend():
            assert turns[0] - before <= 2
    stop.set()
    thread.join(SOON)


def test_closing_ends_threads_that_never_stop_asking(start: Start) -> None:
    pool, ended = FairPool([0, 1], "engine"), []

    def use_until_closed() -> None:
        try:
            while True:
                with pool.lend():
                    time.sleep(0.002)
        except ClosedError as error:
            ended.append(str(error))

    threads = [start(use_until_closed) for _ in range(4)]
    pool.close()
    for thread in threads:
        thread.join(SOON)
    assert ended == ["this engine was closed; open a new one"] * 4


def test_closing_waits_for_what_is_lent_and_turns_waiting_threads_away(start: Start) -> None:
    pool, ended = FairPool([0], "engine"), []

    def use() -> None:
        with pytest.raises(ClosedError), pool.lend():
            pass
        ended.append("turned away")

    def close() -> None:
        pool.close()
        ended.append("closed")

    with pool.lend():
        turned_away = start(use)
        wait_until(lambda: waiting(pool) == 1)
        closers = [start(close), start(close)]
        turned_away.join(SOON)
        assert ended == ["turned away"]
    for thread in closers:
        thread.join(SOON)
    assert ended == ["turned away", "closed", "closed"]
    pool.close()


def test_an_interrupted_thread_leaves_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = FairPool([0], "engine")
    with pool.lend():

        def interrupt(predicate: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(pool._changed, "wait_for", interrupt)
            with pytest.raises(KeyboardInterrupt), pool.lend():
                pass
    with pool.lend():
        assert waiting(pool) == 0


def test_an_error_in_the_block_gives_the_thing_back() -> None:
    pool = FairPool([0], "engine")
    with pytest.raises(ValueError), pool.lend():
        raise ValueError
    with pool.lend():
        pass
