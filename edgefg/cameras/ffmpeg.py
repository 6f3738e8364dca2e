"""Cameras that FFmpeg reads through PyAV: RTSP, and MJPEG and other formats over HTTP."""

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from ..errors import CameraError
from ..media.h264 import MissingFrames
from ..media.pyav import STRICT, import_av, upright
from ..utils.redaction import redacted
from .options import CameraOptions
from .source import DecodedFrame, DecodedFrames, Gap, SilenceError, Waits

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.error import FFmpegError
    from av.video.stream import VideoStream

# For these formats FFmpeg invents the timestamps, from a frame rate that it guesses.
_FORMATS_WITHOUT_A_CLOCK = frozenset({"mpjpeg", "mjpeg", "image2pipe", "jpeg_pipe", "h264", "hevc"})


# At least this many packets, and more than half of all, must be rejected before the encoder is blamed, not the cable.
_MIN_REJECTED = 50


class _Strictness:
    """Decides, over all connections to a camera, whether to reject packets that deviate from their standard."""

    def __init__(self) -> None:
        self.strict = True
        self._decoded = self._rejected = 0

    def note_decoded(self) -> None:
        """Counts a picture."""
        self._decoded += 1

    def note_rejected(self) -> None:
        """Counts a packet that did not decode.

        Raises:
            CameraError: Too many packets of this camera deviate, so they will be accepted from now on.
        """
        self._rejected += 1
        if self.strict and self._rejected >= _MIN_REJECTED and self._rejected > self._decoded:
            self.strict = False
            raise CameraError("its packets deviate from their standard; from now on they are accepted as they are")


class FfmpegSource:
    """RTSP, or any format that FFmpeg reads over HTTP; see `CameraSource`."""

    live = True

    def __init__(self, url: str, options: CameraOptions) -> None:
        import_av()
        self._url = url
        self._options = options
        self._strictness = _Strictness()
        self._is_rtsp = url.lower().startswith("rtsp")
        if self._is_rtsp:
            self._settings = {
                "rtsp_transport": options.transport,
                "flags": "low_delay",
                # The first packet is enough to analyze. With `nobuffer`, FFmpeg would discard the analyzed packets,
                # including the key frame, and the first picture would have to wait for the next one.
                "analyzeduration": "1",
                "probesize": "32",
            }
        else:
            self._settings = {"flags": "low_delay", "analyzeduration": "500000"}

    @contextmanager
    def connect(self, waits: Waits) -> Iterator[DecodedFrames]:
        with self._open(waits) as container:
            yield _pictures(container, self._strictness, self._options, waits)

    def _open(self, waits: Waits) -> "InputContainer":
        av = import_av()
        # For FFmpeg's calls outside PyAV's own timeouts, such as logging out of a server that hangs.
        timeout_us = str(int(max(waits.connect_s, waits.read_s) * 1e6))
        settings = self._settings | {"timeout" if self._is_rtsp else "rw_timeout": timeout_us}
        timeouts_s = (waits.connect_s, waits.read_s)
        started_s = time.monotonic()
        try:
            return self._opened(settings, timeouts_s)
        # FFmpeg's errors are never passed on as a cause, because they contain the address.
        except av.error.FFmpegError as reason:
            # FFmpeg reports a timeout under several names.
            if _is_timeout(reason) or time.monotonic() - started_s >= waits.connect_s:
                raise SilenceError(f"no answer within {waits.connect_s:.3g} s") from None
            raise CameraError(_explained(reason)) from None

    def _opened(self, settings: dict[str, str], timeouts_s: tuple[float, float]) -> "InputContainer":
        av = import_av()

        def opened(settings: dict[str, str]) -> "InputContainer":
            # Titles that are not UTF-8 must not keep a stream from opening.
            container = av.open(self._url, options=settings, timeout=timeouts_s, metadata_errors="replace")
            return cast("InputContainer", container)

        if not self._is_rtsp:
            return opened(settings)
        try:
            return opened(settings | {"allowed_media_types": "video"})
        # A server refuses to play nothing. From all that it has, FFmpeg finds out whether that is sound alone.
        except av.error.HTTPOtherClientError:
            return opened(settings)


def _pictures(
    container: "InputContainer", strictness: _Strictness, options: CameraOptions, waits: Waits
) -> DecodedFrames:
    av = import_av()
    if not container.streams.video:
        found = "only sound" if container.streams.audio else "none"
        raise CameraError(f"expected a video stream, found {found}; check the path in the address")
    stream = container.streams.video[0]
    decoding = _Decoding(container, stream, strictness, options.decode_threads)
    try:
        # All streams, so that a camera that sends only sound does not block the thread.
        for packet in container.demux():
            if packet.stream is stream:
                yield from decoding.pictures(cast("Packet[VideoStream]", packet))
            else:
                yield Gap.NOTHING
    except av.error.FFmpegError as reason:
        if _is_timeout(reason):
            raise SilenceError(f"no data for {waits.read_s:.3g} s") from None
        raise CameraError(_explained(reason)) from None


