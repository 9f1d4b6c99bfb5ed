"""Constant and unread channels: what is removed, what must stay, and that no output ever changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tinyml.compiler.compile import PASSES
from tinyml.compiler.passes import constant_channels, constant_weights
from tinyml.compiler.passes.intervals import intervals
from tinyml.ir.graph import Graph, GraphBuilder
from tinyml.ir.interpret import interpret
from tinyml.ir.op import GraphError
from tinyml.ir.tensor import Const, QuantParams, TensorType
from tinyml.ir.verify import verify
from tinyml.ops import (
    Add,
    AveragePool2d,
    Concat,
    Conv2d,
    DepthwiseConv2d,
    FullyConnected,
    Lookup,
    MaxPool2d,
    Mean,
    Mul,
    Pad,
    Reshape,
    ResizeBilinear,
    Slice,
    Softmax,
    Sub,
    Transpose,
)

RELU = QuantParams((0.4,), -128)
SAME = (1, 1, 1, 1)
NONE = (0, 0, 0, 0)


class Net:
    """Layers with random weights of which the channels in `blank` have none; `wild` ones have a few tiny scales."""

    def __init__(self, seed: int = 0, size: int = 6, channels: int = 3, wild: bool = False) -> None:
        self.wild = wild
        self.random, self.builder, self.count = np.random.default_rng(seed), GraphBuilder("net"), 0
        self.x = self.builder.input("x", TensorType((1, size, size, channels), "int8", QuantParams((0.1,), 5)))

    def _consts(self, shape: tuple[int, ...], axis: int, blank: dict[int, int]) -> tuple[str, str, str]:
        """Names of layer, weights and bias; `blank` maps channels without weights to their bias."""
        self.count += 1
        data = self.random.integers(-127, 128, shape).astype(np.int8)
        bias = self.random.integers(-2000, 2000, shape[axis]).astype(np.int32)
        for channel, value in blank.items():
            np.moveaxis(data, axis, 0)[channel] = 0
            bias[channel] = value
        scales = self.random.uniform(0.002, 0.01, shape[axis])
        if self.wild:
            scales[self.random.random(shape[axis]) < 0.1] *= 1e-7
        weights = self.builder.const(f"w{self.count}", Const.of(data, QuantParams(tuple(scales), 0, axis)))
        return f"layer{self.count}", weights, self.builder.const(f"b{self.count}", Const.of(bias))

    def conv(self, x: str, channels: int, kernel=(1, 1), padding=NONE, blank=None, out=RELU, rounding="double") -> str:
        shape = (channels, *kernel, self.builder.types[x].shape[-1])
        name, weights, bias = self._consts(shape, 0, blank or {})
        return self.builder.add(name, Conv2d((1, 1), padding, out, rounding=rounding), x, weights, bias)

    def depthwise(self, x: str, padding=SAME, blank=None, stride=(1, 1), out=RELU) -> str:
        name, weights, bias = self._consts((1, 3, 3, self.builder.types[x].shape[-1]), 3, blank or {})
        return self.builder.add(name, DepthwiseConv2d(stride, padding, out, rounding="double"), x, weights, bias)

    def classify(self, x: str, blank=None) -> Graph:
        shape = (4, self.builder.types[x].shape[-1])
        name, weights, bias = self._consts(shape, 0, blank or {})
        y = self.builder.add(name, FullyConnected(QuantParams((0.3,), 0), rounding="single"), x, weights, bias)
        return self.builder.build(self.builder.add("scores", Softmax(), y))


def channels(graph: Graph, node: str) -> int:
    (value,) = next(n for n in graph.nodes if n.name == node).outputs
    return graph.types[value].shape[-1]


def check_equal(before: Graph, after: Graph) -> None:
    """Valid, equal on random and extreme inputs, and equal in every value that kept its name."""
    verify(after)
    assert after.inputs == before.inputs and after.outputs == before.outputs
    shape = before.types[before.inputs[0]].shape
    x = np.random.default_rng(1).integers(-128, 128, (24, *shape[1:])).astype(np.int8)
    x[0], x[1] = -128, 127
    old, new = interpret(before, x, keep=True), interpret(after, x, keep=True)
    for value in set(old) & set(new):
        np.testing.assert_array_equal(old[value], new[value], err_msg=value)


def checked(graph: Graph) -> Graph:
    after = constant_channels(graph)
    check_equal(graph, after)
    return after


def test_a_channel_without_weights_moves_into_the_next_bias() -> None:
    net = Net()
    y = net.conv(net.conv(net.x, 6, blank={1: 900, 4: -900}), 5)
    after = checked(net.builder.build(y))
    assert channels(after, "layer1") == 4
    assert after.types["layer1_4of6"].shape == (1, 6, 6, 4)
    assert len(after.consts["w1"].type.quant.scales) == 4
    assert after.types["layer2"].shape == (1, 6, 6, 5)


@pytest.mark.parametrize(("bias", "left"), [(-900, 5), (900, 6)], ids=["zero_point", "other"])
def test_padding_shows_the_border_of_a_constant_plane(bias: int, left: int) -> None:
    net = Net()
    y = net.conv(net.conv(net.x, 6, blank={1: bias}), 5, (3, 3), SAME)
    assert channels(checked(net.builder.build(y)), "layer1") == left


def test_without_padding_any_constant_plane_is_folded() -> None:
    net = Net()
    y = net.conv(net.conv(net.x, 6, blank={1: 900}), 5, (3, 3))
    assert channels(checked(net.builder.build(y)), "layer1") == 5


def test_depthwise_border_pattern_stays_and_saturated_one_goes() -> None:
    for out, left in ((RELU, 6), (QuantParams((1e-4,), -128), 5)):
        net = Net(seed=4)
        y = net.depthwise(net.conv(net.x, 6, blank={2: 40000}), out=out)
        net.builder.consts["w2"] = Const.of(np.full((1, 3, 3, 6), 3, np.int8), QuantParams((0.01,), 0))
        net.builder.consts["b2"] = Const.of(np.zeros(6, np.int32))
        graph = net.builder.build(net.conv(y, 4))
        fixed = intervals(graph)["layer2"].fixed_channels
        assert fixed[2]
        assert channels(checked(graph), "layer1") == left


def test_channels_that_nobody_weighs_are_removed_with_what_feeds_them() -> None:
    net = Net()
    y = net.depthwise(net.conv(net.x, 6))
    mixed = net.conv(y, 4)
    weights = net.builder.consts["w3"]
    data = weights.data.copy()
    data[..., [0, 5]] = 0
    net.builder.consts["w3"] = Const.of(data, weights.type.quant)
    after = checked(net.builder.build(mixed))
    assert [channels(after, f"layer{i}") for i in (1, 2, 3)] == [4, 4, 4]


def test_a_residual_add_keeps_channels_unless_all_agree() -> None:
    net = Net()
    a = net.conv(net.x, 6, blank={0: 500, 1: 500})
    b = net.conv(net.x, 6, blank={1: -300, 2: 700})
    y = net.builder.add("sum", Add(QuantParams((0.5,), -7)), a, b)
    after = checked(net.builder.build(net.conv(y, 3)))
    assert [channels(after, n) for n in ("layer1", "layer2", "sum")] == [5, 5, 5]


def test_flattened_pixels_lose_a_channel_together() -> None:
    net = Net()
    y = net.builder.add("pool", AveragePool2d((3, 3), (3, 3)), net.conv(net.x, 5, blank={3: 800}))
    y = net.builder.add("flat", Reshape((1, 20)), y)
    after = checked(net.classify(y))
    assert channels(after, "layer1") == 4
    assert channels(after, "flat") == 16


def test_graph_outputs_are_produced_whole() -> None:
    net = Net()
    y = net.conv(net.x, 6, blank={1: 900})
    graph = net.builder.build(y, net.conv(y, 3))
    assert checked(graph) is graph


def test_a_layer_of_constants_keeps_one_channel() -> None:
    net = Net()
    y = net.conv(net.x, 4, blank={i: -10 for i in range(4)})
    after = checked(net.builder.build(net.conv(y, 3)))
    assert channels(after, "layer1") == 1


def test_a_scale_that_rounds_every_sum_to_one_value_is_constant() -> None:
    net = Net()
    y = net.conv(net.x, 4)
    quant = QuantParams((2e-9, 0.01, 0.004, 0.003), 0, 0)
    net.builder.consts["w1"] = Const.of(net.builder.consts["w1"].data, quant)
    after = checked(net.builder.build(net.conv(y, 3)))
    assert channels(after, "layer1") == 3


def residual(scale: float, weight: int) -> Graph:
    """A channel that is constant, with all weights `weight` under `scale`, and stays for a residual add."""
    net = Net()
    a, b = net.conv(net.x, 4, blank={2: 900}), net.conv(net.x, 4)
    const = net.builder.consts["w1"]
    scales = [s if c != 2 else scale for c, s in enumerate(const.type.quant.scales)]
    data = np.where(np.arange(4)[:, None, None, None] == 2, weight, const.data).astype(np.int8)
    net.builder.consts["w1"] = Const.of(data, QuantParams(tuple(scales), 0, 0))
    return net.builder.build(net.conv(net.builder.add("sum", Add(QuantParams((0.5,), -7)), a, b), 3))


@pytest.mark.parametrize(("scale", "weight"), [(2e-9, 90), (2e-9, 0), (3.0, 0), (0.004, 0)])
def test_constant_channels_that_stay_get_a_plain_scale(scale: float, weight: int) -> None:
    graph = residual(scale, weight)
    after = constant_weights(graph)
    check_equal(graph, after)
    const = after.consts[next(n for n in after.nodes if n.name == "layer1").inputs[1]]
    others = [s for c, s in enumerate(const.type.quant.scales) if c != 2]
    assert min(others) <= const.type.quant.scales[2] <= max(others)
    assert not const.data[2].any() and const.data[3].any()
    assert (after is graph) == (scale == 0.004)
    assert constant_weights(after) is after


def test_constants_that_no_bias_gives_exactly_stay() -> None:
    """The other channels' sums are worth 1.8 steps of the output each: none of them gives a single step."""
    graph = residual(2e-8, 0)
    scales = QuantParams(tuple(2e-8 if c == 2 else 7.3 for c in range(4)), 0, 0)
    ones = (graph.consts["w1"].data > 50).astype(np.int8)
    coarse = {"w1": Const.of(ones, scales), "b1": Const.of(np.array([0, 0, 2**28, 0], np.int32))}
    graph = replace(graph, consts={**graph.consts, **coarse})
    assert (intervals(graph)["layer1"].high[..., 2] == -127).all()
    assert constant_weights(graph) is graph


