"""The gate: what a candidate loses and gains against FP32, and what is refused."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("torch")
pytest.importorskip("openvino")
pytest.importorskip("onnxruntime")

from edgefg.build.acceptance import comparison as gate
from edgefg.build.acceptance.comparison import Comparison, compare
from edgefg.build.acceptance.frames import ComparisonScene
from edgefg.build.acceptance.verdict import Limits, judge, refusal
from edgefg.build.quantization.variants import Candidate
from edgefg.bundle.bundle import Bundle
from edgefg.datasets.labels import MOVING, STATIC

CPU = ("openvino", "onnxruntime")


@pytest.fixture
def fp32(tiny_bundle: Bundle) -> Candidate:
    variant = tiny_bundle.variants[0]
    return Candidate("fp32", CPU, variant.stage1.read_bytes(), variant.stage2.read_bytes())


@pytest.fixture
def scenes(make_scene: Any) -> list[ComparisonScene]:
    """Two scenes of five frames: the second knows where its box is."""

    def scene(name: str, *, labelled: bool) -> ComparisonScene:
        def frames() -> Iterator[tuple[str, np.ndarray, np.ndarray | None]]:
            for index in range(5):
                box = (8 * index, 16, 16, 16)
                truth = np.full((48, 64), STATIC, np.uint8)
                truth[16:32, 8 * index : 8 * index + 16] = MOVING
                yield f"{index}.png", make_scene(boxes=(box,)), truth if labelled else None

        return ComparisonScene(name, name, False, make_scene(), frames, 5)

    return [scene("yard", labelled=False), scene("street", labelled=True)]


def changed(candidate: Candidate, stage: str, constant: str, value: float) -> Candidate:
    """A candidate of INT8, by name, with another constant in its graph."""
    model = onnx.load_from_string(getattr(candidate, stage))
    (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == constant)
    tensor.CopyFrom(onnx.numpy_helper.from_array(np.float32(value), constant))
    return replace(candidate, precision="int8", **{stage: model.SerializeToString()})


def run(
    candidate: Candidate, fp32: Candidate, scenes: list[ComparisonScene], bundle: Bundle, engine: str = "openvino"
) -> Comparison:
    return compare(candidate, fp32, engine, scenes, bundle.manifest, lambda what, done, total: None)


def test_the_same_networks_lose_nothing(fp32: Candidate, scenes: list[ComparisonScene], tiny_bundle: Bundle) -> None:
    found = run(replace(fp32, precision="int8"), fp32, scenes, tiny_bundle)
    assert (found.frames, found.iou, found.f_drop, found.failure) == (10, 1.0, 0.0, None)
    assert found.f == 1.0
    assert found.labelled
    assert found.engine.startswith("openvino 20")
    assert all(ms > 0 for ms in (*found.stage_ms, *found.stage_ms_fp32))


def test_other_masks_cost_f(fp32: Candidate, scenes: list[ComparisonScene], tiny_bundle: Bundle) -> None:
    # Distances a quarter as large: half of the box stays under the threshold at its edges, then all of it.
    found = run(changed(fp32, "stage1", "full", 2550.0), fp32, scenes, tiny_bundle)
    assert found.f == 0
    assert found.iou == 0
    assert found.f_drop == 1
    assert found.worst[0].badness == 1
    assert len(found.worst) == gate.WORST_PAIRS


def test_a_network_that_overflows_is_a_failure(
    fp32: Candidate, scenes: list[ComparisonScene], tiny_bundle: Bundle
) -> None:
    found = run(changed(fp32, "stage1", "full", math.nan), fp32, scenes, tiny_bundle)
    assert found.failure is not None
    assert "not finite" in found.failure
    reason = refusal(found, 0.01, must_be_faster=False)
    assert reason is not None
    assert "does not run" in reason


@pytest.fixture
def good(fp32: Candidate, scenes: list[ComparisonScene], tiny_bundle: Bundle) -> Comparison:
    return replace(
        run(replace(fp32, precision="int8"), fp32, scenes, tiny_bundle), stage_ms=(5, 5), stage_ms_fp32=(12, 8)
    )


def test_faster_and_as_good_passes(good: Comparison) -> None:
    assert refusal(good, 0.01, must_be_faster=True) is None
    assert good.speedup == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"f": 0.98}, r"loses 0\.0200 of F-measure against fp32 \(0\.9800 against 1\.0000 on 10 frames"),
        ({"f": math.nan}, "loses nan"),
        ({"f_fp32": math.nan}, "fp32 finds nothing in the 10 frames"),
        ({"stage_ms": (12.0, 8.0)}, r"not faster than fp32: 20\.00 ms against 20\.00 ms"),
        ({"stage_ms": (30.0, 8.0)}, "not faster"),
        ({"failure": "it broke"}, "does not run: it broke"),
    ],
)
def test_what_is_refused(change: dict[str, Any], words: str, good: Comparison) -> None:
    import re

    reason = refusal(replace(good, **change), 0.01, must_be_faster=True)
    assert reason is not None
    assert re.search(words, reason)


def test_slow_is_let_through_where_speed_does_not_count(good: Comparison) -> None:
    assert refusal(replace(good, stage_ms=(30.0, 8.0)), 0.01, must_be_faster=False) is None


def test_an_engine_that_fails_is_left_out_and_the_other_stays(fp32: Candidate, good: Comparison) -> None:
    answers = {"openvino": replace(good, f=0.5), "onnxruntime": good}
    verdict = judge(replace(fp32, precision="int8"), CPU, Limits(), lambda _, engine: answers[engine])
    assert verdict.accepted
    assert verdict.engines == ("onnxruntime",)
    assert "int8.cpu on openvino: refused: it loses 0.5000" in verdict.sentences()[0]
    assert "2.00 times as fast" in verdict.sentences()[1]


def test_a_graph_for_tensorrt_is_simulated_and_its_speed_says_nothing(fp32: Candidate, good: Comparison) -> None:
    candidate = replace(fp32, precision="int8", engines=("tensorrt",))
    slow = replace(good, stage_ms=(30.0, 8.0))
    verdict = judge(candidate, ("onnxruntime",), Limits(), lambda _, engine: slow)
    assert verdict.accepted
    assert verdict.engines == ("tensorrt",)
    assert verdict.measured()["simulated"] is True
    wrong = judge(candidate, ("onnxruntime",), Limits(), lambda _, engine: replace(good, f=0.5))
    assert not wrong.accepted
