"""Video files with odd names, tracks, orientations, rates and depths."""

import os
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from edgefg.errors import MediaError, OptionError
from edgefg.imaging.io import Image
from edgefg.media.reader import open_video

from ..support.rtsp import numbered
from ..support.videos import SIZE, numbers_in, write_numbered

av = pytest.importorskip("av")

# FFmpeg takes what is before a colon for the name of a protocol.
NAMES = [
    "2026-11-30T12:30:05.mp4",
    "cam1: front.mp4",
    "http:x.mp4",
    "rtsp:door.mp4",
    "file:a.mp4",
    "concat:a.mp4|b.mp4",
    "pipe:0.mp4",
    "data:,x.mp4",
    "subfile,,start,0,end,0,,:a.mp4",
    "-.mp4",
    "a%03d.mp4",
    "ä ö 漢字.mp4",
    "new\nline.mp4",
]


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestNames:
    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("relative", [False, True])
    def test_any_name_is_a_file(
        self, name: str, relative: bool, write_video: Callable[..., Path], working_folder: Path
    ) -> None:
        """Written and read."""
        path = write_video(Path(name) if relative else working_folder / name, frames=3)
        assert len(list(open_video(path))) == 3
        assert [file.name for file in working_folder.iterdir()] == [name]

    def test_a_name_in_no_known_encoding(self, write_video: Callable[..., Path], tmp_path: Path) -> None:
        plain = write_video(tmp_path / "a.mp4", frames=3)
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
        plain.rename(path)
        assert len(list(open_video(path))) == 3

    def test_a_title_in_no_known_encoding(self, write_video: Callable[..., Path], tmp_path: Path) -> None:
        path = write_numbered(tmp_path / "a.mkv", frames=3, title="TITLE")
        path.write_bytes(path.read_bytes().replace(b"TITLE", b"caf\xe9s"))
        assert len(list(open_video(path))) == 3


class TestTracks:
    @pytest.mark.parametrize("cover_first", [True, False])
    def test_cover_art_is_not_the_video(self, cover_first: bool, tmp_path: Path) -> None:
        path = with_cover(tmp_path / "a.mp4", cover_first=cover_first)
        source = open_video(path)
        assert source.size == (176, 144)
        assert numbers_in(source) == list(range(10))

    def test_cover_art_alone_is_no_video(self, tmp_path: Path) -> None:
        path = with_cover(tmp_path / "a.mp4", frames=0)
        with pytest.raises(MediaError, match="found a file without a video track"):
            open_video(path)


def test_a_codec_that_nobody_knows(write_video: Callable[..., Path], tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    with pytest.raises(MediaError, match=r"a\.mp4: .*FFmpeg cannot decode"):
        open_video(path)


# What a player shows of a picture, by the display matrix a, b, c, d.
ORIENTATIONS: dict[str, tuple[tuple[int, int, int, int], Callable[[Image], Image]]] = {
    "plain": ((1, 0, 0, 1), lambda image: image),
    "mirrored": ((-1, 0, 0, 1), np.fliplr),
    "upside down and mirrored": ((1, 0, 0, -1), np.flipud),
    "turned by half": ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
    "turned clockwise": ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    "turned counterclockwise": ((0, -1, 1, 0), lambda image: np.rot90(image, 1)),
    "transposed": ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
    "transposed the other way": ((0, -1, -1, 0), lambda image: np.rot90(image, 2).transpose(1, 0, 2)),
}


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_frames_are_turned_and_mirrored_as_the_file_says(
    name: str, write_video: Callable[..., Path], tmp_path: Path
) -> None:
    matrix, shown = ORIENTATIONS[name]
    path = write_video(tmp_path / "a.mp4", frames=2)
    plain = next(iter(open_video(path)))
    path.write_bytes(with_matrix(path.read_bytes(), *matrix))
    source = open_video(path)
    frame = next(iter(source))
    assert np.array_equal(frame, shown(plain))
    assert source.size == (frame.shape[1], frame.shape[0])


class TestTimes:
    def test_are_those_of_the_file(self, tmp_path: Path) -> None:
        stamps = [0, 40, 80, 1000, 1007, 61_007]
        path = write_numbered(tmp_path / "a.mkv", frames=6, stamps=stamps, tick_s=Fraction(1, 1000))
        assert [round(frame.time_s * 1000) for frame in open_video(path).timed()] == stamps

    def test_begin_at_zero_wherever_the_stamps_do(self, tmp_path: Path) -> None:
        path = write_numbered(tmp_path / "a.ts", frames=5, stamps=range(1000, 1005))
        assert [frame.time_s for frame in open_video(path).timed()] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])

    @pytest.mark.parametrize("name", ["two-way.avi", "two-way.mp4", "two-way.ts"])
    def test_grow_evenly_with_frames_that_look_ahead(self, name: str, tmp_path: Path) -> None:
        frames = list(open_video(write_numbered(tmp_path / name, frames=20, options={"bf": "3"})).timed())
        assert [frame.time_s for frame in frames] == pytest.approx([number / 25 for number in range(20)])

    @pytest.mark.parametrize("name", ["a.h264", "a.m2v"])
    def test_a_stream_without_stamps_has_a_usual_rate(self, name: str, tmp_path: Path) -> None:
        codec = {"a.h264": "libx264", "a.m2v": "mpeg2video"}[name]
        frames = list(open_video(write_numbered(tmp_path / name, codec, 20)).timed())
        assert [frame.time_s for frame in frames] == pytest.approx([number / 25 for number in range(20)])

    def test_a_thousand_frames_a_second(self, tmp_path: Path) -> None:
        path = write_numbered(tmp_path / "a.mp4", frames=20, fps=1000)
        source = open_video(path)
        assert source.fps == pytest.approx(1000)
        assert [frame.time_s for frame in source.timed()] == pytest.approx([number / 1000 for number in range(20)])

    def test_a_rate_that_the_stamps_belie(self, tmp_path: Path) -> None:
        """The header says a thousand frames a second, the stamps ten."""
        path = write_numbered(tmp_path / "a.mkv", frames=12, fps=1000, stamps=range(0, 1200, 100))
        assert open_video(path).fps == pytest.approx(10)

    def test_a_frame_an_hour(self, tmp_path: Path) -> None:
        stamps = [number * 3_600_000 for number in range(5)]
        path = write_numbered(tmp_path / "a.mkv", frames=5, stamps=stamps, tick_s=Fraction(1, 1000))
        assert [frame.time_s for frame in open_video(path).timed()] == [0, 3600, 7200, 10800, 14400]


