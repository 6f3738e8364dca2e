"""The kernels that TensorRT for RTX compiles when a plan is first run, kept in a file for later starts.

The file only saves time, so a problem with it never stops an engine: it is logged, and the kernels are compiled again.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from ...bundle.bundle import Bundle, Variant
from ...utils.atomic_file import atomic_file

if TYPE_CHECKING:
    import tensorrt as trt

_log = logging.getLogger("edgefg")


def runtime_cache_path(bundle: Bundle, variant: Variant) -> Path:
    """Returns the path of a variant's cache: next to the bundle, which admits no other files."""
    folder = bundle.path.resolve()
    return folder.parent / f"{folder.name}.{variant.precision}.runtime-cache"


class RuntimeCache:
    """The compiled kernels of both stages. The GPU's context must be current."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._cache: trt.IRuntimeCache | None = None
        self._stored = b""

    def attach(self, config: "trt.IRuntimeConfig") -> None:
        """Makes the contexts of a plan use the cache."""
        if self._cache is None:
            self._cache = config.create_runtime_cache()
            self._load(self._cache)
        config.set_runtime_cache(self._cache)

    def save(self) -> None:
        """Writes the file if kernels were compiled since it was read."""
        if self._cache is None:
            return
        compiled = bytes(self._cache.serialize())
        if compiled == self._stored:
            return
        try:
            # Several programs may run the same bundle.
            with atomic_file(self._file, shared=True) as part:
                part.write_bytes(compiled)
        except OSError as error:
            _log.info("%s is not written (%s): the next start compiles again", self._file, error.strerror)
            return
        self._stored = compiled

    def _load(self, cache: "trt.IRuntimeCache") -> None:
        try:
            stored = self._file.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            _log.info("%s is not used: %s", self._file, error.strerror)
            return
        if cache.deserialize(stored):
            self._stored = stored
        else:
            _log.info("%s is made again: damaged, or of another GPU, driver or TensorRT for RTX", self._file)
