"""``edgefg demo``: the clip that comes with the package, through the networks that come with it."""

from contextlib import suppress
from pathlib import Path

from ..bundle.bundle import open_bundle
from ..errors import OutputError
from ..segmentation.options import InferenceOptions
from ..utils.progress import Progress
from ..utils.resources import CLIP
from .outputs import Outputs
from .runner import RunOptions, RunSummary, run

FOLDER = Path("edgefg-demo")


def run_demo(bundle: Path | None, inference: InferenceOptions, progress: Progress) -> RunSummary:
    """Segments the clip into ``edgefg-demo/overlay.mp4`` and ``mask.mp4`` of the current folder.

    Args:
        bundle: A bundle's folder, None for the one that comes with edgefg.
        inference: What runs the networks, and what counts as foreground.
        progress: Told after each frame.

    Raises:
        OutputError: The folder cannot be made or written.
        EdgefgError: Whatever else `edgefg.run.runner.run` raises.
    """
    # A bundle that is no good shall not leave an empty folder behind.
    open_bundle(bundle)
    try:
        FOLDER.mkdir(exist_ok=True)
    except OSError as reason:
        raise OutputError(
            f"{FOLDER}: cannot make this folder here ({reason.strerror}); run in one of your own"
        ) from reason
    outputs = Outputs(overlay=FOLDER / "overlay.mp4", mask=FOLDER / "mask.mp4")
    try:
        return run(RunOptions(str(CLIP), bundle, inference=inference, outputs=outputs), progress)
    finally:
        # Nor shall anything else that goes wrong.
        with suppress(OSError):
            FOLDER.rmdir()
