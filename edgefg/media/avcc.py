"""H.264 as files of the MP4 and Matroska kind store it, in Annex B: each unit with a start code, not its length."""

from collections.abc import Iterable, Iterator
from itertools import islice

_START = b"\0\0\0\1"
_SEQUENCE_HEADERS_AT = 5


class AnnexB:
    """Converts the packets of one stream.

    Attributes:
        headers: The headers from the stream's description, in Annex B.
    """

    def __init__(self, description: bytes) -> None:
        """Reads a stream's description, which says which of the two forms its packets have.

        Args:
            description: FFmpeg's ``extradata``; may be empty.
        """
        self._length_bytes = 0
        self.headers = description
        # A description that begins with 1 is an AVCDecoderConfigurationRecord of ISO/IEC 14496-15.
        if len(description) > _SEQUENCE_HEADERS_AT and description[0] == 1:
            self._length_bytes = (description[4] & 3) + 1
            headers = _units(description, _SEQUENCE_HEADERS_AT + 1, length_bytes=2)
            self.headers = _joined(islice(headers, description[_SEQUENCE_HEADERS_AT] & 31))

    def packet(self, data: bytes) -> bytes:
        """Returns a packet in Annex B. Units after a length that is wrong are left out."""
        return _joined(_units(data, 0, self._length_bytes)) if self._length_bytes else data


def _units(data: bytes, at: int, length_bytes: int) -> Iterator[bytes]:
    while at + length_bytes < len(data):
        end = at + length_bytes + int.from_bytes(data[at : at + length_bytes], "big")
        yield data[at + length_bytes : end]
        at = end


def _joined(units: Iterable[bytes]) -> bytes:
    return b"".join(_START + unit for unit in units)
