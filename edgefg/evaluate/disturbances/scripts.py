"""What befalls a clip: each disturbance is a script that gives its frames one by one, with truth and time."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from ...background import events as kinds
from ...datasets.sequences import MOVING, OUTSIDE, STATIC
from ...imaging.io import Image
from .clips import FPS, Clip, Labelled, cut_out

BEFORE_S = 5.0
"""How long a scene is as it was, so that methods that learn have learned it."""

_SHAKE_PX = 8
_PAN_SHARE = 0.2
_CROP = 0.8


@dataclass(frozen=True, eq=False)
class Scripted:
    """One frame of a script.

    Attributes:
        frame: ``(H, W, 3) uint8 BGR``.
        truth: ``(H, W) uint8`` of CDnet2014's levels.
        time_s: From the script's start.
        scored: Whether it lies in the disturbance's window.
    """

    frame: Image
    truth: Image
    time_s: float
    scored: bool


@dataclass(frozen=True)
class Disturbance:
    """One thing that may befall a camera.

    Attributes:
        name: Short.
        begins_s: When what is scored begins, from the script's start.
        script: Gives the frames of a clip under it.
        events: The kinds of event that tell of it. Where ``event_only``, others are false.
        event_only: There is nothing to segment: what counts is when the event comes.
        disturbs_from_s: When the first frame is disturbed, if not when what is scored begins.
    """

    name: str
    begins_s: float
    script: Callable[[Clip], Iterator[Scripted]]
    events: frozenset[str] = frozenset()
    event_only: bool = False
    disturbs_from_s: float | None = None

    @property
    def causes_events_from_s(self) -> float:
        """When events of its kinds are no longer false."""
        return self.begins_s if self.disturbs_from_s is None else self.disturbs_from_s


def _script(
    clip: Clip, seconds: float, begins_s: float, change: Callable[[Labelled, float], Labelled]
) -> Iterator[Scripted]:
    """Gives frames that ``change`` makes of the clip's, told how long the disturbance lasts (below 0: not yet)."""
    for index in range(min(clip.count, round(seconds * FPS))):
        time_s = index / FPS
        since_s = time_s - begins_s
        labelled = change(clip.at(index), since_s)
        yield Scripted(labelled.frame, labelled.truth, time_s, scored=since_s >= 0)


def _stands_until(begins_s: float, window_s: float) -> Callable[[Clip], Iterator[Scripted]]:
    def script(clip: Clip) -> Iterator[Scripted]:
        thing = cut_out(clip)
        # Nobody could know that it is no part of the scene while it stands: what counts is what comes after.
        return _script(
            clip,
            begins_s + window_s,
            begins_s,
            lambda labelled, since_s: thing.paste(labelled, STATIC) if since_s < 0 else labelled,
        )

    return script


def _object_left(clip: Clip) -> Iterator[Scripted]:
    thing = cut_out(clip)
    return _script(
        clip,
        BEFORE_S + 12,
        BEFORE_S,
        lambda labelled, since_s: thing.paste(labelled, MOVING) if since_s >= 0 else labelled,
    )


def _light_step(clip: Clip) -> Iterator[Scripted]:
    def change(labelled: Labelled, since_s: float) -> Labelled:
        return _with_gain(labelled, 1.0 if since_s < 0 else 1.5 if since_s < 6 else 0.5)

    return _script(clip, BEFORE_S + 12, BEFORE_S, change)


def _dusk(clip: Clip) -> Iterator[Scripted]:
    return _script(
        clip, BEFORE_S + 15, BEFORE_S, lambda labelled, since_s: _with_gain(labelled, 1 - 0.7 * max(0.0, since_s) / 15)
    )


def _infrared(clip: Clip) -> Iterator[Scripted]:
    def change(labelled: Labelled, since_s: float) -> Labelled:
        if not 0 <= since_s < 6:
            return labelled
        # A lamp next to the lens: red things are bright, and the edges of the view are darker than its middle.
        height, width = labelled.truth.shape
        level = labelled.frame.astype(np.float32) @ np.array([0.1, 0.3, 0.6], np.float32)
        across, down = np.linspace(-1, 1, width) ** 2, np.linspace(-1, 1, height) ** 2
        lit = level * (1.15 - 0.25 * (across[None] + down[:, None]))
        grey = np.clip(lit, 0, 255).astype(np.uint8)
        return Labelled(np.repeat(grey[..., None], 3, axis=2), labelled.truth)

    return _script(clip, BEFORE_S + 12, BEFORE_S, change)


def _jitter(clip: Clip) -> Iterator[Scripted]:
    generator = np.random.default_rng(0)
    place = np.zeros(2)

    def change(labelled: Labelled, since_s: float) -> Labelled:
        nonlocal place
        if since_s >= 0:
            place = np.clip(0.7 * place + generator.normal(0, 3, 2), -_SHAKE_PX, _SHAKE_PX)
        return shaken(labelled, round(place[0]), round(place[1]))

    return _script(clip, BEFORE_S + 10, BEFORE_S, change)


def shaken(labelled: Labelled, dx: int, dy: int) -> Labelled:
    """The middle of a frame, ``dx`` and ``dy`` from where it was; each at most 8 pixels."""
    height, width = labelled.truth.shape
    rows = slice(_SHAKE_PX - dy, height - _SHAKE_PX - dy)
    columns = slice(_SHAKE_PX - dx, width - _SHAKE_PX - dx)
    return Labelled(np.ascontiguousarray(labelled.frame[rows, columns]), labelled.truth[rows, columns])


def _pan(clip: Clip) -> Iterator[Scripted]:
    return _script(clip, BEFORE_S + 8, BEFORE_S, panned)


