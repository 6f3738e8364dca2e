"""Ranges of tensors over a sample, and their cache."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from edgefg.bundle.bundle import Bundle
from edgefg.calibration.ranges import cache_folder, cached_ranges, measure_ranges
from edgefg.errors import DataError


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEFG_CACHE", str(tmp_path / "cache"))


def feeds(*levels: int) -> list[dict[str, np.ndarray]]:
    none = np.zeros((1, 3, 12, 16), np.float32)
    return [{"frame": np.full((1, 48, 64, 3), level, np.uint8), "background_features": none} for level in levels]


def test_ranges_hold_all_runs(tiny_bundle: Bundle) -> None:
    model = tiny_bundle.variants[0].stage1.read_bytes()
    found = measure_ranges(model, ["floats", "features"], feeds(51, 255, 102))
    assert found["floats"] == (51, 255)
    assert found["features"] == pytest.approx((0.2, 1.0))


def test_nothing_to_run_on_is_an_error(tiny_bundle: Bundle) -> None:
    with pytest.raises(DataError, match="expected finite values"):
        measure_ranges(tiny_bundle.variants[0].stage1.read_bytes(), ["floats"], [])


def test_a_network_that_overflows_is_an_error(tiny_bundle: Bundle) -> None:
    model = tiny_bundle.variants[0].stage1.read_bytes()
    bad = {**feeds(1)[0], "background_features": np.full((1, 3, 12, 16), np.nan, np.float32)}
    with pytest.raises(DataError, match="distance"):
        measure_ranges(model, ["distance"], [bad])


@pytest.mark.parametrize("bad_first", [True, False])
def test_one_bad_pair_among_good_ones_is_an_error(tiny_bundle: Bundle, bad_first: bool) -> None:
    model = tiny_bundle.variants[0].stage1.read_bytes()
    (good,) = feeds(1)
    bad = {**good, "background_features": np.full((1, 3, 12, 16), np.nan, np.float32)}
    with pytest.raises(DataError, match="distance"):
        measure_ranges(model, ["distance"], [bad, good] if bad_first else [good, bad])


def test_the_second_time_nothing_is_measured() -> None:
    calls = []

    def measure() -> dict[str, tuple[float, float]]:
        calls.append(1)
        return {"a": (0.0, 1.5)}

    assert cached_ranges(("digest", b"network"), measure) == cached_ranges(("digest", b"network"), measure)
    assert len(calls) == 1
    cached_ranges(("digest", b"another network"), measure)
    cached_ranges(("another digest", b"network"), measure)
    assert len(calls) == 3


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"a": 1}', '{"a": [0]}', '{"a": [0, NaN]}', '{"a": "bc"}'])
def test_a_damaged_cache_is_measured_anew(content: str) -> None:
    cached_ranges(("key",), lambda: {"a": (0.0, 1.0)})
    (file,) = cache_folder().iterdir()
    file.write_text(content)
    assert cached_ranges(("key",), lambda: {"a": (0.0, 2.0)}) == {"a": (0.0, 2.0)}
    assert json.loads(file.read_text()) == {"a": [0.0, 2.0]}


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGEFG_CACHE", str(tmp_path / "file"))
    assert cached_ranges(("key",), lambda: {"a": (0.0, 1.0)}) == {"a": (0.0, 1.0)}
