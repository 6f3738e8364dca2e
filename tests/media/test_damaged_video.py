"""Files that begin anywhere, lack packets or hold wrong bytes: only whole frames come out, and the loss is reported."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from edgefg.errors import MediaError
from edgefg.imaging.io import Image
from edgefg.media.reader import open_video

from ..support.rtsp import looks_wrong, number_in
from ..support.videos import second_key, second_reference, spoil, write_numbered

pytest.importorskip("av")

QUICK_H265 = {"preset": "ultrafast", "x265-params": "log-level=none"}
QUICK_VP = {"deadline": "realtime", "cpu-used": "8"}
# By the file's name: the encoder, and its options.
INTER = {
    "a.mp4": ("libx264", {}),
    "two-way.mkv": ("libx264", {"bf": "3", "b-pyramid": "normal"}),
    "a.ts": ("libx264", {}),
    "open.ts": ("libx264", {"x264-params": "open-gop=1:bframes=3"}),
    "refresh.mp4": ("libx264", {"x264-params": "intra-refresh=1", "bf": "0"}),
    "interlaced.ts": ("libx264", {"x264-params": "tff=1"}),
    "h265.mp4": ("libx265", QUICK_H265),
    "h265.ts": ("libx265", QUICK_H265),
    "mpeg4.mp4": ("mpeg4", {}),
    "mpeg4.avi": ("mpeg4", {}),
    "two-way.avi": ("mpeg4", {"bf": "2"}),
    "mpeg4.ts": ("mpeg4", {}),
    "mpeg2.ts": ("mpeg2video", {"bf": "2"}),
    "mpeg1.mpg": ("mpeg1video", {}),
    "h263.3gp": ("h263", {}),
    "a.flv": ("flv", {}),
    "wmv.asf": ("wmv2", {}),
    "vp8.webm": ("libvpx", QUICK_VP),
    "vp9.webm": ("libvpx-vp9", QUICK_VP),
    "av1.mkv": ("libsvtav1", {"preset": "12"}),
}
H264 = [name for name, (codec, _) in INTER.items() if codec == "libx264"]


def write(folder: Path, name: str, lost: Iterable[int] = ()) -> Path:
    codec, options = INTER[name]
    return write_numbered(folder / name, codec, 48, 12, options, lost=lost)


def read(path: Path) -> tuple[list[Image], str]:
    """Reads all frames that a file gives, and why it does not give more."""
    frames: list[Image] = []
    try:
        for frame in open_video(path):
            frames.append(frame)
    except MediaError as error:
        return frames, str(error)
    return frames, ""


def numbers(frames: list[Image]) -> list[int]:
    """Reads the frames' numbers; fails if a frame is not what was written."""
    assert not [number_in(frame) for frame in frames if looks_wrong(frame)]
    return [number_in(frame) for frame in frames]


@pytest.mark.parametrize("name", INTER)
class TestEachCodec:
    def test_a_whole_file_gives_all(self, name: str, tmp_path: Path) -> None:
        frames, error = read(write(tmp_path, name))
        assert error == ""
        assert numbers(frames) == list(range(48))

    def test_one_that_begins_between_key_frames_waits_for_the_next(self, name: str, tmp_path: Path) -> None:
        frames, error = read(write(tmp_path, name, lost=range(5)))
        seen = numbers(frames)
        assert seen == list(range(seen[0], 48))
        assert 5 < seen[0] <= 24
        assert "begins between two key frames: its first " in error


class TestMissingPackets:
    @pytest.mark.parametrize("name", H264)
    def test_frames_that_build_on_a_missing_one_are_skipped(self, name: str, tmp_path: Path) -> None:
        """FFmpeg repeats the frame before, and reports nothing."""
        lost = second_reference(write(tmp_path, name))
        frames, error = read(write(tmp_path, name, lost=[lost]))
        seen = numbers(frames)
        assert seen[:8] == list(range(8))
        assert seen[-10:] == list(range(38, 48))
        assert len(seen) < 47
        assert "damaged" in error and "skipped" in error


