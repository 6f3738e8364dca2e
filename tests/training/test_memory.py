"""Memory that a training frees and needs again."""

import platform
import subprocess
import sys

import pytest

# In a process of its own, which then stays as large as it once was.
FAULTS = """
import resource, sys
import numpy as np
if sys.argv[1] == "keep":
    from edgefg.build.training.memory import keep_freed_memory
    assert keep_freed_memory()
np.ones(8_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    np.ones(8_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    ended = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, timeout=60, check=True)
    return int(ended.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc has the setting")
def test_what_was_freed_is_not_asked_for_again() -> None:
    pytest.importorskip("torch")
    # At least one for each huge page of 2 MB, where the system has those.
    assert page_faults("return") > 50
    assert page_faults("keep") < 10
