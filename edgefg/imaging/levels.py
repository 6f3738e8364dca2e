"""Levels of more than 8 bits, from thermal and scientific cameras, as the 8 bits that the networks read."""

import logging
import math
import threading
from numbers import Real
from typing import Any, Literal, TypeGuard

import numpy as np
import numpy.typing as npt

from ..errors import FrameError, OptionError
from ..utils.validation import shown
from .convert import to_bgr8
from .io import Image

_log = logging.getLogger("edgefg")

ValueRange = tuple[float, float] | Literal["auto"] | None
"""The levels that become 0 and 255; ``"auto"`` finds them in the first frames; None is the whole range of 16 bits."""

# A few dead or burning pixels must not set the range.
_LOW_PERCENT, _HIGH_PERCENT = 0.1, 99.9
# Of the scene's span, below and above: what appears later may be warmer or colder than all that was there.
_MARGIN = 0.25
# At least so many times the noise, which may reach two of 256 levels.
_MIN_SPAN_IN_NOISE = 128
# So that a closed shutter has a range, too.
_MIN_SPAN = 1.0
# From this share of 16 bits on, dividing by 257 leaves enough levels.
_NARROW = 0.05
_MEDIAN_OF_NORMAL = 0.6745  # of the absolute value, in standard deviations


def check_value_range(value_range: object) -> None:
    """Raises OptionError for what is no `ValueRange`."""
    if value_range is None or value_range == "auto":
        return
    if isinstance(value_range, tuple) and len(value_range) == 2 and all(map(_is_number, value_range)):
        low, high = value_range
        if low < high:
            return
    expected = "value_range must be two finite numbers, the lower one first, or 'auto'"
    raise OptionError(f"{expected}; got {shown(value_range)}")


def parsed_value_range(text: str) -> ValueRange:
    """Returns the range that a text such as ``20:40`` or ``auto`` means.

    Raises:
        OptionError: The text is neither.
    """
    if text == "auto":
        return "auto"
    low, _, high = text.partition(":")
    try:
        value_range = float(low), float(high)
        check_value_range(value_range)
    except (ValueError, OptionError):
        raise OptionError(
            f"value_range={shown(text)}: expected LOW:HIGH with LOW below HIGH, such as 20:40, or auto"
        ) from None
    return value_range


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    return math.isfinite(float(value))


def is_deep(array: object) -> "TypeGuard[npt.NDArray[Any]]":
    """Returns whether an array has levels of more than 8 bits: whole numbers, with or without a sign, or others."""
    return isinstance(array, np.ndarray) and array.dtype.kind in "iuf" and array.dtype.itemsize > 1


class Levels:
    """Converts the frames of one camera to 8-bit BGR, all by the same range. Any thread may call it.

    Attributes:
        value_range: The range; ``"auto"`` until the first frame.
    """

    def __init__(self, value_range: ValueRange = None, *, warns: bool = False) -> None:
        """Makes a conversion.

        Args:
            value_range: Levels that become 0 and 255.
            warns: Whether to log a warning if the first frame would need a range and there is none.

        Raises:
            OptionError: The range is not valid.
        """
        check_value_range(value_range)
        self.value_range = value_range
        self._warns = warns
        self._lock = threading.Lock()

    def fix(self, frames: "list[npt.NDArray[Any]]") -> None:
        """Finds the range, if it is ``"auto"`` and unless it has been found.

        Raises:
            FrameError: No level in the frames is a finite number.
        """
        with self._lock:
            if self.value_range == "auto":
                self.value_range = found_range(frames)

    def to_bgr8(self, array: object) -> Image:
        """Converts a frame. 8-bit frames, and all if there is no range, are as `edgefg.imaging.convert.to_bgr8` says.

        Args:
            array: ``(H, W)``, ``(H, W, 1)``, ``(H, W, 3)`` BGR or ``(H, W, 4)`` BGRA, uint8 or, with a range,
                numbers of more than 8 bits.

        Returns:
            ``(H, W, 3) uint8 BGR``, C-contiguous. What is no number becomes 0.

        Raises:
            FrameError: ``array`` is not such an image.
        """
        if self.value_range is None or not is_deep(array):
            image = to_bgr8(array)
            if self._warns and is_deep(array):
                self._warns = False
                if hint := narrowness_hint(array):
                    _log.warning("a camera's frames: %s", hint)
            return image
        self.fix([array])
        assert isinstance(self.value_range, tuple)
        low, high = self.value_range
        if array.ndim == 3 and array.shape[2] == 4:
            array = array[..., :3]
        scaled = (array.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
        return to_bgr8(np.clip(np.nan_to_num(np.rint(scaled), nan=0.0), 0, 255).astype(np.uint8))


def found_range(frames: "list[npt.NDArray[Any]]") -> tuple[float, float]:
    """Returns a range for a camera of which these are the first frames: where nearly all of their levels lie, and more.

    Raises:
        FrameError: No level in the frames is a finite number.
    """
    low, high = span_of(frames)
    noise = np.median([_noise(frame) for frame in frames])
    span = max(high - low, _MIN_SPAN_IN_NOISE * float(noise), _MIN_SPAN)
    middle, half = (low + high) / 2, span * (0.5 + _MARGIN)
    return middle - half, middle + half


def span_of(frames: "list[npt.NDArray[Any]]") -> tuple[float, float]:
    """Returns the lowest and the highest level of frames, without the few most extreme ones.

    Raises:
        FrameError: No level in the frames is a finite number.
    """
    levels = np.concatenate([frame.ravel() for frame in frames])
    levels = levels[np.isfinite(levels)]
    if not levels.size:
        raise FrameError("value_range='auto': no level in the first frames is a finite number")
    low, high = np.percentile(levels, (_LOW_PERCENT, _HIGH_PERCENT))
    return float(low), float(high)


def narrowness_hint(array: "npt.NDArray[Any]") -> str:
    """Returns a hint for a 16-bit frame that uses so little of its range that hardly any levels are left; else ''."""
    if array.dtype.kind != "u" or array.dtype.itemsize != 2 or not array.size:
        return ""
    low, high = span_of([array])
    if high - low >= _NARROW * 65535:
        return ""
    return (
        f"its 16-bit levels lie between {low:g} and {high:g}, {(high - low) / 655.35:.1f}% of the range, so masks miss "
        "most of what changes; set a range: --range auto, or value_range='auto' in the library"
    )


def _noise(frame: "npt.NDArray[Any]") -> float:
    """Returns the standard deviation of the noise, estimated from how much most pixels differ from their neighbours."""
    # The second difference of slopes is nothing; that of noise has a standard deviation of its square root of 6.
    bends = np.diff(frame.astype(np.float64), 2, axis=1)
    bends = bends[np.isfinite(bends)]
    return float(np.median(np.abs(bends))) / (_MEDIAN_OF_NORMAL * 6**0.5) if bends.size else 0.0
