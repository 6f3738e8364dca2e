"""TensorRT's timing cache: measurements of earlier builds on this GPU, which it need not repeat.

A cache only saves time, so a problem with its file never ends a build: it is reported, and the cache is made again.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from edgefg.engines.trt.log import TensorRtLog
from edgefg.utils.atomic_file import atomic_file

if TYPE_CHECKING:
    import tensorrt as trt


def timing_cache_path(bundle: Path) -> Path:
    """Returns the path of a bundle's cache: next to the bundle, which admits no other files."""
    folder = bundle.resolve()
    return folder.parent / f"{folder.name}.timing-cache"


def attach_timing_cache(config: "trt.IBuilderConfig", path: Path, log: TensorRtLog) -> list[str]:
    """Makes a build use the cache at `path`, or an empty one if there is none that fits.

    Returns:
        The problem with the file, if any.
    """
    problem = ""
    try:
        stored = path.read_bytes()
    except FileNotFoundError:
        stored = b""
    except OSError as error:
        stored, problem = b"", error.strerror or str(error)
    complaints = log.count
    # TensorRT refuses a cache of another GPU. For a damaged file some versions return none, others complain and return
    # an empty one.
    if stored and (not _set(config, stored) or log.count > complaints):
        stored, problem = b"", "damaged, or of another GPU or TensorRT"
    if not stored:
        _set(config, b"")
    return [f"the timing cache {path} is made again: {problem}"] if problem else []


def save_timing_cache(config: "trt.IBuilderConfig", path: Path) -> list[str]:
    """Writes the cache that a build used, whole or not at all.

    Returns:
        The reason why it was not written, if any.
    """
    cache = config.get_timing_cache()
    if cache is None:
        return [f"the timing cache {path} is not written: TensorRT made none"]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Two builds may share a cache.
        with atomic_file(path, shared=True) as part:
            part.write_bytes(cache.serialize())
    except OSError as error:
        return [f"the timing cache {path} is not written ({error.strerror}): the next build takes as long"]
    return []


def _set(config: "trt.IBuilderConfig", stored: bytes) -> bool:
    cache = config.create_timing_cache(stored)
    return cache is not None and config.set_timing_cache(cache, False)
