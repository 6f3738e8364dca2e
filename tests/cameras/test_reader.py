"""What a camera's thread does with a source that misbehaves. The source is scripted here; real ones are elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from edgefg.cameras.latest_frame import LatestFrame
from edgefg.cameras.options import CameraOptions
from edgefg.cameras.reader import read_camera, retry_delay_s
from edgefg.cameras.source import DecodedFrame, DecodedFrames, Gap, SilenceError, Waits
from edgefg.cameras.state import CameraState
from edgefg.errors import CameraError, OptionError

QUICK = CameraOptions(min_delay_s=0.001, max_delay_s=0.002)
Step = DecodedFrame | Gap | float | BaseException


def picture(level: int = 0, pts_s: float | None = None) -> DecodedFrame:
    image = np.full((48, 64, 3), level, np.uint8)
    return DecodedFrame(image.copy, pts_s, image)


class ScriptedFeed:
    """Plays one list of steps a connection: pictures and gaps, seconds to wait, errors to raise. Then it is closed."""

    live = True

    def __init__(self, latest: LatestFrame, *connections: list[Step]) -> None:
        self.latest = latest
        self.connections = list(connections)
        self.left_open = 0

    @contextmanager
    def connect(self, waits: Waits) -> Iterator[DecodedFrames]:
        if not self.connections:
            self.latest.close()
            raise CameraError("the script is at its end")
        self.left_open += 1
        try:
            yield self.play(self.connections.pop(0))
        finally:
            self.left_open -= 1

    def play(self, steps: list[Step]) -> DecodedFrames:
        for step in steps:
            if isinstance(step, BaseException):
                raise step
            if isinstance(step, float):
                time.sleep(step)
            else:
                yield step


@pytest.fixture
def run() -> Callable[..., LatestFrame]:
    """Drains a script to its end, and gives the latest as it is then."""

    def run(*connections: list[Step], options: CameraOptions = QUICK) -> LatestFrame:
        latest = LatestFrame("door", options.stall_s, options.max_wait_s)
        source = ScriptedFeed(latest, *connections)
        read_camera(source, options, latest)
        assert source.left_open == 0
        return latest

    return run


def story(latest: LatestFrame) -> list[str]:
    return [f"{change.state.value}: {change.reason}".rstrip(": ") for change in latest.take_changes()]


class TestReconnecting:
    def test_a_lost_camera_is_connected_to_anew(self, run: Callable[..., LatestFrame]) -> None:
        latest = run([picture(1), CameraError("the cable")], [picture(2)])
        assert story(latest) == [
            "live",
            "reconnecting: the cable",
            "live",
            "reconnecting: the camera ended the stream",
        ]
        assert (latest.statistics.received, latest.statistics.reconnects) == (2, 1)

    def test_a_camera_that_was_never_there_stays_connecting(self, run: Callable[..., LatestFrame]) -> None:
        latest = run([CameraError("refused")], [CameraError("refused")], [CameraError("no answer")])
        assert story(latest) == ["connecting: refused", "connecting: no answer"]
        assert latest.statistics.reconnects == 0

    def test_what_no_try_can_mend_ends_it(self, run: Callable[..., LatestFrame]) -> None:
        latest = run([picture(1), OptionError("no such element")], [picture(2)])
        assert story(latest) == ["live", "ended: no such element"]

    def test_a_failure_that_nobody_thought_of_is_told(self, run: Callable[..., LatestFrame]) -> None:
        latest = run([KeyError("rtsp://admin:hunter2@door")])
        (told,) = story(latest)
        assert told == "ended: the camera's thread failed: KeyError: 'rtsp://***@door'"

    def test_it_ends_soon_after_it_is_closed(self) -> None:
        latest = LatestFrame("door", 2.0)
        latest.close()
        read_camera(ScriptedFeed(latest, [picture()]), CameraOptions(), latest)
        assert latest.statistics.received == 0


class TestDelay:
    def test_grows_from_the_least_to_the_most(self) -> None:
        options = CameraOptions(min_delay_s=1, max_delay_s=30)
        for failures, bounds in {0: (1, 1.25), 1: (1.5, 1.875), 4: (5.06, 6.33), 8: (24, 30), 9: (24, 30)}.items():
            delays = [retry_delay_s(failures, options) for _ in range(200)]
            assert bounds[0] <= min(delays) <= max(delays) <= bounds[1]
            assert max(delays) - min(delays) > 0.1 * bounds[0]

    def test_has_bounds_after_a_year(self) -> None:
        assert 24 <= retry_delay_s(1_000_000, CameraOptions()) <= 30

    def test_bounds_may_be_equal(self) -> None:
        assert retry_delay_s(3, CameraOptions(min_delay_s=2, max_delay_s=2)) == 2


class TestDamage:
    def test_gaps_are_counted(self, run: Callable[..., LatestFrame]) -> None:
        counts = run([picture(), Gap.UNDECODABLE, Gap.DAMAGED, Gap.DAMAGED, Gap.NOTHING, picture(1)]).statistics
        assert (counts.received, counts.decode_errors, counts.damaged) == (2, 1, 2)

    def test_data_without_pictures_is_given_up(self, run: Callable[..., LatestFrame]) -> None:
        options = CameraOptions(
            stall_s=0.05, read_timeout_s=0.05, connect_timeout_s=60, min_delay_s=0.001, max_delay_s=0.001
        )
        latest = run([picture(), 0.1, Gap.UNDECODABLE, picture()], options=options)
        assert "reconnecting: no picture that can be decoded for 0.05 s" in story(latest)
        assert latest.statistics.received == 1

    def test_the_first_picture_may_take_as_long_as_connecting(self, run: Callable[..., LatestFrame]) -> None:
        options = CameraOptions(
            stall_s=0.05, read_timeout_s=0.05, connect_timeout_s=60, min_delay_s=0.001, max_delay_s=0.001
        )
        assert run([Gap.NOTHING, 0.1, Gap.NOTHING, picture()], options=options).statistics.received == 1

    def test_what_comes_after_the_wait_was_given_up_is_no_news(self, run: Callable[..., LatestFrame]) -> None:
        options = CameraOptions(stall_s=0.1, read_timeout_s=0.1, min_delay_s=0.001, max_delay_s=0.001)
        latest = run([picture(1), 0.01, picture(2), 0.3, picture(3)], options=options)
        assert story(latest)[-1] == "reconnecting: no data for 0.1 s"
        assert latest.statistics.received == 2


class TestSlowCameras:
    """Times are a hundredth of a real camera's: a frame in 0.1 s stands for one in 10 s."""

    OPTIONS = CameraOptions(
        stall_s=0.02,
        read_timeout_s=0.05,
        connect_timeout_s=0.1,
        max_wait_s=1.2,
        max_lag_s=0.03,
        frozen_s=0.1,
        min_delay_s=0.001,
        max_delay_s=0.001,
    )

    def known(self) -> list[Step]:
        """Enough frames for a rhythm to be known."""
        return [picture(200), *self.slow(2, 0.04, first=201)]

    def slow(self, frames: int, every_s: float = 0.1, first: int = 0) -> list[Step]:
        return [step for number in range(first, first + frames) for step in (every_s, picture(number % 256))]

    def test_a_camera_that_is_known_is_neither_stalled_nor_lost(self, run: Callable[..., LatestFrame]) -> None:
        latest = run([*self.known(), *self.slow(9)], options=self.OPTIONS)
        told = story(latest)
        # Before that is known, a pause is a stall.
        assert told[: told.index("live")] == []
        assert [one for one in told if "no data" in one or "no picture" in one] == []
        assert told[-2:] == ["live", "reconnecting: the camera ended the stream"]
        assert latest.statistics.received == 12
        assert sum("stalled" in one for one in told) <= 3

    def test_one_that_is_given_up_too_early_is_waited_for_longer(self, run: Callable[..., LatestFrame]) -> None:
        given_up = [picture(), 0.1, Gap.NOTHING]
        latest = run(given_up, given_up, [picture(1), *self.slow(5, first=2)], options=self.OPTIONS)
        assert [one for one in story(latest) if "no picture" in one] == [
            "reconnecting: no picture that can be decoded for 0.05 s",
        ]
        # The second time it was waited for 0.15 s, so nothing was given up any more.
        assert latest.statistics.received == 2 + 6

    def test_a_frame_that_comes_seldom_is_no_frozen_one(self, run: Callable[..., LatestFrame]) -> None:
        latest = run([*self.known(), *self.slow(4), 0.1, picture(3)], options=self.OPTIONS)
        assert latest.statistics.repeated == 1
        assert not [one for one in story(latest) if "frozen" in one]

    def test_and_the_same_picture_for_very_long_is_one(self, run: Callable[..., LatestFrame]) -> None:
        same = [step for _ in range(5) for step in (0.1, picture(3))]
        latest = run([*self.known(), *self.slow(4), *same], options=self.OPTIONS)
        assert "live: the picture is frozen: every frame is the same" in story(latest)

    def test_how_long_one_is_waited_for_is_handed_to_the_source(self) -> None:
        latest = LatestFrame("door", 0.02, 1.2)
        handed: list[Waits] = []

        class Silent(ScriptedFeed):
            @contextmanager
            def connect(self, waits: Waits) -> Iterator[DecodedFrames]:
                handed.append(waits)
                if len(handed) == 4:
                    self.latest.close()
                raise SilenceError("no answer")
                yield

        read_camera(Silent(latest), self.OPTIONS, latest)
        assert [round(waits.connect_s, 3) for waits in handed] == [0.1, 0.3, 0.9, 1.2]
        assert [round(waits.read_s, 3) for waits in handed] == [0.05, 0.15, 0.45, 1.2]


