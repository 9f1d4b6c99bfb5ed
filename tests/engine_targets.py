"""The optimised build of a network (passes, overlapping memory) on the host, a virtual Cortex-M4 and a Cortex-M7."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "golden"))

import bare_cores  # noqa: E402
from core_machine import CoreMachine  # noqa: E402

from tinyml.bench.image import build_image  # noqa: E402
from tinyml.bench.inputs import Inputs  # noqa: E402
from tinyml.bench.machine import NetworkMachine  # noqa: E402
from tinyml.board import load_board  # noqa: E402
from tinyml.compiler import Compiled, HostModel, compile_graph  # noqa: E402
from tinyml.importers import load_model  # noqa: E402
from tinyml.ir.graph import Graph  # noqa: E402
from tinyml.ir.interpret import interpret  # noqa: E402

NETWORKS = ("mlperf_kws", "mlperf_vww", "mlperf_ic", "mlperf_ad", "mlperf_sww", "mcunet_vww")
TARGETS = ("host", "m4_zig", "m4_gcc", "m7_zig", "m7_gcc")
_BOARD = load_board("nrf52840")


def outputs(graph: Graph, target: str, inputs: Sequence[Inputs], folder: Path) -> list[np.ndarray]:
    """The output of a network with one input and one output, for each of `inputs`. Raises: MissingToolError."""
    core, _, compiler = target.partition("_")
    compiled = compile_graph(graph, _BOARD.isa)
    shape = compiled.output_type.shape
    if core == "host":
        model = HostModel(compiled)
        return [model.invoke(x) for (x,) in inputs]
    data = [x.tobytes() for (x,) in inputs]
    if core == "m4":
        found = _virtual_board(compiled, compiler, data, folder)
    else:
        source, target = compiled.taps[graph.inputs[0]][0], compiled.taps[graph.outputs[0]][0]
        found = _bare_core(compiled, compiler, data, folder, source, target)
    return [np.frombuffer(data, np.int8).reshape(shape) for data in found]


def _virtual_board(compiled: Compiled, compiler: str, inputs: Sequence[bytes], folder: Path) -> list[bytes]:
    machine = NetworkMachine(_BOARD, build_image(compiled, _BOARD, compiler, folder).elf, ())
    found = []
    for data in inputs:
        machine.write("g_arena", b"\xa5" * compiled.plan.arena_bytes)
        machine.write("g_in", data)
        for function in ("put", "run", "get"):
            machine.call(function)
        found.append(machine.read("g_out", compiled.output_type.size_bytes))
    return found


def _bare_core(
    compiled: Compiled, compiler: str, inputs: Sequence[bytes], folder: Path, source: int, target: int
) -> list[bytes]:  # fmt: skip
    """`source` and `target` are the offsets of input and output in the arena."""
    machine = CoreMachine("cortex-m7", bare_cores.build(compiled, f"m7_{compiler}", folder))
    arena, found = machine.symbols["g_arena"], []
    for data in inputs:
        machine.poke(arena, b"\xa5" * compiled.plan.arena_bytes)
        machine.poke(arena + source, data)
        machine.call("run")
        found.append(machine.peek(arena + target, compiled.output_type.size_bytes))
    return found


def check(name: str, target: str, count: int, models: Path, folder: Path) -> None:
    """`count` outputs of a network of `models` on `target` are those of the integer reference, byte for byte."""
    graph = load_model(models / f"{name}.tflite")
    inputs = [(x,) for x in edge_and_random(graph.types[graph.inputs[0]].shape, count)]
    found = outputs(graph, target, inputs, folder)
    for item, output in zip(inputs, found, strict=True):
        np.testing.assert_array_equal(output, interpret(graph, *item)[0])


def edge_and_random(shape: tuple[int, ...], count: int) -> list[np.ndarray]:
    """int8: both ends, zero, a checkerboard of the ends, then uniform and gaussian noise by turns."""
    random = np.random.default_rng(31)
    board = np.where(np.indices(shape).sum(axis=0) % 2, 127, -128)
    drawn = [np.full(shape, -128), np.full(shape, 127), np.zeros(shape), board]
    while len(drawn) < count:
        noise = random.normal(random.integers(-60, 60), 30, shape).clip(-128, 127)
        drawn.append(random.integers(-128, 128, shape) if len(drawn) % 2 else noise)
    return [data.astype(np.int8) for data in drawn[:count]]
