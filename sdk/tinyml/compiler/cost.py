"""What a network will cost before any C is written: an analysis of shapes alone, for searches and budgets."""

from __future__ import annotations

from dataclasses import dataclass

import tinyml.ops  # noqa: F401  (registers the operators)
from tinyml.board import Isa
from tinyml.compiler import memo
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


def network_cost(graph: Graph, isa: Isa) -> NetworkCost:
    """The cost of `graph` compiled for `isa`. Constants may be weightless: only their types are read."""
    planned = schedule(reorder(graph, isa), isa, rows=False)
    chosen, plan = planned.variants, planned.plan
    costs = [(v := chosen[n.name], memo.options(n.op, isa, graph.input_types(n)).costs[v]) for n in graph.nodes]
    return NetworkCost(
        sum(c.macs for _, c in costs), sum(c.cycles for _, c in costs), plan.arena_bytes,
        planned.code_bytes, sum(c.weight_bytes for _, c in costs),
    )  # fmt: skip
