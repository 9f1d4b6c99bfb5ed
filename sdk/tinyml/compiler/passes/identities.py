"""Remove operators that change nothing, and let one operator do the work of two of its kind."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, singledispatch

import numpy as np

from tinyml.ir.graph import Graph, Node
from tinyml.ir.op import Op
from tinyml.ir.tensor import TensorType
from tinyml.ops import AveragePool2d, Concat, Lookup, MaxPool2d, Mean, Pad, Reshape, Slice, Transpose
from tinyml.ops.resize import ResizeBilinear, ResizeNearest

Types = tuple[TensorType, ...]
_BYTES = np.arange(-128, 128).astype(np.int8)


def identities(graph: Graph) -> Graph:
    """`graph` without operators whose output is their input, byte for byte, under the same type; with one operator
    for two reshapes, transpositions or paddings in a row; and with reshapes for what only looks like more.

    Nodes that compute graph outputs stay. Reads no constant data.
    """
    names: dict[str, str] = {}  # value -> the value that it equals
    producers: dict[str, Node] = {}
    nodes = []
    for node in graph.nodes:
        if not names.keys().isdisjoint(node.inputs):
            node = replace(node, inputs=tuple(names.get(v, v) for v in node.inputs))
        if not _may_change(type(node.op)):
            nodes.append(node)
            continue
        node = _merged(graph, producers.get(node.inputs[0]), node)
        if keeps_bytes(node.op, graph.input_types(node)):
            node = replace(node, op=Reshape(graph.types[node.outputs[0]].shape))
            node = _merged(graph, producers.get(node.inputs[0]), node)
            same = graph.types[node.outputs[0]] == graph.type(node.inputs[0])
            if same and node.inputs[0] in graph.types and node.outputs[0] not in graph.outputs:
                names[node.outputs[0]] = node.inputs[0]
                continue
        nodes.append(node)
        producers.update((v, node) for v in node.outputs)
    types = {v: t for v, t in graph.types.items() if v not in names}
    return graph if tuple(nodes) == graph.nodes else replace(graph, nodes=tuple(nodes), types=types)


@cache
def _may_change(kind: type[Op]) -> bool:
    """Whether `keeps_bytes` or `_merged` know of such operators."""
    return keeps_bytes.dispatch(kind) is not keeps_bytes.dispatch(object)


@singledispatch
def keeps_bytes(op: Op, types: Types) -> bool:
    """Whether the output of `op` has the bytes of its only input in their order, and its quantisation."""
    return False


@keeps_bytes.register(Reshape)
def _reshape(op: Reshape, types: Types) -> bool:
    return True


@keeps_bytes.register(AveragePool2d)
@keeps_bytes.register(MaxPool2d)
def _one_cell(op: AveragePool2d | MaxPool2d, types: Types) -> bool:
    return op.kernel == op.stride == (1, 1) and (op.act_min, op.act_max) == (-128, 127)


@keeps_bytes.register(Concat)
@keeps_bytes.register(Pad)
@keeps_bytes.register(ResizeBilinear)
@keeps_bytes.register(ResizeNearest)
def _same_size(op: Concat | Pad | ResizeBilinear | ResizeNearest, types: Types) -> bool:
    """What pads by nothing, joins nothing or resizes to the same size copies."""
    return len(types) == 1 and op.infer(*types) == types


@keeps_bytes.register(Slice)
def _whole(op: Slice, types: Types) -> bool:
    return op.shape == types[0].shape and min(op.strides) > 0


@keeps_bytes.register(Transpose)
def _moved_ones(op: Transpose, types: Types) -> bool:
    """Axes of size 1 may go anywhere: the others keep their order."""
    order = [axis for axis in op.axes if types[0].shape[axis] > 1]
    return order == sorted(order)


@keeps_bytes.register(Mean)
def _of_one(op: Mean, types: Types) -> bool:
    return op.extents(types[0])[1] == 1 and op.rounding == "high"


@keeps_bytes.register(Lookup)
def _same_table(op: Lookup, types: Types) -> bool:
    if len(types) > 1 or op.out != types[0].quant:
        return False
    return np.array_equal(op.reference(_BYTES, types=types)[0], _BYTES)


def _merged(graph: Graph, first: Node | None, node: Node) -> Node:
    """`node` reading what `first` reads, when it alone can do what both do."""
    if first is None or type(first.op) is not type(node.op):
        return node
    if isinstance(node.op, Reshape):
        return replace(node, inputs=first.inputs)
    if isinstance(node.op, Transpose):
        return replace(node, op=Transpose(tuple(first.op.axes[a] for a in node.op.axes)), inputs=first.inputs)
    kind = graph.type(first.inputs[0])
    if isinstance(node.op, Pad) and first.op.fill(kind) == node.op.fill(kind):
        pairs = zip(first.op.padding, node.op.padding, strict=True)
        op = Pad(tuple((a + c, b + d) for (a, b), (c, d) in pairs), node.op.value)
        return replace(node, op=op, inputs=first.inputs)
    return node
