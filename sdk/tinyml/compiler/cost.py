"""What a network will cost before any C is written: an analysis of shapes alone, for searches and budgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import tinyml.ops  # noqa: F401  (registers the operators)
from tinyml.board import Isa
from tinyml.compiler import memo
from tinyml.compiler.compile import PASSES
from tinyml.compiler.schedule import Schedule, reorder, schedule
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


Question = Callable[[NetworkCost], bool]


def network_cost(
    graph: Graph, isa: Isa, *, rows: bool | Question = False, hopeless: Question | None = None
) -> NetworkCost:
    """The cost of `graph` compiled for `isa`. Constants may be weightless: only their types are read then.

    With `rows` it is the cost of what the compiler makes of the graph, whose layers may run in chains row by row;
    without, that of the same network without chains, in less time. Weightless graphs are taken through the same passes
    as others, but the compiler can only see from data that a trained channel is constant, or a kernel's edge zero: a
    network may cost less than this where training leaves such channels.

    `rows` may be a question about the cost without chains. `hopeless` is asked, first, about what no schedule goes
    below; if it says so, that is the answer.
    """
    for step in PASSES:
        graph = step(graph)
    known = memo.options_by_name(graph, isa)
    if hopeless is not None and hopeless(least := _least(known)):
        return least
    wanted = rows if isinstance(rows, bool) else lambda plain: rows(_scheduled(plain, known))
    return _scheduled(schedule(reorder(graph, isa), isa, rows=wanted, known=known), known)


def _scheduled(planned: Schedule, known: Mapping[str, memo.Options]) -> NetworkCost:
    chained = {name for chain in planned.chains for name in chain.nodes}
    macs = cycles = weight_bytes = 0
    for name, variant in planned.variants.items():
        options = known[name]
        cost = options.costs[variant]
        macs, weight_bytes = macs + cost.macs, weight_bytes + cost.weight_bytes
        cycles += options.row_cycles[variant] if name in chained else cost.cycles
    return NetworkCost(macs, cycles, planned.plan.arena_bytes, planned.code_bytes, weight_bytes)


def _least(known: Mapping[str, memo.Options]) -> NetworkCost:
    """Every layer with the fewest cycles and the smallest constants; arena and code are not looked at, and 0."""
    macs = sum(options.costs[options.variants[0]].macs for options in known.values())
    cycles, weight_bytes = (sum(column) for column in zip(*(options.least for options in known.values()), strict=True))
    return NetworkCost(macs, cycles, 0, 0, weight_bytes)
