"""Functions of one element, changes of grid, and softmax.

A Relu or Clip between an operator and its QuantizeLinear becomes the operator's own clamp. Every other function of one
int8 is a table of 256 entries, computed here in float64.
"""

from __future__ import annotations

import numpy as np

from tinyml import ops
from tinyml.importers.onnx.convert import IMPLIED, Converter, Function, Tensor, compute
from tinyml.importers.onnx.layout import Layout
from tinyml.importers.onnx.model import OnnxNode
from tinyml.importers.onnx.movement import axis_of
from tinyml.importers.onnx.quant import Target
from tinyml.ir.tensor import QuantParams

_SHARES = QuantParams((1 / 256,), -128)


@compute("Relu", "Clip", status="fused")
def clip(converter: Converter, node: OnnxNode, target: Target) -> Tensor:
    """A narrower range of whatever computes the input."""
    low, high = _bounds(converter, node)
    return converter.quantized(node.input(0), target.clipped(low, high), node)


def _bounds(converter: Converter, node: OnnxNode) -> tuple[float, float]:
    if node.kind == "Relu":
        return 0.0, float("inf")
    bounds = [-float("inf"), float("inf")]
    for index in (1, 2):
        if name := node.optional(index):
            real = converter.stored[name].real() if name in converter.stored else converter.constant(node, index)
            if real.size != 1 or np.isnan(real).any():
                raise node.error(f"its bound `{name}` is not one number")
            bounds[index - 1] = float(real.ravel()[0])
    if bounds[0] > bounds[1]:
        raise node.error(f"its range {bounds} is empty")
    return bounds[0], bounds[1]


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * x))


def _function(node: OnnxNode) -> Function:
    slope = node.float("alpha", 0.01) if node.kind == "LeakyRelu" else 0.0
    alpha, beta = (node.float(k, d) if node.kind == "HardSigmoid" else d for k, d in (("alpha", 0.2), ("beta", 0.5)))
    functions: dict[str, Function] = {
        "LeakyRelu": lambda x: np.where(x < 0, slope * x, x),
        "HardSwish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
        "HardSigmoid": lambda x: np.clip(alpha * x + beta, 0, 1),
        "Sigmoid": _sigmoid,
        "Tanh": np.tanh,
    }
    return functions[node.kind]


@compute("LeakyRelu", "HardSwish", "HardSigmoid", "Sigmoid", "Tanh")
def function(converter: Converter, node: OnnxNode, target: Target) -> Tensor:
    return converter.mapped(converter.operand(node.input(0), node), _function(node), target, node)


@compute("Softmax")
def softmax(converter: Converter, node: OnnxNode, target: Target) -> Tensor:
    """Probabilities in 256ths, brought to the grid asked for. Raises: OnnxError where that is much finer."""
    tensor = converter.operand(node.input(0), node)
    axis = axis_of(node, tensor, -1)
    if target.quant.scale < 0.95 / 256:
        raise node.error(f"its result has steps of {target.quant.scale:g}; 1/256 is the finest that is supported",
                         hint="quantise its result for the range 0 to 1, as onnxruntime does by itself")  # fmt: skip
    order = tensor.layout.order() or tuple(range(len(tensor.shape)))
    order = (*(a for a in order if a != axis), axis)
    if tensor.shape[order[0]] != 1:
        order = (None, *order)
    name, exact = node.outputs[0], target == Target(_SHARES)
    source = converter.arranged(tensor, order, node)
    value = converter.emit(name if exact else f"{name}_256ths", node, ops.Softmax(), source)
    result = Tensor(value, Layout.of(tensor.shape, tuple(a for a in order if a is not None)))
    return result if exact else converter.mapped(result, lambda real: real, target, node)


def _grid_of_input(converter: Converter, node: OnnxNode) -> QuantParams | None:
    """A Relu or a mean of integers has a grid: that of its input."""
    return _grid_of(converter, node.input(0))


def _common_grid(converter: Converter, node: OnnxNode) -> QuantParams | None:
    grids = {_grid_of(converter, name) for name in node.inputs}
    return grids.pop() if len(grids) == 1 else None


def _grid_of(converter: Converter, name: str) -> QuantParams | None:
    return converter.type(converter.tensors[name]).quant if name in converter.tensors else None


IMPLIED.update(
    Softmax=lambda converter, node: _SHARES,
    Sigmoid=lambda converter, node: _SHARES,
    Tanh=lambda converter, node: QuantParams((1 / 128,), 0),
    **dict.fromkeys(("Relu", "AveragePool", "GlobalAveragePool", "ReduceMean"), _grid_of_input),
    Concat=_common_grid,
)
