"""Writing video and JSON lines: whole under the final name, or not at all."""

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from edgefg.errors import ClosedError, OutputError
from edgefg.imaging.io import Image
from edgefg.media.reader import open_video
from edgefg.media.writers import FileWriter, JsonWriter, VideoWriter, Writer

av = pytest.importorskip("av")


def gray(level: int, size: tuple[int, int] = (64, 48)) -> Image:
    return np.full((size[1], size[0]), level, np.uint8)


NAMES = ("a.mp4", "a.jsonl", "a.png")


@pytest.fixture(params=NAMES)
def open_sink(request: pytest.FixtureRequest) -> Callable[[Path], Writer]:
    """Opens each kind of sink in a folder and writes something."""

    def open_in(folder: Path) -> Writer:
        path = folder / request.param
        if path.suffix == ".mp4":
            video = VideoWriter(path, fps=10, size=(64, 48))
            video.write(gray(100))
            return video
        if path.suffix == ".png":
            whole = FileWriter(path)
            whole.write(b"all of it")
            return whole
        lines = JsonWriter(path)
        lines.write({"frame": 0})
        return lines

    return open_in


class TestEverySink:
    def test_nothing_has_the_final_name_before_close(self, open_sink: Callable[[Path], Writer], tmp_path: Path) -> None:
        sink = open_sink(tmp_path)
        assert not sink.path.exists()
        sink.close()
        assert [sink.path] == list(tmp_path.iterdir())

    def test_discard_leaves_nothing(self, open_sink: Callable[[Path], Writer], tmp_path: Path) -> None:
        open_sink(tmp_path).discard()
        assert list(tmp_path.iterdir()) == []

    def test_the_file_before_stays_until_close(self, open_sink: Callable[[Path], Writer], tmp_path: Path) -> None:
        for name in NAMES:
            (tmp_path / name).write_text("before")
        sink = open_sink(tmp_path)
        assert sink.path.read_text() == "before"
        sink.close()
        assert sink.path.read_bytes() != b"before"

    def test_ending_twice_is_fine(self, open_sink: Callable[[Path], Writer], tmp_path: Path) -> None:
        sink = open_sink(tmp_path)
        sink.close()
        sink.close()
        sink.discard()
        assert sink.path.exists()

    def test_missing_folder(self, open_sink: Callable[[Path], Writer], tmp_path: Path) -> None:
        with pytest.raises(OutputError, match=r"its folder does not exist: mkdir -p .*none"):
            open_sink(tmp_path / "none")

    def test_a_folder_of_that_name(self, open_sink: Callable[[Path], Writer], tmp_path: Path) -> None:
        for name in NAMES:
            (tmp_path / name).mkdir()
        with pytest.raises(OutputError, match="found a folder or a device"):
            open_sink(tmp_path)

    def test_a_file_as_folder(self, open_sink: Callable[[Path], Writer], tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(OutputError, match="its folder does not exist"):
            open_sink(tmp_path / "file")

    def test_a_link_keeps_pointing_to_the_result(self, open_sink: Callable[[Path], Writer], tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        for name in NAMES:
            (tmp_path / name).symlink_to(tmp_path / "real" / name)
        sink = open_sink(tmp_path)
        sink.close()
        assert sink.path.is_symlink()
        assert (tmp_path / "real" / sink.path.name).stat().st_size > 0


def test_a_device_is_never_replaced() -> None:
    with pytest.raises(OutputError, match="found a folder or a device"):
        JsonWriter("/dev/null")
    assert Path("/dev/null").is_char_device()


class TestVideoWriter:
    def test_is_h264_in_yuv420p(self, tmp_path: Path) -> None:
        with av.open(str(written(tmp_path / "a.mp4", [gray(0)] * 3))) as container:
            context = container.streams.video[0].codec_context
            assert (context.name, context.pix_fmt) == ("h264", "yuv420p")

    @pytest.mark.parametrize(("fps", "stored"), [(25, Fraction(25)), (29.97002997, Fraction(30000, 1001)), (0.5, 0.5)])
    def test_keeps_the_frame_rate(self, fps: float, stored: Fraction | float, tmp_path: Path) -> None:
        with av.open(str(written(tmp_path / "a.mp4", [gray(0)] * 3, fps=fps))) as container:
            assert container.streams.video[0].average_rate == stored

    def test_pads_an_odd_size_to_even(self, tmp_path: Path) -> None:
        path = written(tmp_path / "a.mp4", [gray(200, (33, 17))], size=(33, 17))
        frame = next(iter(open_video(path)))
        assert frame.shape == (18, 34, 3)
        assert frame.min() > 190

    def test_a_mask_comes_back_after_a_threshold(self, tmp_path: Path) -> None:
        mask = gray(0)
        mask[10:30, 20:50] = 255
        frame = next(iter(open_video(written(tmp_path / "a.mp4", [mask], crf=12))))
        assert np.array_equal(frame[..., 0] > 127, mask > 127)

    def test_takes_images_that_are_not_contiguous(self, tmp_path: Path) -> None:
        colours = np.zeros((48, 128, 3), np.uint8)
        colours[..., 2] = 255
        frame = next(iter(open_video(written(tmp_path / "a.mp4", [colours[:, ::2]]))))
        blue, green, red = frame.reshape(-1, 3).mean(axis=0)
        assert red > 240
        assert max(blue, green) < 15

    def test_refuses_another_size(self, tmp_path: Path) -> None:
        video = VideoWriter(tmp_path / "a.mp4", fps=10, size=(64, 48))
        with pytest.raises(OutputError, match="expected images of 64x48 pixels, got 32x48"):
            video.write(gray(0, (32, 48)))
        video.discard()

    def test_use_after_close(self, tmp_path: Path) -> None:
        video = VideoWriter(tmp_path / "a.mp4", fps=10, size=(64, 48))
        video.discard()
        with pytest.raises(ClosedError, match="complete or discarded"):
            video.write(gray(0))

    @pytest.mark.parametrize("error", [av.error.ExternalError, av.error.UnknownError, av.error.MemoryError])
    def test_every_error_of_ffmpeg_is_an_output_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Callable[..., Exception]
    ) -> None:
        """Also those that are neither OSErrors nor ValueErrors."""
        video = VideoWriter(tmp_path / "a.mp4", fps=10, size=(64, 48))

        class Broken:
            def mux(self, _: object) -> None:
                raise error(1, "the encoder is on fire")

            def close(self) -> None:
                self.mux(None)

        container = video._container
        monkeypatch.setattr(video, "_container", Broken())
        with pytest.raises(OutputError, match=r"a\.mp4: cannot write: the encoder is on fire"):
            video.write(gray(0))
        video.discard()
        container.close()
        assert list(tmp_path.iterdir()) == []

    def test_one_that_cannot_begin_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise OSError(24, "Too many open files")

        monkeypatch.setattr(av, "open", refuse)
        with pytest.raises(OutputError, match=r"a\.mp4: cannot write: Too many open files"):
            VideoWriter(tmp_path / "a.mp4", fps=10, size=(64, 48))
        assert list(tmp_path.iterdir()) == []

    def test_a_full_disk_is_an_output_error(self, tmp_path: Path) -> None:
        """In a process of its own, where no file may grow past 20 kB."""
        noisy = """
import resource, signal, sys
import numpy as np
from edgefg.errors import OutputError
from edgefg.media.writers import VideoWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
video = VideoWriter(sys.argv[1], fps=10, size=(320, 240))
rng = np.random.default_rng(0)
try:
    for _ in range(30):
        video.write(rng.integers(0, 255, (240, 320, 3), np.uint8))
    video.close()
except OutputError as error:
    print(error)
    video.discard()
"""
        command = [sys.executable, "-c", noisy, str(tmp_path / "a.mp4")]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert "a.mp4: cannot write: File too large" in ended.stdout
        assert list(tmp_path.iterdir()) == []


class TestTimes:
    """Videos whose images are shown at their own times."""

    @staticmethod
    def times_in(path: Path) -> list[float]:
        return [round(frame.time_s, 4) for frame in open_video(path).timed()]

    @staticmethod
    def write(path: Path, times_s: list[float], **options: object) -> Path:
        video = VideoWriter(path, **{"fps": 10, "size": (64, 48), **options})  # type: ignore[arg-type]
        for number, time_s in enumerate(times_s):
            video.write(gray(20 * number % 250), time_s)
        video.close()
        return path

    @pytest.mark.parametrize(
        ("times_s", "fps", "tick_s"),
        [
            ([0, 0.04, 0.08, 1, 1.007, 61.007], 0.1, Fraction(1, 1000)),
            ([0, 0.1, 0.2, 0.3], 10, Fraction(1, 12_800)),
            ([number / 2000 for number in range(12)], 2000, Fraction(1, 2000)),
            ([number * 3600 for number in range(5)], 1 / 3600, Fraction(1, 90_000)),
            ([number * 86_400 for number in range(4)], 1 / 86_400, Fraction(1, 1000)),
        ],
    )
    def test_are_kept(self, times_s: list[float], fps: float, tick_s: Fraction, tmp_path: Path) -> None:
        path = self.write(tmp_path / "a.mp4", times_s, fps=fps, tick_s=tick_s)
        assert self.times_in(path) == pytest.approx(times_s, abs=1e-3)

    def test_the_last_image_counts_for_the_length(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "a.mp4", [0, 0.1, 60], tick_s=Fraction(1, 1000))
        with av.open(str(path)) as container:
            track = container.streams.video[0]
            assert float(track.duration * track.time_base) == pytest.approx(60.1)

    def test_a_pause_beyond_what_mp4_can_hold_is_shortened(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "a.mp4", [0, 0.1, 1e6, 1e6 + 1], tick_s=Fraction(1, 90_000))
        assert len(self.times_in(path)) == 4

    def test_a_constant_rate_repeats_images(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "a.mp4", [0, 0.1, 0.5], fill=True)
        assert self.times_in(path) == [0, 0.1, 0.2, 0.3, 0.4, 0.5]
        levels = [int(frame[0, 0, 0]) for frame in open_video(path)]
        assert levels == pytest.approx([0, 20, 20, 20, 20, 40], abs=3)

    def test_a_constant_rate_leaves_out_images(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "a.mp4", [0, 0.01, 0.02, 0.1], fill=True)
        assert self.times_in(path) == [0, 0.1]

    @pytest.mark.parametrize("fps", [1 / 3600, 5000])
    def test_any_rate_can_be_written(self, fps: float, tmp_path: Path) -> None:
        assert len(list(open_video(written(tmp_path / "a.mp4", [gray(0)] * 40, fps=fps)))) == 40


class TestJsonWriter:
    def test_a_line_for_each_record(self, tmp_path: Path) -> None:
        lines = JsonWriter(tmp_path / "a.jsonl")
        lines.write({"frame": 0, "name": "Zoë"})
        lines.write({"frame": 1, "name": None})
        lines.close()
        text = (tmp_path / "a.jsonl").read_text(encoding="utf-8")
        assert [json.loads(line) for line in text.splitlines()] == [
            {"frame": 0, "name": "Zoë"},
            {"frame": 1, "name": None},
        ]

    def test_one_with_a_gap_is_never_completed(self, tmp_path: Path) -> None:
        """Though the disk may have room again."""
        sink = JsonWriter(tmp_path / "a.jsonl")
        text, full = sink._text, OSError(errno.ENOSPC, "No space left on device")
        sink._text = Mock(write=Mock(side_effect=full))
        with pytest.raises(OutputError, match=r"a\.jsonl: cannot write: No space left on device"):
            sink.write({})
        sink._text = text
        with pytest.raises(OutputError, match="No space left on device"):
            sink.close()
        sink.discard()
        assert list(tmp_path.iterdir()) == []

    def test_refuses_nan(self, tmp_path: Path) -> None:
        lines = JsonWriter(tmp_path / "a.jsonl")
        with pytest.raises(OutputError, match="JSON compliant"):
            lines.write({"f": float("nan")})
        lines.discard()


def written(path: Path, images: list[Image], **options: object) -> Path:
    video = VideoWriter(path, **{"fps": 10, "size": (64, 48), **options})  # type: ignore[arg-type]
    for image in images:
        video.write(image)
    video.close()
    return path


def test_two_cannot_write_one_file_at_a_time(tmp_path: Path) -> None:
    first = JsonWriter(tmp_path / "a.jsonl")
    with pytest.raises(OutputError, match=r"a\.jsonl: another edgefg is writing this file"):
        JsonWriter(tmp_path / "a.jsonl")
    first.write({"line": 1})
    first.close()
    assert (tmp_path / "a.jsonl").read_text() == '{"line": 1}\n'
    second = JsonWriter(tmp_path / "a.jsonl")
    second.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]
