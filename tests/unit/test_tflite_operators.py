"""Models of one operator: what is imported computes what LiteRT's reference kernels compute, bit for bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert")
pytest.importorskip("flatbuffers")

from tests.golden.tflite_models import ModelWriter, run_reference  # noqa: E402

from tinyml.importers.tflite import import_tflite  # noqa: E402
from tinyml.ir.interpret import interpret  # noqa: E402

SAME, VALID = 0, 1
RELU, RELU_N1_TO_1, RELU6 = 1, 2, 3


class Draft:
    """A model under construction: inputs are drawn from a seed, scales are those of a working network."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.writer = ModelWriter()
        self.inputs: list[int] = []
        self.outputs: list[int] = []

    def input(self, *shape: int, scale: float = 0.05, zero: int = -3) -> int:
        self.inputs.append(self.writer.tensor(shape, "int8", (scale,), zero))
        return self.inputs[-1]

    def hidden(self, *shape: int, scale: float = 0.05, zero: int = -3) -> int:
        return self.writer.tensor(shape, "int8", (scale,), zero)

    def output(self, *shape: int, scale: float = 0.05, zero: int = -3) -> int:
        self.outputs.append(self.hidden(*shape, scale=scale, zero=zero))
        return self.outputs[-1]

    def numbers(self, *values: int, shape: tuple[int, ...] | None = None) -> int:
        data = np.array(values, np.int32)
        return self.writer.tensor(shape if shape is not None else data.shape, "int32", data=data)

    def weights(self, *shape: int, axis: int | None = None) -> int:
        count = 1 if axis is None else shape[axis]
        scales = self.random.uniform(0.002, 0.008, count).astype(np.float32).tolist()
        data = self.random.integers(-127, 128, shape).astype(np.int8)
        return self.writer.tensor(shape, "int8", scales, 0, axis or 0, data)

    def bias(self, channels: int) -> int:
        return self.writer.tensor((channels,), "int32", data=self.random.integers(-3000, 3000, channels))

    def check(self) -> list[str]:
        """Runs both on random, lowest and highest inputs; returns the IR operators."""
        model = self.writer.bytes(self.inputs, self.outputs)
        graph = import_tflite(model).graph
        for fill in (None, None, None, -128, 127):
            data = [self._data(self.writer.tensors[i].shape, fill) for i in self.inputs]
            for found, expected in zip(interpret(graph, *data), run_reference(model, *data), strict=True):
                np.testing.assert_array_equal(found, expected)
        return [node.op.ir_name for node in graph.nodes]

    def _data(self, shape: list[int], fill: int | None) -> np.ndarray:
        if fill is not None:
            return np.full(shape, fill, np.int8)
        return self.random.integers(-128, 128, shape).astype(np.int8)


def conv(d: Draft, channels: int, filters: tuple[int, ...], out: tuple[int, ...], **options: int) -> None:
    d.writer.operator(
        "CONV_2D", [d.input(1, 7, 7, channels), d.weights(*filters, axis=0), d.bias(filters[0])],
        [d.output(1, *out, filters[0], scale=0.3)], 3, table="Conv2DOptions",
        **{"strideH": 1, "strideW": 1, "padding": SAME} | options,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("filters", "out", "options"),
    [
        ((4, 3, 3, 3), (7, 7), {}),
        ((4, 3, 3, 3), (4, 4), {"strideH": 2, "strideW": 2}),
        ((5, 2, 4, 3), (4, 7), {"strideH": 2}),
        ((4, 3, 3, 3), (3, 3), {"padding": VALID, "strideH": 2, "strideW": 2, "fusedActivationFunction": RELU6}),
        ((3, 3, 2, 3), (7, 7), {"dilationHFactor": 2, "dilationWFactor": 3, "fusedActivationFunction": RELU}),
        ((1, 1, 1, 3), (3, 3), {"padding": VALID, "strideH": 3, "strideW": 3}),
        ((2, 7, 7, 3), (1, 1), {"padding": VALID, "fusedActivationFunction": RELU_N1_TO_1}),
    ],
)
def test_convolutions(filters: tuple[int, ...], out: tuple[int, ...], options: dict[str, int]) -> None:
    d = Draft(1)
    conv(d, 3, filters, out, **options)
    assert d.check() == ["conv2d"]


