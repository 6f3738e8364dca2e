"""H.264 without key frames, decoded as a camera's stream is: live after one refresh, and never before it is whole."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

av = pytest.importorskip("av")

from edgefg.cameras.ffmpeg import _pictures, _Strictness
from edgefg.cameras.options import CameraOptions
from edgefg.cameras.source import DecodedFrame, Gap, Waits

from ..support import rtsp

REFRESH = 20
Play = Callable[..., list[int | Gap]]


@pytest.fixture(scope="module")
def packets(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Frames that carry their number; only the first is a key frame."""
    clip = tmp_path_factory.mktemp("clips") / "refresh.mp4"
    parameters = "intra-refresh=1:repeat-headers=1"
    rtsp.write_clip(clip, 150, **{"g": str(REFRESH), "x264-params": parameters})
    with av.open(str(clip)) as file:
        stream = file.streams.video[0]
        annexb = av.BitStreamFilterContext("h264_mp4toannexb", stream)
        return [bytes(one) for packet in file.demux(stream) for one in annexb.filter(packet) if one.size]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Plays packets; gives each picture's number, or the gap in its place. None of the pictures shows damage."""

    def play(packets: list[bytes]) -> list[int | Gap]:
        (tmp_path / "stream.h264").write_bytes(b"".join(packets))
        with av.open(str(tmp_path / "stream.h264")) as file:
            return list(found(_pictures(file, _Strictness(), CameraOptions(), Waits(10, 5))))

    def found(pictures: Iterator[DecodedFrame | Gap]) -> Iterator[int | Gap]:
        for picture in pictures:
            if isinstance(picture, Gap):
                yield picture
            else:
                image = picture.to_bgr()
                assert not rtsp.looks_wrong(image), f"damage in the picture {rtsp.number_in(image)}"
                yield rtsp.number_in(image)

    return play


def numbers(found: list[int | Gap]) -> list[int]:
    return [one for one in found if isinstance(one, int)]


@pytest.mark.parametrize("first", [1, 10, 21, 35])
def test_one_may_join_in_the_middle(packets: list[bytes], play: Play, first: int) -> None:
    shown = numbers(play(packets[first:]))
    assert shown[0] <= first + 2 * REFRESH + 2
    assert shown == list(range(shown[0], 150))


def test_from_the_key_frame_on_everything_is_shown(packets: list[bytes], play: Play) -> None:
    assert numbers(play(packets)) == list(range(150))


def test_after_a_loss_one_refresh_is_waited_for(packets: list[bytes], play: Play) -> None:
    found = play(packets[:70] + packets[71:])
    shown = numbers(found)
    assert shown[:70] == list(range(70))
    assert 70 < shown[70] <= 71 + 2 * REFRESH + 2
    assert shown[70:] == list(range(shown[70], 150))
    assert Gap.UNDECODABLE in found
    assert found.count(Gap.DAMAGED) >= 5


def test_a_packet_that_comes_twice_counts_once(packets: list[bytes], play: Play) -> None:
    assert numbers(play(packets[:30] + packets[29:60])) == list(range(60))


@pytest.mark.rtsp
def test_over_rtsp_it_goes_live(tmp_path: Path) -> None:
    from edgefg.cameras.camera import open_camera

    if reason := rtsp.missing():
        pytest.skip(reason)
    options = {"g": str(REFRESH), "x264-params": "intra-refresh=1:repeat-headers=1"}
    clip = rtsp.write_clip(tmp_path / "refresh.mp4", 500, **options)
    with rtsp.RtspServer(clip, more=("--skip=30",)) as server, open_camera(server.url) as camera:
        frame = camera.read(timeout_s=15)
        assert frame is not None, camera.error
        assert not rtsp.looks_wrong(frame.image)
        assert rtsp.number_in(frame.image) < 30 + 4 * REFRESH
