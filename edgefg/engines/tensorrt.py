"""TensorRT on a GPU."""

from functools import partial

from ..tensorrt_library import import_tensorrt
from .tensorrt_engine import load_plans

_TENSORRT = import_tensorrt("tensorrt")

VERSION: str = _TENSORRT.__version__

load = partial(load_plans, _TENSORRT)
