"""Row-streamed execution: a chain of layers whose inner tensors exist only as a few rows.

Layers of a chain take turns row by row (`row_streaming.h`), each as late as it can, so that every inner tensor is a
ring of as many rows as its reader looks at. No row is computed twice. To the memory planner a chain is one step: it
reads the chain's input, writes its output, and its rings are scratch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tinyml.ir.graph import Graph, Node
from tinyml.ir.op import Overlap, Range, Variant
from tinyml.ir.tensor import TensorType

MOST_STAGES = 12


@dataclass(frozen=True)
class RowStage:
    """One layer of a chain. Output row r reads the input rows before min(in_rows, r * stride + reach)."""

    node: str
    variant: Variant
    stride: int
    reach: int
    in_rows: int
    in_ring: int  # rows that the buffer of its input holds


@dataclass(frozen=True)
class RowChain:
    """Layers that run as one step. Offsets are in the step's scratch; `rows` of the last layer are computed.

    Of a `pushed` chain the caller hands over the input row by row: it is a ring too, and how far the stages have come
    is kept apart from the scratch, from push to push.
    """

    name: str
    stages: tuple[RowStage, ...]
    ring_offsets: Mapping[str, int]  # inner value -> offset
    kernel_offset: int
    counts_offset: int  # where the counts of tm_run_rows lie, unless the chain is pushed
    scratch_bytes: int
    rows: int
    overlap: Overlap
    pushed: bool = False

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(stage.node for stage in self.stages)

    @property
    def counts_bytes(self) -> int:
        """int16 counters: rows of the input, then of every stage."""
        return _words(2 * (len(self.stages) + 1))


@dataclass(frozen=True)
class ChainGain:
    """What a chain was chosen for: bytes of the whole arena and estimated cycles of the whole network, without and with
    it."""

    arena_bytes_before: int
    arena_bytes: int
    estimated_cycles_before: int
    estimated_cycles: int

    @property
    def added(self) -> float:
        """Cycles, relative to those without the chain."""
        return self.estimated_cycles / self.estimated_cycles_before - 1

    def __str__(self) -> str:
        arena = f"arena {self.arena_bytes_before:,} -> {self.arena_bytes:,} bytes"
        return f"{arena}, {100 * self.added:+.1f} % cycles (estimated)"


def by_rows(node: Node, variant: Variant) -> bool:
    """Whether this variant of a node can compute single output rows from a ring of input rows."""
    runs = getattr(node.op, "runs_by_rows", None)
    return runs is not None and runs(variant)


def linear_runs(graph: Graph, variants: Mapping[str, Sequence[Variant]]) -> Iterator[tuple[Node, ...]]:
    """The longest stretches of nodes, in execution order, that could form a chain: each reads only the one before it,
    which nobody else reads."""
    readers: dict[str, int] = {}
    for node in graph.nodes:
        for value in graph.activations(node):
            readers[value] = readers.get(value, 0) + 1
    run: list[Node] = []
    for node in graph.nodes:
        fits = len(graph.activations(node)) == 1 and any(by_rows(node, v) for v in variants[node.name])
        follows = run and graph.activations(node) == run[-1].outputs
        alone = run and readers[run[-1].outputs[0]] == 1 and run[-1].outputs[0] not in graph.outputs
        if not (fits and follows and alone):
            if len(run) > 1:
                yield tuple(run)
            run = []
        if fits:
            run.append(node)
    if len(run) > 1:
        yield tuple(run)


def row_chain(
    graph: Graph, nodes: Sequence[Node], variants: Mapping[str, Variant], *, pushed: bool = False
) -> RowChain:
    """The chain of `nodes` with these variants, all of which run by rows."""
    stages, rings, end = [], {}, 0
    geometry = [_rows(node, graph.input_types(node), graph.types[node.outputs[0]]) for node in nodes]
    for node, (stride, reach, held) in zip(nodes, geometry, strict=True):
        source = graph.activations(node)[0]
        in_rows = graph.types[source].shape[1]
        first = node is nodes[0] and not pushed
        stages.append(RowStage(node.name, variants[node.name], stride, reach, in_rows, in_rows if first else held))
        if not first:
            rings[source] = end
            end += _words(held * graph.types[source].size_bytes // in_rows)
    kernel_bytes = max(variants[n.name].scratch_bytes for n in nodes)
    rows = graph.types[nodes[-1].outputs[0]].shape[1]
    overlap = _overlap(graph, nodes, tuple(stages), rows)
    counts = end + _words(kernel_bytes)
    name = f"rows_{nodes[0].name}_to_{nodes[-1].name}"
    size = counts if pushed else counts + _words(2 * len(nodes) + 2)
    return RowChain(name, tuple(stages), rings, end, counts, size, rows, overlap, pushed)


def _words(size: int) -> int:
    return -(-size // 4) * 4


@lru_cache(maxsize=4096)
def _geometry(op: object, types: tuple[TensorType, ...], out_rows: int) -> tuple[int, int, int]:
    needed = [op.rows_needed(Range(r, r + 1), *types)[0] for r in range(out_rows)]
    held = max(n.stop - n.start for n in needed)
    inner = [n.stop for n in needed if n.stop < types[0].shape[1]]
    stride = inner[1] - inner[0] if len(inner) > 1 else types[0].shape[1]
    return stride, needed[0].stop, held


def _rows(node: Node, types: tuple[TensorType, ...], out: TensorType) -> tuple[int, int, int]:
    """(stride, reach, most rows that one output row reads)."""
    return _geometry(node.op, types, out.shape[1])


Rows = tuple[tuple[int, int, int], ...]
"""Per stage its stride, reach and rows of its input."""


def _turns(stages: Rows, rows: int) -> Iterator[tuple[int, int]]:
    """(stage, row) in the order of `tm_run_rows`."""
    done, last = [0] * len(stages), len(stages) - 1
    while done[last] < rows:
        k = last
        while k:
            stride, reach, in_rows = stages[k]
            if done[k - 1] >= min(in_rows, done[k] * stride + reach):
                break
            k -= 1
        yield k, done[k]
        done[k] += 1


def _overlap(graph: Graph, nodes: Sequence[Node], stages: Sequence[RowStage], rows: int) -> Overlap:
    """How the chain's output may lie over its input: a row written must not hit an input row that is read later."""
    first = nodes[0]
    source, target = graph.types[graph.activations(first)[0]], graph.types[nodes[-1].outputs[0]]
    in_bytes, out_bytes = source.size_bytes // source.shape[1], target.size_bytes // target.shape[1]
    geometry = tuple((s.stride, s.reach, s.in_rows) for s in stages)
    return _distance(first.op, graph.input_types(first), geometry, rows, in_bytes, out_bytes)


@lru_cache(maxsize=1 << 14)
def _distance(
    op: object, types: tuple[TensorType, ...], stages: Rows, rows: int, in_bytes: int, out_bytes: int
) -> Overlap:
    """`op`: the first stage's; `rows` of `out_bytes` each come out of the last, rows of `in_bytes` go in."""
    last, least, still_read = len(stages) - 1, -(2**31), None
    for k, row in reversed(tuple(_turns(stages, rows))):
        if k == 0:
            start = op.rows_needed(Range(row, row + 1), *types)[0].start
            still_read = start if still_read is None else min(start, still_read)
        if k == last and still_read is not None:
            least = max(least, (row + 1) * out_bytes - still_read * in_bytes)
    return Overlap(least)
