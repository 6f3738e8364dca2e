"""Finding out that frames of H.264 are missing: on streams that a real encoder made."""

import random
from fractions import Fraction
from itertools import pairwise

import pytest

from edgefg.media.h264 import MissingFrames

from ..support.rtsp import numbered

av = pytest.importorskip("av")

ENCODERS = {
    "camera": {"tune": "zerolatency", "bf": "0"},
    "baseline": {"profile": "baseline", "tune": "zerolatency"},
    "two-way frames": {"bf": "3", "b-pyramid": "normal"},
    "many references": {"refs": "8", "bf": "0"},
    "several slices": {"slices": "4", "tune": "zerolatency"},
    "scaling lists": {"x264-params": "cqm=jvt", "bf": "0"},
    "interlaced": {"x264-params": "tff=1"},
    "long between key frames": {"g": "1000", "bf": "0"},
    "intra refresh": {"x264-params": "intra-refresh=1", "bf": "0", "g": "20"},
}


def encode(options: dict[str, str], frames: int = 60) -> list[tuple[bytes, bool]]:
    """Packets in Annex B, each with whether it is a key frame."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.framerate = 320, 240, "yuv420p", 25
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"preset": "ultrafast", "g": "25", **options}
    packets = []
    for number in [*range(frames), None]:
        frame = None if number is None else av.VideoFrame.from_ndarray(numbered(number), format="bgr24")
        if frame is not None:
            frame.pts = number
        packets += [(bytes(packet), packet.is_keyframe) for packet in encoder.encode(frame)]
    return packets


@pytest.mark.parametrize("options", ENCODERS.values(), ids=ENCODERS)
def test_a_whole_stream_misses_nothing(options: dict[str, str]) -> None:
    packets = encode(options)
    missing = MissingFrames(b"")
    assert len(packets) >= 60
    assert not [number for number, (packet, _) in enumerate(packets) if missing.before(packet)]


@pytest.mark.parametrize("name", [name for name in ENCODERS if name != "two-way frames"])
@pytest.mark.parametrize("lost", [1, 2, 5])
def test_the_frame_after_a_loss_tells_of_it(name: str, lost: int) -> None:
    packets = encode(ENCODERS[name])
    missing = MissingFrames(b"")
    told = [
        number for number, (packet, _) in enumerate(packets) if not 30 <= number < 30 + lost and missing.before(packet)
    ]
    assert told == [30 + lost]


def test_a_loss_before_a_key_frame_does_not_matter() -> None:
    packets = encode(ENCODERS["camera"])
    assert packets[50][1]
    missing = MissingFrames(b"")
    assert not [
        number for number, (packet, _) in enumerate(packets) if not 46 <= number < 50 and missing.before(packet)
    ]


def test_one_may_join_in_the_middle() -> None:
    packets = encode(ENCODERS["camera"])
    missing = MissingFrames(b"")
    assert not [packet for packet, _ in packets[7:] if missing.before(packet)]


@pytest.mark.parametrize(
    "data", [b"", b"\0\0\1", b"\0\0\1\x67", b"\0\0\1\x65", b"\0\0\1\x67\x64", b"\0\0\1\x09\xf0", b"x" * 99]
)
def test_garbage_is_no_loss(data: bytes) -> None:
    missing = MissingFrames(data)
    assert not missing.before(data)
    assert not missing.before(bytes(range(256)))


class TestRefresh:
    """Streams without key frames, whose picture is renewed stripe by stripe."""

    OPTIONS = ENCODERS["intra refresh"]

    def whole_at(self, packets: list[bytes], lost: range = range(0)) -> list[int]:
        missing = MissingFrames(b"")
        found = []
        for number, packet in enumerate(packets):
            if number not in lost:
                missing.before(packet)
                found += [number] if missing.whole_again else []
        return found

    def test_each_is_completed_in_time(self) -> None:
        packets = [packet for packet, _ in encode(self.OPTIONS, 100)]
        found = self.whole_at(packets)
        assert len(found) >= 4
        assert all(later - earlier <= 21 for earlier, later in pairwise(found))

    @pytest.mark.parametrize("first", [1, 7, 19, 20, 33])
    def test_one_may_join_in_the_middle(self, first: int) -> None:
        packets = [
            packet for packet, _ in encode({**self.OPTIONS, "x264-params": "intra-refresh=1:repeat-headers=1"}, 100)
        ]
        found = self.whole_at(packets[first:])
        assert found
        assert found[0] <= 42

    def test_what_is_lost_in_between_spoils_it(self) -> None:
        packets = [packet for packet, _ in encode(self.OPTIONS, 100)]
        (one, *_) = [number for number in self.whole_at(packets) if number > 30]
        assert one not in self.whole_at(packets, lost=range(one - 3, one - 2))
        assert [number for number in self.whole_at(packets, lost=range(one - 3, one - 2)) if number > one]

    def test_damage_spoils_it(self) -> None:
        packets = [packet for packet, _ in encode(self.OPTIONS, 100)]
        (one, *_) = [number for number in self.whole_at(packets) if number > 30]
        missing = MissingFrames(b"")
        for number, packet in enumerate(packets[: one + 1]):
            missing.before(packet)
            if number == one - 1:
                missing.note_damage()
        assert not missing.whole_again

    def test_a_stream_of_key_frames_has_none(self) -> None:
        assert self.whole_at([packet for packet, _ in encode(ENCODERS["camera"])]) == []


def test_damaged_packets_raise_nothing() -> None:
    chance = random.Random(1)
    packets = encode(ENCODERS["scaling lists"])
    missing = MissingFrames(b"")
    for packet, _ in packets * 5:
        damaged = bytearray(packet[: chance.randrange(1, len(packet) + 1)])
        for _ in range(3):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        missing.before(bytes(damaged))
