"""Add, Sub and Mul of two tensors, or of a tensor and a constant."""

from __future__ import annotations

import numpy as np

from tinyml import ops
from tinyml.importers.onnx.conv import ROUNDING, Weights, matmul
from tinyml.importers.onnx.convert import Converter, Function, Tensor, compute
from tinyml.importers.onnx.layout import Layout
from tinyml.importers.onnx.model import OnnxNode
from tinyml.importers.onnx.quant import Stored, Target, bias_steps
from tinyml.ir.tensor import QuantParams

_OPS = {"Add": ops.Add, "Sub": ops.Sub, "Mul": ops.Mul}


@compute("Add", "Sub", "Mul")
def binary(converter: Converter, node: OnnxNode, target: Target) -> Tensor:
    """Shapes broadcast; an Add of a constant right behind a MatMul is its bias."""
    names = (node.input(0), node.input(1))
    fused = _bias_of_matmul(converter, node, target, names)
    if fused is not None:
        return fused
    fixed = [_real(converter, node, name) for name in names]
    if all(f is not None for f in fixed):
        raise node.error("both inputs are constant", hint="fold constants when exporting the model")
    tensors = [None if f is not None else converter.operand(n, node) for f, n in zip(fixed, names, strict=True)]
    shapes = [f.shape if f is not None else t.shape for f, t in zip(fixed, tensors, strict=True)]
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise node.error(f"inputs {list(shapes[0])} and {list(shapes[1])} do not fit together") from error
    constant = next((i for i, f in enumerate(fixed) if f is not None), None)
    if constant is not None:
        tensor = tensors[1 - constant]
        if fixed[constant].size == 1 and tensor.shape == shape:
            return converter.mapped(tensor, _with(node.kind, fixed[constant], constant), target, node)
        if _grid(converter, names[constant]) is None:
            return _per_channel(converter, node, target, tensor, fixed[constant], constant)
    order = _common_order([t for t in tensors if t is not None and t.shape == shape], len(shape))
    values = []
    for t, name in zip(tensors, names, strict=True):
        values.append(_broadcast_constant(converter, name, order) if t is None else
                      _broadcast_operand(converter, node, t, order))  # fmt: skip
    rounding = ROUNDING if node.kind == "Mul" else "high"  # each rounds once
    op = _OPS[node.kind](target.quant, target.low, target.high, rounding, constant)
    return Tensor(converter.emit(node.outputs[0], node, op, *values), Layout.of(tuple(shape), order))


def _with(kind: str, constant: np.ndarray, index: int) -> Function:
    """The operator as a function of the other operand; `index` is the constant's place."""
    value = float(constant.ravel()[0])
    functions: dict[tuple[str, int], Function] = {
        ("Add", 0): lambda x: value + x, ("Add", 1): lambda x: x + value,
        ("Sub", 0): lambda x: value - x, ("Sub", 1): lambda x: x - value,
        ("Mul", 0): lambda x: value * x, ("Mul", 1): lambda x: x * value,
    }  # fmt: skip
    return functions[kind, index]


def _per_channel(
    converter: Converter, node: OnnxNode, target: Target, tensor: Tensor, constant: np.ndarray, index: int
) -> Tensor:
    """With a float constant for each channel: a depthwise convolution of one cell, weights and bias finer than int8."""
    value, order = converter.natural(tensor, node)
    rank, shape = len(tensor.shape), converter.builder.types[value].shape
    axis = order[-1]
    aligned = constant.reshape((1,) * (rank - constant.ndim) + constant.shape) if constant.ndim <= rank else constant
    if aligned.shape != tuple(shape[-1] if a == axis else 1 for a in range(rank)):
        raise node.error(f"its constant {list(constant.shape)} is not quantised",
                         hint="quantise it too, or use one number, or one for each channel")  # fmt: skip
    real = aligned.ravel()
    factors = real if node.kind == "Mul" else np.full(real.shape, -1.0 if node.kind == "Sub" and index == 0 else 1.0)
    offsets = np.zeros(real.shape) if node.kind == "Mul" else -real if node.kind == "Sub" and index == 1 else real
    weights = Weights((127 * np.sign(factors)).astype(np.int8), np.where(factors == 0, 1.0, np.abs(factors)) / 127)
    bias = bias_steps(node, offsets, converter.type(tensor).quant.scale * weights.scales)
    flat = converter.flat(Tensor(value, tensor.layout), (1,) * (5 - len(shape)) + shape[1:], node)
    operands = (flat, converter.const(f"{node.outputs[0]}_weights", weights.data[None, None, None], weights.quant(3)),
                converter.const(f"{node.outputs[0]}_bias", bias))  # fmt: skip
    op = ops.DepthwiseConv2d((1, 1), (0, 0, 0, 0), target.quant, target.low, target.high, (1, 1), ROUNDING)
    result = converter.emit(node.outputs[0], node, op, *operands)
    return Tensor(result, Layout.of(tensor.shape, tuple(a for a in order if a is not None)))


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


def _real(converter: Converter, node: OnnxNode, name: str) -> np.ndarray | None:
    """The numbers of a constant operand as float64, None for a computed one."""
    if name not in converter.stored and name not in converter.constants:
        return None
    stored = converter.stored.get(name)
    real = stored.real() if stored is not None else converter.constants[name].astype(np.float64)
    if not real.size or not np.all(np.isfinite(real)):
        raise node.error(f"its constant `{name}` is empty or not finite")
    return real


def _grid(converter: Converter, name: str) -> QuantParams | None:
    """The int8 grid of a constant operand, None when it has none."""
    stored = converter.stored.get(name)
    if stored is None or stored.axis is not None or stored.data.dtype.name not in ("int8", "uint8"):
        return None
    return QuantParams((float(stored.scales[0]),), int(stored.zero_points[0]) - _shift(stored))


def _shift(stored: Stored) -> int:
    return 128 if stored.data.dtype == np.uint8 else 0


def _broadcast_constant(converter: Converter, name: str, order: tuple[int, ...]) -> str:
    """A quantised constant with its axes in the order of the result."""
    stored = converter.stored[name]
    data = (stored.data.astype(np.int16) - _shift(stored)).astype(np.int8)
    data = data.reshape((1,) * (len(order) - data.ndim) + data.shape).transpose(order)
    return converter.const(name, data, _grid(converter, name))


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
