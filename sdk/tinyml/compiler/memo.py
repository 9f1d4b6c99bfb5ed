"""What operators say about themselves, remembered: searches cost thousands of networks made of the same few layers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from tinyml.board import Isa
from tinyml.compiler.share_kernels import LayerChoices
from tinyml.ir.graph import Graph
from tinyml.ir.op import Cost, Op, Overlap, Variant
from tinyml.ir.tensor import TensorType


@dataclass(frozen=True, eq=False)
class Options:
    """The variants of one operator on inputs of given types, with what each costs and how its output may overlap its
    inputs (one entry per input, constants left out). `row_cycles`: of the variants that run by rows, the cycles of a
    whole tensor computed one row a call.

    `useful` are the variants that a search for speed and memory needs: the others are there because their kernel may
    be in the network anyway, and are no better than one of these in any other respect.
    """

    variants: tuple[Variant, ...]
    useful: tuple[Variant, ...]
    costs: Mapping[Variant, Cost]
    overlaps: Mapping[Variant, tuple[Overlap | None, ...]]
    row_cycles: Mapping[Variant, int]

    @cached_property
    def least(self) -> tuple[int, int]:
        """Cycles and bytes of packed constants that no variant goes below."""
        cycles = (*(cost.cycles for cost in self.costs.values()), *self.row_cycles.values())
        return min(cycles), min(cost.weight_bytes for cost in self.costs.values())

    def choices(self, now: Variant, room: int, by_rows: bool) -> LayerChoices:
        """What a layer that runs `now` may run in its place, with scratch of at most `room` bytes."""
        sizes = sorted({v.scratch_bytes for v in self.variants if v.scratch_bytes > now.scratch_bytes})
        return _choices(self, now, ([now.scratch_bytes] + sizes)[bisect_right(sizes, room)], by_rows)


@lru_cache(maxsize=1 << 14)
def options(op: Op, isa: Isa, types: tuple[TensorType, ...]) -> Options:
    """Everything about `op` that depends on shapes and quantisation alone."""
    variants = op.variants(isa, *types)
    costs = {v: op.cost(v, *types) for v in variants}
    overlaps = {v: op.overlap(v, *types) for v in variants}
    runs_by_rows = getattr(op, "runs_by_rows", lambda v: False)
    row_cycles = {v: op.row_cycles(v, *types) for v in variants if runs_by_rows(v)}
    return Options(variants, useful(variants, costs, overlaps, row_cycles), costs, overlaps, row_cycles)


def options_by_name(graph: Graph, isa: Isa) -> dict[str, Options]:
    """The options of every node."""
    return {node.name: options(node.op, isa, graph.input_types(node)) for node in graph.nodes}


def useful(
    variants: tuple[Variant, ...], costs: Mapping[Variant, Cost],
    overlaps: Mapping[Variant, tuple[Overlap | None, ...]], row_cycles: Mapping[Variant, int],
) -> tuple[Variant, ...]:  # fmt: skip
    """The variants that are not beaten by another one: earlier ones win where both are alike."""
    kept: list[Variant] = []
    for v in sorted(variants, key=lambda v: (costs[v].cycles, v.scratch_bytes)):
        beaten = any(
            u.scratch_bytes <= v.scratch_bytes and overlaps[u] == overlaps[v]
            and (v not in row_cycles or row_cycles.get(u, row_cycles[v] + 1) <= row_cycles[v])
            for u in kept
        )  # fmt: skip
        if not beaten:
            kept.append(v)
    return tuple(kept)


@lru_cache(maxsize=1 << 14)
def _choices(known: Options, now: Variant, room: int, by_rows: bool) -> LayerChoices:
    overlap, costs = known.overlaps[now], {}
    for v in known.variants:
        fits = v.scratch_bytes <= room and (known.overlaps[v] == overlap or not any(overlap))
        if v is now or (fits and (not by_rows or v in known.row_cycles)):
            cycles = known.row_cycles[v] if by_rows else known.costs[v].cycles
            costs[v] = (cycles, known.costs[v].weight_bytes)
    return LayerChoices.of(now, costs)
