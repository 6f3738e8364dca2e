"""The structure of image files that may hold several pictures: TIFF, WebP and PNG."""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass

Buffer = bytes | mmap.mmap

# Tags of a TIFF page that say whether it is a small copy, or the mask, of another.
_KINDS = {254: 1 | 4, 255: 2}
_SHORT = 3
_PNG_START = b"\x89PNG\r\n\x1a\n"


class UnreadableImageError(ValueError):
    """A file that ends early, is damaged, or does not hold what it should."""


@dataclass(frozen=True)
class TiffStack:
    """The pages of a TIFF file.

    Attributes:
        at: Where the file says which page is the first, in bytes.
        layout: How it says so, as the module struct writes it.
        pages: Where each page lies. Small copies and masks of other pages are left out.
        is_whole: Whether the file does not end early.
    """

    at: int
    layout: str
    pages: tuple[int, ...]
    is_whole: bool


@dataclass(frozen=True)
class WebpFrame:
    """A frame of an animated WebP, which covers a part of the canvas.

    Attributes:
        x: Left edge of the part, in pixels.
        y: Upper edge.
        width: Width of the part.
        height: Height of the part.
        duration_s: How long the frame is shown.
        blends: Whether the canvas shows through transparent pixels.
        clears: Whether the part is cleared afterwards.
        chunks: The frame's own chunks, which are those of a still image.
    """

    x: int
    y: int
    width: int
    height: int
    duration_s: float
    blends: bool
    clears: bool
    chunks: bytes


@dataclass(frozen=True)
class WebpAnimation:
    """An animated WebP.

    Attributes:
        size: Width and height of the canvas, in pixels.
        frames: The frames.
        is_whole: Whether the file does not end early.
    """

    size: tuple[int, int]
    frames: tuple[WebpFrame, ...]
    is_whole: bool


def cut_short(data: Buffer) -> UnreadableImageError:
    """Returns the error for a file that ends early."""
    return UnreadableImageError(f"expected a complete image, found one cut short at {len(data)} bytes; copy it again")


def picture_count(data: Buffer) -> int:
    """Returns how many pictures a file holds: pages of a TIFF, frames of an animated WebP or PNG, otherwise 1.

    Of a file that ends early, those before its end are counted.

    Raises:
        UnreadableImageError: The file ends before the first one.
    """
    if stack := tiff_stack(data):
        return len(stack.pages)
    if animation := webp_animation(data):
        return len(animation.frames)
    return apng_frames(data)


def tiff_stack(data: Buffer) -> TiffStack | None:
    """Finds the pages of a TIFF; returns None for another file.

    Raises:
        UnreadableImageError: The file ends before the first page.
    """
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 4:
        return None
    (version,) = struct.unpack(f"{order}H", data[2:4])
    if version == 42:
        at, layout, counter, entry_bytes = 4, f"{order}I", f"{order}H", 12
    elif version == 43:  # BigTIFF
        at, layout, counter, entry_bytes = 8, f"{order}Q", f"{order}Q", 20
    else:
        return None
    pages: list[int] = []
    copies: list[int] = []
    seen: set[int] = set()
    is_whole = True
    try:
        (page,) = struct.unpack_from(layout, data, at)
        while page and page not in seen:
            seen.add(page)
            (entries,) = struct.unpack_from(counter, data, page)
            first = page + struct.calcsize(counter)
            last = first + entries * entry_bytes
            (following,) = struct.unpack_from(layout, data, last)
            (copies if _is_copy(data, range(first, last, entry_bytes), order) else pages).append(page)
            page = following
    except (struct.error, OverflowError):
        is_whole = False
    if not pages and not copies:
        raise cut_short(data)
    return TiffStack(at, layout, tuple(pages or copies[:1]), is_whole)


def _is_copy(data: Buffer, entries: range, order: str) -> bool:
    """Returns whether a page's entries, which are in the order of their tags, say that it belongs to another page."""
    for entry in entries:
        tag, form = struct.unpack_from(f"{order}HH", data, entry)
        if tag > max(_KINDS):
            return False
        if tag in _KINDS:
            value_at = entry + (8 if entries.step == 12 else 12)
            (value,) = struct.unpack_from(f"{order}{'H' if form == _SHORT else 'I'}", data, value_at)
            if value == _KINDS[tag] if tag == 255 else value & _KINDS[tag]:
                return True
    return False


def webp_animation(data: Buffer) -> WebpAnimation | None:
    """Finds the frames of an animated WebP; returns None for a still one and for another file.

    Raises:
        UnreadableImageError: The file ends before the first frame.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    end = 8 + _little(data[4:8])
    chunks = _riff_chunks(data[12:end])
    kind, extended = next(chunks, (b"", b""))
    if kind != b"VP8X" or len(extended) < 10 or not extended[0] & 2:
        return None
    size = 1 + _little(extended[4:7]), 1 + _little(extended[7:10])
    frames = tuple(_webp_frame(chunk) for kind, chunk in chunks if kind == b"ANMF" and len(chunk) > 16)
    if not frames:
        raise cut_short(data)
    return WebpAnimation(size, frames, is_whole=end <= len(data))


def _webp_frame(chunk: bytes) -> WebpFrame:
    x, y, width, height, duration_ms = (_little(chunk[at : at + 3]) for at in range(0, 15, 3))
    flags = chunk[15]
    return WebpFrame(
        2 * x, 2 * y, width + 1, height + 1, duration_ms / 1000, not flags & 2, bool(flags & 1), chunk[16:]
    )


def still_webp(frame: WebpFrame) -> bytes:
    """Returns a frame of an animation as a WebP file of its own."""
    chunks = frame.chunks
    if chunks.startswith(b"ALPH"):
        sides = b"".join((side - 1).to_bytes(3, "little") for side in (frame.width, frame.height))
        chunks = b"VP8X" + (10).to_bytes(4, "little") + b"\x10\0\0\0" + sides + chunks
    return b"RIFF" + (4 + len(chunks)).to_bytes(4, "little") + b"WEBP" + chunks


def apng_frames(data: Buffer) -> int:
    """Returns the number of frames of an animated PNG; 1 for a still one and for another file."""
    for kind, at in _png_chunks(data):
        if kind == b"acTL":
            return max(1, int.from_bytes(data[at : at + 4], "big"))
        if kind == b"IDAT":
            break
    return 1


def ends_as_png(data: Buffer) -> bool:
    """Returns whether a PNG has all of its chunks. OpenCV would reserve memory for a chunk of any length."""
    return any(kind == b"IEND" for kind, _ in _png_chunks(data))


def _png_chunks(data: Buffer) -> Iterator[tuple[bytes, int]]:
    """Yields the type of each complete chunk of a PNG, and where its content is."""
    at = 8 if data[:8] == _PNG_START else len(data)
    while at + 8 <= len(data):
        kind, end = data[at + 4 : at + 8], at + 12 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            return
        yield kind, at + 8
        at = end


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        length = _little(data[at + 4 : at + 8])
        if at + 8 + length <= len(data):
            yield data[at : at + 4], data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")
