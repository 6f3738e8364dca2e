"""The C++ sample makes the masks that Python makes, and reports what is wrong with its input in one line."""

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import edgefg
from edgefg.bundle.bundle import Bundle, open_bundle
from edgefg.imaging.io import Image

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "examples" / "cpp"
JSON_HEADER = Path("/usr/include/nlohmann/json.hpp")
SHARED = ("main.cpp", "bundle.hpp", "engine.hpp", "image.hpp")


def openvino_folder() -> Path | None:
    """The folder of OpenVINO's wheel, found without importing it."""
    found = importlib.util.find_spec("openvino")
    return Path(found.submodule_search_locations[0]) if found and found.submodule_search_locations else None


OPENVINO = openvino_folder()


def missing() -> str:
    """The reason why the sample cannot be built here; empty if it can."""
    if not SAMPLE.is_dir():
        return "needs a checkout"
    if sys.platform != "linux":
        return "its build is tried on Linux alone"
    for program in ("cmake", "g++", "make"):
        if shutil.which(program) is None:
            return f"needs {program}"
    if not JSON_HEADER.is_file():
        return "needs Debian's package nlohmann-json3-dev"
    if OPENVINO is None or not (OPENVINO / "cmake" / "OpenVINOConfig.cmake").is_file():
        return "needs OpenVINO's wheel with its CMake package"
    return ""


pytestmark = [
    pytest.mark.skipif(bool(missing()), reason=missing() or "all is there"),
    pytest.mark.timeout(240),  # Two builds, perhaps on a busy machine.
]


