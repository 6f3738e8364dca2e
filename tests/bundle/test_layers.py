"""What `edgefg inspect` says of a bundle, and of one whose layers.json is damaged."""

import copy
import io
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from edgefg.bundle.bundle import Bundle, open_bundle, write_bundle
from edgefg.bundle.layers import LAYERS, Inspection, inspect_bundle, read_layers, variant_label
from edgefg.errors import BundleError, MissingFileError, OptionError

BundleMaker = Callable[..., Bundle]

STAGE: dict[str, Any] = {
    "inputs": [
        {"name": "frame", "dtype": "uint8", "shape": ["N", 48, 64, 3]},
        {"name": "distance", "dtype": "float32", "shape": ["N", 12, 16]},
    ],
    "outputs": [{"name": "probability", "dtype": "uint8", "shape": ["N", 48, 64]}],
    "layers": [
        {
            "name": "encoder.0",
            "op": "Conv",
            "precision": "int8",
            "kernel": [3, 3],
            "stride": [2, 2],
            "channels_in": 3,
            "channels_out": 16,
            "output_height": 24,
            "output_width": 32,
            "multiply_adds": 331776,
            "weight_bytes": 576,
            "output_bytes": 12288,
        },
        {
            "name": "up.0",
            "op": "ConvTranspose",
            "precision": "fp16",
            "kernel": [2, 4],
            "stride": [1, 2],
            "channels_in": 16,
            "channels_out": 1,
            "output_height": 24,
            "output_width": 64,
            "multiply_adds": 24576,
            "weight_bytes": 130,
            "output_bytes": 3072,
        },
    ],
    "others": {"Relu": 2},
    "q_dq_pairs": 1,
    "totals": {"multiply_adds": 356352, "weight_bytes": 706, "port_bytes": 13056, "output_bytes": 15360},
}
COMPARISON = {"engine": "openvino 2026.4", "iou": 0.98712, "f_drop": 0.00123, "speedup": {"together": 2.1834}}


def variant(label: str, **others: Any) -> dict[str, Any]:
    suffix = others.get("format", "onnx")
    return {
        "precision": label[:4],
        "format": "onnx",
        "engines": ["openvino", "onnxruntime"],
        "stages": {stage: {"file": f"{stage}.{label}.{suffix}"} for stage in ("stage1", "stage2")},
        "requires": {},
        "measured": {},
        **others,
    }


@pytest.fixture
def make_bundle(tiny_bundle: Bundle, tmp_path: Path) -> BundleMaker:
    """Writes a bundle with variants, the preferred one first, and a layers.json where there shall be one."""

    def make(*variants: dict[str, Any], layers: Any = None) -> Bundle:
        variants = variants or (variant("int8.cpu"), variant("fp32"))
        names = [stage["file"] for entry in variants for stage in entry["stages"].values()]
        files = {name: name.encode() for name in names}
        if layers is not None:
            files[LAYERS] = layers if isinstance(layers, bytes) else json.dumps(layers).encode()
        return write_bundle(tmp_path / "made", files=files, manifest={**tiny_bundle.manifest, "variants": variants})

    return make


def both(stage: Any = STAGE) -> dict[str, Any]:
    return {"stage1": stage, "stage2": copy.deepcopy(STAGE)}


