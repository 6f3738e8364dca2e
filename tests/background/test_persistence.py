"""Files of saved backgrounds: whole, or refused in one line."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgefg import Segmenter
from edgefg.background.persistence import BackgroundState, read_state, write_state
from edgefg.bundle.bundle import Bundle
from edgefg.errors import OutputError, StateError

IMAGE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "yard.npz"
    write_state(path, BackgroundState("yard", IMAGE, (640, 480), 12.5))
    return path


def test_what_is_written_is_read(saved: Path) -> None:
    state = read_state(saved)
    assert (state.camera, state.source_size, state.age_s) == ("yard", (640, 480), 12.5)
    np.testing.assert_array_equal(state.image, IMAGE)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(share=st.floats(0, 0.999))
def test_a_file_cut_short_is_refused(saved: Path, share: float) -> None:
    whole = saved.read_bytes()
    cut = saved.with_name("cut.npz")
    cut.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(StateError, match=r"cut\.npz"):
        read_state(cut)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.floats(0, 0.999), bit=st.integers(0, 7))
def test_a_flipped_bit_changes_nothing_or_is_refused(saved: Path, place: float, bit: int) -> None:
    data = bytearray(saved.read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    bent = saved.with_name("bent.npz")
    bent.write_bytes(bytes(data))
    try:
        state = read_state(bent)
    except StateError:
        return
    np.testing.assert_array_equal(state.image, IMAGE)
    assert (state.camera, state.source_size, state.age_s) == ("yard", (640, 480), 12.5)


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x93NUMPY\x01\x00", b"PK\x03\x04"])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.npz").write_bytes(content)
    with pytest.raises(StateError, match=r"other\.npz: expected a saved background"):
        read_state(tmp_path / "other.npz")


def rewritten(path: Path, image: Any = IMAGE, **changes: Any) -> Path:
    with np.load(path) as packed:
        header = json.loads(packed["header"].tobytes())
    header.update(changes)
    buffer = io.BytesIO()
    np.savez(buffer, header=np.frombuffer(json.dumps(header).encode(), np.uint8), image=image)
    path.write_bytes(buffer.getvalue())
    return path


@pytest.mark.parametrize("schema", [0, 2, "1", None])
def test_another_schema_is_named(saved: Path, schema: Any) -> None:
    with pytest.raises(StateError, match=f"schema 1, found schema {schema!r}"):
        read_state(rewritten(saved, schema=schema))


@pytest.mark.parametrize(
    ("changes", "image"),
    [
        ({"camera": "door"}, IMAGE),
        ({"age_s": 1.0}, IMAGE),
        ({"source_size": [1, 2, 3]}, IMAGE),
        ({"sha256": 5}, IMAGE),
        ({"more": 1}, IMAGE),
        ({}, IMAGE[..., 0]),
        ({}, IMAGE.astype(np.float32)),
        ({}, 255 - IMAGE),
    ],
)
def test_what_was_altered_is_refused(saved: Path, changes: dict[str, Any], image: np.ndarray) -> None:
    with pytest.raises(StateError):
        read_state(rewritten(saved, image, **changes))


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "evil.npz", header=np.array([{"schema": 1}], object), image=IMAGE)
    with pytest.raises(StateError):
        read_state(tmp_path / "evil.npz")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        write_state(tmp_path / "no" / "yard.npz", BackgroundState("yard", IMAGE, (64, 48), 0.0))


def test_a_folder_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "yard.npz").mkdir()
    with pytest.raises(OutputError, match="found a folder"):
        write_state(tmp_path / "yard.npz", BackgroundState("yard", IMAGE, (64, 48), 0.0))


def test_a_write_that_fails_leaves_the_file_before(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OutputError, match="No space left"):
        write_state(saved, BackgroundState("yard", 255 - IMAGE, (64, 48), 0.0))
    monkeypatch.undo()
    np.testing.assert_array_equal(read_state(saved).image, IMAGE)


def test_one_of_frames_of_another_shape_is_refused_and_the_running_one_stays(
    tiny_bundle: Bundle, tmp_path: Path
) -> None:
    with Segmenter(tiny_bundle, background=np.full((80, 100, 3), 50, np.uint8)) as other:
        other.background.save(tmp_path / "other.npz")
    with Segmenter(tiny_bundle, background=np.full((48, 64, 3), 60, np.uint8)) as segmenter:
        with pytest.raises(StateError, match="for frames of 64x48, found one of 100x80"):
            segmenter.background.load(tmp_path / "other.npz")
        assert segmenter.background.id == 1
        assert not segmenter.segment(np.full((48, 64, 3), 60, np.uint8)).mask.any()


def test_a_saved_background_is_known_by_what_it_holds(tiny_bundle: Bundle, tmp_path: Path) -> None:
    with Segmenter(tiny_bundle, background=np.full((48, 64, 3), 90, np.uint8)) as first:
        first.background.save(tmp_path / "yard")
        expected = first.background.image
    with Segmenter(tiny_bundle, background=tmp_path / "yard") as second:
        np.testing.assert_array_equal(second.background.image, expected)
