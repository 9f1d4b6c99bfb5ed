"""From a graph to executable layers: aliases, chosen variants, their costs, and the memory plan."""

from __future__ import annotations

from collections.abc import Mapping

from tinyml.board import Isa
from tinyml.compiler.emit import Layer
from tinyml.compiler.plan import Plan, Step, plan_memory
from tinyml.ir.graph import Graph, Node
from tinyml.ir.op import Variant

_SLOWER = 1.15  # what a layer may lose for a smaller arena


def schedule(
    graph: Graph, isa: Isa, prefix: str, *, keep_all: bool = False, guard_bytes: int = 0
) -> tuple[tuple[Layer, ...], Plan, dict[str, str]]:
    """Layers in execution order, the plan, and the buffer (value whose memory is used) of every computed value."""
    chosen, plan, buffers = plan_graph(graph, isa, keep_all=keep_all, guard_bytes=guard_bytes)
    nodes = [n for n in graph.nodes if chosen[n.name].kernel_file]
    layers = tuple(Layer.of(graph, node, chosen[node.name], index, prefix) for index, node in enumerate(nodes))
    return layers, plan, buffers


def plan_graph(
    graph: Graph, isa: Isa, *, keep_all: bool = False, guard_bytes: int = 0
) -> tuple[dict[str, Variant], Plan, dict[str, str]]:
    """The variant of every node, the plan and the buffers. Reads no constant data.

    Every node gets its fastest variant, unless one with less scratch that is nearly as fast makes the whole
    arena smaller.
    """
    fast = {node.name: _fastest(graph, node, isa) for node in graph.nodes}
    buffers = _buffers(graph, fast)

    def planned(variants: Mapping[str, Variant]) -> Plan:
        return plan_memory(_steps(graph, variants, buffers), _sizes(graph, buffers), _unique(graph.inputs, buffers),
                           _unique(graph.outputs, buffers), keep_all=keep_all, guard_bytes=guard_bytes)  # fmt: skip

    chosen = {node.name: _lightest(graph, node, isa, fast[node.name]) for node in graph.nodes}
    plan = planned(chosen)
    for name in [n for n in fast if chosen[n] != fast[n]]:
        trial = {**chosen, name: fast[name]}
        trial_plan = planned(trial)
        if trial_plan.arena_bytes <= plan.arena_bytes:
            chosen, plan = trial, trial_plan
    return chosen, plan, buffers


def allowed_variants(graph: Graph, node: Node, isa: Isa) -> tuple[Variant, ...]:
    """The variants of a node that can hold its constants; of a weightless graph all that its types allow."""
    kinds, constants = graph.input_types(node), graph.constants(node)
    variants = node.op.variants(isa, *kinds)
    admits = getattr(node.op, "admits", None)
    if admits is None or any(c.data is None for c in constants):
        return variants
    return tuple(v for v in variants if admits(v, kinds, *constants))


def _fastest(graph: Graph, node: Node, isa: Isa) -> Variant:
    kinds = graph.input_types(node)
    return min(allowed_variants(graph, node, isa), key=lambda v: node.op.cost(v, *kinds).cycles)


def _lightest(graph: Graph, node: Node, isa: Isa, fast: Variant) -> Variant:
    """The variant with the least scratch among those that are about as fast and may overlap as much."""
    kinds = graph.input_types(node)
    limit = _SLOWER * node.op.cost(fast, *kinds).cycles
    allowed = node.op.overlap(fast, *kinds)
    rivals = [v for v in allowed_variants(graph, node, isa)
              if node.op.cost(v, *kinds).cycles <= limit and node.op.overlap(v, *kinds) == allowed]  # fmt: skip
    return min(rivals, key=lambda v: (v.scratch_bytes, node.op.cost(v, *kinds).cycles))


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
        pairs = {(r, target): o for r, o in zip(reads, allowed, strict=True) if o is not None}
        writes = tuple(buffers[v] for v in node.outputs)
        steps.append(Step(node.name, tuple(reads), writes, pairs if len(writes) == 1 else {}, variant.scratch_bytes))
    return steps
