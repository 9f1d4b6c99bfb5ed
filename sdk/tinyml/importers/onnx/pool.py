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


@movement("GlobalMaxPool")
def global_max_pool(converter: Converter, node: OnnxNode, tensor: Tensor) -> tuple[Tensor, ...]:
    value = _image(converter, node, tensor)
    kernel = converter.builder.types[value].shape[1:3]
    value = converter.emit(node.outputs[0], node, ops.MaxPool2d(kernel, (1, 1)), value)
    return (_pooled(converter, value, len(tensor.shape)),)


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
        if converter.type(tensor).quant.scale > 1.001 * target.quant.scale:
            raise node.error("a padded average on a finer grid than its input's is not supported",
                             hint="quantise its result as its input, as onnxruntime does by itself")  # fmt: skip
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
    """The mean over ONNX `axes`, which are brought side by side where they are not."""
    shape, rank = tensor.shape, len(tensor.shape)
    result = tuple(1 if a in axes else n for a, n in enumerate(shape) if keep or a not in axes) or (1,)
    reduced = {a for a in axes if shape[a] > 1}
    order = tensor.layout.order() or tuple(range(rank))
    if not _side_by_side([a in reduced for a in order if shape[a] > 1]):
        order = (*(a for a in order if shape[a] == 1), *sorted(reduced),
                 *(a for a in order if shape[a] > 1 and a not in reduced))  # fmt: skip
    if not reduced:
        return converter.requantized(Tensor(tensor.value, Layout.of(result, _left(order, axes, keep))), target, node)
    if shape[order[0]] != 1:
        order = (None, *order)
    value = converter.arranged(tensor, order, node)
    places = tuple(i for i, a in enumerate(order) if a in reduced)
    same_grid = converter.type(tensor).quant == target.quant
    op = ops.Mean(places, False, None if same_grid else target.quant, "high" if same_grid else ROUNDING)
    value = converter.emit(node.outputs[0], node, op, value)
    mean = Tensor(value, Layout.of(result, _left(tuple(a for a in order if a is not None), axes, keep)))
    return converter.requantized(mean, target, node)


def _side_by_side(marks: list[bool]) -> bool:
    """Whether the marked places follow each other."""
    marked = [i for i, mark in enumerate(marks) if mark]
    return not marked or marked[-1] - marked[0] + 1 == len(marked)


def _left(order: tuple[int, ...], axes: tuple[int, ...], keep: bool) -> tuple[int, ...]:
    """The order of the result's axes in memory."""
    if keep:
        return (*(a for a in order if a in axes), *(a for a in order if a not in axes))
    return tuple(a - sum(r < a for r in axes) for a in order if a not in axes) or (0,)
