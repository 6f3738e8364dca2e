"""`edgefg build`: INT8 that is slow or wrong does not get into a bundle unasked."""

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")

from edgefg.build.acceptance import selection as choose
from edgefg.build.acceptance.comparison import Comparison, compare
from edgefg.build.build_bundle import build_bundle
from edgefg.build.quantization import sensitivity
from edgefg.build.quantization import variants as candidates
from edgefg.build.quantization.variants import Calibration
from edgefg.calibration.ranges import measure_ranges
from edgefg.engines.onnxruntime import OnnxRuntimeStage
from edgefg.engines.openvino import OpenVinoStage
from edgefg.errors import GateError

from ..support.build_rig import data as data
from ..support.build_rig import narrow_size as narrow_size
from ..support.build_rig import no_picture as no_picture
from ..support.build_rig import options
from ..support.build_rig import own_cache as own_cache

SLOW_S = 0.1


def slowed(run: Any) -> Any:
    """A stage that takes its time when it is one of INT8."""

    def run_slowly(stage: Any, *arguments: Any, **inputs: Any) -> Any:
        if "int8" in stage._doing:
            time.sleep(SLOW_S)
        return run(stage, *arguments, **inputs)

    return run_slowly


class TestGate:
    """Where it matters INT8 really is slow or wrong here; where only the consequences count, figures are altered."""

    @pytest.fixture
    def altered(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        def alter(**changes: Any) -> None:
            def measured(*arguments: Any) -> Comparison:
                return replace(compare(*arguments), **changes)

            monkeypatch.setattr(choose, "compare", measured)
            monkeypatch.setattr(choose, "most_sensitive_first", lambda *_: [])

        return alter

    def test_auto_refuses_a_slow_int8(self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for stage in (OnnxRuntimeStage, OpenVinoStage):
            monkeypatch.setattr(stage, "run", slowed(stage.run))
        said: list[str] = []
        bundle = build_bundle(options(tmp_path, data, max_f_drop=1.0), said.append)
        assert [variant.precision for variant in bundle.variants] == ["fp32"]
        for engine in ("openvino", "onnxruntime"):
            told = rf"int8\.cpu on {engine}: refused: it is not faster than fp32: (\S+) ms against (\S+) ms a frame"
            (found,) = (match for line in said if (match := re.fullmatch(told, line)))
            assert float(found[1]) >= 2 * SLOW_S * 1e3 > float(found[2])

    @pytest.mark.soak  # It quantises each layer alone.
    def test_auto_refuses_a_wrong_int8_after_trying_to_repair_it(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def far_too_narrow(*arguments: Any) -> Any:
            return {name: (low / 1000, high / 1000) for name, (low, high) in measure_ranges(*arguments).items()}

        monkeypatch.setattr(candidates, "measure_ranges", far_too_narrow)
        monkeypatch.setattr(sensitivity, "PAIRS", 2)
        said: list[str] = []
        bundle = build_bundle(options(tmp_path, data), said.append)
        assert [variant.precision for variant in bundle.variants] == ["fp32"]
        assert any("looking for layers to leave in higher precision" in line for line in said)
        for engine in ("openvino", "onnxruntime"):
            told = rf"int8\.cpu on {engine}: \d+ of \d+ convolutions in higher precision: refused: it loses (\S+) of F-"
            (found,) = (match for line in said if (match := re.match(told, line)))
            assert float(found[1]) > 0.01

    def test_no_layer_is_to_blame_where_fp32_finds_nothing(self, data: Path, tmp_path: Path, altered: Any) -> None:
        altered(f=float("nan"), f_fp32=float("nan"))
        said: list[str] = []
        build_bundle(options(tmp_path, data), said.append)
        assert any("refused: fp32 finds nothing" in line for line in said)
        assert not any("looking for layers" in line for line in said)

    def test_a_wrong_int8_that_was_asked_for_fails_the_build(self, data: Path, tmp_path: Path, altered: Any) -> None:
        altered(f=0.5, f_fp32=0.9)
        with pytest.raises(GateError, match=r"loses 0\.4000"):
            build_bundle(options(tmp_path, data, precision="int8"))
        assert not (tmp_path / "bundle").exists()

    def test_a_slow_int8_that_was_asked_for_is_built(self, data: Path, tmp_path: Path, altered: Any) -> None:
        altered(stage_ms=(20.0, 20.0), stage_ms_fp32=(10.0, 10.0), f=1.0, f_fp32=1.0)
        assert build_bundle(options(tmp_path, data, precision="int8")).variants[0].precision == "int8"

    def test_layers_are_left_in_higher_precision_until_it_passes(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def measured(candidate: Any, *rest: Any) -> Comparison:
            kept = sum(map(len, candidate.in_floating_point.values()))
            return replace(compare(candidate, *rest), f=0.9 if kept >= 2 else 0.5, f_fp32=0.9)

        def first_four(fp32: Any, calibration: Calibration, progress: Any) -> list[tuple[str, str]]:
            return [("stage1", name) for name in calibration.stage1][:4]

        monkeypatch.setattr(choose, "compare", measured)
        monkeypatch.setattr(choose, "most_sensitive_first", first_four)
        bundle = build_bundle(options(tmp_path, data, precision="int8"))
        kept = bundle.variants[0].measured["in_floating_point"]
        assert sum(map(len, kept.values())) == 2
