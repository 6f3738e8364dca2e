"""The newest picture, and what there is to know, between a camera's thread and its readers."""

import threading
import time

import numpy as np
import pytest

from edgefg.cameras.latest_frame import MAX_CHANGES, LatestFrame
from edgefg.cameras.source import DecodedFrame
from edgefg.cameras.state import CameraState
from edgefg.errors import ClosedError, StreamEndedError


def picture(level: int = 0) -> DecodedFrame:
    image = np.full((48, 64, 3), level, np.uint8)
    return DecodedFrame(image.copy, None, image)


@pytest.fixture
def latest() -> LatestFrame:
    return LatestFrame("door", stall_s=60.0)


def put(latest: LatestFrame, *levels: int, frozen: bool = False) -> None:
    for level in levels:
        latest.put(picture(level), time.monotonic(), frozen)


class TestTake:
    def test_gives_the_newest_and_counts_the_others(self, latest: LatestFrame) -> None:
        put(latest, 1, 2, 3)
        unread = latest.take(0)
        assert unread is not None
        assert (unread.picture.pixels[0, 0, 0], unread.sequence, unread.dropped) == (3, 2, 2)

    def test_gives_each_picture_once(self, latest: LatestFrame) -> None:
        put(latest, 1)
        assert latest.take(0) is not None
        assert latest.take(0) is None

    def test_counts_from_the_one_that_was_taken(self, latest: LatestFrame) -> None:
        put(latest, 1, 2)
        latest.take(0)
        put(latest, 3)
        unread = latest.take(0)
        assert unread is not None
        assert (unread.sequence, unread.dropped) == (2, 0)
        assert (latest.statistics.received, latest.statistics.dropped) == (3, 1)

    def test_waits_no_longer_than_it_is_told(self, latest: LatestFrame) -> None:
        started = time.monotonic()
        assert latest.take(0.1) is None
        assert time.monotonic() - started >= 0.1

    def test_wakes_when_a_picture_comes(self, latest: LatestFrame) -> None:
        later = threading.Timer(0.1, put, (latest, 1))
        later.start()
        assert latest.take(60) is not None
        later.join()

    def test_closing_wakes_all_that_wait(self, latest: LatestFrame) -> None:
        raised = []

        def wait() -> None:
            with pytest.raises(ClosedError, match="door: this camera was closed"):
                latest.take(60)
            raised.append(True)

        readers = [threading.Thread(target=wait) for _ in range(3)]
        for reader in readers:
            reader.start()
        latest.close()
        for reader in readers:
            reader.join(10)
        assert raised == [True] * 3

    def test_after_the_end_the_last_picture_is_given_first(self, latest: LatestFrame) -> None:
        put(latest, 1)
        latest.change(CameraState.ENDED, "")
        assert latest.take(0) is not None
        with pytest.raises(StreamEndedError, match=r"^door: all frames were read$"):
            latest.take(60)

    def test_the_end_says_why(self, latest: LatestFrame) -> None:
        latest.change(CameraState.ENDED, "it burnt down")
        with pytest.raises(StreamEndedError, match=r"^door: it burnt down$"):
            latest.take(60)

    def test_the_name_is_not_said_twice(self, latest: LatestFrame) -> None:
        latest.change(CameraState.ENDED, "door: it burnt down")
        with pytest.raises(StreamEndedError, match=r"^door: it burnt down$"):
            latest.take(60)

    def test_two_readers_never_get_the_same_picture(self, latest: LatestFrame) -> None:
        taken: list[int] = []

        def read() -> None:
            while True:
                try:
                    unread = latest.take(60)
                except StreamEndedError:
                    return
                if unread is not None:
                    taken.append(unread.sequence)

        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        put(latest, *[0] * 500)
        latest.change(CameraState.ENDED, "")
        for reader in readers:
            reader.join(10)
        assert len(taken) == len(set(taken)) == 500 - latest.statistics.dropped


