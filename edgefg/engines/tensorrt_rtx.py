"""TensorRT for RTX on a GPU."""

from functools import partial

from ..tensorrt_library import import_tensorrt
from .tensorrt_engine import load_plans

_TENSORRT_RTX = import_tensorrt("tensorrt-rtx")

VERSION: str = _TENSORRT_RTX.__version__

load = partial(load_plans, _TENSORRT_RTX)
