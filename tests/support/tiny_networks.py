"""Networks of a node or two, and compilers for them.

Test modules import its fixtures under their own names (``compiler as compiler``), as only pytest uses them.
"""

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from edgefg.build.tensorrt import builder as compiling
from edgefg.build.tensorrt.builder import CompileOptions, Compiler, open_compiler
from edgefg.errors import CompileError

onnx = pytest.importorskip("onnx")

helper, kinds = onnx.helper, onnx.TensorProto

Shape = tuple[int | str, ...]


def network(
    *nodes: Any,
    inputs: dict[str, Shape] | None = None,
    kind: int = kinds.FLOAT,
    constants: dict[str, Any] | None = None,
    domain: str = "",
) -> bytes:
    """A network from `inputs` to the outputs of its last node, whose shapes are left open."""
    described = [helper.make_tensor_value_info(n, kind, shape) for n, shape in (inputs or {"x": ("N", 3)}).items()]
    results = [helper.make_tensor_value_info(name, kind, None) for name in nodes[-1].output]
    tensors = [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(list(nodes), "tiny", described, results, tensors)
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


def node(operator: str, *inputs: str, output: str = "y", **attributes: Any) -> Any:
    return helper.make_node(operator, list(inputs), [output], name=f"the {operator}", **attributes)


SMALL = network(node("Relu", "x"))


@pytest.fixture(scope="module")
def compiler() -> Compiler:
    pytest.importorskip("tensorrt_rtx")
    return open_compiler("tensorrt-rtx")


@pytest.fixture
def tensorrt(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A stand-in for the package `tensorrt`, which needs a GPU: RTX's, which has the same API, under its name."""
    rtx = pytest.importorskip("tensorrt_rtx")
    module = ModuleType("tensorrt")
    vars(module).update({**vars(rtx), "__version__": "10.3.0"})
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    monkeypatch.setattr(compiling, "compute_capability", lambda: "8.7")
    return module


def refusal(compiler: Compiler, model: bytes, **options: Any) -> str:
    with pytest.raises(CompileError) as refused:
        compiler.compile(model, name="stage1", options=CompileOptions(**options))
    message = str(refused.value)
    assert message.startswith("stage1: ")
    assert "\n" not in message
    assert "/_src/" not in message
    return message
