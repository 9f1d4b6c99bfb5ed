"""Move activation functions that only clamp into the operator before them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tinyml.ir.graph import Graph, Node
from tinyml.ops import Conv2d, DepthwiseConv2d, FullyConnected
from tinyml.ops.average_pool2d import AveragePool2d
from tinyml.ops.elementwise import Elementwise
from tinyml.ops.lookup import Lookup
from tinyml.ops.max_pool2d import MaxPool2d

CLAMPING = (Conv2d, DepthwiseConv2d, FullyConnected, Elementwise, AveragePool2d, MaxPool2d)
_BYTES = np.arange(-128, 128).astype(np.int8)


def fold_clamps(graph: Graph) -> Graph:
    """`graph` where a relu, relu6 or other table that does no more than clamp the output of the operator before it,
    in the same quantisation, has become that operator's activation range.

    The operator must have no other reader. Tables that are constants are read: without their data they stay.
    """
    readers: dict[str, int] = {}
    for value in (*graph.outputs, *(v for node in graph.nodes for v in node.inputs)):
        readers[value] = readers.get(value, 0) + 1
    nodes: list[Node] = []
    producers: dict[str, int] = {}
    for node in graph.nodes:
        source = producers.get(node.inputs[0])
        if source is not None and readers[node.inputs[0]] == 1:
            merged = _clamped(graph, nodes[source], node)
            if merged is not None:
                nodes[source] = merged
                producers[node.outputs[0]] = source
                continue
        producers.update((v, len(nodes)) for v in node.outputs)
        nodes.append(node)
    if len(nodes) == len(graph.nodes):
        return graph
    left = {*graph.inputs, *(v for node in nodes for v in node.outputs)}
    read = {v for node in nodes for v in node.inputs}
    return replace(graph, nodes=tuple(nodes), types={v: t for v, t in graph.types.items() if v in left},
                   consts={v: c for v, c in graph.consts.items() if v in read})  # fmt: skip


def _clamped(graph: Graph, producer: Node, node: Node) -> Node | None:
    """`producer` with the clamp of `node`, or None when `node` does anything else."""
    if not isinstance(producer.op, CLAMPING) or not isinstance(node.op, Lookup):
        return None
    kinds, constants = graph.input_types(node), graph.constants(node)
    if kinds[0] != graph.types[node.outputs[0]] or any(const.data is None for const in constants):
        return None
    low, high = producer.op.act_min, producer.op.act_max
    reached = _BYTES[low + 128 : high + 129]
    (table,) = node.op.reference(_BYTES, *(const.data for const in constants), types=kinds)
    values = table[low + 128 : high + 129]
    least, most = int(values.min()), int(values.max())
    if not np.array_equal(values, np.clip(reached, least, most)):
        return None
    op = replace(producer.op, act_min=max(low, least), act_max=min(high, most))
    return replace(producer, op=op, outputs=node.outputs)