class TestState:
    def test_is_connecting_at_first(self, latest: LatestFrame) -> None:
        assert (latest.state, latest.error, latest.take_changes()) == (CameraState.CONNECTING, "", [])

    def test_a_picture_makes_it_live(self, latest: LatestFrame) -> None:
        put(latest, 1, 2)
        assert latest.state is CameraState.LIVE
        assert [change.state for change in latest.take_changes()] == [CameraState.LIVE]

    def test_a_stall_is_dated_when_it_began_not_when_it_was_seen(self) -> None:
        latest = LatestFrame("door", stall_s=0.05)
        at_s = time.monotonic()
        latest.put(picture(), at_s, False)
        time.sleep(0.2)
        assert latest.state is CameraState.STALLED
        _, change = latest.take_changes()
        assert (change.state, change.reason) == (CameraState.STALLED, "no new frame for 0.05 s")
        assert change.at_s == pytest.approx(at_s + 0.05)

    def test_a_stall_that_nobody_saw_is_noted_at_its_end(self) -> None:
        latest = LatestFrame("door", stall_s=0.4)
        put(latest, 1)
        time.sleep(0.6)
        put(latest, 2)
        assert [change.state.value for change in latest.take_changes()] == ["live", "stalled", "live"]

    def test_an_old_picture_does_not_end_a_stall(self) -> None:
        latest = LatestFrame("door", stall_s=0.05)
        put(latest, 1)
        time.sleep(0.2)
        latest.put(picture(), time.monotonic() - 0.1, False)
        assert latest.state is CameraState.STALLED

    def test_a_file_never_stalls(self) -> None:
        latest = LatestFrame("door", stall_s=None)
        latest.put(picture(), time.monotonic() - 100, False)
        assert latest.state is CameraState.LIVE

    def test_a_trouble_that_lasts_is_said_once(self, latest: LatestFrame) -> None:
        for reason in ("refused", "refused", "no answer", "refused"):
            latest.change(CameraState.RECONNECTING, reason)
            latest.take_changes()
        latest.change(CameraState.RECONNECTING, "refused")
        assert latest.take_changes() == []

    def test_live_after_reconnecting_counts(self, latest: LatestFrame) -> None:
        put(latest, 1)
        for _ in range(2):
            latest.change(CameraState.RECONNECTING, "refused")
            put(latest, 2)
        assert latest.statistics.reconnects == 2
        assert latest.error == "refused"

    def test_frozen_comes_and_goes(self, latest: LatestFrame) -> None:
        put(latest, 1)
        put(latest, 1, frozen=True)
        assert latest.frozen
        put(latest, 2)
        assert not latest.frozen
        assert [change.frozen for change in latest.take_changes()] == [False, True, False]

    def test_changes_that_nobody_takes_do_not_pile_up(self, latest: LatestFrame) -> None:
        for number in range(3 * MAX_CHANGES):
            latest.change(CameraState.RECONNECTING, str(number))
        changes = latest.take_changes()
        assert (len(changes), changes[-1].reason) == (MAX_CHANGES, str(3 * MAX_CHANGES - 1))


class TestWaits:
    def test_a_pause_ends_when_it_is_closed(self, latest: LatestFrame) -> None:
        later = threading.Timer(0.1, latest.close)
        later.start()
        started = time.monotonic()
        latest.pause(60)
        assert time.monotonic() - started < 30
        later.join()

    def test_waiting_for_a_reader_ends_when_it_takes(self, latest: LatestFrame) -> None:
        put(latest, 1)
        later = threading.Timer(0.1, latest.take, (0,))
        later.start()
        latest.wait_until_taken()
        later.join()

    def test_waiting_for_a_reader_ends_when_it_is_closed(self, latest: LatestFrame) -> None:
        put(latest, 1)
        later = threading.Timer(0.1, latest.close)
        later.start()
        latest.wait_until_taken()
        later.join()