class _Decoding:
    """Decodes packets. After a missing or damaged one, it returns no picture before the next key frame, or refresh."""

    def __init__(
        self, container: "InputContainer", stream: "VideoStream", strictness: _Strictness, threads: int
    ) -> None:
        codec = stream.codec_context
        codec.thread_type = "SLICE"  # decoding several frames at once would add several frames of delay
        codec.thread_count = threads
        # By default FFmpeg conceals damage. With these options it rejects damaged packets: all in JPEG, most in H.265.
        codec.options = STRICT if strictness.strict else {}
        self._strictness = strictness
        self._has_clock = container.format.name not in _FORMATS_WITHOUT_A_CLOCK
        # The end of these frames is known only when the next one arrives over RTP.
        self._one_behind = container.format.name == "rtsp" and codec.name in ("h264", "hevc")
        headers = codec.extradata or b""
        # Headers that start with 1 are from files, whose packets have another format.
        is_annex_b = codec.name == "h264" and not headers.startswith(b"\1")
        self._numbers = MissingFrames(headers) if is_annex_b else None
        self._adds_changes = codec.name in ("h264", "hevc")
        self._last: tuple[int | None, bytes] = None, b""
        self._begun = self._whole = False
        self._refreshed = False  # from the picture with this time stamp on
        self._refreshed_pts: int | None = None

    def pictures(self, packet: "Packet[VideoStream]") -> DecodedFrames:
        """Decodes one packet.

        Raises:
            CameraError: Another attempt, which is less strict, will decode more.
        """
        av = import_av()
        data = bytes(packet) if self._adds_changes else b""
        # Some relays send a packet twice. Decoding it again would add its changes to the picture again. The time tells
        # it from the next packet of a frozen picture, which may hold the same.
        if data and self._last == (packet.pts, data):
            yield Gap.NOTHING
            return
        self._last = packet.pts, data
        self._begun = self._begun or packet.is_keyframe
        if self._numbers is not None:
            if self._numbers.before(data):
                self._whole = self._refreshed = False
                yield Gap.UNDECODABLE
            if self._numbers.whole_again:
                self._refreshed, self._refreshed_pts = True, packet.pts
        try:
            frames = packet.decode()
        except av.error.EOFError:  # the empty packet at the end
            return
        except av.error.FFmpegError:
            self._note_damage()
            yield Gap.UNDECODABLE
            # Before the first key frame nothing can be decoded, which is not the camera's fault.
            if self._begun:
                self._strictness.note_rejected()
            return
        if not frames:
            yield Gap.NOTHING
        for frame in frames:
            if frame.is_corrupt:
                self._note_damage()
                yield Gap.UNDECODABLE
            elif frame.key_frame or self._is_refreshed(frame):
                self._whole = True
            if self._whole:
                self._strictness.note_decoded()
                pts_s = frame.time if self._has_clock and frame.pts is not None else None
                yield DecodedFrame(partial(upright, frame), pts_s, _pixels(frame), self._one_behind)
            else:
                yield Gap.DAMAGED

    def _note_damage(self) -> None:
        self._whole = self._refreshed = False
        if self._numbers is not None:
            self._numbers.note_damage()

    def _is_refreshed(self, frame: "VideoFrame") -> bool:
        # The decoder may still return pictures from before.
        since = self._refreshed_pts
        return self._refreshed and (frame.pts is None or since is None or frame.pts >= since)


def _pixels(frame: "VideoFrame") -> npt.NDArray[np.uint8]:
    """Returns the first plane without a copy, which is brightness in the formats that cameras use."""
    plane = frame.planes[0]
    lines = np.frombuffer(memoryview(plane), np.uint8)[: plane.height * plane.line_size].reshape(plane.height, -1)
    # The padding of lines may differ between identical pictures.
    return lines[:, : plane.line_size // plane.width * plane.width]


def _is_timeout(reason: "FFmpegError") -> bool:
    av = import_av()
    return isinstance(reason, (av.error.ExitError, av.error.TimeoutError))


def _explained(reason: "FFmpegError") -> str:
    """Describes an error of FFmpeg and its fix, in a few words without the address."""
    av = import_av()
    known = {
        av.error.ConnectionRefusedError: "connection refused; check that the camera is on, and the port",
        av.error.HTTPUnauthorizedError: "login refused (401); write USER:PASSWORD and an @ before the host",
        av.error.HTTPForbiddenError: "access refused (403); check user and password",
        av.error.HTTPNotFoundError: "no such stream (404); check the path in the address",
        av.error.InvalidDataError: "expected a video stream, found something else; check the path in the address",
    }
    numbers = {
        errno.EIO: "the connection failed or broke off",  # FFmpeg's RTSP reports most failures in this way
        errno.EPROTONOSUPPORT: "the camera does not support this transport; try the other, udp or tcp",
    }
    by_kind = next((text for kind, text in known.items() if isinstance(reason, kind)), None)
    return by_kind or numbers.get(reason.errno or 0) or redacted(reason.strerror or "the connection failed")
