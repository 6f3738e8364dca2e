"""F before, during and after light, fog or blur takes detail away, at the start of a scene or in its midst.

Each disturbance runs over each scene, compared with the same frames undisturbed, and with MOG2. Scenes are thinned to a
frame each 0.16 s, and go to and fro.

Run: python examples/research/lost_detail.py DATA [--scene NAME ...] [--only NAME ...]
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

import edgefg
from edgefg.datasets.layouts import frame_number
from edgefg.datasets.sequences import LabelledSequence, open_dataset
from edgefg.evaluate.metrics import Counts, count
from edgefg.imaging.convert import fit

STEP_S = 0.16
SIZE = (320, 240)
SCENES = {
    "highway": "cdnet2014/baseline/highway",
    "busStation": "cdnet2014/shadow/busStation",
    "IBMtest2": "sbi2015/IBMtest2",
    "office": "cdnet2014/baseline/office",
    "PETS2006": "cdnet2014/baseline/PETS2006",
    "d3c1": "pets2001/d3c1",
    "fall": "cdnet2014/dynamicBackground/fall",
}
WINDOW_S = 5.0
BEGINS_S = 8.0

Change = Callable[[np.ndarray, float], np.ndarray]
"""Takes ``(H, W, 3) float32`` and the seconds since the disturbance began, and returns the disturbed frame."""


@dataclass(frozen=True)
class Disturbed:
    """A disturbance, and the windows that count.

    Attributes:
        change: Makes the frames.
        begins_s: When it begins.
        lasts_s: Until when it lasts, from its beginning.
        total_s: Length of the scene.
    """

    change: Change
    begins_s: float
    lasts_s: float
    total_s: float


def blurred(frame: np.ndarray, sigma: float) -> np.ndarray:
    return frame if sigma < 0.4 else cv2.GaussianBlur(frame, (0, 0), sigma)


def gain(frame: np.ndarray, times: float) -> np.ndarray:
    return frame * np.float32(times)


def fog(frame: np.ndarray, seen: float) -> np.ndarray:
    return frame * np.float32(seen) + np.float32(225 * (1 - seen))


def infrared(frame: np.ndarray) -> np.ndarray:
    grey = frame @ np.array([0.1, 0.3, 0.6], np.float32) * 1.8
    return np.repeat(grey[..., None], 3, axis=2)


def headlights(frame: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[: frame.shape[0], : frame.shape[1]].astype(np.float32)
    glow = np.zeros(frame.shape[:2], np.float32)
    for x in (0.35, 0.5):
        away = np.hypot(columns - x * frame.shape[1], rows - 0.55 * frame.shape[0]) / frame.shape[1]
        glow += 420 * np.exp(-((away / 0.12) ** 2)) + 50
    return frame + glow[..., None]


def lamp(frame: np.ndarray, since_s: float) -> np.ndarray:
    power = 0.2 + 0.8 * (1 - np.exp(-since_s / 3))
    tint = 1 - 0.25 * np.exp(-since_s / 3) * np.array([1, 0.4, 0])
    return frame * (power * tint).astype(np.float32)


def rolling(frame: np.ndarray, since_s: float) -> np.ndarray:
    rows = np.arange(frame.shape[0], dtype=np.float32) / frame.shape[0]
    return frame * (1 + 0.3 * np.sin(2 * np.pi * (1.5 * rows + 2.3 * since_s)))[:, None, None].astype(np.float32)


def held(seconds: float, first: Change) -> Change:
    return lambda frame, since_s: first(frame, since_s) if since_s < seconds else frame


def decay(since_s: float, frames: float) -> float:
    return float(np.exp(-since_s * 25 / frames))


def start(change: Change, total_s: float = 28.0) -> Disturbed:
    return Disturbed(change, 0.0, 3.0, total_s)


def midst(change: Change, lasts_s: float) -> Disturbed:
    return Disturbed(held(lasts_s, change), BEGINS_S, lasts_s, BEGINS_S + lasts_s + 2 + WINDOW_S)


ALL = {
    "start: x2": start(lambda frame, since_s: gain(frame, 1 + decay(since_s, 12))),
    "start: x3": start(lambda frame, since_s: gain(frame, 1 + 2 * decay(since_s, 12))),
    "start: fog": start(lambda frame, since_s: fog(frame, 1 - 0.8 * decay(since_s, 37))),
    "start: defocus": start(lambda frame, since_s: blurred(frame, 7 * decay(since_s, 25))),
    "start: saturated": start(held(0.6, lambda frame, since_s: frame * 5 + 60)),
    "start: IR flash": start(held(0.6, lambda frame, since_s: infrared(frame))),
    "start: lamp warms up": start(lamp),
    "start: x3 for 14 s": start(
        lambda frame, since_s: gain(frame, 3 if since_s < 14 else 1 + 2 * decay(since_s - 14, 12)), 34.0
    ),
    "start: fog for 14 s": start(
        lambda frame, since_s: fog(frame, 0.2 if since_s < 14 else 1 - 0.8 * decay(since_s - 14, 25)), 34.0
    ),
    "start: defocus for 14 s": start(lambda frame, since_s: blurred(frame, 6 if since_s < 14 else 0), 34.0),
    "glare": midst(lambda frame, since_s: gain(frame, 1 + 1.2 * np.exp(-(((since_s - 1.6) * 25 / 18) ** 2))), 3.2),
    "x2.2 for 2 s": midst(lambda frame, since_s: gain(frame, 2.2), 2.0),
    "veil for 2 s": midst(lambda frame, since_s: frame * np.float32(0.15) + 200, 2.0),
    "lightning": midst(lambda frame, since_s: gain(frame, 3 if since_s % 0.64 < 0.16 else 1), 2.0),
    "lamp off and on ten times": midst(lambda frame, since_s: gain(frame, 0.4 if since_s % 1.28 < 0.64 else 1), 12.8),
    "lamp on and off ten times": midst(lambda frame, since_s: gain(frame, 1.9 if since_s % 1.28 < 0.64 else 1), 12.8),
    "headlights": midst(lambda frame, since_s: headlights(frame), 2.0),
    "exposure hiccup": midst(lambda frame, since_s: gain(frame, 0.3), 0.5),
    "lifting fog": midst(lambda frame, since_s: fog(frame, 1 - 0.85 * decay(since_s, 25)), 4.0),
    "defocus for 3 s": midst(lambda frame, since_s: blurred(frame, 5), 3.0),
    "x2.2 for 20 s": midst(lambda frame, since_s: gain(frame, 2.2), 20.0),
    "flicker": midst(lambda frame, since_s: gain(frame, 1 + 0.3 * np.sin(2 * np.pi * 2.9 * since_s)), 10.0),
    "rolling bands": midst(rolling, 10.0),
}


def frames_of(scene: LabelledSequence, seconds: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    paths = sorted(scene.labelled, key=lambda path: frame_number(path) or 0)
    stride = 2 if len(paths) > 120 else 1
    for index in range(round(seconds / STEP_S)):
        place = index * stride % (2 * len(paths) - 2)
        path = paths[min(place, 2 * len(paths) - 2 - place)]
        frame, truth = scene.frame(path), scene.truth(path)
        yield fit(frame, SIZE), cv2.resize(truth, SIZE, interpolation=cv2.INTER_NEAREST)


def played(
    frames: list[tuple[np.ndarray, np.ndarray]], one: Disturbed | None
) -> tuple[list[Counts], list[Counts], list[edgefg.SceneEvent]]:
    """Counts of edgefg and of MOG2, frame by frame, and edgefg's events."""
    now_s = 0.0
    events: list[edgefg.SceneEvent] = []
    mog2 = cv2.createBackgroundSubtractorMOG2()
    ours, theirs = [], []
    with edgefg.Segmenter(threads=1, policy=edgefg.BackgroundPolicy(clock=lambda: now_s)) as segmenter:
        segmenter.background.on_event = events.append
        for index, (frame, truth) in enumerate(frames):
            now_s = index * STEP_S
            if one is not None and now_s >= one.begins_s:
                changed = one.change(frame.astype(np.float32), now_s - one.begins_s)
                frame = np.clip(np.rint(changed), 0, 255).astype(np.uint8)
            ours.append(count(segmenter.segment(frame).mask, truth))
            segmenter.background.settle()
            theirs.append(count((mog2.apply(frame) == 255).astype(np.uint8) * 255, truth))
    return ours, theirs, events


