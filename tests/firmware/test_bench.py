"""A network alone on the virtual board: exact with both compilers, and counted as an independent estimator counts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.golden.networks import NetworkBuilder, ds_cnn

from tinyml.bench import measure, sample_inputs
from tinyml.bench.image import build_image
from tinyml.bench.machine import NetworkMachine
from tinyml.bench.streaming import measure_push
from tinyml.board import load_board
from tinyml.compiler import compile_graph
from tinyml.errors import MissingToolError, OverBudgetError, ProjectError
from tinyml.ir.graph import Graph

BOARD = load_board("nrf52840")


def frame_by_frame() -> Graph:
    """Valid and of stride 1 in time, 12 frames of 16."""
    net = NetworkBuilder("frames", 4)
    x = net.depthwise(net.conv(net.input((1, 12, 1, 16)), 16, (3, 1)), (4, 1), padding=(0, 0, 0, 0))
    return net.classify(net.conv(x, 16), 3)


@pytest.mark.parametrize("compiler", ["zig", "gcc"])
@pytest.mark.parametrize("runs", [1, 4])
def test_a_tiny_network_is_measured_and_exact(tmp_path: Path, compiler: str, runs: int) -> None:
    graph = ds_cnn(7)
    try:
        result = measure(graph, BOARD, tmp_path, compiler=compiler, inputs=sample_inputs(graph, runs))
    except MissingToolError as error:
        pytest.skip(error.message)
    assert result.exact and result.runs == runs
    layers = sum(layer.cycles for layer in result.layers)
    assert 0 < layers < result.cycles < layers + 60 * len(result.layers) + 100
    assert result.flash_bytes == result.code_bytes + result.weight_bytes
    # A compiler may see that all values of a small array are equal, and need no array.
    packed = sum(layer.weight_bytes for layer in result.layers)
    assert 0.95 * packed < result.weight_bytes <= packed
    assert 0 < sum(layer.code_bytes for layer in result.layers) <= result.code_bytes
    gaps = result.ram_bytes - result.arena_bytes - result.stack_bytes
    assert 0 <= gaps < 32  # the generated C has no variables; what is left is alignment
    assert max(layer.ram_bytes for layer in result.layers) <= result.arena_bytes
    assert result.board_flash_bytes == 1024 * 1024


def test_a_wrong_network_is_not_called_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = ds_cnn(7)
    wrong = tuple(np.zeros(graph.types[v].shape, np.int8) for v in graph.outputs)
    monkeypatch.setattr("tinyml.bench.measurement.interpret", lambda graph, *inputs: wrong)
    assert not measure(graph, BOARD, tmp_path, inputs=sample_inputs(graph, 1)).exact


def test_a_network_that_does_not_fit_says_so(tmp_path: Path) -> None:
    graph = ds_cnn(7, shape=(600, 600), channels=16)
    with pytest.raises(OverBudgetError, match="does not fit `nrf52840`"):
        measure(graph, BOARD, tmp_path, inputs=[])


def test_a_board_that_is_not_virtual_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="there is no virtual board for `host`"):
        measure(ds_cnn(7), load_board("host"), tmp_path, inputs=[])
    assert not list(tmp_path.iterdir())


def test_a_pushed_frame_is_exact_and_cheaper_than_a_window(tmp_path: Path) -> None:
    graph = frame_by_frame()
    pushed = measure_push(graph, BOARD, tmp_path)
    window = measure(graph, BOARD, tmp_path / "window", inputs=sample_inputs(graph, 1))
    assert pushed.exact and pushed.runs == 5
    assert 0 < pushed.cycles < window.cycles and pushed.macs < window.macs


def test_a_push_whose_output_is_wrong_is_not_called_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyml.bench.streaming.interpret", lambda graph, x: (np.zeros((1, 3), np.int8),))
    assert not measure_push(frame_by_frame(), BOARD, tmp_path).exact


@pytest.mark.shared
@pytest.mark.parametrize("compiler", ["zig", "gcc"])
def test_cycles_stack_and_sizes_agree_with_the_independent_estimator(
    shared_dir: Path, tmp_path: Path, compiler: str
) -> None:
    if shutil.which("cc") is None or (compiler == "gcc" and shutil.which("arm-none-eabi-gcc") is None):
        pytest.skip("needs a host C compiler named cc, and arm-none-eabi-gcc for gcc")
    graph = ds_cnn(3, channels=32)
    (x,) = sample_inputs(graph, 1)[0]
    compiled = compile_graph(graph, BOARD.isa)
    image = build_image(compiled, BOARD, compiler, tmp_path)
    machine = NetworkMachine(BOARD, image.elf, ())
    machine.write("g_arena", b"\xa5" * compiled.plan.arena_bytes)
    machine.write("g_in", x.tobytes())
    machine.call("put")
    ours = machine.call("run")
    found, data = tmp_path / "judge.json", tmp_path / "x.bin"
    data.write_bytes(x.tobytes())
    subprocess.run(
        [sys.executable, str(shared_dir / "tools" / "cyc.py"), str(image.elf), "--in", f"g_in={data}", "--init", "put",
         "--weights", "^m_w_", "--arena", "^g_(arena|in|out)$", "--json", str(found)],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    judge = json.loads(found.read_text())
    assert ours.cycles == pytest.approx(judge["cycles"], rel=0.001)
    assert ours.stack_bytes == judge["stack"]
    sizes = judge["sizes"]
    assert (image.flash_bytes, image.weight_bytes) == (sizes["flash"], sizes["weights"])
    assert image.code_bytes == sizes["flash_without_weights"]
    assert image.static_bytes == sizes["ram_static_without_arena"]
