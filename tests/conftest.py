"""Pictures and a small bundle that need no data set and no training."""

import os
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edgefg.bundle.bundle import Bundle, open_bundle, write_bundle
from edgefg.errors import MissingDependencyError
from edgefg.evaluate.baselines import require_peer

from .support.slow_engine import SlowEngine

WIDTH, HEIGHT = 64, 48
Box = tuple[int, int, int, int]
SceneMaker = Callable[..., npt.NDArray[np.uint8]]
SequenceWriter = Callable[..., Path]
SetWriter = Callable[..., Path]
VideoMaker = Callable[..., Path]


# A shell that starts a job in the background has it ignore Ctrl-C, and with it all that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def same_priority() -> Iterator[None]:
    """Fails a test that leaves its thread at another priority: libraries change it, and later tests starve."""
    before = os.sched_getscheduler(0)
    yield
    assert os.sched_getscheduler(0) == before


@pytest.fixture(scope="session")
def make_scene() -> SceneMaker:
    """Makes ``(H, W, 3) uint8 BGR``: a smooth dark scene with bright boxes (x, y, width, height) in it."""

    def make(size: tuple[int, int] = (WIDTH, HEIGHT), boxes: tuple[Box, ...] = ()) -> npt.NDArray[np.uint8]:
        width, height = size
        ramp = np.add.outer(np.linspace(10, 40, height), np.linspace(0, 30, width))
        scene = np.stack([ramp, ramp + 5, ramp + 10], axis=-1).astype(np.uint8)
        for x, y, box_width, box_height in boxes:
            scene[y : y + box_height, x : x + box_width] = (230, 240, 250)
        return scene

    return make