def f_of(counts: list[Counts], from_s: float, to_s: float) -> float:
    return sum(counts[round(from_s / STEP_S) : round(to_s / STEP_S)], Counts()).measures.f


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--scene", nargs="*", default=["highway", "busStation", "IBMtest2", "office", "PETS2006"])
    parser.add_argument("--only", nargs="*", default=list(ALL))
    options = parser.parse_args()
    wanted = {name: ALL[name] for name in ALL if any(name.startswith(start) for start in options.only)}
    print("F of the last 5 s, undisturbed in brackets; all windows of 5 s; events")
    for name in options.scene:
        began_s = time.perf_counter()
        (scene,) = open_dataset(options.data / SCENES[name]).sequences
        frames = list(frames_of(scene, max(one.total_s for one in wanted.values())))
        still = played(frames, None)
        far = 0
        for what, one in wanted.items():
            ours, theirs, events = played(frames[: round(one.total_s / STEP_S)], one)
            last = one.total_s - WINDOW_S, one.total_s
            now, usual = f_of(ours, *last), f_of(still[0], *last)
            far += now < usual - 0.03
            windows = " ".join(f"{f_of(ours, at, at + WINDOW_S):.2f}" for at in np.arange(0, one.total_s, WINDOW_S))
            told = [event.kind for event in events]
            kinds = ", ".join(f"{told.count(kind)} {kind}" for kind in sorted(set(told)))
            mog2 = f"MOG2 {f_of(theirs, *last):.3f} ({f_of(still[1], *last):.3f})"
            mark = "  " if now >= usual - 0.03 else " !"
            print(f"{name:10} {what:26} {now:.3f} ({usual:.3f}){mark} {mog2}  [{windows}] {kinds}", flush=True)
        told = [event.kind for event in still[2]]
        print(f"{name}: {far} of {len(wanted)} more than 0.03 below; undisturbed events {told}; ", end="")
        print(f"{time.perf_counter() - began_s:.0f} s", flush=True)


if __name__ == "__main__":
    main()
