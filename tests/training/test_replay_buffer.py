"""Batches that are filled up with earlier pairs."""

import pytest

pytest.importorskip("torch")

import torch

from edgefg.build.training.replay_buffer import Replay


def numbered(*numbers: int) -> tuple[torch.Tensor, ...]:
    """Pairs whose two tensors hold the same number."""
    return torch.tensor(numbers), torch.tensor(numbers)[:, None] * torch.ones(1, 2)


def test_a_full_batch_stays_as_it_is() -> None:
    fresh = numbered(1, 2)
    assert Replay(2).fill(fresh) is fresh


def test_new_pairs_come_first_and_earlier_ones_fill_up() -> None:
    replay = Replay(50)
    replay.fill(numbered(1, 2))
    first, second = replay.fill(numbered(3, 4))
    assert first.shape == (50,)
    assert second.shape == (50, 2)
    assert first[:2].tolist() == [3, 4]
    assert set(first[2:].tolist()) == {1, 2, 3, 4}


def test_what_belongs_together_stays_together() -> None:
    first, second = Replay(20).fill(numbered(1, 2, 3))
    assert (second == first[:, None]).all()


def test_the_oldest_pairs_make_way() -> None:
    replay = Replay(40, capacity=3)
    for number in range(5):
        drawn = replay.fill(numbered(number))[0]
    assert set(drawn.tolist()) == {2, 3, 4}


def test_the_same_seed_draws_the_same() -> None:
    def drawn() -> list[int]:
        torch.manual_seed(1)
        return Replay(30).fill(numbered(1, 2, 3))[0].tolist()

    assert drawn() == drawn()