class TestInspection:
    def test_the_bundle(self, tiny_bundle: Bundle) -> None:
        inspection = inspect_bundle(tiny_bundle.path)
        assert (inspection.name, inspection.input_size, inspection.decision) == ("tiny", (64, 48), tiny_bundle.decision)
        assert inspection.versions == {"edgefg": "0.1.0"}
        assert [form.label for form in inspection.variants] == ["fp32"]
        assert inspection.variants[0].file_bytes["stage2"] == (tiny_bundle.path / "stage2.onnx").stat().st_size

    def test_the_shipped_bundle(self) -> None:
        assert inspect_bundle().shown == variant_label(open_bundle().variants[0])

    def test_the_preferred_variant_is_shown(self, make_bundle: BundleMaker) -> None:
        cpu = copy.deepcopy(STAGE)
        cpu["q_dq_pairs"] = 7
        inspection = inspect_bundle(make_bundle(layers={"fp32": both(), "int8.cpu": both(cpu)}).path)
        assert [form.label for form in inspection.variants] == ["int8.cpu", "fp32"]
        assert inspection.shown == "int8.cpu"
        assert inspection.stages is not None
        assert inspection.stages["stage1"].q_dq_pairs == 7

    def test_another_variant_is_shown_where_it_is_asked_for(self, make_bundle: BundleMaker) -> None:
        path = make_bundle(layers={"fp32": both()}).path
        assert inspect_bundle(path).stages is None
        assert inspect_bundle(path, "fp32").stages is not None

    def test_the_layers_are_those_in_the_file(self, make_bundle: BundleMaker) -> None:
        stages = read_layers(make_bundle(layers={"fp32": both()}))["fp32"]
        assert json.loads(json.dumps(asdict(stages["stage2"]))) == STAGE

    def test_a_bundle_without_layers(self, tiny_bundle: Bundle) -> None:
        assert read_layers(tiny_bundle) == {}
        assert inspect_bundle(tiny_bundle.path).stages is None

    def test_what_the_build_writes_can_be_read(self, tiny_bundle: Bundle, make_bundle: BundleMaker) -> None:
        pytest.importorskip("onnx")
        from edgefg.build.quantization.layers import layers_of

        form = tiny_bundle.variants[0]
        described = {"stage1": layers_of(form.stage1.read_bytes()), "stage2": layers_of(form.stage2.read_bytes())}
        stages = read_layers(make_bundle(layers={"fp32": described}))["fp32"]
        assert json.loads(json.dumps({name: asdict(stage) for name, stage in stages.items()})) == described

    def test_a_plan_is_called_after_its_precision_and_target(self, make_bundle: BundleMaker) -> None:
        plan = variant("int8.any", format="plan", engines=["tensorrt-rtx"], requires={"tensorrt": "10.3"})
        inspection = inspect_bundle(make_bundle(plan, layers={"int8.tensorrt-rtx.plan": both()}).path)
        assert inspection.shown == "int8.tensorrt-rtx.plan"
        assert inspection.stages is not None
        assert inspection.variants[0].requires == {"tensorrt": "10.3"}

    @pytest.mark.parametrize(
        ("precision", "target", "described_as"),
        [
            ("int8", "tensorrt", "int8.tensorrt"),
            ("int8", "tensorrt-rtx", "int8.tensorrt"),
            ("fp16", "tensorrt", "fp16"),
            ("fp32", "tensorrt", None),
        ],
    )
    def test_a_plan_has_the_layers_of_the_onnx_it_was_compiled_from(
        self, make_bundle: BundleMaker, precision: str, target: str, described_as: str | None
    ) -> None:
        plan = variant(f"{precision}.{target}", format="plan", engines=[target])
        layers = {label: both() for label in ("int8.cpu", "int8.tensorrt", "fp16")}
        inspection = inspect_bundle(make_bundle(plan, layers=layers).path)
        assert (inspection.shown, inspection.described_as) == (f"{precision}.{target}.plan", described_as)
        assert (inspection.stages is None) == (described_as is None)
        assert (f", compiled from {described_as}" in rendered(inspection)) == (
            described_as not in (None, inspection.shown)
        )

    def test_json_holds_all_of_it(self, make_bundle: BundleMaker) -> None:
        made = make_bundle(variant("int8.cpu", measured={"comparisons": [COMPARISON]}), layers={"int8.cpu": both()})
        shown = json.loads(json.dumps(inspect_bundle(made.path).to_json(), allow_nan=False))
        assert shown["stages"] == both()
        assert shown["input_size"] == {"width": 64, "height": 48}
        assert shown["decision"] == made.manifest["decision"]
        assert shown["path"] == str(made.path)
        assert shown["variants"][0]["measured"][0]["speedup"] == COMPARISON["speedup"]["together"]  # type: ignore[index]

    def test_json_without_layers(self, tiny_bundle: Bundle) -> None:
        assert json.loads(json.dumps(inspect_bundle(tiny_bundle.path).to_json()))["stages"] is None


