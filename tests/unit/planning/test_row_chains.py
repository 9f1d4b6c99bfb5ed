"""Chains of layers that run row by row: chosen where they lower the peak, and what they save and cost is told."""

from __future__ import annotations

import numpy as np
import pytest
from tests.golden.networks import NetworkBuilder, ds_cnn, frames_network, image_network, random_input

from tinyml.board import load_board
from tinyml.compiler import HostModel, compile_graph
from tinyml.compiler.schedule import reorder, schedule
from tinyml.ir.interpret import interpret
from tinyml.ir.op import GraphError
from tinyml.ops import Softmax

ISA = load_board("nrf52840").isa


def test_a_chain_says_what_it_saves_and_costs() -> None:
    graph = image_network()
    compiled = compile_graph(graph, ISA)
    (chain,) = compiled.chains
    gain, inside = chain.gain, compiled.layers[chain.first : chain.last + 1]
    assert chain.layers == tuple(layer.name for layer in inside)
    assert len({layer.step for layer in inside}) == 1 and all(layer.calls > 1 for layer in inside)
    assert gain.arena_bytes_before == schedule(reorder(graph, ISA), ISA, rows=False).plan.arena_bytes
    assert gain.arena_bytes_before > gain.arena_bytes == compiled.plan.arena_bytes
    assert gain.estimated_cycles_before < gain.estimated_cycles
    numbers = " ".join(f"{n:02d}" for n in range(chain.first, chain.last + 1))
    assert f"/* layers {numbers} row by row, " in compiled.files["m.c"] and f"): {gain} */" in compiled.files["m.c"]


def test_a_chain_computes_what_its_layers_compute() -> None:
    graph = image_network()
    x = random_input(graph, batch=5)
    np.testing.assert_array_equal(HostModel(compile_graph(graph, ISA)).invoke(x), interpret(graph, x)[0])


def test_no_chain_where_the_peak_would_stay() -> None:
    compiled = compile_graph(ds_cnn(2, channels=16), ISA)
    assert compiled.chains == () and "row by row" not in compiled.files["m.c"]


def test_a_build_that_keeps_every_tensor_has_no_chains() -> None:
    assert compile_graph(image_network(), ISA, taps=True).chains == ()


def test_pushed_rows_are_compared_with_the_whole_input_in_memory() -> None:
    graph = image_network()
    (chain,) = compile_graph(graph, ISA, stream=True).chains
    assert chain.first == 0
    whole = schedule(reorder(graph, ISA), ISA, rows=False).plan.arena_bytes
    assert chain.gain.arena_bytes_before == whole > 5 * chain.gain.arena_bytes


def test_windows_overlap_where_every_layer_allows_it() -> None:
    windows = compile_graph(frames_network(), ISA, stream=True).windows
    assert (windows.frames, windows.frame_bytes, windows.overlap, windows.why_apart) == (9, 6, True, None)
    assert windows.frames_between == 1


@pytest.mark.parametrize(
    ("padding", "stride", "why"),
    [
        pytest.param((1, 1, 0, 0), (1, 1), "it pads time by 1 rows before and 1 after", id="padding"),
        pytest.param((0, 0, 0, 0), (2, 1), "its stride in time is 2", id="stride"),
    ],
)
def test_windows_that_cannot_overlap_name_the_layer_and_why(padding: tuple, stride: tuple, why: str) -> None:
    net = NetworkBuilder("apart", 4)
    graph = net.classify(net.conv(net.input((1, 9, 4, 6)), 8, (3, 1), stride, padding), 3)
    windows = compile_graph(graph, ISA, stream=True).windows
    assert not windows.overlap and windows.frames_between == windows.frames == 9
    assert windows.why_apart == f"layer `conv_1`: {why}"


def test_a_network_that_is_not_streamed_has_no_windows() -> None:
    assert compile_graph(frames_network(), ISA).windows is None


def test_what_cannot_be_streamed_in_either_way_says_both_reasons() -> None:
    net = NetworkBuilder("vector", 4)
    graph = net.graph.build(net.graph.add("scores", Softmax(), net.input((1, 9))))
    with pytest.raises(GraphError, match="cannot be streamed") as found:
        compile_graph(graph, ISA, stream=True)
    overlapping, apart = found.value.details
    assert "needs one input [1, frames, width, channels]" in overlapping and "layer `scores` needs all of it" in apart
