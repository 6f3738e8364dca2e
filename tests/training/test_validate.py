"""Validation in training: what it calls the map is what the mode ``map`` runs."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgefg.datasets.sequences import open_dataset
from edgefg.evaluate.metrics import Counts, SequenceScore, count, summarise
from edgefg.segmentation.mask import MaskRule, scale_around
from edgefg.segmentation.refine import guided_upsample

torch = pytest.importorskip("torch")
from edgefg.build.networks.stage1 import Comparison

validate = pytest.importorskip("edgefg.build.training.validate")


class Arithmetic(torch.nn.Module):
    """Stage 1 as arithmetic: features are colours averaged over 4x4 pixels, on a scale where the box is 25 away."""

    def features(self, frame: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(frame.permute(0, 3, 1, 2).float(), 4) / 15

    def forward(self, frame: torch.Tensor, background: torch.Tensor) -> Comparison:
        features = self.features(frame)
        return Comparison(features, (features - background).square().sum(1).sqrt(), None)


class Nothing(torch.nn.Module):
    """Stage 2 that finds nothing."""

    def forward(self, frame: torch.Tensor, distance: torch.Tensor, context: None) -> torch.Tensor:
        return torch.full(frame.shape[:3], -20.0)


@pytest.fixture
def discs(tmp_path: Path) -> Path:
    """A set at the networks' size: bright discs whose edges lie across the cells of the map."""
    background = np.random.default_rng(0).integers(60, 80, (240, 320, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "background.png"), background)
    for number in range(3):
        mask = np.zeros((240, 320), np.uint8)
        cv2.circle(mask, (70 + 90 * number, 120), 21 + number, 255, -1)
        frame = background.copy()
        frame[mask > 0] = 230
        cv2.imwrite(str(tmp_path / f"{number}.png"), frame)
        cv2.imwrite(str(tmp_path / f"{number}_mask.png"), mask)
    return tmp_path


def test_the_map_is_scored_as_the_mode_map_sharpens_it(discs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sequences = open_dataset(discs).sequences
    found = validate.validate(Arithmetic(), Nothing(), sequences, "unseen", 0)
    assert found.frames == 3
    assert found.full.f[1:].max() == 0
    # Beside it the bare map, enlarged.
    monkeypatch.setattr(
        validate, "guided_upsample", lambda distance, frame, background: cv2.resize(distance, (320, 240))
    )
    bare = validate.validate(Arithmetic(), Nothing(), sequences, "unseen", 0)
    assert 1 - found.map.best[1] < (1 - bare.map.best[1]) / 3
    assert found.to_json()["map"]["foreground_distance"] > 0


def test_a_curve_is_the_mean_over_categories_as_evaluate_has_it() -> None:
    """Three sequences in one category and one in another; one of them has nothing that moves."""
    rng = np.random.default_rng(0)
    counts = {(category, name): [rng.integers(0, 50, (2, 256))] for category, name in ("aa", "ab", "ac", "bd")}
    counts["a", "c"][0][1] = 0
    counts["a", "c"][0][0, 200:] = 0
    found = validate._curve(counts)
    for level in (0, 100, 220):
        scores = []
        for (category, name), ((still, moving),) in counts.items():
            tp, fp = int(moving[level:].sum()), int(still[level:].sum())
            of_scene = Counts(tp, fp, int(moving.sum()) - tp, int(still.sum()) - fp)
            scores.append(SequenceScore(f"{category}/{name}", category, 1, of_scene))
        assert found.f[level] == pytest.approx(summarise(scores).overall.f)


def test_a_curve_of_scenes_in_which_nothing_moves_is_0() -> None:
    still = [np.array([[9] + [0] * 255, [0] * 256])]
    np.testing.assert_array_equal(validate._curve({("a", "b"): still}).f, np.zeros(256))


class Half(torch.nn.Module):
    """Stage 2 that is sure where the frame is bright, but of the left half alone, and in doubt elsewhere."""

    def forward(self, frame: torch.Tensor, distance: torch.Tensor, context: None) -> torch.Tensor:
        bright = (frame.float().mean(-1) > 150).float()
        bright[:, :, 160:] = 0
        return bright * 9 - 1


def test_the_mode_is_the_best_of_the_three(discs: Path) -> None:
    sequences = open_dataset(discs).sequences
    blind = validate.validate(Arithmetic(), Nothing(), sequences, "unseen", 0)
    assert blind.to_json()["mode"] == "map"
    half = validate.validate(Arithmetic(), Half(), sequences, "unseen", 0)
    f = {"full": half.full.best[1], "map": half.map.best[1], "fused": half.fused}
    assert half.mode == max(f, key=f.__getitem__)
    assert f["full"] < f["map"]


def test_fused_f_is_that_of_its_masks(discs: Path, tmp_path: Path) -> None:
    sequences = open_dataset(discs).sequences
    found = validate.validate(Arithmetic(), Half(), sequences, "unseen", 0)
    counts = Counts()
    for sequence in sequences:
        background = sequence.background()
        with torch.inference_mode():
            features = Arithmetic().features(torch.from_numpy(background)[None])
        for path in sequence.labelled:
            frame = sequence.frame(path)
            probability, distance = validate._infer(Arithmetic(), Half(), frame, features)
            mask_rule = MaskRule("fused", 0.5, None, found.foreground_distance, scale_around(found.threshold))
            levels = mask_rule.combine(probability, guided_upsample(distance, frame, background))
            assert levels is not None
            counts += count(np.where(levels >= 128, 255, 0).astype(np.uint8), sequence.truth(path))
    assert found.fused == pytest.approx(counts.measures.f, abs=1e-3)
