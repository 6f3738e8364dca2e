"""``edgefg demo``."""

from ..segmentation.options import InferenceOptions
from .conclude import conclude
from .options import BundleOption, with_inference


@with_inference()
def demo(bundle: BundleOption = None, *, inference: InferenceOptions) -> None:
    """Segment a clip of people that comes with edgefg; writes edgefg-demo/overlay.mp4 and mask.mp4."""
    from ..run.demo import run_demo
    from ..utils.progress import progress_bar

    with progress_bar() as progress:
        summary = run_demo(bundle, inference, progress)
    conclude(summary)
