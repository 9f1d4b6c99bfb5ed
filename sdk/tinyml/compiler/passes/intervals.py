"""Interval analysis: for every element of every computed tensor, the least and the largest value it can take.

Exact integer arithmetic in the operators' own rounding: a requantised sum grows with the sum, so bounds of the
accumulator give bounds of the output. An element whose bounds meet is a constant, whatever the input: a channel
without weights, a depthwise plane behind padding (a border pattern), an output whose scale rounds all sums to one
value, or one that its clamp holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import singledispatch

import numpy as np

from tinyml import ops
from tinyml.ir.graph import Graph
from tinyml.ir.op import GraphError, Op
from tinyml.ir.tensor import TensorType
from tinyml.ops import scaling
from tinyml.ops.add import SumOperator

Types = tuple[TensorType, ...]


@dataclass(frozen=True)
class Interval:
    """Inclusive bounds of a tensor, element by element: two arrays of its shape and dtype."""

    low: np.ndarray
    high: np.ndarray

    @property
    def fixed(self) -> bool:
        """Whether every element is a constant."""
        return bool(np.array_equal(self.low, self.high))

    @property
    def fixed_channels(self) -> np.ndarray:
        """bool[C]: channels (last axis) of which every element is a constant."""
        same = self.low == self.high
        return same.reshape(-1, same.shape[-1]).all(axis=0)


def has_data(graph: Graph) -> bool:
    """Whether every constant carries its data: passes that read it leave weightless graphs as they are."""
    return all(const.data is not None for const in graph.consts.values())


def intervals(graph: Graph) -> Mapping[str, Interval]:
    """Bounds of every value, constants included. Graph inputs can be anything.

    Raises: GraphError for a weightless graph.
    """
    if not has_data(graph):
        raise GraphError(f"graph `{graph.name}` carries no data: its values cannot be bounded")
    known = {name: Interval(const.data, const.data) for name, const in graph.consts.items()}
    known |= {name: _anything(graph.types[name]) for name in graph.inputs}
    for node in graph.nodes:
        operands, types = [known[v] for v in node.inputs], graph.input_types(node)
        if all(operand.fixed for operand in operands):
            results = node.op.reference(*(operand.low for operand in operands), types=types)
            known |= {v: Interval(r, r) for v, r in zip(node.outputs, results, strict=True)}
        else:
            known |= zip(node.outputs, bounds(node.op, types, *operands), strict=True)
    return known


@singledispatch
def bounds(op: Op, types: Types, *x: Interval) -> tuple[Interval, ...]:
    """Bounds of the outputs of `op`. Operators that are not registered can give anything that their type holds."""
    return tuple(_anything(kind) for kind in op.infer(*types))


def _anything(kind: TensorType) -> Interval:
    limits = np.iinfo(kind.dtype)
    return Interval(*(np.full(kind.shape, limit, kind.dtype) for limit in (limits.min, limits.max)))


def _nondecreasing(op: Op, types: Types, *x: Interval) -> tuple[Interval, ...]:
    """No output ever falls when an input rises: bounds map to bounds."""
    low = op.reference(*(operand.low for operand in x), types=types)
    high = op.reference(*(operand.high for operand in x), types=types)
    return tuple(Interval(a, b) for a, b in zip(low, high, strict=True))


_NONDECREASING = (
    ops.AveragePool2d, ops.Concat, ops.MaxPool2d, ops.Mean, ops.Pad, ops.Reshape, ops.ResizeBilinear,
    ops.ResizeNearest, ops.Slice, ops.Transpose,
)  # fmt: skip
for _kind in _NONDECREASING:
    bounds.register(_kind, _nondecreasing)


@bounds.register(SumOperator)
def _sum(op: SumOperator, types: Types, *x: Interval) -> tuple[Interval, ...]:
    """A difference falls when its second operand rises."""
    second = x[1] if op.SIGN > 0 else Interval(x[1].high, x[1].low)
    return _nondecreasing(op, types, x[0], second)


@bounds.register(ops.Mul)
def _product(op: ops.Mul, types: Types, *x: Interval) -> tuple[Interval, ...]:
    """The extremes of a product lie where both factors are at one of their ends."""
    first, second = x
    corners = [op.reference(a, b, types=types)[0] for a in (first.low, first.high) for b in (second.low, second.high)]
    return (Interval(np.minimum.reduce(corners), np.maximum.reduce(corners)),)


@bounds.register(ops.Lookup)
def _table(op: ops.Lookup, types: Types, *x: Interval) -> tuple[Interval, ...]:
    """The least and the largest entry of the table between the bounds of the input."""
    everything = np.arange(-128, 128).astype(np.int8)
    (table,) = op.reference(everything, *(constant.low for constant in x[1:]), types=types)
    start, stop = (end.astype(np.int16) + 128 for end in (x[0].low, x[0].high))
    ends = []
    for pick in (np.minimum, np.maximum):
        between = np.stack([np.concatenate([table[:i], pick.accumulate(table[i:])]) for i in range(256)])
        ends.append(between[start, stop])
    return (Interval(*ends),)


@bounds.register(ops.Conv2d)
@bounds.register(ops.FullyConnected)
def _weighted_sums(op: ops.Conv2d | ops.FullyConnected, types: Types, *x: Interval) -> tuple[Interval, ...]:
    """The least sum takes the low end where a weight is positive and the high end where it is negative.

    That is the operator itself on twice the channels: [low, high] under [positive weights, negative weights].
    """
    kind, weight_kind, bias_kind = types
    signal, weights, bias = x[0], x[1].low, x[2].low
    halves = np.concatenate([np.maximum(weights, 0), np.minimum(weights, 0)], axis=-1)
    doubled = (replace(kind, shape=(*kind.shape[:-1], 2 * kind.shape[-1])),
               replace(weight_kind, shape=halves.shape), bias_kind)  # fmt: skip
    ends = []
    for pair in ((signal.low, signal.high), (signal.high, signal.low)):
        (end,) = op.reference(np.concatenate(pair, axis=-1), halves, bias, types=doubled)
        ends.append(end)
    return (Interval(*ends),)


@bounds.register(ops.DepthwiseConv2d)
def _weighted_planes(op: ops.DepthwiseConv2d, types: Types, *x: Interval) -> tuple[Interval, ...]:
    """As for the other convolutions, tap by tap."""
    kind, weight_kind, _ = types
    window, zero = op.window(kind, weight_kind), kind.quant.zero_point
    signal, weights, bias = x[0], x[1].low[0].astype(np.int32), x[2].low
    scale = scaling.multipliers(kind, weight_kind, op.out, window.out_c, op.rounding)
    ends = []
    for rising, falling in ((signal.low, signal.high), (signal.high, signal.low)):
        acc = np.zeros((1, window.out_h, window.out_w, window.out_c), np.int64) + bias
        for end, taps in ((rising, np.maximum(weights, 0)), (falling, np.minimum(weights, 0))):
            for row, column, tap in window.shifted(window.padded(end, zero)):
                acc += (tap.astype(np.int32) - zero) * taps[row, column]
        ends.append(scaling.finish(acc, scale, op.out, op.act_min, op.act_max, op.rounding))
    return (Interval(*ends),)
