"""A training's folder: one run at a time, never overwritten, resumed where it stood for the time it began with."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from edgefg.build.networks.weights import load_weights
from edgefg.build.training import run as training_run
from edgefg.build.training import stage as stage_training
from edgefg.build.training.checkpoint import load_checkpoint, save_checkpoint
from edgefg.build.training.options import TrainOptions
from edgefg.build.training.run import alone_in, source_commit
from edgefg.build.training.train import train
from edgefg.errors import DataError, OptionError, OutputError

from ..support.train_rig import options as options
from ..support.train_rig import parts as parts
from ..support.train_rig import quiet
from ..support.train_rig import small_batches as small_batches


def stop_at_the_first_step(options: TrainOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(stage_training, "_blend", interrupted)
        train(options, quiet())


def test_a_finished_run_leaves_no_checkpoint(options: TrainOptions) -> None:
    train(options, quiet())
    names = {path.name for path in options.out.iterdir()}
    assert "weights.safetensors" in names
    assert "checkpoint.pt" not in names


def test_a_finished_run_is_never_overwritten(options: TrainOptions) -> None:
    weights = train(options, quiet())
    before = weights.read_bytes()
    with pytest.raises(OptionError, match="pass another out="):
        train(replace(options, seed=1), quiet())
    assert weights.read_bytes() == before


def test_an_interrupted_run_resumes_where_it_stood(options: TrainOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    blend, steps = stage_training._blend, []

    def stop_after_two(average: torch.nn.Module, model: torch.nn.Module, step: int) -> None:
        blend(average, model, step)
        steps.append(step)
        if len(steps) % 2 == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(stage_training, "_blend", stop_after_two)
    with pytest.raises(KeyboardInterrupt):
        train(replace(options, minutes=60), quiet())
    with pytest.raises(KeyboardInterrupt):
        train(replace(options, minutes=60, resume=True), quiet())
    assert steps == [1, 2, 3, 4]
    assert not (options.out / "weights.safetensors").exists()


def test_a_resumed_run_takes_the_steps_that_it_was_started_with(
    options: TrainOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_at_the_first_step(replace(options, steps=4, minutes=None), monkeypatch)
    card = load_weights(train(replace(options, minutes=None, resume=True), quiet())).card
    assert (card["steps"], card["minutes"]) == (4, None)


def test_a_resumed_run_is_not_cut_short_by_less_time_than_it_has_had(
    options: TrainOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_at_the_first_step(replace(options, minutes=60), monkeypatch)
    with pytest.raises(OptionError, match=r"stage 1 has had 1 steps in .*; pass more minutes="):
        train(replace(options, minutes=1e-9, resume=True), quiet())


def test_a_resumed_run_must_agree_with_the_options(options: TrainOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_at_the_first_step(options, monkeypatch)
    with pytest.raises(OptionError, match="seed=0"):
        train(replace(options, resume=True, seed=1), quiet())
    with pytest.raises(OptionError, match="pass resume=True"):
        train(options, quiet())


def test_a_run_from_before_there_was_a_choice_goes_on_with_the_papers_fusion(
    options: TrainOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = replace(options, protocol="scene", fusion="add")
    stop_at_the_first_step(options, monkeypatch)
    path = options.out / "checkpoint.pt"
    checkpoint = load_checkpoint(path)
    del checkpoint.run["fusion"]
    save_checkpoint(path, checkpoint)
    with pytest.raises(OptionError, match="started with fusion=add"):
        train(replace(options, fusion=None, resume=True), quiet())
    assert load_weights(train(replace(options, resume=True), quiet())).card["fusion"] == "add"


def test_two_cannot_train_in_one_folder_at_a_time(options: TrainOptions) -> None:
    with alone_in(options.out), pytest.raises(OptionError, match="another training is at work there"):
        train(options, quiet())
    assert train(options, quiet()).is_file()


def test_a_training_that_never_began_leaves_no_folder(options: TrainOptions, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        train(replace(options, data=tmp_path / "nowhere"), quiet())
    assert not options.out.exists()


def test_the_commit_is_never_that_of_a_repository_that_edgefg_is_installed_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training_run, "_git", lambda *words: {"rev-parse": ".venv/x/build/"}.get(words[0], "68b14f33"))
    assert source_commit() is None


@pytest.mark.skipif(not (Path(__file__).parents[2] / ".git").exists(), reason="needs a checkout")
def test_the_commit_is_that_of_the_source_tree() -> None:
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    )
    assert str(source_commit()).removesuffix("-dirty") == head.stdout[:12]


def test_a_signal_that_another_thread_takes_waits_all_the_same() -> None:
    """In a process of its own: libraries whose threads are about in this one may not expect a signal."""
    words = """
import os, signal, threading, time
from edgefg.build.training.stage import _signals_held
threading.Thread(target=time.sleep, args=(2,), daemon=True).start()
try:
    with _signals_held():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.3)
        print("went on")
except KeyboardInterrupt:
    print("then stopped")
"""
    ended = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, timeout=60)
    assert ended.stdout.split("\n") == ["went on", "then stopped", ""], ended.stderr


def test_an_output_folder_that_cannot_be_made(options: TrainOptions, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write to this folder: Not a directory; pass another"):
        train(replace(options, out=tmp_path / "file" / "out"), quiet())
