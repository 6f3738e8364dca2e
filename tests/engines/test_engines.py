"""The inference engines, on networks whose results can be told beforehand."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgefg.bundle.bundle import Bundle, open_bundle, write_bundle
from edgefg.engines.open import import_backend, open_engine
from edgefg.engines.protocol import Comparison, Engine
from edgefg.errors import BundleError, ClosedError, EngineError, MissingDependencyError, OptionError

from ..gpu_run import runs_rtx
from ..support import fake_gpu, kernel_tensorrt

RANDOM = np.random.default_rng(3)


def random_frame() -> np.ndarray:
    return RANDOM.integers(0, 256, (48, 64, 3), dtype=np.uint8)


def pooled(frame: np.ndarray) -> np.ndarray:
    """The tiny bundle's features, by numpy: (12, 16, 3)."""
    blocks: np.ndarray = frame.reshape(12, 4, 16, 4, 3).mean(axis=(1, 3))
    return blocks / 255


CPU_ENGINES = ("openvino", "onnxruntime")


@pytest.fixture(
    params=[
        *(pytest.param((name, slots), id=f"{name}-{slots}") for name in CPU_ENGINES for slots in (1, 3)),
        *(pytest.param(("fake tensorrt", slots), id=f"fake-tensorrt-{slots}") for slots in (1, 3)),
        pytest.param(("tensorrt-rtx", 3), id="tensorrt-rtx-3", marks=pytest.mark.gpu),
        pytest.param(("kernels", 3), id="kernels-3", marks=pytest.mark.gpu),
    ]
)
def engine(request: pytest.FixtureRequest, tiny_bundle: Bundle, tmp_path: Path) -> Any:
    name, slots = request.param
    bundle = tiny_bundle
    if name == "fake tensorrt":
        fake_gpu.install(request.getfixturevalue("monkeypatch"))
        name, bundle = "tensorrt", fake_gpu.write_plans(tiny_bundle, tmp_path / "plans")
    elif name == "kernels":
        kernel_tensorrt.install(request.getfixturevalue("monkeypatch"))
        name, bundle = "tensorrt", kernel_tensorrt.write_kernel_plans(tiny_bundle, tmp_path / "plans")
    elif name == "tensorrt-rtx":
        bundle = compile_for_rtx(tiny_bundle, tmp_path / "plans")
    else:
        pytest.importorskip(name)
    opened = open_engine(bundle, name, threads=1, slots=slots)
    yield opened
    opened.close()


def compile_for_rtx(bundle: Bundle, folder: Path, max_batch: int = 1) -> Bundle:
    """Compiles a bundle for the GPU of this machine, and skips the test where TensorRT for RTX is not made for that."""
    pytest.importorskip("tensorrt_rtx")
    from edgefg.build.tensorrt.builder import CompileOptions
    from edgefg.build.tensorrt.compile import CompileRequest, compile_bundle

    onnx = bundle.manifest["variants"][0] | {"engines": ["tensorrt-rtx"]}
    files = {path.name: path for path in (bundle.variants[0].stage1, bundle.variants[0].stage2)}
    portable = write_bundle(
        folder,
        files=files | {name: bundle.path / name for name in bundle.manifest["files"]},
        manifest={**bundle.manifest, "variants": [onnx]},
    )
    request = CompileRequest("tensorrt-rtx", folder, options=CompileOptions(max_batch=max_batch))
    compiled = compile_bundle(portable, request)
    from edgefg.engines.trt.cuda import Gpu

    capability = Gpu().compute_capability
    if not runs_rtx({"compute_capability": capability}):
        try:
            open_engine(compiled, "tensorrt-rtx").close()
        except EngineError as error:
            pytest.skip(f"TensorRT for RTX is not made for compute capability {capability}: {error}")
    return compiled


