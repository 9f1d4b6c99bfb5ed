"""Cut off the rows and columns at the edge of a kernel that never see the input, or whose weights are all zero.

A 7x7 kernel at padding 3 on a 3x3 tensor is a 5x5 kernel at padding 2: its outermost weights meet padding only.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from functools import lru_cache

import numpy as np

from tinyml.compiler.passes.naming import unused_name
from tinyml.ir.graph import Graph, Node
from tinyml.ir.tensor import Const
from tinyml.ops import Conv2d, DepthwiseConv2d
from tinyml.ops.window import Window


def trim_kernels(graph: Graph) -> Graph:
    """`graph` with convolution kernels as small as they can be without a change in any output.

    Of weightless kernels only what lies outside the input is cut off.
    """
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
    if not any(node.op.padding):
        return node, weights  # what is cut is taken off the padding
    window = node.op.window(graph.type(node.inputs[0]), weights.type)
    top, bottom, left, right = node.op.padding
    rows = _kept(_weighted(weights, 1) & _rows_seen(window), (top, bottom), window.dilation_h)
    columns = _kept(_weighted(weights, 2) & _columns_seen(window), (left, right), window.dilation_w)
    if (rows.stop - rows.start, columns.stop - columns.start) == weights.type.shape[1:3]:
        return node, weights
    cut = [(s.start, full - s.stop) for s, full in ((rows, window.kernel_h), (columns, window.kernel_w))]
    padding = (top - cut[0][0] * window.dilation_h, bottom - cut[0][1] * window.dilation_h,
               left - cut[1][0] * window.dilation_w, right - cut[1][1] * window.dilation_w)  # fmt: skip
    return replace(node, op=replace(node.op, padding=padding)), _cut(weights, rows, columns)


def _cut(weights: Const, rows: slice, columns: slice) -> Const:
    """The rows and columns that stay."""
    if weights.data is not None:
        return Const.of(weights.data[:, rows, columns], weights.type.quant)
    first, _, _, last = weights.type.shape
    shape = (first, rows.stop - rows.start, columns.stop - columns.start, last)
    name = f"{weights.sha256} {rows} {columns}".encode()
    return Const(replace(weights.type, shape=shape), hashlib.sha256(name).hexdigest())


def _rows_seen(w: Window) -> np.ndarray:
    """bool[kernel rows]: whether the row lies on the input for some row of the output."""
    return _seen(w.out_h, w.stride_h, w.pad_top, w.kernel_h, w.in_h, w.dilation_h)


def _columns_seen(w: Window) -> np.ndarray:
    return _seen(w.out_w, w.stride_w, w.pad_left, w.kernel_w, w.in_w, w.dilation_w)


@lru_cache(maxsize=4096)
def _seen(outputs: int, stride: int, pad: int, kernel: int, inputs: int, dilation: int) -> np.ndarray:
    return np.array([any(0 <= o * stride - pad + k * dilation < inputs for o in range(outputs))
                     for k in range(kernel)])  # fmt: skip


def _weighted(weights: Const, axis: int) -> np.ndarray:
    """bool per kernel row (axis 1) or column (axis 2): whether any of its weights is not zero, or could be."""
    count = weights.type.shape[axis]
    if weights.data is None:
        return np.ones(count, bool)
    return np.moveaxis(weights.data, axis, 0).reshape(count, -1).any(axis=1)


def _kept(used: np.ndarray, padding: tuple[int, int], dilation: int) -> slice:
    """The kernel rows or columns that stay. What is cut is taken off the padding on that side, so that no output moves;
    padding stays smaller than the kernel."""
    first, last = 0, len(used) - 1
    before, after = padding
    while not used[first] and dilation <= before and after <= (last - first - 1) * dilation:
        first, before = first + 1, before - dilation
    while not used[last] and dilation <= after and before <= (last - first - 1) * dilation:
        last, after = last - 1, after - dilation
    return slice(first, last + 1)
