"""Cameras that FFmpeg reads, through PyAV: RTSP, and MJPEG and others over HTTP."""

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from ..errors import CameraError
from ..media.reader import import_av, upright
from ..utils.redaction import redacted
from .h264 import MissingFrames
from .options import CameraOptions
from .source import DecodedFrame, DecodedFrames, Gap

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.error import FFmpegError
    from av.video.stream import VideoStream

# FFmpeg makes up the stamps of these, from a frame rate that it guesses.
_FORMATS_WITHOUT_A_CLOCK = frozenset({"mpjpeg", "mjpeg", "image2pipe", "jpeg_pipe", "h264", "hevc"})


# So many packets, and more than half of all, must be refused before a camera's encoder is to blame and not its cable.
_REFUSALS = 50


class _Strictness:
    """Whether to refuse what is not quite what a standard says; learnt from all connections to a camera."""

    def __init__(self) -> None:
        self.strict = True
        self._given = self._refused = 0

    def give(self) -> None:
        """Takes note of a picture."""
        self._given += 1

    def refuse(self) -> None:
        """Takes note of a packet that did not decode.

        Raises:
            CameraError: This camera's are never quite right, so from now on they are taken as they are.
        """
        self._refused += 1
        if self.strict and self._refused >= _REFUSALS and self._refused > self._given:
            self.strict = False
            raise CameraError(
                "its packets are not quite what their standard says; from now on they are taken as they are"
            )


class FfmpegSource:
    """RTSP, or whatever FFmpeg reads over HTTP; see `CameraSource`."""

    live = True

    def __init__(self, url: str, options: CameraOptions) -> None:
        import_av()
        self._url = url
        self._options = options
        self._strictness = _Strictness()
        # For what FFmpeg does outside PyAV's own timeouts, such as saying goodbye to a server that hangs.
        patience_us = str(int(max(options.connect_timeout_s, options.read_timeout_s) * 1e6))
        if url.lower().startswith("rtsp"):
            self._settings = {
                "rtsp_transport": options.transport,
                "allowed_media_types": "video",
                "timeout": patience_us,
                "flags": "low_delay",
                # The first packet says enough. With `nobuffer`, FFmpeg throws away those that it has looked at: the key
                # frame among them, so that the first picture has to wait for the next.
                "analyzeduration": "1",
                "probesize": "32",
            }
        else:
            self._settings = {"rw_timeout": patience_us, "flags": "low_delay", "analyzeduration": "500000"}

    @contextmanager
    def connect(self) -> Iterator[DecodedFrames]:
        av = import_av()
        timeouts_s = (self._options.connect_timeout_s, self._options.read_timeout_s)
        started_s = time.monotonic()
        try:
            container = av.open(self._url, options=self._settings, timeout=timeouts_s)
        except av.error.FFmpegError as reason:
            no_answer = f"no answer within {timeouts_s[0]:g} s"
            # FFmpeg has several names for it.
            in_time = time.monotonic() - started_s < timeouts_s[0]
            # None of FFmpeg's errors goes on as a cause: they hold the address.
            raise CameraError(_explained(reason, no_answer) if in_time else no_answer) from None
        with container:
            yield _pictures(container, self._strictness, self._options)


def _pictures(container: "InputContainer", strictness: _Strictness, options: CameraOptions) -> DecodedFrames:
    av = import_av()
    if not container.streams.video:
        raise CameraError("expected a video stream, found none; check the path in the address")
    stream = container.streams.video[0]
    decoding = _Decoding(container, stream, strictness, options.decode_threads)
    try:
        # All streams, so that one with sound and no pictures does not hold the thread.
        for packet in container.demux():
            if packet.stream is stream:
                yield from decoding.pictures(cast("Packet[VideoStream]", packet))
            else:
                yield Gap.NOTHING
    except av.error.FFmpegError as reason:
        raise CameraError(_explained(reason, f"no data for {options.read_timeout_s:g} s")) from None


