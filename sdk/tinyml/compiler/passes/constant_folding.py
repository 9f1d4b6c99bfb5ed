"""Compute at build time what depends on constants only."""

from __future__ import annotations

from dataclasses import replace

from tinyml.compiler.passes.intervals import has_data
from tinyml.ir.graph import Graph, Node
from tinyml.ir.tensor import Const
from tinyml.ops.elementwise import Elementwise


def constant_folding(graph: Graph) -> Graph:
    """`graph` with the results of operators on constants as constants, wherever their readers accept a constant:
    other operators on constants, and elementwise ones, which take one constant operand. Graph outputs stay computed.

    Needs constant data: weightless graphs are returned as they are.
    """
    if not has_data(graph):
        return graph
    folded = _folded(graph)
    if not folded:
        return graph
    consts, nodes = dict(graph.consts), []
    for node in graph.nodes:
        if node.name in folded:
            results = node.op.reference(*(consts[v].data for v in node.inputs), types=graph.input_types(node))
            for value, data in zip(node.outputs, results, strict=True):
                consts[value] = Const.of(data, graph.types[value].quant)
        else:
            nodes.append(_reading(node, graph, consts))
    read = {v for node in nodes for v in node.inputs}
    return replace(graph, nodes=tuple(nodes), types={v: t for v, t in graph.types.items() if v not in consts},
                   consts={v: c for v, c in consts.items() if v in read})  # fmt: skip


def _folded(graph: Graph) -> set[str]:
    """Names of the nodes that are computed now: their inputs are constants, and nobody needs their outputs computed."""
    known = set(graph.consts)
    for node in graph.nodes:
        if known.issuperset(node.inputs):
            known.update(node.outputs)
    folded, needed = set(), set(graph.outputs)
    for node in reversed(graph.nodes):
        constant = known.issuperset(node.inputs)
        if constant and needed.isdisjoint(node.outputs):
            folded.add(node.name)
        elif constant or not isinstance(node.op, Elementwise):
            needed.update(node.inputs)
    return folded


def _reading(node: Node, graph: Graph, consts: dict[str, Const]) -> Node:
    """`node`, told which of its operands has become a constant."""
    new = [i for i, v in enumerate(node.inputs) if v in consts and v not in graph.consts]
    return replace(node, op=replace(node.op, constant=new[0])) if new else node