def call(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample with OpenVINO, built as the documents say."""
    assert OPENVINO is not None
    out = tmp_path_factory.mktemp("cpp")
    configured = call("cmake", "-S", SAMPLE, "-B", out, f"-DCMAKE_PREFIX_PATH={OPENVINO.parent}")
    assert configured.returncode == 0, configured.stderr
    built = call("cmake", "--build", out, "--parallel", 2)
    assert (built.returncode, built.stderr) == (0, ""), built.stderr  # No warning either.
    return out / "segment"


@pytest.fixture(scope="module")
def segment_with_plans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample with TensorRT, built with a stand-in for TensorRT that takes an ONNX file for a plan."""
    assert OPENVINO is not None
    program = tmp_path_factory.mktemp("cpp") / "segment"
    sources = [SAMPLE / "main.cpp", SAMPLE / "tensorrt_engine.cpp"]
    stand_in = ["-I", ROOT / "tests" / "support" / "host_tensorrt", "-isystem", OPENVINO / "include"]
    (library,) = (OPENVINO / "libs").glob("libopenvino.so.*")
    built = call(
        *("g++", "-std=c++17", "-Wall", "-Wextra", *stand_in, *sources, "-o", program),
        *(library, f"-Wl,-rpath,{library.parent}"),
    )
    assert (built.returncode, built.stderr) == (0, "")
    return program


def a_scene(bundle: Bundle, count: int) -> tuple[Image, list[Image]]:
    """A textured background and frames with noise, in which two boxes move over it."""
    width, height = bundle.input_size
    random = np.random.default_rng(7)
    coarse = random.integers(40, 200, (height // 16, width // 16, 3)).astype(np.uint8)
    background = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    frames = []
    for step in range(count):
        frame = background.astype(np.int16)
        for row, speed, color in ((height // 8, 1, (20, 30, 210)), (height // 2, 2, (240, 235, 225))):
            left = speed * step * width // (3 * count)
            frame[row : row + height // 3, left : left + width // 6] = color
        frame += random.normal(0, 3, frame.shape).round().astype(np.int16)
        frames.append(frame.clip(0, 255).astype(np.uint8))
    return background, frames


def masks_in_cpp(program: Path, bundle: Path, precision: str, background: Image, frames: list[Image]) -> list[Image]:
    folder = program.parent / f"{bundle.name}-{precision}"
    folder.mkdir()
    files = [folder / "background.ppm", *(folder / f"{number:04d}.ppm" for number in range(len(frames)))]
    for file, image in zip(files, [background, *frames], strict=True):
        assert cv2.imwrite(str(file), image)
    ended = call(program, bundle, precision, folder / "masks", *files)
    assert (ended.returncode, ended.stderr) == (0, "")
    written = sorted((folder / "masks").iterdir())
    assert [file.name for file in written] == [f"{number:04d}.pgm" for number in range(len(frames))]
    assert [line.split(": ")[0] for line in ended.stdout.splitlines()] == [str(file) for file in written]
    return [cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in written]


def masks_in_python(bundle: Bundle, precision: str, background: Image, frames: list[Image]) -> list[Image]:
    chosen = edgefg.InferenceOptions(precision=precision, engine="openvino", mode="full", skip_below=None)
    with edgefg.Segmenter(bundle.path, options=chosen, policy="fixed", background=background) as segmenter:
        return [segmenter.segment(frame).mask for frame in frames]


def assert_the_same(masks: list[Image], expected: list[Image]) -> None:
    for mask, other in zip(masks, expected, strict=True):
        assert 0.01 < np.mean(other == 255) < 0.5  # Neither empty nor full, or all masks were the same.
        np.testing.assert_array_equal(mask, other)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_masks_are_those_of_python(segment: Path, precision: str) -> None:
    bundle = open_bundle()
    scene = a_scene(bundle, 20)
    masks = masks_in_cpp(segment, bundle.path, precision, *scene)
    assert_the_same(masks, masks_in_python(bundle, precision, *scene))


def test_a_bundle_without_context_runs_too(segment: Path, tiny_bundle: Bundle) -> None:
    scene = a_scene(tiny_bundle, 5)
    masks = masks_in_cpp(segment, tiny_bundle.path, "fp32", *scene)
    assert_the_same(masks, masks_in_python(tiny_bundle, "fp32", *scene))


def test_the_engine_of_tensorrt_hands_on_the_same(segment_with_plans: Path, tmp_path: Path) -> None:
    """Not a GPU: names, shapes, copies and the order of the calls."""
    bundle = open_bundle()
    scene = a_scene(bundle, 3)
    compiled = Path(shutil.copytree(bundle.path, tmp_path / "compiled"))
    edit_manifest(compiled, as_plans)
    masks = masks_in_cpp(segment_with_plans, compiled, "fp32", *scene)
    assert_the_same(masks, masks_in_python(bundle, "fp32", *scene))


def as_plans(manifest: dict[str, object]) -> None:
    variants = manifest["variants"]
    assert isinstance(variants, list)
    manifest["variants"] = [{**one, "format": "plan"} for one in variants if "tensorrt" in one["engines"]]


def edit_manifest(bundle: Path, edit: Callable[[dict[str, object]], None]) -> None:
    file = bundle / "manifest.json"
    manifest = json.loads(file.read_text("utf-8"))
    edit(manifest)
    file.write_text(json.dumps(manifest), "utf-8")


class TestOneLineOnStderr:
    """The bundle is small: 64x48 pixels."""

    @pytest.fixture
    def background(self, tmp_path: Path) -> Path:
        file = tmp_path / "background.ppm"
        cv2.imwrite(str(file), np.zeros((48, 64, 3), np.uint8))
        return file

    @pytest.fixture
    def refused(self, segment: Path, tmp_path: Path) -> Callable[..., str]:
        def run(bundle: Path, background: Path, *frames: Path, precision: str = "fp32") -> str:
            ended = call(segment, bundle, precision, tmp_path / "masks", background, *frames)
            assert (ended.returncode, ended.stdout) == (2, "")
            (line,) = ended.stderr.splitlines()
            return line

        return run

    def test_no_bundle(self, refused: Callable[..., str], background: Path, tmp_path: Path) -> None:
        line = refused(tmp_path / "none", background, background)
        assert line == f"segment: {tmp_path}/none/manifest.json: expected the manifest of a bundle, found none"

    def test_no_json(self, refused: Callable[..., str], background: Path, bundle_copy: Bundle) -> None:
        (bundle_copy.path / "manifest.json").write_text("{")
        assert "manifest.json: [json.exception.parse_error" in refused(bundle_copy.path, background, background)

    def test_another_schema(self, refused: Callable[..., str], background: Path, bundle_copy: Bundle) -> None:
        edit_manifest(bundle_copy.path, lambda manifest: manifest.update(schema=2))
        assert "expected schema 3" in refused(bundle_copy.path, background, background)

    def test_no_such_precision(self, refused: Callable[..., str], background: Path, tiny_bundle: Bundle) -> None:
        line = refused(tiny_bundle.path, background, background, precision="int8")
        assert line.endswith("expected networks of int8 for openvino, found none")

    def test_no_network(self, refused: Callable[..., str], background: Path, bundle_copy: Bundle) -> None:
        """OpenVINO's own message has several lines."""
        bundle_copy.variants[0].stage1.unlink()
        assert "stage1.onnx" in refused(bundle_copy.path, background, background)

    def test_a_frame_of_another_size(
        self, refused: Callable[..., str], background: Path, tiny_bundle: Bundle, tmp_path: Path
    ) -> None:
        large = tmp_path / "large.ppm"
        cv2.imwrite(str(large), np.zeros((96, 128, 3), np.uint8))
        line = refused(tiny_bundle.path, background, large)
        assert line == f"segment: {large}: expected 64x48 pixels, found 128x96 pixels"

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (None, "expected a binary PPM, found none"),
            (b"", "expected a binary PPM, found none"),
            (b"\x89PNG\r\n\x1a\n", "expected a binary PPM, found none"),
            (b"P6 of 64 and 48", "expected 64x48 pixels, found 0x0 pixels"),
            (b"P6 64 48 65535 " + bytes(18432), "expected 8 bits a channel, found another depth"),
            (b"P6\n64 48\n255\n" + bytes(9215), "expected 9216 bytes of pixels, found fewer"),
        ],
        ids=["missing", "empty", "png", "no-size", "16-bit", "truncated"],
    )
    def test_an_unreadable_image(
        self,
        refused: Callable[..., str],
        background: Path,
        tiny_bundle: Bundle,
        tmp_path: Path,
        content: bytes | None,
        reason: str,
    ) -> None:
        image = tmp_path / "image.ppm"
        if content is not None:
            image.write_bytes(content)
        assert refused(tiny_bundle.path, background, image) == f"segment: {image}: {reason}"
        assert refused(tiny_bundle.path, image, background) == f"segment: {image}: {reason}"

    def test_no_folder_for_the_masks(
        self, refused: Callable[..., str], background: Path, tiny_bundle: Bundle, tmp_path: Path
    ) -> None:
        (tmp_path / "masks").touch()
        assert "masks" in refused(tiny_bundle.path, background, background)

    def test_no_frames(self, refused: Callable[..., str], background: Path, tiny_bundle: Bundle) -> None:
        line = refused(tiny_bundle.path, background)
        assert line == "segment: expected BUNDLE PRECISION MASKS BACKGROUND FRAME..."


def test_an_image_may_have_comments(segment: Path, tiny_bundle: Bundle, tmp_path: Path) -> None:
    image = tmp_path / "image.ppm"
    image.write_bytes(b"P6\n# Made by hand\n64 48\n# 8 bits\n255\n" + bytes(9216))
    ended = call(segment, tiny_bundle.path, "fp32", tmp_path / "masks", image, image)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (tmp_path / "masks" / "image.pgm").read_bytes() == b"P5\n64 48\n255\n" + bytes(3072)


def test_it_is_short() -> None:
    def lines(*names: str) -> int:
        return sum(len((SAMPLE / name).read_text("utf-8").splitlines()) for name in names)

    assert lines(*SHARED, "openvino_engine.cpp") <= 200
    assert lines("tensorrt_engine.cpp") <= 120
