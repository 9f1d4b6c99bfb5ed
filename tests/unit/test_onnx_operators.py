"""ONNX operators, one small network each: every layer against onnxruntime on equal integers, the C against both.

onnxruntime rounds floats half to even; what is listed with a share of unequal elements rounds ties or probabilities
another way, by one step. Everything else is equal.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime")


from tests.unit.onnx_oracle import FloatNetwork, check_against_onnxruntime, quantized  # noqa: E402

IMAGE = (1, 4, 7, 6)
Build = Callable[[FloatNetwork], str]
CASES: dict[str, tuple[tuple[int, ...], float, Build]] = {}


def case(shape: tuple[int, ...] = IMAGE, unequal: float = 0.0) -> Callable[[Build], Build]:
    """A network on an input `x` of this shape; `unequal` is the share of elements that may differ by one step."""

    def register(build: Build) -> Build:
        CASES[build.__name__] = (shape, unequal, build)
        return build

    return register


def start(n: FloatNetwork) -> str:
    """A first convolution from the 4 channels of the image to 4."""
    return n.conv("x", "first", (n.inputs["x"][1], 4), (3, 3), pads=[1] * 4)


def last(n: FloatNetwork, x: str, channels: int = 4) -> str:
    """A last convolution, so that the operator before it is quantised whatever it is."""
    return n.conv(x, "y", (channels, 3), (1, 1))


def ints(n: FloatNetwork, name: str, *values: int) -> str:
    return n.constant(name, np.array(values, np.int64))


@case()
def conv_strided_padded(n: FloatNetwork) -> str:
    return n.conv("x", "y", (4, 5), (3, 2), strides=[2, 1], pads=[1, 0, 2, 1])


@case()
def conv_dilated_without_bias(n: FloatNetwork) -> str:
    return n.conv("x", "y", (4, 5), (3, 2), dilations=[2, 3], bias=False)


@case()
def conv_same_upper(n: FloatNetwork) -> str:
    return n.conv("x", "y", (4, 3), (3, 4), strides=[2, 2], auto_pad="SAME_UPPER")


@case()
def conv_same_lower(n: FloatNetwork) -> str:
    return n.conv("x", "y", (4, 3), (3, 4), strides=[2, 2], auto_pad="SAME_LOWER")


@case()
def conv_padded_past_its_kernel(n: FloatNetwork) -> str:
    return n.conv("x", "y", (4, 3), (3, 3), pads=[3, 4, 0, 1])


@case()
def conv_depthwise(n: FloatNetwork) -> str:
    return n.conv("x", "y", (4, 4), (3, 3), group=4, pads=[1, 0, 0, 1])


@case()
def conv_depthwise_multiplier(n: FloatNetwork) -> str:
    return n.conv("x", "y", (4, 8), (3, 3), group=4, strides=[1, 2])


@case()
def conv_grouped(n: FloatNetwork) -> str:
    return n.conv("x", "y", (4, 6), (3, 3), group=2, dilations=[2, 1])


@case((1, 5, 12))
def conv_one_spatial_axis(n: FloatNetwork) -> str:
    x = n.conv("x", "c", (5, 6), (3,), pads=[1, 1])
    x = n.conv(x, "d", (6, 6), (3,), group=6, dilations=[2])
    return n.add("MaxPool", [x], "y", kernel_shape=[2], strides=[2])


@case()
def relu_fused(n: FloatNetwork) -> str:
    return last(n, n.add("Relu", [start(n)], "r"))


@case()
def clip_fused(n: FloatNetwork) -> str:
    bounds = [n.constant("low", np.float32(-0.5)), n.constant("high", np.float32(0.7))]
    return last(n, n.add("Clip", [start(n), *bounds], "r"))


@case()
def clip_of_the_input(n: FloatNetwork) -> str:
    return n.conv(n.add("Clip", ["x", n.constant("low", np.float32(-0.2))], "r"), "y", (4, 3), (1, 1))


@case()
def gemm_behind_flatten(n: FloatNetwork) -> str:
    x = n.add("Flatten", [start(n)], "f")
    return n.add("Gemm", [x, n.normal("w", 168, 5, scale=0.1), n.normal("b", 5)], "y")


@case()
def gemm_transposed(n: FloatNetwork) -> str:
    x = n.add("Reshape", [start(n), ints(n, "s", 1, -1)], "f")
    return n.add("Gemm", [x, n.normal("w", 5, 168, scale=0.1)], "y", transB=1)


@case()
def matmul_and_add(n: FloatNetwork) -> str:
    x = n.add("MatMul", [n.add("Flatten", [start(n)], "f"), n.normal("w", 168, 5, scale=0.1)], "m")
    return n.add("Add", [n.normal("b", 5), x], "y")


@case((1, 5, 12))
def matmul_of_rows(n: FloatNetwork) -> str:
    return n.add("MatMul", ["x", n.normal("w", 12, 10, scale=0.3)], "y")


@case()
def add_of_two(n: FloatNetwork) -> str:
    return n.add("Add", [start(n), n.conv("x", "c", (4, 4), (1, 1))], "y")


@case()
def add_constant_per_channel(n: FloatNetwork) -> str:
    return n.add("Add", [start(n), n.normal("k", 1, 4, 1, 1)], "y")


@case()
def sub_of_two(n: FloatNetwork) -> str:
    return last(n, n.add("Sub", [start(n), n.conv("x", "c", (4, 4), (1, 1))], "s"))


@case(unequal=0.02)
def sub_from_constant(n: FloatNetwork) -> str:
    return last(n, n.add("Sub", [n.normal("k", 4, 1, 1), start(n)], "s"))


@case()
def sums_with_one_number(n: FloatNetwork) -> str:
    x = n.add("Sub", [n.constant("one", np.float32(0.7)), start(n)], "s")
    return n.add("Add", [last(n, x), n.constant("other", np.float32(-0.2))], "z")


@case(unequal=0.02)
def mul_by_float_constants(n: FloatNetwork) -> str:
    x = n.add("Mul", [start(n), n.normal("k", 4, 1, 1)], "m")
    return last(n, n.add("Sub", [x, n.normal("j", 1, 4, 1, 1)], "s"))


@case()
def mul_of_two(n: FloatNetwork) -> str:
    return n.add("Mul", [start(n), n.conv("x", "c", (4, 4), (1, 1))], "y")


@case()
def mul_by_means(n: FloatNetwork) -> str:
    x = start(n)
    return n.add("Mul", [n.add("GlobalAveragePool", [x], "g"), x], "y")


@case(unequal=0.25)
def average_pool(n: FloatNetwork) -> str:
    return n.add("AveragePool", [start(n)], "y", kernel_shape=[2, 2], strides=[2, 2])


@case(unequal=0.25)
def average_pool_padded(n: FloatNetwork) -> str:
    return n.add("AveragePool", [start(n)], "y", kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 1])


@case()
def average_pool_counting_padding(n: FloatNetwork) -> str:
    more = {"pads": [1] * 4, "count_include_pad": 1}
    return n.add("AveragePool", [start(n)], "y", kernel_shape=[3, 3], strides=[2, 1], **more)


@case(unequal=0.25)
def average_pool_ceil(n: FloatNetwork) -> str:
    return n.add("AveragePool", [start(n)], "y", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)


@case()
def global_average_pool(n: FloatNetwork) -> str:
    return n.add("Flatten", [n.add("GlobalAveragePool", [start(n)], "g")], "y")


@case()
def max_pool_padded(n: FloatNetwork) -> str:
    return n.add("MaxPool", [start(n)], "y", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1])


@case()
def global_max_pool(n: FloatNetwork) -> str:
    return n.conv(n.add("GlobalMaxPool", [start(n)], "m"), "y", (4, 3), (1, 1))


@case()
def max_pool_ceil(n: FloatNetwork) -> str:
    return n.add("MaxPool", [start(n)], "y", kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1)


@case()
def mean_of_image(n: FloatNetwork) -> str:
    x = n.add("ReduceMean", [start(n)], "m", axes=[2, 3], keepdims=0)
    return n.add("MatMul", [x, n.normal("w", 4, 3)], "y")


@case()
def mean_of_rows(n: FloatNetwork) -> str:
    return last(n, n.add("ReduceMean", [start(n)], "m", axes=[-1], keepdims=1))


@case()
def mean_of_channels_and_rows(n: FloatNetwork) -> str:
    x = n.add("ReduceMean", [start(n)], "m", axes=[1, 2], keepdims=0)
    return n.add("MatMul", [x, n.normal("w", 6, 3)], "y")


@case()
def leaky_relu(n: FloatNetwork) -> str:
    return last(n, n.add("LeakyRelu", [start(n)], "s", alpha=0.2))


@case()
def hard_swish(n: FloatNetwork) -> str:
    return last(n, n.add("HardSwish", [start(n)], "s"))


@case()
def hard_sigmoid(n: FloatNetwork) -> str:
    return last(n, n.add("HardSigmoid", [start(n)], "s", alpha=0.3, beta=0.4))


@case()
def sigmoid(n: FloatNetwork) -> str:
    return last(n, n.add("Sigmoid", [start(n)], "s"))


@case()
def tanh(n: FloatNetwork) -> str:
    return last(n, n.add("Tanh", [start(n)], "s"))


@case(unequal=0.3)
def softmax_of_scores(n: FloatNetwork) -> str:
    x = n.add("Gemm", [n.add("Flatten", [start(n)], "f"), n.normal("w", 10, 168, scale=0.1)], "g", transB=1)
    return n.add("Softmax", [x], "y")


@case(unequal=0.3)
def softmax_of_channels(n: FloatNetwork) -> str:
    return n.add("Softmax", [start(n)], "y", axis=1)


@case(unequal=0.4)
def softmax_of_columns(n: FloatNetwork) -> str:
    return n.add("Softmax", [start(n)], "y", axis=-1)


@case()
def pad(n: FloatNetwork) -> str:
    return last(n, n.add("Pad", [start(n), ints(n, "p", 0, 1, 1, 0, 0, 0, 2, 3)], "s"), 5)


@case()
def concat_of_channels(n: FloatNetwork) -> str:
    return n.add("Concat", [start(n), n.conv("x", "c", (4, 3), (1, 1))], "y", axis=1)


@case()
def concat_of_rows(n: FloatNetwork) -> str:
    return n.add("Concat", [start(n), n.conv("x", "c", (4, 4), (1, 1))], "y", axis=-2)


@case()
def split_of_channels(n: FloatNetwork) -> str:
    n.add("Split", [start(n), ints(n, "s", 1, 3)], "a", "b", axis=1)
    return n.add("Add", [n.conv("a", "c", (1, 2), (1, 1)), n.conv("b", "d", (3, 2), (1, 1))], "y")


@case()
def slices(n: FloatNetwork) -> str:
    bounds = [ints(n, "starts", 1, 0), ints(n, "ends", -1, 99), ints(n, "axes", 2, 3), ints(n, "steps", 1, 2)]
    return last(n, n.add("Slice", [start(n), *bounds], "s"))


@case()
def squeeze_and_unsqueeze(n: FloatNetwork) -> str:
    x = n.add("GlobalAveragePool", [start(n)], "g")
    x = n.add("Unsqueeze", [n.add("Squeeze", [x, ints(n, "q", 2, 3)], "s"), ints(n, "u", 1)], "t")
    return n.add("MatMul", [x, n.normal("w", 4, 3)], "y")


@case()
def transpose_to_pixels(n: FloatNetwork) -> str:
    x = n.add("Transpose", [start(n)], "t", perm=[0, 2, 3, 1])
    x = n.add("Reshape", [x, ints(n, "s", 1, -1, 4)], "r")
    return n.add("MatMul", [x, n.normal("w", 4, 3)], "y")


@case((1, 7, 6, 3))
def transpose_of_input_and_output(n: FloatNetwork) -> str:
    x = n.conv(n.add("Transpose", ["x"], "t", perm=[0, 3, 1, 2]), "c", (3, 4), (3, 3))
    return n.add("Transpose", [x], "y", perm=[0, 2, 3, 1])


@case()
def transpose_of_rows_and_columns(n: FloatNetwork) -> str:
    return last(n, n.add("Transpose", [start(n)], "t", perm=[0, 1, 3, 2]))


@case()
def reshape_across_channels(n: FloatNetwork) -> str:
    x = n.add("Reshape", [start(n), ints(n, "s", 1, 6, 28)], "r")
    return n.add("MatMul", [x, n.normal("w", 28, 3, scale=0.3)], "y")


@case()
def channel_shuffle(n: FloatNetwork) -> str:
    x = n.add("Reshape", [start(n), ints(n, "s", 1, 2, 2, 7, 6)], "r")
    x = n.add("Transpose", [x], "t", perm=[0, 2, 1, 3, 4])
    return last(n, n.add("Reshape", [x, ints(n, "u", 0, 4, 7, 6)], "v"))


@case()
def resize_nearest(n: FloatNetwork) -> str:
    scales = n.constant("scales", np.array([1, 1, 2, 3], np.float32))
    modes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return last(n, n.add("Resize", [start(n), "", scales], "r", mode="nearest", **modes))


@case(unequal=0.1)
def resize_linear(n: FloatNetwork) -> str:
    scales = n.constant("scales", np.array([1, 1, 2, 4], np.float32))
    return last(n, n.add("Resize", [start(n), "", scales], "r", mode="linear"))


@case(unequal=0.3)
def resize_linear_corners(n: FloatNetwork) -> str:
    mode = {"coordinate_transformation_mode": "align_corners"}
    return last(n, n.add("Resize", [start(n), "", "", ints(n, "sizes", 1, 4, 13, 11)], "r", mode="linear", **mode))


@case(unequal=0.1)
def resize_linear_by_odd_ratios(n: FloatNetwork) -> str:
    return last(n, n.add("Resize", [start(n), "", "", ints(n, "sizes", 1, 4, 40, 17)], "r", mode="linear"))


@case(unequal=0.3)
def resize_linear_asymmetric_down(n: FloatNetwork) -> str:
    mode = {"coordinate_transformation_mode": "asymmetric"}
    return last(n, n.add("Resize", [start(n), "", "", ints(n, "sizes", 1, 4, 5, 4)], "r", mode="linear", **mode))


@case()
def resize_nearest_by_default_modes(n: FloatNetwork) -> str:
    return last(n, n.add("Resize", [start(n), "", "", ints(n, "sizes", 1, 4, 14, 9)], "r"))


@case()
def dropout_and_identity(n: FloatNetwork) -> str:
    return last(n, n.add("Identity", [n.add("Dropout", [start(n)], "d")], "i"))


@pytest.mark.parametrize("activation", ["int8", "uint8"])
@pytest.mark.parametrize("name", CASES)
def test_operator(name: str, activation: str, tmp_path: Path) -> None:
    shape, unequal, build = CASES[name]
    network = FloatNetwork({"x": shape})
    data = quantized(network, network.model(build(network)), tmp_path, activation=activation)
    check_against_onnxruntime(data, within=1 if unequal else 0, unequal=unequal)
