"""Builds that keep every tensor (no overlap, no chains of rows), against the integer reference and against LiteRT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from tests.engine_targets import edge_and_random
from tests.litert_oracle import Oracle
from tinyml.bench.image import build_image
from tinyml.bench.machine import NetworkMachine
from tinyml.board import Board, Isa, load_board
from tinyml.compiler import Compiled, HostModel, compile_graph
from tinyml.compiler.compile import PASSES
from tinyml.ir.graph import Graph
from tinyml.ir.interpret import interpret

HOST_TARGETS = ("host_portable", "host_dsp")
BOARD_TARGETS = ("m4_zig", "m4_gcc")
_ROOM_BYTES = 1 << 20

Tensors = dict[str, np.ndarray]


def roomy_board() -> Board:
    """The board of the virtual Cortex-M4 with RAM for all tensors of a network beside each other."""
    board = load_board("nrf52840")
    ram = board.regions["arena"]
    return replace(board, memories=tuple(replace(m, length_bytes=_ROOM_BYTES) if m.name == ram else m
                                         for m in board.memories))  # fmt: skip


def taps(graph: Graph, target: str, inputs: Sequence[np.ndarray], folder: Path) -> Iterator[Tensors]:
    """Every tensor of `graph` as compiled code leaves it, for each of `inputs`. Raises: MissingToolError."""
    board = roomy_board()
    compiled = compile_graph(graph, Isa("host") if target == "host_portable" else board.isa, taps=True)
    if target in HOST_TARGETS:
        model = HostModel(compiled)
        for x in inputs:
            model.invoke(x)
            yield {value: model.tap(value) for value in compiled.taps}
        return
    machine = NetworkMachine(board, build_image(compiled, board, target.partition("_")[2], folder).elf, ())
    for x in inputs:
        machine.write("g_arena", b"\xa5" * compiled.plan.arena_bytes)
        machine.write("g_in", x.tobytes())
        machine.call("put")
        machine.call("run")
        yield _tensors(compiled, machine.read("g_arena", compiled.plan.arena_bytes))


def _tensors(compiled: Compiled, arena: bytes) -> Tensors:
    return {value: np.frombuffer(arena, kind.dtype, kind.elements, offset).reshape(kind.shape)
            for value, (offset, kind) in compiled.taps.items()}  # fmt: skip


class Wanted:
    """What a network's tensors must be. `inputs` are those it is tried on, `of` the answers for one of them."""

    def __init__(self, path: Path, count: int) -> None:
        self._oracle = Oracle(path)
        self.graph = self._oracle.imported.graph
        self._lean = self.graph
        for step in PASSES:
            self._lean = step(self._lean)
        self.inputs = edge_and_random(self.graph.types[self.graph.inputs[0]].shape, count)
        kinds = self._lean.types
        left = {v for v in self._oracle.imported.tensors.values() if v in kinds}
        self.litert_s = frozenset(v for v in left if kinds[v].shape == self.graph.types[v].shape)

        self.of = lru_cache(maxsize=16)(self._of)  # all inputs of the short tests, for every target

    def _of(self, index: int) -> tuple[Tensors, Tensors]:
        """Of the integer reference, every tensor that is left after the passes; of LiteRT, `litert_s`."""
        x = self.inputs[index]
        theirs = self._oracle.tensors(x)
        return interpret(self._lean, x, keep=True), {value: theirs[value] for value in self.litert_s}


@lru_cache(maxsize=1)
def wanted(path: Path, count: int) -> Wanted:
    """Kept for the next target of the same network."""
    return Wanted(path, count)


def check(path: Path, target: str, count: int, folder: Path, *, of: int | None = None) -> None:
    """Every tensor of a network on `count` inputs (the first of `of`) equals the reference's, and LiteRT's wherever the
    passes left it in place: tolerance 0."""
    answers = wanted(path, of or count)
    for index, found in enumerate(taps(answers.graph, target, answers.inputs[:count], folder)):
        reference, litert = answers.of(index)
        assert set(found) == set(reference) > set(answers.graph.inputs)
        assert len(litert) > 1
        for value, tensor in found.items():
            np.testing.assert_array_equal(tensor, reference[value], err_msg=f"{value}, input {index}", strict=True)
        for value, tensor in litert.items():
            np.testing.assert_array_equal(found[value], tensor, err_msg=f"{value}, input {index}", strict=True)
