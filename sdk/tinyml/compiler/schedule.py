"""From a graph to executable layers: aliases, chosen variants, their costs, and the memory plan."""

from __future__ import annotations

from collections.abc import Mapping

from tinyml.board import Isa
from tinyml.compiler.emit import Layer
from tinyml.compiler.plan import Plan, Step, plan_memory
from tinyml.ir.graph import Graph, Node
from tinyml.ir.op import Variant


def schedule(
    graph: Graph, isa: Isa, prefix: str, *, keep_all: bool = False, guard_bytes: int = 0
) -> tuple[tuple[Layer, ...], Plan, dict[str, str]]:
    """Layers in execution order, the plan, and the buffer (value whose memory is used) of every computed value.

    The fastest variant of each node is chosen; a slower one with less scratch replaces it where that alone
    makes the arena smaller without costing more than a tenth of the layer's cycles.
    """
    chosen = {node.name: _fastest(graph, node, isa) for node in graph.nodes}
    buffers = _buffers(graph, chosen)

    def planned() -> Plan:
        return plan_memory(_steps(graph, chosen, buffers), _sizes(graph, buffers), _unique(graph.inputs, buffers),
                           _unique(graph.outputs, buffers), keep_all=keep_all, guard_bytes=guard_bytes)  # fmt: skip

    plan = planned()
    for node in graph.nodes:
        fast = chosen[node.name]
        for other in _lighter(graph, node, isa, fast):
            chosen[node.name] = other
            trial = planned()
            if trial.arena_bytes < plan.arena_bytes:
                plan, fast = trial, other
        chosen[node.name] = fast
    nodes = [n for n in graph.nodes if chosen[n.name].kernel_file]
    layers = tuple(
        Layer.of(graph, node, chosen[node.name], index, prefix) for index, node in enumerate(nodes)
    )  # fmt: skip
    return layers, plan, buffers


def _fastest(graph: Graph, node: Node, isa: Isa) -> Variant:
    kinds = graph.input_types(node)
    return min(node.op.variants(isa, *kinds), key=lambda v: node.op.cost(v, *kinds).cycles)


def _lighter(graph: Graph, node: Node, isa: Isa, fast: Variant) -> list[Variant]:
    kinds = graph.input_types(node)
    limit = 1.1 * node.op.cost(fast, *kinds).cycles
    return [v for v in node.op.variants(isa, *kinds)
            if v.scratch_bytes < fast.scratch_bytes and node.op.cost(v, *kinds).cycles <= limit]  # fmt: skip


def _buffers(graph: Graph, chosen: Mapping[str, Variant]) -> dict[str, str]:
    """Values that are another value under a new type share its buffer."""
    buffers = {name: name for name in graph.inputs}
    for node in graph.nodes:
        for value in node.outputs:
            alias = not chosen[node.name].kernel_file
            buffers[value] = buffers[graph.activations(node)[0]] if alias else value
    return buffers


def _unique(values: tuple[str, ...], buffers: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(buffers[v] for v in values))


def _sizes(graph: Graph, buffers: Mapping[str, str]) -> dict[str, int]:
    return {b: graph.types[b].size_bytes for b in set(buffers.values())}


def _steps(graph: Graph, chosen: Mapping[str, Variant], buffers: Mapping[str, str]) -> list[Step]:
    steps = []
    for node in graph.nodes:
        variant = chosen[node.name]
        if not variant.kernel_file:
            continue
        reads = [buffers[v] for v in graph.activations(node)]
        allowed = node.op.overlap(variant, *graph.input_types(node))
        target = buffers[node.outputs[0]]
        pairs = {(r, target): o for r, o in zip(reads, allowed, strict=True) if o is not None and len(node.outputs) == 1}
        steps.append(Step(node.name, tuple(reads), tuple(buffers[v] for v in node.outputs), pairs, variant.scratch_bytes))
    return steps
