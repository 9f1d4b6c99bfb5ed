"""The golden cases, compiled once for each target."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import bare_board  # noqa: E402
import bare_cores  # noqa: E402
from case_graph import CaseGraph, all_cases  # noqa: E402

from tinyml.board import Isa  # noqa: E402
from tinyml.compiler import Compiled, HostModel, compile_graph  # noqa: E402
from tinyml.errors import MissingToolError  # noqa: E402

HOST_TARGETS = ("portable", "simd")
BOARD_TARGETS = ("zig", "gcc")
CORE_TARGETS = tuple(bare_cores.TARGETS)


@pytest.fixture(scope="session")
def cases() -> CaseGraph:
    return CaseGraph.of(all_cases())


@pytest.fixture(scope="session")
def expected(cases: CaseGraph) -> dict[str, np.ndarray]:
    return cases.reference()


class Answers:
    """Results of all cases by target (of the host, of the virtual board, of a bare core), computed when first asked."""

    def __init__(self, cases: CaseGraph, folder: Path) -> None:
        self._cases, self._folder = cases, folder
        self._known: dict[str, dict[str, np.ndarray]] = {}
        self._programs: dict[str, tuple[Compiled, Path]] = {}

    def __getitem__(self, target: str) -> dict[str, np.ndarray]:
        if target not in self._known:
            run = self._host if target in HOST_TARGETS else self._core if target in CORE_TARGETS else self._board
            self._known[target] = run(target)
        return self._known[target]

    def _host(self, target: str) -> dict[str, np.ndarray]:
        isa = bare_board.cortex_m4().isa if target == "simd" else Isa("host")
        model = HostModel(compile_graph(self._cases.graph, isa, canary=True, passes=()))
        return dict(zip(self._cases.graph.outputs, model.invoke(*self._cases.data), strict=True))

    def _board(self, target: str) -> dict[str, np.ndarray]:
        compiled, elf = self.program(target)
        return bare_board.run(compiled, elf, self._cases.graph, self._cases.data)

    def _core(self, target: str) -> dict[str, np.ndarray]:
        try:
            compiled = compile_graph(self._cases.graph, bare_cores.isa_of(target), canary=True, passes=())
            elf = bare_cores.build(compiled, target, self._folder / target)
        except MissingToolError as error:
            pytest.skip(error.message)
        return bare_cores.run(compiled, elf, target, self._cases.graph, self._cases.data)

    def program(self, target: str) -> tuple[Compiled, Path]:
        """The ELF of all cases for the board, built with `target`."""
        if target == "gcc" and shutil.which("arm-none-eabi-gcc") is None:
            pytest.skip("arm-none-eabi-gcc is not on PATH")
        if target not in self._programs:
            compiled = compile_graph(self._cases.graph, bare_board.cortex_m4().isa, canary=True, passes=())
            self._programs[target] = compiled, bare_board.build(compiled, target, self._folder / target)
        return self._programs[target]


@pytest.fixture(scope="session")
def answers(cases: CaseGraph, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    return Answers(cases, tmp_path_factory.mktemp("golden"))
