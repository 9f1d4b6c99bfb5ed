"""Kernels are cut to what sees the input, and no output changes."""

from __future__ import annotations

import numpy as np
import pytest

from tinyml.compiler.passes import trim_kernels
from tinyml.ir.graph import Graph, GraphBuilder
from tinyml.ir.interpret import interpret
from tinyml.ir.tensor import Const, QuantParams, TensorType
from tinyml.ir.verify import verify
from tinyml.ops import Conv2d, DepthwiseConv2d

OUT = QuantParams((0.4,), -20)


def network(
    size: tuple[int, int], kernel: tuple[int, int], padding: tuple[int, int, int, int], stride=(1, 1),
    dilation=(1, 1), *, depthwise: bool = False, blank: tuple[slice, slice] | None = None, seed: int = 0,
) -> Graph:  # fmt: skip
    """One layer on three channels; the kernel's rows and columns in `blank` have no weights."""
    random, builder = np.random.default_rng(seed), GraphBuilder("net")
    x = builder.input("x", TensorType((1, *size, 3), "int8", QuantParams((0.1,), 5)))
    data = random.integers(1, 128, (1 if depthwise else 4, *kernel, 3)).astype(np.int8)
    if blank is not None:
        data[:, blank[0], blank[1]] = 0
    scales = QuantParams(tuple(random.uniform(0.002, 0.01, 3 if depthwise else 4)), 0, 3 if depthwise else 0)
    weights = builder.const("w", Const.of(data, scales))
    bias = builder.const("b", Const.of(random.integers(-2000, 2000, len(scales.scales)).astype(np.int32)))
    op = (DepthwiseConv2d if depthwise else Conv2d)(stride, padding, OUT, dilation=dilation, rounding="double")
    return builder.build(builder.add("y", op, x, weights, bias))


def trimmed(graph: Graph) -> Graph:
    after = trim_kernels(graph)
    verify(after)
    x = np.random.default_rng(1).integers(-128, 128, (24, *graph.types["x"].shape[1:])).astype(np.int8)
    np.testing.assert_array_equal(interpret(graph, x)[0], interpret(after, x)[0])
    return after


def kernel(graph: Graph) -> tuple[int, ...]:
    return graph.consts[graph.nodes[0].inputs[1]].type.shape[1:3]


@pytest.mark.parametrize("depthwise", [False, True])
def test_what_meets_padding_only_is_cut(depthwise: bool) -> None:
    after = trimmed(network((3, 3), (7, 7), (3, 3, 3, 3), depthwise=depthwise))
    assert kernel(after) == (5, 5)
    assert after.nodes[0].op.padding == (2, 2, 2, 2)
    assert kernel(trimmed(network((1, 1), (3, 3), (1, 1, 1, 1), depthwise=depthwise))) == (1, 1)


def test_kernels_that_see_the_input_stay() -> None:
    for graph in (network((4, 4), (7, 7), (3, 3, 3, 3)), network((5, 5), (5, 5), (2, 2, 2, 2), (2, 2))):
        assert trim_kernels(graph) is graph


def test_rows_without_weights_are_cut_where_padding_makes_room() -> None:
    blank = (slice(0, 2), slice(None))
    assert kernel(trimmed(network((6, 6), (5, 3), (2, 2, 1, 1), blank=blank))) == (3, 3)
    assert kernel(trimmed(network((6, 6), (5, 3), (1, 2, 1, 1), blank=blank))) == (4, 3)
    assert kernel(trimmed(network((6, 6), (5, 3), (0, 0, 0, 0), blank=blank))) == (5, 3)
    everything = (slice(None), slice(None))
    assert kernel(trimmed(network((6, 6), (3, 3), (1, 1, 1, 1), blank=everything))) == (1, 1)


def test_shared_weights_are_cut_for_one_reader_only() -> None:
    builder = GraphBuilder("net")
    graph = network((3, 3), (7, 7), (3, 3, 3, 3))
    builder.input("x", graph.types["x"])
    builder.input("wide", TensorType((1, 9, 9, 3), "int8", QuantParams((0.1,), 5)))
    for name, const in graph.consts.items():
        builder.const(name, const)
    y = builder.add("y", graph.nodes[0].op, "x", "w", "b")
    after = trim_kernels(builder.build(y, builder.add("z", graph.nodes[0].op, "wide", "w", "b")))
    verify(after)
    assert {n.name: n.inputs[1] for n in after.nodes} == {"y": "w_y", "z": "w"}


def weightless(graph: Graph) -> Graph:
    consts = {n: Const(c.type, c.sha256) for n, c in graph.consts.items()}
    return Graph("net", graph.inputs, graph.outputs, graph.nodes, graph.types, consts)


def test_weightless_kernels_lose_what_lies_outside_the_input() -> None:
    graph = network((3, 3), (7, 7), (3, 3, 3, 3))
    after, expected = trim_kernels(weightless(graph)), trim_kernels(graph)
    verify(after)
    assert after.nodes == expected.nodes and kernel(after) == kernel(expected) == (5, 5)
    assert after.consts["w"].data is None and after.consts["w"].sha256 != graph.consts["w"].sha256


def test_weightless_kernels_keep_rows_that_may_have_weights() -> None:
    graph = weightless(network((6, 6), (5, 3), (2, 2, 1, 1), blank=(slice(0, 2), slice(None))))
    assert trim_kernels(graph) is graph


@pytest.mark.parametrize("seed", range(80))
def test_random_windows_stay_equal(seed: int) -> None:
    random = np.random.default_rng(seed)
    sides = []
    while len(sides) < 2:
        size, taps, stride, dilation = (int(random.integers(1, n)) for n in (7, 8, 4, 3))
        span = (taps - 1) * dilation + 1
        before, after = (int(n) for n in random.integers(0, span, 2))
        if size + before + after >= span:
            sides.append((size, taps, (before, after), stride, dilation))
    size, taps, padding, stride, dilation = zip(*sides, strict=True)
    blank = (slice(0, int(random.integers(0, 3))), slice(None))
    trimmed(network(size, taps, (*padding[0], *padding[1]), stride, dilation, depthwise=bool(seed % 2), blank=blank,
                    seed=seed))  # fmt: skip
