"""Estimates against the virtual board: cycles of every layer, kernel speed, sizes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import bare_board
import pytest
from networks import NetworkBuilder, ds_cnn

from tinyml.compiler import Compiled, compile_graph, network_cost
from tinyml.firmware.elf import read_symbols
from tinyml.ir.graph import Graph
from tinyml.ops.cost_table import cost_table


def strided() -> Graph:
    """A keyword spotter whose depthwise layers have all the strides that ours use."""
    net = NetworkBuilder("strided", 0)
    x = net.conv(net.input((1, 49, 40, 1)), 16, (5, 5), (2, 2), (2, 2, 2, 2))
    for channels, stride in ((32, (1, 2)), (64, (2, 1)), (64, (2, 2)), (64, (1, 1))):
        x = net.conv(net.depthwise(x, stride=stride), channels)
    return net.classify(x, 12)


NETWORKS = {
    "strided": strided(),
    "hello_edge": ds_cnn(2, shape=(49, 10), channels=64, blocks=2, classes=12, kernel=(10, 4)),
}


@pytest.fixture(scope="module", params=NETWORKS)
def measured(request: pytest.FixtureRequest, tmp_path_factory) -> tuple[Graph, Compiled, dict[str, int], Path]:
    graph = NETWORKS[request.param]
    compiled = compile_graph(graph, bare_board.cortex_m4().isa, passes=())
    elf = bare_board.build(compiled, "zig", tmp_path_factory.mktemp("cost"))
    return graph, compiled, bare_board.layer_cycles(compiled, elf), elf


def test_cycles_are_estimated_within_15_percent(measured) -> None:
    """Layers of less than a hundredth are off by more where compilers specialise a kernel for its only layer."""
    _, compiled, cycles, _ = measured
    assert set(cycles) == {layer.symbol for layer in compiled.layers}
    total = sum(cycles.values())
    for layer in compiled.layers:
        assert layer.cycles == pytest.approx(cycles[layer.symbol], rel=0.15, abs=0.01 * total), layer.symbol
    assert compiled.cycles == pytest.approx(total, rel=0.05)


def test_kernels_are_fast(measured) -> None:
    """Cycles per multiply-accumulate, everything included."""
    _, compiled, cycles, _ = measured
    for layer in compiled.layers:
        if layer.macs < 10_000:
            continue
        limit = 6.0 if layer.op == "depthwise_conv2d" else 2.5
        assert cycles[layer.symbol] / layer.macs < limit, layer


def test_flash_is_estimated_within_2_percent(measured) -> None:
    graph, compiled, _, elf = measured
    symbols = re.compile(r"m_layer_\w+|m_k_\w+|tm_\w+|m_invoke|m_input|m_output")
    own = [s for s in read_symbols(elf, bare_board.cortex_m4()) if symbols.match(s.name)]
    code = sum(-(-s.size_bytes // 4) * 4 for s in own)
    cost = network_cost(graph, compiled.isa)
    assert cost.code_bytes == pytest.approx(code, rel=0.08)
    assert cost.flash_bytes == pytest.approx(code + compiled.weight_bytes, rel=0.02)


def test_network_cost_needs_no_weights(measured) -> None:
    graph, compiled, _, _ = measured
    weightless = replace(graph, consts={n: replace(c, data=None) for n, c in graph.consts.items()})
    cost = network_cost(weightless, compiled.isa)
    assert (cost.macs, cost.cycles, cost.arena_bytes) == (compiled.macs, compiled.cycles, compiled.plan.arena_bytes)
    assert cost.weight_bytes == compiled.weight_bytes
    beside = cost_table().frame.bytes_of(len(compiled.layers), [])
    assert cost.code_bytes == round(sum(layer.code_bytes for layer in compiled.layers) + beside)
