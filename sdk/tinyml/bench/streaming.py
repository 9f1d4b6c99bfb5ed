"""Measure one pushed frame of a network that runs frame by frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tinyml.bench.image import build_image
from tinyml.bench.machine import NetworkMachine
from tinyml.bench.measurement import BenchResult, layers_of
from tinyml.board import Board
from tinyml.compiler import compile_graph
from tinyml.ir.graph import Graph
from tinyml.ir.interpret import interpret
from tinyml.sim import check_virtual

EXTRA = 4
"""Frames that are pushed after the first full window; the last of them is the one that is measured."""


def measure_push(
    graph: Graph, board: Board, out_dir: Path, *, compiler: str = "zig", optimise: str = "O2", seed: int = 21
) -> BenchResult:
    """Push random frames; `cycles` and `layers` are those of the last push, `runs` counts the compared outputs.

    `exact` also says that a push tells truly whether its output is valid. Raises: as `measurement.measure`, GraphError
    when the network cannot run frame by frame.
    """
    check_virtual(board)
    compiled = compile_graph(graph, board.isa, prefix="m", stream=True)
    image = build_image(compiled, board, compiler, out_dir, optimise=optimise, stream=True)
    machine = NetworkMachine(board, image.elf, [layer.symbol for layer in compiled.layers])
    window, output = graph.types[graph.inputs[0]], graph.types[graph.outputs[0]]
    length = window.shape[1]
    frames = np.random.default_rng(seed).integers(-128, 128, (length + EXTRA, *window.shape[2:])).astype(np.int8)
    machine.write("g_arena", b"\xa5" * compiled.plan.arena_bytes)
    machine.call("put")
    exact, stack = True, 0
    for pushed, frame in enumerate(frames, start=1):
        machine.write("g_in", frame.tobytes())
        call = machine.call("run")
        stack = max(stack, call.stack_bytes)
        ready = machine.read("g_ready", 4) != bytes(4)
        exact = exact and ready == (pushed >= length)
        if pushed >= length:
            machine.call("get")
            (expected,) = interpret(graph, frames[pushed - length : pushed].reshape(window.shape))
            exact = exact and machine.read("g_out", output.size_bytes) == expected.tobytes()
    return BenchResult(
        graph.name, board.name, compiler, optimise, EXTRA + 1, exact, call.cycles, board.milliseconds(call.cycles),
        compiled.macs, compiled.plan.arena_bytes + image.static_bytes + stack, compiled.plan.arena_bytes, stack,
        image.code_bytes, image.weight_bytes, image.flash_bytes, board.ram_bytes, board.flash_bytes, None,
        layers_of(compiled, image, call), compiled.chains,
    )  # fmt: skip
