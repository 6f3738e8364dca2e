"""The kernels that TensorRT for RTX compiles at the first run, kept for the next start. Its runtime is a stand-in."""

import logging
from pathlib import Path
from typing import Any

import pytest

from edgefg.bundle.bundle import Bundle
from edgefg.engines.trt.runtime_cache import RuntimeCache, runtime_cache_path

KERNELS = b"kernels of this GPU"


class Config:
    """A runtime's configuration, whose cache takes only kernels of this GPU."""

    def __init__(self) -> None:
        self.content = b""
        self.attached: list[Any] = []

    def create_runtime_cache(self) -> "Config":
        return self

    def set_runtime_cache(self, cache: Any) -> bool:
        self.attached.append(cache)
        return True

    def deserialize(self, blob: bytes) -> bool:
        self.content = blob if blob.startswith(KERNELS) else b""
        return bool(self.content)

    def serialize(self) -> bytes:
        return self.content


def run(file: Path, compiles: bytes = KERNELS) -> Config:
    """Starts an engine, which compiles what is not in its cache."""
    first, second = Config(), Config()
    cache = RuntimeCache(file)
    for config in (first, second):
        cache.attach(config)  # type: ignore[arg-type]
    assert first.attached == second.attached == [first]
    loaded, first.content = first.content, compiles
    cache.save()
    first.content = loaded
    return first


@pytest.fixture
def file(tiny_bundle: Bundle, tmp_path: Path) -> Path:
    path = runtime_cache_path(tiny_bundle, tiny_bundle.variants[0])
    assert path.parent == tiny_bundle.path.parent
    return tmp_path / path.name


def test_the_second_start_has_what_the_first_compiled(file: Path) -> None:
    assert run(file).content == b""
    assert run(file).content == KERNELS


def test_the_file_is_written_only_for_new_kernels(file: Path) -> None:
    run(file)
    written = file.stat().st_mtime_ns
    file.touch(mode=0o600)
    touched = file.stat().st_mtime_ns
    assert touched >= written
    run(file)
    assert file.stat().st_mtime_ns == touched
    run(file, KERNELS + b" and more")
    assert file.read_bytes().endswith(b"more")


def test_a_file_of_another_gpu_is_made_again(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.write_bytes(b"kernels of another GPU")
    with caplog.at_level(logging.INFO, "edgefg"):
        run(file)
    assert "made again" in caplog.text
    assert file.read_bytes() == KERNELS


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "edgefg"):
        run(tmp_path / "gone" / "cache")
    assert "the next start compiles again" in caplog.text
