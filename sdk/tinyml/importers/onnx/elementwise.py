"""Add, Sub and Mul of two tensors, or of a tensor and a constant."""

from __future__ import annotations

import numpy as np

from tinyml import ops
from tinyml.importers.onnx.conv import ROUNDING, matmul
from tinyml.importers.onnx.convert import Converter, Tensor, compute
from tinyml.importers.onnx.layout import Layout
from tinyml.importers.onnx.model import OnnxNode
from tinyml.importers.onnx.quant import Target
from tinyml.ir.tensor import QuantParams

_OPS = {"Add": ops.Add, "Sub": ops.Sub, "Mul": ops.Mul}


@compute("Add", "Sub", "Mul")
def binary(converter: Converter, node: OnnxNode, target: Target) -> Tensor:
    """Shapes broadcast; an Add of a constant right behind a MatMul is its bias."""
    names = (node.input(0), node.input(1))
    fused = _bias_of_matmul(converter, node, target, names)
    if fused is not None:
        return fused
    fixed = [_constant(converter, node, name) for name in names]
    if all(f is not None for f in fixed):
        raise node.error("both inputs are constant", hint="fold constants when exporting the model")
    tensors = [None if f is not None else converter.operand(n, node) for f, n in zip(fixed, names, strict=True)]
    shapes = [f[0].shape if f is not None else t.shape for f, t in zip(fixed, tensors, strict=True)]
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise node.error(f"inputs {list(shapes[0])} and {list(shapes[1])} do not fit together") from error
    rank = len(shape)
    order = _common_order([t for t in tensors if t is not None and t.shape == shape], rank)
    values = []
    for f, t, n in zip(fixed, tensors, names, strict=True):
        if t is not None:
            values.append(_broadcast_operand(converter, node, t, order))
        else:
            data = f[0].reshape((1,) * (rank - f[0].ndim) + f[0].shape).transpose(order)
            values.append(converter.const(n, data, f[1]))
    constant = next((i for i, f in enumerate(fixed) if f is not None), None)
    rounding = ROUNDING if node.kind == "Mul" else "high"  # each rounds once
    op = _OPS[node.kind](target.quant, target.low, target.high, rounding, constant)
    return Tensor(converter.emit(node.outputs[0], node, op, *values), Layout.of(tuple(shape), order))


def _bias_of_matmul(
    converter: Converter, node: OnnxNode, target: Target, names: tuple[str, str]
) -> Tensor | None:  # fmt: skip
    """MatMul and the Add of a constant behind it as one operator, when no QuantizeLinear stands between them."""
    for product, bias in (names, names[::-1]):
        source = converter.waiting.get(product)
        is_product = node.kind == "Add" and source is not None and source.kind == "MatMul"
        if is_product and product not in converter.tensors and _is_vector(converter, bias):
            return matmul(converter, source, target, bias)
    return None


def _is_vector(converter: Converter, name: str) -> bool:
    data = converter.stored[name].data if name in converter.stored else converter.constants.get(name)
    return data is not None and data.ndim > 0 and data.shape[-1] == data.size


def _constant(converter: Converter, node: OnnxNode, name: str) -> tuple[np.ndarray, QuantParams] | None:
    """A constant operand as int8 with its grid; one that is not quantised gets the finest grid that holds it."""
    if name in converter.stored:
        stored = converter.stored[name]
        if stored.axis is None and stored.data.dtype.name in ("int8", "uint8"):
            shift = 128 if stored.data.dtype == np.uint8 else 0
            data = (stored.data.astype(np.int16) - shift).astype(np.int8)
            return data, QuantParams((float(stored.scales[0]),), int(stored.zero_points[0]) - shift)
        real = stored.real()
    elif name in converter.constants:
        real = converter.constants[name].astype(np.float64)
    else:
        return None
    if not real.size or not np.all(np.isfinite(real)):
        raise node.error(f"its constant `{name}` is empty or not finite")
    largest = float(np.abs(real).max()) or 1.0
    return np.rint(real / (largest / 127)).astype(np.int8), QuantParams((largest / 127,), 0)


def _common_order(full: list[Tensor], rank: int) -> tuple[int, ...]:
    """The order of axes for the result: one that an operand of its shape has in memory already."""
    for tensor in full:
        order = tensor.layout.order()
        if order is not None:
            return order
    return tuple(range(rank))


def _broadcast_operand(converter: Converter, node: OnnxNode, tensor: Tensor, order: tuple[int, ...]) -> str:
    """The value with its axes in the order of the result; missing leading axes become 1."""
    missing = len(order) - len(tensor.shape)
    axes = tuple(None if a < missing else a - missing for a in order)
    return converter.arranged(tensor, axes, node)
