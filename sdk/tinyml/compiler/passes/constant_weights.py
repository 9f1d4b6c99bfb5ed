"""Constant channels of weighted layers lose their weights, and scales that are far from those of other channels.

Training leaves channels whose weights are zero, or so small that no sum changes the output, with scales down to 1e-9.
Such a channel may have to stay (a residual add reads it); then it should neither read its inputs nor force a kernel
for extreme scales on the whole layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tinyml.compiler.passes.intervals import Interval, has_data, intervals
from tinyml.compiler.passes.naming import unused_name
from tinyml.ir.graph import Graph, Node
from tinyml.ir.tensor import Const, QuantParams, TensorType
from tinyml.ops import Conv2d, DepthwiseConv2d, FullyConnected, scaling

_LARGEST_BIAS = 2**30


def constant_weights(graph: Graph) -> Graph:
    """`graph` where output channels that always hold one number come from a bias alone, under a scale within the range
    of their layer's other scales. Layers with one scale for all channels stay as they are.

    Needs constant data: weightless graphs are returned as they are.
    """
    if not has_data(graph):
        return graph
    known, consts, nodes = intervals(graph), dict(graph.consts), []
    for node in graph.nodes:
        changed = _tamed(graph, node, known) if isinstance(node.op, (Conv2d, DepthwiseConv2d, FullyConnected)) else None
        if changed is not None:
            names = tuple(unused_name(f"{v}_{node.name}", consts, graph.types) for v in node.inputs[1:])
            consts.update(zip(names, changed, strict=True))
            node = replace(node, inputs=(node.inputs[0], *names))
        nodes.append(node)
    if tuple(nodes) == graph.nodes:
        return graph
    read = {v for node in nodes for v in node.inputs}
    return replace(graph, nodes=tuple(nodes), consts={v: c for v, c in consts.items() if v in read})


def _tamed(graph: Graph, node: Node, known: Mapping[str, Interval]) -> tuple[Const, Const] | None:
    """New weights and bias of a layer, or None when no channel has to change."""
    kind, weight_kind, bias_kind = graph.input_types(node)
    axis, out = weight_kind.quant.axis, known[node.outputs[0]]
    values = out.low.reshape(-1, out.low.shape[-1])
    constant = out.fixed_channels & (values == values[0]).all(axis=0)
    if axis is None or not constant.any() or constant.all():
        return None
    weights, bias = (graph.consts[v].data for v in node.inputs[1:])
    scales = np.array(weight_kind.quant.scales)
    tame = np.clip(scales, scales[~constant].min(), scales[~constant].max())
    weighted = np.moveaxis(weights, axis, 0).reshape(scales.size, -1).any(axis=1)
    sums, given = _from_bias(node.op, kind, replace(weight_kind, quant=QuantParams(tuple(tame), 0, axis)), values[0])
    change = constant & (weighted | (tame != scales)) & (given == values[0]) & (np.abs(sums) < _LARGEST_BIAS)
    if not change.any():
        return None
    quant = QuantParams(tuple(np.where(change, tame, scales)), 0, axis)
    kept = ~change.reshape([-1 if i == axis else 1 for i in range(weights.ndim)])
    new_bias = np.where(change, sums, bias).astype(np.int32)
    return Const.of(weights * kept.astype(np.int8), quant), Const.of(new_bias, bias_kind.quant)


def _from_bias(
    op: Conv2d | DepthwiseConv2d | FullyConnected, kind: TensorType, weights: TensorType, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Per channel, the sum that should give the output `values`, and the output that it does give."""
    real = kind.quant.scale * np.array(weights.quant.scales) / op.out.scale
    sums = np.clip(np.rint((values.astype(np.int64) - op.out.zero_point) / real), -_LARGEST_BIAS, _LARGEST_BIAS)
    scale = scaling.multipliers(kind, weights, op.out, values.size, op.rounding)
    return sums, scaling.finish(sums.astype(np.int64), scale, op.out, op.act_min, op.act_max, op.rounding)