class TestDepth:
    @pytest.fixture
    def thermal(self, tmp_path: Path) -> Path:
        return write_gray(tmp_path / "thermal.nut", "gray16le", [7000, 7100, 7200, 7300])

    def test_hint_for_16_bits_that_are_hardly_used(self, thermal: Path) -> None:
        assert "16-bit levels lie between" in open_video(thermal).hint

    def test_a_range(self, thermal: Path) -> None:
        source = open_video(thermal, value_range=(7000, 7300))
        assert (source.value_range, source.hint) == ((7000, 7300), "")
        assert [int(frame[0, 0, 0]) for frame in source] == [0, 85, 170, 255]

    def test_a_range_is_found_in_the_first_frames(self, thermal: Path) -> None:
        source = open_video(thermal, value_range="auto")
        assert isinstance(source.value_range, tuple)
        low, high = source.value_range
        assert low < 7000 and 7300 < high < 8000
        levels = [int(frame[0, 0, 0]) for frame in source]
        assert levels == sorted(levels) and levels[3] - levels[0] > 100

    @pytest.mark.parametrize("pix_fmt", ["gray10le", "gray12le", "gray14le", "gray16le", "gray16be"])
    def test_levels_are_those_that_the_camera_counted(self, pix_fmt: str, tmp_path: Path) -> None:
        path = write_gray(tmp_path / "a.nut", pix_fmt, [100, 200, 300])
        assert [int(frame[0, 0, 0]) for frame in open_video(path, value_range=(100, 300))] == [0, 128, 255]

    def test_8_bits_have_no_range(self, write_video: Callable[..., Path], tmp_path: Path) -> None:
        with pytest.raises(OptionError, match=r"expected levels of more than 8 bits, .*a\.mp4 has uint8"):
            open_video(write_video(tmp_path / "a.mp4"), value_range=(0, 10))


def write_gray(path: Path, pix_fmt: str, levels: list[int]) -> Path:
    """Writes a video of plain frames without compression."""
    kind = np.dtype(">u2" if pix_fmt.endswith("be") else "<u2")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("rawvideo", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        for number, level in enumerate(levels):
            frame = av.VideoFrame(64, 48, pix_fmt)
            lines = np.full((48, frame.planes[0].line_size // 2), level, kind)
            frame.planes[0].update(lines.tobytes())
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def with_cover(path: Path, frames: int = 10, *, cover_first: bool = False) -> Path:
    """Writes an MP4 with a cover picture and a video, or with a cover picture and sound."""
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic.value
        if frames:
            track = container.add_stream("libx264", rate=25)
            track.width, track.height, track.pix_fmt = *SIZE, "yuv420p"
            pictures = [av.VideoFrame.from_ndarray(numbered(number, *SIZE), format="bgr24") for number in range(frames)]
        else:
            track = container.add_stream("aac", rate=8000)
            pictures = [av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")]
            pictures[0].sample_rate = 8000
        container.mux(cover.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 99, np.uint8), format="bgr24")))
        container.mux(cover.encode(None))
        for picture in [*pictures, None]:
            container.mux(track.encode(picture))
    if cover_first:
        path.write_bytes(with_metadata_first(path.read_bytes()))
    return path


def with_metadata_first(mp4: bytes) -> bytes:
    """Moves the metadata, which hold the cover, before the tracks, as some writers have them."""
    moov = mp4.index(b"moov") - 4
    end = moov + int.from_bytes(mp4[moov : moov + 4], "big")
    boxes, at = [], moov + 8
    while at < end:
        length = int.from_bytes(mp4[at : at + 4], "big")
        boxes.append(mp4[at : at + length])
        at += length
    boxes.sort(key=lambda box: [b"mvhd", b"udta"].index(box[4:8]) if box[4:8] in (b"mvhd", b"udta") else 2)
    return mp4[: moov + 8] + b"".join(boxes) + mp4[end:]


def with_matrix(mp4: bytes, a: int, b: int, c: int, d: int) -> bytes:
    """Changes the display matrix in the track's header."""
    plain = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    changed = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    place = mp4.index(plain, mp4.index(b"tkhd"))
    return mp4[:place] + changed + mp4[place + len(plain) :]