def test_shared_weights_are_narrowed_for_one_reader_only() -> None:
    net = Net()
    a = net.conv(net.x, 3, blank={0: 700})
    b = net.conv(a, 3)
    op = Conv2d((1, 1), NONE, RELU, rounding="double")
    c = net.builder.add("again", op, b, "w2", "b2")
    graph = net.builder.build(c)
    after = checked(graph)
    assert after.consts["w2"] == graph.consts["w2"]
    assert after.consts["w2_layer2"].type.shape == (3, 1, 1, 2)


def test_weightless_graphs_are_left_alone() -> None:
    net = Net()
    graph = net.builder.build(net.conv(net.conv(net.x, 6, blank={1: 900}), 5))
    weightless = replace(graph, consts={n: replace(c, data=None) for n, c in graph.consts.items()})
    assert constant_channels(weightless) is weightless
    assert constant_weights(weightless) is weightless
    with pytest.raises(GraphError, match="no data"):
        intervals(weightless)


def random_network(seed: int) -> Graph:
    """Layers of every kind in random order, many of their channels blank."""
    net = Net(seed, size=int(np.random.default_rng(seed).integers(4, 8)), wild=seed % 2 == 1)
    random, y = net.random, net.x
    for _ in range(int(random.integers(3, 7))):
        channels = int(random.integers(2, 9))
        outputs = QuantParams((float(random.choice([0.4, 1e-3, 30.0])),), int(random.choice([-128, 127, 3])))
        blank = {int(c): int(random.integers(-4000, 4000)) for c in random.integers(0, channels, random.integers(0, 7))}
        kind = random.choice(["pointwise", "conv", "depthwise", "pair", "pool", "max", "lookup", "gate", "move",
                              "join"])  # fmt: skip
        if kind == "pointwise":
            y = net.conv(y, channels, blank=blank, out=outputs)
        elif kind == "conv":
            y = net.conv(y, channels, (3, 3), SAME, blank, outputs, str(random.choice(["double", "high", "single"])))
        elif kind == "depthwise":
            have = net.builder.types[y].shape[-1]
            stride = (1, int(random.choice([1, 2])))
            y = net.depthwise(y, blank={c % have: b for c, b in blank.items()}, out=outputs, stride=stride)
        elif kind == "pair":
            a, b = net.conv(y, channels, blank=blank, out=outputs), net.conv(y, channels, blank=blank)
            op = [Add, Sub, Mul][int(random.integers(3))](QuantParams((40.0,), -7), -90, 100, "double")
            y = net.builder.add(f"pair{net.count}", op, a, b)
        elif kind == "gate":
            gate = net.builder.add(f"gap{net.count}", AveragePool2d(net.builder.types[y].shape[1:3], (1, 1)), y)
            gate = net.builder.add(f"gate{net.count}", Lookup("logistic", QuantParams((1 / 256,), -128)), gate)
            y = net.builder.add(f"gated{net.count}", Mul(QuantParams((0.4,), 3), rounding="double"), y, gate)
        elif kind == "join":
            parts = [net.conv(y, channels, blank=blank), net.conv(y, channels), net.conv(y, channels, blank=blank)]
            y = net.builder.add(f"join{net.count}", Concat(int(random.integers(2, 4))), *parts)
        elif kind == "move":
            kind, (_, height, width, have) = f"move{net.count}", net.builder.types[y].shape
            first, left = int(random.integers(0, have)), int(random.integers(0, width))
            part = (1, height, width - left, int(random.integers(1, have - first + 1)))
            op = [Pad(((0, 0), (1, 0), (0, 1), (0, 0)), 9), Pad(((0, 0), (0, 0), (0, 0), (2, 1))),
                  Transpose((0, 2, 1, 3)), Transpose((0, 3, 2, 1)), ResizeBilinear((5, 3)),
                  Slice((0, 0, left, first), part, (1, 1, 1, 1))][int(random.integers(6))]  # fmt: skip
            y = net.builder.add(kind, op, y)
        else:
            op = {"pool": AveragePool2d((2, 2), (1, 1), (1, 0, 1, 0)), "max": MaxPool2d((2, 2), (1, 1), (0, 1, 0, 1)),
                  "lookup": Lookup("leaky_relu", outputs, -0.3)}[kind]  # fmt: skip
            y = net.builder.add(f"{kind}{net.count}", op, y)
        net.count += 1
    return net.classify(net.builder.add("mean", Mean(), y), {0: 11} if seed % 3 == 0 else None)