@pytest.fixture(scope="session")
def write_sequence(make_scene: SceneMaker) -> SequenceWriter:
    """Writes a sequence in CDnet2014's layout: a box of 16x16 pixels moves 4 to the right each frame, line by line."""

    def write(folder: Path, numbers: Iterable[int] = range(1, 11), suffix: str = ".png") -> Path:
        (folder / "input").mkdir(parents=True)
        (folder / "groundtruth").mkdir()
        written = list(numbers)
        for step, number in enumerate(written):
            box = (4 * step % 48, 4 * (step // 12) % 32, 16, 16)
            cv2.imwrite(str(folder / f"input/in{number:06d}{suffix}"), make_scene(boxes=(box,)))
            cv2.imwrite(str(folder / f"groundtruth/gt{number:06d}.png"), box_mask(box))
        cv2.imwrite(str(folder / "ROI.bmp"), np.full((HEIGHT, WIDTH), 255, np.uint8))
        (folder / "temporalROI.txt").write_text(f"{written[0]} {written[-1]}\n")
        return folder

    return write


@pytest.fixture(scope="session")
def write_set(make_scene: SceneMaker) -> SetWriter:
    """Writes a set of background, frames and masks: a box of 12x12 pixels moves 4 to the right each frame."""

    def write(folder: Path, frames: int = 3) -> Path:
        folder.mkdir(parents=True)
        cv2.imwrite(str(folder / "background.png"), make_scene())
        for number in range(frames):
            box = (4 * number % 52, 16, 12, 12)
            cv2.imwrite(str(folder / f"{number}.png"), make_scene(boxes=(box,)))
            cv2.imwrite(str(folder / f"{number}_mask.png"), box_mask(box))
        return folder

    return write


@pytest.fixture(scope="session")
def write_video(make_scene: SceneMaker) -> VideoMaker:
    """Writes an MP4 video: a box of 16x16 pixels moves 4 to the right each frame, line by line."""
    pytest.importorskip("av")
    from edgefg.media.writers import VideoWriter

    def write(path: Path, frames: int = 12, size: tuple[int, int] = (WIDTH, HEIGHT), fps: float = 10) -> Path:
        video = VideoWriter(path, fps=fps, size=size)
        for step in range(frames):
            box = (4 * step % 48, 4 * (step // 12) % 32, 16, 16)
            video.write(make_scene(size, boxes=(box,)))
        video.close()
        return path

    return write


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def edgefg(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Runs ``edgefg WORDS...`` in this process. What libraries print from C is captured too."""
    pytest.importorskip("typer")
    from edgefg.cli.main import main

    def run(*words: object) -> Ended:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        code = ended.value.code
        assert isinstance(code, int)
        return Ended(code, *capfd.readouterr())

    return run


def box_mask(box: Box) -> npt.NDArray[np.uint8]:
    x, y, width, height = box
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[y : y + height, x : x + width] = 255
    return mask


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """See `make_tiny_bundle`. Damage `bundle_copy`, not this one."""
    return make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


def make_tiny_bundle(folder: Path) -> Bundle:
    """A bundle at 64x48 whose networks are arithmetic: its masks can be told beforehand.

    Stage 1: features are the frame over 255, averaged over 4x4 pixels; distance is Euclidean. Stage 2: probability is
    the distance, at most 1, of the 4x4 block that a pixel lies in.
    """
    onnx = pytest.importorskip("onnx")
    files = {
        "stage1.onnx": _stage1(onnx).SerializeToString(),
        "stage2.onnx": _stage2(onnx).SerializeToString(),
        "card.json": b'{"seen_frames": []}',
        "LICENSE": b"Made by tests.\n",
    }
    return write_bundle(folder, files=files, manifest=_manifest())


@pytest.fixture
def bundle_copy(tiny_bundle: Bundle, tmp_path: Path) -> Bundle:
    """A copy of `tiny_bundle` that a test may damage."""
    return open_bundle(shutil.copytree(tiny_bundle.path, tmp_path / "copy"))


@pytest.fixture
def frames(make_scene: SceneMaker) -> list[npt.NDArray[np.uint8]]:
    """Twelve frames in which a box moves; the first has none."""
    return [make_scene()] + [make_scene(boxes=((4 * step, 16, 16, 16),)) for step in range(11)]


@pytest.fixture
def slow(tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> SlowEngine:
    """What every Pipeline of the test will run on."""
    engine = SlowEngine(tiny_bundle)
    monkeypatch.setattr("edgefg.segmentation.pipeline.open_engine", lambda *_: engine)
    return engine


def installed_peer(name: str) -> Any:
    """A parameter for one of `edgefg.evaluate.baselines.PEERS`, skipped where its library is not installed."""
    try:
        require_peer(name)
    except MissingDependencyError as reason:
        return pytest.param(name, marks=pytest.mark.skip(reason=str(reason)))
    return name


def fp32_variant(stage1: str = "stage1.onnx", stage2: str = "stage2.onnx") -> dict[str, Any]:
    """An entry of a manifest's variants for the CPU, as `write_bundle` takes it."""
    return {
        "precision": "fp32",
        "format": "onnx",
        "engines": ["openvino", "onnxruntime"],
        "stages": {"stage1": {"file": stage1}, "stage2": {"file": stage2}},
        "requires": {},
        "measured": {},
    }


def _manifest() -> dict[str, Any]:
    return {
        "name": "tiny",
        "network": {"size": "tiny", "width": 0.1, "early_stride": 1, "feature_channels": 3},
        "input_size": {"width": WIDTH, "height": HEIGHT},
        "decision": {"schema": 1, "mode": "full", "threshold": 0.5, "foreground_distance": 0.5},
        "variants": [fp32_variant()],
        "versions": {"edgefg": "0.1.0"},
        "measured": {},
    }


def _stage1(onnx: Any) -> Any:
    helper, kinds = onnx.helper, onnx.TensorProto
    quarter = ("N", 3, HEIGHT // 4, WIDTH // 4)
    nodes = [
        helper.make_node("Cast", ["frame"], ["floats"], to=kinds.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Div", ["planes", "full"], ["scaled"]),
        helper.make_node("AveragePool", ["scaled"], ["features"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Sub", ["features", "background_features"], ["difference"]),
        helper.make_node("Mul", ["difference", "difference"], ["squares"]),
        helper.make_node("ReduceSum", ["squares", "channel"], ["sum"], keepdims=0),
        helper.make_node("Sqrt", ["sum"], ["distance"]),
    ]
    return _model(
        onnx,
        nodes,
        inputs=[_frame(onnx), helper.make_tensor_value_info("background_features", kinds.FLOAT, quarter)],
        outputs=[
            helper.make_tensor_value_info("features", kinds.FLOAT, quarter),
            helper.make_tensor_value_info("distance", kinds.FLOAT, ("N", HEIGHT // 4, WIDTH // 4)),
        ],
        constants={"full": np.float32(255), "channel": np.array([1])},
    )


def _stage2(onnx: Any) -> Any:
    helper, kinds = onnx.helper, onnx.TensorProto
    nodes = [
        helper.make_node("Unsqueeze", ["distance", "channel"], ["plane"]),
        helper.make_node(
            "Resize",
            ["plane", "", "scales"],
            ["large"],
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        ),
        helper.make_node("Squeeze", ["large", "channel"], ["map"]),
        # Times nothing: an engine may drop an input that no node reads.
        helper.make_node("Cast", ["frame"], ["floats"], to=kinds.FLOAT),
        helper.make_node("ReduceSum", ["floats", "last"], ["grey"], keepdims=0),
        helper.make_node("Mul", ["grey", "zero"], ["nothing"]),
        helper.make_node("Add", ["map", "nothing"], ["both"]),
        helper.make_node("Clip", ["both", "zero", "one"], ["clipped"]),
        helper.make_node("Mul", ["clipped", "full"], ["levels"]),
        helper.make_node("Round", ["levels"], ["whole"]),
        helper.make_node("Cast", ["whole"], ["probability"], to=kinds.UINT8),
    ]
    return _model(
        onnx,
        nodes,
        inputs=[
            _frame(onnx),
            helper.make_tensor_value_info("distance", kinds.FLOAT, ("N", HEIGHT // 4, WIDTH // 4)),
        ],
        outputs=[helper.make_tensor_value_info("probability", kinds.UINT8, ("N", HEIGHT, WIDTH))],
        constants={
            "channel": np.array([1]),
            "last": np.array([3]),
            "scales": np.array([1, 1, 4, 4], np.float32),
            "zero": np.float32(0),
            "one": np.float32(1),
            "full": np.float32(255),
        },
    )


def _frame(onnx: Any) -> Any:
    return onnx.helper.make_tensor_value_info("frame", onnx.TensorProto.UINT8, ("N", HEIGHT, WIDTH, 3))


def _model(onnx: Any, nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: dict[str, Any]) -> Any:
    tensors = [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = onnx.helper.make_graph(nodes, "tiny", inputs, outputs, tensors)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model