@pytest.mark.parametrize(("channels", "groups", "outputs"), [(4, 2, 6), (6, 3, 3), (4, 4, 4), (3, 3, 6)])
def test_grouped_convolutions(channels: int, groups: int, outputs: int) -> None:
    d = Draft(2)
    conv(d, channels, (outputs, 3, 3, channels // groups), (7, 7))
    assert d.check() == ["slice", "conv2d"] * groups + ["concat"]


@pytest.mark.parametrize(("channels", "multiplier"), [(1, 1), (5, 1), (1, 8), (3, 2)])
@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_convolutions(channels: int, multiplier: int, stride: int) -> None:
    d, outputs = Draft(3), channels * multiplier
    size = -(-6 // stride)
    d.writer.operator(
        "DEPTHWISE_CONV_2D", [d.input(1, 6, 6, channels), d.weights(1, 3, 3, outputs, axis=3), d.bias(outputs)],
        [d.output(1, size, size, outputs, scale=0.1)], 3, table="DepthwiseConv2DOptions", strideH=stride,
        strideW=stride, depthMultiplier=multiplier, fusedActivationFunction=RELU,
    )  # fmt: skip
    assert d.check() == ["depthwise_conv2d" if multiplier == 1 else "conv2d"]


@pytest.mark.parametrize(
    ("shape", "out", "keep"),
    [
        ((1, 12), (1, 5), False),
        ((1, 2, 3, 2), (1, 5), False),
        ((1, 3, 12), (1, 3, 5), True),
    ],
)
@pytest.mark.parametrize("per_channel", [False, True])
def test_fully_connected(shape: tuple[int, ...], out: tuple[int, ...], keep: bool, per_channel: bool) -> None:
    d = Draft(4)
    x, weights = d.input(*shape), d.weights(5, 12, axis=0 if per_channel else None)
    scale = [0.05 * s for s in d.writer.tensors[weights].quantization.scale]
    bias = d.writer.tensor((5,), "int32", scale, data=d.random.integers(-3000, 3000, 5))
    target = d.output(*out, scale=0.2, zero=5)
    d.writer.operator("FULLY_CONNECTED", [x, weights, bias], [target], 4, table="FullyConnectedOptions",
                      keepNumDims=keep)  # fmt: skip
    assert ("fully_connected" if len(shape) != 3 else "conv2d") in d.check()


def test_outputs_without_weights_may_have_any_scale() -> None:
    """Training leaves such channels with scales down to 1e-9, and with biases as large as those scales are small: here
    some that 32-bit multipliers round to another output."""
    cases = (
        (2.5098993106098533e-08, 496832689), (6.406641439582472e-09, 1275239177), (1.3330223964658217e-06, 65482772),
        (3.874225740219117e-08, 388464723), (2.3063726928285178e-07, 162202756), (3.7750803585367976e-06, 25628594),
        (1e-9, 2**31 - 1), (1e-12, -(2**30)), (1.0, -3), (30.0, 2),
    )  # fmt: skip
    d = Draft(6)
    scales, biases = [0.004, *(s for s, _ in cases)], np.int32([500, *(b for _, b in cases)])
    data = np.zeros((len(scales), 12), np.int8)
    data[0] = d.random.integers(-127, 128, 12)
    weights = d.writer.tensor(data.shape, "int8", scales, 0, 0, data)
    bias = d.writer.tensor(biases.shape, "int32", data=biases)
    d.writer.operator("FULLY_CONNECTED", [d.input(1, 12), weights, bias], [d.output(1, len(scales), scale=0.043)], 5,
                      table="FullyConnectedOptions")  # fmt: skip
    assert d.check() == ["fully_connected"]


def test_a_bias_that_is_left_out_is_zero() -> None:
    d = Draft(5)
    d.writer.operator("FULLY_CONNECTED", [d.input(1, 6), d.weights(4, 6), -1], [d.output(1, 4, scale=0.1)], 4,
                      table="FullyConnectedOptions")  # fmt: skip
    assert d.check() == ["fully_connected"]


@pytest.mark.parametrize("name", ["ADD", "SUB", "MUL"])
@pytest.mark.parametrize("shapes", [((1, 3, 4, 5), (1, 3, 4, 5)), ((1, 3, 4, 5), (1, 1, 1, 5)), ((1, 4), (1, 4))])
@pytest.mark.parametrize("constant", [None, 0, 1])
def test_elementwise(name: str, shapes: tuple[tuple[int, ...], ...], constant: int | None) -> None:
    d, operands = Draft(6), []
    for index, shape in enumerate(shapes):
        scale, zero = (0.05, 0.02)[index], (-3, 10)[index]
        if index == constant:
            data = d.random.integers(-128, 128, shape).astype(np.int8)
            operands.append(d.writer.tensor(shape, "int8", (scale,), zero, data=data))
        else:
            operands.append(d.input(*shape, scale=scale, zero=zero))
    out = d.output(*shapes[0], scale=0.07, zero=-20)
    table = f"{name.capitalize()}Options"
    d.writer.operator(name, operands, [out], 2, table=table, fusedActivationFunction=RELU6)
    assert d.check() == [name.lower()]


@pytest.mark.parametrize("name", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "out"),
    [((2, 2), 2, VALID, (3, 2)), ((3, 2), 1, SAME, (6, 5)), ((3, 3), 2, SAME, (3, 3)), ((6, 5), 1, VALID, (1, 1))],
)
def test_pools(name: str, kernel: tuple[int, int], stride: int, padding: int, out: tuple[int, int]) -> None:
    d = Draft(7)
    d.writer.operator(
        name, [d.input(1, 6, 5, 3)], [d.output(1, *out, 3)], 2, table="Pool2DOptions", filterHeight=kernel[0],
        filterWidth=kernel[1], strideH=stride, strideW=stride, padding=padding, fusedActivationFunction=RELU,
    )  # fmt: skip
    assert d.check() == [name.lower().replace("_2d", "2d")]


@pytest.mark.parametrize(
    ("axes", "keep", "out"),
    [((1, 2), True, (1, 1, 1, 3)), ((1, 2), False, (1, 3)), ((-1,), False, (1, 6, 5)), ((2, 1, -2), False, (1, 3))],
)
def test_means(axes: tuple[int, ...], keep: bool, out: tuple[int, ...]) -> None:
    d = Draft(8)
    d.writer.operator("MEAN", [d.input(1, 6, 5, 3), d.numbers(*axes)], [d.output(*out, scale=0.03, zero=9)], 2,
                      table="ReducerOptions", keepDims=keep)  # fmt: skip
    assert d.check() == ["mean"]


@pytest.mark.parametrize("version", [1, 2])
def test_padding(version: int) -> None:
    d = Draft(9)
    pads = d.numbers(0, 0, 1, 2, 0, 3, 1, 0, shape=(4, 2))
    value = d.writer.tensor((1,), "int8", (0.05,), -3, data=np.array([77]))
    operands = [d.input(1, 3, 4, 2), pads, *([value] if version == 2 else [])]
    d.writer.operator("PADV2" if version == 2 else "PAD", operands, [d.output(1, 6, 7, 3)], 2)
    assert d.check() == ["pad"]


@pytest.mark.parametrize(("axis", "out"), [(3, (1, 2, 3, 9)), (-1, (1, 2, 3, 9)), (1, (1, 4, 3, 4))])
def test_concatenation(axis: int, out: tuple[int, ...]) -> None:
    d = Draft(10)
    shapes = [(1, 2, 3, 4), (1, 2, 3, 5)] if axis in (3, -1) else [(1, 1, 3, 4), (1, 3, 3, 4)]
    d.writer.operator("CONCATENATION", [d.input(*s) for s in shapes], [d.output(*out)], 2,
                      table="ConcatenationOptions", axis=axis)  # fmt: skip
    assert d.check() == ["concat"]


def test_split() -> None:
    d = Draft(11)
    outs = [d.output(1, 2, 2, 6) for _ in range(3)]
    d.writer.operator("SPLIT", [d.numbers(1), d.input(1, 6, 2, 6)], outs, 2, table="SplitOptions", numSplits=3)
    assert d.check() == ["slice"] * 3


def test_split_v() -> None:
    d = Draft(12)
    outs = [d.output(1, 2, n) for n in (1, 4, 2)]
    d.writer.operator("SPLIT_V", [d.input(1, 2, 7), d.numbers(1, -1, 2), d.numbers(-1)], outs, 2,
                      table="SplitVOptions", numSplits=3)  # fmt: skip
    assert d.check() == ["slice"] * 3


def test_slice() -> None:
    d = Draft(13)
    d.writer.operator("SLICE", [d.input(1, 6, 5, 3), d.numbers(0, 1, 2, 0), d.numbers(1, -1, 2, 3)],
                      [d.output(1, 5, 2, 3)], 2)  # fmt: skip
    assert d.check() == ["slice"]


@pytest.mark.parametrize(
    ("begin", "end", "stride", "masks", "out"),
    [
        ((0, 1, 0, 0), (1, 6, 5, 3), (1, 2, 1, 1), {}, (1, 3, 5, 3)),
        ((0, 4, -1, 0), (1, 0, -9, 3), (1, -1, -2, 1), {}, (1, 4, 3, 3)),
        ((9, 9, 1, 1), (9, 9, -1, 9), (1, 1, 1, 1), {"beginMask": 3, "endMask": 3}, (1, 6, 3, 2)),
        ((0, 2, 0, 0), (1, 3, 5, 3), (1, 1, 1, 1), {"shrinkAxisMask": 2}, (1, 5, 3)),
        ((0, -1, 0, 0), (1, 0, 5, 3), (1, 1, 1, 1), {"shrinkAxisMask": 2}, (1, 5, 3)),
    ],
)
def test_strided_slice(
    begin: tuple[int, ...], end: tuple[int, ...], stride: tuple[int, ...], masks: dict[str, int], out: tuple[int, ...]
) -> None:
    d = Draft(14)
    operands = [d.input(1, 6, 5, 3), d.numbers(*begin), d.numbers(*end), d.numbers(*stride)]
    d.writer.operator("STRIDED_SLICE", operands, [d.output(*out)], 2, table="StridedSliceOptions", **masks)
    assert d.check()[0] == "slice"


@pytest.mark.parametrize(
    ("name", "extra", "table", "out"),
    [
        ("RESHAPE", lambda d: [d.numbers(1, -1)], "ReshapeOptions", (1, 12)),
        ("SQUEEZE", lambda d: [], "SqueezeOptions", (1, 3, 4)),
        ("EXPAND_DIMS", lambda d: [d.numbers(-1)], "ExpandDimsOptions", (1, 1, 3, 4, 1)),
    ],
)
def test_shapes(name: str, extra: Callable[[Draft], list[int]], table: str, out: tuple[int, ...]) -> None:
    d = Draft(15)
    options = {"squeezeDims": [1]} if name == "SQUEEZE" else {}
    d.writer.operator(name, [d.input(1, 1, 3, 4), *extra(d)], [d.output(*out)], table=table, **options)
    assert d.check() == ["reshape"]


def test_transpose() -> None:
    d = Draft(16)
    d.writer.operator("TRANSPOSE", [d.input(1, 3, 4, 2), d.numbers(0, 3, 1, 2)], [d.output(1, 2, 3, 4)], 2)
    assert d.check() == ["transpose"]


@pytest.mark.parametrize("name", ["RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR"])
@pytest.mark.parametrize("mode", [{}, {"alignCorners": True}, {"halfPixelCenters": True}])
def test_resizing(name: str, mode: dict[str, bool]) -> None:
    d = Draft(17)
    table = "ResizeBilinearOptions" if name == "RESIZE_BILINEAR" else "ResizeNearestNeighborOptions"
    d.writer.operator(name, [d.input(1, 3, 4, 2), d.numbers(7, 6)], [d.output(1, 7, 6, 2)], 3, table=table, **mode)
    assert len(d.check()) == 1


@pytest.mark.parametrize(
    ("name", "quant", "table", "options"),
    [
        ("RELU", (0.04, -128), None, {}),
        ("RELU6", (0.03, -128), None, {}),
        ("RELU_N1_TO_1", (0.02, 3), None, {}),
        ("LEAKY_RELU", (0.04, -90), "LeakyReluOptions", {"alpha": 0.1}),
        ("HARD_SWISH", (0.04, -100), "HardSwishOptions", {}),
        ("LOGISTIC", (1 / 256, -128), None, {}),
        ("TANH", (1 / 128, 0), None, {}),
        ("SOFTMAX", (1 / 256, -128), "SoftmaxOptions", {"beta": 1.0}),
        ("QUANTIZE", (0.03, 17), "QuantizeOptions", {}),
    ],
)
def test_functions(name: str, quant: tuple[float, int], table: str | None, options: dict[str, float]) -> None:
    d = Draft(18)
    out = d.output(1, 5, 7, scale=quant[0], zero=quant[1])
    version = 1 if name in ("HARD_SWISH", "RELU_N1_TO_1") else 2
    d.writer.operator(name, [d.input(1, 5, 7)], [out], version, table=table, **options)
    assert d.check() == ["softmax" if name == "SOFTMAX" else "lookup"]