def panned(labelled: Labelled, since_s: float) -> Labelled:
    """A part of a frame that goes a fifth of its width to the right within half a second."""
    height, width = labelled.truth.shape
    wide, high = round(_CROP * width), round(_CROP * height)
    x = round(_PAN_SHARE * wide * min(max(since_s / 0.5, 0), 1))
    rows, columns = slice((height - high) // 2, (height - high) // 2 + high), slice(x, x + wide)
    return Labelled(np.ascontiguousarray(labelled.frame[rows, columns]), labelled.truth[rows, columns])


def _frozen(clip: Clip) -> Iterator[Scripted]:
    held: list[Labelled] = []

    def change(labelled: Labelled, since_s: float) -> Labelled:
        if not 0 <= since_s < 5:
            return labelled
        held.append(labelled)
        return held[0]

    return _script(clip, BEFORE_S + 8, BEFORE_S, change)


def _blocked(clip: Clip) -> Iterator[Scripted]:
    generator = np.random.default_rng(0)

    def change(labelled: Labelled, since_s: float) -> Labelled:
        if not 0 <= since_s < 4:
            return labelled
        height, width = labelled.truth.shape
        hand = np.full((height, width, 3), (38, 44, 60), np.float32) + np.linspace(0, 30, width)[None, :, None]
        noisy = hand + generator.normal(0, 3, hand.shape)
        return Labelled(np.clip(noisy, 0, 255).astype(np.uint8), np.full_like(labelled.truth, OUTSIDE))

    return _script(clip, BEFORE_S + 8, BEFORE_S, change)


def _corrupt(clip: Clip) -> Iterator[Scripted]:
    generator = np.random.default_rng(0)

    def change(labelled: Labelled, since_s: float) -> Labelled:
        if not math.isclose(since_s, 0, abs_tol=0.5 / FPS):
            return labelled
        frame = labelled.frame.copy()
        height, width = labelled.truth.shape
        blocks = generator.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3), dtype=np.uint8)
        garbage = cv2.resize(blocks, (width, height), interpolation=cv2.INTER_NEAREST)
        frame[height // 4 :] = garbage[height // 4 :]
        # Nobody is asked for the truth of garbage: what counts is what comes after.
        return Labelled(frame, np.full_like(labelled.truth, OUTSIDE))

    return _script(clip, BEFORE_S + 5, BEFORE_S, change)


def _overexposed_start(clip: Clip) -> Iterator[Scripted]:
    def change(labelled: Labelled, since_s: float) -> Labelled:
        return _with_gain(labelled, 1 + 2 * math.exp(-(since_s + 4) * FPS / 12))

    # As with people in the first frame: what counts is what comes after.
    return _script(clip, 16, 4, change)


def _glare(clip: Clip) -> Iterator[Scripted]:
    def change(labelled: Labelled, since_s: float) -> Labelled:
        return _with_gain(labelled, 1 + 1.2 * math.exp(-(((since_s - 1.5) * FPS / 18) ** 2)))

    return _script(clip, BEFORE_S + 12, BEFORE_S, change)


def _flicker(clip: Clip) -> Iterator[Scripted]:
    def change(labelled: Labelled, since_s: float) -> Labelled:
        if since_s < 0:
            return labelled
        # A lamp at 100 Hz, as a shutter sees it: the whole frame at once, or one row after the other.
        high = labelled.truth.shape[0]
        rows = np.zeros(high) if since_s < 6 else np.arange(high) / high
        gains = 1 + 0.25 * np.sin(2 * math.pi * (1.5 * rows + 8.3 * since_s))
        lit = labelled.frame * gains[:, None, None]
        return Labelled(np.clip(lit, 0, 255).astype(np.uint8), labelled.truth)

    return _script(clip, BEFORE_S + 12, BEFORE_S, change)


def _with_gain(labelled: Labelled, gain: float) -> Labelled:
    return Labelled(np.asarray(cv2.convertScaleAbs(labelled.frame, alpha=gain), np.uint8), labelled.truth)


_LIGHT = frozenset({kinds.LIGHT_STEP, kinds.LIGHT_DRIFT})

_ALL = (
    Disturbance("people in the first frame", 4, _stands_until(4, 8)),
    Disturbance("object removed", 10, _stands_until(10, 6)),
    Disturbance("object left", BEFORE_S, _object_left),
    Disturbance("light step", BEFORE_S, _light_step, frozenset({kinds.LIGHT_STEP})),
    Disturbance("slow dusk", BEFORE_S, _dusk, frozenset({kinds.LIGHT_DRIFT})),
    Disturbance("infrared", BEFORE_S, _infrared, frozenset({kinds.INFRARED, kinds.DAYLIGHT})),
    Disturbance("jitter", BEFORE_S, _jitter, frozenset({kinds.SHAKE})),
    Disturbance("pan", BEFORE_S, _pan, frozenset({kinds.CAMERA_MOVED})),
    Disturbance("frozen feed", BEFORE_S, _frozen, frozenset({kinds.FROZEN_FEED}), event_only=True),
    Disturbance("blocked view", BEFORE_S, _blocked, frozenset({kinds.VIEW_BLOCKED}), event_only=True),
    Disturbance("corrupt frame", BEFORE_S, _corrupt, frozenset({kinds.CORRUPT_FRAME})),
    Disturbance("overexposed start", 4, _overexposed_start, _LIGHT, disturbs_from_s=0.0),
    Disturbance("glare", BEFORE_S, _glare, _LIGHT),
    Disturbance("flicker", BEFORE_S, _flicker, _LIGHT | {kinds.NOISE}),
)

DISTURBANCES: Mapping[str, Disturbance] = {one.name: one for one in _ALL}
