"""Remove nodes whose results nobody reads, and constants that nobody uses."""

from __future__ import annotations

from dataclasses import replace

from tinyml.ir.graph import Graph, Node


def dead_nodes(graph: Graph) -> Graph:
    """`graph` without what its outputs do not depend on. Graph inputs stay: they are the interface."""
    needed = set(graph.outputs)
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            kept.append(node)
            needed.update(node.inputs)
    needed.update(graph.inputs, (v for n in kept for v in n.outputs))
    return replace(
        graph,
        nodes=tuple(reversed(kept)),
        types={n: t for n, t in graph.types.items() if n in needed},
        consts={n: c for n, c in graph.consts.items() if n in needed},
    )
