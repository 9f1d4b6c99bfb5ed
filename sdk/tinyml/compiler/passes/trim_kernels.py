"""Cut off the rows and columns at the edge of a kernel that never see the input, or whose weights are all zero.

A 7x7 kernel at padding 3 on a 3x3 tensor is a 5x5 kernel at padding 2: its outermost weights meet padding only.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from tinyml.compiler.passes.intervals import has_data
from tinyml.compiler.passes.naming import unused_name
from tinyml.ir.graph import Graph, Node
from tinyml.ir.tensor import Const
from tinyml.ops import Conv2d, DepthwiseConv2d
from tinyml.ops.window import Window


def trim_kernels(graph: Graph) -> Graph:
    """`graph` with convolution kernels as small as they can be without a change in any output.

    Needs constant data: weightless graphs are returned as they are.
    """
    if not has_data(graph):
        return graph
    consts, nodes = dict(graph.consts), []
    readers = Counter(v for node in graph.nodes for v in node.inputs)
    for node in graph.nodes:
        if isinstance(node.op, (Conv2d, DepthwiseConv2d)) and node.inputs[1] in graph.consts:
            node, weights = _trimmed(graph, node)
            if readers[node.inputs[1]] > 1 and weights != graph.consts[node.inputs[1]]:
                name = unused_name(f"{node.inputs[1]}_{node.name}", consts, graph.types)
                node = replace(node, inputs=(node.inputs[0], name, *node.inputs[2:]))
            consts[node.inputs[1]] = weights
        nodes.append(node)
    read = {v for node in nodes for v in node.inputs}
    if tuple(nodes) == graph.nodes:
        return graph
    return replace(graph, nodes=tuple(nodes), consts={v: c for v, c in consts.items() if v in read})


def _trimmed(graph: Graph, node: Node) -> tuple[Node, Const]:
    weights = graph.consts[node.inputs[1]]
    window = node.op.window(graph.type(node.inputs[0]), weights.type)
    top, bottom, left, right = node.op.padding
    rows = _kept(weights.data, 1, _rows_seen(window), (top, bottom), window.dilation_h)
    columns = _kept(weights.data, 2, _columns_seen(window), (left, right), window.dilation_w)
    data = weights.data[:, rows, columns]
    if data.shape == weights.data.shape:
        return node, weights
    cut = [(s.start, full - s.stop) for s, full in ((rows, window.kernel_h), (columns, window.kernel_w))]
    padding = (top - cut[0][0] * window.dilation_h, bottom - cut[0][1] * window.dilation_h,
               left - cut[1][0] * window.dilation_w, right - cut[1][1] * window.dilation_w)  # fmt: skip
    return replace(node, op=replace(node.op, padding=padding)), Const.of(data, weights.type.quant)


def _rows_seen(w: Window) -> list[bool]:
    """Per kernel row: whether it lies on the input for some row of the output."""
    return [any(0 <= y * w.stride_h - w.pad_top + k * w.dilation_h < w.in_h for y in range(w.out_h))
            for k in range(w.kernel_h)]  # fmt: skip


def _columns_seen(w: Window) -> list[bool]:
    return [any(0 <= x * w.stride_w - w.pad_left + k * w.dilation_w < w.in_w for x in range(w.out_w))
            for k in range(w.kernel_w)]  # fmt: skip


def _kept(weights: np.ndarray, axis: int, seen: list[bool], padding: tuple[int, int], dilation: int) -> slice:
    """The kernel rows (axis 1) or columns (axis 2) that stay. What is cut is taken off the padding on that side, so
    that no output moves; padding stays smaller than the kernel."""
    used = np.moveaxis(weights, axis, 0).reshape(len(seen), -1).any(axis=1) & seen
    first, last = 0, len(seen) - 1
    before, after = padding
    while not used[first] and dilation <= before and after <= (last - first - 1) * dilation:
        first, before = first + 1, before - dilation
    while not used[last] and dilation <= after and before <= (last - first - 1) * dilation:
        last, after = last - 1, after - dilation
    return slice(first, last + 1)
