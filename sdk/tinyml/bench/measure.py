"""Build a network into a bare image, run it on the virtual board, and compare every output with the reference."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tinyml import firmware
from tinyml.board import Board
from tinyml.compiler import LayerInfo, compile_graph, write
from tinyml.errors import DeviceError
from tinyml.features import LogMelSpec, write_c
from tinyml.ir.cwriter import CWriter
from tinyml.ir.graph import Graph
from tinyml.ir.interpret import interpret
from tinyml.resources import PACKAGE_DIR
from tinyml.sim import SimResult, simulate

SCHEMA = 1
STARTUP_SECONDS = 1.0
"""Virtual time for the board to come up, its slow crystal included; what is left over is slept through."""

_MAIN_DIR = PACKAGE_DIR / "bench" / "firmware"


@dataclass(frozen=True)
class BenchLayer:
    """One layer as measured: `cycles` per inference, everything else from the plan."""

    name: str
    op: str
    variant: str
    macs: int
    cycles: int
    estimated_cycles: int
    code_bytes: int
    weight_bytes: int
    in_offset: int
    out_offset: int
    scratch_bytes: int

    @property
    def cycles_per_mac(self) -> float | None:
        return self.cycles / self.macs if self.macs else None


@dataclass(frozen=True)
class BenchResult:
    """Cycles are at zero wait states, `ms` includes the board's time factor; `exact` compares `runs` outputs."""

    model: str
    board: str
    compiler: str
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
    layers: tuple[BenchLayer, ...]

    def summary(self) -> dict[str, object]:
        return {"schema": SCHEMA, **asdict(self)}


def measure(graph: Graph, board: Board, out_dir: Path, *, compiler: str = "zig", inputs: np.ndarray) -> BenchResult:
    """Measure `graph` on the virtual `board` with `inputs` int8[runs, *input shape without the batch].

    `ram_bytes` is arena, stack high-water mark and the variables of the bench image. Raises: DeviceError when the
    image fails, OverBudgetError when it does not fit.
    """
    compiled = compile_graph(graph, board.isa, prefix="m")
    app_dir = _application(out_dir / "app", inputs)
    config = firmware.AppConfig(labels=("output",), threshold=1.0, smooth_windows=1, refractory_ms=0,
                                hops_per_inference=1, window_frames=1, name="bench")  # fmt: skip
    image = firmware.build(board, compiler, app_dir, write_c(LogMelSpec(), out_dir / "features"),
                           write(compiled, out_dir / "model"), config, out_dir)  # fmt: skip
    seconds = STARTUP_SECONDS + 3 * len(inputs) * compiled.cycles / board.cpu_hz
    result = simulate(board, image.elf, seconds=seconds, layers=compiled.calls)
    expected = [interpret(graph, x[None])[0].tobytes().hex() for x in inputs]
    exact = _outputs(result) == expected
    layers = tuple(_layer(info, result) for info in compiled.layers)
    cycles = sum(layer.cycles for layer in layers)
    return BenchResult(
        graph.name, board.name, compiler, len(inputs), exact, cycles, board.milliseconds(cycles),
        compiled.macs, result.ram_static_bytes + result.stack_high_water_bytes, compiled.plan.arena_bytes,
        result.stack_high_water_bytes, image.flash_bytes - compiled.weight_bytes, compiled.weight_bytes,
        image.flash_bytes, layers,
    )  # fmt: skip


def _layer(info: LayerInfo, result: SimResult) -> BenchLayer:
    return BenchLayer(
        info.name, info.op, info.variant, info.macs, round(result.layers[info.symbol]), info.cycles, info.code_bytes,
        info.weight_bytes, info.in_offset, info.out_offset, info.scratch_bytes,
    )  # fmt: skip


def _application(folder: Path, inputs: np.ndarray) -> Path:
    """The bench's main.c beside the inputs as a constant array."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_MAIN_DIR / "main.c", folder / "main.c")
    w = CWriter()
    runs, size = len(inputs), inputs[0].size
    w.line("#include <stdint.h>")
    w.line(f"#define BENCH_RUNS {runs}u")
    w.line(f"#define BENCH_INPUT_BYTES {size}")
    w.array("bench_input_bytes", inputs.astype(np.int8))
    w.line("static const int8_t(*const bench_inputs)[BENCH_INPUT_BYTES] =")
    w.line("    (const int8_t(*)[BENCH_INPUT_BYTES])bench_input_bytes;")
    (folder / "bench_inputs.h").write_text(w.text())
    return folder


def _outputs(result: SimResult) -> list[str]:
    """The outputs that the console printed. Raises: DeviceError when the image did not finish."""
    lines = result.console.splitlines()
    if result.fault is not None or "done" not in lines:
        reason = result.fault.message if result.fault else "it did not finish in the time it was given"
        raise DeviceError(f"the bench image failed on the virtual board: {reason}")
    return [line.removeprefix("output ") for line in lines if line.startswith("output ")]
