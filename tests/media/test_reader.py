"""Reading frames from files, folders and globs."""

import struct
import sys
import wave
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgefg.errors import MediaError, MissingDependencyError, MissingFileError
from edgefg.imaging.io import Image
from edgefg.media.reader import open_video
from edgefg.media.source import DEFAULT_FPS
from edgefg.media.video_file import VideoFile

from ..support.videos import packets_in, write_numbered

av = pytest.importorskip("av")


def write_images(folder: Path, names: list[str], size: tuple[int, int] = (64, 48)) -> Path:
    """Writes gray images whose level is their place in ``names``."""
    folder.mkdir(exist_ok=True)
    for level, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((size[1], size[0], 3), level, np.uint8))
    return folder


def levels(frames: Iterator[Image]) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in frames]


class TestVideoFile:
    def test_gives_every_frame_as_bgr(self, write_video: Callable[..., Path], tmp_path: Path) -> None:
        frames = list(open_video(write_video(tmp_path / "a.mp4", frames=12)))
        assert len(frames) == 12
        assert all(frame.shape == (48, 64, 3) and frame.dtype == np.uint8 for frame in frames)

    def test_frames_look_as_they_were_written(
        self, write_video: Callable[..., Path], make_scene: Callable[..., Image], tmp_path: Path
    ) -> None:
        first = next(iter(open_video(write_video(tmp_path / "a.mp4"))))
        difference = np.abs(first.astype(int) - make_scene(boxes=((0, 0, 16, 16),)))
        assert difference.mean() < 4

    def test_says_rate_size_and_count(self, write_video: Callable[..., Path], tmp_path: Path) -> None:
        source = open_video(write_video(tmp_path / "a.mp4", frames=7, size=(70, 50), fps=12.5))
        assert (source.fps, source.size, source.count) == (12.5, (70, 50), 7)

    def test_knows_the_file_it_reads(self, write_video: Callable[..., Path], tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.mp4")
        assert open_video(path).files == (path,)

    def test_can_be_read_again(self, write_video: Callable[..., Path], tmp_path: Path) -> None:
        source = open_video(write_video(tmp_path / "a.mp4"))
        assert all(np.array_equal(a, b) for a, b in zip(source, source, strict=True))

    def test_frames_keep_their_pixels(self, write_video: Callable[..., Path], tmp_path: Path) -> None:
        first, *rest = list(open_video(write_video(tmp_path / "a.mp4")))
        assert not any(np.shares_memory(first, other) for other in rest)

    def test_turns_what_a_phone_filmed_sideways(self, write_video: Callable[..., Path], tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.mp4")
        plain = next(iter(open_video(path)))
        path.write_bytes(turned_a_quarter(path.read_bytes()))
        assert open_video(path).size == (48, 64)
        assert np.array_equal(next(iter(open_video(path))), np.rot90(plain, -1))

    def test_sample_spreads_over_the_file(self, write_video: Callable[..., Path], tmp_path: Path) -> None:
        source = open_video(write_video(tmp_path / "a.mp4", frames=20))
        every = list(source)
        sample = source.sample(limit=8, long_side=64)
        assert len(sample) == 5
        assert all(np.array_equal(frame, every[4 * place]) for place, frame in enumerate(sample))

    def test_sample_takes_all_of_a_short_file(self, write_video: Callable[..., Path], tmp_path: Path) -> None:
        assert len(open_video(write_video(tmp_path / "a.mp4", frames=8)).sample(limit=8, long_side=64)) == 8

    def test_sample_shrinks_and_keeps_the_aspect(self, write_video: Callable[..., Path], tmp_path: Path) -> None:
        sample = open_video(write_video(tmp_path / "a.mp4", size=(128, 96))).sample(limit=8, long_side=64)
        assert {frame.shape for frame in sample} == {(48, 64, 3)}


class TestDamagedVideo:
    """What decodes is given, and then the error comes."""

    @pytest.fixture
    def cut_video(self, write_video: Callable[..., Path], tmp_path: Path) -> Path:
        path = write_video(tmp_path / "cut.mp4", frames=60)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) * 2 // 3])
        return path

    def test_gives_what_decodes_before_it_fails(self, cut_video: Path) -> None:
        frames, error = read_until_it_fails(cut_video)
        assert 5 < frames < 60
        assert "cut.mp4: the file is cut short or damaged" in str(error)

    def test_the_message_counts_the_frames(self, cut_video: Path) -> None:
        frames, error = read_until_it_fails(cut_video)
        assert f"only {frames} frames can be decoded" in str(error)

    def test_a_sample_takes_what_there_is(self, cut_video: Path) -> None:
        assert len(open_video(cut_video).sample(limit=64, long_side=64)) > 5

    @pytest.mark.parametrize(("suffix", "codec"), [("avi", "mpeg4"), ("mkv", "libx264")])
    def test_other_containers_end_silently_and_still_fail(
        self, suffix: str, codec: str, make_scene: Callable[..., Image], tmp_path: Path
    ) -> None:
        path = tmp_path / f"cut.{suffix}"
        encode(path, codec, [make_scene(boxes=((step % 48, 0, 16, 16),)) for step in range(60)])
        assert len(list(open_video(path))) == 60
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        with pytest.raises(MediaError, match="cut short or damaged"):
            list(open_video(path))

    def test_goes_on_after_a_damaged_spot(self, tmp_path: Path) -> None:
        path = write_numbered(tmp_path / "a.mp4", frames=60, gop=12)
        packet = packets_in(path)[30]
        data = bytearray(path.read_bytes())
        data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
        path.write_bytes(data)
        frames, error = read_until_it_fails(path)
        assert 48 <= frames < 60
        assert "damaged" in str(error)

    def test_an_mp4_without_its_index_does_not_open(self, tmp_path: Path, make_scene: Callable[..., Image]) -> None:
        path = tmp_path / "recording.mp4"
        encode(path, "libx264", [make_scene()] * 30)  # this index is at the end
        path.write_bytes(path.read_bytes()[:-200])
        with pytest.raises(MediaError, match="cut short or damaged: copy it again"):
            open_video(path)


class TestImages:
    def test_folder_in_natural_order(self, tmp_path: Path) -> None:
        source = open_video(write_images(tmp_path / "f", ["1.png", "2.png", "10.png"]))
        assert [path.name for path in source.files] == ["1.png", "2.png", "10.png"]
        assert levels(iter(source)) == [0, 1, 2]

    def test_folder_skips_what_is_no_image(self, tmp_path: Path) -> None:
        folder = write_images(tmp_path / "f", ["1.png", "2.PNG"])
        (folder / "notes.txt").write_text("x")
        (folder / ".hidden.png").write_text("x")
        (folder / "more").mkdir()
        assert open_video(folder).count == 2

    def test_folder_of_a_cdnet_sequence(self, tmp_path: Path) -> None:
        write_images(tmp_path, ["ROI.png", "thumbnail.png"])
        write_images(tmp_path / "groundtruth", ["gt1.png"])
        frames = write_images(tmp_path / "input", ["in1.png", "in2.png"])
        assert open_video(tmp_path).files == (frames / "in1.png", frames / "in2.png")

    def test_glob(self, tmp_path: Path) -> None:
        write_images(tmp_path, ["a1.png", "b1.png", "a2.png"])
        assert levels(iter(open_video(str(tmp_path / "a*.png")))) == [0, 2]

    def test_glob_may_go_deep(self, tmp_path: Path) -> None:
        write_images(tmp_path / "x", ["1.png"])
        write_images(tmp_path / "y", ["1.png"])
        assert open_video(str(tmp_path / "**" / "*.png")).count == 2

    def test_a_name_with_brackets_is_a_file_first(self, tmp_path: Path) -> None:
        write_images(tmp_path, ["shot[1].png"])
        assert open_video(tmp_path / "shot[1].png").count == 1

    def test_single_image(self, tmp_path: Path) -> None:
        write_images(tmp_path, ["a.png"])
        source = open_video(tmp_path / "a.png")
        assert (source.count, source.size, source.fps) == (1, (64, 48), DEFAULT_FPS)

    def test_gray_and_16_bit_images_become_bgr(self, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "1.png"), np.full((48, 64), 7, np.uint8))
        cv2.imwrite(str(tmp_path / "2.png"), np.full((48, 64), 7 * 257, np.uint16))
        assert [(frame.shape, frame.dtype.name) for frame in open_video(tmp_path)] == [((48, 64, 3), "uint8")] * 2

    def test_sample_reads_no_more_than_it_needs(self, tmp_path: Path) -> None:
        folder = write_images(tmp_path / "f", [f"{number}.png" for number in range(10)])
        (folder / "1.png").write_text("no image, and not in the sample")
        assert levels(iter(open_video(folder).sample(limit=4, long_side=64))) == [0, 3, 6, 9]

    def test_sizes_must_agree(self, tmp_path: Path) -> None:
        folder = write_images(tmp_path / "f", ["1.png", "2.png"])
        write_images(folder, ["3.png"], size=(32, 32))
        with pytest.raises(MediaError, match=r"3\.png: expected 64x48 pixels like the frames before, found 32x32"):
            list(open_video(folder))

    def test_a_broken_image_is_named(self, tmp_path: Path) -> None:
        folder = write_images(tmp_path / "f", ["1.png", "2.png"])
        (folder / "2.png").write_text("not an image")
        source = iter(open_video(folder))
        assert len(list(islice(source, 1))) == 1
        with pytest.raises(MediaError, match=r"2\.png"):
            next(source)


