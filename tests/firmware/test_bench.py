"""A network alone on the virtual board, however small, with both compilers."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.golden.networks import ds_cnn

from tinyml.bench import measure
from tinyml.board import load_board
from tinyml.errors import MissingToolError
from tinyml.toolchain import select


@pytest.mark.parametrize("compiler", ["zig", "gcc"])
@pytest.mark.parametrize("runs", [1, 4])
def test_a_tiny_network_is_measured_and_exact(tmp_path: Path, compiler: str, runs: int) -> None:
    board = load_board("nrf52840")
    if compiler == "gcc" and shutil.which("arm-none-eabi-gcc") is None:
        with pytest.raises(MissingToolError):
            select("gcc", board.isa)
        pytest.skip("arm-none-eabi-gcc is not installed")
    graph = ds_cnn(7)
    shape = graph.types[graph.inputs[0]].shape[1:]
    inputs = np.random.default_rng(1).integers(-128, 128, (runs, *shape)).astype(np.int8)
    result = measure(graph, board, tmp_path, compiler=compiler, inputs=inputs)
    assert result.exact and result.runs == runs
    assert result.cycles == sum(layer.cycles for layer in result.layers) > 0
    assert result.flash_bytes == result.code_bytes + result.weight_bytes
    assert result.ram_bytes >= result.arena_bytes + result.stack_bytes
