"""Data that anyone may use: labels by the difference from a backdrop, and a licence for every file."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgefg.datasets.labels import MOVING, STATIC
from edgefg.datasets.sequences import open_dataset

ROOT = Path(__file__).parents[2]
HEIGHT, WIDTH = 96, 128
THING = (slice(40, 80), slice(50, 74))
SHADOW = (slice(58, 80), slice(74, 110))


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "research"))


def scene() -> np.ndarray:
    noise = np.random.default_rng(3).normal(0, 1, (HEIGHT // 4, WIDTH // 4, 3))
    return np.asarray(130 + 25 * cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.float32)


def shot(shift: int | None) -> np.ndarray:
    """Returns a frame: of the empty scene, or with a red thing and its shadow, moved by some pixels."""
    frame = scene()
    if shift is not None:
        thing, shadow = np.zeros((2, HEIGHT, WIDTH, 1), np.float32)
        thing[THING], shadow[SHADOW] = 1, 0.4
        thing, shadow = (np.roll(part, shift, axis=1) for part in (thing, shadow))
        frame = (frame * (1 - shadow)) * (1 - thing) + np.array([40, 50, 200]) * thing
    return np.clip(frame, 0, 255).astype(np.uint8)


def test_a_thing_is_labelled_and_its_shadow_is_not() -> None:
    import free_labels

    truth = free_labels.label(shot(0), free_labels.measure(shot(None), [shot(None)]))
    assert truth is not None
    assert np.mean(truth[THING] == MOVING) > 0.95
    assert not (truth[SHADOW][:, 3:] == MOVING).any()
    assert np.mean(truth == STATIC) > 0.8


def test_every_file_has_a_source_and_a_clip_without_licence_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import free_data

    clips, out = tmp_path / "clips", tmp_path / "out"
    (clips / "hall").mkdir(parents=True)
    for index, shift in enumerate((None, None, -44, None, None, 0, None, None)):
        cv2.imwrite(str(clips / "hall" / f"{index}.png"), shot(shift))
    monkeypatch.setattr(sys, "argv", ["free_data.py", str(clips), str(out), "--no-packaged-clip", "--drawn", "6"])
    with pytest.raises(SystemExit, match="expected the licence of hall"):
        free_data.main()
    facts = dict.fromkeys(("licence", "licence_address", "author", "address", "taken_from"), "ours")
    (clips / "sources.json").write_text(json.dumps({"hall": facts}))
    free_data.main()
    (hall,) = open_dataset(out / "splits.json", "train").sequences
    assert any((hall.truth(path) == MOVING).any() for path in hall.labelled)
    provenance = json.loads((out / "provenance.json").read_text())
    named = {name for source in provenance["sources"] if source["licence"] for name in source["files"]}
    made = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert made - named == {"provenance.json", "splits.json", "sheets/hall.png"}
    assert {name.split("/")[0] for name in named} == {"backgrounds", "objects", "scenes", "shape_masks"}
