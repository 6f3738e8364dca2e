"""Decoding of a file to the frames that depend on nothing missing or damaged.

FFmpeg decodes from wherever a file begins, paints over damage, repeats the frame before a gap, and reports success.
"""

import enum
import heapq
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from .avcc import AnnexB
from .h264 import MissingFrames
from .pyav import STRICT, import_av
from .timestamps import FrameTimes

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

# A frame waits for those that it may depend on and that are shown later: at most 16 in any codec.
_MAX_HELD = 32
# A packet whose frame has not come after so many others will never give one.
_MAX_DELAY = 256
# At least this many packets must be rejected, and none decoded, before the encoder is blamed.
_MIN_REJECTED = 50
# The types of pictures that need no other, and that of codecs without types.
_INTRA = (0, 1)


class Care(enum.IntEnum):
    """How carefully a file is decoded. Where a pass finds too little, the next one starts again with more care."""

    FAST = 0
    """Several frames at once. PyAV then passes over some errors, so a packet without a frame is suspicious."""
    EXACT = 1
    """One frame at a time, so that it is certain which packet is damaged."""
    LENIENT = 2
    """As EXACT, for encoders that deviate from their standard so much that FFmpeg rejects every packet."""


class _Sent(NamedTuple):
    """What a packet in the decoder says of itself: its time stamps, and whether it is a key frame."""

    pts: int | None
    dts: int | None
    is_key: bool


