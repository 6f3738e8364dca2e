"""``edgefg run``."""

from pathlib import Path
from typing import Annotated

import typer

from ..segmentation.options import InferenceOptions
from .conclude import conclude
from .options import BundleOption, with_inference


@with_inference()
def run(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A video file, a folder of images or a quoted glob.")],
    bundle: BundleOption = None,
    background: Annotated[
        str,
        typer.Option(
            metavar="IMG|first|median|STATE.npz",
            help="What to compare with: an image, the first frame, the median of frames from all over the source, or a "
            "saved background.",
        ),
    ] = "median",
    policy: Annotated[
        str, typer.Option("--refresh", metavar="fixed|periodic|selective", help="What becomes of the background.")
    ] = "fixed",
    save_background: Annotated[
        Path | None, typer.Option(metavar="STATE.npz", help="Save the background that there is in the end.")
    ] = None,
    value_range: Annotated[
        str | None,
        typer.Option(
            "--range",
            metavar="LOW:HIGH|auto",
            help="Levels that become black and white, of 16-bit and floating-point sources such as thermal cameras.",
        ),
    ] = None,
    inset: Annotated[bool, typer.Option("--inset", help="Show the background in a corner of the overlay.")] = False,
    *,
    inference: InferenceOptions,
    mask: Annotated[Path | None, typer.Option(metavar="OUT.mp4", help="Write the masks as a video.")] = None,
    overlay: Annotated[
        Path | None, typer.Option(metavar="OUT.mp4", help="Write the frames with a red foreground.")
    ] = None,
    output_fps: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            help="Constant frame rate of the videos, with frames repeated or left out; the source's times if left out.",
        ),
    ] = None,
    json: Annotated[Path | None, typer.Option(metavar="OUT.jsonl", help="Write a line of JSON for each frame.")] = None,
) -> None:
    """Segment a video or a folder of images."""
    from ..imaging.levels import parsed_value_range
    from ..run.outputs import Outputs
    from ..run.runner import RunOptions
    from ..run.runner import run as run_source
    from ..utils.progress import progress_bar

    outputs = Outputs(
        mask=mask, overlay=overlay, json=json, save_background=save_background, inset=inset, output_fps=output_fps
    )
    options = RunOptions(
        source=source,
        bundle=bundle,
        background=background,
        policy=policy,
        inference=inference,
        outputs=outputs,
        value_range=None if value_range is None else parsed_value_range(value_range),
    )
    with progress_bar() as progress:
        summary = run_source(options, progress)
    conclude(summary)
