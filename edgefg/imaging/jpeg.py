"""Completeness of a JPEG: decoders fill what is missing with grey, and report success."""

import re

import numpy as np

_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_END = bytes((0xFF, _END_OF_IMAGE))
# In a scan's data, FF is followed by 0, or by a mark from which a decoder can start again.
_NEXT_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
# What follows a complete scan changes nothing in the picture. In the usual tables, these bits make strong patterns.
_PADDING = b"\x55" * 4096
_COEFFICIENTS = 64


def completed_jpeg(data: bytes) -> bytes | None:
    """Returns a JPEG with an end marker, which some cameras leave out; None if some of the picture is missing.

    Other data may follow the picture, such as the video that some phones add. Thumbnails inside do not count.

    Args:
        data: The file, which begins with the start marker.
    """
    scans = _Scans()
    at = 2
    while found := _NEXT_MARKER.search(data, at):
        marker, at = found[1][0], found.end()
        if marker == _END_OF_IMAGE:
            return data if scans.any else None
        if marker in _WITHOUT_LENGTH:
            continue
        end = at + int.from_bytes(data[at : at + 2], "big")
        header, at = data[at + 2 : end], end
        if at > len(data):
            return None
        if marker in _FRAME_HEADERS:
            scans.begin(header, progressive=marker in _PROGRESSIVE)
        elif marker == _START_OF_SCAN:
            scans.add(header)
    without_end = data.rstrip(b"\xff")
    return without_end + _END if scans.complete and _last_scan_is_complete(without_end) else None


class _Scans:
    """Which parts of the picture the scans so far hold."""

    def __init__(self) -> None:
        self.any = False
        self._missing: set[tuple[int, int]] = set()

    def begin(self, header: bytes, *, progressive: bool) -> None:
        """Notes which coefficients of which components there will be; those of a plain scan come all at once."""
        coefficients = range(_COEFFICIENTS if progressive else 1)
        self._missing = {(component, coefficient) for component in header[6::3] for coefficient in coefficients}

    def add(self, header: bytes) -> None:
        """Notes what a scan completes."""
        self.any = True
        if not header or len(header) < 4 + 2 * header[0]:
            return
        first, last, precision = header[1 + 2 * header[0] :][:3]
        if precision & 15 == 0:  # Otherwise some low bits are left for later scans.
            self._missing -= {
                (component, coefficient)
                for component in header[1 : 1 + 2 * header[0] : 2]
                for coefficient in range(first, last + 1)
            }

    @property
    def complete(self) -> bool:
        return self.any and not self._missing


def _last_scan_is_complete(data: bytes) -> bool:
    import cv2  # here, for devices without it, as in io.py

    try:
        plain, padded = (
            cv2.imdecode(np.frombuffer(data + padding + _END, np.uint8), cv2.IMREAD_COLOR)
            for padding in (b"", _PADDING)
        )
    except cv2.error:
        return False
    return plain is not None and padded is not None and np.array_equal(plain, padded)
