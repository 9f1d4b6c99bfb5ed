"""Which channels of an operator's inputs and outputs stand or fall together.

An operator that treats channels one by one (pooling, add, depthwise) links each output channel to the input channels
that it is made of: one cannot be removed without the others. Convolutions and fully connected layers mix all inputs
and link nothing. Operators that are not registered hold on to every channel of their inputs and outputs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch

import numpy as np

from tinyml.ir.op import Op
from tinyml.ir.tensor import TensorType
from tinyml.ops import Add, AveragePool2d, Conv2d, DepthwiseConv2d, FullyConnected, Mean, Reshape

Types = tuple[TensorType, ...]


@dataclass(frozen=True)
class Link:
    """Channel `source[i]` of input `operand` belongs to channel `target[i]` of output `result`."""

    operand: int
    result: int
    source: np.ndarray
    target: np.ndarray


@singledispatch
def links(op: Op, types: Types, outs: Types) -> tuple[Link, ...] | None:
    """The links of `op` between inputs of `types` and outputs of `outs`; None when no channel may be removed."""
    return None


@singledispatch
def without(op: Op, types: Types, kept: tuple[np.ndarray, ...]) -> Op:
    """`op` for inputs of `types`, already without the removed channels, and outputs that keep `kept` (bool[C] each)."""
    return op


@links.register(Conv2d)
@links.register(FullyConnected)
def _mixed(op: Conv2d | FullyConnected, types: Types, outs: Types) -> tuple[Link, ...]:
    return ()


def _channel_by_channel(op: Op, types: Types, outs: Types) -> tuple[Link, ...] | None:
    """Every input has the output's channels. A constant operand may have one for all."""
    channels = np.arange(outs[0].shape[-1])
    if any(kind.shape[-1] not in (1, channels.size) for kind in types):
        return None
    return tuple(Link(i, 0, channels, channels) for i, kind in enumerate(types) if kind.shape[-1] == channels.size)


for _kind in (Add, AveragePool2d, Mean):
    links.register(_kind, _channel_by_channel)


@links.register(DepthwiseConv2d)
def _depthwise(op: DepthwiseConv2d, types: Types, outs: Types) -> tuple[Link, ...]:
    outputs = np.arange(outs[0].shape[-1])
    return (Link(0, 0, outputs * types[0].shape[-1] // outputs.size, outputs),)


@links.register(Reshape)
def _reshape(op: Reshape, types: Types, outs: Types) -> tuple[Link, ...] | None:
    """Elements keep their order, so element i is of channel i % C on either side: links exist if one C divides the
    other, as when the pixels of an image become one vector."""
    source, target = types[0].shape[-1], outs[0].shape[-1]
    if source % target and target % source:
        return None
    elements = np.arange(max(source, target))
    return (Link(0, 0, elements % source, elements % target),)


@without.register(Reshape)
def _shorter_reshape(op: Reshape, types: Types, kept: tuple[np.ndarray, ...]) -> Reshape:
    return replace(op, shape=(*op.shape[:-1], int(kept[0].sum())))
