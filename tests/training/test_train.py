"""Training: short runs that write what they promise, and refuse what makes no sense."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from rich.console import Console

from edgefg.build.networks.sizes import VGG_LITE
from edgefg.build.networks.stage1 import feature_distance
from edgefg.build.networks.stage2 import UNetDecoder
from edgefg.build.networks.vgg import VggDistance
from edgefg.build.networks.weights import load_weights
from edgefg.build.training import stage as stage_training
from edgefg.build.training.device import choose_device
from edgefg.build.training.labels import FOREGROUND, change_labels, shrink_codes
from edgefg.build.training.losses import contrastive_loss, mask_loss
from edgefg.build.training.options import TrainOptions
from edgefg.build.training.presets import PRESETS
from edgefg.build.training.train import train
from edgefg.datasets.sequences import fingerprint, open_dataset, scene_split
from edgefg.errors import DataError, OptionError, TrainingError

from ..support.train_rig import options as options
from ..support.train_rig import parts as parts
from ..support.train_rig import quiet
from ..support.train_rig import small_batches as small_batches

CONTRASTIVE_LOSS = "edgefg.build.training.stage_losses.contrastive_loss"


def test_a_run_writes_weights_with_a_card(options: TrainOptions) -> None:
    networks = load_weights(train(options, quiet()))
    card = networks.card
    assert card["size"] == "vgg-lite"
    assert card["protocol"] == "unseen"
    assert card["data"]["sequences"] == {"baseline/boxes": 10, "pairs/set1": 3}
    assert card["validation"]["frames"] == 4
    first = options.data.parent / "baseline/boxes/input/in000001.png"
    unseen = options.data.parent / "baseline/unseen/input/in000004.png"
    assert fingerprint(first) in card["seen_frames"]
    assert len(card["seen_frames"]) == 13
    assert unseen.is_file()


def test_what_stage_2_runs_is_compiled_when_asked(options: TrainOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    traced = []
    # Traced as for C++, but run as it is: writing and compiling the C++ takes a minute.
    in_python = partial(torch.compile, backend="eager")
    monkeypatch.setattr(torch, "compile", lambda function: traced.append(function) or in_python(function))
    networks = load_weights(train(replace(options, compile=True), quiet()))
    assert [function.__name__ for function in traced] == ["features", "forward"]
    assert networks.card["validation"]["frames"] == 4


def test_compiling_without_a_compiler_says_what_to_install(
    options: TrainOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(OptionError, match="no-such-compiler; install one"):
        train(replace(options, compile=True), quiet())


def test_a_run_of_steps_takes_just_as_many_and_ends_alike_each_time(options: TrainOptions, tmp_path: Path) -> None:
    runs = [replace(options, steps=4, minutes=None, out=tmp_path / name) for name in ("one", "other")]
    one, other = (load_weights(train(run, quiet())) for run in runs)
    assert (one.card["steps"], one.card["minutes"]) == (4, None)
    assert all(torch.equal(a, b) for a, b in zip(one.stage2.parameters(), other.stage2.parameters(), strict=True))


def test_the_steps_are_shared_out_between_the_stages(options: TrainOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_training, "LOG_EVERY_S", 0.0)
    train(replace(options, steps=8, minutes=None), quiet())
    lines = [json.loads(line) for line in (options.out / "train.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["step"]) for line in lines] == [(1, n) for n in range(1, 7)] + [(2, 1), (2, 2)]


def test_the_learning_rate_is_the_presets_unless_it_is_given(
    options: TrainOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_training, "LOG_EVERY_S", 0.0)
    monkeypatch.setattr(stage_training, "WARM_UP", 0.0)
    for given, peak in ((None, PRESETS["tuned"].learning_rate), (1e-4, 1e-4)):
        out = options.out / str(given)
        card = load_weights(train(replace(options, out=out, steps=4, minutes=None, learning_rate=given), quiet())).card
        first = json.loads((out / "train.jsonl").read_text().splitlines()[0])
        assert card["learning_rate"] == peak
        assert first["lr"] == pytest.approx(peak, rel=0.02)


def test_a_folder_without_parts_trains_without_validation(options: TrainOptions) -> None:
    folder = options.data.parent / "baseline" / "boxes"
    weights = train(replace(options, data=folder, part=None), quiet())
    assert load_weights(weights).card["validation"] is None


def test_the_scene_protocol_names_only_its_training_frames(options: TrainOptions) -> None:
    folder = options.data.parent / "baseline" / "boxes"
    weights = train(replace(options, data=folder, part=None, protocol="scene"), quiet())
    card = load_weights(weights).card
    assert len(card["seen_frames"]) == 3
    assert card["validation"]["frames"] == 1


def test_the_card_names_the_background_that_is_learnt_with(options: TrainOptions) -> None:
    weights = train(replace(options, data=options.data.parent, part=None, protocol="scene"), quiet())
    backgrounds = load_weights(weights).card["data"]["backgrounds"]
    boxes = open_dataset(options.data.parent / "baseline" / "boxes").sequences[0]
    assert backgrounds["baseline/boxes"] == scene_split(boxes).background.name
    assert backgrounds["pairs/set1"] == "background.png"


def test_what_the_initial_weights_have_seen_stays_seen(options: TrainOptions, tmp_path: Path) -> None:
    first = train(options, quiet())
    other = options.data.parent / "baseline" / "unseen"
    second = train(replace(options, data=other, part=None, out=tmp_path / "second", init=first), quiet())
    seen_first, seen_second = (set(load_weights(path).card["seen_frames"]) for path in (first, second))
    assert seen_second >= seen_first
    assert fingerprint(other / "input/in000004.png") in seen_second


def test_the_papers_preset_trains(options: TrainOptions) -> None:
    card = load_weights(train(replace(options, preset="paper"), quiet())).card
    assert (card["preset"], card["loss"]) == ("paper", "paper")


def test_the_loss_can_be_chosen_and_stands_on_the_card(options: TrainOptions) -> None:
    card = load_weights(train(replace(options, loss="paper"), quiet())).card
    assert (card["preset"], card["loss"]) == ("tuned", "paper")


def test_frames_that_both_train_and_validate_are_told(options: TrainOptions) -> None:
    options.data.write_text(json.dumps({"train": ["pairs/set1"], "validate": ["pairs/set1"]}))
    said = io.StringIO()
    train(options, Console(file=said, width=400))
    assert "warning: 3 of the 3 frames that validate are trained on" in said.getvalue()


@pytest.mark.parametrize(("protocol", "expected"), [("unseen", "add"), ("scene", "concat")])
def test_a_protocol_has_the_fusion_that_suits_it(options: TrainOptions, protocol: str, expected: str) -> None:
    card = load_weights(train(replace(options, protocol=protocol), quiet())).card
    assert card["fusion"] == expected


def test_training_goes_on_with_the_fusion_of_earlier_weights(options: TrainOptions) -> None:
    first = train(replace(options, fusion="concat"), quiet())
    again = replace(options, init=first, out=options.out / "again")
    assert load_weights(train(again, quiet())).card["fusion"] == "concat"


def test_both_stages_learn() -> None:
    torch.manual_seed(0)
    background = torch.full((1, 48, 64, 3), 90, dtype=torch.uint8)
    frame, mask = background.clone(), torch.zeros(1, 48, 64, dtype=torch.uint8)
    frame[:, 16:32, 16:40] = torch.tensor([20, 160, 220], dtype=torch.uint8)
    mask[:, 16:32, 16:40] = FOREGROUND
    labels, valid = change_labels(torch.zeros_like(shrink_codes(mask)), shrink_codes(mask))
    stage1, stage2 = VggDistance(VGG_LITE), UNetDecoder(VGG_LITE)
    optimizer = torch.optim.AdamW([*stage1.parameters(), *stage2.parameters()], 1e-2)
    losses = []
    for _ in range(40):
        distance = feature_distance(*stage1.features(torch.cat([background, frame])).chunk(2))
        loss = contrastive_loss(distance, labels, valid) + mask_loss(stage2(frame, distance.detach()), mask)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0]


def test_a_loss_that_is_no_number_ends_the_run(options: TrainOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_training, "LOG_EVERY_S", 0.0)
    monkeypatch.setattr(
        "edgefg.build.training.stage_losses.contrastive_loss", lambda distance, *_: distance.sum() * float("nan")
    )
    with pytest.raises(TrainingError, match="NaN"):
        train(options, quiet())


@pytest.mark.parametrize("spoilt", ["loss", "weights"])
def test_weights_that_are_no_numbers_never_replace_a_checkpoint(
    options: TrainOptions, monkeypatch: pytest.MonkeyPatch, spoilt: str
) -> None:
    """Long before the next line of the log is due, too."""
    blend, checkpoints = stage_training._blend, []

    def spoil_after_two(average: torch.nn.Module, model: torch.nn.Module, step: int) -> None:
        blend(average, model, step)
        if step > 1:
            checkpoints.append((options.out / "checkpoint.pt").read_bytes())
        if step == 2:
            if spoilt == "weights":
                next(average.parameters()).fill_(float("nan"))
            else:
                monkeypatch.setattr(
                    "edgefg.build.training.stage_losses.contrastive_loss", lambda distance, *_: distance.sum() * bad
                )

    bad = float("nan")
    monkeypatch.setattr(stage_training, "SAVE_EVERY_S", 0.0)
    monkeypatch.setattr(stage_training, "_blend", spoil_after_two)
    with pytest.raises(TrainingError, match="NaN or infinite at step"):
        train(replace(options, minutes=60), quiet())
    assert (options.out / "checkpoint.pt").read_bytes() == checkpoints[-1]


def test_a_process_that_draws_pairs_and_dies_ends_the_run_with_a_reason(
    options: TrainOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> Iterator[object]:
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")
        yield

    monkeypatch.setattr("edgefg.build.training.stage.StageTraining._loader", die)
    with pytest.raises(TrainingError, match=r"pairs ended: .*killed by signal.* use fewer workers=.*resume=True"):
        train(options, quiet())


def test_a_loss_that_is_no_number_at_the_end_of_a_stage_ends_the_run(
    options: TrainOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "edgefg.build.training.stage_losses.contrastive_loss", lambda distance, *_: distance.sum() * float("nan")
    )
    with pytest.raises(TrainingError, match="stage 1 is NaN"):
        train(options, quiet())
    assert not (options.out / "checkpoint.pt").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": "huge"}, "huge"),
        ({"preset": "fast"}, "preset must be"),
        ({"loss": "hinge"}, "loss must be"),
        ({"protocol": "mixed"}, "protocol must be"),
        ({"minutes": 0.0}, "minutes must be"),
        ({"minutes": float("nan")}, "minutes must be"),
        ({"minutes": float("inf")}, "minutes must be"),
        ({"steps": 1}, "steps must be"),
        ({"learning_rate": 0.0}, "learning_rate must be"),
        ({"minutes": 1.0, "steps": 4}, "minutes=1.0 and steps=4 exclude each other"),
        ({"learning_rate": float("nan")}, "learning_rate must be"),
        ({"seed": -1}, "seed must be"),
        ({"seed": 10**20}, "seed must be"),
        ({"workers": -1}, "workers must be"),
        ({"workers": 100_000}, "workers must be"),
        ({"device": "tpu"}, "device must be"),
        ({"part": "other"}, "other"),
        ({"resume": True}, "resume=True: expected"),
    ],
)
def test_options_that_make_no_sense(options: TrainOptions, change: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        train(replace(options, **change), quiet())  # type: ignore[arg-type]


def test_no_data(options: TrainOptions, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        train(replace(options, data=tmp_path / "nowhere", part=None), quiet())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_without_a_gpu_is_refused() -> None:
    with pytest.raises(OptionError, match="pass device='cpu'"):
        choose_device("cuda")


@pytest.mark.gpu
def test_training_runs_on_cuda(options: TrainOptions) -> None:
    assert load_weights(train(replace(options, device="cuda", minutes=0.2), quiet())).card["device"] == "cuda"
