"""The verifier: what must hold of every graph before and after every pass."""

from __future__ import annotations

import re

import numpy as np

from tinyml.ir.graph import Graph, Node
from tinyml.ir.op import GraphError
from tinyml.ir.tensor import Const

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def verify(graph: Graph) -> None:
    """Check names, order of definition, types and constants of a graph.

    Raises: GraphError naming the node or value that is wrong.
    """
    for name in (graph.name, *graph.types, *graph.consts, *(n.name for n in graph.nodes)):
        if not _NAME.match(name):
            raise GraphError(f"`{name}` is not a valid name in a graph", hint="use letters, digits and underscores")
    _check_consts(graph)
    defined = set(graph.consts)
    for name in graph.inputs:
        _define(name, defined, "the graph's inputs")
        if name not in graph.types:
            raise GraphError(f"graph input `{name}` has no type")
    node_names: set[str] = set()
    for node in graph.nodes:
        if node.name in node_names:
            raise GraphError(f"two nodes are called `{node.name}`")
        node_names.add(node.name)
        _check_node(graph, node, defined)
    for name in graph.outputs:
        if name not in defined or name in graph.consts:
            raise GraphError(f"graph output `{name}` is not computed by any node")
    if not graph.outputs:
        raise GraphError(f"graph `{graph.name}` has no output")


def _define(name: str, defined: set[str], where: str) -> None:
    if name in defined:
        raise GraphError(f"value `{name}` is defined twice, the second time by {where}")
    defined.add(name)


def _check_node(graph: Graph, node: Node, defined: set[str]) -> None:
    for value in node.inputs:
        if value not in defined:
            raise GraphError(f"node `{node.name}` reads `{value}` before it is computed")
    try:
        inferred = node.op.infer(*graph.input_types(node))
        check = getattr(node.op, "check_constants", None)
        if check is not None:
            check(graph.input_types(node), *graph.constants(node))
    except GraphError as error:
        raise GraphError(f"node `{node.name}`: {error.message}", hint=error.hint, details=error.details) from error
    if len(inferred) != len(node.outputs):
        raise GraphError(f"node `{node.name}` has {len(node.outputs)} outputs, its operator {len(inferred)}")
    for value, kind in zip(node.outputs, inferred, strict=True):
        _define(value, defined, f"node `{node.name}`")
        if graph.types.get(value) != kind:
            raise GraphError(
                f"node `{node.name}`: `{value}` has a type that its operator does not give",
                details=(f"stored   {graph.types.get(value)}", f"inferred {kind}"),
            )


def _check_consts(graph: Graph) -> None:
    for name, const in graph.consts.items():
        if const.data is None:
            continue
        data = np.asarray(const.data)
        if tuple(data.shape) != const.type.shape or data.dtype.name != const.type.dtype:
            raise GraphError(f"constant `{name}` is {data.dtype.name}{list(data.shape)}, its type says {const.type}")
        if Const.of(data, const.type.quant).sha256 != const.sha256:
            raise GraphError(f"the data of constant `{name}` does not match its hash")