class TestWhatIsFetched:
    """Sources that ask for each picture themselves."""

    OPTIONS = CameraOptions(stall_s=0.03, read_timeout_s=0.06, frozen_s=60, min_delay_s=0.001, max_delay_s=0.001)

    def test_a_pause_is_no_stall(self, run: Callable[..., LatestFrame]) -> None:
        pauses: list[Step] = [step for _ in range(20) for step in (Gap.PAUSE, 0.01)]
        latest = run([picture(1), *pauses, picture(2)], options=self.OPTIONS)
        assert story(latest) == ["live", "reconnecting: the camera ended the stream"]

    def test_the_same_picture_is_no_stall(self, run: Callable[..., LatestFrame]) -> None:
        same: list[Step] = [step for _ in range(20) for step in (Gap.UNCHANGED, 0.01)]
        latest = run([picture(1), *same], options=self.OPTIONS)
        assert story(latest) == ["live", "reconnecting: the camera ended the stream"]
        assert (latest.statistics.received, latest.statistics.repeated) == (1, 20)

    def test_the_same_picture_for_long_is_frozen(self, run: Callable[..., LatestFrame]) -> None:
        same: list[Step] = [step for _ in range(10) for step in (Gap.UNCHANGED, 0.01)]
        options = replace(self.OPTIONS, frozen_s=0.05)
        latest = run([picture(1), *same, picture(2)], options=options)
        assert story(latest)[:3] == ["live", "live: the picture is frozen: every frame is the same", "live"]

    def test_before_the_first_picture_nothing_is_live(self, run: Callable[..., LatestFrame]) -> None:
        latest = run([Gap.PAUSE, Gap.UNCHANGED, Gap.PAUSE], options=self.OPTIONS)
        assert story(latest) == ["connecting: the camera ended the stream"]