def test_joined_and_parted_channels() -> None:
    net = Net()
    y = net.builder.add("join", Concat(3), net.conv(net.x, 4, blank={1: 900}), net.conv(net.x, 3, blank={0: 9, 2: 9}))
    y = net.builder.add("part", Slice((0, 0, 0, 2), (1, 6, 6, 4), (1, 1, 1, 1)), y)
    after = checked(net.builder.build(net.conv(y, 3)))
    assert [channels(after, n) for n in ("layer1", "layer2", "join", "part")] == [2, 1, 3, 3]
    assert next(n.op for n in after.nodes if n.name == "part").begin == (0, 0, 0, 0)


def test_means_over_channels_hold_every_channel() -> None:
    net = Net(channels=6)
    y = net.builder.add("mean", Mean((3,)), net.conv(net.x, 6, blank={1: 900}))
    graph = net.builder.build(net.builder.add("flat", Reshape((1, 36)), y))
    assert checked(graph) is graph


def test_a_table_of_256_entries_is_not_taken_for_channels() -> None:
    net = Net()
    table = net.builder.const("table", Const.of(net.random.integers(-128, 128, 256).astype(np.int8)))
    y = net.builder.add("lookup", Lookup("table", RELU), net.conv(net.x, 256, blank={3: 5}), table)
    after = checked(net.builder.build(net.conv(y, 3)))
    assert channels(after, "layer1") == 255 and after.consts["table"].type.shape == (256,)


