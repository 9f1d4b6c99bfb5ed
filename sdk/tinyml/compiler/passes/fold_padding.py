"""Move padding into the window of the operator that reads it."""

from __future__ import annotations

from dataclasses import replace

from tinyml.ir.graph import Graph, Node
from tinyml.ir.op import GraphError
from tinyml.ops import Conv2d, DepthwiseConv2d
from tinyml.ops.max_pool2d import MaxPool2d
from tinyml.ops.pad import Pad


def fold_padding(graph: Graph) -> Graph:
    """`graph` where convolutions pad by themselves what a pad operator filled with the zero point, and max pooling
    what was filled with -128, the value that no maximum depends on.

    Average pooling does not count the cells that it pads: padding before it stays. A pad operator that no other
    node reads any more goes. Reads no constant data.
    """
    pads: dict[str, Node] = {}
    nodes = []
    for node in graph.nodes:
        pad = pads.get(node.inputs[0])
        nodes.append(node if pad is None else _folded(graph, pad, node))
        if isinstance(node.op, Pad) and node.inputs[0] in graph.types:
            pads[node.outputs[0]] = node
    if tuple(nodes) == graph.nodes:
        return graph
    read = {*graph.outputs, *(v for node in nodes for v in node.inputs)}
    kept = tuple(n for n in nodes if not (isinstance(n.op, Pad) and read.isdisjoint(n.outputs)))
    gone = {v for node in nodes for v in node.outputs} - {v for node in kept for v in node.outputs}
    return replace(graph, nodes=kept, types={v: t for v, t in graph.types.items() if v not in gone})


def _folded(graph: Graph, pad: Node, node: Node) -> Node:
    """`node` on the input of `pad` with the padding of both, or as it is."""
    kind = graph.types[pad.inputs[0]]
    if not isinstance(node.op, (Conv2d, DepthwiseConv2d, MaxPool2d)) or len(kind.shape) != 4:
        return node
    _, rows, columns, channels = pad.op.padding
    neutral = -128 if isinstance(node.op, MaxPool2d) else kind.quant.zero_point
    if channels != (0, 0) or pad.op.fill(kind) != neutral:
        return node
    padding = tuple(a + b for a, b in zip(node.op.padding, (*rows, *columns), strict=True))
    op = replace(node.op, padding=padding)
    if not _fits(op, (kind, *graph.input_types(node)[1:])):
        return node
    return replace(node, op=op, inputs=(pad.inputs[0], *node.inputs[1:]))


def _fits(op: Conv2d | DepthwiseConv2d | MaxPool2d, types: tuple) -> bool:
    """Whether the operator takes that much padding: its windows must all see some input."""
    try:
        op.infer(*types)
    except GraphError:
        return False
    return True
