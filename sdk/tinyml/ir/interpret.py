"""Run a graph on the operators' Python references: the exact integers that the C must produce."""

from __future__ import annotations

import numpy as np

from tinyml.ir.graph import Graph
from tinyml.ir.op import GraphError


def interpret(graph: Graph, *inputs: np.ndarray, keep: bool = False) -> tuple[np.ndarray, ...] | dict[str, np.ndarray]:
    """Evaluate `graph`; with `keep`, return every computed value (and the inputs) by name.

    Each input has the type's shape, where the leading axis may hold a batch of any size.
    Raises: GraphError for a wrong number, shape or dtype of inputs, or a weightless graph.
    """
    if len(inputs) != len(graph.inputs):
        raise GraphError(f"graph `{graph.name}` takes {len(graph.inputs)} inputs, not {len(inputs)}")
    values: dict[str, np.ndarray] = {}
    for name, data in zip(graph.inputs, inputs, strict=True):
        kind, data = graph.types[name], np.asarray(data)
        if data.dtype.name != kind.dtype or data.shape[1:] != kind.shape[1:] or data.ndim != len(kind.shape):
            found = f"{data.dtype.name}{list(data.shape)}"
            raise GraphError(f"input `{name}` is {found}, not {kind.dtype}{list(kind.shape)}")
        values[name] = data
    for name, const in graph.consts.items():
        if const.data is None:
            raise GraphError(f"constant `{name}` carries no data: a weightless graph cannot be run")
    for node in graph.nodes:
        operands = [graph.consts[v].data if v in graph.consts else values[v] for v in node.inputs]
        results = node.op.reference(*operands, types=graph.input_types(node))
        values.update(zip(node.outputs, results, strict=True))
    return values if keep else tuple(values[name] for name in graph.outputs)
