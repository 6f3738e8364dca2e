"""A plugin of pytest for runs under the driver in host memory: no test may leave a fault or an allocation.

Run: python -m pytest -p tests.support.host_cuda.plugin -m "gpu and not soak" -k "not rtx" FILES
"""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgefg.engines import trt

from .kernels import compile_for_host
from .watch import alive, take_faults

SCALE = Path(trt.__file__).with_name("scale.cu")


def pytest_report_header() -> str:
    return f"CUDA in host memory, which is no GPU; streams run: {os.environ.get('HOST_CUDA_RUNS', 'now')}"


@pytest.fixture(scope="session")
def scale_kernel() -> bytes:
    return compile_for_host(SCALE.read_text())


@pytest.fixture(autouse=True)
def own_kernels(monkeypatch: pytest.MonkeyPatch, scale_kernel: bytes) -> None:
    """This driver translates no PTX: it takes edgefg's kernel compiled from its source."""
    from edgefg.engines.trt import scaler

    monkeypatch.setattr(scaler, "kernel_image", lambda: scale_kernel)


@pytest.fixture(autouse=True)
def clean_driver() -> Iterator[None]:
    take_faults()
    before = alive()
    yield
    gc.collect()
    assert take_faults() == []
    assert alive() <= before, "something on the GPU was not freed"
