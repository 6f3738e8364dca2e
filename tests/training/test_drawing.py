"""Drawn vehicles."""

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from edgefg.build.training.drawing import LENGTH_PX, draw_vehicle


def test_a_vehicle_is_one_long_thing_within_its_picture() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        picture, alpha = draw_vehicle(rng)
        parts, _ = cv2.connectedComponents(alpha)
        assert picture.shape == (*alpha.shape, 3)
        assert (picture.dtype, alpha.dtype) == (np.uint8, np.uint8)
        assert set(np.unique(alpha)) == {0, 255}
        assert parts == 2
        assert not alpha[0].any()
        assert not alpha[:, -1].any()
        assert max(alpha.shape) >= 0.8 * LENGTH_PX


def test_no_two_vehicles_look_alike() -> None:
    rng = np.random.default_rng(0)
    assert len({draw_vehicle(rng)[0].tobytes() for _ in range(20)}) == 20
