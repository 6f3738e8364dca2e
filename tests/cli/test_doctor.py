"""``edgefg doctor``."""

import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from edgefg import __version__
from edgefg.bundle.bundle import Bundle
from edgefg.cli.diagnosis import Diagnosis, examine

Command = Callable[..., Any]


def found(bundle: Path) -> dict[str, Diagnosis]:
    return {finding.subject: finding for finding in examine(bundle)}


def pretend_installed(monkeypatch: pytest.MonkeyPatch, *wheels: str) -> None:
    """Makes pip's records name these OpenCV wheels and no other."""
    real = metadata.version

    def version(name: str) -> str:
        if name.startswith("opencv"):
            if name in wheels:
                return "4.9"
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)


class TestFindings:
    def test_says_versions(self, tiny_bundle: Bundle) -> None:
        findings = found(tiny_bundle.path)
        assert findings["edgefg"].text.startswith(__version__)
        assert findings["python"].text.startswith(sys.version.split()[0])
        assert findings["numpy"].text == metadata.version("numpy")
        assert findings["bundle"].text.startswith("tiny, fp32")

    def test_runs_each_engine_on_the_bundle(self, tiny_bundle: Bundle) -> None:
        findings = found(tiny_bundle.path)
        assert "runs the bundle" in findings["openvino"].text
        assert "ms a frame" in findings["openvino"].text
        assert "engines" not in findings

    def test_an_engine_that_does_not_load_says_why(self, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(sys.modules, "edgefg.engines.onnxruntime", raising=False)
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        finding = found(tiny_bundle.path)["onnxruntime"]
        assert not finding.good
        assert "pip install onnxruntime" in finding.text

    def test_no_engine_at_all_is_fatal(self, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("openvino", "onnxruntime"):
            monkeypatch.delitem(sys.modules, f"edgefg.engines.{name}", raising=False)
            monkeypatch.setitem(sys.modules, name, None)
        assert found(tiny_bundle.path)["engines"].fatal

    def test_a_damaged_bundle_is_fatal_and_engines_are_still_looked_at(self, bundle_copy: Bundle) -> None:
        bundle_copy.variants[0].stage1.unlink()
        findings = found(bundle_copy.path)
        assert findings["bundle"].fatal
        assert bundle_copy.variants[0].stage1.name in findings["bundle"].text
        assert findings["openvino"].text.endswith("loads")

    def test_a_package_that_is_not_installed(self, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("edgefg.cli.diagnosis._version", lambda package: None)
        finding = found(tiny_bundle.path)["av"]
        assert (finding.good, finding.fatal) == (False, False)
        assert 'pip install "av"' in finding.text


class TestCv2Origin:
    @pytest.mark.parametrize("wheel", ["opencv-python", "opencv-python-headless"])
    def test_a_wheel(self, wheel: str, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
        pretend_installed(monkeypatch, wheel)
        assert f"({wheel})" in found(tiny_bundle.path)["cv2"].text

    def test_the_system(self, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
        pretend_installed(monkeypatch)
        finding = found(tiny_bundle.path)["cv2"]
        assert finding.good
        assert "not from pip: the system's own" in finding.text

    def test_two_wheels_break_each_other(self, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
        pretend_installed(monkeypatch, "opencv-python", "opencv-contrib-python")
        finding = found(tiny_bundle.path)["cv2"]
        assert not finding.good
        assert "opencv-python and opencv-contrib-python" in finding.text

    def test_none_is_fatal(self, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "cv2", None)
        findings = found(tiny_bundle.path)
        assert findings["cv2"].fatal
        assert "pip install" in findings["cv2"].text
        assert "openvino" not in findings


class TestCommand:
    def test_exit_code_0_when_all_is_well(self, edgefg: Command, tiny_bundle: Bundle) -> None:
        ended = edgefg("doctor", "--bundle", tiny_bundle.path)
        assert (ended.code, ended.err) == (0, "")
        assert ended.out.startswith(f"ok   edgefg       {__version__}")

    def test_exit_code_1_when_something_is_fatal(self, edgefg: Command, tmp_path: Path) -> None:
        ended = edgefg("doctor", "--bundle", tmp_path / "none")
        assert (ended.code, ended.err) == (1, "")
        assert "FAIL bundle" in ended.out
