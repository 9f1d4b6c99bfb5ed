"""A float ONNX model made ready for the quantiser: folded by onnxruntime, and refused early where it must be."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import ModuleType

from tinyml.importers.onnx import OnnxError, operator_statuses, read_onnx
from tinyml.importers.onnx.convert import unsupported

_HARD_SWISH_OPSET = 14


def prepare(model: Path, target: Path) -> None:
    """Write `model` to `target`, constants and batch normalisations folded and shapes inferred.

    Raises: OnnxError when onnxruntime cannot, or for an operator that the importer does not know.
    """
    import onnx
    from onnxruntime.quantization import quant_pre_process

    with tempfile.TemporaryDirectory() as work:
        folded = Path(work) / "folded.onnx"
        try:
            quant_pre_process(str(model), str(folded), auto_merge=True)
            proto = onnx.load(folded)
            _restore_hard_swish(onnx, proto)
            onnx.save(proto, target)
        except Exception as error:  # onnxruntime raises errors of many classes
            raise OnnxError(f"onnxruntime cannot prepare {model}", details=error_lines(error)) from error
    for node in read_onnx(target).nodes:
        if operator_statuses().get(node.kind, "not supported") == "not supported":
            raise unsupported(node)


def error_lines(error: Exception) -> tuple[str, ...]:
    """The first lines of another library's message."""
    return tuple(str(error).splitlines()[:5])


def _restore_hard_swish(onnx: ModuleType, proto) -> None:  # noqa: ANN001 - onnx.ModelProto
    """onnxruntime expands HardSwish into x * HardSigmoid(x), which would be rounded twice: make it one node again."""
    if max(entry.version for entry in proto.opset_import if entry.domain == "") < _HARD_SWISH_OPSET:
        return
    graph = proto.graph
    readers: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1
    gates = {n.output[0]: n for n in graph.node if n.op_type == "HardSigmoid" and _is_gate(onnx, n)}
    for node in graph.node:
        for gate, other in (node.input, node.input[::-1]) if node.op_type == "Mul" else ():
            if gate in gates and gates[gate].input[0] == other and readers[gate] == 1:
                graph.node.remove(gates[gate])
                node.op_type = "HardSwish"
                del node.input[:]
                node.input.append(other)
                break


def _is_gate(onnx: ModuleType, node) -> bool:  # noqa: ANN001 - onnx.NodeProto
    values = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    return abs(values.get("alpha", 0.2) - 1 / 6) < 1e-6 and values.get("beta", 0.5) == 0.5
