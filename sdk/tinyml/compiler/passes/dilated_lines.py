"""Dilated layers along one line of pixels, in shapes whose kernels are fast. The bytes stay where they are.

One-dimensional networks come as images of one row, dilated along it. As a column it suits the matrix-product kernels,
which take dilated rows. As rows of `dilation` pixels each, a depthwise layer has no dilation left: pixels that are
`dilation` apart lie below each other.
"""

from __future__ import annotations

from dataclasses import replace

from tinyml.compiler.passes.naming import unused_name
from tinyml.ir.graph import Graph, Node
from tinyml.ir.tensor import Const, TensorType
from tinyml.ops import Conv2d, DepthwiseConv2d, Reshape


def dilated_lines(graph: Graph) -> Graph:
    """`graph` where convolutions dilated along images of one row work on a column, and depthwise ones on as many
    columns as their dilation, between reshapes.

    Depthwise layers stay where the row, or its padding, is no multiple of the dilation. Reads no constant data.
    """
    nodes, consts, types = [], dict(graph.consts), dict(graph.types)
    for node in graph.nodes:
        columns = _columns(graph, node)
        nodes += [node] if columns is None else _upright(graph, node, columns, consts, types)
    if tuple(nodes) == graph.nodes:
        return graph
    read = {v for node in nodes for v in node.inputs}
    return replace(graph, nodes=tuple(nodes), types=types, consts={v: c for v, c in consts.items() if v in read})


def _columns(graph: Graph, node: Node) -> int | None:
    """Columns of the image that a node's row becomes; None where it stays a row."""
    if not isinstance(node.op, (Conv2d, DepthwiseConv2d)):
        return None
    kind, weights = graph.input_types(node)[:2]
    dilation = node.op.dilation[1]
    if dilation == 1 or kind.shape[1] != 1 or weights.shape[1] != 1 or any(node.op.padding[:2]):
        return None
    if isinstance(node.op, Conv2d):
        return 1
    whole = all(n % dilation == 0 for n in (kind.shape[2], *node.op.padding[2:]))
    return dilation if whole and node.op.stride[1] == 1 else None


def _upright(
    graph: Graph, node: Node, columns: int, consts: dict[str, Const], types: dict[str, TensorType]
) -> list[Node]:  # fmt: skip
    """The row as an image of `columns`, the layer on it, and its output as a row again."""
    x, weights, bias = node.inputs
    before, after, padding = graph.types[x], graph.types[node.outputs[0]], node.op.padding[2:]
    image = Reshape((1, before.shape[2] // columns, columns, before.shape[3]))
    op = replace(
        node.op, stride=(node.op.stride[1], 1), padding=(padding[0] // columns, padding[1] // columns, 0, 0),
        dilation=(node.op.dilation[1] // columns, 1),
    )  # fmt: skip
    kernel = unused_name(f"{weights}_upright", consts, types)
    consts[kernel] = _upright_kernel(graph.consts[weights])
    upright = unused_name(f"{node.name}_upright_in", consts, types)
    (types[upright],) = image.infer(before)
    result = unused_name(f"{node.name}_upright", consts, types)
    (types[result],) = op.infer(types[upright], consts[kernel].type, graph.consts[bias].type)
    return [
        Node(upright, image, (x,), (upright,)), Node(node.name, op, (upright, kernel, bias), (result,)),
        Node(result, Reshape(after.shape), (result,), node.outputs),
    ]  # fmt: skip


def _upright_kernel(weights: Const) -> Const:
    """[O, 1, k, C] as [O, k, 1, C]."""
    first, height, width, last = weights.type.shape
    shape = (first, width, height, last)
    if weights.data is None:
        return replace(weights, type=replace(weights.type, shape=shape))
    return Const.of(weights.data.reshape(shape), weights.type.quant)