class TestAge:
    def test_a_frame_that_was_under_way_for_long_is_old(self, run: Callable[..., LatestFrame]) -> None:
        latest = LatestFrame("door", 2.0)
        source = ScriptedFeed(latest, [picture(0, 0.0), 0.3, picture(1, 0.04)])
        ages = []
        put = latest.put

        def note(one: DecodedFrame, captured_s: float, frozen: bool) -> None:
            ages.append(time.monotonic() - captured_s)
            put(one, captured_s, frozen)

        latest.put = note  # type: ignore[method-assign]
        read_camera(source, QUICK, latest)
        assert ages[0] < 0.2
        assert ages[1] > 0.25

    def test_a_camera_that_falls_behind_is_connected_to_anew(
        self, run: Callable[..., LatestFrame], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("edgefg.cameras.reader._LAG_PATIENCE_S", 0.05)
        options = CameraOptions(max_lag_s=0.1, min_delay_s=0.001, max_delay_s=0.001)
        late = [step for k in range(1, 30) for step in (0.02, picture(k, k * 0.001))]
        latest = run([picture(0, 0.0), 0.2, *late], [picture(1, 0.0)], options=options)
        assert story(latest)[1].startswith("reconnecting: its frames arrive 0.")
        assert "trust_clock=False" in latest.error or latest.statistics.reconnects == 1

    def test_a_clock_that_is_not_trusted_tells_nothing(
        self, run: Callable[..., LatestFrame], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("edgefg.cameras.reader._LAG_PATIENCE_S", 0.0)
        options = CameraOptions(max_lag_s=0.01, min_delay_s=0.001, max_delay_s=0.001, trust_clock=False)
        late = [step for k in range(1, 10) for step in (0.02, picture(k, k * 0.001))]
        assert run([picture(0, 0.0), *late], options=options).statistics.received == 10

    def test_jumps_are_counted(self, run: Callable[..., LatestFrame]) -> None:
        stamps = (0.0, 0.04, 500.0, 500.04, 2.0)
        assert run([picture(k, pts) for k, pts in enumerate(stamps)]).statistics.clock_jumps == 2


class TestFrozen:
    def test_the_same_picture_again_and_again_is_flagged_and_given(self, run: Callable[..., LatestFrame]) -> None:
        options = CameraOptions(frozen_s=0.1, min_delay_s=0.001, max_delay_s=0.001)
        latest = run([picture(7), 0.06, picture(7), 0.06, picture(7), picture(8)], options=options)
        assert story(latest)[:3] == ["live", "live: the picture is frozen: every frame is the same", "live"]
        assert (latest.statistics.received, latest.statistics.repeated) == (4, 2)

    def test_a_new_connection_does_not_thaw_it(self, run: Callable[..., LatestFrame]) -> None:
        options = CameraOptions(frozen_s=0.1, min_delay_s=0.001, max_delay_s=0.001)
        latest = run([picture(7), 0.12, picture(7)], [picture(7)], options=options)
        assert [change.frozen for change in latest.take_changes()] == [False, True, True, True, True]


def test_states_are_those_that_the_documentation_draws() -> None:
    assert [state.value for state in CameraState] == ["connecting", "live", "stalled", "reconnecting", "ended"]