@pytest.mark.parametrize("constant", [False, True])
def test_broadcast_operands(constant: bool) -> None:
    net = Net()
    y = net.conv(net.x, 6, blank={1: -900})
    if constant:
        gate = net.builder.const("gate", Const.of(np.arange(6, dtype=np.int8), QuantParams((0.02,), -3)))
    else:
        gate = net.builder.add("gap", AveragePool2d((6, 6), (1, 1)), net.conv(net.x, 1))
    op = Mul(QuantParams((0.1,), 0), rounding="double", constant=1 if constant else None)
    y = net.builder.add("gated", op, y, gate)
    after = checked(net.builder.build(net.conv(y, 3)))
    assert channels(after, "gated") == 5


@pytest.mark.parametrize("seed", range(120))
def test_random_networks_stay_equal(seed: int) -> None:
    graph = random_network(seed)
    checked(graph)
    after = graph
    for step in PASSES:
        after = step(after)
    check_equal(graph, after)


@pytest.mark.parametrize("seed", range(120, 160))
def test_bounds_hold_every_value(seed: int) -> None:
    graph = random_network(seed)
    known = intervals(graph)
    shape = graph.types["x"].shape
    x = np.random.default_rng(seed).choice(np.array([-128, 127, 0, 5], np.int8), (200, *shape[1:]))
    for value, data in interpret(graph, x, keep=True).items():
        assert (data >= known[value].low).all() and (data <= known[value].high).all(), value