class TestMeasured:
    def inspected(self, make_bundle: BundleMaker, measured: dict[str, Any]) -> Any:
        return inspect_bundle(make_bundle(variant("int8.cpu", measured=measured)).path).variants[0].measured

    def test_each_engine_has_an_entry(self, make_bundle: BundleMaker) -> None:
        failed = {"engine": "onnxruntime 1.32", "failure": "not finite"}
        first, second = self.inspected(make_bundle, {"comparisons": [COMPARISON, failed]})
        assert (first.engine, first.speedup, first.f_drop, first.iou) == ("openvino 2026.4", 2.1834, 0.00123, 0.98712)
        assert (first.failure, first.simulated) == (None, False)
        assert (second.failure, second.speedup) == ("not finite", None)

    def test_the_speed_of_a_simulation_is_left_out(self, make_bundle: BundleMaker) -> None:
        (entry,) = self.inspected(make_bundle, {"comparisons": [COMPARISON], "simulated": True})
        assert entry.simulated
        assert (entry.speedup, entry.iou) == (None, 0.98712)

    def test_a_plan_passes_on_what_was_measured_of_its_onnx(self, make_bundle: BundleMaker) -> None:
        onnx = {"comparisons": [{**COMPARISON, "engine": "onnxruntime 1.32"}], "simulated": False}
        own, passed_on = self.inspected(make_bundle, {"comparisons": [COMPARISON], "of_onnx": onnx})
        assert (own.engine, own.simulated, own.speedup) == ("openvino 2026.4", False, 2.1834)
        assert (passed_on.engine, passed_on.simulated, passed_on.speedup) == ("onnxruntime 1.32", True, None)

    @pytest.mark.parametrize("comparisons", [None, "fast", {}, 1, [None, 3, {}, {"engine": None}]])
    def test_what_is_no_comparison_is_left_out(self, make_bundle: BundleMaker, comparisons: Any) -> None:
        assert self.inspected(make_bundle, {"comparisons": comparisons}) == ()

    @pytest.mark.parametrize("figure", [None, "2", True, [], {"together": "fast"}, 10**400])
    def test_what_is_no_figure_is_left_out(self, make_bundle: BundleMaker, figure: Any) -> None:
        comparison = {"engine": "e", "speedup": figure, "f_drop": figure, "iou": figure, "failure": 3}
        (entry,) = self.inspected(make_bundle, {"comparisons": [comparison]})
        assert (entry.speedup, entry.f_drop, entry.iou, entry.failure) == (None, None, None, None)


class TestRefusals:
    def test_no_such_bundle(self, tmp_path: Path) -> None:
        with pytest.raises(MissingFileError):
            inspect_bundle(tmp_path / "none")

    def test_no_such_variant(self, make_bundle: BundleMaker) -> None:
        with pytest.raises(OptionError, match=r"variant='fp16': expected one of int8\.cpu, fp32"):
            inspect_bundle(make_bundle().path, "fp16")

    def test_an_altered_file(self, make_bundle: BundleMaker) -> None:
        path = make_bundle(layers={"fp32": both()}).path
        (path / LAYERS).write_text("{}")
        with pytest.raises(BundleError, match="was altered"):
            inspect_bundle(path)

    @pytest.mark.parametrize(
        "text",
        [b"", b"{", b"[]", b"null", b"3", b"\xff\xfe", b'{"fp32": NaN}', b"[" * 100_000, b'{"fp32": ' * 100_000],
        ids=["empty", "cut", "list", "null", "number", "no utf-8", "nan", "nested lists", "nested objects"],
    )
    def test_no_json_object(self, make_bundle: BundleMaker, text: bytes) -> None:
        refused(make_bundle(layers=text), "expected a JSON object")

    @pytest.mark.parametrize("stages", [None, [], "fp32", 1, {}, {"stage1": STAGE}, {"stage1": STAGE, "stage2": None}])
    def test_stages_that_are_none(self, make_bundle: BundleMaker, stages: Any) -> None:
        refused(make_bundle(layers={"fp32": both(), "other": stages}), r"layers\.json: expected other")

    @pytest.mark.parametrize("key", STAGE)
    @pytest.mark.parametrize(
        "value", [None, "many", -1, 1.5, True, [3], [[]], 10**400], ids=lambda value: str(value)[:9]
    )
    def test_a_wrong_field_of_a_stage(self, make_bundle: BundleMaker, key: str, value: Any) -> None:
        refused(make_bundle(layers={"fp32": both({**STAGE, key: value})}), rf"expected fp32\.stage1\.{key}")

    @pytest.mark.parametrize("key", STAGE)
    def test_a_missing_field_of_a_stage(self, make_bundle: BundleMaker, key: str) -> None:
        stage = {name: value for name, value in STAGE.items() if name != key}
        refused(make_bundle(layers={"fp32": both(stage)}), rf"expected fp32\.stage1\.{key}, found no such field")

    @pytest.mark.parametrize(
        ("where", "key"),
        [(where, key) for where in ("layers", "inputs", "outputs") for key in STAGE[where][0]]
        + [("totals", key) for key in STAGE["totals"]],
    )
    @pytest.mark.parametrize(
        "value", [None, {}, 1.5, [-1], ["N", None], -1, 10**400, ...], ids=lambda value: str(value)[:9]
    )
    def test_a_wrong_field_further_down(self, make_bundle: BundleMaker, where: str, key: str, value: Any) -> None:
        stage = copy.deepcopy(STAGE)
        entry = stage[where] if where == "totals" else stage[where][-1]
        if value is ...:
            del entry[key]
        else:
            entry[key] = value
        refused(make_bundle(layers={"fp32": both(stage)}), rf"expected fp32\.stage1\.{where}(\[\d\])?\.{key}")

    def test_a_precision_that_there_is_not(self, make_bundle: BundleMaker) -> None:
        stage = copy.deepcopy(STAGE)
        stage["layers"][1]["precision"] = "int4"
        refused(make_bundle(layers={"fp32": both(stage)}), r'layers\[1\]\.precision to be one of fp32, .* found "int4"')


