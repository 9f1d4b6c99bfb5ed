"""A budget that a build is given decides between fast kernels and small ones, and the results stay the same."""

from __future__ import annotations

import numpy as np
from networks import NetworkBuilder

from tinyml.board import load_isa
from tinyml.compiler import Budget, HostModel, compile_graph
from tinyml.ir.graph import Graph
from tinyml.ir.interpret import interpret
from tinyml.ir.tensor import QuantParams
from tinyml.ops import FullyConnected

ISA = load_isa("cortex-m4")


def dense(layers: int = 3, size: int = 128) -> Graph:
    net = NetworkBuilder("dense", 5)
    x = net.input((1, size))
    for index in range(layers):
        weights, bias, out = net._weights((size, size), 0, x, 1.0)
        x = net.graph.add(f"dense_{index}", FullyConnected(QuantParams((out.scale,), 0)), x, weights, bias)
    return net.graph.build(x)


def test_a_tight_flash_budget_takes_smaller_kernels() -> None:
    graph, x = dense(), np.random.default_rng(0).integers(-128, 128, (4, 128)).astype(np.int8)
    free, tight = compile_graph(graph, ISA), compile_graph(graph, ISA, budget=Budget(flash_bytes=1))
    assert tight.cycles > free.cycles
    assert sum(layer.code_bytes for layer in tight.layers) < sum(layer.code_bytes for layer in free.layers)
    for compiled in (free, tight):
        np.testing.assert_array_equal(HostModel(compiled).invoke(x), interpret(graph, x)[0])


def test_a_budget_that_is_met_changes_nothing() -> None:
    graph = dense()
    assert compile_graph(graph, ISA, budget=Budget(10**9, 10**9)).files == compile_graph(graph, ISA).files
