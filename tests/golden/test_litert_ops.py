"""Every operator's reference against LiteRT's reference kernels, bit for bit, on models of one operator."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert")
pytest.importorskip("flatbuffers")

from tflite_models import Draw, Model  # noqa: E402

from tinyml.ir.op import GraphError, Op  # noqa: E402
from tinyml.ir.tensor import QuantParams, TensorType  # noqa: E402
from tinyml.ops import (  # noqa: E402
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
    ResizeNearest,
    Slice,
    Softmax,
    Sub,
    Transpose,
)

EVERY_BYTE = np.arange(-128, 128).astype(np.int8).reshape(1, 256)
ALL_PAIRS = tuple(g.astype(np.int8).reshape(1, -1) for g in np.meshgrid(np.arange(-128, 128), np.arange(-128, 128)))


def kind(data: np.ndarray, quant: QuantParams | None) -> TensorType:
    return TensorType(tuple(data.shape), data.dtype.name, quant)


def check(op: Op, answer: np.ndarray, *operands: tuple[np.ndarray, QuantParams | None]) -> None:
    types = tuple(kind(*o) for o in operands)
    (out,) = op.infer(*types)
    (mine,) = op.reference(*(o[0] for o in operands), types=types)
    assert mine.shape == answer.shape == out.shape
    np.testing.assert_array_equal(mine, answer, err_msg=str(op))


def same_padding(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    total = max(0, (-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size)
    return total // 2, total - total // 2


ACTIVATIONS = {0: (None, None), 1: (0.0, None), 2: (-1.0, 1.0), 3: (0.0, 6.0)}


def activation(draw: Draw, out: QuantParams) -> tuple[int, int, int]:
    """(fused activation's number, act_min, act_max)."""
    number = draw.one_of(0, 0, 1, 2, 3)
    low, high = ACTIVATIONS[number]

    def step(value: float) -> int:
        ratio = np.float64(np.float32(value) / np.float32(out.scale))
        return int(np.clip(out.zero_point + np.sign(ratio) * np.floor(abs(ratio) + 0.5), -128, 127))

    return number, -128 if low is None else step(low), 127 if high is None else step(high)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("depthwise", [False, True], ids=["conv2d", "depthwise"])
def test_convolution(seed: int, depthwise: bool) -> None:
    draw = Draw(seed)
    kernel, stride = ((draw.between(1, 5), draw.between(1, 5)), (draw.between(1, 3), draw.between(1, 3)))
    dilation = (1, 1) if draw.between(0, 2) else (draw.between(1, 3), draw.between(1, 3))
    if depthwise:
        stride = (stride[0], stride[0])  # LiteRT's depthwise kernels take them apart, TensorFlow's converter does not
    size = (draw.between(13, 16), draw.between(13, 16))
    channels, same = draw.one_of(1, 2, 3, 5, 7, 8), draw.between(0, 1)
    outputs = channels if depthwise else draw.one_of(1, 2, 3, 5, 8)
    x, quant = draw.bytes(1, *size, channels), draw.quant()
    shape = (1, *kernel, channels) if depthwise else (outputs, *kernel, channels)
    taps = kernel[0] * kernel[1] * (1 if depthwise else channels)
    weights = draw.random.integers(-127, 128, shape).astype(np.int8)
    per_channel = tuple(draw.scale(0.002, 0.02) for _ in range(outputs))
    w_quant = QuantParams(per_channel, 0, 3 if depthwise else 0) if draw.between(0, 3) else QuantParams(per_channel[:1])
    bias = draw.random.integers(-5000, 5000, outputs).astype(np.int32)
    out = QuantParams((quant.scale * 0.006 * 74 * 74 * taps**0.5 / draw.one_of(30, 60, 400),), draw.zero())
    fused, low, high = activation(draw, out)
    sides = [same_padding(*v) if same else (0, 0) for v in zip(size, kernel, stride, dilation, strict=True)]
    padding = (*sides[0], *sides[1])
    op = (DepthwiseConv2d if depthwise else Conv2d)(stride, padding, out, low, high, dilation, "double")
    b_quant = QuantParams(tuple(quant.scale * s for s in w_quant.scales), 0, 0)
    (kind_out,) = op.infer(kind(x, quant), kind(weights, w_quant), kind(bias, None))
    model = Model()
    operands = [model.input(x, quant), model.const(weights, w_quant), model.const(bias, b_quant)]
    options = {
        "padding": 0 if same else 1, "strideH": stride[0], "strideW": stride[1], "dilationHFactor": dilation[0],
        "dilationWFactor": dilation[1], "fusedActivationFunction": fused,
    }  # fmt: skip
    if depthwise:
        options |= {"table": "DepthwiseConv2DOptions", "depthMultiplier": 1}
    else:
        options |= {"table": "Conv2DOptions"}
    name = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    answer = model.run(name, operands, kind_out.shape, out, version=3, **options)
    check(op, answer, (x, quant), (weights, w_quant), (bias, None))


@pytest.mark.parametrize("seed", range(30))
def test_fully_connected(seed: int) -> None:
    draw = Draw(seed)
    inputs, outputs = draw.one_of(1, 2, 3, 5, 7, 64, 200), draw.one_of(1, 2, 3, 5, 12)
    x, quant = draw.bytes(1, inputs), draw.quant()
    weights, w_quant = (
        draw.random.integers(-127, 128, (outputs, inputs)).astype(np.int8),
        QuantParams((draw.scale(0.002, 0.02),)),
    )
    bias = draw.random.integers(-5000, 5000, outputs).astype(np.int32)
    out = QuantParams((quant.scale * 0.006 * 74 * 74 * inputs**0.5 / draw.one_of(30, 60, 400),), draw.zero())
    fused, low, high = activation(draw, out)
    model = Model()
    operands = [
        model.input(x, quant),
        model.const(weights, w_quant),
        model.const(bias, QuantParams((quant.scale * w_quant.scale,))),
    ]
    answer = model.run(
        "FULLY_CONNECTED",
        operands,
        (1, outputs),
        out,
        version=4,
        table="FullyConnectedOptions",
        fusedActivationFunction=fused,
    )
    check(FullyConnected(out, low, high, "single"), answer, (x, quant), (weights, w_quant), (bias, None))


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("name", ["ADD", "SUB", "MUL"])
def test_two_operands(name: str, seed: int) -> None:
    """All pairs of bytes, for arbitrary scales and for scales whose results lie halfway between integers."""
    draw = Draw(seed)
    steps = draw.between(0, 2) == 0
    quants = [QuantParams((draw.between(1, 8) / 8 if steps else draw.scale(0.01, 1),), draw.zero()) for _ in range(3)]
    if name == "MUL":
        scale = quants[0].scale * quants[1].scale * draw.one_of(0.5, 3, 64, 200)
    else:
        scale = max(quants[0].scale, quants[1].scale) * draw.scale(0.3, 4)
    out = QuantParams((quants[2].scale if steps else scale,), quants[2].zero_point)
    fused, low, high = activation(draw, out)
    model = Model()
    operands = [model.input(data, quant) for data, quant in zip(ALL_PAIRS, quants, strict=False)]
    answer = model.run(
        name,
        operands,
        ALL_PAIRS[0].shape,
        out,
        version=2,
        table=f"{name.title()}Options",
        fusedActivationFunction=fused,
    )
    op = {"ADD": Add, "SUB": Sub, "MUL": Mul}[name](out, low, high, "double")
    check(op, answer, *zip(ALL_PAIRS, quants, strict=False))


SHAPES = (
    ((1, 3, 4, 5), (1, 1, 1, 5)), ((1, 3, 4, 5), (5,)), ((1, 1, 1, 3), (1, 4, 2, 3)), ((1, 3, 4, 5), (1, 3, 4, 1)),
    ((1, 4, 1, 3), (1, 1, 6, 1)), ((1, 2, 3), (1, 1, 1)),
)  # fmt: skip


@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("name", ["ADD", "SUB", "MUL"])
def test_broadcasting(name: str, shapes: tuple) -> None:
    draw = Draw(len(shapes[0]) + len(shapes[1]))
    a, b, quant, other, out = (
        draw.bytes(*shapes[0]),
        draw.bytes(*shapes[1]),
        draw.quant(),
        draw.quant(),
        draw.quant(0.3, 0.9),
    )
    model = Model()
    operands = [model.input(a, quant), model.const(b, other)]
    answer = model.run(name, operands, np.broadcast_shapes(*shapes), out, version=2, table=f"{name.title()}Options")
    check(
        {"ADD": Add, "SUB": Sub, "MUL": Mul}[name](out, rounding="double", constant=1), answer, (a, quant), (b, other)
    )


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("name", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
def test_pooling(name: str, seed: int) -> None:
    draw = Draw(seed)
    kernel, stride = (draw.between(1, 5), draw.between(1, 5)), (draw.between(1, 3), draw.between(1, 3))
    size, same, quant = (draw.between(5, 9), draw.between(5, 9)), draw.between(0, 1), draw.quant(0.02, 0.2)
    x = draw.bytes(1, *size, draw.one_of(1, 2, 3, 5, 7))
    fused, low, high = activation(draw, quant)
    sides = [same_padding(*v, 1) if same else (0, 0) for v in zip(size, kernel, stride, strict=True)]
    op = (AveragePool2d if name.startswith("A") else MaxPool2d)(kernel, stride, (*sides[0], *sides[1]), low, high)
    (kind_out,) = op.infer(kind(x, quant))
    model = Model()
    answer = model.run(
        name, [model.input(x, quant)], kind_out.shape, quant, version=2, table="Pool2DOptions",
        padding=0 if same else 1, strideH=stride[0], strideW=stride[1], filterHeight=kernel[0], filterWidth=kernel[1],
        fusedActivationFunction=fused,
    )  # fmt: skip
    check(op, answer, (x, quant))


@pytest.mark.parametrize("seed", range(40))
def test_mean(seed: int) -> None:
    draw = Draw(seed)
    x, quant, keep = (
        draw.bytes(1, draw.between(1, 30), draw.between(1, 30), draw.between(1, 70)),
        draw.quant(),
        draw.between(0, 1),
    )
    axes = draw.one_of((1, 2), (1, 2), (2, 1), (1,), (2,), (3,), (1, 2, 3), (2, 3))
    out = quant if draw.between(0, 2) == 0 else draw.quant(quant.scale / 4, quant.scale * 2)
    op = Mean(axes, bool(keep), out, "double")
    (kind_out,) = op.infer(kind(x, quant))
    model = Model()
    operands = [model.input(x, quant), model.const(np.array(axes, np.int32))]
    answer = model.run("MEAN", operands, kind_out.shape, out, version=2, table="ReducerOptions", keepDims=bool(keep))
    check(op, answer, (x, quant))


@pytest.mark.parametrize("seed", range(40))
def test_softmax(seed: int) -> None:
    draw = Draw(seed)
    quant, beta = QuantParams((draw.scale(1e-3, 8),), draw.zero()), float(np.float32(draw.one_of(1, 1, 0.5, 0.3, 2)))
    x, out = draw.bytes(200, draw.one_of(1, 2, 3, 10, 12, 40, 300)), QuantParams((1 / 256,), -128)
    model = Model()
    answer = model.run("SOFTMAX", [model.input(x, quant)], x.shape, out, version=2, table="SoftmaxOptions", beta=beta)
    (mine,) = Softmax(beta, "gemmlowp").reference(x, types=(kind(x[:1], quant),))
    np.testing.assert_array_equal(mine, answer)


LOOKUPS: dict[str, tuple[str, dict]] = {
    "relu": ("RELU", {}), "relu6": ("RELU6", {}), "relu_n1_to_1": ("RELU_N1_TO_1", {}), "tanh": ("TANH", {}),
    "logistic": ("LOGISTIC", {}), "requantize": ("QUANTIZE", {"table": "QuantizeOptions"}),
    "hard_swish": ("HARD_SWISH", {"table": "HardSwishOptions"}), "leaky_relu": ("LEAKY_RELU", {}),
}  # fmt: skip


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("function", LOOKUPS)
def test_functions(function: str, seed: int) -> None:
    """All 256 inputs under many quantisations."""
    draw = Draw(seed)
    name, options = LOOKUPS[function]
    quant = draw.quant(1e-3, 4)
    out = QuantParams((quant.scale * draw.scale(0.2, 5),), draw.zero())
    if function == "logistic":
        out = QuantParams((1 / 256,), -128)
    elif function == "tanh":
        out = QuantParams((1 / 128,), 0) if draw.between(0, 1) else draw.quant(0.001, 0.1)
    elif draw.between(0, 4) == 0:
        out = QuantParams(quant.scales, draw.zero())
    alpha = float(np.float32(draw.one_of(0.01, 0.2, 0.3, 1.5, -0.1)))
    if function == "leaky_relu":
        options = {"table": "LeakyReluOptions", "alpha": alpha}
    model = Model()
    answer = model.run(
        name,
        [model.input(EVERY_BYTE, quant)],
        EVERY_BYTE.shape,
        out,
        version=1 if name in ("HARD_SWISH", "RELU_N1_TO_1") else 2,
        **options,
    )
    check(Lookup(function, out, alpha if function == "leaky_relu" else 0.0), answer, (EVERY_BYTE, quant))


@pytest.mark.parametrize("mode", [(False, False), (True, False), (False, True)], ids=["plain", "corners", "centers"])
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("bilinear", [False, True], ids=["nearest", "bilinear"])
def test_resizing(bilinear: bool, seed: int, mode: tuple[bool, bool]) -> None:
    draw = Draw(seed)
    x, size, quant = (
        draw.bytes(1, draw.between(1, 12), draw.between(1, 12), draw.one_of(1, 2, 3, 5)),
        (draw.between(1, 30), draw.between(1, 30)),
        draw.quant(),
    )
    op = (ResizeBilinear if bilinear else ResizeNearest)(size, *mode)
    model = Model()
    operands = [model.input(x, quant), model.const(np.array(size, np.int32))]
    table = "ResizeBilinearOptions" if bilinear else "ResizeNearestNeighborOptions"
    name = "RESIZE_BILINEAR" if bilinear else "RESIZE_NEAREST_NEIGHBOR"
    answer = model.run(
        name,
        operands,
        (1, *size, x.shape[3]),
        quant,
        version=3,
        table=table,
        alignCorners=mode[0],
        halfPixelCenters=mode[1],
    )
    check(op, answer, (x, quant))


def test_resizing_behind_the_edge_is_refused() -> None:
    """LiteRT's rounded table of cells leaves the image here, and reads what lies behind it."""
    with pytest.raises(GraphError, match="behind the edge"):
        ResizeBilinear((4000, 4)).infer(TensorType((1, 10, 4, 1), "int8", QuantParams((0.1,), 0)))


def moved(name: str, op: Op, x: np.ndarray, consts: list[np.ndarray], quant: QuantParams, **options: object) -> None:
    model = Model()
    operands = [model.input(x, quant), *(model.const(np.array(c, np.int32)) for c in consts)]
    (out,) = op.infer(kind(x, quant))
    check(op, model.run(name, operands, out.shape, quant, **options), (x, quant))


def test_movers() -> None:
    draw = Draw(3)
    x, quant = draw.bytes(1, 5, 6, 7), QuantParams((0.1,), -9)
    for axes in ((0, 3, 1, 2), (0, 2, 1, 3), (0, 2, 3, 1)):
        moved("TRANSPOSE", Transpose(axes), x, [axes], quant, version=2)
    pairs = ((0, 0), (1, 2), (3, 0), (0, 4))
    moved("PAD", Pad(pairs), x, [pairs], quant, version=2, table="PadOptions")
    moved("RESHAPE", Reshape((1, 7, 30)), x, [(1, 7, 30)], quant, table="ReshapeOptions")
    begin, shape = (0, 1, 2, 3), (1, 3, 4, 2)
    moved("SLICE", Slice(begin, shape, (1, 1, 1, 1)), x, [begin, shape], quant, version=2, table="SliceOptions")
    op = Slice((0, 4, 0, 6), (1, 3, 3, 4), (1, -2, 2, -2))
    bounds = [(0, 4, 0, 6), (1, 0, 6, 0), (1, -2, 2, -2)]
    moved("STRIDED_SLICE", op, x, bounds, quant, version=2, table="StridedSliceOptions", endMask=0b1010)


def test_padding_with_a_given_value() -> None:
    x, quant, pairs = Draw(4).bytes(1, 2, 3, 2), QuantParams((0.1,), -9), ((0, 0), (1, 2), (3, 0), (0, 1))
    model = Model()
    operands = [
        model.input(x, quant),
        model.const(np.array(pairs, np.int32)),
        model.const(np.array([77], np.int8), quant),
    ]
    answer = model.run("PADV2", operands, (1, 5, 6, 3), quant, version=2, table="PadV2Options")
    check(Pad(pairs, 77), answer, (x, quant))


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_concatenation(axis: int) -> None:
    draw, quant, parts = Draw(axis), QuantParams((0.1,), 5), []
    for size in (1, 3, 2):
        shape = [1, 4, 5, 3]
        shape[axis] = size
        parts.append(draw.bytes(*shape))
    model = Model()
    operands = [model.input(p, quant) for p in parts]
    shape = np.concatenate(parts, axis).shape
    answer = model.run("CONCATENATION", operands, shape, quant, version=2, table="ConcatenationOptions", axis=axis)
    check(Concat(axis), answer, *((p, quant) for p in parts))
