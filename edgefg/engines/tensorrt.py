"""The engine of TensorRT on a GPU."""

from functools import partial

from .trt.engine import load_plans
from .trt.library import import_tensorrt

_TENSORRT = import_tensorrt("tensorrt")

VERSION: str = _TENSORRT.__version__

load = partial(load_plans, _TENSORRT)
