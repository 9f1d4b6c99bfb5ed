"""Pools and means."""

from __future__ import annotations

from math import prod

import numpy as np

from tinyml import ops
from tinyml.importers.onnx.conv import ROUNDING
from tinyml.importers.onnx.convert import Converter, Tensor, compute, movement
from tinyml.importers.onnx.layout import Layout, channels_last
from tinyml.importers.onnx.model import OnnxNode
from tinyml.importers.onnx.quant import Target
from tinyml.importers.onnx.window import SpatialWindow
from tinyml.ir.tensor import QuantParams


def _image(converter: Converter, node: OnnxNode, tensor: Tensor) -> str:
    """The value as [1, H, W, C]; one spatial axis becomes the width."""
    rank = len(tensor.shape)
    if rank not in (3, 4):
        raise node.error(f"pools over an input {list(tensor.shape)}: supported are one and two spatial axes")
    return converter.arranged(tensor, (0, None, 2, 1) if rank == 3 else (0, 2, 3, 1), node)


def _pooled(converter: Converter, value: str, rank: int) -> Tensor:
    _, height, width, channels = converter.builder.types[value].shape
    shape = (1, channels, width) if rank == 3 else (1, channels, height, width)
    return Tensor(value, Layout.of(shape, channels_last(rank)))


@movement("MaxPool")
def max_pool(converter: Converter, node: OnnxNode, tensor: Tensor) -> tuple[Tensor, ...]:
    """The result stays on the input's grid."""
    if len(node.outputs) > 1 and node.outputs[1]:
        raise node.error("the indices of its maxima are not supported")
    value = _image(converter, node, tensor)
    window = SpatialWindow.of(node, tensor.shape[2:], node.ints("kernel_shape", ()), dilated=False)
    op = ops.MaxPool2d(window.kernel, window.stride, window.padding)
    return (_pooled(converter, converter.emit(node.outputs[0], node, op, value), len(tensor.shape)),)


@compute("AveragePool")
def average_pool(converter: Converter, node: OnnxNode, target: Target) -> Tensor:
    """On the input's grid as a pool; on another grid as a depthwise convolution with weights of 1, rounded once."""
    tensor = converter.operand(node.input(0), node)
    value = _image(converter, node, tensor)
    window = SpatialWindow.of(node, tensor.shape[2:], node.ints("kernel_shape", ()), dilated=False)
    name, rank = node.outputs[0], len(tensor.shape)
    counts_padding = bool(node.int("count_include_pad", 0))
    if any(window.padding) and node.int("ceil_mode", 0) and counts_padding:
        raise node.error("ceil_mode together with count_include_pad is not supported", hint="pad with Pad")
    same_grid = converter.type(tensor).quant == target.quant
    if same_grid and not (counts_padding and any(window.padding)):
        op = ops.AveragePool2d(window.kernel, window.stride, window.padding, target.low, target.high)
        return _pooled(converter, converter.emit(name, node, op, value), rank)
    if any(window.padding) and not counts_padding:
        op = ops.AveragePool2d(window.kernel, window.stride, window.padding)
        pooled = _pooled(converter, converter.emit(f"{name}_pooled", node, op, value), rank)
        return converter.requantized(pooled, target, node)
    channels = converter.builder.types[value].shape[3]
    weights = np.ones((1, *window.kernel, channels), np.int8)
    quant = QuantParams((1.0 / prod(window.kernel),), 0)
    operands = (value, converter.const(f"{name}_weights", weights, quant),
                converter.const(f"{name}_bias", np.zeros(channels, np.int32)))  # fmt: skip
    op = ops.DepthwiseConv2d(window.stride, window.padding, target.quant, target.low, target.high, (1, 1), ROUNDING)
    return _pooled(converter, converter.emit(name, node, op, *operands), rank)


@compute("GlobalAveragePool")
def global_average_pool(converter: Converter, node: OnnxNode, target: Target) -> Tensor:
    tensor = converter.operand(node.input(0), node)
    return _mean(converter, node, target, tensor, tuple(range(2, len(tensor.shape))), keep=True)


@compute("ReduceMean")
def reduce_mean(converter: Converter, node: OnnxNode, target: Target) -> Tensor:
    tensor = converter.operand(node.input(0), node)
    rank = len(tensor.shape)
    axes = node.ints("axes", ())
    if node.optional(1):
        axes = tuple(int(a) for a in converter.constant(node, 1).ravel())
    if any(not -rank <= a < rank for a in axes):
        raise node.error(f"axes {list(axes)} do not exist in an input {list(tensor.shape)}")
    axes = tuple(sorted({a % rank for a in axes})) or tuple(range(rank))
    return _mean(converter, node, target, tensor, axes, keep=bool(node.int("keepdims", 1)))


def _mean(
    converter: Converter, node: OnnxNode, target: Target, tensor: Tensor, axes: tuple[int, ...], *, keep: bool
) -> Tensor:
    """The mean over `axes`: height and width of [1, H, W, C], whatever they are called here."""
    rank, shape = len(tensor.shape), tensor.shape
    real = [a for a in axes if shape[a] > 1]
    left = [a for a in range(rank) if a not in axes and shape[a] > 1]
    result = tuple(1 if a in axes else n for a, n in enumerate(shape) if keep or a not in axes) or (1,)
    order = tensor.layout.order() or tuple(range(rank))
    kept = [a for a in order if a in left]
    value = converter.arranged(tensor, (*(a for a in order if a not in (*real, *left)), *real, *kept), node)
    sizes = [shape[a] for a in real]
    height, width = (sizes[0], prod(sizes[1:])) if sizes else (1, 1)
    value = converter.flat(Tensor(value, tensor.layout), (1, height, width, prod(shape[a] for a in left)), node)
    value = converter.emit(node.outputs[0], node, ops.Mean(target.quant, target.low, target.high, ROUNDING), value)
    places = [a if keep else a - sum(r < a for r in axes) for a in kept]
    rest = [i for i in range(len(result)) if i not in places]
    return Tensor(value, Layout.of(result, (*rest, *places)))