def refused(bundle: Bundle, pattern: str) -> None:
    """Asserts that the bundle is refused in one line that says where, and what to do."""
    with pytest.raises(BundleError, match=pattern) as caught:
        inspect_bundle(bundle.path)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    assert message.startswith(f"{bundle.path / LAYERS}: ")
    assert message.endswith("edgefg build")


class TestTable:
    def test_it_names_the_bundle_and_its_variants(self, make_bundle: BundleMaker) -> None:
        text = rendered(inspect_bundle(make_bundle().path))
        for said in ("tiny, 64x48, at ", "decision: mode full", "edgefg 0.1.0", "int8.cpu", "openvino, onnxruntime"):
            assert said in text

    def test_it_shows_each_layer_and_the_sums(self, make_bundle: BundleMaker) -> None:
        text = rendered(inspect_bundle(make_bundle(layers={"int8.cpu": both()}).path))
        lines = [" ".join(line.split()) for line in text.splitlines()]
        assert [line for line in lines if line.startswith(("encoder.0", "up.0", "all 2"))] == 2 * [
            "encoder.0 int8 3x3 down 2 3>16 32x24 332 k 576 B 12.3 kB",
            "up.0 fp16 4x2 up 2x1 16>1 64x24 24.6 k 130 B 3.07 kB",
            "all 2 356 k 706 B 15.4 kB",
        ]
        assert "frame uint8 (N, 48, 64, 3), distance float32 (N, 12, 16)" in text
        assert "713 k operations, 13.1 kB in and out; layers: 1 int8, 1 fp16" in text
        assert "next to them: 2 Relu, 1 Q/DQ pairs" in text

    def test_it_says_how_to_get_the_layers(self, tiny_bundle: Bundle) -> None:
        text = rendered(inspect_bundle(tiny_bundle.path))
        assert "says nothing of the layers of fp32" in text
        assert "edgefg build" in text

    def test_it_says_what_was_measured_and_what_is_needed(self, make_bundle: BundleMaker) -> None:
        failed = {"engine": "onnxruntime 1.32", "failure": "not finite"}
        made = make_bundle(
            variant("int8.cpu", measured={"comparisons": [COMPARISON, failed, {"engine": "other"}]}),
            variant(
                "int8.x",
                format="plan",
                engines=["tensorrt"],
                requires={"tensorrt": "10.3", "gpus": ["[red]8.7"]},
                measured={"simulated": True, "comparisons": [COMPARISON]},
            ),
        )
        lines = rendered(inspect_bundle(made.path), width=200).splitlines()
        for line in (
            "int8.cpu on openvino 2026.4, against fp32: 2.18 times as fast, F drop 0.0012, IoU 0.9871",
            "int8.cpu on onnxruntime 1.32, against fp32: does not run: not finite",
            "int8.cpu on other, against fp32: no figures",
            'int8.tensorrt.plan needs tensorrt 10.3, gpus ["[red]8.7"]',
            "int8.tensorrt.plan simulated by openvino 2026.4, against fp32: F drop 0.0012, IoU 0.9871",
        ):
            assert line in lines

    def test_it_fits_80_columns(self, make_bundle: BundleMaker) -> None:
        stage = copy.deepcopy(STAGE)
        stage["layers"][0] |= {"name": "decoder.0.0.0", "channels_in": 1536, "channels_out": 512}
        stage["layers"][0] |= {"output_width": 1920, "output_height": 1080, "output_bytes": 10**18 - 1}
        lines = rendered(inspect_bundle(make_bundle(layers={"int8.cpu": both(stage)}).path)).splitlines()
        assert max(map(len, lines)) <= 80
        assert not any("…" in line for line in lines)

    def test_names_are_no_markup(self, make_bundle: BundleMaker) -> None:
        stage = copy.deepcopy(STAGE)
        stage["layers"][0]["name"] = "[red]x"
        assert "[red]x" in rendered(inspect_bundle(make_bundle(layers={"int8.cpu": both(stage)}).path))


def rendered(inspection: Inspection, width: int = 80) -> str:
    rich_console = pytest.importorskip("rich.console")
    table = pytest.importorskip("edgefg.cli.layers_table")
    text = io.StringIO()
    rich_console.Console(file=text, width=width).print(table.inspection_table(inspection))
    return text.getvalue()
