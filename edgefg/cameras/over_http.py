"""Cameras over HTTP: a stream, which FFmpeg reads, or a snapshot address, which is asked again and again."""

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import CameraError
from ..imaging.io import Image
from ..media.pyav import import_av, upright
from .ffmpeg import FfmpegSource
from .options import CameraOptions
from .snapshot_address import Answer, SnapshotAddress
from .source import DecodedFrame, DecodedFrames, Gap, SilenceError, Waits

_LOOK_S = 0.1
# So many pictures in a row that deviate from their standard are the encoder's fault, not the network's.
_MAX_REJECTED = 5


class HttpSource:
    """``http://`` or ``https://``; the first answer decides what it is. See `CameraSource`."""

    live = True

    def __init__(self, url: str, options: CameraOptions) -> None:
        self._stream = FfmpegSource(url, options)
        self._address = SnapshotAddress(url)
        self._poll_s = options.poll_s
        self._is_stream = False
        self._rejected = 0

    @contextmanager
    def connect(self, waits: Waits) -> Iterator[DecodedFrames]:
        first = None if self._is_stream else self._first_answer(waits)
        if first is not None and first.is_picture:
            yield self._snapshots(first, waits)
            return
        # Some cameras serve one viewer only, and would be busy with this question forever.
        self._is_stream = self._is_stream or (first is not None and first.is_stream)
        with self._stream.connect(waits) as pictures:
            yield pictures

    def _first_answer(self, waits: Waits) -> Answer | None:
        """Asks for a picture; returns None where FFmpeg must find out what is wrong."""
        self._address.forget()
        try:
            return self._address.fetch(waits.connect_s)
        except SilenceError:
            raise
        except CameraError:
            return None

    def _snapshots(self, answer: Answer, waits: Waits) -> DecodedFrames:
        """Yields each new picture, and pauses between two of them."""
        asked_s = well_s = time.monotonic()
        news = self._decoded(answer)
        is_well = False
        while True:
            if news is Gap.UNCHANGED and not is_well:
                news = Gap.UNDECODABLE  # as before
            yield news
            is_well = not isinstance(news, Gap) or news is Gap.UNCHANGED
            well_s = asked_s if is_well else well_s
            yield from _pauses(asked_s + self._poll_s, Gap.PAUSE if is_well else Gap.NOTHING)
            asked_s = time.monotonic()
            try:
                news = self._decoded(self._address.fetch(waits.read_s))
            except CameraError:
                # A busy camera refuses now and then.
                if time.monotonic() - well_s > waits.read_s - self._poll_s:
                    raise
                news = Gap.NOTHING

    def _decoded(self, answer: Answer) -> DecodedFrame | Gap:
        if not answer.is_picture:
            return Gap.UNCHANGED if answer.is_same else Gap.UNDECODABLE
        av = import_av()
        try:
            with av.open(io.BytesIO(answer.content)) as file:
                stream = file.streams.video[0]
                strict = self._rejected < _MAX_REJECTED
                stream.codec_context.options = {"err_detect": "explode"} if strict else {}
                image = upright(next(file.decode(stream)))
        except (av.error.FFmpegError, IndexError, StopIteration):
            self._rejected += 1
            return Gap.UNDECODABLE
        self._rejected = 0 if strict else self._rejected
        return DecodedFrame(lambda: _copied(image), None, image)


def _pauses(until_s: float, kind: Gap) -> DecodedFrames:
    while (left_s := until_s - time.monotonic()) > 0:
        yield kind
        time.sleep(min(left_s, _LOOK_S))


def _copied(image: Image) -> Image:
    return image.copy()
