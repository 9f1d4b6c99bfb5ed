"""The engine's figures on networks that other engines were measured with: one row for each."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from tinyml.bench.inputs import sample_inputs
from tinyml.bench.litert import LiteRt
from tinyml.bench.measurement import BenchResult, measure
from tinyml.bench.streaming import measure_push
from tinyml.board import Board
from tinyml.errors import MissingToolError, Progress, ProjectError, no_progress
from tinyml.importers import load_model
from tinyml.ir.graph import Graph
from tinyml.ir.interpret import interpret

METRICS = ("cycles", "ram", "code", "flash")
PUSH = "_push"
ORACLE_INPUTS = 20
_LEVELS = ("O2", "Os")
_UNITS = {"cycles": 1e6, "ram": 1e3, "code": 1e3, "flash": 1e3}


@dataclass(frozen=True)
class Row:
    """One network: `build` is the build by gcc that meets most targets, then the fastest; the sizes are in bytes.

    `exact`: the board's bytes equal the reference's with both compilers; `oracle_inputs`: on how many inputs the
    reference was compared with LiteRT (0: LiteRT is not installed), all equal where `exact`.
    """

    network: str
    build: str
    exact: bool
    oracle_inputs: int
    cycles: int
    ram: int
    code: int
    flash: int
    zig_cycles: int

    def value(self, metric: str) -> float:
        """A figure in millions of cycles or kB of 1000 bytes."""
        return getattr(self, metric) / _UNITS[metric]


@cache
def peers() -> dict[str, dict]:
    """What other engines need and what is to be reached, by network; see peers.toml."""
    with Path(__file__).with_name("peers.toml").open("rb") as file:
        return {name: table for name, table in tomllib.load(file).items() if isinstance(table, dict)}


def measure_networks(folder: Path, board: Board, scratch: Path, progress: Progress = no_progress) -> Iterator[Row]:
    """The rows of all networks of peers.toml whose file lies in `folder`.

    Raises: as `measure`; MissingToolError when one of the compilers is not installed.
    """
    known = [name for name in peers() if model_file(folder, name).is_file()]
    for done, name in enumerate(known):
        progress("measuring", done, len(known))
        path = model_file(folder, name)
        yield _row(name, load_model(path), board, scratch / name, oracle_inputs(path))
    progress("measuring", len(known), len(known))


def model_file(folder: Path, name: str) -> Path:
    """The TFLite file of a row."""
    return folder / f"{name.removesuffix(PUSH)}.tflite"


def oracle_inputs(path: Path) -> int:
    """Compare the integer reference with LiteRT, and say on how many inputs: 0 when LiteRT is not installed.

    Raises: ProjectError for a byte that differs.
    """
    try:
        oracle = LiteRt(path)
    except MissingToolError:
        return 0
    for item in sample_inputs(oracle.graph, ORACLE_INPUTS):
        for ours, theirs in zip(interpret(oracle.graph, *item), oracle.run(item), strict=True):
            if ours.tobytes() != theirs.tobytes():
                raise ProjectError(f"{path.name}: the integer reference differs from LiteRT's reference kernels")
    return ORACLE_INPUTS


def build_and_measure(
    name: str, graph: Graph, board: Board, folder: Path, compiler: str, level: str
) -> BenchResult:  # fmt: skip
    """One build of a row: one pushed frame, or one inference, the slowest of three inputs."""
    if name.endswith(PUSH):
        return measure_push(graph, board, folder, compiler=compiler, optimise=level)
    return measure(graph, board, folder, compiler=compiler, optimise=level, inputs=sample_inputs(graph, 3))


def _row(name: str, graph: Graph, board: Board, folder: Path, compared: int) -> Row:
    builds = [build_and_measure(name, graph, board, folder, "gcc", level) for level in _LEVELS]
    found = [measured_row(name, build, compared) for build in builds]
    zig = build_and_measure(name, graph, board, folder, "zig", "O2")
    best = min(found, key=lambda row: (len(missed(row, "must")), row.cycles))
    return replace(best, exact=zig.exact and all(r.exact for r in found), zig_cycles=zig.cycles)


def measured_row(name: str, result: BenchResult, compared: int = 0) -> Row:
    """The figures of one build; `compared` inputs went through LiteRT."""
    return Row(name, f"{result.compiler} -{result.optimise}", result.exact, compared, result.cycles,
               result.ram_bytes, result.code_bytes, result.flash_bytes, 0)  # fmt: skip


def missed(row: Row, kind: str) -> list[str]:
    """The metrics whose target of `kind` ("must", "goal") is not reached."""
    targets = peers()[row.network]
    return [m for m in METRICS if kind in targets[m] and row.value(m) > targets[m][kind]]
