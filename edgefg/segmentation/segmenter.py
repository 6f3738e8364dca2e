"""The segmenter, which turns one frame into one Segmentation in your own thread."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from ..background.handle import Background
from ..background.persistence import is_saved_background
from ..background.policy import BackgroundPolicy, policy_of
from ..bundle.bundle import Bundle, open_bundle
from ..engines.open import open_engine
from ..errors import ClosedError
from ..imaging.convert import Frame
from ..imaging.device import GpuFrame
from ..imaging.levels import ValueRange
from ..utils.closeable import Closeable
from ..utils.own_process import OwnProcess
from .mask import mask_rule_of
from .options import InferenceKeywords, InferenceOptions, inference_options
from .processor import FrameProcessor
from .results import Segmentation

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Segmenter(Closeable):
    """Segments the frames of one camera against one background.

    Frames may have any size: they are scaled to the engine's size, and the mask is returned in the frame's. You may
    call methods from several threads; two frames then take turns on the engine.

    Attributes:
        bundle: Bundle whose networks are used.
        engine: Engine that runs the networks; see ``engine.name`` and ``engine.version``.
        mode: Mode of the masks: ``"full"``, ``"map"`` or ``"fused"``.
        threshold: Probability, in 0..1, from which a pixel is foreground.
        background: The camera's `edgefg.Background`, with ``set(image)``, ``freeze()``, ``thaw()``, ``reset()``,
            ``save(path)``, ``load(path)``, ``image``, ``id``, ``age_s`` and ``events``.
    """

    def __init__(
        self,
        bundle: Bundle | str | Path | None = None,
        *,
        options: InferenceOptions | None = None,
        background: Frame | str | Path | None = None,
        policy: BackgroundPolicy | str = "selective",
        camera: str = "",
        value_range: ValueRange = None,
        **keywords: "Unpack[InferenceKeywords]",
    ) -> None:
        """Opens the bundle and loads its networks.

        Args:
            bundle: A bundle or its folder; None takes the one that comes with edgefg.
            options: Options of inference.
            background: An image, an image file, or a file that ``background.save`` wrote; None makes
                the first frame the background.
            policy: Policy of the background: ``"selective"``, ``"periodic"``, ``"fixed"``, or an
                `edgefg.BackgroundPolicy`.
            camera: Name of the camera, which is saved with the background.
            value_range: Levels of 16-bit and floating-point frames that become 0 and 255, ``(low, high)``: a camera
                that counts in 14 bits uses few of all 65536. ``"auto"`` finds them in the first frame, and keeps them.
                None divides 16 bits by 257. 8-bit frames stay as they are.
            **keywords: Fields of `edgefg.InferenceOptions` as a shortcut: ``Segmenter(precision="fp32")``.

        Raises:
            OptionError: An option is invalid.
            BundleError: The bundle is incomplete, altered or of another schema.
            MissingFileError: The bundle or the background file does not exist.
            FrameError: The background is not an image that can be segmented.
            MediaError: The background file is not an image.
            StateError: The saved background is damaged, or from another camera or size.
            MissingDependencyError: The engine is not installed.
            EngineError: The engine cannot load the networks.
        """
        self._home = OwnProcess("Segmenter")
        chosen = inference_options(options, keywords)
        self.bundle = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)
        rule = mask_rule_of(self.bundle, chosen)
        self.mode, self.threshold = rule.mode, rule.threshold
        with ExitStack() as stack:
            self.engine = open_engine(self.bundle, chosen.engine, chosen.threads, chosen.precision)
            stack.callback(self.engine.close)
            embed, size = self.engine.embed, self.bundle.input_size
            self.background = Background(embed, size, policy_of(policy), camera, value_range)
            stack.callback(self.background.close)
            if isinstance(background, (str, Path)) and is_saved_background(background):
                self.background.load(background)
            elif background is not None:
                self.background.set(background)
            self._resources = stack.pop_all()
        self._processor = FrameProcessor(self.engine, self.bundle.input_size, rule)
        self._closed = False

    def segment(self, frame: Frame | GpuFrame) -> Segmentation:
        """Finds the foreground of one frame: everything that differs from the background.

        If there is no background yet, the frame becomes the background, and the result has ``background_adopted`` set.

        Args:
            frame: ``(H, W, 3) uint8 BGR``, at least 16x16 px; gray, BGRA, uint16 and, with a ``value_range``, floating
                point are converted. With a TensorRT engine also an array on the GPU, or an `edgefg.Nv12Frame`.

        Returns:
            The mask in the frame's size, and the arrays behind it. The arrays are never overwritten.

        Raises:
            FrameError: ``frame`` is not such an image, or its aspect ratio differs from the background's.
            EngineError: The engine failed.
            ClosedError: The segmenter was closed.
            OtherProcessError: The process was forked after the segmenter was made.
        """
        self._home.check()
        if self._closed:
            raise ClosedError("this Segmenter was closed; make a new one")
        return self._processor.process(frame, self.background, self.background.policy.now_s()).deliver()

    def close(self) -> None:
        """Frees the engine. Closing twice is fine, and in a forked process nothing happens."""
        if not self._home.is_this:
            return
        self._closed = True
        self._resources.close()