class TestWrongBytes:
    # In H.265, bytes that happen to decode are not found out: with the seed 2, FFmpeg reports nothing.
    @pytest.mark.parametrize(
        ("name", "seed"),
        [
            (name, seed)
            for name in ("a.mp4", "two-way.mkv", "h265.mp4")
            for seed in range(6)
            if (name, seed) != ("h265.mp4", 2)
        ],
    )
    def test_no_concealed_frame_comes_out(self, name: str, seed: int, tmp_path: Path) -> None:
        path = spoil(write(tmp_path, name), [3 + 5 * seed, 20 + 3 * seed], size=40, seed=seed)
        frames, error = read(path)
        numbers(frames)
        assert "damaged" in error

    def test_checksums_in_h265_are_checked(self, tmp_path: Path) -> None:
        options = {"preset": "ultrafast", "x265-params": "log-level=none:hash=1"}
        path = write_numbered(tmp_path / "h265.mp4", "libx265", 48, 12, options)
        frames, error = read(spoil(path, [17, 30], size=4, seed=15))
        numbers(frames)
        assert "damaged" in error

    def test_the_groups_of_frames_around_are_kept(self, tmp_path: Path) -> None:
        path = write(tmp_path, "a.mp4")
        spoil(path, [second_key(path) + 4], size=60)
        frames, error = read(path)
        seen = numbers(frames)
        assert set(seen) >= {*range(12), *range(24, 48)}
        assert f"only {len(seen)} frames can be decoded, with " in error
        assert " damaged skipped" in error

    def test_one_picture_of_mjpeg_concerns_no_other(self, tmp_path: Path) -> None:
        path = write_numbered(tmp_path / "a.avi", "mjpeg", 20, pix_fmt="yuvj420p")
        frames, error = read(spoil(path, [7], size=400))
        assert numbers(frames) == [number for number in range(20) if number != 7]
        assert "only 19 frames can be decoded, with 1 damaged skipped" in error

    @pytest.mark.parametrize("name", ["a.avi", "a.mkv"])
    def test_the_others_keep_their_times(self, name: str, tmp_path: Path) -> None:
        path = spoil(write_numbered(tmp_path / name, "mjpeg", 20, pix_fmt="yuvj420p"), [7, 12], size=400)
        times_s = []
        with pytest.raises(MediaError):
            for frame in open_video(path).timed():
                assert frame.time_s == pytest.approx(number_in(frame.image) / 25)
                times_s.append(frame.time_s)
        assert len(times_s) == 18


class TestRepeated:
    def test_every_pass_gives_the_same(self, tmp_path: Path) -> None:
        path = spoil(write(tmp_path, "two-way.mkv"), [20], size=40)
        source = open_video(path)
        passes = []
        for _ in range(2):
            seen = []
            with pytest.raises(MediaError):
                for frame in source:
                    seen.append(number_in(frame))
            passes.append(seen)
        assert passes[0] == passes[1]

    def test_a_sample_takes_whole_frames_only(self, tmp_path: Path) -> None:
        path = write(tmp_path, "mpeg4.avi", lost=range(5))
        assert not any(map(looks_wrong, open_video(path).sample(20, 1000)))


def test_an_edited_file_may_begin_anywhere(tmp_path: Path) -> None:
    """An edit list hides the key frame and what follows it; the frames that are shown are whole."""
    stamps = list(range(-5, 43))
    path = write_numbered(tmp_path / "a.mp4", frames=48, stamps=stamps, options={"bf": "0"})
    frames, error = read(path)
    seen = numbers(frames)
    assert error == ""
    assert seen == list(range(seen[0], 48))


def test_one_without_any_key_frame_says_so(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "a.avi", "mpeg4", 20, gop=100, lost=[0])
    with pytest.raises(
        MediaError, match="no frame that can be decoded, 19 are damaged or need a key frame before them"
    ):
        open_video(path)
