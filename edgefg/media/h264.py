"""Detection of missing frames in H.264, which FFmpeg does not report: it repeats the frame before and continues.

Each frame's header states how many reference frames precede it, modulo a power of two. The same numbers tell when a
stream without key frames is whole again, which renews its picture stripe by stripe ("intra refresh"). Names in quotes
are those of the standard, ITU-T H.264, sections 7.3.2.1.1, 7.3.3, D.1.1 and D.1.8.
"""

from contextlib import suppress
from dataclasses import dataclass

_START = b"\0\0\1"
_SLICE, _IDR_SLICE, _INFORMATION, _SEQUENCE = 1, 5, 6, 7
_RECOVERY_POINT = 6
_HEADER_BYTES = 32
_SEQUENCE_BYTES = 1024
# Profiles whose sequence header also describes colour and scaling.
_HIGH_PROFILES = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})


@dataclass(frozen=True)
class _Sequence:
    """The fields of a sequence header that are needed to read "frame_num"."""

    bits: int
    separate_planes: bool
    gaps_allowed: bool


class MissingFrames:
    """Follows the frame numbers of one stream.

    Attributes:
        whole_again: Whether the last packet completes a refresh of the whole picture, during which nothing was missing
            or damaged.
    """

    def __init__(self, headers: bytes) -> None:
        """Starts before the first packet.

        Args:
            headers: Headers from the stream's description, in Annex B; may be empty.
        """
        self._sequence: _Sequence | None = None
        self._last: int | None = None
        self._refresh_frames: int | None = None  # that a refresh takes, if the last packet begins one
        self._whole_at: int | None = None  # the frame number that completes the current refresh
        self.whole_again = False
        self._first_slice(headers)

    def note_damage(self) -> None:
        """Notes that the last packet is damaged, so that only a later refresh counts."""
        self._whole_at, self.whole_again = None, False

    def before(self, packet: bytes) -> bool:
        """Returns whether reference frames are missing between the packet before and this one.

        Args:
            packet: One frame in Annex B.
        """
        self._refresh_frames, self.whole_again = None, False
        slice_at = self._first_slice(packet)
        try:
            return slice_at is not None and self._skips(packet[slice_at : slice_at + _HEADER_BYTES])
        except ValueError:
            # Cut short or garbage, which the decoder will report.
            return False

    def _first_slice(self, data: bytes) -> int | None:
        """Returns the position of the first slice, and parses the sequence headers before it."""
        at = data.find(_START)
        while at >= 0 and at + 4 < len(data):
            kind = data[at + 3] & 31
            if kind in (_SLICE, _IDR_SLICE):
                return at + 3
            following = data.find(_START, at + 3)
            end = at + 4 + _SEQUENCE_BYTES if following < 0 else following
            if kind == _SEQUENCE:
                try:
                    self._sequence = _sequence(_Bits(_unescaped(data[at + 4 : end])))
                except ValueError:
                    self._sequence = None
            elif kind == _INFORMATION:
                with suppress(ValueError):
                    self._refresh_frames = _refresh_frames(_unescaped(data[at + 4 : end]))
            at = following
        return None

    def _skips(self, header: bytes) -> bool:
        sequence = self._sequence
        if sequence is None:
            return False
        kind, is_reference = header[0] & 31, bool(header[0] & 0b0110_0000)
        bits = _Bits(_unescaped(header[1:]))
        for _ in range(3):  # "first_mb_in_slice", "slice_type", "pic_parameter_set_id"
            bits.number()
        if sequence.separate_planes:
            bits.take(2)
        frame_number = bits.take(sequence.bits)
        last, self._last = self._last, frame_number if is_reference or self._last is None else self._last
        numbers = 1 << sequence.bits
        follows = kind == _IDR_SLICE or last is None or frame_number in (last, (last + 1) % numbers)
        missing = not follows and not sequence.gaps_allowed
        if missing:
            self._whole_at = None
        if is_reference:
            self._follow_refresh(frame_number, numbers)
        return missing

    def _follow_refresh(self, frame_number: int, numbers: int) -> None:
        # A refresh that is under way is completed first.
        if self._whole_at is None and self._refresh_frames is not None:
            self._whole_at = (frame_number + self._refresh_frames) % numbers
        self.whole_again = frame_number == self._whole_at
        if self.whole_again:
            self._whole_at = None


class _Bits:
    """Reads a header bit by bit, and raises ValueError at its end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise ValueError("the header is cut short")
        return self._value >> self._left & ((1 << count) - 1)

    def number(self) -> int:
        """Reads an unsigned Exp-Golomb number, "ue(v)"."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)

    def signed_number(self) -> int:
        """Reads a signed Exp-Golomb number, "se(v)"."""
        number = self.number()
        return (number + 1) // 2 if number % 2 else -(number // 2)


def _sequence(bits: _Bits) -> _Sequence:
    profile = bits.take(8)
    bits.take(16)  # constraints, level
    bits.number()  # "seq_parameter_set_id"
    separate_planes = False
    if profile in _HIGH_PROFILES:
        chroma = bits.number()
        separate_planes = chroma == 3 and bool(bits.take(1))
        bits.number(), bits.number(), bits.take(1)  # bit depths, "qpprime_y_zero_transform_bypass_flag"
        if bits.take(1):
            _skip_scaling(bits, lists=12 if chroma == 3 else 8)
    frame_number_bits = bits.number() + 4
    order = bits.number()  # "pic_order_cnt_type"
    if order == 0:
        bits.number()
    elif order == 1:
        bits.take(1)
        bits.signed_number(), bits.signed_number()
        for _ in range(bits.number()):
            bits.signed_number()
    bits.number()  # "max_num_ref_frames"
    return _Sequence(frame_number_bits, separate_planes, gaps_allowed=bool(bits.take(1)))


def _refresh_frames(information: bytes) -> int:
    """Returns "recovery_frame_cnt" of a recovery point; raises ValueError if there is none in this "sei_rbsp"."""
    bits = _Bits(information)
    while True:
        kind, size = _length(bits), _length(bits)
        if kind == _RECOVERY_POINT:
            return bits.number()
        bits.take(8 * size)


def _length(bits: _Bits) -> int:
    """Reads a number in bytes, "ff_byte" and "last_payload_type_byte"."""
    total = byte = bits.take(8)
    while byte == 0xFF:
        byte = bits.take(8)
        total += byte
    return total


def _skip_scaling(bits: _Bits, lists: int) -> None:
    for number in range(lists):
        if bits.take(1):
            last = scale = 8
            for _ in range(16 if number < 6 else 64):
                if scale:
                    scale = (last + bits.signed_number()) % 256
                last = scale or last


def _unescaped(data: bytes) -> bytes:
    """Removes the bytes that prevent accidental start codes in headers."""
    return data.replace(b"\0\0\3", b"\0\0")
