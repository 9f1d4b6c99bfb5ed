"""Conv, Gemm and MatMul: operators that multiply by constant weights and add a constant bias."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinyml.importers.onnx.convert import Converter, Tensor, compute
from tinyml.importers.onnx.layout import Layout, channels_last
from tinyml.importers.onnx.model import OnnxNode
from tinyml.importers.onnx.quant import Stored, Target, bias_steps, symmetric_int8
from tinyml.importers.onnx.window import SpatialWindow, padded
from tinyml.ir.tensor import QuantParams
from tinyml.ops import Concat, Conv2d, DepthwiseConv2d, FullyConnected, Slice

_MOST_GROUPS = 256
_MOST_DENSE_BYTES = 2**22
ROUNDING = "single"  # the nearest to onnxruntime, which rounds a float once


@dataclass(frozen=True)
class Weights:
    """int8 weights [outputs, ...] with float64 scales [outputs] or [1]."""

    data: np.ndarray
    scales: np.ndarray

    @classmethod
    def of(cls, converter: Converter, node: OnnxNode, name: str, output_axis: int) -> Weights:
        """The constant `name`, its output channels first. Raises: OnnxError."""
        stored = converter.stored.get(name)
        if stored is None:
            constant = name in converter.constants
            raise node.error(f"its weights `{name}` are {'not quantised' if constant else 'not constant'}",
                             hint="quantise weights to int8 (QDQ form)" if constant else
                             "only products with constant weights are supported")  # fmt: skip
        if stored.axis not in (None, output_axis):
            raise node.error(f"its weights have scales along axis {stored.axis}, not along the outputs")
        data = symmetric_int8(node, stored)
        if not data.size:
            raise node.error(f"its weights have the empty shape {list(data.shape)}")
        return cls(np.moveaxis(data, output_axis, 0), stored.scales)

    def quant(self, axis: int) -> QuantParams:
        if self.scales.size == 1:
            return QuantParams((float(self.scales[0]),), 0)
        return QuantParams(tuple(self.scales.tolist()), 0, axis)


def bias_of(converter: Converter, node: OnnxNode, name: str, in_scale: float, weights: Weights) -> np.ndarray:
    """int32 [outputs] in steps of input scale times weight scale; zeros where there is no bias."""
    outputs = weights.data.shape[0]
    steps = np.broadcast_to(in_scale * weights.scales, (outputs,))
    if not name:
        return np.zeros(outputs, np.int32)
    stored = converter.stored.get(name)
    if stored is None and name not in converter.constants:
        raise node.error(f"its bias `{name}` is not constant")
    size = (stored.data if stored else converter.constants[name]).size
    if size not in (1, outputs):
        raise node.error(f"its bias has {size} values for {outputs} outputs")
    if stored is not None and stored.data.dtype == np.int32 and _same_steps(stored, steps):
        return np.broadcast_to(stored.data.ravel(), (outputs,)).copy()
    real = stored.real() if stored is not None else converter.constants[name]
    return bias_steps(node, np.broadcast_to(real.ravel(), (outputs,)), steps)


def _same_steps(stored: Stored, steps: np.ndarray) -> bool:
    """Whether a bias is in the accumulator's steps already, but for rounding of the product of two floats."""
    return bool(np.allclose(np.broadcast_to(stored.scales, steps.shape), steps, rtol=1e-6, atol=0))


@compute("Conv")
def conv(converter: Converter, node: OnnxNode, target: Target) -> Tensor:
    """One or two spatial axes; grouped, depthwise and dilated."""
    tensor = converter.operand(node.input(0), node)
    weights = Weights.of(converter, node, node.input(1), 0)
    rank = len(tensor.shape)
    if rank not in (3, 4) or weights.data.ndim != rank:
        raise node.error(f"input {list(tensor.shape)} and weights {list(weights.data.shape)}: only one and two "
                         "spatial axes are supported")  # fmt: skip
    kernel = weights.data.shape[2:]
    if node.ints("kernel_shape", kernel) != kernel:
        raise node.error(f"its kernel_shape is not that of its weights, {list(kernel)}")
    groups, channels, outputs = node.int("group", 1), tensor.shape[1], weights.data.shape[0]
    if groups < 1 or channels != groups * weights.data.shape[1] or outputs % groups:
        raise node.error(f"{channels} channels, weights {list(weights.data.shape)} and {groups} groups do not fit")
    data = weights.data.reshape(outputs, weights.data.shape[1], *((1,) if rank == 3 else ()), *kernel)
    window = SpatialWindow.of(node, tensor.shape[2:], kernel, dilated=True)
    value = converter.arranged(tensor, _image_order(rank), node)
    value, padding = padded(converter, node, value, window)
    bias = bias_of(converter, node, node.optional(2), converter.builder.types[value].quant.scale, weights)
    op = (window.stride, padding, target.quant, target.low, target.high, window.dilation, ROUNDING)
    name = node.outputs[0]
    if groups == channels == outputs and groups > 1:
        operands = (value, converter.const(f"{name}_weights", data[:, 0].transpose(1, 2, 0)[None], weights.quant(3)),
                    converter.const(f"{name}_bias", bias))  # fmt: skip
        result = converter.emit(name, node, DepthwiseConv2d(*op), *operands)
    elif groups == 1 or groups == channels:
        operands = (value, converter.const(f"{name}_weights", _dense(node, data, groups).transpose(0, 2, 3, 1),
                                           weights.quant(0)), converter.const(f"{name}_bias", bias))  # fmt: skip
        result = converter.emit(name, node, Conv2d(*op), *operands)
    elif groups > _MOST_GROUPS:
        raise node.error(f"{groups} groups are not supported, at most {_MOST_GROUPS} are")
    else:
        result = _grouped(converter, node, Conv2d(*op), value, Weights(data, weights.scales), bias, groups)
    sizes = converter.builder.types[result].shape
    shape = (1, outputs, *(sizes[1:3] if rank == 4 else sizes[2:3]))
    return Tensor(result, Layout.of(shape, channels_last(rank)))


