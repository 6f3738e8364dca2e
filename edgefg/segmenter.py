"""One frame in, one Segmentation out."""

import math
import time
from contextlib import ExitStack
from numbers import Real
from pathlib import Path
from types import TracebackType
from typing import cast

import cv2
import numpy as np

from .background import Background
from .bundle import Bundle, open_bundle
from .engines import open_engine
from .errors import ClosedError, EngineError, OptionError
from .frames import Frame, fit, size_of, to_bgr8
from .images import Image
from .results import Segmentation, Timing


class Segmenter:
    """Segments the frames of one camera against one background.

    Frames may have any size: they are scaled to the engine's, and the mask comes back in the frame's. Methods may be
    called from several threads; two frames then take turns on the engine.

    Attributes:
        bundle: The networks in use.
        engine: What runs them; ``engine.name`` and ``engine.version`` say which.
        threshold: The probability, in 0..1, from which a pixel is foreground.
        background: The background: ``background.set(image)``, ``.image``, ``.id``, ``.age_s``.
    """

    def __init__(
        self,
        bundle: Bundle | str | Path | None = None,
        background: Frame | str | Path | None = None,
        engine: str = "auto",
        threshold: float | None = None,
        threads: int | None = None,
    ) -> None:
        """Opens the bundle and loads its networks.

        Args:
            bundle: A bundle or its folder; None is the one that comes with edgefg.
            background: An image or its file; None makes the first frame the background.
            engine: ``"openvino"``, ``"onnxruntime"``, or ``"auto"``: the first of these that is installed.
            threshold: In (0, 1]; None takes the bundle's.
            threads: CPU threads for the engine; None leaves it to the engine.

        Raises:
            OptionError: An option makes no sense.
            BundleError: The bundle is incomplete, altered or of another schema.
            MissingFileError: There is no such bundle or background file.
            FrameError: The background is no image that can be segmented.
            VideoError: The background file is no image.
            EngineUnavailableError: The engine is not installed.
            EngineError: The engine cannot load the networks.
        """
        self.bundle = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)
        self.threshold = self.bundle.threshold if threshold is None else _checked_threshold(threshold)
        with ExitStack() as stack:
            self.engine = open_engine(self.bundle, engine, threads)
            stack.callback(self.engine.close)
            self.background = Background(self.engine.embed, self.bundle.input_size)
            if background is not None:
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
        started = time.perf_counter()
        bgr = to_bgr8(frame)
        background, adopted = self.background.current_or_adopt(bgr)
        background.check_fits(size_of(bgr))
        scaled = fit(bgr, self.bundle.input_size)
        prepared = time.perf_counter()
        distance = self.engine.compare(scaled, background.features)
        # A network that overflows must not pass as a quiet scene: NaN compares as "no change" further on.
        if not np.isfinite(distance).all():
            raise EngineError(
                f"stage 1 of {self.bundle.path} gave distances that are not finite on {self.engine.name}; "
                f"use another engine or a bundle of precision fp32"
            )
        compared = time.perf_counter()
        probability = self.engine.probability(scaled, distance)
        decided = time.perf_counter()
        probability = cast(Image, cv2.resize(probability, size_of(bgr), interpolation=cv2.INTER_LINEAR))
        mask = _mask(probability, self.threshold)
        finished = time.perf_counter()
        return Segmentation(
            mask=mask,
            probability=probability,
            distance=distance,
            threshold=self.threshold,
            timing=_timing(started, prepared, compared, decided, finished),
            background_id=background.id,
            background_age_s=background.age_s,
            background_adopted=adopted,
        )

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


def _checked_threshold(threshold: float) -> float:
    # Written so that NaN is refused too.
    if isinstance(threshold, bool) or not isinstance(threshold, Real) or not 0 < threshold <= 1:
        raise OptionError(f"threshold must be a number above 0 and at most 1; got {threshold!r}")
    return float(threshold)


def _mask(probability: Image, threshold: float) -> Image:
    # The lowest whole level that reaches the threshold; cv2.threshold keeps what lies above its argument.
    level = math.ceil(threshold * 255)
    return cast(Image, cv2.threshold(probability, level - 1, 255, cv2.THRESH_BINARY)[1])


def _timing(started: float, prepared: float, compared: float, decided: float, finished: float) -> Timing:
    return Timing(
        prepare_ms=(prepared - started) * 1e3,
        stage1_ms=(compared - prepared) * 1e3,
        stage2_ms=(decided - compared) * 1e3,
        finish_ms=(finished - decided) * 1e3,
        total_ms=(finished - started) * 1e3,
    )
