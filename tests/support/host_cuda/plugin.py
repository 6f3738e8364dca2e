"""A plugin of pytest for runs under the driver in host memory: no test may leave a fault or an allocation.

Run: python -m pytest -p tests.support.host_cuda.plugin -m "gpu and not soak" -k "not rtx" FILES
"""

import gc
import os
from collections.abc import Iterator

import pytest

from .watch import alive, take_faults


def pytest_report_header() -> str:
    return f"CUDA in host memory, which is no GPU; streams run: {os.environ.get('HOST_CUDA_RUNS', 'now')}"


@pytest.fixture(autouse=True)
def clean_driver() -> Iterator[None]:
    take_faults()
    before = alive()
    yield
    gc.collect()
    assert take_faults() == []
    assert alive() <= before, "something on the GPU was not freed"
