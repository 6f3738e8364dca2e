"""A watch in trouble: what fails is told, stops nothing else, and leaves nothing over."""

import threading
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn")

from edgefg.errors import EngineError

from ..support.watch_rig import BOX, EMPTY, Scripted, Start, camera, play, wait_until
from ..support.watch_rig import scripted as scripted
from ..support.watch_rig import start as start


class TestTrouble:
    def test_a_fault_of_our_own_does_not_pass_for_an_end(
        self, start: Start, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch = start()
        monkeypatch.setattr(watch, "_tick", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            list(watch)
        assert watch.health() == "failing"

    @pytest.mark.timeout(60)
    def test_nor_does_one_at_the_very_end(
        self, start: Start, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch = start()
        monkeypatch.setattr(watch.cameras["door"].motion, "stop", lambda: 1 / 0)
        watch.stop()
        with pytest.raises(ZeroDivisionError):
            list(watch)

    def test_networks_that_always_fail_end_it(
        self, start: Start, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch = start()

        def fail(*_: Any) -> Any:
            raise EngineError("stage 1 is on fire")

        monkeypatch.setattr(watch._pipeline.engine, "run", fail)
        feeding = threading.Thread(target=lambda: play(scripted["door"], EMPTY, for_s=30), daemon=True)
        feeding.start()
        with pytest.raises(EngineError, match="on fire"):
            list(watch)
        assert watch.health() == "failing"

    def test_one_camera_that_never_comes_stops_no_other(self, start: Start, scripted: Scripted) -> None:
        watch = start(camera("dead"), camera("door"))
        play(scripted["door"], EMPTY, BOX)
        wait_until(lambda: watch.cameras["door"].motion.active == ("frame",))
        assert watch.live.newest("dead") is None

    def test_a_fault_at_one_camera_is_told_and_it_goes_on(
        self, start: Start, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch = start()
        door = watch.cameras["door"]
        submit, broken = watch._pipeline.submit, True

        def fail(*words: Any, **more: Any) -> Any:
            if broken:
                raise ZeroDivisionError("in rtsp://u:geheim@h/1")
            return submit(*words, **more)

        monkeypatch.setattr(watch._pipeline, "submit", fail)
        for _ in range(3):
            scripted["door"].put(EMPTY)
        wait_until(lambda: watch.health() == "failing")
        assert door.to_json()["error"] == "ZeroDivisionError: in rtsp://***@h/1"
        broken = False
        scripted["door"].put(EMPTY)
        wait_until(lambda: watch.health() == "ok" and door.status.frames > 0)
        told = [event.details for _, event in watch.events_after(0) if event.kind == "camera_state"]
        assert [one.get("reason") for one in told] == [
            "its frames cannot be used: ZeroDivisionError: in rtsp://***@h/1",
            None,
        ]

    def test_a_full_disk_is_told_and_stops_nothing(self, start: Start, scripted: Scripted, tmp_path: Path) -> None:
        file = tmp_path / "events.jsonl"
        watch = start(events=file)
        file.unlink()
        file.mkdir()
        play(scripted["door"], EMPTY, BOX)
        wait_until(lambda: any("cannot write" in problem for _, _, problem in watch.output_health()))
        assert watch.cameras["door"].motion.active == ("frame",)

    def test_nothing_is_left_over(self, start: Start, scripted: Scripted, tmp_path: Path) -> None:
        before = set(threading.enumerate())
        watch = start(events=tmp_path / "e.jsonl", record=tmp_path / "r", overlay=tmp_path / "o")
        play(scripted["door"], EMPTY, BOX)
        watch.close()
        watch.close()
        wait_until(lambda: set(threading.enumerate()) <= before)
