"""A day in front of one camera, with the networks that come with edgefg: memory, and what became of the background."""

import math

import cv2
import numpy as np
import pytest

from edgefg import BackgroundPolicy, Segmenter
from edgefg.bench.memory import resident_mib
from edgefg.evaluate.disturbances.clips import Clip, Labelled, generated_clip
from edgefg.imaging.median import temporal_median

pytest.importorskip("openvino")

DAY_S, STEP_S = 24 * 3600, 10


def light(time_s: float) -> float:
    """Gain of the light: full at the start, a third twelve hours later."""
    return 2 / 3 + math.cos(2 * math.pi * time_s / DAY_S) / 3


def lit(picture: np.ndarray, time_s: float) -> np.ndarray:
    return np.asarray(cv2.convertScaleAbs(picture, alpha=light(time_s)), np.uint8)


def seen(clip: Clip, step: int) -> Labelled:
    # A stride without a common divisor: people stand somewhere else each time.
    return clip.at(step * 7 % clip.count)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_the_background_follows_and_memory_is_flat() -> None:
    clip = generated_clip()
    empty = temporal_median([clip.at(index).frame for index in range(0, clip.count, 10)])
    now_s = 0.0
    resident: list[float] = []
    psnr_db: list[float] = []
    with Segmenter(policy=BackgroundPolicy(clock=lambda: now_s)) as segmenter:
        for step in range(DAY_S // STEP_S):
            now_s = float(step * STEP_S)
            segmenter.segment(lit(seen(clip, step).frame, now_s))
            segmenter.background.settle()
            if (step + 1) % (3600 // STEP_S) == 0:
                psnr_db.append(cv2.PSNR(lit(empty, now_s), segmenter.background.image))
                resident.append(resident_mib() or 0.0)
        told = [event.kind for event in segmenter.background.events]
    print("PSNR, dB:", [round(value, 1) for value in psnr_db])
    print("resident, MiB:", [round(value, 1) for value in resident])
    print("events:", told)
    # The camera's own noise and packing differ by 34 dB from frame to frame.
    assert min(psnr_db) > 30
    assert resident[-1] - resident[1] < 8
