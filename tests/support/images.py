"""Image files with several pictures, byte by byte, as not every OpenCV writes them."""

import struct
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

_FORMS = {"u": 1, "i": 2, "f": 3}


def tiff(
    pictures: Sequence[npt.NDArray[Any]], *, order: str = "<", big: bool = False, kinds: Sequence[int] = ()
) -> bytes:
    """Returns a TIFF with a gray page for each picture, uncompressed.

    Args:
        pictures: ``(H, W)`` of 8, 16 or 32 bits.
        order: ``<`` little-endian, ``>`` big-endian.
        big: BigTIFF.
        kinds: NewSubfileType of each page; none is 0 for all.
    """
    mark = {"<": b"II", ">": b"MM"}[order]
    place, counter = (f"{order}Q", f"{order}Q") if big else (f"{order}I", f"{order}H")
    data = bytearray(mark + (struct.pack(f"{order}HHHQ", 43, 8, 0, 0) if big else struct.pack(f"{order}HI", 42, 0)))
    link = 8 if big else 4
    for number, picture in enumerate(pictures):
        pixels = picture.astype(picture.dtype.newbyteorder(order)).tobytes()
        pixels_at = len(data)
        data += pixels + bytes(-len(pixels) % 8)
        height, width = picture.shape
        entries = [
            (254, kinds[number] if kinds else 0),
            (256, width),
            (257, height),
            (258, picture.dtype.itemsize * 8),
            (259, 1),
            (262, 1),
            (273, pixels_at),
            (277, 1),
            (278, height),
            (279, len(pixels)),
            (339, _FORMS[picture.dtype.kind]),
        ]
        struct.pack_into(place, data, link, len(data))
        data += struct.pack(counter, len(entries))
        for tag, value in entries:
            data += struct.pack(f"{order}HHQI4x" if big else f"{order}HHII", tag, 4, 1, value)
        link = len(data)
        data += struct.pack(place, 0)
    return bytes(data)


def webp(frames: Sequence[tuple[int, int, npt.NDArray[np.uint8], int]], cleared: Sequence[int] = ()) -> bytes:
    """Returns an animated, lossless WebP.

    Args:
        frames: Of each frame its left and upper edge, its pixels, and its duration in ms. The first has the canvas.
        cleared: Numbers of the frames that are cleared afterwards.
    """
    height, width = frames[0][2].shape[:2]
    body = _chunk(b"VP8X", b"\x12\0\0\0" + _three(width - 1) + _three(height - 1)) + _chunk(b"ANIM", bytes(6))
    for number, (x, y, pixels, duration_ms) in enumerate(frames):
        still = cv2.imencode(".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
        head = b"".join(map(_three, (x // 2, y // 2, pixels.shape[1] - 1, pixels.shape[0] - 1, duration_ms)))
        body += _chunk(b"ANMF", head + bytes([number in cleared]) + _pixel_chunks(still))
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def _pixel_chunks(still: bytes) -> bytes:
    """Returns the chunks of a still WebP that hold its pixels."""
    at, kept = 12, b""
    while at < len(still):
        length = int.from_bytes(still[at + 4 : at + 8], "little")
        chunk = still[at : at + 8 + length + length % 2]
        if chunk[:4] in (b"ALPH", b"VP8 ", b"VP8L"):
            kept += chunk
        at += len(chunk)
    return kept


def _chunk(name: bytes, payload: bytes) -> bytes:
    return name + struct.pack("<I", len(payload)) + payload + bytes(len(payload) % 2)


def _three(number: int) -> bytes:
    return number.to_bytes(3, "little")
