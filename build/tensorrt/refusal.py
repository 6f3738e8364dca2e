"""Reason why TensorRT did not understand a network, in one line."""

from typing import TYPE_CHECKING

from edgefg.engines.trt.log import TensorRtLog, readable

if TYPE_CHECKING:
    import tensorrt as trt


def parser_refusal(parser: "trt.OnnxParser", log: TensorRtLog) -> str:
    """Returns why an ONNX was not understood: the first node at fault, and how to fix it."""
    if not parser.num_errors:
        return log.last_errors()
    error = parser.get_error(0)
    code = error.code().name
    if code == "MODEL_DESERIALIZE_FAILED":
        return "expected an ONNX file, found one that is cut short or none; make it again: edgefg build"
    if error.node() < 0:
        return f"refused: {_cause(code, error.desc())}; export it with edgefg build"
    where = f"node {error.node()} {error.node_name()!r} ({error.node_operator()})"
    more = f" (and {parser.num_errors - 1} more)" if parser.num_errors > 1 else ""
    return (
        f"refused at {where}{more}: {_cause(code, error.desc())}; "
        "it may lack this operator, or have it for other types: what edgefg build exports compiles"
    )


def _cause(code: str, description: str) -> str:
    # The first line may repeat the node's name. An unsupported operator is described as "false", where its code says
    # more. Lines after the cause are its consequences.
    causes = (line for line in description.splitlines() if not line.startswith("Invalid Node") and line != "false")
    kind = code.replace("_", " ").lower()
    return f"{kind}: {readable(cause)}" if (cause := next(causes, "")) else kind
