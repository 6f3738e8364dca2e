"""The decoder that RTSP gets, on this machine and on a fake Jetson; test_gstreamer.py has a real server."""

import importlib.util
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

pytest.importorskip("av")

from edgefg.cameras import rtsp
from edgefg.cameras.ffmpeg import FfmpegSource
from edgefg.cameras.open import source_for
from edgefg.cameras.options import CameraOptions
from edgefg.cameras.source import DecodedFrames, Gap, Waits
from edgefg.errors import CameraError, MissingDependencyError

URL = "rtsp://10.0.0.5/stream"
WAITS = Waits(1, 1)


@pytest.fixture
def jetson(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that could be one, with PyGObject."""
    real = importlib.util.find_spec
    for module in ("edgefg.cameras.rtsp", "edgefg.cameras.gstreamer"):
        monkeypatch.setattr(f"{module}.find_spec", lambda name: True if name == "gi" else real(name))
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")


class Said(Exception):
    """Says which source was connected to."""


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> None:
    for source in (rtsp.NvdecSource, FfmpegSource):

        @contextmanager
        def connect(self: object, waits: Waits) -> Iterator[DecodedFrames]:
            raise Said(type(self).__name__)
            yield

        monkeypatch.setattr(source, "connect", connect)


def test_elsewhere_it_is_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert isinstance(source_for(URL, CameraOptions()), FfmpegSource)


@pytest.mark.parametrize(("found", "name"), [(True, "NvdecSource"), (False, "FfmpegSource")])
def test_on_a_jetson_it_is_the_one_that_gstreamer_has(
    jetson: None, connected: None, monkeypatch: pytest.MonkeyPatch, found: bool, name: str
) -> None:
    monkeypatch.setattr(rtsp, "_has_nvdec", lambda: found)
    with pytest.raises(Said, match=name), source_for(URL, CameraOptions()).connect(WAITS):
        pass


def test_opening_does_not_wait_for_gstreamer(jetson: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtsp, "_has_nvdec", lambda: pytest.fail("asked"))
    source_for(URL, CameraOptions())


def test_the_option_takes_ffmpeg_on_a_jetson(jetson: None) -> None:
    assert isinstance(source_for(URL, CameraOptions(decoder="cpu")), FfmpegSource)


def test_a_gstreamer_that_does_not_load_has_no_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(names: object) -> bool:
        raise MissingDependencyError("no GStreamer")

    monkeypatch.setattr(rtsp, "has_elements", fail)
    rtsp._has_nvdec.cache_clear()
    assert not rtsp._has_nvdec()
    rtsp._has_nvdec.cache_clear()


def test_asking_for_the_decoder_without_pygobject_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgefg.cameras.gstreamer.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="python3-gi"):
        source_for(URL, CameraOptions(decoder="nvdec"))


def test_a_failure_names_the_other_decoder(jetson: None, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def connect(waits: Waits) -> Iterator[list[Gap]]:
        yield []

    source = rtsp.NvdecSource(URL, CameraOptions())
    monkeypatch.setattr(source._pipeline, "connect", connect)
    with pytest.raises(CameraError, match=r"no picture .*decoder=cpu takes FFmpeg"), source.connect(WAITS):
        raise CameraError("no picture")


def test_an_unknown_decoder_is_refused() -> None:
    with pytest.raises(ValueError, match="decoder must be one of auto, cpu, nvdec"):
        CameraOptions(decoder="gpu")
