"""Which channels of every tensor the network needs, given which of them are constants."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from tinyml.compiler.passes.channel_links import links
from tinyml.compiler.passes.intervals import Interval
from tinyml.ir.graph import Graph, Node
from tinyml.ir.tensor import TensorType
from tinyml.ops import Conv2d, FullyConnected

MIXERS = (Conv2d, FullyConnected)


def kept_channels(graph: Graph, known: Mapping[str, Interval]) -> dict[str, np.ndarray]:
    """bool[C] per computed value: the channels that must stay, at least one. `known` are the graph's `intervals`.

    A channel is needed when a graph output or an operator that cannot do without it reads it. A convolution does
    without channels that it does not weigh, and without constant ones that add the same to each of its sums.
    """
    groups, count = _groups(graph)
    needed = np.zeros(count, bool)
    for value in chain(graph.inputs, graph.outputs, *(_held(graph, node) for node in graph.nodes)):
        needed[groups[value]] = True
    while True:
        _spread(graph, known, groups, needed)
        empty = [labels[0] for labels in groups.values() if not needed[labels].any()]
        if not empty:
            return {value: needed[labels] for value, labels in groups.items()}
        needed[empty[0]] = True


def _spread(graph: Graph, known: Mapping[str, Interval], groups: Mapping[str, np.ndarray], needed: np.ndarray) -> None:
    """Mark in `needed` what the convolutions read for the channels that are needed of them, until nothing is new."""
    mixers = [node for node in reversed(graph.nodes) if isinstance(node.op, MIXERS) and node.inputs[0] in groups]
    before = -1
    while before != needed.sum():
        before = needed.sum()
        for node in mixers:
            outputs, inputs = needed[groups[node.outputs[0]]], groups[node.inputs[0]]
            needed[inputs[_channels_read(graph, node, known, outputs)]] = True


def _held(graph: Graph, node: Node) -> tuple[str, ...]:
    """The values of a node that cannot lose a channel."""
    free = links(node.op, graph.input_types(node), tuple(graph.types[v] for v in node.outputs)) is not None
    return () if free else (*graph.activations(node), *node.outputs)


def _groups(graph: Graph) -> tuple[dict[str, np.ndarray], int]:
    """The number of the group that each channel of each computed value belongs to, and how many groups there are."""
    first, total = {}, 0
    for value, kind in graph.types.items():
        first[value], total = total, total + kind.shape[-1]
    pairs = [np.zeros((2, 0), np.int64)]
    for node in graph.nodes:
        for link in links(node.op, graph.input_types(node), tuple(graph.types[v] for v in node.outputs)) or ():
            source = node.inputs[link.operand]
            if source in first:
                pairs.append(np.stack([first[source] + link.source, first[node.outputs[link.result]] + link.target]))
    rows, columns = np.concatenate(pairs, axis=1)
    edges = coo_matrix((np.ones(rows.size, np.int8), (rows, columns)), (total, total))
    count, labels = connected_components(edges, directed=False)
    return {value: labels[at : at + graph.types[value].shape[-1]] for value, at in first.items()}, count


def _channels_read(graph: Graph, node: Node, known: Mapping[str, Interval], outputs: np.ndarray) -> np.ndarray:
    """bool[C]: the input channels that `node` needs for its output channels `outputs` (bool[O])."""
    signal, weights = known[node.inputs[0]], known[node.inputs[1]].low[outputs]
    read = weights.reshape(-1, weights.shape[-1]).any(axis=0)
    types = graph.input_types(node)
    for channel in np.flatnonzero(read & signal.fixed_channels):
        sums = constant_sums(node.op, types, signal.low[..., [channel]], weights[..., [channel]])
        read[channel] = bool((sums != sums[0]).any())
    return read


def constant_sums(
    op: Conv2d | FullyConnected, types: tuple[TensorType, ...], planes: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """int64[windows, O]: what constant input `planes` [..., C] under `weights` [O, ..., C] add to the accumulators.

    Windows that see the same constants are listed once; the first row is the first output pixel's.
    """
    zero = types[0].quant.zero_point
    if isinstance(op, FullyConnected):
        return (planes.astype(np.int64) - zero) @ weights.astype(np.int64).T
    window = op.window(types[0], types[1])
    taps = np.concatenate([tap for _, _, tap in window.shifted(window.padded(planes, zero))], axis=-1)
    taps = taps.reshape(-1, taps.shape[-1])
    distinct = np.concatenate([taps[:1], np.unique(taps, axis=0)]).astype(np.int64) - zero
    return distinct @ weights.reshape(len(weights), -1).astype(np.int64).T
