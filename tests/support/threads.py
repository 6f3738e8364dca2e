"""Threads for tests, which must end before their test does.

Test modules import its fixtures under their own names (``start as start``), as only pytest uses them.
"""

import threading
import time
from collections.abc import Callable, Iterator

import pytest


@pytest.fixture
def start() -> Iterator[Callable[..., threading.Thread]]:
    """Starts a thread, which has to end by itself before the test does."""
    started: list[threading.Thread] = []

    def start(work: Callable[..., object], *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        thread.start()
        started.append(thread)
        return thread

    yield start
    for thread in started:
        thread.join(20)
    assert not [thread for thread in started if thread.is_alive()]


def wait_until(true: Callable[[], object]) -> None:
    ends = time.monotonic() + 20
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.001)


def errors_at_close(
    run: Callable[[], object], close: Callable[[], None], threads: int = 4
) -> list[type[BaseException]]:
    """Calls ``run`` in a loop in some threads, closes, and returns the errors that ended them."""
    ended: list[type[BaseException]] = []

    def run_until_closed() -> None:
        try:
            while True:
                run()
        except BaseException as error:
            ended.append(type(error))

    running = [threading.Thread(target=run_until_closed) for _ in range(4)]
    for thread in running:
        thread.start()
    close()
    for thread in running:
        thread.join(30)
    return ended
