"""Light, fog and blur that take detail away: at the start, in the midst, and again and again."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from edgefg.background.policy import BackgroundPolicy

from ..support.background_rig import HEIGHT, STEP_S, Rig, textured_scene, with_box

SCENE = textured_scene()
ROWS = np.arange(HEIGHT)[:, None, None] / HEIGHT

Light = Callable[[np.ndarray, float], np.ndarray]


def shown(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def blurred(frame: np.ndarray, sigma: float) -> np.ndarray:
    return frame if sigma < 0.4 else cv2.GaussianBlur(frame, (0, 0), sigma)


def play(rig: Rig, light: Light, seconds: float, frame: np.ndarray = SCENE) -> Rig:
    for step in range(round(seconds / STEP_S)):
        rig.show(shown(light(frame.astype(np.float32), step * STEP_S)), STEP_S)
    return rig


def started(light: Light) -> Rig:
    return Rig(BackgroundPolicy(), shown(light(SCENE.astype(np.float32), 0.0)), bootstrap=True)


def decay(since_s: float, seconds: float = 0.5) -> float:
    return float(np.exp(-since_s / seconds))


STARTS: dict[str, Light] = {
    "x2": lambda frame, since_s: frame * (1 + decay(since_s)),
    "x3": lambda frame, since_s: frame * (1 + 2 * decay(since_s)),
    "saturated": lambda frame, since_s: frame * 6 + 60 if since_s < 0.6 else frame,
    "infrared flash": lambda frame, since_s: (
        np.repeat(1.8 * frame.mean(axis=2, keepdims=True), 3, axis=2) if since_s < 0.6 else frame
    ),
    "fog": lambda frame, since_s: 225 + (frame - 225) * (1 - 0.85 * decay(since_s, 1.5)),
    "defocus": lambda frame, since_s: blurred(frame, 9 * decay(since_s, 1.0)),
    "lamp": lambda frame, since_s: frame * (0.2 + 0.8 * (1 - decay(since_s, 3))),
}


@pytest.mark.parametrize("name", STARTS)
def test_a_first_frame_that_lost_detail_is_given_up(name: str) -> None:
    rig = play(started(STARTS[name]), STARTS[name], 20)
    assert rig.foreground(SCENE) < 0.005
    assert cv2.absdiff(rig.background, SCENE).mean() < 3


@pytest.mark.parametrize("name", ["x3 for long", "fog for long", "defocus for long"])
def test_so_is_a_median_of_such_frames(name: str) -> None:
    long: dict[str, Light] = {
        "x3 for long": lambda frame, since_s: frame * (3 if since_s < 14 else 1),
        "fog for long": lambda frame, since_s: 225 + (frame - 225) * (0.2 if since_s < 14 else 1),
        "defocus for long": lambda frame, since_s: blurred(frame, 9 if since_s < 14 else 0),
    }
    rig = play(started(long[name]), long[name], 18)
    assert rig.foreground(SCENE) < 0.005


def test_who_stands_before_what_was_clipped_is_foreground_all_the_same() -> None:
    light: Light = lambda frame, since_s: frame * (1 + 2 * decay(since_s))  # noqa: E731
    rig = play(started(light), light, 3)
    play(rig, lambda frame, since_s: frame, 12, with_box(SCENE))
    assert 0.04 < rig.foreground(with_box(SCENE)) < 0.06


MIDST: dict[str, Light] = {
    "glare": lambda frame, since_s: frame * (1 + 1.2 * np.exp(-(((since_s - 1.5) / 0.7) ** 2))),
    "x2.2": lambda frame, since_s: frame * 2.2,
    "veil": lambda frame, since_s: frame * 0.15 + 200,
    "lightning": lambda frame, since_s: frame * (3 if since_s % 0.6 < 0.16 else 1),
    "hiccup": lambda frame, since_s: frame * (0.2 if since_s < 0.5 else 1),
    "lifting fog": lambda frame, since_s: 225 + (frame - 225) * (1 - 0.85 * decay(since_s, 1.0)),
    "defocus": lambda frame, since_s: blurred(frame, 9),
    "lamp, ten times": lambda frame, since_s: frame * (1.9 if since_s % 0.9 < 0.45 else 1),
    "dark, ten times": lambda frame, since_s: frame * (0.3 if since_s % 0.9 < 0.45 else 1),
}


@pytest.mark.parametrize("bootstrap", [True, pytest.param(False, marks=pytest.mark.soak)])
@pytest.mark.parametrize("name", MIDST)
def test_a_background_is_as_before_once_the_light_is_back(name: str, bootstrap: bool) -> None:
    rig = Rig(BackgroundPolicy(), SCENE, bootstrap).show(SCENE, 4)
    play(rig, MIDST[name], 9.0 if "times" in name else 3.0)
    rig.show(SCENE, 1.8)
    assert rig.foreground(SCENE) < 0.005
    assert cv2.absdiff(rig.background, SCENE).mean() < 3


def test_nor_is_it_learned_away_in_half_a_minute_of_glare() -> None:
    rig = Rig(BackgroundPolicy(), SCENE, bootstrap=True).show(SCENE, 4)
    play(rig, lambda frame, since_s: frame * 2.4, 30)
    rig.show(SCENE, 1.8)
    assert rig.foreground(SCENE) < 0.005


def test_an_object_that_left_in_the_glare_heals() -> None:
    rig = Rig(BackgroundPolicy(), with_box(SCENE), bootstrap=True).show(with_box(SCENE), 4)
    play(rig, lambda frame, since_s: frame * 1.9, 6)
    rig.show(SCENE, 5)
    assert rig.foreground(SCENE) < 0.005


def test_an_image_that_was_set_stays_though_the_camera_is_sharper() -> None:
    soft = blurred(SCENE, 9)
    rig = Rig(BackgroundPolicy(), soft).show(SCENE, 6)
    assert cv2.absdiff(rig.background, soft).mean() < cv2.absdiff(rig.background, SCENE).mean()


class TestFalseAlarms:
    @pytest.mark.parametrize("hertz", [2.9, 8.3, 11.7])
    def test_a_lamp_that_flickers_corrupts_no_frame(self, hertz: float) -> None:
        rig = Rig(BackgroundPolicy(), SCENE, bootstrap=True).show(SCENE, 3)
        play(rig, lambda frame, since_s: frame * (1 + 0.3 * np.sin(2 * np.pi * hertz * since_s)), 12)
        assert not {"corrupt_frame", "view_changed"} & set(rig.kinds)

    @pytest.mark.parametrize("hertz", [0.7, 2.3, 5.1])
    def test_nor_do_rolling_bands(self, hertz: float) -> None:
        rig = Rig(BackgroundPolicy(), SCENE, bootstrap=True).show(SCENE, 3)
        play(rig, lambda frame, since_s: frame * (1 + 0.3 * np.sin(2 * np.pi * (1.5 * ROWS + hertz * since_s))), 12)
        assert not {"corrupt_frame", "view_changed"} & set(rig.kinds)

    def test_nor_does_a_flash(self) -> None:
        rig = Rig(BackgroundPolicy(), SCENE, bootstrap=True).show(SCENE, 3)
        rig.show(shown(SCENE.astype(np.float32) * 3), STEP_S).show(SCENE, 3)
        assert rig.events == []

    def test_nor_does_a_lorry_that_passes_within_a_frame(self) -> None:
        lorry = with_box(SCENE, 10, 30, 80, 80)
        rig = Rig(BackgroundPolicy(), SCENE, bootstrap=True).show(SCENE, 3)
        for _ in range(6):
            rig.show(lorry, STEP_S).show(SCENE, 1.2)
        assert rig.events == []

    def test_nor_do_leaves_in_the_wind(self) -> None:
        rig = Rig(BackgroundPolicy(), SCENE, bootstrap=True).show(SCENE, 3)
        for step in range(80):
            waving = SCENE.copy()
            waving[:, 60:] = textured_scene(seed=20 + step % 3)[:, 60:]
            rig.show(waving, STEP_S)
        assert "corrupt_frame" not in rig.kinds

    @pytest.mark.parametrize("damage", ["garbage", "grey", "smear", "green"])
    def test_real_damage_is_found_in_flicker_too(self, damage: str) -> None:
        broken = {
            "garbage": textured_scene(seed=9),
            "grey": np.full_like(SCENE, 128),
            "smear": np.repeat(SCENE[75:76], HEIGHT, axis=0),
            "green": np.full_like(SCENE, (0, 135, 0)),
        }[damage]
        frame = SCENE.copy()
        frame[30:] = broken[30:]
        rig = Rig(BackgroundPolicy(), SCENE, bootstrap=True).show(SCENE, 3)
        rig.show(frame, STEP_S).show(SCENE, 1)
        assert rig.kinds == ["corrupt_frame"]
