"""Networks of search spaces, what the search expects them to cost, and what they cost on the virtual board."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinyml.architecture import Architecture, Geometry, weightless
from tinyml.bench import sample_inputs
from tinyml.bench.image import build_image
from tinyml.bench.machine import NetworkMachine
from tinyml.board import load_board
from tinyml.compiler import NetworkCost, compile_graph, network_cost
from tinyml.ir.graph import Graph
from tinyml.ir.interpret import interpret
from tinyml.nas.space import INVERTED_RESIDUAL, SEPARABLE, SearchSpace, StageSpec, StemSpec, architecture, sample

BOARD = load_board("nrf52840")
CALLER = ("put", "run", "get", "stop")
SOUNDS = SearchSpace(
    "sounds", SEPARABLE, (Geometry(49, 40, 1, 20.0), Geometry(39, 24, 1, 25.0)), (0.4, 0.7, 1.0),
    StemSpec(16, ((3, 3), (5, 5), (7, 5)), (2, 2)),
    (StageSpec(32, (1, 2), (1, 2), ((3, 3), (5, 3), (5, 5)), (0.5, 0.75, 1.0), residual=False),
     StageSpec(64, (2, 1), (1, 2, 3), ((3, 3), (5, 3), (5, 5)), (0.5, 0.75, 1.0), residual=True),
     StageSpec(96, (1, 2), (1, 2), ((3, 3), (7, 3)), (0.5, 0.75, 1.0), residual=True),
     StageSpec(96, (2, 1), (1, 2), ((3, 3), (7, 3)), (0.5, 0.75, 1.0), residual=True)),
)  # fmt: skip
FRAMES = SearchSpace(
    "frames", SEPARABLE, (Geometry(49, 40, 1, 20.0), Geometry(39, 32, 1, 25.0)), (0.5, 1.0, 1.5),
    StemSpec(32, ((3, 3), (5, 3)), (2, 1), collapse=True),
    (StageSpec(32, (1, 1), (1, 2), ((3, 1), (5, 1), (9, 1)), (0.75, 1.0, 1.5), residual=True),
     StageSpec(48, (2, 1), (1, 2, 3), ((5, 1), (9, 1)), (0.75, 1.0, 1.5), residual=True),
     StageSpec(64, (2, 1), (1, 2), ((9, 1), (15, 1)), (0.75, 1.0), residual=True)),
)  # fmt: skip
IMAGES = SearchSpace(
    "images", INVERTED_RESIDUAL, (Geometry(48, 48, 3), Geometry(64, 64, 3)), (0.3, 0.5),
    StemSpec(32, ((3, 3),), (2, 2)),
    (StageSpec(16, (1, 1), (1,), ((3, 3), (5, 5), (7, 7)), (1.0,), residual=True),
     StageSpec(24, (2, 2), (1, 2, 3), ((3, 3), (5, 5), (7, 7)), (3.0, 4.0, 6.0), residual=True),
     StageSpec(40, (2, 2), (1, 2, 3), ((3, 3), (5, 5), (7, 7)), (3.0, 4.0, 6.0), residual=True),
     StageSpec(80, (2, 2), (1, 2), ((3, 3), (5, 5), (7, 7)), (3.0, 4.0, 6.0), residual=True),
     StageSpec(96, (2, 2), (1, 2), ((3, 3), (5, 5), (7, 7)), (3.0, 4.0), residual=True)),
    160,
)  # fmt: skip
SPACES = {space.name: space for space in (SOUNDS, FRAMES, IMAGES)}


def drawn(name: str, seed: int) -> Architecture:
    """A network of a space, from a seed."""
    return architecture(SPACES[name], sample(SPACES[name], np.random.default_rng(seed)), 10)


def expected_cost(arch: Architecture) -> NetworkCost:
    return network_cost(weightless.graph(arch), BOARD.isa, rows=True)


@dataclass(frozen=True)
class Measured:
    """What a network is on the virtual board, its caller's bytes not counted; `chains` run row by row."""

    arena_bytes: int
    flash_bytes: int
    cycles: int
    chains: int
    exact: bool


def measured(graph: Graph, folder: Path) -> Measured:
    """`graph` built with zig alone and run once."""
    compiled = compile_graph(graph, BOARD.isa)
    image = build_image(compiled, BOARD, "zig", folder)
    machine = NetworkMachine(BOARD, image.elf, [layer.symbol for layer in compiled.layers])
    item = sample_inputs(graph, 2)[1]
    machine.write("g_arena", b"\xa5" * compiled.plan.arena_bytes)
    machine.write("g_in", b"".join(x.tobytes() for x in item))
    machine.call("put")
    call = machine.call("run")
    machine.call("get")
    (expected,) = interpret(graph, *item)
    exact = machine.read("g_out", expected.nbytes) == expected.tobytes()
    flash = image.flash_bytes - sum(image.sizes[name] for name in CALLER)
    return Measured(compiled.plan.arena_bytes, flash, call.cycles, len(compiled.chains), exact)


def check(expected: NetworkCost, found: Measured) -> None:
    """The arena to the byte, flash within 2 %, cycles within 5 %."""
    assert found.exact
    assert expected.arena_bytes == found.arena_bytes
    assert abs(expected.flash_bytes / found.flash_bytes - 1) <= 0.02, (expected, found)
    assert abs(expected.cycles / found.cycles - 1) <= 0.05, (expected, found)


def table(rows: Iterable[tuple[str, NetworkCost, Measured]]) -> str:
    """A line per network: expected arena, what it is off by, chains; then flash and cycles with deviations."""
    heads = ("MACs", 12), ("arena", 9), ("off", 5), ("chains", 7), ("flash", 9), ("off", 9), ("cycles", 12), ("off", 9)
    lines = [f"{'network':<22}" + "".join(f"{head:>{width}}" for head, width in heads)]
    for name, cost, found in rows:
        flash, cycles = (100 * (a / b - 1) for a, b in ((cost.flash_bytes, found.flash_bytes),
                                                        (cost.cycles, found.cycles)))  # fmt: skip
        off = cost.arena_bytes - found.arena_bytes
        lines.append(f"{name:<22}{cost.macs:>12,}{cost.arena_bytes:>9,}{off:>5}{found.chains:>7}"
                     f"{found.flash_bytes:>9,}{flash:>+8.2f}%{found.cycles:>12,}{cycles:>+8.2f}%")  # fmt: skip
    return "\n".join(lines)
