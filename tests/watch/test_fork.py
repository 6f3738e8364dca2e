"""A watch in a forked process, where its threads are not."""

import pickle

import pytest

from edgefg.errors import OtherProcessError

from ..support.forking import in_fork
from ..support.watch_rig import EMPTY, Scripted, Start, play
from ..support.watch_rig import scripted as scripted
from ..support.watch_rig import start as start


def test_the_parents_watch_is_left_alone(start: Start, scripted: Scripted) -> None:
    watch = start()
    assert in_fork(lambda: next(iter(watch))).startswith("OtherProcessError: this Watch was made before a fork")
    assert in_fork(watch.close) == "None"
    with pytest.raises(OtherProcessError, match="a Watch cannot be pickled or copied"):
        pickle.dumps(watch)
    play(scripted["door"], EMPTY, for_s=0.2)
    scripted["door"].end()
    list(watch)
    assert watch.state.cameras["door"].status.frames > 0