class TestNoSource:
    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(MissingFileError, match="no such file or folder"):
            open_video(tmp_path / "none.mp4")

    def test_glob_without_a_match(self, tmp_path: Path) -> None:
        with pytest.raises(MissingFileError, match="no file matches; put the glob in quotes"):
            open_video(str(tmp_path / "*.jpg"))

    def test_glob_of_other_files(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("x")
        with pytest.raises(MediaError, match=r"\*\.txt: expected images \(.+\), found none there"):
            open_video(str(tmp_path / "*.txt"))

    def test_folder_without_images(self, tmp_path: Path) -> None:
        with pytest.raises(MediaError, match=r"expected images \(.+\), found none there"):
            open_video(tmp_path)

    def test_zero_length(self, tmp_path: Path) -> None:
        (tmp_path / "a.mp4").touch()
        with pytest.raises(MediaError, match="found an empty file"):
            open_video(tmp_path / "a.mp4")

    @pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.txt"])
    def test_text_is_no_video(self, name: str, tmp_path: Path) -> None:
        (tmp_path / name).write_text("The quick brown fox, line by line.\n" * 500)
        with pytest.raises(MediaError, match="expected a video"):
            open_video(tmp_path / name)

    def test_sound_is_no_video(self, tmp_path: Path) -> None:
        path = tmp_path / "a.wav"
        with wave.open(str(path), "wb") as sound:
            sound.setparams((1, 1, 8000, 0, "NONE", ""))
            sound.writeframes(bytes(8000))
        with pytest.raises(MediaError, match="without a video track"):
            open_video(path)

    def test_device(self) -> None:
        with pytest.raises(MediaError, match="a device or a pipe"):
            open_video("/dev/null")

    def test_stream_address(self) -> None:
        with pytest.raises(MediaError, match="not a stream"):
            open_video("rtsp://127.0.0.1/camera")

    def test_without_av_says_how_to_get_it(
        self, write_video: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = write_video(tmp_path / "a.mp4")
        monkeypatch.setitem(sys.modules, "av", None)
        with pytest.raises(MissingDependencyError, match="pip install av"):
            VideoFile(path)


def read_until_it_fails(path: Path) -> tuple[int, MediaError]:
    frames = 0
    try:
        for _ in open_video(path):
            frames += 1
    except MediaError as error:
        return frames, error
    pytest.fail(f"{path} was read to its end")


def encode(path: Path, codec: str, frames: list[Image]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = frames[0].shape[1], frames[0].shape[0], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        container.mux(stream.encode(None))


def turned_a_quarter(mp4: bytes) -> bytes:
    """Changes the matrix in the track's header to a quarter turn clockwise."""
    plain = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    turned = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 48 << 16, 0, 1 << 30)
    place = mp4.index(plain, mp4.index(b"tkhd"))
    return mp4[:place] + turned + mp4[place + len(plain) :]
