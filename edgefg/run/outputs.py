"""The files of a run: which were asked for, whether they may be written, and what a frame adds to each."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..bundle.bundle import Bundle
from ..errors import OptionError, OutputError
from ..imaging.draw import overlay
from ..imaging.io import Image
from ..media.output_paths import check_output_paths
from ..media.source import Source, TimedFrame
from ..media.writers import JsonWriter, VideoWriter, Writer
from ..segmentation.results import Segmentation
from ..utils.validation import check_number

# A mask has two levels and hard edges: they deserve more bits than a picture for the eye.
_MASK_CRF = 12
_OVERLAY_CRF = 20
MAX_OUTPUT_FPS = 1000


@dataclass(frozen=True)
class Outputs:
    """Where results go; None leaves one out.

    Attributes:
        mask: MP4 file for the masks.
        overlay: MP4 file for the frames with their foreground tinted.
        json: JSON lines file with a record a frame.
        save_background: The background that there is in the end, ``.npz``.
        inset: Whether the overlay shows the background, too.
        output_fps: Constant frame rate of the videos, with frames repeated or left out; None keeps the source's times.

    Raises:
        OptionError: The rate is no number above 0.
    """

    mask: Path | None = None
    overlay: Path | None = None
    json: Path | None = None
    save_background: Path | None = None
    inset: bool = False
    output_fps: float | None = None

    def __post_init__(self) -> None:
        if self.output_fps is not None:
            check_number("output_fps", self.output_fps, above=0, at_most=MAX_OUTPUT_FPS)


@dataclass(frozen=True)
class OutputFile:
    """An open file, and how a frame (its index, time and pixels, its result, its background) is added to it."""

    sink: Writer
    write: Callable[[int, TimedFrame, Segmentation, Image], None]


def check_outputs(outputs: Outputs, inputs: Mapping[Path, str], bundle: Bundle) -> None:
    """Refuses files that would overwrite an input or each other, before any work is done.

    Args:
        outputs: The files to write.
        inputs: The files that are read, and what each is.
        bundle: The networks in use.

    Raises:
        OptionError: A file cannot go where it was asked for.
        OutputError: Its folder is not there.
    """
    if outputs.inset and outputs.overlay is None:
        raise OptionError("inset=True shows the background in the overlay; pass overlay=OUT.mp4 as well")
    files = {name: getattr(outputs, name) for name in ("mask", "overlay", "json", "save_background")}
    suffixes = {"mask": (".mp4",), "overlay": (".mp4",), "save_background": (".npz",)}
    check_output_paths(files, inputs, {bundle.path: "the bundle"}, suffixes)
    for path in files.values():
        if path is not None and not path.parent.is_dir():
            raise OutputError(f"{path}: its folder does not exist: mkdir -p {path.parent}")


def open_outputs(outputs: Outputs, source: Source, stack: ExitStack) -> list[OutputFile]:
    """Opens the files to write. Those left open are discarded when ``stack`` unwinds.

    Raises:
        OutputError: A file cannot be written.
    """
    opened: list[OutputFile] = []

    def add(sink: Writer, write: Callable[[int, TimedFrame, Segmentation, Image], None]) -> None:
        stack.callback(sink.discard)
        opened.append(OutputFile(sink, write))

    def open_video_writer(path: Path, crf: int) -> VideoWriter:
        if outputs.output_fps is not None:
            return VideoWriter(path, fps=outputs.output_fps, size=source.size, crf=crf, fill=True)
        return VideoWriter(path, fps=source.fps, size=source.size, crf=crf, tick_s=source.tick_s)

    if outputs.mask is not None:
        mask_video = open_video_writer(outputs.mask, _MASK_CRF)
        add(mask_video, lambda index, frame, result, background: mask_video.write(result.mask, frame.time_s))
    if outputs.overlay is not None:
        overlay_video = open_video_writer(outputs.overlay, _OVERLAY_CRF)

        def add_overlay(index: int, frame: TimedFrame, result: Segmentation, background: Image) -> None:
            picture = overlay(frame.image, result.mask, background if outputs.inset else None)
            overlay_video.write(picture, frame.time_s)

        add(overlay_video, add_overlay)
    if outputs.json is not None:
        lines = JsonWriter(outputs.json)
        add(lines, lambda index, frame, result, background: lines.write(record(index, frame.time_s, result)))
    return opened


def record(index: int, time_s: float, result: Segmentation) -> dict[str, Any]:
    """Gives what the JSON lines say about a frame.

    Args:
        index: The frame's number, from 0.
        time_s: Its time in the source, in seconds.
        result: Its result.
    """
    return {
        "frame": index,
        "time_s": round(time_s, 6),
        "foreground": float(result.mask.mean()) / 255,
        "regions": [asdict(region) for region in result.regions()],
        "threshold": result.threshold,
        "background_id": result.background_id,
        "background_age_s": result.background_age_s,
        "background_adopted": result.background_adopted,
        "timing": {name: round(ms, 3) for name, ms in asdict(result.timing).items()},
    }