@pytest.fixture
def hide(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes libraries look as if they were not installed."""

    def hide(*names: str) -> None:
        for name in names:
            monkeypatch.setitem(sys.modules, name, None)
            monkeypatch.delitem(sys.modules, f"edgefg.engines.{name}", raising=False)

    return hide


def test_distance_is_that_of_the_features(engine: Engine) -> None:
    background, frame = random_frame(), random_frame()
    distance = engine.run(frame, engine.embed(background)).distance
    assert distance.dtype == np.float32
    assert distance.shape == (12, 16)
    np.testing.assert_allclose(
        distance, np.linalg.norm(pooled(frame) - pooled(background), axis=-1), rtol=1e-4, atol=1e-5
    )


def test_probability_follows_the_distance(engine: Engine) -> None:
    outcome = engine.run(random_frame(), engine.embed(np.zeros((48, 64, 3), np.uint8)))
    probability = outcome.probability
    assert probability is not None
    assert probability.dtype == np.uint8
    expected = np.clip(outcome.distance, 0, 1).repeat(4, axis=0).repeat(4, axis=1) * 255
    np.testing.assert_allclose(probability, expected, atol=0.51)


def test_the_engines_agree(tiny_bundle: Bundle) -> None:
    for name in CPU_ENGINES:
        pytest.importorskip(name)
    first, second = (open_engine(tiny_bundle, name, threads=1) for name in CPU_ENGINES)
    for _ in range(5):
        background, frame = random_frame(), random_frame()
        ours, theirs = (engine.run(frame, engine.embed(background)) for engine in (first, second))
        np.testing.assert_allclose(ours.distance, theirs.distance, rtol=1e-5, atol=1e-6)
        assert ours.probability is not None
        assert theirs.probability is not None
        np.testing.assert_allclose(ours.probability.astype(int), theirs.probability.astype(int), atol=1)
    first.close()
    second.close()


def test_what_was_returned_is_never_overwritten(engine: Engine) -> None:
    features = engine.embed(random_frame())
    outcome = engine.run(random_frame(), features)
    returned = (features, outcome.distance, outcome.probability)
    kept = [np.array(array) for array in returned]
    for _ in range(3):
        engine.embed(random_frame())
        engine.run(random_frame(), features)
    for array, before in zip(returned, kept, strict=True):
        np.testing.assert_array_equal(array, before)


def test_a_quiet_map_skips_stage_2(engine: Engine) -> None:
    background, frame = random_frame(), random_frame()
    features = engine.embed(background)
    still = engine.run(background, features, early_exit=lambda distance: bool(distance.max() < 0.1))
    moving = engine.run(frame, features, early_exit=lambda distance: bool(distance.max() < 0.1))
    assert (still.probability, still.stage2_ms) == (None, 0.0)
    assert moving.probability is not None


def test_a_batch_gives_what_its_frames_give_alone(engine: Engine) -> None:
    frames = [random_frame() for _ in range(3)]
    batch = [
        Comparison(frame, engine.embed(background)) for frame, background in zip(frames, frames[::-1], strict=True)
    ]
    for together, one in zip(engine.run_batch(batch), batch, strict=True):
        alone = engine.run(*one)
        np.testing.assert_array_equal(together.distance, alone.distance)
        np.testing.assert_array_equal(together.probability, alone.probability)


def test_frames_are_computed_one_at_a_time_unless_plans_take_more(engine: Engine) -> None:
    assert engine.max_batch == 1


def test_a_frame_may_be_read_only(engine: Engine) -> None:
    frame = random_frame()
    frame.setflags(write=False)
    assert engine.run(frame, engine.embed(frame)).distance.max() == 0


def test_several_threads_get_the_results_of_their_own_frames(engine: Engine) -> None:
    background = random_frame()
    features = engine.embed(background)
    wrong: list[str] = []

    def compare_many(seed: int) -> None:
        frames = np.random.default_rng(seed).integers(0, 256, (20, 48, 64, 3), dtype=np.uint8)
        for frame in frames:
            expected = np.linalg.norm(pooled(frame) - pooled(background), axis=-1)
            if not np.allclose(engine.run(frame, features).distance, expected, rtol=1e-4, atol=1e-5):
                wrong.append(f"seed {seed}")

    threads = [threading.Thread(target=compare_many, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_after_close_every_call_says_so(engine: Engine) -> None:
    frame = random_frame()
    features = engine.embed(frame)
    engine.close()
    engine.close()
    for call in (
        lambda: engine.embed(frame),
        lambda: engine.run(frame, features),
    ):
        with pytest.raises(ClosedError, match="closed"):
            call()


def test_a_frame_of_another_size_is_an_engine_error_in_one_line(engine: Engine) -> None:
    with pytest.raises(EngineError, match=r"cannot run .*\(?(48, ?64, ?3|stage1\.onnx)") as failure:
        engine.embed(np.zeros((24, 32, 3), np.uint8))
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("name", CPU_ENGINES)
def test_an_engine_says_its_name_and_version(name: str, tiny_bundle: Bundle) -> None:
    library = pytest.importorskip(name)
    engine = open_engine(tiny_bundle, name)
    assert engine.name == name
    assert library.__version__.startswith(engine.version)
    assert engine.version == import_backend(name).VERSION
    engine.close()


def test_auto_takes_openvino_first(tiny_bundle: Bundle) -> None:
    pytest.importorskip("openvino")
    engine = open_engine(tiny_bundle)
    assert engine.name == "openvino"
    engine.close()


def test_auto_goes_on_where_openvino_is_missing(tiny_bundle: Bundle, hide: Any) -> None:
    pytest.importorskip("onnxruntime")
    hide("openvino")
    engine = open_engine(tiny_bundle)
    assert engine.name == "onnxruntime"
    engine.close()


def test_auto_without_any_engine_names_each_with_its_remedy(tiny_bundle: Bundle, hide: Any) -> None:
    hide(*CPU_ENGINES)
    with pytest.raises(MissingDependencyError) as refusal:
        open_engine(tiny_bundle)
    assert "pip install openvino" in str(refusal.value)
    assert "pip install onnxruntime" in str(refusal.value)


@pytest.mark.parametrize("name", CPU_ENGINES)
def test_an_engine_asked_for_by_name_never_falls_back(name: str, tiny_bundle: Bundle, hide: Any) -> None:
    hide(name)
    with pytest.raises(MissingDependencyError, match=f"pip install {name}"):
        open_engine(tiny_bundle, name)


@pytest.mark.parametrize("name", ["", "OpenVINO", "tensorflow", "protocol", "../bundle"])
def test_an_unknown_engine_is_refused_with_the_known_ones(name: str, tiny_bundle: Bundle) -> None:
    with pytest.raises(OptionError, match="openvino, onnxruntime"):
        open_engine(tiny_bundle, name)


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2"])
def test_a_thread_count_that_makes_no_sense_is_refused(threads: Any, tiny_bundle: Bundle) -> None:
    with pytest.raises(OptionError, match="threads"):
        open_engine(tiny_bundle, threads=threads)


def test_openvino_computes_a_bundle_of_precision_fp32_in_fp32(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Left alone, it computes in bfloat16 on a CPU that can, without a word.
    openvino = pytest.importorskip("openvino")
    configs = []

    class Core(openvino.Core):  # type: ignore[misc,name-defined]
        def compile_model(self, model: Any, device: str, config: dict[str, str]) -> Any:
            configs.append(config)
            return super().compile_model(model, device, config)

    monkeypatch.setattr(openvino, "Core", Core)
    open_engine(tiny_bundle, "openvino", threads=2).close()
    assert len(configs) == 2
    for config in configs:
        assert config["INFERENCE_PRECISION_HINT"] == "f32"
        assert config["INFERENCE_NUM_THREADS"] == "2"


@pytest.mark.parametrize("name", CPU_ENGINES)
@pytest.mark.parametrize("content", [b"\x00", b"not a network", b"\x08\x08" * 50], ids=["zero", "text", "varints"])
def test_a_network_that_is_none_is_an_engine_error_in_one_line(
    name: str, content: bytes, tiny_bundle: Bundle, tmp_path: Any
) -> None:
    pytest.importorskip(name)
    files: dict[str, Any] = {"stage1.onnx": content, "stage2.onnx": tiny_bundle.variants[0].stage2}
    bundle = write_bundle(tmp_path / "bad", files=files, manifest=tiny_bundle.manifest)
    with pytest.raises(EngineError, match=r"stage1\.onnx") as failure:
        open_engine(bundle, name)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("name", CPU_ENGINES)
@pytest.mark.parametrize(
    ("section", "field", "value"),
    [("network", "feature_channels", 4), ("input_size", "width", 68), ("input_size", "height", 64)],
)
def test_networks_of_another_shape_than_the_manifest_says_are_refused(
    name: str, section: str, field: str, value: int, bundle_copy: Bundle
) -> None:
    pytest.importorskip(name)
    manifest = bundle_copy.manifest
    manifest[section][field] = value
    (bundle_copy.path / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(BundleError, match=r"stage1\.onnx: expected input .*as the manifest says"):
        open_engine(open_bundle(bundle_copy.path), name)


@pytest.mark.parametrize("name", CPU_ENGINES)
def test_swapped_stages_are_refused(name: str, tiny_bundle: Bundle, tmp_path: Any) -> None:
    pytest.importorskip(name)
    files = {"stage1.onnx": tiny_bundle.variants[0].stage2, "stage2.onnx": tiny_bundle.variants[0].stage1}
    bundle = write_bundle(tmp_path / "swapped", files=files, manifest=tiny_bundle.manifest)
    with pytest.raises(BundleError, match="expected a network from background_features, frame to distance, features"):
        open_engine(bundle, name)


def test_opening_openvino_reports_nothing_over_the_network() -> None:
    pytest.importorskip("openvino")
    code = "import sys, edgefg.engines.openvino; print([name for name in sys.modules if name == 'openvino_telemetry'])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "[]\n"


def test_first_calls_from_many_threads_do_not_wait_for_each_other() -> None:
    """In OpenVINO itself they do, for ever, unless a table of its own was filled before."""
    code = (
        "import sys, threading\n"
        "import edgefg.engines.openvino\n"
        "import openvino\n"
        "sys.setswitchinterval(1e-6)\n"
        "ready = threading.Barrier(8)\n"
        "def first_call():\n"
        "    ready.wait()\n"
        "    openvino.Type.u8.to_dtype()\n"
        "threads = [threading.Thread(target=first_call, daemon=True) for _ in range(8)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
    )
    pytest.importorskip("openvino")
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
