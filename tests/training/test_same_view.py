"""Two pictures of one camera are known in any light; those of two cameras are told apart."""

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from edgefg.build.training.same_view import is_same_view, signature
from edgefg.imaging.io import Image


def street(seed: int) -> Image:
    """A drawn scene of lines and boxes at places of its own."""
    rng = np.random.default_rng(seed)
    image = np.full((240, 320, 3), 120, np.uint8)
    for _ in range(25):
        x, y, w, h = (int(v) for v in rng.integers(0, (300, 220, 120, 90)))
        cv2.rectangle(image, (x, y), (x + w, y + h), rng.integers(20, 236, 3).tolist(), -1)
    return image


def lit(image: Image, gain: float, offset: float = 0.0) -> Image:
    return np.clip(image * gain + offset, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "again",
    [
        lit(street(0), 0.5),
        lit(street(0), 1.3, 10),
        lit(street(0), 0.4, 120),
        cv2.resize(street(0), (720, 576)),
        np.repeat(cv2.cvtColor(street(0), cv2.COLOR_BGR2GRAY)[..., None], 3, axis=2),
        np.clip(street(0) + np.random.default_rng(1).normal(0, 12, (240, 320, 3)), 0, 255).astype(np.uint8),
    ],
    ids=["dark", "bright", "fog", "larger", "infrared", "noise"],
)
def test_one_camera_is_known_again(again: Image) -> None:
    assert is_same_view(signature(again), [signature(street(5)), signature(street(0))])


@pytest.mark.parametrize("seed", range(1, 9))
def test_another_camera_is_another(seed: int) -> None:
    assert not is_same_view(signature(street(seed)), [signature(street(0))])


def test_a_blank_picture_is_no_view_of_anything() -> None:
    blank = np.full((240, 320, 3), 90, np.uint8)
    assert not is_same_view(signature(blank), [signature(blank), signature(street(0))])
