"""A watch in trouble: each failure is reported, stops nothing else, and leaves nothing over."""

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
        monkeypatch.setattr(watch._results, "end_stale_motion", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            list(watch)
        assert watch.state.health() == "failing"

    @pytest.mark.timeout(60)
    def test_nor_does_one_at_the_very_end(
        self, start: Start, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch = start()
        monkeypatch.setattr(watch.state.cameras["door"].motion, "stop", lambda: 1 / 0)
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
        assert watch.state.health() == "failing"

    def test_one_camera_that_never_comes_stops_no_other(self, start: Start, scripted: Scripted) -> None:
        watch = start(camera("dead"), camera("door"))
        play(scripted["door"], EMPTY, BOX)
        wait_until(lambda: watch.state.cameras["door"].motion.active == ("frame",))
        assert watch.state.latest.newest("dead") is None

    def test_a_fault_at_one_camera_is_reported_and_it_goes_on(
        self, start: Start, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch = start()
        door = watch.state.cameras["door"]
        submit, broken = watch._pipeline.submit, True

        def fail(*words: Any, **more: Any) -> Any:
            if broken:
                raise ZeroDivisionError("in rtsp://u:geheim@h/1")
            return submit(*words, **more)

        monkeypatch.setattr(watch._pipeline, "submit", fail)
        for _ in range(3):
            scripted["door"].put(EMPTY)
        wait_until(lambda: watch.state.health() == "failing")
        assert door.to_json()["error"] == "ZeroDivisionError: in rtsp://***@h/1"
        broken = False
        scripted["door"].put(EMPTY)
        wait_until(lambda: watch.state.health() == "ok" and door.status.frames > 0)
        reported = [event.details for _, event in watch.state.events.after(0) if event.kind == "camera_state"]
        assert [one.get("reason") for one in reported] == [
            "its frames cannot be used: ZeroDivisionError: in rtsp://***@h/1",
            None,
        ]

    def test_a_full_disk_is_reported_and_stops_nothing(self, start: Start, scripted: Scripted, tmp_path: Path) -> None:
        file = tmp_path / "events.jsonl"
        watch = start(events=file)
        file.unlink()
        file.mkdir()
        play(scripted["door"], EMPTY, BOX)
        wait_until(lambda: any("cannot write" in output.problem for output in watch.state.output_health()))
        assert watch.state.cameras["door"].motion.active == ("frame",)

    def test_nothing_is_left_over(self, start: Start, scripted: Scripted, tmp_path: Path) -> None:
        before = set(threading.enumerate())
        watch = start(events=tmp_path / "e.jsonl", record=tmp_path / "r", overlay=tmp_path / "o")
        play(scripted["door"], EMPTY, BOX)
        watch.close()
        watch.close()
        wait_until(lambda: set(threading.enumerate()) <= before)
