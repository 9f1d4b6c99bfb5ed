"""Measure a network alone on the virtual board, and compare every output with the integer reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tinyml.bench.image import NetworkImage, build_image
from tinyml.bench.inputs import Inputs
from tinyml.bench.machine import Call, NetworkMachine
from tinyml.board import Board
from tinyml.compiler import ChainInfo, Compiled, LayerInfo, compile_graph
from tinyml.ir.graph import Graph
from tinyml.ir.interpret import interpret
from tinyml.sim import check_virtual

SCHEMA = 2


@dataclass(frozen=True)
class BenchLayer:
    """One layer. Measured: `cycles` of one inference and `code_bytes` (its function, and its kernel at the first layer
    that uses it). Planned: `ram_bytes` of the arena in use while it runs, its weights, offsets and scratch."""

    name: str
    op: str
    variant: str
    macs: int
    cycles: int
    estimated_cycles: int
    ram_bytes: int
    code_bytes: int
    weight_bytes: int
    in_offset: int
    out_offset: int
    scratch_bytes: int

    @property
    def cycles_per_mac(self) -> float | None:
        return self.cycles / self.macs if self.macs else None

    @property
    def flash_bytes(self) -> int:
        return self.code_bytes + self.weight_bytes


@dataclass(frozen=True)
class BenchResult:
    """A network on a board, without the rest of a firmware.

    Cycles are those of the slowest of `runs` inferences at zero wait states, `ms` includes the board's time factor;
    `exact` says whether every output byte equals the reference. RAM is arena, statics and the deepest stack; code is
    flash without packed weights, a caller of about 100 bytes included. `latency_limit_ms` is the project's, if any;
    `chains` are layers that run row by row.
    """

    model: str
    board: str
    compiler: str
    optimise: str
    runs: int
    exact: bool
    cycles: int
    ms: float
    macs: int
    ram_bytes: int
    arena_bytes: int
    stack_bytes: int
    code_bytes: int
    weight_bytes: int
    flash_bytes: int
    board_ram_bytes: int
    board_flash_bytes: int
    latency_limit_ms: float | None
    layers: tuple[BenchLayer, ...]
    chains: tuple[ChainInfo, ...]

    def summary(self) -> dict[str, object]:
        """The object that `--json` prints."""
        return {"schema": SCHEMA, **asdict(self), "chains": [chain.record() for chain in self.chains]}


def measure(
    graph: Graph, board: Board, out_dir: Path, *, compiler: str = "zig", optimise: str = "O2",
    inputs: Sequence[Inputs], latency_limit_ms: float | None = None,
) -> BenchResult:  # fmt: skip
    """Measure `graph` on the virtual `board` with `inputs` (one int8 array of the type's shape per graph input).

    Raises: GraphError, OverBudgetError when the network does not fit, DeviceError when it fails on the board,
    ProjectError with the compiler's messages, MissingToolError.
    """
    check_virtual(board)
    compiled = compile_graph(graph, board.isa, prefix="m")
    image = build_image(compiled, board, compiler, out_dir, optimise=optimise)
    machine = NetworkMachine(board, image.elf, [layer.symbol for layer in compiled.layers])
    calls, exact = [], True
    for item in inputs:
        call, output = _infer(machine, compiled, item)
        expected = b"".join(y.tobytes() for y in interpret(graph, *item))
        calls.append(call)
        exact = exact and output == expected
    worst = max(calls, key=lambda call: call.cycles)
    stack = max(call.stack_bytes for call in calls)
    return BenchResult(
        graph.name, board.name, compiler, optimise, len(inputs), exact, worst.cycles, board.milliseconds(worst.cycles),
        compiled.macs, compiled.plan.arena_bytes + image.static_bytes + stack, compiled.plan.arena_bytes, stack,
        image.code_bytes, image.weight_bytes, image.flash_bytes, board.ram_bytes, board.flash_bytes, latency_limit_ms,
        layers_of(compiled, image, worst), compiled.chains,
    )  # fmt: skip


def _infer(machine: NetworkMachine, compiled: Compiled, item: Inputs) -> tuple[Call, bytes]:
    machine.write("g_arena", b"\xa5" * compiled.plan.arena_bytes)
    machine.write("g_in", b"".join(np.ascontiguousarray(x, np.int8).tobytes() for x in item))
    machine.call("put")
    call = machine.call("run")
    machine.call("get")
    return call, machine.read("g_out", sum(kind.size_bytes for kind in compiled.output_types))


def layers_of(compiled: Compiled, image: NetworkImage, call: Call) -> tuple[BenchLayer, ...]:
    """The layers as `call` measured them."""
    found, seen = [], set()
    for info in compiled.layers:
        kernel = f"{compiled.prefix}_k_{info.variant}"
        code = image.sizes.get(info.symbol, 0) + (0 if kernel in seen else image.sizes.get(kernel, 0))
        seen.add(kernel)
        found.append(_layer(info, call.layers.get(info.symbol, 0), code))
    return tuple(found)


def _layer(info: LayerInfo, cycles: int, code_bytes: int) -> BenchLayer:
    return BenchLayer(
        info.name, info.op, info.variant, info.macs, cycles, info.cycles, info.ram_bytes, code_bytes,
        info.weight_bytes, info.in_offset, info.out_offset, info.scratch_bytes,
    )  # fmt: skip