def _grouped(
    converter: Converter, node: OnnxNode, op: Conv2d, value: str, weights: Weights, bias: np.ndarray, groups: int
) -> str:
    """Weights [O, C / groups, kh, kw]: each group of channels is convolved by itself, and the results are joined."""
    name, (outputs, width) = node.outputs[0], weights.data.shape[:2]
    size, shape, parts = outputs // groups, converter.builder.types[value].shape, []
    for group in range(groups):
        own = slice(group * size, (group + 1) * size)
        scales = weights.scales if weights.scales.size == 1 else weights.scales[own]
        part = Slice((0, 0, 0, group * width), (*shape[:3], width), (1, 1, 1, 1))
        data = weights.data[own].transpose(0, 2, 3, 1)
        operands = (converter.emit(f"{name}_in{group}", node, part, value),
                    converter.const(f"{name}_weights{group}", data, Weights(data, scales).quant(0)),
                    converter.const(f"{name}_bias{group}", bias[own]))  # fmt: skip
        parts.append(converter.emit(f"{name}_group{group}", node, op, *operands))
    return converter.emit(name, node, Concat(3), *parts)


def _image_order(rank: int) -> tuple[int | None, ...]:
    """[1, H, W, C] of an ONNX tensor; one spatial axis becomes the width."""
    return (0, None, 2, 1) if rank == 3 else (0, 2, 3, 1)


def _dense(node: OnnxNode, data: np.ndarray, groups: int) -> np.ndarray:
    """Weights [O, C / groups, kh, kw] of a grouped convolution as [O, C, kh, kw], zero where groups do not meet."""
    if groups == 1:
        return data
    if data.size * groups > _MOST_DENSE_BYTES:
        raise node.error(f"several filters for each of {groups} channels would need {data.size * groups:,} weights",
                         hint="use one filter for each channel, followed by a 1x1 convolution")  # fmt: skip
    outputs, width = data.shape[0] // groups, data.shape[1]
    dense = np.zeros((data.shape[0], width * groups, *data.shape[2:]), np.int8)
    for group in range(groups):
        rows, columns = slice(group * outputs, (group + 1) * outputs), slice(group * width, (group + 1) * width)
        dense[rows, columns] = data[rows]
    return dense


@compute("Gemm")
def gemm(converter: Converter, node: OnnxNode, target: Target) -> Tensor:
    """x [M, K] times constant weights, plus a constant bias."""
    scaled = node.float("alpha", 1.0) != 1 or (node.optional(2) and node.float("beta", 1.0) != 1)
    if scaled or node.int("transA", 0):
        raise node.error("alpha, beta and transA must keep their defaults", hint="fold them into the weights")
    tensor = converter.operand(node.input(0), node)
    axis = 0 if node.int("transB", 0) else 1
    return _product(converter, node, target, tensor, axis, node.optional(2))


@compute("MatMul")
def matmul(converter: Converter, node: OnnxNode, target: Target, bias: str = "") -> Tensor:
    """x [..., K] times constant weights [K, N]."""
    return _product(converter, node, target, converter.operand(node.input(0), node), 1, bias)


def _product(
    converter: Converter, node: OnnxNode, target: Target, tensor: Tensor, output_axis: int, bias: str
) -> Tensor:
    weights = Weights.of(converter, node, node.input(1), output_axis)
    inputs = tensor.shape[-1] if tensor.shape else 0
    if weights.data.ndim != 2 or weights.data.shape[1] != inputs:
        raise node.error(f"input {list(tensor.shape)} does not fit weights {list(weights.data.shape)}")
    outputs, rows = weights.data.shape[0], int(np.prod(tensor.shape[:-1]))
    name, last = node.outputs[0], len(tensor.shape) - 1
    data = weights.data
    if rows == 1:  # a flattened image stays as it lies: its weights move
        data = np.stack([tensor.layout.to_memory(row) for row in data])
        value = converter.flat(tensor, (1, inputs), node)
    else:
        value = converter.arranged(tensor, (None, *range(last + 1)), node)
        value = converter.flat(Tensor(value, Layout.of(tensor.shape)), (1, 1, rows, inputs), node)
        data = data[:, None, None, :]
    steps = bias_of(converter, node, bias, converter.type(tensor).quant.scale, weights)
    operands = (value, converter.const(f"{name}_weights", data, weights.quant(0)),
                converter.const(f"{name}_bias", steps))  # fmt: skip
    if rows == 1:
        op = FullyConnected(target.quant, target.low, target.high, ROUNDING)
    else:
        op = Conv2d((1, 1), (0, 0, 0, 0), target.quant, target.low, target.high, (1, 1), ROUNDING)
    return Tensor(converter.emit(name, node, op, *operands), Layout.of((*tensor.shape[:-1], outputs)))
