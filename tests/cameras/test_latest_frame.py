"""The newest picture, and what there is to know, between a camera's thread and its readers."""

import threading
import time

import numpy as np
import pytest

from edgefg.cameras.latest_frame import MAX_CHANGES, LatestFrame
from edgefg.cameras.options import CameraState
from edgefg.cameras.source import DecodedFrame
from edgefg.errors import ClosedError, StreamEndedError


def picture(level: int = 0) -> DecodedFrame:
    image = np.full((48, 64, 3), level, np.uint8)
    return DecodedFrame(image.copy, None, image)


@pytest.fixture
def mailbox() -> LatestFrame:
    return LatestFrame("door", stall_s=60.0)


def put(mailbox: LatestFrame, *levels: int, frozen: bool = False) -> None:
    for level in levels:
        mailbox.put(picture(level), time.monotonic(), frozen)


class TestTake:
    def test_gives_the_newest_and_counts_the_others(self, mailbox: LatestFrame) -> None:
        put(mailbox, 1, 2, 3)
        mail = mailbox.take(0)
        assert mail is not None
        assert (mail.picture.pixels[0, 0, 0], mail.sequence, mail.dropped) == (3, 2, 2)

    def test_gives_each_picture_once(self, mailbox: LatestFrame) -> None:
        put(mailbox, 1)
        assert mailbox.take(0) is not None
        assert mailbox.take(0) is None

    def test_counts_from_the_one_that_was_taken(self, mailbox: LatestFrame) -> None:
        put(mailbox, 1, 2)
        mailbox.take(0)
        put(mailbox, 3)
        mail = mailbox.take(0)
        assert mail is not None
        assert (mail.sequence, mail.dropped) == (2, 0)
        assert (mailbox.statistics.received, mailbox.statistics.dropped) == (3, 1)

    def test_waits_no_longer_than_it_is_told(self, mailbox: LatestFrame) -> None:
        started = time.monotonic()
        assert mailbox.take(0.1) is None
        assert time.monotonic() - started >= 0.1

    def test_wakes_when_a_picture_comes(self, mailbox: LatestFrame) -> None:
        later = threading.Timer(0.1, put, (mailbox, 1))
        later.start()
        assert mailbox.take(60) is not None
        later.join()

    def test_closing_wakes_all_that_wait(self, mailbox: LatestFrame) -> None:
        raised = []

        def wait() -> None:
            with pytest.raises(ClosedError, match="door: this camera was closed"):
                mailbox.take(60)
            raised.append(True)

        readers = [threading.Thread(target=wait) for _ in range(3)]
        for reader in readers:
            reader.start()
        mailbox.close()
        for reader in readers:
            reader.join(10)
        assert raised == [True] * 3

    def test_after_the_end_the_last_picture_is_given_first(self, mailbox: LatestFrame) -> None:
        put(mailbox, 1)
        mailbox.change(CameraState.ENDED, "")
        assert mailbox.take(0) is not None
        with pytest.raises(StreamEndedError, match=r"^door: all frames were read$"):
            mailbox.take(60)

    def test_the_end_says_why(self, mailbox: LatestFrame) -> None:
        mailbox.change(CameraState.ENDED, "it burnt down")
        with pytest.raises(StreamEndedError, match=r"^door: it burnt down$"):
            mailbox.take(60)

    def test_the_name_is_not_said_twice(self, mailbox: LatestFrame) -> None:
        mailbox.change(CameraState.ENDED, "door: it burnt down")
        with pytest.raises(StreamEndedError, match=r"^door: it burnt down$"):
            mailbox.take(60)

    def test_two_readers_never_get_the_same_picture(self, mailbox: LatestFrame) -> None:
        taken: list[int] = []

        def read() -> None:
            while True:
                try:
                    mail = mailbox.take(60)
                except StreamEndedError:
                    return
                if mail is not None:
                    taken.append(mail.sequence)

        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        put(mailbox, *[0] * 500)
        mailbox.change(CameraState.ENDED, "")
        for reader in readers:
            reader.join(10)
        assert len(taken) == len(set(taken)) == 500 - mailbox.statistics.dropped


