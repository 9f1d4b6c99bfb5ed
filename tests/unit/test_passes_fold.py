"""Folding passes: fewer operators, the same integers in every value that is left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tinyml.compiler.passes import constant_folding, dead_nodes, fold_clamps, fold_padding, identities, spatial_means
from tinyml.ir.graph import Graph, GraphBuilder
from tinyml.ir.interpret import interpret
from tinyml.ir.tensor import Const, QuantParams, TensorType
from tinyml.ir.verify import verify
from tinyml.ops import (
    Add,
    AveragePool2d,
    Concat,
    Conv2d,
    DepthwiseConv2d,
    Lookup,
    MaxPool2d,
    Mean,
    Pad,
    Reshape,
    ResizeNearest,
    Slice,
    Transpose,
)

QUANT = QuantParams((0.1,), 5)
X = TensorType((1, 4, 6, 2), "int8", QUANT)


def builder() -> GraphBuilder:
    made = GraphBuilder("net")
    made.input("x", X)
    return made


def constant(made: GraphBuilder, name: str, shape: tuple[int, ...], seed: int = 0) -> str:
    data = np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)
    return made.const(name, Const.of(data, QUANT))


def check_equal(before: Graph, after: Graph) -> None:
    """Valid, equal on random and extreme inputs, and equal in every value that kept its name."""
    verify(after)
    assert after.inputs == before.inputs and after.outputs == before.outputs
    x = np.random.default_rng(1).integers(-128, 128, (24, *before.types["x"].shape[1:])).astype(np.int8)
    x[0], x[1] = -128, 127
    old, new = interpret(before, x, keep=True), interpret(after, x, keep=True)
    for value in set(old) & set(new):
        np.testing.assert_array_equal(old[value], new[value], err_msg=value)


def names(graph: Graph) -> list[str]:
    return [node.name for node in graph.nodes]


def test_chains_of_reshapes_become_one() -> None:
    made = builder()
    y = made.add("a", Reshape((1, 24, 2)), "x")
    y = made.add("b", Reshape((1, 48)), y)
    y = made.add("c", Reshape((1, 2, 24)), y)
    graph = made.build(y, made.add("d", Reshape((1, 4, 6, 2)), y))
    after = identities(graph)
    check_equal(graph, after)
    assert {n.name: n.inputs for n in after.nodes}["c"] == ("x",)


def test_operators_that_change_nothing_disappear() -> None:
    made = builder()
    y = made.add("same", Reshape((1, 4, 6, 2)), "x")
    y = made.add("cell", AveragePool2d((1, 1), (1, 1)), y)
    y = made.add("nothing", Pad(((0, 0), (0, 0), (0, 0), (0, 0)), 7), y)
    y = made.add("alone", Concat(2), y)
    y = made.add("whole", Slice((0, 0, 0, 0), (1, 4, 6, 2), (1, 1, 1, 1)), y)
    y = made.add("size", ResizeNearest((4, 6)), y)
    y = made.add("order", Transpose((0, 1, 2, 3)), y)
    y = made.add("scale", Lookup("requantize", QUANT), y)
    y = made.add("sum", Add(QUANT), y, y)
    y = made.add("last", Reshape((1, 4, 6, 2)), y)
    graph = made.build(y)
    after = identities(graph)
    check_equal(graph, after)
    assert names(after) == ["sum", "last"], "what computes a graph output stays"
    assert after.nodes[0].inputs == ("x", "x")


def test_what_changes_something_stays() -> None:
    made = builder()
    y = made.add("clamp", AveragePool2d((1, 1), (1, 1), act_max=100), "x")
    y = made.add("stride", AveragePool2d((1, 1), (2, 2)), y)
    y = made.add("mirror", Slice((0, 1, 0, 0), (1, 2, 3, 2), (1, -1, 1, 1)), y)
    y = made.add("scale", Lookup("requantize", QuantParams((0.1,), 6)), y)
    y = made.add("order", Transpose((0, 3, 1, 2)), y)
    graph = made.build(made.add("flat", Reshape((1, 12)), y))
    assert identities(graph) is graph


def test_what_only_looks_like_more_is_a_reshape() -> None:
    made = builder()
    y = made.add("pool", AveragePool2d((4, 1), (1, 1)), "x")
    y = made.add("first", Transpose((0, 2, 1, 3)), y)
    y = made.add("none", Mean((2,)), y)
    graph = made.build(made.add("flat", Reshape((1, 12)), y))
    after = identities(graph)
    check_equal(graph, after)
    assert [type(n.op) for n in after.nodes if n.name in ("first", "none")] == [Reshape, Reshape]
    assert after.nodes[-1].inputs == ("pool",)


def test_two_in_a_row_become_one() -> None:
    made = builder()
    y = made.add("a", Transpose((0, 3, 1, 2)), "x")
    y = made.add("b", Transpose((0, 2, 3, 1)), y)
    y = made.add("c", Pad(((0, 0), (1, 0), (0, 2), (0, 0))), y)
    y = made.add("d", Pad(((0, 0), (0, 3), (1, 1), (0, 1)), 5), y)
    y = made.add("e", Pad(((0, 0), (0, 0), (1, 1), (0, 0)), 6), y)
    graph = made.build(y)
    after = dead_nodes(identities(graph))
    check_equal(graph, after)
    assert names(after) == ["d", "e"]


def test_operators_on_constants_are_computed() -> None:
    made = builder()
    c = made.add("c", Add(QUANT), constant(made, "k", (1, 2)), constant(made, "l", (1, 2), 1))
    c = made.add("d", Reshape((1, 1, 1, 2)), c)
    graph = made.build(made.add("y", Add(QUANT), "x", c))
    after = constant_folding(graph)
    x = np.random.default_rng(1).integers(-128, 128, (8, *X.shape[1:])).astype(np.int8)
    np.testing.assert_array_equal(interpret(graph, x)[0], interpret(after, x)[0])
    verify(after)
    assert names(after) == ["y"] and after.nodes[0].op.constant == 1
    assert set(after.consts) == {"d"} and set(after.types) == {"x", "y"}


def test_constants_stay_computed_for_readers_that_take_none() -> None:
    made = builder()
    c = made.add("c", Reshape((1, 4, 6, 2)), constant(made, "k", (1, 48)))
    pooled = made.add("pool", AveragePool2d((2, 2), (2, 2)), c)
    graph = made.build(pooled, made.add("y", Add(QUANT), "x", c))
    assert names(constant_folding(graph)) == ["c", "pool", "y"]
    assert constant_folding(graph) is graph


def test_weightless_graphs_are_left_alone() -> None:
    made = builder()
    c = made.add("c", Reshape((1, 1, 1, 2)), constant(made, "k", (1, 2)))
    graph = made.build(made.add("y", Add(QUANT), "x", c))
    weightless = replace(graph, consts={n: replace(c, data=None) for n, c in graph.consts.items()})
    assert constant_folding(weightless) is weightless
    assert constant_folding(graph) is not graph


@pytest.mark.parametrize(
    ("function", "ends"),
    [("relu", (5, 100)), ("relu6", (5, 65)), ("relu_n1_to_1", (-5, 15)), ("requantize", (-90, 100))],
)
@pytest.mark.parametrize("op", [Add(QUANT, -90, 100), MaxPool2d((2, 1), (1, 1), (0, 0, 0, 0), -90, 100)])
def test_clamping_tables_become_the_activation_range(op, function: str, ends: tuple[int, int]) -> None:
    made = builder()
    y = made.add("y", op, *(["x", "x"] if isinstance(op, Add) else ["x"]))
    graph = made.build(made.add("relu", Lookup(function, QUANT), y))
    after = fold_clamps(graph)
    check_equal(graph, after)
    assert [(n.name, n.outputs, n.op.act_min, n.op.act_max) for n in after.nodes] == [("y", ("relu",), *ends)]
    assert "y" not in after.types


def test_clamps_fold_one_after_the_other() -> None:
    made = builder()
    y = made.add("relu6", Lookup("relu6", QUANT), made.add("y", Add(QUANT), "x", "x"))
    graph = made.build(made.add("relu", Lookup("relu_n1_to_1", QUANT), y))
    after = fold_clamps(graph)
    check_equal(graph, after)
    assert names(after) == ["y"] and (after.nodes[0].op.act_min, after.nodes[0].op.act_max) == (5, 15)


def test_a_table_that_is_a_clamp_only_where_the_producer_reaches_is_folded() -> None:
    table = np.arange(-128, 128).astype(np.int8)
    table[:100] = 99  # below -28
    for low, folds in ((-28, True), (-29, False)):
        made = builder()
        y = made.add("y", Add(QUANT, low), "x", "x")
        graph = made.build(made.add("z", Lookup("table", QUANT), y, made.const("t", Const.of(table))))
        after = fold_clamps(graph)
        check_equal(graph, after)
        assert ("z" not in names(after)) == folds and ("t" not in after.consts) == folds


def test_tables_stay_that_do_more_or_share_their_input() -> None:
    made = builder()
    y = made.add("y", Add(QUANT), "x", "x")
    made.add("a", Lookup("relu", QuantParams((0.1,), 6)), y)
    made.add("b", Lookup("hard_swish", QUANT), made.add("p", AveragePool2d((2, 2), (1, 1)), "x"))
    made.add("c", Lookup("relu", QUANT), made.add("q", Add(QUANT), "x", "x"))
    made.add("d", Lookup("relu", QUANT), "x")
    graph = made.build("a", "b", "c", "q", "d")
    assert fold_clamps(graph) is graph


def window(made: GraphBuilder, name: str, op, x: str, channels: int = 2) -> str:
    """A convolution with random 3x3 weights, or a pool."""
    if isinstance(op, (AveragePool2d, MaxPool2d)):
        return made.add(name, op, x)
    depthwise = isinstance(op, DepthwiseConv2d)
    data = np.random.default_rng(3).integers(-127, 128, (1 if depthwise else 4, 3, 3, channels)).astype(np.int8)
    weights = made.const(f"{name}_w", Const.of(data, QuantParams((0.004,), 0)))
    bias = made.const(f"{name}_b", Const.of(np.arange(channels if depthwise else 4, dtype=np.int32)))
    return made.add(name, op, x, weights, bias)


def padded_by(fill: int | None, op, channels: tuple[int, int] = (0, 0)) -> tuple[Graph, Graph]:
    """A pad operator before `op`, before and after folding."""
    made = builder()
    y = made.add("pad", Pad(((0, 0), (1, 2), (2, 0), channels), fill), "x")
    graph = made.build(window(made, "y", op, y, 2 + sum(channels)))
    after = fold_padding(graph)
    check_equal(graph, after)
    return graph, after


@pytest.mark.parametrize("op", [Conv2d((1, 2), (1, 0, 0, 1), QUANT), DepthwiseConv2d((2, 2), (0, 0, 0, 0), QUANT)])
def test_padding_with_the_zero_point_moves_into_convolutions(op) -> None:
    for fill in (None, QUANT.zero_point):
        _, after = padded_by(fill, op)
        assert names(after) == ["y"] and after.nodes[0].inputs[0] == "x" and "pad" not in after.types
        assert after.nodes[0].op.padding == tuple(a + b for a, b in zip(op.padding, (1, 2, 2, 0), strict=True))
    for graph, after in (padded_by(-128, op), padded_by(None, op, (1, 0))):
        assert after is graph


def test_padding_moves_into_max_pooling_only_if_it_never_wins() -> None:
    op = MaxPool2d((3, 3), (1, 1))
    assert names(padded_by(-128, op)[1]) == ["y"]
    for fill in (None, -127):
        graph, after = padded_by(fill, op)
        assert after is graph


def test_padding_before_average_pooling_counts_and_stays() -> None:
    for fill in (None, -128):
        graph, after = padded_by(fill, AveragePool2d((3, 3), (1, 1)))
        assert after is graph


def test_padding_beyond_the_kernel_stays() -> None:
    graph, after = padded_by(None, Conv2d((1, 1), (0, 1, 0, 0), QUANT))
    assert after is graph


def test_a_pad_that_others_read_stays_for_them() -> None:
    made = builder()
    y = made.add("pad", Pad(((0, 0), (1, 1), (1, 1), (0, 0))), "x")
    a = window(made, "a", Conv2d((2, 2), (0, 0, 0, 0), QUANT), y)
    graph = made.build(a, window(made, "b", AveragePool2d((3, 3), (1, 1)), y))
    after = fold_padding(graph)
    check_equal(graph, after)
    assert {n.name: n.inputs[0] for n in after.nodes} == {"pad": "x", "a": "x", "b": "pad"}


@pytest.mark.parametrize("padding", [(0, 0, 0, 0), (1, 0, 2, 3)])
def test_pools_over_the_whole_image_are_means(padding: tuple[int, int, int, int]) -> None:
    made = builder()
    kernel = (4 + sum(padding[:2]), 6 + sum(padding[2:]))
    graph = made.build(made.add("y", AveragePool2d(kernel, kernel, padding), "x"))
    after = spatial_means(graph)
    check_equal(graph, after)
    assert after.nodes[0].op == Mean((1, 2), keep_dims=True)


@pytest.mark.parametrize(
    "op", [AveragePool2d((3, 6), (1, 1)), AveragePool2d((4, 5), (4, 5)), AveragePool2d((4, 6), (1, 1), act_max=90)]
)
def test_other_pools_stay(op: AveragePool2d) -> None:
    made = builder()
    graph = made.build(made.add("y", op, "x"))
    assert spatial_means(graph) is graph


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("rounding", ["high", "double"])
def test_means_of_a_transposed_image_are_taken_of_the_image(keep: bool, rounding: str) -> None:
    made = builder()
    y = made.add("nchw", Transpose((0, 3, 1, 2)), "x")
    y = made.add("width", Mean((3,), keep, rounding=rounding), y)
    graph = made.build(made.add("height", Mean((2,), keep, rounding=rounding), y))
    after = identities(spatial_means(graph))
    check_equal(graph, after)
    assert [type(n.op) for n in after.nodes[:2]] == [Mean, Mean]
    assert all(isinstance(n.op, Reshape) for n in after.nodes[2:])


def test_what_is_left_is_transposed_after_the_mean() -> None:
    made = builder()
    y = made.add("order", Transpose((0, 3, 2, 1)), "x")
    graph = made.build(made.add("y", Mean((3,)), y))
    after = spatial_means(graph)
    check_equal(graph, after)
    assert [(n.name, n.op) for n in after.nodes] == [("y", Mean((1,))), ("order", Transpose((0, 2, 1)))]


def test_transpositions_stay_that_others_read_or_that_part_the_axes() -> None:
    made = builder()
    y = made.add("a", Transpose((0, 3, 1, 2)), "x")
    y = made.add("b", Mean((2, 3)), y)
    z = made.add("c", Transpose((0, 1, 3, 2)), "x")
    graph = made.build("a", y, made.add("d", Mean((2,)), z), z)
    assert spatial_means(graph) is graph
    made = builder()
    z = made.add("c", Transpose((0, 1, 3, 2)), "x")
    graph = made.build(made.add("d", Mean((1, 2)), z))
    assert spatial_means(graph) is graph, "height and channels do not lie side by side"


@pytest.mark.parametrize("fold", [identities, constant_folding, fold_clamps, fold_padding, spatial_means])
def test_graphs_without_work_come_back_as_they_are(fold) -> None:
    made = builder()
    graph = made.build(made.add("y", Add(QUANT), "x", "x"))
    assert fold(graph) is graph
