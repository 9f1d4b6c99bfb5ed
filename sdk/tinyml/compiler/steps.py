"""The steps of a schedule, as the memory planner takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from tinyml.compiler import memo
from tinyml.compiler.plan import Step
from tinyml.compiler.row_streaming import RowChain
from tinyml.ir.graph import Graph, Node
from tinyml.ir.op import Overlap, Variant


def buffers_of(graph: Graph, chosen: Mapping[str, Variant]) -> dict[str, str]:
    """Values that are another value under a new type, or changed in place, share its buffer."""
    buffers = {name: name for name in graph.inputs}
    for node in graph.nodes:
        for value in node.outputs:
            alias = not chosen[node.name].kernel_file or chosen[node.name].in_place
            buffers[value] = buffers[graph.activations(node)[0]] if alias else value
    return buffers


def unique(values: tuple[str, ...], buffers: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(buffers[v] for v in values))


def steps_of(
    graph: Graph, variants: Mapping[str, Variant], chains: Sequence[RowChain], buffers: Mapping[str, str],
    step: Callable[[Node, Variant], Step],
) -> Iterator[Step]:  # fmt: skip
    nodes = {node.name: node for node in graph.nodes}
    chain_at = {chain.nodes[0]: chain for chain in chains}
    inside = {name for chain in chains for name in chain.nodes[1:]}
    for node in graph.nodes:
        variant = variants[node.name]
        if node.name in chain_at:
            yield chain_step(graph, nodes, chain_at[node.name], buffers)
        elif variant.kernel_file and node.name not in inside:
            yield step(node, variant)


def chain_step(graph: Graph, nodes: Mapping[str, Node], chain: RowChain, buffers: Mapping[str, str]) -> Step:
    source = buffers[graph.activations(nodes[chain.nodes[0]])[0]]
    target = buffers[nodes[chain.nodes[-1]].outputs[0]]
    if chain.pushed:
        return Step(chain.name, (), (target,), {}, chain.scratch_bytes)
    return Step(chain.name, (source,), (target,), {(source, target): chain.overlap}, chain.scratch_bytes)


def step_of(graph: Graph, node: Node, variant: Variant, buffers: Mapping[str, str], known: memo.Options) -> Step:
    reads = tuple(buffers[v] for v in graph.activations(node))
    writes = tuple(dict.fromkeys(buffers[v] for v in node.outputs))
    pairs: dict[tuple[str, str], Overlap] = {}
    if len(writes) == 1 and not variant.in_place:
        allowed = known.overlaps[variant]
        pairs = {(r, writes[0]): o for r, o in zip(reads, allowed, strict=True) if o is not None}
    return Step(node.name, reads, writes, pairs, variant.scratch_bytes)
