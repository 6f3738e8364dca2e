"""Weights and checkpoints on disk."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgefg.build.networks.fusion import ADD, CONCAT
from edgefg.build.networks.sizes import PAPER, VGG_LITE, Size
from edgefg.build.networks.stage2 import UNetDecoder
from edgefg.build.networks.vgg import VggDistance
from edgefg.build.networks.weights import load_weights, save_weights, start_from
from edgefg.build.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from edgefg.errors import DataError, MissingFileError, OptionError, OutputError


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "weights.safetensors"
    save_weights(
        path, VggDistance(VGG_LITE).state_dict(), UNetDecoder(VGG_LITE).state_dict(), {"size": "vgg-lite", "seed": 3}
    )
    return path


def test_weights_and_card_come_back(weights: Path) -> None:
    networks = load_weights(weights)
    assert networks.card == {"size": "vgg-lite", "seed": 3}
    torch.manual_seed(0)
    assert torch.equal(networks.stage1.project.weight, VggDistance(VGG_LITE).project.weight)
    assert not networks.stage1.training


def test_a_card_of_an_older_edgefg_is_read_in_todays_words(tmp_path: Path) -> None:
    older = {"f": 0.8, "map": {"f": 0.7, "distance": 9.0}, "quiet": {"distance": 6.5}}
    # Before `lite` had a pretrained backbone.
    path, card = tmp_path / "older.safetensors", {"size": "lite", "validation": older}
    save_weights(path, VggDistance(VGG_LITE).state_dict(), UNetDecoder(VGG_LITE).state_dict(), card)
    networks = load_weights(path)
    assert networks.size == VGG_LITE
    assert networks.card["validation"] == {"f": 0.8, "map": {"f": 0.7, "foreground_distance": 9.0}, "skip_below": 6.5}


def test_no_partial_file_is_left(weights: Path) -> None:
    assert [path.name for path in weights.parent.iterdir()] == [weights.name]


def test_missing_weights_name_the_command_that_makes_them(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="edgefg train"):
        load_weights(tmp_path / "none.safetensors")


@pytest.mark.parametrize("damage", ["empty", "text", "truncated"])
def test_damaged_weights_are_refused(weights: Path, damage: str) -> None:
    data = {"empty": b"", "text": b"not weights", "truncated": weights.read_bytes()[:5000]}[damage]
    weights.write_bytes(data)
    with pytest.raises(DataError, match=weights.name):
        load_weights(weights)


def test_foreign_safetensors_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(DataError, match="edgefg train"):
        load_weights(path)


def test_weights_of_the_wrong_shape_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    other = Size("vgg-lite", width=0.125, early_stride=2, feature_channels=64, batch_norm=True)
    save_weights(path, VggDistance(other).state_dict(), UNetDecoder(other).state_dict(), {"size": "vgg-lite"})
    with pytest.raises(DataError, match=r"w\.safetensors"):
        load_weights(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    path, stage2 = tmp_path / "w.safetensors", UNetDecoder(VGG_LITE)
    with torch.no_grad():
        stage2.head.weight[0, 0] = value
    save_weights(path, VggDistance(VGG_LITE).state_dict(), stage2.state_dict(), {"size": "vgg-lite"})
    with pytest.raises(DataError, match=r"expected finite weights, found NaN or infinity in stage2\.head\.weight"):
        load_weights(path)


def test_weights_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write"):
        save_weights(tmp_path / "file" / "w.safetensors", {}, {}, {"size": "vgg-lite"})


def test_training_starts_from_earlier_weights(weights: Path) -> None:
    stage1, stage2 = VggDistance(VGG_LITE), UNetDecoder(VGG_LITE)
    start_from(weights, stage1, stage2, VGG_LITE)
    expected = load_weights(weights)
    assert torch.equal(stage1.project.weight, expected.stage1.project.weight)
    assert torch.equal(stage2.head.weight, expected.stage2.head.weight)


def test_training_does_not_start_from_weights_of_another_size(weights: Path) -> None:
    other = Size("paper", width=0.125, early_stride=1, feature_channels=8, batch_norm=False)
    with pytest.raises(OptionError, match="size vgg-lite, expected paper"):
        start_from(weights, VggDistance(other), UNetDecoder(other), other)


def test_weights_come_back_with_their_fusion(tmp_path: Path) -> None:
    path, stage2 = tmp_path / "w.safetensors", UNetDecoder(VGG_LITE, CONCAT)
    save_weights(
        path, VggDistance(VGG_LITE).state_dict(), stage2.state_dict(), {"size": "vgg-lite", "fusion": "concat"}
    )
    assert load_weights(path).stage2.fusion is CONCAT


def test_weights_without_a_fusion_are_the_papers(weights: Path) -> None:
    assert load_weights(weights).stage2.fusion is ADD


def test_weights_with_an_unknown_fusion_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    card = {"size": "vgg-lite", "fusion": "multiply"}
    save_weights(path, VggDistance(VGG_LITE).state_dict(), UNetDecoder(VGG_LITE).state_dict(), card)
    with pytest.raises(DataError, match=r"w\.safetensors: fusion must be one of add, concat"):
        load_weights(path)


def test_with_another_fusion_only_stage_1_starts_from_earlier_weights(weights: Path) -> None:
    stage1, stage2, said = VggDistance(VGG_LITE), UNetDecoder(VGG_LITE, CONCAT), list[str]()
    before = stage2.head.weight.clone()
    start_from(weights, stage1, stage2, VGG_LITE, said.append)
    assert torch.equal(stage1.project.weight, load_weights(weights).stage1.project.weight)
    assert torch.equal(stage2.head.weight, before)
    assert said == [f"stage 2 starts from random weights: fusion concat, {weights.name} has add"]


def test_vgg16_weights_fill_the_papers_backbone(tmp_path: Path) -> None:
    path = tmp_path / "vgg.npz"
    stage1, stage2 = VggDistance(PAPER), UNetDecoder(VGG_LITE)
    convs = [m for m in stage1.backbone.modules() if isinstance(m, torch.nn.Conv2d)]
    names = ["1_1", "1_2", "2_1", "2_2", "3_1", "3_2", "3_3", "4_1", "4_2", "4_3"]
    arrays = {}
    for value, (name, conv) in enumerate(zip(names, convs, strict=True)):
        block, index = name.split("_")
        arrays[f"block{block}_conv{index}/kernel"] = np.full(conv.weight.shape, value, np.float16)
        arrays[f"block{block}_conv{index}/bias"] = np.full(conv.bias.shape, value, np.float16)
    np.savez(path, **arrays)
    start_from(path, stage1, stage2, PAPER)
    assert [float(conv.weight.detach().mean()) for conv in convs] == list(range(10))


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_damaged_vgg16_weights_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "vgg.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"vgg\.npz"):
        start_from(path, VggDistance(PAPER), UNetDecoder(VGG_LITE), PAPER)


def vgg16_archive(path: Path, first: np.ndarray) -> bytes:
    np.savez_compressed(path, **{"block1_conv1/kernel": first, "block1_conv1/bias": np.zeros(64, np.float32)})
    return path.read_bytes()


@pytest.mark.parametrize("damage", ["cut short", "bit errors", "one array", "objects", "text", "nothing"])
def test_vgg16_weights_that_are_damaged_inside_are_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "vgg.npz"
    kernel = np.random.default_rng(0).normal(size=(64, 3, 3, 3)).astype(np.float32)
    whole = vgg16_archive(path, kernel)
    if damage == "cut short":
        path.write_bytes(whole[:-100])
    elif damage == "bit errors":
        path.write_bytes(whole[:200] + bytes(byte ^ 0xFF for byte in whole[200:300]) + whole[300:])
    elif damage == "one array":
        with path.open("wb") as file:
            np.save(file, kernel)
    elif damage == "objects":
        vgg16_archive(path, np.array([{}], dtype=object))
    elif damage == "text":
        vgg16_archive(path, np.array(["a"]))
    else:
        np.savez(path)
    with pytest.raises(DataError, match=r"expected VGG16's first ten convolutions in .*vgg\.npz"):
        start_from(path, VggDistance(PAPER), UNetDecoder(VGG_LITE), PAPER)


def test_vgg16_weights_do_not_fit_lite(tmp_path: Path) -> None:
    path = tmp_path / "vgg.npz"
    np.savez(path, a=np.zeros(1))
    with pytest.raises(OptionError, match="fit size='paper' only, got vgg-lite"):
        start_from(path, VggDistance(VGG_LITE), UNetDecoder(VGG_LITE), VGG_LITE)


def test_a_checkpoint_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, Checkpoint({"seed": "0"}, 2, 7, 1.5, {"w": torch.ones(2)}, {}, {"state": {}}, {}))
    checkpoint = load_checkpoint(path)
    assert (checkpoint.stage, checkpoint.step, checkpoint.elapsed_s) == (2, 7, 1.5)
    assert torch.equal(checkpoint.model["w"], torch.ones(2))


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 cut"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"checkpoint\.pt.*delete it"):
        load_checkpoint(path)
