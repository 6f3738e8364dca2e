"""The engine of TensorRT for RTX on a GPU."""

from functools import partial

from .trt.engine import load_plans
from .trt.library import import_tensorrt

_TENSORRT_RTX = import_tensorrt("tensorrt-rtx")

VERSION: str = _TENSORRT_RTX.__version__

load = partial(load_plans, _TENSORRT_RTX)
