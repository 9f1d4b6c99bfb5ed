"""ONNX models in QDQ form, as onnxruntime's quantiser writes them, to int8 graphs."""

from __future__ import annotations

from pathlib import Path

from tinyml.importers.onnx import activation, conv, elementwise, movement, pool, resize  # noqa: F401 - they register
from tinyml.importers.onnx.constants import ADVICE, FOLDABLE
from tinyml.importers.onnx.convert import STATUS, Converted, Converter, Tensor
from tinyml.importers.onnx.errors import OnnxError
from tinyml.importers.onnx.read import read_onnx
from tinyml.ir.graph import Graph
from tinyml.ir.op import GraphError
from tinyml.ir.verify import verify

__all__ = ["Converted", "OnnxError", "Tensor", "convert_onnx", "import_onnx", "operator_statuses", "read_onnx"]


def operator_statuses() -> dict[str, str]:
    """Operators by name: supported, fused (into a neighbour), folded (no code is left), or not supported."""
    known = dict.fromkeys(ADVICE, "not supported") | dict.fromkeys(FOLDABLE, "folded where constant") | STATUS
    return dict(sorted((known | {"BatchNormalization": "folded by calibration"}).items()))


def import_onnx(source: Path | str | bytes, name: str | None = None) -> Graph:
    """The int8 graph of an ONNX model in QDQ form (opset 13 and later).

    Images become NHWC, uint8 activations int8; float inputs and outputs become the integers behind them. A symbolic
    batch becomes 1. Raises: OnnxError naming the node that cannot be imported, MissingToolError without onnx.
    """
    return convert_onnx(source, name).graph


def convert_onnx(source: Path | str | bytes, name: str | None = None) -> Converted:
    """As `import_onnx`, with the place of every quantised ONNX tensor in the graph."""
    if name is None and not isinstance(source, bytes):
        name = Path(source).stem
    converted = Converter(read_onnx(source), name).run()
    try:
        verify(converted.graph)
    except GraphError as error:
        raise OnnxError(error.message, hint=error.hint, details=error.details) from error
    return converted
