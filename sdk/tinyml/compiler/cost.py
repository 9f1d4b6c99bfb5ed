"""What a network will cost before any C is written: an analysis of shapes alone, for searches and budgets."""

from __future__ import annotations

from dataclasses import dataclass

import tinyml.ops  # noqa: F401  (registers the operators)
from tinyml.board import Isa
from tinyml.compiler import memo
from tinyml.compiler.compile import PASSES
from tinyml.compiler.schedule import reorder, schedule
from tinyml.ir.graph import Graph


@dataclass(frozen=True)
class NetworkCost:
    """Estimates for one inference: cycles at zero wait states, bytes of arena, code and packed weights."""

    macs: int
    cycles: int
    arena_bytes: int
    code_bytes: int
    weight_bytes: int

    @property
    def flash_bytes(self) -> int:
        return self.code_bytes + self.weight_bytes


def network_cost(graph: Graph, isa: Isa, *, rows: bool = False) -> NetworkCost:
    """The cost of `graph` compiled for `isa`. Constants may be weightless: only their types are read then.

    With `rows` it is the cost of what the compiler makes of the graph, whose layers may run in chains row by row;
    without, that of the same network without chains, in less time. Weightless graphs are taken through the same passes
    as others, but the compiler can only see from data that a trained channel is constant, or a kernel's edge zero: a
    network may cost less than this where training leaves such channels.
    """
    for step in PASSES:
        graph = step(graph)
    graph = reorder(graph, isa)
    planned = schedule(graph, isa, rows=rows)
    chained = {name for chain in planned.chains for name in chain.nodes}
    macs = cycles = weight_bytes = 0
    for node in graph.nodes:
        variant, known = planned.variants[node.name], memo.options(node.op, isa, graph.input_types(node))
        cost = known.costs[variant]
        macs, weight_bytes = macs + cost.macs, weight_bytes + cost.weight_bytes
        cycles += known.row_cycles[variant] if node.name in chained else cost.cycles
    return NetworkCost(macs, cycles, planned.plan.arena_bytes, planned.code_bytes, weight_bytes)
