"""Networks that TensorRT refuses: what is said of them."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from edgefg.build.tensorrt.builder import Compiler, open_compiler
from edgefg.engines.trt.log import readable

from ..support.tiny_networks import SMALL, kinds, network, node, refusal
from ..support.tiny_networks import compiler as compiler
from ..support.tiny_networks import tensorrt as tensorrt


class TestRefusals:
    def test_an_unsupported_operator(self, compiler: Compiler) -> None:
        nodes = node("Relu", "x", output="r"), node("Det", "r")
        message = refusal(compiler, network(*nodes, inputs={"x": ("N", 3, 3)}))
        assert "node 1 'the Det' (Det): unsupported node; " in message
        assert message.endswith("what edgefg build exports compiles")

    def test_several(self, compiler: Compiler) -> None:
        nodes = node("Det", "x", output="d"), node("Det", "x")
        assert "(Det) (and 1 more): " in refusal(compiler, network(*nodes, inputs={"x": ("N", 3, 3)}))

    def test_an_operator_of_another_domain(self, compiler: Compiler) -> None:
        model = network(node("Frobnicate", "x", domain="ai.example"), domain="ai.example")
        assert "node 0 'the Frobnicate' (Frobnicate): invalid node: " in refusal(compiler, model)

    def test_types_that_do_not_fit(self, compiler: Compiler) -> None:
        model = network(node("Add", "x", "half"), constants={"half": np.zeros(3, np.float16)})
        message = refusal(compiler, model)
        assert "'the Add' (Add): invalid node: " in message
        assert "Float and Half" in message
        assert "cudaError" not in message

    def test_bytes_cannot_be_transposed(self, compiler: Compiler) -> None:
        model = network(node("Transpose", "x", perm=[1, 0]), kind=kinds.UINT8)
        assert "first input has type UInt8" in refusal(compiler, model)

    @pytest.mark.parametrize("length", [1, 20, -1])
    def test_a_file_cut_short(self, length: int, compiler: Compiler) -> None:
        assert "expected an ONNX file, found " in refusal(compiler, SMALL[:length])

    @pytest.mark.parametrize("content", [b"", b"hello", bytes(1000), b"\x89PNG\r\n\x1a\n" * 20])
    def test_no_onnx(self, content: bytes, compiler: Compiler) -> None:
        assert "expected an ONNX file, found " in refusal(compiler, content)

    def test_a_failed_build_says_why(self, tensorrt: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        opened = open_compiler("tensorrt")

        class FakeBuilder:
            """The real one, but for the build itself."""

            def __getattr__(self, name: str) -> Any:
                return getattr(real, name)

            def build_serialized_network(self, network: Any, config: Any) -> None:
                severity = tensorrt.ILogger.Severity
                for text in ("first", "second", "second", "third", "Could not find any implementation In f at /_src/a"):
                    opened._logger.log(severity.ERROR, text)

        real = opened._builder
        monkeypatch.setattr(opened, "_builder", FakeBuilder())
        message = refusal(opened, SMALL)
        assert message.endswith("TensorRT 10.3.0 cannot build it: second; third; Could not find any implementation")

    def test_errors_of_the_binding(self, compiler: Compiler) -> None:
        assert "failed: parse(): incompatible function arguments" in refusal(compiler, None)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("a\n  b", "a b"),
            (
                "[cudaResources.cpp::ScopedCudaStream::25] Error Code 1 (In check at /_src/x.cpp:250 (35))",
                "Error Code 1 ( (35))",
            ),
            ("Transpose: wrong. In checkType at /_src/optimizer/nodeBase.cpp:456)", "Transpose: wrong.)"),
        ],
    )
    def test_one_line(self, text: str, line: str) -> None:
        assert readable(text) == line
