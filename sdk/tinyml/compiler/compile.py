"""Compile a graph: verify, run the passes, choose variants, plan memory, emit C."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import tinyml.ops  # noqa: F401  (registers the operators)
from tinyml.board import Isa
from tinyml.compiler.emit import Program, emit_files
from tinyml.compiler.frame_graph import FrameGraph, frame_graph
from tinyml.compiler.passes import (
    constant_channels,
    constant_folding,
    constant_weights,
    dead_nodes,
    dilated_lines,
    fold_clamps,
    fold_padding,
    identities,
    spatial_means,
    trim_kernels,
)
from tinyml.compiler.plan import Plan
from tinyml.compiler.row_streaming import ChainGain
from tinyml.compiler.schedule import Schedule, push_schedule, reorder, schedule
from tinyml.compiler.share_kernels import Budget
from tinyml.compiler.streaming_analysis import StreamingError, Windows
from tinyml.ir.graph import Graph
from tinyml.ir.op import GraphError
from tinyml.ir.tensor import TensorType
from tinyml.ir.verify import verify
from tinyml.ops.cost_table import cost_table
from tinyml.toolchain import CSources, write_sources

Pass = Callable[[Graph], Graph]
PASSES: tuple[Pass, ...] = (
    dead_nodes, constant_folding, identities, fold_padding, fold_clamps, spatial_means, identities, trim_kernels,
    constant_weights, constant_channels, dilated_lines, identities, dead_nodes,
)  # fmt: skip


@dataclass(frozen=True)
class LayerInfo:
    """One emitted layer. `symbol` is its C function; cycles are estimates at zero wait states.

    `code_bytes` is estimated too: the layer's own function and parameters, and the functions that layers share at the
    first one that needs them.
    """

    name: str
    symbol: str
    op: str
    variant: str
    macs: int
    cycles: int
    code_bytes: int
    weight_bytes: int
    in_offset: int
    out_offset: int
    scratch_bytes: int
    ram_bytes: int  # of the arena, in use while it runs
    step: str  # of the plan, in which it runs: its own name, or that of its chain
    calls: int = 1  # of its function in one inference: rows, where layers run row by row


@dataclass(frozen=True)
class ChainInfo:
    """Layers `first` to `last` (their numbers in the sources), which run row by row as one step of the plan. Bytes are
    those of the whole arena, cycles estimates for the whole network, both without and with the chain."""

    first: int
    last: int
    layers: tuple[str, ...]
    gain: ChainGain

    def record(self) -> dict[str, object]:
        """As JSON has it."""
        return {"first": self.first, "last": self.last, "layers": self.layers, **asdict(self.gain)}


@dataclass(frozen=True)
class Compiled:
    """A compiled network: `files` maps file names to text; `PREFIX.c` includes the others."""

    name: str
    prefix: str
    isa: Isa
    input_types: tuple[TensorType, ...]
    output_types: tuple[TensorType, ...]
    plan: Plan
    layers: tuple[LayerInfo, ...]
    files: Mapping[str, str]
    taps: Mapping[str, tuple[int, TensorType]]  # value -> (arena offset, type); after a run valid with `taps=True`
    guard_bytes: int = 0
    chains: tuple[ChainInfo, ...] = ()
    windows: Windows | None = None  # of a network that is pushed frame by frame

    @property
    def output_type(self) -> TensorType:
        """The type of the first output."""
        return self.output_types[0]

    @property
    def macs(self) -> int:
        return sum(layer.macs for layer in self.layers)

    @property
    def cycles(self) -> int:
        """Estimated Cortex-M4 cycles of one inference at zero wait states."""
        return sum(layer.cycles for layer in self.layers)

    @property
    def weight_bytes(self) -> int:
        return sum(layer.weight_bytes for layer in self.layers)

    @property
    def calls(self) -> dict[str, int]:
        """How often one inference calls the function of each layer."""
        return {layer.symbol: layer.calls for layer in self.layers}


def compile_graph(graph: Graph, isa: Isa, *, prefix: str = "m", taps: bool = False, canary: bool = False,
                  stream: bool = False, passes: tuple[Pass, ...] = PASSES,
                  budget: Budget = Budget()) -> Compiled:  # fmt: skip
    """Compile `graph` for `isa`; with `stream`, to take one frame (row of its input) at a time.

    Streamed windows overlap where the network allows it (see `streaming_analysis`); where it does not, windows follow
    one another: the rows of one input, of an image for example, are taken in as they come.
    `taps` keeps every computed tensor in the arena to be read after a run; `canary` does so too and leaves guard
    words between tensors, which `HostModel` checks after every run. `passes` are run first: none of them leaves the
    operators as they are. Kernels are chosen to meet `budget` where that can be met. Raises: GraphError.
    """
    verify(graph)
    for step in passes:
        graph = step(graph)
        verify(graph)
    if not graph.inputs:
        raise GraphError(f"graph `{graph.name}` has no input")
    guard_bytes = 16 if canary else 0
    frames = windows = None
    if stream:
        windows, frames, graph, planned = _streamed(graph, isa, budget)
    else:
        graph = reorder(graph, isa)
        verify(graph)
        planned = schedule(graph, isa, keep_all=taps or canary, guard_bytes=guard_bytes, budget=budget)
    compiled = compile_schedule(graph, isa, planned, prefix=prefix, frames=frames, guard_bytes=guard_bytes)
    return replace(compiled, windows=windows)


def compile_schedule(
    graph: Graph, isa: Isa, planned: Schedule, *, prefix: str = "m", frames: FrameGraph | None = None,
    guard_bytes: int = 0,
) -> Compiled:  # fmt: skip
    """The C of a verified graph under a schedule of its own."""
    program = Program.of(graph, planned, prefix, frames)
    return Compiled(
        graph.name, prefix, isa, tuple(graph.types[v] for v in graph.inputs),
        tuple(graph.types[v] for v in graph.outputs), planned.plan, _layer_infos(program), emit_files(program),
        {v: (p.offset, graph.types[v]) for v, p in program.places.items() if not p.rows}, guard_bytes,
        _chain_infos(program),
    )  # fmt: skip


def _streamed(graph: Graph, isa: Isa, budget: Budget) -> tuple[Windows, FrameGraph | None, Graph, Schedule]:
    """The per-frame graph where windows can overlap, else the graph itself with its input pushed row by row."""
    try:
        frames = frame_graph(graph)
    except StreamingError as overlapping:
        try:
            planned = push_schedule(graph, isa, budget)
            return Windows.of(graph.types[graph.inputs[0]], overlapping.reason), None, graph, planned
        except GraphError as rows:
            details = (f"windows cannot overlap: {overlapping.reason}", f"nor follow one another: {rows.message}")
            raise GraphError(f"graph `{graph.name}` cannot be streamed", details=details, hint=rows.hint) from rows
    verify(frames.graph)
    return Windows.of(frames.window), frames, frames.graph, schedule(frames.graph, isa, budget=budget)


def _chain_infos(program: Program) -> tuple[ChainInfo, ...]:
    numbers = {layer.node.name: layer.index for layer in program.layers}
    return tuple(ChainInfo(numbers[chain.nodes[0]], numbers[chain.nodes[-1]], chain.nodes, gain)
                 for chain, gain in zip(program.schedule.chains, program.schedule.gains, strict=True))  # fmt: skip


def _layer_infos(program: Program) -> tuple[LayerInfo, ...]:
    infos, table, users = [], cost_table(), Counter(layer.kernel for layer in program.layers)
    seen: set[str] = set()
    steps: dict[str, int] = {}  # by layer, or by the chain that it belongs to
    for layer in program.layers:
        step = layer.chain.name if layer.chain else layer.node.name
        steps.setdefault(step, len(steps))
        code = table.code(layer.variant.name)
        shared = sum(size for name, size in code.functions.items() if name not in seen)
        seen |= code.functions.keys()
        kind, cycles, calls = program.graph.types[layer.node.outputs[0]], layer.cost.cycles, 1
        if layer.chain is not None:
            cycles = layer.node.op.row_cycles(layer.variant, *program.graph.input_types(layer.node))
            calls = kind.shape[1]
        own = code.row_layer_bytes
        if layer.chain is None:
            own = code.layer_bytes - code.saved_alone(layer.variant.tile) * (users[layer.kernel] == 1)
        infos.append(LayerInfo(
            layer.node.name, layer.symbol, layer.node.op.ir_name, layer.variant.name, layer.cost.macs,
            cycles, own + shared, layer.weight_bytes, program.places[layer.reads[0]].offset,
            program.places[layer.node.outputs[0]].offset, layer.variant.scratch_bytes,
            program.schedule.plan.bytes_used(steps[step]), step, calls,
        ))  # fmt: skip
    return tuple(infos)


def write(compiled: Compiled, out_dir: Path | str) -> CSources:
    """Write the generated C and say what to compile. Raises: ProjectError."""
    return write_sources(compiled.files, Path(out_dir))
