"""Damaged H.264 packets into the decoding of cameras: only CameraError may come out, and hardly a wrong picture.

    python -m tests.support.camera_fuzz --minutes 20 --seed 1

Packets have bytes flipped, or are dropped, duplicated, swapped or cut short. A case that fails is kept as
``fuzz-SEED-NUMBER.h264`` in the folder ``--keep``.
"""

import random
import sys
import tempfile
from pathlib import Path

import av

from edgefg.cameras.ffmpeg import _pictures, _Strictness
from edgefg.cameras.options import CameraOptions
from edgefg.cameras.source import Gap, Waits
from edgefg.errors import CameraError

from . import rtsp
from .fuzzing import Case, arguments, run_cases

CASE_S = 120.0
"""Time after which a case counts as hanging, also on a busy machine."""

FRAMES = 40
_STREAMS = {
    "plain": {"g": "12"},
    "refresh": {"g": "12", "x264-params": "intra-refresh=1:repeat-headers=1"},
    "slices": {"g": "12", "x264-params": "slices=4:repeat-headers=1"},
    "main": {"g": "12", "profile": "main", "preset": "medium", "x264-params": "ref=3:repeat-headers=1:scenecut=0"},
}


def write_streams(folder: Path) -> dict[str, list[bytes]]:
    """Encodes each kind of stream; returns its packets."""
    streams = {}
    for name, options in _STREAMS.items():
        clip = rtsp.write_clip(folder / f"{name}.mp4", FRAMES, (192, 96), **options)
        with av.open(str(clip)) as file:
            stream = file.streams.video[0]
            annexb = av.BitStreamFilterContext("h264_mp4toannexb", stream)
            streams[name] = [bytes(one) for packet in file.demux(stream) for one in annexb.filter(packet) if one.size]
    return streams


def damaged(packets: list[bytes], rng: random.Random) -> list[bytes]:
    """Returns packets of which a few are not as they were."""
    changed = list(packets)
    for _ in range(rng.choice((1, 1, 2, 3, 6, 20))):
        at = rng.randrange(len(changed))
        packet = bytearray(changed[at])
        kind = rng.randrange(8)
        if kind == 0 and len(changed) > 8:
            del changed[at]
        elif kind == 1:
            changed.insert(at, changed[at])
        elif kind == 2:
            other = rng.randrange(len(changed))
            changed[at], changed[other] = changed[other], changed[at]
        elif kind == 3:
            changed[at] = bytes(packet[: rng.randrange(len(packet) + 1)])
        else:
            # Half of these in the headers, where they do most harm.
            reach = len(packet) if rng.random() < 0.5 else min(len(packet), 48)
            for _ in range(rng.choice((1, 1, 4, 24)) if reach else 0):
                place = rng.randrange(reach)
                packet[place] = rng.randrange(256) if rng.random() < 0.5 else packet[place] ^ (1 << rng.randrange(8))
            changed[at] = bytes(packet)
    return changed


def play(path: Path) -> tuple[int, list[int]]:
    """Plays a stream as a camera's, as often as strictness asks. Returns the pictures, and those that look wrong."""
    strictness, shown, wrong = _Strictness(), 0, []
    for _ in range(2):
        with av.open(str(path)) as file:
            try:
                for picture in _pictures(file, strictness, CameraOptions(), Waits(10, 5)):
                    if isinstance(picture, Gap):
                        continue
                    image = picture.to_bgr()
                    shown += 1
                    if image.shape[1::-1] == (192, 96) and rtsp.looks_wrong(image):
                        wrong.append(rtsp.number_in(image))
                return shown, wrong
            except CameraError as error:
                assert "\n" not in str(error)
    return shown, wrong


def main() -> int:
    """Runs cases until the time is over; returns how many failed."""
    given = arguments(__doc__, minutes=20)
    with tempfile.TemporaryDirectory() as folder:
        streams = write_streams(Path(folder))
    shown = wrong = 0

    def make(rng: random.Random) -> Case:
        name = rng.choice(sorted(streams))
        return Case(name, ".h264", b"".join(damaged(streams[name], rng)))

    def read(path: Path, _: random.Random) -> str:
        nonlocal shown, wrong
        try:
            pictures, odd = play(path)
        except av.error.FFmpegError:  # A stream without its headers is refused when it is opened.
            return ""
        shown, wrong = shown + pictures, wrong + len(odd)
        return f"{len(odd)} wrong of {pictures}: {odd[:12]}" if odd else ""

    failed = run_cases(given, make, read, CASE_S)
    print(f"{wrong} of {shown} pictures wrong")
    return failed


if __name__ == "__main__":
    sys.exit(min(main(), 1))
