"""Layers that all run one variant, as an image: their cycles on the virtual board, and the bytes of every function."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinyml.bench.image import NetworkImage, build_image
from tinyml.bench.machine import NetworkMachine
from tinyml.board import Board
from tinyml.compiler import Compiled, Placement, Plan
from tinyml.compiler.compile import compile_schedule
from tinyml.compiler.row_streaming import ChainGain, row_chain
from tinyml.compiler.schedule import Schedule
from tinyml.ir.graph import Graph, GraphBuilder, Node
from tinyml.ir.op import Case, Variant
from tinyml.ir.tensor import Const

_ALIGN = 16
_CALLER = re.compile(r"put|run|get|stop|g_\w+")
_LAYER = re.compile(r"m_layer_\d+_")
_SHARED = ("tm_", "mem")  # kernels' functions, and what compilers call on their own
_FRAME = re.compile(r"m_invoke|m_input(_\d+)?|m_output(_\d+)?|m_rows_\w+(\.\w+)*|tm_run_rows|stages(\.\d+)*")


@dataclass(frozen=True)
class VariantLayer:
    """A layer to measure: a case under one of its operator's variants, whole or one output row a call."""

    case: Case
    variant: Variant
    by_rows: bool = False


@dataclass(frozen=True)
class CodeSizes:
    """Bytes of a network's code, in whole words for each function and constant, as they are aligned.

    `functions`: what layers share, by name, kernels without the network's prefix. `layers`: each layer's own function
    and parameters, by the function; gcc does not say whose its parameters are: they are under "". `frame`: what a
    network has once, its invoke function for example, by name.
    """

    functions: Mapping[str, int]
    layers: Mapping[str, int]
    frame: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(sum(sizes.values()) for sizes in (self.functions, self.layers, self.frame))

    @classmethod
    def of(cls, image: NetworkImage) -> CodeSizes:
        functions, frame, layers = {}, {}, {}
        for name, size in image.sizes.items():
            words = -(-size // 4) * 4
            if name.startswith("m_w_") or _CALLER.fullmatch(name):
                continue
            if _FRAME.fullmatch(name):
                frame[name] = words
            elif name.startswith("m_k_"):
                functions[name.removeprefix("m_k_")] = words
            elif name.startswith(_SHARED):
                functions[name] = words
            else:
                owner = name.split(".")[0] if _LAYER.match(name) else ""
                layers[owner] = layers.get(owner, 0) + words
        return cls(functions, layers, frame)


@dataclass(frozen=True)
class VariantImage:
    """What an image of layers of one variant says.

    `cycles` are those of the layers in order, 0 for a layer that the compiler found to equal another one, whose
    function runs in its place. `code` is that of the image.
    """

    cycles: tuple[int, ...]
    code: CodeSizes


def measure_layers(layers: Sequence[VariantLayer], board: Board, compiler: str, folder: Path, optimise: str = "O2"
                   ) -> VariantImage:  # fmt: skip
    """Build the layers, all of one variant's name, and run them once on random bytes.

    Raises: ProjectError, MissingToolError as `build_image`; DeviceError when one fails on the board.
    """
    compiled = _compiled(layers, board)
    image = build_image(compiled, board, compiler, folder, optimise=optimise)
    symbols = [layer.symbol for layer in compiled.layers]
    machine = NetworkMachine(board, image.elf, symbols)
    machine.write("g_arena", np.random.default_rng(1).bytes(compiled.plan.arena_bytes))
    found = machine.call("run").layers
    return VariantImage(tuple(found.get(s, 0) for s in symbols), CodeSizes.of(image))


def _compiled(layers: Sequence[VariantLayer], board: Board) -> Compiled:
    """Every layer has the whole arena to itself: its inputs, its output, then its scratch."""
    builder = GraphBuilder("layers")
    for number, layer in enumerate(layers):
        names = [f"n{number:02d}_{index}" for index in range(len(layer.case.inputs))]
        for name, value, kind in zip(names, layer.case.inputs, layer.case.input_types, strict=True):
            builder.const(name, value) if isinstance(value, Const) else builder.input(name, kind)
        builder.add(f"n{number:02d}", layer.case.op, *names)
    graph = builder.build(*(node.outputs[0] for node in builder.nodes))
    variants = {node.name: layer.variant for node, layer in zip(graph.nodes, layers, strict=True)}
    rows = [node for node, layer in zip(graph.nodes, layers, strict=True) if layer.by_rows]
    chains = tuple(row_chain(graph, [node], variants) for node in rows)
    scratch = {node.name: (node.name, variants[node.name].scratch_bytes) for node in graph.nodes}
    scratch |= {chain.nodes[0]: (chain.name, chain.scratch_bytes) for chain in chains}
    placements = [p for node in graph.nodes for p in _places(graph, node, variants[node.name], scratch[node.name])]
    arena = -(-max(p.end for p in placements) // 256) * 256
    buffers = {p.name: p.name for p in placements if p.kind == "tensor"}
    buffers |= {n.outputs[0]: n.inputs[0] for n in graph.nodes if variants[n.name].in_place}
    gains = (ChainGain(arena, arena, 1, 1),) * len(chains)  # measured for their cycles, not chosen for a gain
    schedule = Schedule(variants, chains, Plan(arena, arena, tuple(placements)), buffers, gains)
    return compile_schedule(graph, board.isa, schedule)




def _places(graph: Graph, node: Node, variant: Variant, scratch: tuple[str, int]) -> list[Placement]:
    places, end = [], 0
    values = graph.activations(node) if variant.in_place else (*graph.activations(node), *node.outputs)
    for name, size, kind in (
        *((v, graph.types[v].size_bytes, "tensor") for v in values), (f"scratch {scratch[0]}", scratch[1], "scratch"),
    ):  # fmt: skip
        if kind == "tensor" or size:
            places.append(Placement(name, end, size, 0, 0, kind))
            end = -(-places[-1].end // _ALIGN) * _ALIGN
    return places
