"""Means in the form that is computed fastest: over axes in front of the channels, without transposition."""

from __future__ import annotations

from dataclasses import replace

from tinyml.compiler.passes.naming import unused_name
from tinyml.ir.graph import Graph, Node
from tinyml.ir.op import GraphError
from tinyml.ir.tensor import TensorType
from tinyml.ops import AveragePool2d, Mean, Transpose


def spatial_means(graph: Graph) -> Graph:
    """`graph` where average pools over a whole image are means, and means of transposed tensors are taken of the
    original, over the same numbers: what is left is transposed after the mean, if at all.

    Every mean keeps its own rounding: two in a row are not one. A transposition that others read stays as it is.
    Reads no constant data.
    """
    while (after := _first_mean_moved(graph)) is not graph:
        graph = after
    nodes = tuple(_pooled(graph, node) for node in graph.nodes)
    return graph if nodes == graph.nodes else replace(graph, nodes=nodes)


def _pooled(graph: Graph, node: Node) -> Node:
    """A pool whose one window covers the image divides by the number of pixels, as the mean of raw integers does."""
    if not isinstance(node.op, AveragePool2d) or (node.op.act_min, node.op.act_max) != (-128, 127):
        return node
    w = node.op.window(*graph.input_types(node))
    covers = w.out_pixels == 1 and w.kernel_h - w.pad_top >= w.in_h and w.kernel_w - w.pad_left >= w.in_w
    return replace(node, op=Mean((1, 2), keep_dims=True)) if covers else node


def _first_mean_moved(graph: Graph) -> Graph:
    readers = [v for node in graph.nodes for v in node.inputs] + [*graph.outputs]
    transposed = {n.outputs[0]: n for n in graph.nodes if isinstance(n.op, Transpose)}
    for index, node in enumerate(graph.nodes):
        source = transposed.get(node.inputs[0])
        if isinstance(node.op, Mean) and source is not None and readers.count(node.inputs[0]) == 1:
            moved = _before(graph, source, node)
            if moved is not None:
                mean, transpose, kind = moved
                nodes = [n for n in (*graph.nodes[:index], mean, transpose, *graph.nodes[index + 1 :]) if n != source]
                types = {v: t for v, t in graph.types.items() if v != source.outputs[0]}
                return replace(graph, nodes=tuple(nodes), types={**types, mean.outputs[0]: kind})
    return graph


def _before(graph: Graph, transpose: Node, mean: Node) -> tuple[Node, Node, TensorType] | None:
    """The mean of the transposition's input, the transposition of that mean, and the type of the value in between.
    None when the mean cannot be taken of the input's axes."""
    axes = transpose.op.axes
    op = replace(mean.op, axes=tuple(sorted(axes[a] for a in mean.op.axes)))
    try:
        (kind,) = op.infer(graph.type(transpose.inputs[0]))
    except GraphError:
        return None
    left = [axis for i, axis in enumerate(axes) if op.keep_dims or i not in mean.op.axes]
    order = Transpose(tuple(sorted(left).index(axis) for axis in left))
    between = unused_name(f"{mean.name}_of_{transpose.inputs[0]}", graph.types, graph.consts)
    first = Node(mean.name, op, transpose.inputs, (between,))
    return first, Node(transpose.name, order, (between,), mean.outputs), kind