class Decoding:
    """One pass over a file.

    Attributes:
        whole: Number of frames that were yielded.
        begins_between_key_frames: Whether all that was skipped lies before the first key frame.
        end_s: End of the last packet in seconds; 0 if no packet states it.
        cause: FFmpeg's last error; None if there was none.
        repeat: Whether this pass ended early, so that the file must be decoded with more care.
    """

    def __init__(
        self, container: "InputContainer", stream: "VideoStream", times: FrameTimes, care: Care = Care.FAST
    ) -> None:
        """Starts before the first packet.

        Args:
            container: The file.
            stream: Its track of which no packet has been decoded yet.
            times: The times of the track's frames.
            care: How carefully to decode.
        """
        codec = stream.codec_context
        # With one thread for each slice, FFmpeg's H.265 passes over some errors.
        codec.thread_type = "AUTO" if care is Care.FAST else "NONE"
        codec.options = {} if care is Care.LENIENT else STRICT
        self.whole = 0
        self.begins_between_key_frames = False
        self.end_s = 0.0
        self.cause: Exception | None = None
        self.repeat = False
        self._container = container
        self._stream = stream
        self._care = care
        self._times = times
        self._annex_b = AnnexB(codec.extradata or b"")
        self._missing = MissingFrames(self._annex_b.headers) if codec.name == "h264" else None
        self._number = -1  # of the newest packet, in the order of decoding
        self._sent: dict[int, _Sent] = {}
        # An AVI has no times of presentation: its frames are shown at the times of decoding, in their own order.
        self._stamps: list[int] | None = [] if container.format.name == "avi" else None
        self._held: deque[tuple[int, _Sent, VideoFrame]] = deque()
        # A frame is whole if no damage lies between the last intact key frame and itself, in the order of decoding.
        # A gap before packet 7 is damage at 6.5; so is what lies before the file's first packet. With its time stamp.
        self._damage: dict[float, int | None] = {-0.5: None}
        self._key = -1
        self._key_packets: deque[int] = deque(maxlen=_MAX_DELAY)
        self._refresh: int | None = None
        self._rejected = 0
        self._skipped: set[int] = set()
        self._begins_with_key = False
        self._silent = True  # until the decoder gives its first frame

    @property
    def skipped(self) -> int:
        """Number of frames that were not yielded, including packets that did not decode."""
        return len(self._skipped)

    def frames(self) -> "Iterator[tuple[float, VideoFrame]]":
        """Yields each whole frame with its time in seconds since the file's first frame."""
        av = import_av()
        try:
            for packet in self._container.demux(self._stream):
                self._decode(packet)
                yield from self._release()
                if self.repeat:
                    return
        except av.error.FFmpegError as reason:
            # No more packets can be read, but the decoder still holds frames.
            self.cause = reason
            self._flush()
        yield from self._release(everything=True)
        lost_some = self._care is Care.FAST and bool(self._sent)
        lost_all = self._care is Care.EXACT and bool(self._rejected) and not self.whole
        self.repeat = self.repeat or lost_some or lost_all

    def _decode(self, packet: "Packet[VideoStream]") -> None:
        av = import_av()
        if not packet.size:
            # In the middle of an AVI, an empty packet stands for the frame before.
            if packet.dts is None:
                self._flush()
            return
        self._number += 1
        number = self._number
        if number == 0:
            self._begins_with_key = packet.is_keyframe
        if packet.is_corrupt:
            # Not decoded, because a decoder that works on several frames at once would lose them all.
            self._damage[number] = packet.pts
            self._skip(number)
            return
        self._note(packet, number)
        # Decoders hand a packet's time stamp on to its frame, so a number there tells which packet a frame is from.
        pts, packet.pts = packet.pts, number
        try:
            self._take(packet.decode())
        except av.error.FFmpegError as reason:
            self._times.begin(pts)
            self._reject(number, reason)

    def _flush(self) -> None:
        """Takes the frames that the decoder still holds at the end of the file."""
        av = import_av()
        try:
            self._take(self._stream.codec_context.decode(None))
        except av.error.EOFError:
            pass
        except av.error.FFmpegError as reason:
            self._reject(self._number, reason)

    def _note(self, packet: "Packet[VideoStream]", number: int) -> None:
        """Notes what a packet says of itself, before it is decoded."""
        # Some packets of AVI have no presentation time, only a decoding time.
        start = packet.dts if packet.pts is None else packet.pts
        # Not 1 / fps: the last frame of a motion-triggered recording may last many seconds.
        if start is not None and packet.time_base is not None:
            self.end_s = max(self.end_s, float((start + (packet.duration or 0)) * packet.time_base))
        if self._missing is not None and self._missing.before(self._annex_b.packet(bytes(packet))):
            self._damage[number - 0.5] = None
        if packet.is_keyframe:
            self._key_packets.append(number)
        if self._stamps is not None and packet.dts is not None:
            heapq.heappush(self._stamps, packet.dts)
        if not packet.is_discard:
            pts = packet.pts if self._stamps is None else None
            self._sent[number] = _Sent(pts, packet.dts, packet.is_keyframe)
            self._sent.pop(number - _MAX_DELAY, None)
        elif packet.is_keyframe:
            # An edited file may begin within a group of frames, whose key frame is decoded but not shown.
            self._key = number

    def _reject(self, number: int, reason: Exception) -> None:
        """Notes a packet that did not decode."""
        self.cause = reason
        sent = self._sent.pop(number, None)
        self._damage[number] = sent.pts if sent else None
        if self._stamps and sent and sent.dts in self._stamps:
            self._stamps.remove(sent.dts)
            heapq.heapify(self._stamps)
        self._skip(number)
        self._rejected += 1
        blames_encoder = self._rejected >= _MIN_REJECTED and not self.whole
        self.repeat = self._care is Care.FAST or (self._care is Care.EXACT and blames_encoder)

    def _skip(self, number: int) -> None:
        self._skipped.add(number)
        self.begins_between_key_frames = not self._begins_with_key and not self.whole

    def _take(self, frames: "list[VideoFrame]") -> None:
        """Takes frames from the decoder, in the order in which they are shown."""
        for frame in frames:
            number = self._number if frame.pts is None else frame.pts
            sent = self._sent.pop(number, None) or _Sent(None, None, False)
            if frame.is_corrupt:
                self._damage[number] = sent.pts
            self._held.append((number, sent, frame))

    def _release(self, *, everything: bool = False) -> "Iterator[tuple[float, VideoFrame]]":
        """Yields those of the held frames that are certain to be whole, and skips those that are not."""
        while self._held and not self.repeat:
            number, sent, frame = self._held[0]
            if not everything and len(self._held) <= _MAX_HELD and self._awaits_others(number, sent):
                return
            absent = self._absent_before(number, sent)
            if absent and self._care is Care.FAST:
                self.repeat = True
                return
            self._held.popleft()
            self._skip_absent(absent)
            time_s = self._times.next(heapq.heappop(self._stamps) if self._stamps else sent.pts)
            if self._is_whole(number, sent, frame):
                self.whole += 1
                yield time_s, frame
            else:
                self._skip(number)
            self._silent = False
        if everything and self._care is not Care.FAST:
            self._skip_absent(list(self._sent))

    def _awaits_others(self, number: int, sent: _Sent) -> bool:
        """Returns whether a frame that precedes this one in the file, so that this one may need it, is shown later."""
        return sent.pts is not None and any(
            earlier < number and other.pts is not None and other.pts > sent.pts for earlier, other in self._sent.items()
        )

    def _absent_before(self, number: int, sent: _Sent) -> list[int]:
        """Returns the packets whose frames should have been shown before this one."""
        if sent.pts is None:
            return [earlier for earlier in self._sent if earlier < number] if self._silent else []
        return [
            earlier
            for earlier, other in self._sent.items()
            if earlier < number and other.pts is not None and other.pts < sent.pts
        ]

    def _skip_absent(self, absent: list[int]) -> None:
        """Notes packets of which the decoder gave no frame. Near damage, or before a key frame, they had one."""
        for number in absent:
            pts = self._sent.pop(number).pts
            if any(place > self._key for place in self._damage):
                self._times.begin(heapq.heappop(self._stamps) if self._stamps else pts)
                self._skip(number)

    def _is_whole(self, number: int, sent: _Sent, frame: "VideoFrame") -> bool:
        if number in self._damage:
            return False
        # Not all decoders mark key frames; then the file and the type of the picture must say so.
        is_key = frame.key_frame or (sent.is_key and frame.pict_type in _INTRA)
        if is_key or self._is_recovered(number, sent):
            self._key = number
            # Frames that follow a key frame in the file, but are shown before it, affect no frame after it.
            self._damage = {
                place: pts
                for place, pts in self._damage.items()
                if place > number and not (pts is not None and sent.pts is not None and pts < sent.pts)
            }
        return not any(self._key < place <= number for place in self._damage)

    def _is_recovered(self, number: int, sent: _Sent) -> bool:
        """Returns whether a frame completes the gradual refresh that some encoders use in place of key frames."""
        begun = None
        if self._silent and self._stream.codec_context.name == "h264":
            # FFmpeg gives no frame of H.264 before the first refresh is complete. After damage, it does.
            begun = max((key for key in self._key_packets if key <= number), default=None)
        elif sent.is_key:
            begun, self._refresh = self._refresh, number
        return begun is not None and not any(begun < place <= number for place in self._damage)