class _Decoding:
    """Decodes packets; where one is missing or damaged, gives no picture before the next key frame."""

    def __init__(
        self, container: "InputContainer", stream: "VideoStream", strictness: _Strictness, threads: int
    ) -> None:
        codec = stream.codec_context
        codec.thread_type = "SLICE"  # several frames at once would be several frames of delay
        codec.thread_count = threads
        # FFmpeg paints over what is damaged. Told to, it refuses: all such packets in JPEG, most in H.265.
        codec.options = {"err_detect": "explode"} if strictness.strict else {}
        self._strictness = strictness
        self._has_clock = container.format.name not in _FORMATS_WITHOUT_A_CLOCK
        # Only the next frame shows where these end, once they come out of RTP.
        self._one_behind = container.format.name == "rtsp" and codec.name in ("h264", "hevc")
        headers = codec.extradata or b""
        # Headers that start with 1 are those of files, whose packets have another form.
        is_annex_b = codec.name == "h264" and not headers.startswith(b"\1")
        self._missing = MissingFrames(headers) if is_annex_b else None
        self._begun = self._whole = False

    def pictures(self, packet: "Packet[VideoStream]") -> DecodedFrames:
        """Decodes one packet.

        Raises:
            CameraError: Another try, which is less strict, will give more.
        """
        av = import_av()
        self._begun = self._begun or packet.is_keyframe
        if self._missing is not None and self._missing.before(bytes(packet)):
            self._whole = False
            yield Gap.UNDECODABLE
        try:
            frames = packet.decode()
        except av.error.EOFError:  # the empty packet at the end
            return
        except av.error.FFmpegError:
            self._whole = False
            yield Gap.UNDECODABLE
            # Before the first key frame there is nothing to build on, which is not the camera's fault.
            if self._begun:
                self._strictness.refuse()
            return
        if not frames:
            yield Gap.NOTHING
        for frame in frames:
            if frame.is_corrupt:
                self._whole = False
                yield Gap.UNDECODABLE
            elif frame.key_frame:
                self._whole = True
            if self._whole:
                self._strictness.give()
                pts_s = frame.time if self._has_clock and frame.pts is not None else None
                yield DecodedFrame(partial(upright, frame), pts_s, _pixels(frame), self._one_behind)
            else:
                yield Gap.DAMAGED


def _pixels(frame: "VideoFrame") -> npt.NDArray[np.uint8]:
    """The first plane, without a copy: brightness, in the formats that cameras use."""
    plane = frame.planes[0]
    lines = np.frombuffer(memoryview(plane), np.uint8)[: plane.height * plane.line_size].reshape(plane.height, -1)
    # What pads a line may differ where pictures don't.
    return lines[:, : plane.line_size // plane.width * plane.width]


def _explained(reason: "FFmpegError", on_timeout: str) -> str:
    """What FFmpeg says, and what mends it, in a few words without the address."""
    av = import_av()
    known = {
        av.error.ExitError: on_timeout,
        av.error.TimeoutError: on_timeout,
        av.error.ConnectionRefusedError: "connection refused; check that the camera is on, and the port",
        av.error.HTTPUnauthorizedError: "login refused (401); write USER:PASSWORD and an @ before the host",
        av.error.HTTPForbiddenError: "access refused (403); check user and password",
        av.error.HTTPNotFoundError: "no such stream (404); check the path in the address",
        av.error.InvalidDataError: "expected a video stream, found something else; check the path in the address",
    }
    numbers = {
        errno.EIO: "the connection failed or broke off",  # all that FFmpeg's RTSP says of most troubles
        errno.EPROTONOSUPPORT: "the camera does not send that way; try the other transport, udp or tcp",
    }
    by_kind = next((text for kind, text in known.items() if isinstance(reason, kind)), None)
    return by_kind or numbers.get(reason.errno or 0) or redacted(reason.strerror or "it failed")
