"""Dilated layers over one row of pixels stand upright, and no output changes."""

from __future__ import annotations

import numpy as np
import pytest

from tinyml.board import load_board
from tinyml.compiler import compile_graph
from tinyml.compiler.passes import dead_nodes, dilated_lines, identities
from tinyml.ir.graph import Graph, GraphBuilder
from tinyml.ir.interpret import interpret
from tinyml.ir.tensor import Const, QuantParams, TensorType
from tinyml.ir.verify import verify
from tinyml.ops import Conv2d, DepthwiseConv2d

Layer = tuple[type, int, int, tuple[int, int]]


def line(length: int, layers: list[Layer], *, height: int = 1, stride: int = 1) -> Graph:
    """Layers of (operator, kernel, dilation, padding) on `height` rows of 8 channels."""
    random, builder = np.random.default_rng(3), GraphBuilder("line")
    x = builder.input("x", TensorType((1, height, length, 8), "int8", QuantParams((0.1,), 5)))
    for index, (kind, kernel, dilation, padding) in enumerate(layers):
        depthwise = kind is DepthwiseConv2d
        scales = QuantParams(tuple(random.uniform(0.002, 0.01, 8)), 0, 3 if depthwise else 0)
        data = random.integers(-127, 128, (1 if depthwise else 8, 1, kernel, 8)).astype(np.int8)
        weights = builder.const(f"w{index}", Const.of(data, scales))
        bias = builder.const(f"b{index}", Const.of(random.integers(-2000, 2000, 8).astype(np.int32)))
        op = kind((1, stride), (0, 0, *padding), QuantParams((0.3,), -20), dilation=(1, dilation), rounding="double")
        x = builder.add(f"layer_{index}", op, x, weights, bias)
    return builder.build(x)


def upright(graph: Graph) -> Graph:
    after = dilated_lines(graph)
    verify(after)
    x = np.random.default_rng(1).integers(-128, 128, (6, *graph.types["x"].shape[1:])).astype(np.int8)
    np.testing.assert_array_equal(interpret(graph, x)[0], interpret(after, x)[0])
    return after


def ops(graph: Graph) -> list[str]:
    return [node.op.ir_name for node in graph.nodes]


@pytest.mark.parametrize("padding", [(0, 0), (8, 0), (3, 2)])
@pytest.mark.parametrize("stride", [1, 2])
def test_convolutions_become_columns(padding: tuple[int, int], stride: int) -> None:
    after = upright(line(31, [(Conv2d, 3, 4, padding)], stride=stride))
    assert ops(after) == ["reshape", "conv2d", "reshape"]
    assert after.nodes[1].op.dilation == (4, 1)


@pytest.mark.parametrize("padding", [(0, 0), (8, 0), (4, 4)])
def test_depthwise_layers_lose_their_dilation(padding: tuple[int, int]) -> None:
    after = upright(line(32, [(DepthwiseConv2d, 3, 4, padding)]))
    assert ops(after) == ["reshape", "depthwise_conv2d", "reshape"]
    assert after.nodes[1].op.dilation == (1, 1)


@pytest.mark.parametrize(
    "graph",
    [
        line(31, [(DepthwiseConv2d, 3, 4, (0, 0))]), line(32, [(DepthwiseConv2d, 3, 4, (3, 5))]),
        line(32, [(DepthwiseConv2d, 3, 4, (4, 4))], stride=2), line(32, [(Conv2d, 3, 1, (1, 1))]),
        line(32, [(Conv2d, 3, 2, (2, 2))], height=3),
    ],
    ids=["uneven", "uneven_padding", "stride", "not_dilated", "two_dimensions"],
)  # fmt: skip
def test_what_cannot_or_need_not_stays(graph: Graph) -> None:
    assert dilated_lines(graph) is graph


def test_neighbours_share_their_reshapes_and_have_fast_kernels() -> None:
    graph = line(32, [(Conv2d, 3, 2, (4, 0)), (Conv2d, 3, 4, (8, 0)), (DepthwiseConv2d, 3, 8, (16, 0))])
    assert ops(dead_nodes(identities(upright(graph)))).count("reshape") == 3
    compiled = compile_graph(graph, load_board("nrf52840").isa)
    variants = [layer.variant for layer in compiled.layers]
    assert len(variants) == 3 and all("_dsp" in name for name in variants), variants
