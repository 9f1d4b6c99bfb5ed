"""C emission: header, constants, one function per shared kernel, one per layer, and the invoke function."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tinyml.ir
import tinyml.ops
from tinyml.compiler.frame_graph import COUNT, FrameGraph
from tinyml.compiler.interface import accessor, header, rows_header, sides, stream_header
from tinyml.compiler.row_streaming import RowChain, RowStage
from tinyml.compiler.schedule import COUNTS, Schedule
from tinyml.ir.cwriter import C_TYPES, CWriter
from tinyml.ir.graph import Graph, Node
from tinyml.ir.op import Call, Cost, Packed, Variant
from tinyml.ir.tensor import TensorType

KERNEL_DIRS = (Path(tinyml.ops.__file__).parent, Path(tinyml.ir.__file__).parent, Path(__file__).parent)
_INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)


@dataclass(frozen=True)
class Layer:
    """A node as it is emitted; `chain` when it runs by rows."""

    node: Node
    variant: Variant
    cost: Cost
    reads: tuple[str, ...]
    symbol: str
    kernel: str
    packed: tuple[Packed, ...]
    index: int
    chain: RowChain | None

    @property
    def weight_bytes(self) -> int:
        return sum(p.data.nbytes for p in self.packed)

    @property
    def stage(self) -> RowStage | None:
        """Its place in the chain."""
        return next((s for s in self.chain.stages if s.node == self.node.name), None) if self.chain else None


@dataclass(frozen=True)
class Place:
    """Where a value lies in the arena: `rows` of it when it is a ring of rows, else 0."""

    offset: int
    size: int
    rows: int = 0


@dataclass(frozen=True)
class Program:
    """Everything that is written into the sources: layers in execution order, and where values lie."""

    graph: Graph
    prefix: str
    schedule: Schedule
    layers: tuple[Layer, ...]
    places: Mapping[str, Place]
    frames: FrameGraph | None = None  # of a network that takes one frame at a time

    @property
    def pushed(self) -> RowChain | None:
        """The chain whose input rows the caller hands over."""
        return next((c for c in self.schedule.chains if c.pushed), None)

    @classmethod
    def of(cls, graph: Graph, schedule: Schedule, prefix: str, frames: FrameGraph | None = None) -> Program:
        nodes = [n for n in graph.nodes if schedule.variants[n.name].kernel_file]
        layers = tuple(_layer(graph, node, schedule, index, prefix) for index, node in enumerate(nodes))
        return cls(graph, prefix, schedule, layers, _places(graph, schedule), frames)


def _layer(graph: Graph, node: Node, schedule: Schedule, index: int, prefix: str) -> Layer:
    kinds, variant = graph.input_types(node), schedule.variants[node.name]
    packed = node.op.pack(variant, kinds, *graph.constants(node))
    return Layer(node, variant, node.op.cost(variant, *kinds), graph.activations(node),
                 f"{prefix}_layer_{index:02d}_{node.name}", f"{prefix}_k_{variant.name}", packed, index,
                 schedule.chain_of(node.name))  # fmt: skip


def _places(graph: Graph, schedule: Schedule) -> dict[str, Place]:
    places = {}
    for chain in schedule.chains:
        base = schedule.plan.scratch(chain.name).offset
        held = {graph.activations(n)[0]: s.in_ring for n in graph.nodes for s in chain.stages if s.node == n.name}
        for value, offset in chain.ring_offsets.items():
            kind = graph.types[value]
            places[value] = Place(base + offset, held[value] * kind.size_bytes // kind.shape[1], held[value])
    for value, buffer in schedule.buffers.items():
        if value not in places:
            found = schedule.plan[buffer]
            places[value] = Place(found.offset, found.size)
    return places


def emit_files(program: Program) -> dict[str, str]:
    """`PREFIX.h`, `PREFIX.c` and the kernel headers that it includes, as text by file name."""
    prefix = program.prefix
    kernels = dict.fromkeys(layer.variant.kernel_file for layer in program.layers)
    if program.schedule.chains:
        kernels["row_streaming.h"] = None
    plan, frames = program.schedule.plan, program.frames
    if program.pushed is not None:
        head = rows_header(program.graph, plan, prefix)
    else:
        head = header(program.graph, plan, prefix) if frames is None else stream_header(frames, plan, prefix)
    files = {f"{prefix}.h": head, f"{prefix}.c": ""}
    waiting = [*kernels, "attributes.h"]
    while waiting:
        name = waiting.pop(0)
        if name not in files:
            files[name] = _kernel_text(name)
            waiting += _INCLUDE.findall(files[name])
    files[f"{prefix}.c"] = _source(program, [*kernels])
    return files


def _kernel_text(name: str) -> str:
    return next(d / name for d in KERNEL_DIRS if (d / name).exists()).read_text()


def _source(program: Program, kernels: Sequence[str]) -> str:
    w, prefix, layers = CWriter(), program.prefix, program.layers
    w.line(f"/* Network `{program.graph.name}`: generated, do not edit. */")
    for name in (f"{prefix}.h", "attributes.h", *kernels):
        w.line(f'#include "{name}"')
    defined: set[str] = set()
    for layer in layers:
        if layer.kernel not in defined:
            defined.add(layer.kernel)
            users = " ".join(f"{other.index:02d}" for other in layers if other.kernel == layer.kernel)
            w.line()
            w.line(f"/* kernel of layers {users} */")
            layer.node.op.kernel_c(layer.variant, w, layer.kernel)
    for layer in layers:
        _emit_layer(program, layer, w)
    for chain in program.schedule.chains:
        if not chain.pushed:
            _emit_chain(program, chain, w)
    if program.pushed is not None:
        _emit_push_rows(program, program.pushed, w)
    elif program.frames is not None:
        _emit_push(program, program.frames, w)
    else:
        _emit_invoke(program, w)
    return w.text()


def _emit_invoke(program: Program, w: CWriter) -> None:
    prefix = program.prefix
    for side, value in sides(program.graph):
        qualifier = "" if side.startswith("input") else "const "
        w.line()
        with w.block(accessor(prefix, side)):
            w.line(f"return ({qualifier}int8_t *)arena + {program.places[value].offset};")
    w.line()
    with w.block(f"void {prefix}_invoke(void *arena)"):
        _emit_calls(program, w)


def _emit_push(program: Program, frames: FrameGraph, w: CWriter) -> None:
    prefix, places = program.prefix, program.places
    count = f"((int32_t *)(void *)((uint8_t *)arena + {places[COUNT].offset}))"
    w.line()
    with w.block(accessor(prefix, "output")):
        w.line(f"return (const int8_t *)arena + {places[frames.output].offset};")
    w.line()
    with w.block(f"void {prefix}_reset(void *arena)"):
        w.line(f"*{count} = 0;")
    w.line()
    with w.block(f"int {prefix}_push(void *arena, const int8_t *frame)"):
        w.line(f"int8_t *const input = (int8_t *)arena + {places[frames.frame].offset};")
        with w.block(f"for (int32_t i = 0; i < {prefix.upper()}_FRAME_BYTES; i++)"):
            w.line("input[i] = frame[i];")
        _emit_calls(program, w)
        w.line(f"return *{count} == {frames.window_frames};")


def _emit_push_rows(program: Program, chain: RowChain, w: CWriter) -> None:
    """One input row a call; with the last one everything behind the chain runs too."""
    prefix, count = program.prefix, len(chain.stages)
    ring, kind = program.places[program.graph.inputs[0]], program.graph.types[program.graph.inputs[0]]
    row_bytes = kind.size_bytes // kind.shape[1]
    counts = f"(int16_t *)(void *)((uint8_t *)arena + {program.schedule.plan[COUNTS].offset})"
    w.line()
    with w.block(accessor(prefix, "output")):
        w.line(f"return (const int8_t *)arena + {program.places[program.graph.outputs[0]].offset};")
    w.line()
    with w.block(f"void {prefix}_reset(void *arena)"):
        w.line(f"int16_t *const counts = {counts};")
        with w.block(f"for (int32_t k = 0; k <= {count}; k++)"):
            w.line("counts[k] = 0;")
    w.line()
    _describe_chain(program, chain, w)
    with w.block(f"int {prefix}_push(void *arena, const int8_t *frame)"):
        _emit_stages(program, chain, w)
        w.line(f"int16_t *const counts = {counts};")
        w.line(f"int8_t *const row = (int8_t *)arena + {ring.offset} + counts[0] % {ring.rows} * {row_bytes};")
        with w.block(f"for (int32_t i = 0; i < {row_bytes}; i++)"):
            w.line("row[i] = frame[i];")
        w.line("counts[0]++;")
        with w.block(f"if (!tm_run_rows(stages, {count}, {chain.rows}, counts, (uint8_t *)arena) || "
                     f"counts[0] < {kind.shape[1]})"):  # fmt: skip
            w.line("return 0;")
        _emit_calls(program, w)
        w.line(f"{prefix}_reset(arena);")
        w.line("return 1;")


def _emit_calls(program: Program, w: CWriter) -> None:
    for layer in program.layers:
        if layer.chain is not None and layer.chain.pushed:
            continue
        if layer.chain is None:
            w.line(f"{layer.symbol}((uint8_t *)arena);")
        elif layer.node.name == layer.chain.nodes[0]:
            w.line(f"{program.prefix}_{layer.chain.name}((uint8_t *)arena);")


def _emit_layer(program: Program, layer: Layer, w: CWriter) -> None:
    node, graph, places = layer.node, program.graph, program.places
    symbols = tuple(f"{program.prefix}_w_{layer.index:02d}_{p.suffix}" for p in layer.packed)
    w.line()
    w.line(f"/* {_describe(program, layer)} */")
    for symbol, packed in zip(symbols, layer.packed, strict=True):
        w.array(symbol, packed.data)
    if layer.stage is not None:
        _emit_row_layer(program, layer, symbols, w)
        return
    scratch = program.schedule.plan.scratch(node.name)
    call = Call(
        layer.symbol, layer.kernel, graph.input_types(node), tuple(graph.types[v] for v in node.outputs),
        tuple(_pointer(graph.types[v], places[v].offset, "const ") for v in layer.reads),
        tuple(_pointer(graph.types[v], places[v].offset) for v in node.outputs),
        "(void *)0" if scratch is None else f"(void *)(arena + {scratch.offset})", symbols,
    )  # fmt: skip
    with w.block(f"static TM_SEPARATE void {layer.symbol}(uint8_t *arena)"):
        node.op.emit_c(layer.variant, w, call)


def _emit_row_layer(program: Program, layer: Layer, symbols: tuple[str, ...], w: CWriter) -> None:
    """A layer of a chain: one output row a call."""
    graph, node, chain = program.graph, layer.node, layer.chain
    source, target = graph.activations(node)[0], node.outputs[0]
    kind, values = node.op.params_c(layer.variant, graph.input_types(node), layer.stage.in_ring, symbols)
    out, place = graph.types[target], program.places[target]
    slot = f"row % {place.rows}" if place.rows > 1 else "0" if place.rows == 1 else "row"
    row_bytes = out.size_bytes // out.shape[1]
    scratch = program.schedule.plan.scratch(chain.name).offset + chain.kernel_offset
    with w.block(f"static TM_SEPARATE void {layer.symbol}(uint8_t *arena, int32_t row)"):
        w.line(f"static const {kind} p = {values};")
        x = _pointer(graph.types[source], program.places[source].offset, "const ")
        w.line(f"int8_t *y = {_pointer(out, place.offset)} + {slot} * {row_bytes};")
        w.line(f"{layer.kernel}(&p, {x}, y, (void *)(arena + {scratch}), row, row + 1);")


def _emit_chain(program: Program, chain: RowChain, w: CWriter) -> None:
    """The function that runs a chain on a whole input."""
    count, in_rows = len(chain.stages), chain.stages[0].in_rows
    scratch = program.schedule.plan.scratch(chain.name)
    w.line()
    _describe_chain(program, chain, w)
    with w.block(f"static TM_SEPARATE void {program.prefix}_{chain.name}(uint8_t *arena)"):
        _emit_stages(program, chain, w)
        w.line(f"int16_t *const counts = (int16_t *)(void *)(arena + {scratch.offset + chain.counts_offset});")
        with w.block(f"for (int32_t k = 0; k <= {count}; k++)"):
            w.line(f"counts[k] = k == 0 ? {in_rows} : 0;")
        w.line(f"(void)tm_run_rows(stages, {count}, {chain.rows}, counts, arena);")


def _describe_chain(program: Program, chain: RowChain, w: CWriter) -> None:
    layers = {layer.node.name: layer for layer in program.layers}
    scratch = program.schedule.plan.scratch(chain.name)
    numbers = " ".join(f"{layers[name].index:02d}" for name in chain.nodes)
    gain = program.schedule.gains[program.schedule.chains.index(chain)]
    w.line(f"/* layers {numbers} row by row, rings and scratch in arena [{scratch.offset}, "
           f"{scratch.offset + scratch.size}): {gain} */")  # fmt: skip


def _emit_stages(program: Program, chain: RowChain, w: CWriter) -> None:
    layers = {layer.node.name: layer for layer in program.layers}
    with w.block(f"static const tm_row_stage stages[{len(chain.stages)}] =", "};"):
        for stage in chain.stages:
            w.line(f"{{{layers[stage.node].symbol}, {stage.stride}, {stage.reach}, {stage.in_rows}}},")


def _pointer(kind: TensorType, offset: int, qualifier: str = "") -> str:
    return f"({qualifier}{C_TYPES[kind.dtype]} *)(arena + {offset})"


def _dims(kind: TensorType) -> str:
    return "x".join(map(str, kind.shape[1:]))


def _describe(program: Program, layer: Layer) -> str:
    """`07 conv2d 24x24x16 -> 12x12x32 s2, 663,552 MACs, arena [0, 9216) -> [9216, 13824)`."""
    node, graph = layer.node, program.graph
    source, target = layer.reads[0], node.outputs[0]
    stride = getattr(node.op, "stride", (1, 1))
    steps = "" if stride == (1, 1) else f" s{stride[0]}" if stride[0] == stride[1] else f" s{stride[0]}x{stride[1]}"
    macs = f", {layer.cost.macs:,} MACs" if layer.cost.macs else ""
    shapes = f"{_dims(graph.type(source))} -> {_dims(graph.types[target])}"
    found = (program.places[v] for v in (source, target))
    places = " -> ".join(f"[{p.offset}, {p.offset + p.size})" + f" {p.rows} rows" * (p.rows > 0) for p in found)
    return f"{layer.index:02d} {node.op.ir_name} {shapes}{steps}{macs}, arena {places}"
