"""Videos of numbered frames (`tests.support.rtsp.numbered`) by any encoder, and what happens to files."""

import os
import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

from .rtsp import number_in, numbered

SIZE = (176, 144)


def write_numbered(
    path: Path,
    codec: str = "libx264",
    frames: int = 60,
    gop: int = 12,
    options: dict[str, str] | None = None,
    fps: int = 25,
    stamps: Sequence[int] | None = None,
    tick_s: Fraction | None = None,
    pix_fmt: str | None = None,
    muxer: dict[str, str] | None = None,
    lost: Iterable[int] = (),
    title: str = "",
) -> Path:
    """Writes numbered frames.

    Args:
        path: The file; its suffix chooses the container.
        codec: FFmpeg's name of the encoder.
        frames: How many frames.
        gop: Frames from one key frame to the next.
        options: The encoder's options.
        fps: Frames per second.
        stamps: Time stamp of each frame in ticks; None is one after the other.
        tick_s: Seconds of a tick; None is one frame.
        pix_fmt: Format of the pixels; None is the encoder's first.
        muxer: The container's options.
        lost: Numbers of the packets to leave out, in the order of decoding.
        title: The title in the file's metadata.
    """
    import av

    lost, packets = set(lost), count()

    with _same_priority(), av.open(str(path), "w", options=muxer or {}) as container:
        container.metadata.update({"title": title} if title else {})
        stream: Any = container.add_stream(codec, rate=fps, options=options or {})
        stream.width, stream.height = SIZE
        stream.pix_fmt = pix_fmt or "yuv420p"
        stream.gop_size = gop
        if tick_s is not None:
            stream.codec_context.time_base = tick_s
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(numbered(number, *SIZE), format="bgr24")
            frame.pts = number if stamps is None else stamps[number]
            frame.time_base = tick_s or Fraction(1, fps)
            container.mux([packet for packet in stream.encode(frame) if next(packets) not in lost])
        container.mux([packet for packet in stream.encode(None) if next(packets) not in lost])
    return path


@contextmanager
def _same_priority() -> Iterator[None]:
    """Restores the thread's priority: SVT-AV1 gives its caller, if that is root, real-time priority for good.

    Threads that the caller starts later inherit it, and a few that compute keep all others waiting without end.
    """
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def packets_in(path: Path) -> list[Any]:
    """Returns the packets of a video, in the order of decoding."""
    import av

    with av.open(str(path)) as container:
        return [packet for packet in container.demux(video=0) if packet.size]


def second_key(path: Path) -> int:
    """Returns the number of the packet with the second key frame."""
    return [number for number, packet in enumerate(packets_in(path)) if packet.is_keyframe][1]


def second_reference(path: Path) -> int:
    """Returns the number of the first packet after the second key frame on which others build."""
    packets, key = packets_in(path), second_key(path)
    return next(
        number
        for number in range(key + 1, len(packets))
        if not packets[number].is_disposable and packets[number].pts > packets[key].pts
    )


def spoil(path: Path, packets: Iterable[int], size: int = 24, seed: int = 0) -> Path:
    """Overwrites bytes in the middle of some packets, as a failing disk does."""
    rng = random.Random(seed)
    spoilt = set(packets)
    places = [(packet.pos, packet.size) for number, packet in enumerate(packets_in(path)) if number in spoilt]
    data = bytearray(path.read_bytes())
    for at, length in places:
        middle = at + max(0, (length - size) // 2)
        data[middle : middle + min(size, length)] = rng.randbytes(min(size, length))
    path.write_bytes(data)
    return path


def numbers_in(frames: Iterable[Any]) -> list[int]:
    """Reads the number of each frame."""
    return [number_in(frame) for frame in frames]