class TestState:
    def test_is_connecting_at_first(self, mailbox: LatestFrame) -> None:
        assert (mailbox.state, mailbox.error, mailbox.take_changes()) == (CameraState.CONNECTING, "", [])

    def test_a_picture_makes_it_live(self, mailbox: LatestFrame) -> None:
        put(mailbox, 1, 2)
        assert mailbox.state is CameraState.LIVE
        assert [change.state for change in mailbox.take_changes()] == [CameraState.LIVE]

    def test_a_stall_is_dated_when_it_began_not_when_it_was_seen(self) -> None:
        mailbox = LatestFrame("door", stall_s=0.05)
        at_s = time.monotonic()
        mailbox.put(picture(), at_s, False)
        time.sleep(0.2)
        assert mailbox.state is CameraState.STALLED
        _, change = mailbox.take_changes()
        assert (change.state, change.reason) == (CameraState.STALLED, "no new frame for 0.05 s")
        assert change.at_s == pytest.approx(at_s + 0.05)

    def test_a_stall_that_nobody_saw_is_noted_at_its_end(self) -> None:
        mailbox = LatestFrame("door", stall_s=0.4)
        put(mailbox, 1)
        time.sleep(0.6)
        put(mailbox, 2)
        assert [change.state.value for change in mailbox.take_changes()] == ["live", "stalled", "live"]

    def test_an_old_picture_does_not_end_a_stall(self) -> None:
        mailbox = LatestFrame("door", stall_s=0.05)
        put(mailbox, 1)
        time.sleep(0.2)
        mailbox.put(picture(), time.monotonic() - 0.1, False)
        assert mailbox.state is CameraState.STALLED

    def test_a_file_never_stalls(self) -> None:
        mailbox = LatestFrame("door", stall_s=None)
        mailbox.put(picture(), time.monotonic() - 100, False)
        assert mailbox.state is CameraState.LIVE

    def test_a_trouble_that_lasts_is_said_once(self, mailbox: LatestFrame) -> None:
        for reason in ("refused", "refused", "no answer", "refused"):
            mailbox.change(CameraState.RECONNECTING, reason)
            mailbox.take_changes()
        mailbox.change(CameraState.RECONNECTING, "refused")
        assert mailbox.take_changes() == []

    def test_live_after_reconnecting_counts(self, mailbox: LatestFrame) -> None:
        put(mailbox, 1)
        for _ in range(2):
            mailbox.change(CameraState.RECONNECTING, "refused")
            put(mailbox, 2)
        assert mailbox.statistics.reconnects == 2
        assert mailbox.error == "refused"

    def test_frozen_comes_and_goes(self, mailbox: LatestFrame) -> None:
        put(mailbox, 1)
        put(mailbox, 1, frozen=True)
        assert mailbox.frozen
        put(mailbox, 2)
        assert not mailbox.frozen
        assert [change.frozen for change in mailbox.take_changes()] == [False, True, False]

    def test_changes_that_nobody_takes_do_not_pile_up(self, mailbox: LatestFrame) -> None:
        for number in range(3 * MAX_CHANGES):
            mailbox.change(CameraState.RECONNECTING, str(number))
        changes = mailbox.take_changes()
        assert (len(changes), changes[-1].reason) == (MAX_CHANGES, str(3 * MAX_CHANGES - 1))


class TestWaits:
    def test_a_pause_ends_when_it_is_closed(self, mailbox: LatestFrame) -> None:
        later = threading.Timer(0.1, mailbox.close)
        later.start()
        started = time.monotonic()
        mailbox.pause(60)
        assert time.monotonic() - started < 30
        later.join()

    def test_waiting_for_a_reader_ends_when_it_takes(self, mailbox: LatestFrame) -> None:
        put(mailbox, 1)
        later = threading.Timer(0.1, mailbox.take, (0,))
        later.start()
        mailbox.wait_until_taken()
        later.join()

    def test_waiting_for_a_reader_ends_when_it_is_closed(self, mailbox: LatestFrame) -> None:
        put(mailbox, 1)
        later = threading.Timer(0.1, mailbox.close)
        later.start()
        mailbox.wait_until_taken()
        later.join()
