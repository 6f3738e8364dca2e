"""One frame in, one Segmentation out."""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from ..background.handle import Background
from ..background.policy import BackgroundPolicy, policy_of
from ..bundle.bundle import Bundle, open_bundle
from ..engines.open import open_engine
from ..errors import ClosedError
from ..imaging.convert import Frame
from .mask import QuietLevel, mask_rule_of
from .processor import segment
from .results import Segmentation


class Segmenter:
    """Segments the frames of one camera against one background.

    Frames may have any size: they are scaled to the engine's, and the mask comes back in the frame's. Methods may be
    called from several threads; two frames then take turns on the engine.

    Attributes:
        bundle: The networks in use.
        engine: What runs them; ``engine.name`` and ``engine.version`` say which.
        mode: How masks are made: ``"full"``, ``"map"`` or ``"fused"``.
        threshold: The probability, in 0..1, from which a pixel is foreground.
        background: The background: ``set(image)``, ``freeze()``, ``thaw()``, ``reset()``, ``save(path)``,
            ``load(path)``, ``image``, ``id``, ``age_s``, ``events``.
    """

    def __init__(
        self,
        bundle: Bundle | str | Path | None = None,
        background: Frame | str | Path | None = None,
        engine: str = "auto",
        threshold: float | None = None,
        threads: int | None = None,
        precision: str | None = None,
        policy: BackgroundPolicy | str = "selective",
        camera: str = "",
        mode: str = "auto",
        quiet: QuietLevel = "auto",
    ) -> None:
        """Opens the bundle and loads its networks.

        Args:
            bundle: A bundle or its folder; None is the one that comes with edgefg.
            background: An image, its file, or what ``background.save`` wrote, which ends in ``.npz``; None makes the
                first frame the background.
            engine: ``"openvino"``, ``"onnxruntime"``, or ``"auto"``: the first of these that is installed.
            threshold: In (0, 1]; None takes the bundle's.
            threads: CPU threads for the engine; None leaves it to the engine.
            precision: ``"fp32"``, ``"fp16"`` or ``"int8"``; None takes the one that the bundle prefers.
            policy: What becomes of the background: ``"selective"``, ``"periodic"``, ``"fixed"``, or one with options of
                its own.
            camera: Whose frames they are; a saved background carries the name.
            mode: ``"full"`` gives what stage 2 makes of the frame and its distance map. ``"map"`` runs stage 1 alone
                and sharpens the distance map along the edges of what changed, for about half the time:
                ``probability`` is then a distance, where 0.5 stands for the one from which the bundle calls a place
                foreground. ``"fused"`` is the mean of both, where 0.5 stands for the threshold of each. The last two
                have a threshold of 0.5 unless one is given. ``"auto"`` is the bundle's: the best of the three where it
                was validated.
            quiet: Map units: a frame whose distances all stay below skips stage 2, and its mask is empty. ``"auto"`` is
                the level at which the bundle was found to lose nothing by it, if it was; None runs stage 2 always.

        Raises:
            OptionError: An option makes no sense.
            BundleError: The bundle is incomplete, altered or of another schema.
            MissingFileError: There is no such bundle or background file.
            FrameError: The background is no image that can be segmented.
            MediaError: The background file is no image.
            StateError: The saved background is damaged, or of another camera or size.
            MissingDependencyError: The engine is not installed.
            EngineError: The engine cannot load the networks.
        """
        self.bundle = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)
        self._mask_rule = mask_rule_of(self.bundle, mode, threshold, quiet)
        self.mode, self.threshold = self._mask_rule.mode, self._mask_rule.threshold
        with ExitStack() as stack:
            self.engine = open_engine(self.bundle, engine, threads, precision)
            stack.callback(self.engine.close)
            self.background = Background(self.engine.embed, self.bundle.input_size, policy_of(policy), camera)
            stack.callback(self.background.close)
            if isinstance(background, (str, Path)) and Path(background).suffix == ".npz":
                self.background.load(background)
            elif background is not None:
                self.background.set(background)
            self._resources = stack.pop_all()
        self._closed = False

    def segment(self, frame: Frame) -> Segmentation:
        """Finds what differs from the background in one frame.

        Before there is a background, the frame becomes it, and the result says so in ``background_adopted``.

        Args:
            frame: ``(H, W, 3) uint8 BGR``; gray, BGRA and uint16 (divided by 257) are converted. At least 16x16 px.

        Returns:
            The mask in the frame's size, with what it was made from. Its arrays are never overwritten.

        Raises:
            FrameError: ``frame`` is no such image, or its aspect ratio is not the background's.
            EngineError: The engine failed.
            ClosedError: The segmenter was closed.
        """
        if self._closed:
            raise ClosedError("this Segmenter was closed; make a new one")
        found, seen = segment(
            self.engine, self.bundle.input_size, frame, self.background, self._mask_rule, self.background.policy.now_s()
        )
        self.background.observe(seen)
        return found

    def close(self) -> None:
        """Frees the engine. Closing twice is fine."""
        self._closed = True
        self._resources.close()

    def __enter__(self) -> "Segmenter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
