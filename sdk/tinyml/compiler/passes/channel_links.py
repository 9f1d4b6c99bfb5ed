"""Which channels of an operator's inputs and outputs stand or fall together.

An operator that treats channels one by one (pooling, add, depthwise) links each output channel to the input channels
that it is made of: one cannot be removed without the others. Convolutions and fully connected layers mix all inputs
and link nothing. Operators that are not registered hold on to every channel of their inputs and outputs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch

import numpy as np

from tinyml import ops
from tinyml.ir.op import Op
from tinyml.ir.tensor import TensorType
from tinyml.ops.elementwise import Elementwise

Types = tuple[TensorType, ...]


@dataclass(frozen=True)
class Link:
    """Channel `source[i]` of input `operand`, constants included, belongs to channel `target[i]` of output `result`."""

    operand: int
    result: int
    source: np.ndarray
    target: np.ndarray


@singledispatch
def links(op: Op, types: Types, outs: Types) -> tuple[Link, ...] | None:
    """The links of `op` between inputs of `types` and outputs of `outs`; None when no channel may be removed."""
    return None


@singledispatch
def without(op: Op, inputs: tuple[np.ndarray, ...], outputs: tuple[np.ndarray, ...]) -> Op:
    """`op` where its inputs and outputs keep the channels given (bool[C] each)."""
    return op


@links.register(ops.Conv2d)
@links.register(ops.FullyConnected)
def _mixed(op: ops.Conv2d | ops.FullyConnected, types: Types, outs: Types) -> tuple[Link, ...]:
    return ()


def _channel_by_channel(op: Op, types: Types, outs: Types) -> tuple[Link, ...] | None:
    """An input has the output's channels, or one for all of them (broadcasting): that one is always needed."""
    channels = np.arange(outs[0].shape[-1])
    return tuple(Link(i, 0, channels, channels) for i, kind in enumerate(types) if kind.shape[-1:] == (channels.size,))


for _kind in (ops.AveragePool2d, Elementwise, ops.MaxPool2d, ops.ResizeBilinear, ops.ResizeNearest):
    links.register(_kind, _channel_by_channel)


@links.register(ops.Mean)
def _mean(op: ops.Mean, types: Types, outs: Types) -> tuple[Link, ...] | None:
    return None if len(types[0].shape) - 1 in op.axes else _channel_by_channel(op, types, outs)


@links.register(ops.Transpose)
def _transpose(op: ops.Transpose, types: Types, outs: Types) -> tuple[Link, ...] | None:
    return _channel_by_channel(op, types, outs) if op.axes[-1] == len(op.axes) - 1 else None


@links.register(ops.Pad)
def _pad(op: ops.Pad, types: Types, outs: Types) -> tuple[Link, ...] | None:
    return _channel_by_channel(op, types, outs) if op.padding[-1] == (0, 0) else None


@links.register(ops.Concat)
def _concat(op: ops.Concat, types: Types, outs: Types) -> tuple[Link, ...]:
    if op.axis < len(outs[0].shape) - 1:
        return _channel_by_channel(op, types, outs)
    found, start = [], 0
    for operand, kind in enumerate(types):
        channels = np.arange(kind.shape[-1])
        found.append(Link(operand, 0, channels, start + channels))
        start += channels.size
    return tuple(found)


@links.register(ops.Slice)
def _slice(op: ops.Slice, types: Types, outs: Types) -> tuple[Link, ...] | None:
    channels = np.arange(op.shape[-1])
    return (Link(0, 0, op.begin[-1] + channels, channels),) if op.strides[-1] == 1 else None


@without.register(ops.Slice)
def _narrower_slice(op: ops.Slice, inputs: tuple[np.ndarray, ...], outputs: tuple[np.ndarray, ...]) -> ops.Slice:
    begin = int(inputs[0][: op.begin[-1]].sum())
    return replace(op, begin=(*op.begin[:-1], begin), shape=(*op.shape[:-1], int(outputs[0].sum())))


@links.register(ops.Lookup)
def _table(op: ops.Lookup, types: Types, outs: Types) -> tuple[Link, ...]:
    return _channel_by_channel(op, types[:1], outs)


@links.register(ops.DepthwiseConv2d)
def _depthwise(op: ops.DepthwiseConv2d, types: Types, outs: Types) -> tuple[Link, ...]:
    outputs = np.arange(outs[0].shape[-1])
    consts = (Link(operand, 0, outputs, outputs) for operand in (1, 2))
    return (Link(0, 0, outputs * types[0].shape[-1] // outputs.size, outputs), *consts)


@links.register(ops.Reshape)
def _reshape(op: ops.Reshape, types: Types, outs: Types) -> tuple[Link, ...] | None:
    """Elements keep their order, so element i is of channel i % C on either side: links exist if one C divides the
    other, as when the pixels of an image become one vector."""
    source, target = types[0].shape[-1], outs[0].shape[-1]
    if source % target and target % source:
        return None
    elements = np.arange(max(source, target))
    return (Link(0, 0, elements % source, elements % target),)


@without.register(ops.Reshape)
def _shorter_reshape(op: ops.Reshape, inputs: tuple[np.ndarray, ...], outputs: tuple[np.ndarray, ...]) -> ops.Reshape:
    return replace(op, shape=(*op.shape[:-1], int(outputs[0].sum())))
