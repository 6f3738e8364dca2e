"""A watch shows that it gets on, also with cameras that are down; not while the networks or a reader hang."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("uvicorn")

from edgefg.errors import EngineError
from edgefg.watch import Watch

from ..support.watch_rig import EMPTY, Scripted, Start, camera, play, wait_until
from ..support.watch_rig import scripted as scripted
from ..support.watch_rig import start as start


class Signs:
    """The signs of life of a watch."""

    def __init__(self, watch: Watch) -> None:
        self.count = 0
        watch.on_progress = self.note

    def note(self) -> None:
        self.count += 1

    def go_on(self) -> None:
        """Fails if no further ones come."""
        before = self.count
        wait_until(lambda: self.count >= before + 2)

    def end_with(self, hanging: "Hanging") -> bool:
        """Returns whether at most one more comes while something hangs: the one that first finds it at work."""
        assert hanging.begun.wait(30)
        before = self.count
        hanging.over.wait(2)
        return self.count <= before + 1


class Hanging:
    """Stands for a function that does not return before the test's end."""

    def __init__(self) -> None:
        self.begun, self.over = threading.Event(), threading.Event()

    def __call__(self, *_: Any) -> None:
        self.begun.set()
        self.over.wait()


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    """Ends before the watch does, which waits for its threads."""
    hanging = Hanging()
    yield hanging
    hanging.over.set()


def test_frames_that_are_processed(start: Start, scripted: Scripted) -> None:
    signs = Signs(start())
    play(scripted["door"], EMPTY)
    signs.go_on()


def test_a_camera_that_is_down(start: Start, scripted: Scripted) -> None:
    Signs(start()).go_on()


def test_a_camera_that_has_ended_beside_another(start: Start, scripted: Scripted) -> None:
    watch = start(camera("over"), camera("door"))
    scripted["over"].end()
    wait_until(watch.state.cameras["over"].ended.is_set)
    Signs(watch).go_on()


def test_networks_that_fail_do_not_hang(start: Start, scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = start()

    def fail(*_: Any) -> Any:
        raise EngineError("on fire")

    monkeypatch.setattr(watch._pipeline.engine, "run", fail)
    scripted["door"].put(EMPTY)
    Signs(watch).go_on()


def test_networks_that_hang(
    start: Start, scripted: Scripted, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = start()
    signs = Signs(watch)
    monkeypatch.setattr(watch._pipeline.engine, "run", hanging)
    scripted["door"].put(EMPTY)
    assert signs.end_with(hanging)


def test_networks_that_hang_at_one_camera_of_two(
    start: Start, scripted: Scripted, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = start(camera("door"), camera("yard"))
    signs = Signs(watch)
    run = watch._pipeline.engine.run

    def hang_on_dark_frames(frame: Any, *more: Any) -> Any:
        return run(frame, *more) if frame[0, 0, 0] else hanging()

    monkeypatch.setattr(watch._pipeline.engine, "run", hang_on_dark_frames)
    scripted["yard"].put(EMPTY * 0)
    playing = threading.Thread(target=lambda: play(scripted["door"], EMPTY, for_s=4), daemon=True)
    playing.start()
    assert signs.end_with(hanging)
    assert watch.state.cameras["door"].status.frames > 0
    playing.join()


def test_a_reader_that_hangs(
    start: Start, scripted: Scripted, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = start(camera("door"), camera("yard"))
    signs = Signs(watch)
    monkeypatch.setattr(scripted["yard"], "read", hanging)
    assert signs.end_with(hanging)


def test_a_thread_of_results_that_hangs(
    start: Start, scripted: Scripted, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = start()
    signs = Signs(watch)
    monkeypatch.setattr(watch._results, "handle", hanging)
    play(scripted["door"], EMPTY)  # The thread may wait for its first result with the real function in hand.
    assert signs.end_with(hanging)
